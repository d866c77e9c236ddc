//! Why metadata cannot be used, said to the administrator who can change that.
//!
//! Separate because every cause has its own words and remedy, which are longer than the rules.

use jiff::Timestamp;

use crate::saml::key::CertificateError;
use crate::saml::refusal::{Reason, Refusal};

/// Why metadata cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A document type declaration, which metadata never needs.
    #[error("the metadata has a DOCTYPE; download the file again from the identity provider")]
    Doctype,
    /// Too many octets.
    #[error(
        "the metadata is larger than 2 MiB; export the one identity provider instead of the whole federation"
    )]
    TooLarge,
    /// Not XML, or XML of a shape that metadata does not have.
    #[error("the metadata cannot be read ({0}); download the file again from the identity provider")]
    Malformed(#[source] Refusal),
    /// The root is something else.
    #[error(
        "the file is no SAML metadata (its root element is {root}); use the Federation Metadata XML of the identity provider"
    )]
    NotMetadata {
        /// The root element's local name.
        root: String,
    },
    /// Nobody in the document is a SAML 2.0 identity provider.
    #[error("the metadata describes no SAML 2.0 identity provider; it may be that of a service provider")]
    NoIdentityProvider,
    /// It cannot be said which one is meant.
    #[error(
        "the metadata describes {count} identity providers ({}); name the one that is meant by its entity ID (entity_id), or use metadata with exactly one", listed(.entity_ids, *.count)
    )]
    SeveralIdentityProviders {
        /// How many there are.
        count: usize,
        /// The entity IDs of the first of them.
        entity_ids: Vec<String>,
    },
    /// The one that is asked for is not there.
    #[error(
        "the metadata does not describe {wanted}, but {}; correct the entity ID (entity_id) or the metadata", listed(.entity_ids, *.count)
    )]
    NoSuchEntity {
        /// The entity ID asked for.
        wanted: String,
        /// How many identity providers there are.
        count: usize,
        /// The entity IDs of the first of them.
        entity_ids: Vec<String>,
    },
    /// The entity ID is absent or too long.
    #[error("the metadata names no usable entity ID ({found:?})")]
    EntityId {
        /// What stands there.
        found: String,
    },
    /// Entra's multi-tenant metadata, whose keys sign for every tenant there is.
    #[error(
        "the metadata is Entra's multi-tenant one (entity ID {found}); use the address with the customer's own tenant ID, or the App Federation Metadata URL"
    )]
    TenantTemplate {
        /// The entity ID.
        found: String,
    },
    /// The metadata has expired.
    #[error("the metadata was valid until {until} only; fetch a fresh copy from the identity provider")]
    Expired {
        /// The end of its validity.
        until: Timestamp,
    },
    /// No key could ever verify a signature.
    #[error(
        "the metadata of {entity_id} has no signing certificate; a connection without one is never accepted"
    )]
    NoSigningCertificate {
        /// The entity ID.
        entity_id: String,
    },
    /// A signing certificate violates the key policy.
    #[error("signing certificate {number} of {entity_id} cannot be used: {source}")]
    Certificate {
        /// The entity ID.
        entity_id: String,
        /// Which one, counted from 1 in document order.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// There is nowhere to send a request.
    #[error(
        "the metadata of {entity_id} has no SingleSignOnService with the HTTP-Redirect binding, which is the one Anteroom uses"
    )]
    NoRedirectEndpoint {
        /// The entity ID.
        entity_id: String,
    },
    /// An endpoint must be https (http only on loopback).
    #[error(
        "the {service} address {url:?} is not an https URL without fragment and user name; correct it at the identity provider"
    )]
    InsecureUrl {
        /// Which endpoint.
        service: &'static str,
        /// What stands there.
        url: String,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal.reason() {
            Reason::DoctypeForbidden => Self::Doctype,
            Reason::TooLarge => Self::TooLarge,
            _ => Self::Malformed(refusal),
        }
    }
}

/// The first entity IDs of a document, as text.
fn listed(entity_ids: &[String], count: usize) -> String {
    let more = count.saturating_sub(entity_ids.len());
    let shown = entity_ids.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
