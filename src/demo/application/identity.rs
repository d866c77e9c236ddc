//! Reading and verifying the identity header, as the developer of any application would.
//!
//! Separate because it is written from DESIGN section 5 and the two public documents alone: it shares no code
//! with the side that signs, and can be read as an example.
//!
//! Rules: the algorithm is ours to say and not the token's; issuer, audience, type and times are checked; keys
//! come from the JWKS only, and are asked for again when a token names one that is unknown.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::demo::visitor::send;

/// Who is asking, as far as this application wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Identity {
    /// The user's id for good.
    pub(crate) sub: String,
    /// The address.
    pub(crate) email: String,
    /// The name, if Anteroom knows it.
    pub(crate) name: Option<String>,
    /// The organization.
    pub(crate) org: String,
    /// What the user may do where; the demo's people have few grants, so the list is always there.
    pub(crate) access: Vec<Access>,
    /// Grows with every change of the user's access.
    pub(crate) ent_ver: i64,
    /// How the user signed on.
    #[serde(default)]
    pub(crate) amr: Vec<String>,
    iss: String,
    aud: String,
    nbf: i64,
    exp: i64,
}

/// One grant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Access {
    /// A property's id, or `*`.
    pub(crate) property: String,
    /// The level.
    pub(crate) level: String,
}

/// Why a header is not believed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// Not a token of Anteroom's.
    #[error("the identity header is not an Anteroom token")]
    Malformed,
    /// A key that Anteroom does not publish.
    #[error("the identity header is signed with an unknown key")]
    UnknownKey,
    /// The signature is not that key's.
    #[error("the identity header's signature is wrong")]
    Signature,
    /// From or for somebody else.
    #[error("the identity header is from or for somebody else")]
    Party,
    /// Not yet, or no longer.
    #[error("the identity header is not valid at this time")]
    Time,
}

impl Identity {
    /// The name to show.
    pub(crate) fn shown_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.email)
    }

    /// The level on a property, if there is any.
    pub(crate) fn level_on(&self, property: &str) -> Option<&str> {
        let own = self.access.iter().find(|access| access.property == property);
        own.or_else(|| self.access.iter().find(|access| access.property == "*"))
            .map(|access| access.level.as_str())
    }
}

/// Verifies tokens, and keeps the keys it has seen.
pub(crate) struct Verifier {
    /// Anteroom's public address: issuer, audience, and where the keys are.
    anteroom: Url,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    points: HashMap<String, Vec<u8>>,
    asked_at: Option<Instant>,
}

impl Verifier {
    /// A verifier for tokens of the Anteroom at that address.
    pub(crate) fn new(anteroom: Url) -> Self {
        Self { anteroom, keys: Mutex::default() }
    }

    /// Verifies the value of the header.
    pub(crate) async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let head: Head = json(head)?;
        if head.typ != "anteroom-identity+jwt" || head.alg != "ES256" {
            return Err(Refused::Malformed);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Malformed)?;
        let point = self.key(&head.kid).await.ok_or(Refused::UnknownKey)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| Refused::Signature)?;
        self.accept(json(claims)?, now)
    }

    fn accept(&self, identity: Identity, now: Timestamp) -> Result<Identity, Refused> {
        let anteroom = self.anteroom.as_str().trim_end_matches('/');
        if identity.iss != anteroom || identity.aud != anteroom {
            return Err(Refused::Party);
        }
        if now.as_second() < identity.nbf || now.as_second() >= identity.exp {
            return Err(Refused::Time);
        }
        Ok(identity)
    }

    async fn key(&self, kid: &str) -> Option<Vec<u8>> {
        if let Some(point) = self.known(kid) {
            return Some(point);
        }
        let may_ask = {
            let mut keys = self.keys.lock().ok()?;
            let may_ask = keys.asked_at.is_none_or(|asked_at| asked_at.elapsed() >= ASK_PAUSE);
            if may_ask {
                keys.asked_at = Some(Instant::now());
            }
            may_ask
        };
        // A made-up key id must not make this application ask Anteroom for each request.
        if may_ask && let Ok(points) = self.fetch().await {
            self.keys.lock().ok()?.points = points;
        }
        self.known(kid)
    }

    fn known(&self, kid: &str) -> Option<Vec<u8>> {
        self.keys.lock().ok()?.points.get(kid).cloned()
    }

    async fn fetch(&self) -> anyhow::Result<HashMap<String, Vec<u8>>> {
        let url = self.anteroom.join("/.well-known/anteroom/jwks.json")?;
        let request = Request::get(url.path()).body(Full::default())?;
        let response = send(&url, request).await?;
        ensure!(response.status().is_success(), "the keys cannot be had: {}", response.status());
        let body = Limited::new(response.into_body(), JWKS_OCTETS_MAX).collect().await;
        let octets = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
        let jwks: Jwks = serde_json::from_slice(&octets).context("the keys are no JWKS")?;
        Ok(jwks.keys.into_iter().filter_map(|key| Some((key.kid.clone(), key.point()?))).collect())
    }
}

#[derive(Deserialize)]
struct Head {
    typ: String,
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// A key; of other types only the name is read.
#[derive(Deserialize)]
struct Jwk {
    kid: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    /// The uncompressed point of a P-256 key (SEC 1 2.3.3).
    fn point(&self) -> Option<Vec<u8>> {
        let x = URL_SAFE_NO_PAD.decode(self.x.as_ref()?).ok()?;
        let y = URL_SAFE_NO_PAD.decode(self.y.as_ref()?).ok()?;
        (self.crv.as_deref() == Some("P-256")).then(|| [&[4], x.as_slice(), &y].concat())
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Result<T, Refused> {
    let octets = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)?;
    serde_json::from_slice(&octets).map_err(|_| Refused::Malformed)
}

const ASK_PAUSE: Duration = Duration::from_secs(1);
const JWKS_OCTETS_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::email::EmailAddress;
    use crate::id::{OrganizationId, SessionName, SystemRandomness, UserId};
    use crate::identity;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn token(key: &identity::SigningKey, audience: &str) -> String {
        let settings = identity::Settings {
            issuer: "http://app.localhost:8080".to_owned(),
            audience: audience.to_owned(),
            algorithm: identity::Algorithm::ES256,
            lifetime: identity::LIFETIME_DEFAULT,
            presets: Vec::new(),
            app_url: Url::parse("http://app.localhost:8080").unwrap(),
        };
        let who = identity::Identity {
            user: UserId::random(&SystemRandomness),
            session: SessionName::random(&SystemRandomness),
            email: EmailAddress::parse("noa@contoso.example").unwrap(),
            name: None,
            organization: OrganizationId::parse("contoso").unwrap(),
            access: vec![identity::Access { property: "lakeside".to_owned(), level: "viewer".to_owned() }],
            access_version: 1,
            authenticated_at: at(900),
            methods: vec!["pwd".to_owned()],
        };
        identity::mint(key, &settings.claims(who, "t1".to_owned(), at(1000)))
    }

    /// A verifier that has the key and will not ask for more.
    fn verifier(key: &identity::SigningKey) -> Verifier {
        let jwk: Jwk = serde_json::from_value(serde_json::to_value(key.jwk()).unwrap()).unwrap();
        let keys = Keys {
            points: HashMap::from([(jwk.kid.clone(), jwk.point().unwrap())]),
            asked_at: Some(Instant::now()),
        };
        Verifier { anteroom: Url::parse("http://app.localhost:8080").unwrap(), keys: Mutex::new(keys) }
    }

    #[tokio::test]
    async fn a_token_of_anteroom_is_believed_for_its_time() {
        let (key, _) = identity::SigningKey::generate(identity::Algorithm::ES256);
        let token = token(&key, "http://app.localhost:8080");
        let verifier = verifier(&key);
        let identity = verifier.verify(&token, at(1000)).await.unwrap();
        assert_eq!(identity.shown_name(), "noa@contoso.example");
        assert_eq!(identity.level_on("lakeside"), Some("viewer"));
        assert_eq!(identity.level_on("harbor"), None);
        assert!(matches!(verifier.verify(&token, at(999)).await, Err(Refused::Time)));
        assert!(matches!(verifier.verify(&token, at(1060)).await, Err(Refused::Time)));
    }

    #[tokio::test]
    async fn a_token_for_another_or_by_another_or_changed_is_refused() {
        let (key, _) = identity::SigningKey::generate(identity::Algorithm::ES256);
        let (other, _) = identity::SigningKey::generate(identity::Algorithm::ES256);
        let (edwards, _) = identity::SigningKey::generate(identity::Algorithm::EdDSA);
        let verifier = verifier(&key);
        let good = token(&key, "http://app.localhost:8080");
        assert!(verifier.verify(&good, at(1000)).await.is_ok());

        let elsewhere = token(&key, "http://other.localhost:8080");
        assert!(matches!(verifier.verify(&elsewhere, at(1000)).await, Err(Refused::Party)));
        let foreign = token(&other, "http://app.localhost:8080");
        assert!(matches!(verifier.verify(&foreign, at(1000)).await, Err(Refused::UnknownKey)));
        let algorithm = token(&edwards, "http://app.localhost:8080");
        assert!(matches!(verifier.verify(&algorithm, at(1000)).await, Err(Refused::Malformed)));
        let (start, signature) = good.rsplit_once('.').unwrap();
        let (head, claims) = start.split_once('.').unwrap();
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let claims = URL_SAFE_NO_PAD.encode(claims.replace("viewer", "manager"));
        let changed = format!("{head}.{claims}.{signature}");
        assert!(matches!(verifier.verify(&changed, at(1000)).await, Err(Refused::Signature)));
        assert!(matches!(verifier.verify("no token", at(1000)).await, Err(Refused::Malformed)));
    }
}
