//! Forms that were posted when a session had just timed out: kept until the same person has signed on again.
//!
//! Separate because what somebody has typed must neither be lost nor get into other hands, and must never be sent
//! without being asked for, nor twice.
//!
//! Rules: only a browser with the cookie of a session that time alone has ended may leave something here, so an
//! outsider cannot fill the store; it is kept for that session's user, sealed, for an hour, and few for each. The
//! user stands under the seal, too, so no change of the database gives one person's words to another.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::id::UserId;
use crate::secret::sha256;
use crate::session::SessionId;
use crate::sign_on::{SignOn, Visitor};
use crate::store::{self, HeldPost};
use crate::target::{PathRule, RequestTarget};

/// A form as it was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where to: path and query.
    pub target: String,
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its octets.
    pub body: Vec<u8>,
}

/// What is kept under a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// A form of this visitor.
    Yours(Post),
    /// A form of somebody else.
    Another,
    /// Nothing: it was sent or is too old, or there never was anything.
    Gone,
}

/// What is under the seal before the octets of the body.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    user: String,
    target: String,
    content_type: String,
}

impl SignOn {
    /// The rule by which forms for a target are kept, if they are.
    #[must_use]
    pub fn repeats(&self, target: &RequestTarget) -> Option<PathRule> {
        self.settings.load().repeat_posts.iter().find(|rule| rule.covers(target)).cloned()
    }

    /// Whose session a cookie belonged to, if only time has ended it.
    pub async fn owner_of_expired(&self, cookie: Option<&str>) -> store::Result<Option<UserId>> {
        match cookie.and_then(SessionId::parse) {
            Some(id) => self.store.session_owner(&id.hash()).await,
            None => Ok(None),
        }
    }

    /// Keeps a form; the token to find it by again.
    pub async fn hold(&self, user: &UserId, post: &Post) -> store::Result<String> {
        let mut secret = [0_u8; 32];
        self.randomness.fill(&mut secret);
        let about = Head {
            user: user.as_str().to_owned(),
            target: post.target.clone(),
            content_type: post.content_type.clone(),
        };
        // Text in JSON has no line end of its own.
        let mut plain = serde_json::to_vec(&about).expect("texts always have a JSON form");
        plain.push(b'\n');
        plain.extend(&post.body);
        let now = self.clock.now();
        let kept = HeldPost {
            token_hash: sha256(&secret),
            user: user.clone(),
            sealed: self.posts_key.seal(&plain),
            held_at: now,
            expires_at: now.saturating_add(HELD_FOR).unwrap_or(now),
        };
        self.store.hold_post(&kept).await?;
        Ok(URL_SAFE_NO_PAD.encode(secret))
    }

    /// Looks at what is kept under a token, and leaves it there.
    pub async fn held(&self, token: &str, visitor: &Visitor) -> store::Result<Held> {
        let Some(hash) = token_hash(token) else { return Ok(Held::Gone) };
        let held = self.store.held_post(&hash, self.clock.now()).await?;
        Ok(held.map_or(Held::Gone, |held| self.open_held(&held, &visitor.live().session().user)))
    }

    /// Takes out what is kept for a visitor under a token: once among all nodes.
    pub async fn take_held(&self, token: &str, visitor: &Visitor) -> store::Result<Held> {
        let Some(hash) = token_hash(token) else { return Ok(Held::Gone) };
        let user = &visitor.live().session().user;
        match self.store.take_post(&hash, user, self.clock.now()).await? {
            Some(held) => Ok(self.open_held(&held, user)),
            None => self.held(token, visitor).await,
        }
    }

    fn open_held(&self, held: &HeldPost, user: &UserId) -> Held {
        if held.user != *user {
            return Held::Another;
        }
        let Some(plain) = self.posts_key.open(&held.sealed) else { return Held::Gone };
        let Some(end) = plain.iter().position(|octet| *octet == b'\n') else { return Held::Gone };
        let (about, body) = plain.split_at(end);
        let Ok(about) = serde_json::from_slice::<Head>(about) else { return Held::Gone };
        if about.user != user.as_str() {
            return Held::Another;
        }
        let body = body.get(1..).unwrap_or_default().to_vec();
        Held::Yours(Post { target: about.target, content_type: about.content_type, body })
    }
}

fn token_hash(token: &str) -> Option<[u8; 32]> {
    let mut secret = [0_u8; 32];
    let is_token = token.len() == 43
        && URL_SAFE_NO_PAD.decode_slice(token, &mut secret).is_ok_and(|length| length == secret.len());
    is_token.then(|| sha256(&secret))
}

/// A sign-on takes minutes; whoever comes back after lunch had better look again first.
const HELD_FOR: Duration = Duration::from_hours(1);
