//! The second half of the hand-off: the browser is back on the application's host with its code.
//!
//! Separate because this is the only place where a session begins, and only in the browser that began the
//! login: its sealed cookie must name the request that was answered.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::directory::{DisplayName, Membership, Subject, User};
use crate::email::EmailAddress;
use crate::id::{self, UserId};
use crate::secret::sha256;
use crate::session::{Session, SessionId};
use crate::sign_on::SignOn;
use crate::sign_on::answer::Passage;
use crate::sign_on::claimed::Claimed;
use crate::sign_on::connections::Connection;
use crate::sign_on::tabs::Tabs;
use crate::store::{self, Admission, Arrival, AuditEvent, SessionSelector};
use crate::target::ReturnPath;

/// What became of a hand-off.
#[derive(Debug)]
pub enum Completion {
    /// A session has begun.
    SignedOn(SignedOn),
    /// The code is unknown, used, or too old, and this browser may try again.
    Restart {
        /// Where the login wanted to go, if the browser remembers.
        return_path: ReturnPath,
    },
    /// The code belongs to another browser's login.
    OtherBrowser {
        /// What the visitor can tell support.
        reference: String,
    },
    /// The address belongs to another account: support has to decide.
    Conflict {
        /// What the visitor can tell support.
        reference: String,
    },
    /// The provider sends no lasting key of the person, so no user may be made.
    NotProvisioned {
        /// What the visitor can tell support.
        reference: String,
    },
    /// The user has been shut out.
    Disabled {
        /// Who.
        email: EmailAddress,
        /// What the visitor can tell support.
        reference: String,
    },
}

/// A session that has just begun.
#[derive(Debug)]
pub struct SignedOn {
    /// The secret for the browser's cookie.
    pub session_id: SessionId,
    /// Where to go.
    pub return_path: ReturnPath,
    /// The browser's other pending logins.
    pub tabs: Tabs,
    /// The address, for the browser to remember.
    pub email: EmailAddress,
}

impl SignOn {
    /// Redeems a code in a browser with these pending logins, in the HTTP request of that name. `previous` is the
    /// session that the browser has had so far: it ends, and the new one has a new id, always.
    pub async fn complete(
        &self,
        code: &str,
        tabs: Tabs,
        previous: Option<&SessionId>,
        request_id: &str,
    ) -> store::Result<Completion> {
        let now = self.clock.now();
        let mut secret = [0_u8; 32];
        let is_code = code.len() == 43
            && URL_SAFE_NO_PAD.decode_slice(code, &mut secret).is_ok_and(|length| length == 32);
        let handoff = if is_code { self.store.take_handoff(&sha256(&secret), now).await? } else { None };
        let Some(handoff) = handoff else {
            return Ok(Completion::Restart { return_path: ReturnPath::root() });
        };
        let passage = self
            .handoff_key
            .open(&handoff.payload)
            .and_then(|plain| serde_json::from_slice::<Passage>(&plain).ok());
        let Some(return_path) = tabs.return_path(&handoff.request_id) else {
            let reference = self.note_other_browser(passage.as_ref(), request_id).await?;
            return Ok(Completion::OtherBrowser { reference });
        };
        let connections = self.connections.load_full();
        let known = passage.and_then(|passage| {
            let id = id::ConnectionId::parse(&passage.connection).ok()?;
            let connection = Arc::clone(connections.open_by_id(&id)?);
            let arrival = self.arrival(&passage, &connection)?;
            Some((passage, connection, arrival))
        });
        let Some((passage, connection, arrival)) = known else {
            return Ok(Completion::Restart { return_path });
        };
        let user = match self.admit(&arrival, request_id).await? {
            Ok(user) => user,
            Err(refused) => return Ok(refused),
        };
        if let Some(previous) = previous {
            let mut event = self.audit_event("session.replaced", user.email.as_str(), request_id);
            event.subject = Some(user.email.as_str().to_owned());
            self.store.end_sessions(&SessionSelector::Hash(previous.hash()), event).await?;
        }
        let to = (&*connection, return_path.clone());
        let Some(session_id) = self.begin_session(&user, passage, to, request_id).await? else {
            // The organization has been paused meanwhile, which the sign-on page says, or the person has signed out
            // at the provider.
            return Ok(Completion::Restart { return_path });
        };
        let tabs = tabs.without(&handoff.request_id);
        Ok(Completion::SignedOn(SignedOn { session_id, return_path, tabs, email: user.email }))
    }

    fn arrival(&self, passage: &Passage, connection: &Connection) -> Option<Arrival> {
        Some(Arrival {
            subject: Subject { connection: connection.id.clone(), key: passage.subject.clone() },
            email: EmailAddress::parse(&passage.email).ok()?,
            name: passage.name.as_deref().and_then(|name| DisplayName::parse(name).ok()),
            organization: connection.organization.id.clone(),
            new_user: passage.stable.then(|| UserId::random(&*self.randomness)),
            at: self.clock.now(),
        })
    }

    /// Finds, binds or makes the user; `Err` is what the visitor gets instead of a session.
    async fn admit(&self, arrival: &Arrival, request_id: &str) -> store::Result<Result<User, Completion>> {
        let reference = id::reference(&*self.randomness);
        let event = self.audit_event("sign_on.accepted", arrival.email.as_str(), request_id);
        let subject = arrival.subject.clone();
        let noted = reference.clone();
        let tell = move |admission: &Admission| admission_event(event.clone(), admission, &subject, &noted);
        let account = match self.store.admit(arrival, Arc::new(tell)).await? {
            Admission::Known(account) | Admission::Bound(account) | Admission::Created(account) => account,
            Admission::Conflict { .. } => return Ok(Err(Completion::Conflict { reference })),
            Admission::Unknown => return Ok(Err(Completion::NotProvisioned { reference })),
        };
        if account.user.state == Membership::Disabled {
            return Ok(Err(Completion::Disabled { email: account.user.email, reference }));
        }
        Ok(Ok(account.user))
    }

    async fn begin_session(
        &self,
        user: &User,
        passage: Passage,
        (connection, return_path): (&Connection, ReturnPath),
        request_id: &str,
    ) -> store::Result<Option<SessionId>> {
        let now = self.clock.now();
        let session_id = SessionId::random(&*self.randomness);
        let session = Session {
            hash: session_id.hash(),
            name: id::SessionName::random(&*self.randomness),
            user: user.id.clone(),
            connection: connection.id.clone(),
            created_at: now,
            last_seen_at: now,
            ends_at: self.settings.load().lifetimes.end_of(now, passage.session_bound),
            authenticated_at: passage.authenticated_at,
            asserted_at: passage.asserted_at,
            methods: passage.methods,
            return_path,
            name_id: passage.name_id,
            session_index: passage.session_index,
        };
        let mut event = self.audit_event("session.begun", user.email.as_str(), request_id);
        event.subject = Some(user.email.as_str().to_owned());
        event.details = json!({ "sid": session.name.as_str(), "connection": connection.id.as_str() });
        let has_begun = self.store.begin_session(&session, event).await?;
        Ok(has_begun.then_some(session_id))
    }

    async fn note_other_browser(&self, passage: Option<&Passage>, request_id: &str) -> store::Result<String> {
        let (reason, text) =
            ("other_browser", "the code was redeemed by a browser that did not begin the login");
        let reference = id::reference(&*self.randomness);
        tracing::info!(reason, %reference, text, "sign-on refused");
        let mut event = self.audit_event("sign_on.refused", "anteroom", request_id);
        event.subject = passage.map(|passage| passage.connection.clone());
        event.reason = Some(reason.to_owned());
        event.reference = Some(reference.clone());
        let claimed = passage.and_then(|passage| {
            Some(Claimed::known(&EmailAddress::parse(&passage.email).ok()?, &passage.subject).details())
        });
        event.details = json!({ "text": text, "claimed": claimed });
        self.audit_refusal(event).await?;
        Ok(reference)
    }
}

/// The audit event that tells of an admission, or of why there was none.
fn admission_event(
    mut event: AuditEvent,
    admission: &Admission,
    subject: &Subject,
    reference: &str,
) -> AuditEvent {
    event.subject = Some(event.actor.clone());
    let user = match admission {
        Admission::Bound(_) => "bound",
        Admission::Created(_) => "created",
        Admission::Known(_) | Admission::Unknown | Admission::Conflict { .. } => "known",
    };
    let refused = match admission {
        Admission::Known(account) | Admission::Bound(account) | Admission::Created(account) => {
            let is_disabled = account.user.state == Membership::Disabled;
            is_disabled.then_some(("user_disabled", "the account is switched off"))
        }
        Admission::Unknown => {
            Some(("subject_not_stable", "the identity provider sends no lasting key of the person"))
        }
        Admission::Conflict { .. } => {
            Some(("subject_conflict", "the address belongs to an account with another identity"))
        }
    };
    let (connection, subject) = (subject.connection.as_str(), &subject.key);
    let Some((reason, text)) = refused else {
        event.details = json!({ "connection": connection, "subject": subject, "user": user });
        return event;
    };
    event.action = "sign_on.refused";
    event.reason = Some(reason.to_owned());
    event.reference = Some(reference.to_owned());
    event.details = json!({ "connection": connection, "subject": subject, "text": text });
    event
}
