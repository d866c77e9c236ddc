//! An identity provider's answer at the assertion consumer service.
//!
//! Separate because every line of it stands between a forged message and a session. The order matters: shape,
//! our own request ID, signature and protocol, the person, and only then is anything used up or written.
//!
//! Rules: a refusal writes one audit event and nothing else; the browser learns a reference, not the reason.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::directory::ConnectionOptions;
use crate::id::{self, OrganizationId};
use crate::saml;
use crate::secret::sha256;
use crate::sign_on::SignOn;
use crate::sign_on::claimed::Claimed;
use crate::sign_on::connections::Connection;
use crate::sign_on::decryption;
use crate::sign_on::person::Person;
use crate::sign_on::refused::Refused;
use crate::sign_on::request_id::{Purpose, RequestId};
use crate::sign_on::traces::Seen;
use crate::store::{self, Consumed, Consumption, Handoff};

/// What became of an answer.
#[derive(Debug)]
pub enum Answer {
    /// Genuine: the browser takes this one-time code to the application's host.
    Accepted {
        /// The code, good for a minute in the browser that began the login.
        code: String,
    },
    /// An answer to a login that began too long ago: it starts over, with its deep link.
    Late {
        /// The request that was answered.
        request_id: String,
    },
    /// An answer that nobody asked for: a normal login begins instead.
    Unsolicited,
    /// An answer to a trial: support finds a report on it.
    Tested {
        /// The trial.
        request_id: String,
        /// Whose connection was tried.
        organization: OrganizationId,
    },
    /// Not accepted.
    Refused {
        /// What the visitor can tell support.
        reference: String,
        /// The machine-readable reason, for metrics.
        reason: &'static str,
    },
    /// Genuine, but it has been used before.
    Replayed {
        /// What the visitor can tell support.
        reference: String,
    },
    /// Not looked at: too many others wait for our private keys.
    Busy,
}

/// What a session will be made from, on its way through the browser's hands as a code.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Passage {
    pub(super) connection: String,
    pub(super) subject: String,
    pub(super) stable: bool,
    pub(super) email: String,
    pub(super) name: Option<String>,
    pub(super) authenticated_at: jiff::Timestamp,
    #[serde(default)]
    pub(super) asserted_at: jiff::Timestamp,
    pub(super) methods: Vec<String>,
    #[serde(default)]
    pub(super) name_id: Option<saml::NameId>,
    pub(super) session_index: Option<String>,
    pub(super) session_bound: Option<jiff::Timestamp>,
}

/// A message as it came.
#[derive(Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) message: Result<&'a saml::Response<'a>, &'a saml::Refusal>,
    pub(super) octets: &'a [u8],
    pub(super) began: Instant,
}

impl SignOn {
    /// Checks the `SAMLResponse` field of a form that was posted in the HTTP request of that name. `Err` means
    /// that the store did not answer: nothing was accepted.
    pub async fn answer(&self, field: &str, request_id: &str) -> store::Result<Answer> {
        let began = Instant::now();
        let octets = match saml::Response::decode(field) {
            Ok(octets) => octets,
            Err(refusal) => {
                let seen = Seen { undecoded: Some(&refusal), ..Seen::default() };
                return self.refuse(seen, Refused::of(&refusal), request_id).await;
            }
        };
        let document = saml::Document::parse(&octets);
        let message = document.as_ref().map_err(Clone::clone).and_then(saml::Response::read);
        let is_encrypted = message.as_ref().is_ok_and(saml::Response::is_encrypted);
        let unknown = Seen { octets: &octets, is_encrypted, ..Seen::default() };
        let id = match &message {
            Ok(response) => match response.in_response_to() {
                Some(text) => RequestId::parse(text, &self.request_key),
                None => return self.unsolicited(request_id).await,
            },
            Err(_) => self.trial_of_unreadable(&octets),
        };
        let connections = self.connections.load_full();
        let found = id.and_then(|id| {
            let connection = connections.by_fingerprint(id.connection())?;
            Some((id, connection))
        });
        let (response, id, connection) = match (&message, found) {
            (message, Some((id, connection))) if id.purpose() == Purpose::Trial => {
                let arrived = Arrived { message: message.as_ref(), octets: &octets, began };
                return self.answer_trial(arrived, &id, connection, request_id).await;
            }
            (Err(refusal), _) => return self.refuse(unknown, Refused::of(refusal), request_id).await,
            (Ok(response), Some((id, connection))) => (response, id, connection),
            (Ok(_), None) => {
                let foreign =
                    Refused::plain("unknown_request", "the answer is to a request that is not ours");
                let foreign = foreign.about(Claimed::unverified(&octets, &ConnectionOptions::default()));
                return self.refuse(unknown, foreign, request_id).await;
            }
        };
        if id.purpose() == Purpose::Logout {
            let other = Refused::plain("unknown_request", "the answer is to a logout, not to a login");
            let seen = Seen { connection: Some(connection), ..unknown };
            return self.refuse(seen, other, request_id).await;
        }
        let seen = Seen { connection: Some(connection), id: Some(&id), ..unknown };
        if connections.is_paused(connection) {
            let options = &connection.options;
            let paused = Refused::plain("connection_paused", "the organization is paused");
            let paused = paused.about(Claimed::unverified(&octets, options));
            return self.refuse(seen, paused, request_id).await;
        }
        if id.is_late(self.clock.now()) {
            return Ok(Answer::Late { request_id: id.as_str().to_owned() });
        }
        let answer = self.decide(response, (seen, connection, &id), request_id).await?;
        if matches!(answer, Answer::Refused { reason: FAILED_DECRYPTION, .. }) {
            decryption::until_told(began).await;
        }
        Ok(answer)
    }

    /// Verifies an answer to a request of ours, with newer metadata if that may help, and uses it up.
    async fn decide(
        &self,
        response: &saml::Response<'_>,
        (seen, connection, id): (Seen<'_>, &Connection, &RequestId),
        request_id: &str,
    ) -> store::Result<Answer> {
        let Some(mut verified) = self.verify((response, seen.octets), connection, id).await else {
            return Ok(Answer::Busy);
        };
        let newer = match &verified {
            Err(refused) => self.newer(connection, refused.reason).await?,
            Ok(_) => None,
        };
        let seen = Seen { connection: newer.as_ref().or(seen.connection), ..seen };
        if let Some(newer) = &newer {
            let Some(again) = self.verify((response, seen.octets), newer, id).await else {
                return Ok(Answer::Busy);
            };
            verified = again;
        }
        match verified {
            Ok((assertion, person)) => match self.pass(connection, id, (&assertion, person)).await? {
                Ok(code) => Ok(Answer::Accepted { code }),
                Err((reason, claimed)) => self.replayed((seen, Some(claimed)), reason, request_id).await,
            },
            Err(refused) => self.refuse(seen, refused, request_id).await,
        }
    }

    /// `None` if too many others are being decrypted.
    async fn verify(
        &self,
        (response, octets): (&saml::Response<'_>, &[u8]),
        connection: &Connection,
        id: &RequestId,
    ) -> Option<Result<(saml::VerifiedAssertion, Person), Refused>> {
        let assertion = match self.verify_message(response, connection, id).await? {
            Ok(assertion) => assertion,
            Err(refusal) => {
                let claimed = Claimed::unverified(octets, &connection.options);
                return Some(Err(Refused::of(&refusal).about(claimed)));
            }
        };
        let person = Person::of(&assertion, connection).map_err(|refused| {
            Refused::plain(refused.code(), &refused.to_string())
                .about(Claimed::verified(&assertion, &connection.options))
        });
        Some(person.map(|person| (assertion, person)))
    }

    /// Checks that a message is the answer of that connection's provider to that request; `None` if too many others
    /// are being decrypted.
    pub(super) async fn verify_message(
        &self,
        response: &saml::Response<'_>,
        connection: &Connection,
        id: &RequestId,
    ) -> Option<Result<saml::VerifiedAssertion, saml::Refusal>> {
        let _turn = if response.is_encrypted() { Some(self.decryptions.turn().await?) } else { None };
        let settings = self.settings.load_full();
        let options = &connection.options;
        let expected = saml::Expected {
            idp: &connection.idp,
            sp_entity_id: &settings.service_provider.entity_id,
            acs_url: settings.service_provider.acs_url.as_str(),
            own_keys: &settings.service_provider.keys,
            in_response_to: id.as_str(),
            skew: CLOCK_SKEW,
            policy: options.policy(id.issued_at()),
        };
        Some(response.verify(&expected, self.clock.now()))
    }

    /// Uses the answer up and leaves the passage under a one-time code; `Err` is the code of why it is used up
    /// already.
    async fn pass(
        &self,
        connection: &Connection,
        id: &RequestId,
        (assertion, person): (&saml::VerifiedAssertion, Person),
    ) -> store::Result<Result<String, (&'static str, Claimed)>> {
        let now = self.clock.now();
        let pending_until = now.saturating_add(super::request_id::PENDING_LOGIN_LIFETIME).unwrap_or(now);
        let consumption = Consumption {
            connection: connection.id.clone(),
            request_id: id.as_str().to_owned(),
            assertion_id: assertion.id().to_owned(),
            expires_at: assertion.expires_at().max(pending_until),
        };
        let claimed = || Claimed::known(&person.email, &person.subject.key);
        match self.store.consume(&consumption).await? {
            Consumed::First => {}
            Consumed::RequestReplayed => return Ok(Err(("request_replayed", claimed()))),
            Consumed::AssertionReplayed => return Ok(Err(("assertion_replayed", claimed()))),
        }
        let passage = Passage {
            connection: connection.id.as_str().to_owned(),
            subject: person.subject.key,
            stable: person.stable,
            email: person.email.as_str().to_owned(),
            name: person.name.map(|name| name.as_str().to_owned()),
            authenticated_at: person.authenticated_at,
            asserted_at: assertion.issued_at(),
            methods: person.methods,
            name_id: assertion.name_id().cloned(),
            session_index: assertion.session_index().map(str::to_owned),
            session_bound: assertion.session_not_on_or_after(),
        };
        let mut secret = [0_u8; 32];
        self.randomness.fill(&mut secret);
        let plain = serde_json::to_vec(&passage).expect("texts and times always have a JSON form");
        let handoff = Handoff {
            code_hash: sha256(&secret),
            request_id: id.as_str().to_owned(),
            payload: self.handoff_key.seal(&plain),
            expires_at: now.saturating_add(HANDOFF_LIFETIME).unwrap_or(now),
        };
        self.store.put_handoff(&handoff).await?;
        Ok(Ok(URL_SAFE_NO_PAD.encode(secret)))
    }

    async fn unsolicited(&self, request_id: &str) -> store::Result<Answer> {
        let mut event = self.audit_event("sign_on.unsolicited", "anteroom", request_id);
        event.reason = Some("unsolicited".to_owned());
        self.audit_refusal(event).await?;
        Ok(Answer::Unsolicited)
    }

    pub(super) async fn replayed(
        &self,
        (seen, claimed): (Seen<'_>, Option<Claimed>),
        reason: &'static str,
        request_id: &str,
    ) -> store::Result<Answer> {
        let refused = Refused::plain(reason, "the answer has been used before").about(claimed);
        let reference = self.note_refusal(seen, &refused, request_id).await?;
        Ok(Answer::Replayed { reference })
    }

    async fn refuse(&self, seen: Seen<'_>, refused: Refused, request_id: &str) -> store::Result<Answer> {
        let reference = self.note_refusal(seen, &refused, request_id).await?;
        Ok(Answer::Refused { reference, reason: refused.reason })
    }

    async fn note_refusal(
        &self,
        seen: Seen<'_>,
        refused: &Refused,
        request_id: &str,
    ) -> store::Result<String> {
        let reference = id::reference(&*self.randomness);
        tracing::info!(reason = refused.reason, %reference, text = %refused.text, "sign-on refused");
        let mut event = self.audit_event("sign_on.refused", "anteroom", request_id);
        refused.describe(&mut event, seen.connection.map(AsRef::as_ref), &reference);
        self.keep_refusal(event, seen).await?;
        Ok(reference)
    }
}

/// What looks the same to everybody, whatever failed.
pub(super) const FAILED_DECRYPTION: &str = saml::Reason::DecryptionFailed.code();

/// How far the provider's clock may be off (DESIGN section 4).
pub(super) const CLOCK_SKEW: std::time::Duration = std::time::Duration::from_mins(3);

/// How long the browser has to come back with its code.
const HANDOFF_LIFETIME: std::time::Duration = std::time::Duration::from_mins(1);
