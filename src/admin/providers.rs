//! Identity providers as support sees them: what was read from metadata, and what will soon go wrong.
//!
//! Separate because the same is shown before an organization is made, on its page, and by commands.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::settings::Settings;
use crate::directory::ConnectionOptions;
use crate::id::OrganizationId;
use crate::saml::{self, IdentityProvider, metadata};
use crate::store::OrganizationRecord;

/// What was read from the metadata of an identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// The entity ID, which is the issuer of its messages.
    pub entity_id: String,
    /// Where people are sent to sign on.
    pub sso_url: Url,
    /// Where they would be sent to sign out, if the provider has such a place.
    pub slo_url: Option<Url>,
    /// Whether it is Microsoft Entra ID.
    pub is_entra: bool,
    /// The signing certificates, at least one.
    pub certificates: Vec<Certificate>,
    /// When the metadata itself expires, if it says so.
    pub valid_until: Option<Timestamp>,
    /// What is wrong, or soon will be.
    pub warnings: Vec<Warning>,
}

/// A signing certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The subject.
    pub subject: String,
    /// SHA-256 of the certificate, in hexadecimal.
    pub fingerprint: String,
    /// The first instant of validity.
    pub not_before: Timestamp,
    /// The last instant of validity.
    pub not_after: Timestamp,
    /// The type and size of the key, e.g. `RSA 2048`.
    pub key: String,
    /// How it stands now.
    pub state: CertificateState,
}

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateState {
    /// It counts from a moment to come.
    Future,
    /// It counts.
    Valid,
    /// It counts for less than [`SOON`] any more.
    Expiring,
    /// It does not count any more.
    Expired,
}

/// What is wrong with an identity provider, or soon will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// No certificate counts: nobody can sign on.
    NoValidCertificate,
    /// The last certificate that counts expires soon.
    LastExpires {
        /// When.
        at: Timestamp,
    },
    /// One of several certificates has expired, or soon does; the others are good.
    OneExpires {
        /// When.
        at: Timestamp,
    },
    /// The metadata says that it is good until soon only.
    MetadataExpires {
        /// When.
        at: Timestamp,
    },
}

/// The identity provider of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProviderState {
    /// It can be used.
    Known(Box<Provider>),
    /// Its metadata cannot be used any more; why.
    Unusable(String),
    /// There is none: the configuration file does not declare the organization any more.
    Absent,
}

impl Provider {
    /// Describes an identity provider as it stands at a moment.
    #[must_use]
    pub fn of(idp: &IdentityProvider, now: Timestamp) -> Self {
        let certificates: Vec<_> =
            idp.certificates().iter().map(|certificate| Certificate::of(certificate, now)).collect();
        Self {
            entity_id: idp.entity_id().to_owned(),
            sso_url: idp.sso_url().clone(),
            slo_url: idp.slo_redirect_url().or_else(|| idp.slo_post_url()).cloned(),
            is_entra: idp.is_entra(),
            warnings: warnings(&certificates, idp.valid_until(), now),
            certificates,
            valid_until: idp.valid_until(),
        }
    }

    /// When the last certificate expires.
    #[must_use]
    pub fn last_not_after(&self) -> Option<Timestamp> {
        self.certificates.iter().map(|certificate| certificate.not_after).max()
    }
}

impl Certificate {
    fn of(certificate: &saml::Certificate, now: Timestamp) -> Self {
        let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
        let state = if now < not_before {
            CertificateState::Future
        } else if not_after < now {
            CertificateState::Expired
        } else if not_after < soon(now) {
            CertificateState::Expiring
        } else {
            CertificateState::Valid
        };
        Self {
            subject: certificate.subject().to_owned(),
            fingerprint: certificate.fingerprint(),
            not_before,
            not_after,
            key: certificate.key_description(),
            state,
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoValidCertificate => f.write_str(
                "no signing certificate is valid now, so nobody can sign on; ask the customer for new metadata",
            ),
            Self::LastExpires { at } => write!(
                f,
                "the last signing certificate expires on {}; ask the customer for new metadata",
                day(*at)
            ),
            Self::OneExpires { at } => {
                write!(f, "one of the signing certificates expires on {}; another one is valid longer", day(*at))
            }
            Self::MetadataExpires { at } => {
                write!(f, "the metadata says that it is good until {} only", day(*at))
            }
        }
    }
}

/// The identity provider of an organization that is known.
pub(super) fn of_record(record: &OrganizationRecord, settings: &Settings, now: Timestamp) -> ProviderState {
    if record.connection.as_ref().is_some_and(|connection| connection.metadata.is_empty()) {
        return ProviderState::Unusable("the metadata could not be fetched yet".to_owned());
    }
    match read(record, settings, now) {
        None => ProviderState::Absent,
        Some(Ok(idp)) => {
            let mut provider = Provider::of(&idp, now);
            if options_of(record, settings).accept_expired_certificate {
                // Nobody is kept out by what is passed over.
                provider.warnings.retain(|warning| matches!(warning, Warning::MetadataExpires { .. }));
            }
            ProviderState::Known(Box::new(provider))
        }
        Some(Err(error)) => ProviderState::Unusable(error.to_string()),
    }
}

fn read(
    record: &OrganizationRecord,
    settings: &Settings,
    now: Timestamp,
) -> Option<Result<Arc<IdentityProvider>, metadata::Error>> {
    if let Some(connection) = &record.connection {
        let entity_id = connection.entity_id.as_deref();
        let read = metadata::parse_entity(connection.metadata.as_bytes(), entity_id, now);
        return Some(read.map(Arc::new));
    }
    let id = &record.organization.id;
    let declared = settings.declared.iter().find(|declared| declared.organization == *id)?;
    Some(match declared.idp.valid_until() {
        Some(until) if until <= now => Err(metadata::Error::Expired { until }),
        _ => Ok(Arc::clone(&declared.idp)),
    })
}

/// What is different at the identity provider of an organization.
pub(super) fn options_of(record: &OrganizationRecord, settings: &Settings) -> ConnectionOptions {
    if let Some(connection) = &record.connection {
        return connection.options.clone();
    }
    let id = &record.organization.id;
    let declared = settings.declared.iter().find(|declared| declared.organization == *id);
    declared.map(|declared| (*declared.options).clone()).unwrap_or_default()
}

/// The entity ID by which the people of an organization are known, also where the metadata that names it can no
/// longer be used; `None` if nothing names one.
pub(super) fn entity_id_of(record: &OrganizationRecord, settings: &Settings) -> Option<String> {
    if let Some(connection) = &record.connection {
        return connection.provider();
    }
    let id = &record.organization.id;
    let declared = settings.declared.iter().find(|declared| declared.organization == *id);
    declared.map(|declared| declared.idp.entity_id().to_owned())
}

/// The organization that has an identity provider of that entity ID, other than one.
pub(super) fn owner_of(
    entity_id: &str,
    but: Option<&OrganizationId>,
    records: &[OrganizationRecord],
    settings: &Settings,
) -> Option<OrganizationId> {
    let has_it =
        |record: &&OrganizationRecord| entity_id_of(record, settings).is_some_and(|known| known == entity_id);
    let others = records.iter().filter(|record| Some(&record.organization.id) != but);
    others.into_iter().find(has_it).map(|record| record.organization.id.clone())
}

fn warnings(certificates: &[Certificate], valid_until: Option<Timestamp>, now: Timestamp) -> Vec<Warning> {
    let counts = |certificate: &&Certificate| {
        matches!(certificate.state, CertificateState::Valid | CertificateState::Expiring)
    };
    let mut warnings = Vec::new();
    match certificates.iter().filter(counts).map(|certificate| certificate.not_after).max() {
        None => warnings.push(Warning::NoValidCertificate),
        Some(last) if last < soon(now) => warnings.push(Warning::LastExpires { at: last }),
        Some(_) => {
            let ends = |certificate: &&Certificate| certificate.not_after < soon(now);
            let first = certificates.iter().filter(ends).map(|certificate| certificate.not_after).min();
            warnings.extend(first.map(|at| Warning::OneExpires { at }));
        }
    }
    let metadata = valid_until.filter(|until| *until < soon(now));
    warnings.extend(metadata.map(|at| Warning::MetadataExpires { at }));
    warnings
}

fn soon(now: Timestamp) -> Timestamp {
    now.saturating_add(SOON).unwrap_or(Timestamp::MAX)
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// Renewing a certificate takes some people weeks; the first warning comes with these days to go.
pub const SOON: Duration = Duration::from_hours(60 * 24);
