//! Single logout: a provider ends sessions here, and ours goes on to end the provider's.
//!
//! Separate because it arrives without any cookie, perhaps in a frame that nobody sees: whose session is meant is
//! said by the message alone, and only by one that a provider has signed.
//!
//! Rules: keys come from the connections of the issuer that the message names, and sessions are looked up within
//! the connection whose keys have signed it; what is unsigned or foreign changes nothing and is answered to
//! nobody; our own session ends first, whatever the provider does then; nothing is kept for a logout of ours
//! that is on its way, as its ID proves itself.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::json;
use url::Url;

use crate::id::{self, UserId};
use crate::saml;
use crate::saml::logout::{
    Expected, Incoming, Message, Onward, OwnRequest, OwnResponse, Request, Response, Verdict,
    VerifiedLogoutRequest,
};
use crate::secret::{ClusterSecret, MacKey};
use crate::session::Session;
use crate::sign_on::answer::CLOCK_SKEW;
use crate::sign_on::connections::Connection;
use crate::sign_on::refused::Refused;
use crate::sign_on::request_id::{PENDING_LOGIN_LIFETIME, Purpose, RequestId};
use crate::sign_on::{SignOn, Visitor};
use crate::store::{self, ProviderLoggedOut, ProviderLogout, SessionSelector};

/// Whether signing out goes on to the identity provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SingleLogout {
    /// The page after signing out offers it.
    Offered,
    /// At once.
    Always,
}

/// Which sessions somebody ends by signing out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// That of this browser.
    Here,
    /// All of this person's.
    Everywhere,
}

/// What follows a sign-out: our session has ended in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Farewell {
    /// Nothing.
    Here,
    /// The provider's session can be ended, too, at this address.
    Offered(Url),
    /// It is to be ended there.
    Onward(Url),
}

/// What became of a logout message.
#[derive(Debug)]
pub enum LogoutEnd {
    /// A provider's request was done or denied: the browser takes our response there. `None` if the provider has
    /// no address for it.
    Answered(Option<Onward>),
    /// A logout of ours comes back.
    Back(AtProvider),
    /// Nothing has changed.
    Refused {
        /// What the visitor can tell support.
        reference: String,
        /// The machine-readable reason, for metrics.
        reason: &'static str,
    },
}

/// What is known of the provider's session after a logout of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtProvider {
    /// It has ended, and so have all others that the provider knows of: its signature says so.
    Ended,
    /// It may be open still.
    Unsure,
}

/// Where a logout comes back, the login host has just learnt what the application's host tells the person: this
/// proves that it has, so that nobody reads that a session has ended because of a link that somebody else made up.
#[derive(Debug)]
pub(super) struct FarewellKey(MacKey);

impl FarewellKey {
    pub(super) fn of(secret: &ClusterSecret) -> Self {
        Self(secret.mac_key("farewell"))
    }

    fn write(&self, at_provider: AtProvider, now: Timestamp) -> String {
        let millis = now.as_millisecond();
        match at_provider {
            AtProvider::Ended => format!("ended.{millis}.{}", URL_SAFE_NO_PAD.encode(self.tag(millis))),
            AtProvider::Unsure => "unsure".to_owned(),
        }
    }

    fn read(&self, text: &str, now: Timestamp) -> Option<AtProvider> {
        if text == "unsure" {
            return Some(AtProvider::Unsure);
        }
        let (millis, tag) = text.strip_prefix("ended.")?.split_once('.')?;
        let millis: i64 = millis.parse().ok()?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let since = Timestamp::from_millisecond(millis).ok()?;
        let until = since.saturating_add(FAREWELL_LIFETIME).ok()?;
        let is_good = self.0.verify(&millis.to_be_bytes(), &tag) && since <= now && now < until;
        is_good.then_some(AtProvider::Ended)
    }

    fn tag(&self, millis: i64) -> [u8; 16] {
        self.0.tag(&millis.to_be_bytes())
    }
}

/// A message that was looked at from all sides, before anything is done.
enum Judged {
    Requested(Vec<(Arc<Connection>, VerifiedLogoutRequest)>),
    Back(AtProvider),
    Refused(Option<Arc<Connection>>, Refused),
}

impl SignOn {
    /// Ends a visitor's session, here at once and on all nodes within a second.
    pub async fn sign_out(&self, visitor: &Visitor, request_id: &str) -> store::Result<Farewell> {
        self.sign_out_of(visitor, Extent::Here, request_id).await
    }

    /// Ends a visitor's session, or all that the visitor has, here at once and on all nodes within a second.
    pub async fn sign_out_of(
        &self,
        visitor: &Visitor,
        extent: Extent,
        request_id: &str,
    ) -> store::Result<Farewell> {
        let session = visitor.live().session();
        let email = visitor.user().email;
        let (action, selector) = match extent {
            Extent::Here => ("session.signed_out", SessionSelector::Hash(session.hash)),
            Extent::Everywhere => {
                ("session.signed_out_everywhere", SessionSelector::User(session.user.clone()))
            }
        };
        let mut event = self.audit_event(action, email.as_str(), request_id);
        event.subject = Some(email.as_str().to_owned());
        event.details = json!({ "sid": session.name.as_str() });
        // Memory does not keep whom the provider signed on; the store does, until the session ends.
        let stored = self.store.session(&session.hash).await?.map(|view| view.session);
        self.store.end_sessions(&selector, event).await?;
        self.end_in_memory(&session.user).await;
        let onward = stored.and_then(|session| self.provider_logout(&session));
        Ok(match (onward, self.settings.load().single_logout) {
            (None, _) => Farewell::Here,
            (Some(url), SingleLogout::Offered) => Farewell::Offered(url),
            (Some(url), SingleLogout::Always) => Farewell::Onward(url),
        })
    }

    /// Where the browser ends the provider's session behind one of ours; `None` if the provider offers nothing, or
    /// has named nobody.
    fn provider_logout(&self, session: &Session) -> Option<Url> {
        let connections = self.connections.load();
        let connection = connections.by_id(&session.connection)?;
        let name_id = session.name_id.as_ref()?;
        let now = self.clock.now();
        let id = RequestId::new(Purpose::Logout, &connection.id, now, (&self.request_key, &*self.randomness));
        let request = OwnRequest {
            idp: &connection.idp,
            service_provider: &self.settings.load().service_provider,
            id: id.as_str(),
            name_id,
            session_index: session.session_index.as_deref(),
            issue_instant: now,
        };
        request.redirect_url()
    }

    /// Takes a logout message, or why it is none, in the HTTP request of that name. `Err` means that the store did
    /// not answer: nothing has changed, and the same message may come again.
    pub async fn log_out(
        &self,
        incoming: Result<Incoming, saml::Refusal>,
        request_id: &str,
    ) -> store::Result<LogoutEnd> {
        let incoming = match incoming {
            Ok(incoming) => incoming,
            Err(refusal) => return self.refuse_logout(None, &Refused::of(&refusal), request_id).await,
        };
        match self.judge(&incoming) {
            Judged::Requested(requests) => self.end_requested(&requests, &incoming, request_id).await,
            Judged::Back(at_provider) => Ok(LogoutEnd::Back(at_provider)),
            Judged::Refused(connection, refused) => {
                self.refuse_logout(connection.as_deref(), &refused, request_id).await
            }
        }
    }

    /// What is known of the provider's session, as it stands in the address that the browser goes on to.
    #[must_use]
    pub fn farewell(&self, at_provider: AtProvider) -> String {
        self.farewell_key.write(at_provider, self.clock.now())
    }

    /// What was known of the provider's session a moment ago; `None` if nobody here has said so.
    #[must_use]
    pub fn at_provider(&self, farewell: &str) -> Option<AtProvider> {
        self.farewell_key.read(farewell, self.clock.now())
    }

    fn judge(&self, incoming: &Incoming) -> Judged {
        match incoming.read() {
            Ok(Message::Request(request)) => self.judge_request(&request),
            Ok(Message::Response(response)) => self.judge_response(&response),
            Err(refusal) => Judged::Refused(None, Refused::of(&refusal)),
        }
    }

    /// One provider may sign people on for several organizations; each connection is asked with its own keys.
    fn judge_request(&self, request: &Request<'_>) -> Judged {
        let now = self.clock.now();
        let mut verified = Vec::new();
        let mut first_refusal = None;
        for connection in self.connections.load().by_logout_issuer(request.issuer_hint()) {
            match self.expecting(&connection, |expected| request.verify(expected, now)) {
                Ok(request) => verified.push((connection, request)),
                Err(refusal) => {
                    first_refusal.get_or_insert((connection, refusal));
                }
            }
        }
        match (verified.is_empty(), first_refusal) {
            (false, _) => Judged::Requested(verified),
            (true, Some((connection, refusal))) => Judged::Refused(Some(connection), Refused::of(&refusal)),
            (true, None) => {
                let text = "the issuer is no identity provider of ours";
                let mut refused = Refused::plain("unknown_issuer", text);
                refused.got = Some(request.issuer_hint().chars().take(ISSUER_CHARS_MAX).collect());
                Judged::Refused(None, refused)
            }
        }
    }

    /// The ID of our request says that it is ours and whom it went to. Without a signature the answer proves
    /// nothing, yet nothing depends on it but what the person reads.
    fn judge_response(&self, response: &Response<'_>) -> Judged {
        let connections = self.connections.load();
        let found = response
            .in_response_to()
            .and_then(|text| RequestId::parse(text, &self.request_key))
            .filter(|id| id.purpose() == Purpose::Logout)
            .and_then(|id| Some((Arc::clone(connections.by_fingerprint(id.connection())?), id)));
        let Some((connection, id)) = found else {
            let text = "the answer is to a logout that is not ours";
            return Judged::Refused(None, Refused::plain("unknown_request", text));
        };
        let now = self.clock.now();
        if id.is_late(now) {
            return Judged::Back(AtProvider::Unsure);
        }
        match self.expecting(&connection, |expected| response.verify(id.as_str(), expected, now)) {
            Ok(verified) if verified.is_complete() => Judged::Back(AtProvider::Ended),
            Ok(_) => Judged::Back(AtProvider::Unsure),
            Err(refusal) if refusal.reason() == saml::Reason::SignatureMissing => {
                Judged::Back(AtProvider::Unsure)
            }
            Err(refusal) => Judged::Refused(Some(connection), Refused::of(&refusal)),
        }
    }

    fn expecting<T>(&self, connection: &Connection, verify: impl FnOnce(&Expected<'_>) -> T) -> T {
        let settings = self.settings.load();
        let service_provider = &settings.service_provider;
        verify(&Expected {
            idp: &connection.idp,
            sp_entity_id: &service_provider.entity_id,
            slo_url: service_provider.slo_url.as_str(),
            accept_expired_certificates: connection.options.accept_expired_certificate,
            skew: CLOCK_SKEW,
        })
    }

    /// Ends the sessions and answers. That there is none left is as good as that there was none.
    async fn end_requested(
        &self,
        requests: &[(Arc<Connection>, VerifiedLogoutRequest)],
        incoming: &Incoming,
        request_id: &str,
    ) -> store::Result<LogoutEnd> {
        let mut verdict = Verdict::Denied;
        for (connection, request) in requests {
            if self.end_for(connection, request, request_id).await? {
                verdict = Verdict::Ended;
            }
        }
        let onward = requests.first().and_then(|(connection, request)| {
            let id = format!("l{}", id::random_hex(&*self.randomness));
            let response = OwnResponse {
                idp: &connection.idp,
                service_provider: &self.settings.load().service_provider,
                id: &id,
                in_response_to: request.id(),
                verdict,
                issue_instant: self.clock.now(),
            };
            response.onward(incoming.relay_state())
        });
        Ok(LogoutEnd::Answered(onward))
    }

    /// Whether the request was done; not, if it was used before.
    async fn end_for(
        &self,
        connection: &Connection,
        request: &VerifiedLogoutRequest,
        request_id: &str,
    ) -> store::Result<bool> {
        let now = self.clock.now();
        let logout = ProviderLogout {
            connection: connection.id.clone(),
            request_id: request.id().to_owned(),
            name_id: request.name_id().clone(),
            session_indexes: request.session_indexes().to_vec(),
            issued_at: request.issued_at(),
            expires_at: request.expires_at(),
            remembered_until: now.saturating_add(PENDING_LOGIN_LIFETIME).unwrap_or(now),
        };
        let mut event = self.audit_event("session.ended_by_provider", "anteroom", request_id);
        event.details = json!({ "connection": connection.id.as_str(), "request": request.id() });
        match self.store.end_by_provider(&logout, event).await? {
            ProviderLoggedOut::Ended(users) => {
                for user in &users {
                    self.end_in_memory(user).await;
                }
                tracing::info!(connection = %connection.id, users = users.len(), "logout by the provider");
                Ok(true)
            }
            ProviderLoggedOut::Replayed => {
                let text = "the logout request has been used before";
                self.note_logout(Some(connection), &Refused::plain("request_replayed", text), request_id)
                    .await?;
                Ok(false)
            }
        }
    }

    /// Lets go of a user's sessions that have ended in the store. Should it not answer any more, of all of them: those
    /// that are good are found again, and the logout has happened, whatever comes after it.
    async fn end_in_memory(&self, user: &UserId) {
        if let Err(error) = self.live.revalidate(from_ref(user), self.clock.now()).await {
            tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "cannot look after the sessions of a user who has signed out");
            self.live.end_where(|session| session.user == *user);
        }
    }

    async fn refuse_logout(
        &self,
        connection: Option<&Connection>,
        refused: &Refused,
        request_id: &str,
    ) -> store::Result<LogoutEnd> {
        let reference = self.note_logout(connection, refused, request_id).await?;
        Ok(LogoutEnd::Refused { reference, reason: refused.reason })
    }

    async fn note_logout(
        &self,
        connection: Option<&Connection>,
        refused: &Refused,
        request_id: &str,
    ) -> store::Result<String> {
        let reference = id::reference(&*self.randomness);
        tracing::info!(reason = refused.reason, %reference, text = %refused.text, "logout refused");
        let mut event = self.audit_event("logout.refused", "anteroom", request_id);
        refused.describe(&mut event, connection, &reference);
        self.audit_refusal(event).await?;
        Ok(reference)
    }
}

/// Long enough for a redirect.
const FAREWELL_LIFETIME: Duration = Duration::from_mins(5);

/// Longer than an entity ID that anybody uses.
const ISSUER_CHARS_MAX: usize = 300;
