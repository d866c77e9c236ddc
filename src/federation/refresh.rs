//! What is made of a document that was fetched, or was not.
//!
//! Separate because these are the rules of trust: what is taken over by itself, and what waits for a person.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fetch::Fetched;
use super::{Federation, Settings};
use crate::id::OrganizationId;
use crate::saml::{IdentityProvider, metadata};
use crate::store::{
    self, AuditEvent, MetadataFetched, MetadataKept, MetadataSource, StoredConnection, Validators,
};

/// What became of fetching metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// Nothing has changed.
    Same,
    /// Something new is in force.
    Newer,
    /// It is of another identity provider, and waits for an operator.
    Held {
        /// The entity ID so far.
        old: String,
        /// The one that it has now.
        new: String,
    },
    /// Nothing usable came back; what is in force stays so.
    Failed(String),
}

/// What was made of a fetch, with what it says about the next one.
struct Judged {
    fetched: MetadataFetched,
    refreshed: Refreshed,
    event: Option<AuditEvent>,
}

impl Refreshed {
    /// Whether other metadata is in force now.
    #[must_use]
    pub const fn is_newer(&self) -> bool {
        matches!(self, Self::Newer)
    }
}

impl Federation {
    /// Fetches the metadata of a connection, which was claimed, and keeps what came of it.
    pub(super) async fn refresh(
        &self,
        organization: &OrganizationId,
        connection: &StoredConnection,
    ) -> store::Result<Refreshed> {
        let Some(source) = &connection.source else { return Ok(Refreshed::Same) };
        let settings = self.settings.load_full();
        let before = metadata::read(connection.metadata.as_bytes(), connection.entity_id.as_deref()).ok();
        // What is of no use any more has to be sent again.
        let is_usable = before.as_ref().is_some_and(|idp| idp.is_valid_at(self.clock.now()));
        let known = if is_usable { source.validators.clone() } else { Validators::default() };
        let fetched = settings.fetcher.fetch(&source.url, &known).await;
        let now = self.clock.now();
        let mut judged = match fetched {
            Ok(Fetched::Same(validators)) => {
                let refreshed = still_held(before.as_ref(), source.held.as_deref());
                Judged { fetched: MetadataFetched::Same(validators), refreshed, event: None }
            }
            Ok(Fetched::Document { octets, validators }) => {
                let document = Document { organization, connection, before: before.as_ref(), now };
                judge(&document, octets, validators, &settings)
            }
            Err(error) => Judged::failed(&error.to_string()),
        };
        let round = Round { organization, connection, source, before: before.as_ref(), is_usable, now };
        match self.keep(&round, &judged, settings.every).await? {
            MetadataKept::Kept => {}
            MetadataKept::Gone => return Ok(Refreshed::Same),
            MetadataKept::Taken(rival) => {
                judged = Judged::taken(&rival.organization, &rival.entity_id);
                self.keep(&round, &judged, settings.every).await?;
            }
        }
        judged.log(organization, source.failures.saturating_add(1));
        Ok(judged.refreshed)
    }

    async fn keep(&self, round: &Round<'_>, judged: &Judged, every: Duration) -> store::Result<MetadataKept> {
        let Round { organization, connection, source, before, is_usable, now } = *round;
        let due_at = match &judged.fetched {
            MetadataFetched::Failed(_) => self.after_failure(now, source.failures, is_usable, every),
            MetadataFetched::Newer { metadata, .. } => {
                let idp = metadata::read(metadata.as_bytes(), connection.entity_id.as_deref()).ok();
                self.after_success(now, idp.as_ref(), every)
            }
            MetadataFetched::Same(_) | MetadataFetched::Held { .. } => self.after_success(now, before, every),
        };
        let event = judged.event.clone();
        self.store.keep_metadata(organization, &source.url, &judged.fetched, due_at, now, event).await
    }

    /// In time for what the metadata says about itself, and not on the minute with everybody else.
    fn after_success(&self, now: Timestamp, idp: Option<&IdentityProvider>, every: Duration) -> Timestamp {
        let cache = idp.and_then(IdentityProvider::cache_duration).unwrap_or(every);
        let left = idp.and_then(IdentityProvider::valid_until).and_then(|until| {
            let seconds = until.as_second().saturating_sub(now.as_second());
            u64::try_from(seconds).ok().map(|seconds| Duration::from_secs(seconds / 2))
        });
        let pause = every.min(cache.max(PAUSE_MIN)).min(left.unwrap_or(every).max(PAUSE_MIN));
        self.soon_before(now, pause)
    }

    /// Again soon, and then less and less often; sooner where nobody can sign on meanwhile.
    fn after_failure(&self, now: Timestamp, failures: u32, is_usable: bool, every: Duration) -> Timestamp {
        let first = if is_usable { RETRY_WITH_COPY } else { RETRY_WITHOUT };
        let pause = first.saturating_mul(2_u32.saturating_pow(failures.min(20)));
        self.soon_before(now, pause.min(every))
    }

    /// Up to a tenth earlier than that, by chance.
    fn soon_before(&self, now: Timestamp, pause: Duration) -> Timestamp {
        let mut octet = [0_u8; 1];
        self.randomness.fill(&mut octet);
        let [chance] = octet;
        let earlier = pause.mul_f64(f64::from(chance) / 2560.0);
        now.saturating_add(pause.saturating_sub(earlier)).unwrap_or(now)
    }
}

/// What is to be done with a document. Whether another organization has that identity provider is known for sure only
/// where it is kept; those that stand in files are not.
fn judge(document: &Document<'_>, octets: Vec<u8>, validators: Validators, settings: &Settings) -> Judged {
    let Document { organization, connection, before, now } = *document;
    let Ok(text) = String::from_utf8(octets) else {
        return Judged::failed("the metadata is no text in UTF-8");
    };
    let held = connection.source.as_ref().and_then(|source| source.held.as_ref());
    let wanted = connection.entity_id.as_deref();
    let idp = match metadata::parse_entity(text.as_bytes(), wanted, now) {
        Ok(idp) => idp,
        Err(error) => return Judged::failed(&error.to_string()),
    };
    // Also of a copy that the rules of today do not take any more.
    let old = match before {
        Some(before) => Some(before.entity_id().to_owned()),
        None if connection.metadata.is_empty() => None,
        None => Some(metadata::entity_id(connection.metadata.as_bytes()).unwrap_or_default()),
    };
    if let Some(old) = old.filter(|old| old != idp.entity_id() && wanted != Some(idp.entity_id())) {
        return document.hold(&old, &idp, (text, validators), held);
    }
    let in_files =
        || settings.taken.iter().find(|(owner, taken)| owner != organization && taken == idp.entity_id());
    if *before.map_or("", IdentityProvider::entity_id) != *idp.entity_id()
        && let Some((owner, entity_id)) = in_files()
    {
        return Judged::taken(owner, entity_id);
    }
    if text == connection.metadata && held.is_none() {
        let fetched = MetadataFetched::Same(validators);
        return Judged { fetched, refreshed: Refreshed::Same, event: None };
    }
    let event = document.change(&idp);
    let fetched = MetadataFetched::Newer { metadata: text, validators };
    Judged { fetched, refreshed: Refreshed::Newer, event }
}

/// What an unchanged document comes to: another identity provider goes on waiting to be accepted.
fn still_held(before: Option<&IdentityProvider>, held: Option<&str>) -> Refreshed {
    let held = held.and_then(|held| metadata::entity_id(held.as_bytes()).ok());
    match held {
        Some(new) => Refreshed::Held { old: before.map_or("", IdentityProvider::entity_id).to_owned(), new },
        None => Refreshed::Same,
    }
}

/// One fetch, whatever came of it.
#[derive(Clone, Copy)]
struct Round<'a> {
    organization: &'a OrganizationId,
    connection: &'a StoredConnection,
    source: &'a MetadataSource,
    before: Option<&'a IdentityProvider>,
    is_usable: bool,
    now: Timestamp,
}

/// A document, and what it is to take the place of.
struct Document<'a> {
    organization: &'a OrganizationId,
    connection: &'a StoredConnection,
    before: Option<&'a IdentityProvider>,
    now: Timestamp,
}

impl Document<'_> {
    /// It is another identity provider: whoever controls the server or its name may not choose who vouches for
    /// people. An event tells of it once.
    fn hold(
        &self,
        old: &str,
        idp: &IdentityProvider,
        (text, validators): (String, Validators),
        held: Option<&String>,
    ) -> Judged {
        let is_told = held.is_some_and(|held| {
            metadata::read(held.as_bytes(), None).is_ok_and(|held| {
                held.entity_id() == idp.entity_id() && fingerprints(Some(&held)) == fingerprints(Some(idp))
            })
        });
        let details = json!({
            "entity_id": old,
            "entity_id_held": idp.entity_id(),
            "certificates_held": fingerprints(Some(idp)),
        });
        let refreshed = Refreshed::Held { old: old.to_owned(), new: idp.entity_id().to_owned() };
        let event = (!is_told).then(|| self.event("organization.metadata_held", details));
        let fetched = if held == Some(&text) {
            MetadataFetched::Same(validators)
        } else {
            MetadataFetched::Held { metadata: text, validators }
        };
        Judged { fetched, refreshed, event }
    }

    /// The event that tells of new keys or addresses; nothing if all of them are the same.
    fn change(&self, idp: &IdentityProvider) -> Option<AuditEvent> {
        let (old, new) = (fingerprints(self.before), fingerprints(Some(idp)));
        let is_same = self.before.is_some_and(|before| {
            before.sso_url() == idp.sso_url()
                && before.slo_redirect_url() == idp.slo_redirect_url()
                && before.slo_post_url() == idp.slo_post_url()
        });
        if is_same && old == new {
            return None;
        }
        let missing = |from: &[String], to: &[String]| {
            from.iter().filter(|one| !to.contains(one)).cloned().collect::<Vec<_>>()
        };
        let details = json!({
            "entity_id": idp.entity_id(),
            "sso_url": idp.sso_url().as_str(),
            "certificates_before": old,
            "certificates_after": new,
            "certificates_added": missing(&new, &old),
            "certificates_removed": missing(&old, &new),
        });
        Some(self.event("organization.metadata_refreshed", details))
    }

    fn event(&self, action: &'static str, details: Value) -> AuditEvent {
        AuditEvent {
            subject: Some(self.organization.as_str().to_owned()),
            details,
            ..AuditEvent::of_anteroom(self.now, action)
        }
    }
}

impl Judged {
    fn failed(fault: &str) -> Self {
        let fault: String = fault.chars().take(FAULT_CHARS_MAX).collect();
        Self {
            fetched: MetadataFetched::Failed(fault.clone()),
            refreshed: Refreshed::Failed(fault),
            event: None,
        }
    }

    fn taken(owner: &OrganizationId, entity_id: &str) -> Self {
        Self::failed(&format!(
            "another organization ({owner}) has the identity provider {entity_id}; two cannot share one"
        ))
    }

    fn log(&self, organization: &OrganizationId, failures: u32) {
        match &self.refreshed {
            Refreshed::Same => tracing::debug!(%organization, "the metadata has not changed"),
            Refreshed::Newer => {
                let details = self.event.as_ref().map(|event| event.details.to_string());
                tracing::info!(%organization, details, "new metadata is in force");
            }
            Refreshed::Held { old, new } => tracing::warn!(
                %organization,
                entity_id = old,
                entity_id_held = new,
                "the metadata is of another identity provider by now and waits for an operator to accept it"
            ),
            Refreshed::Failed(fault) => {
                tracing::warn!(%organization, fault, failures, "the metadata could not be refreshed");
            }
        }
    }
}

fn fingerprints(idp: Option<&IdentityProvider>) -> Vec<String> {
    let certificates = idp.map_or(&[][..], IdentityProvider::certificates);
    certificates.iter().map(crate::saml::Certificate::fingerprint).collect()
}

/// However short-lived metadata is, its server is not asked more often.
const PAUSE_MIN: Duration = Duration::from_mins(5);
const RETRY_WITH_COPY: Duration = Duration::from_mins(1);
const RETRY_WITHOUT: Duration = Duration::from_secs(10);
const FAULT_CHARS_MAX: usize = 500;
