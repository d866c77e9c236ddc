//! What was read from Federation Metadata, before anything is saved.
//!
//! Separate because nobody can read XML at a glance: the agent sees what it means, and what is wrong with it.

use crate::pages::Brand;
use crate::pages::support::{Agent, Expiry};

/// The answer to `POST /.anteroom/support/organizations/preview`. Its form carries everything along (`name`,
/// `id`, `domains`, `metadata`) and posts to `/.anteroom/support/organizations`.
#[derive(Debug, Clone)]
pub struct OrganizationPreview {
    /// Who works at the console.
    pub agent: Agent,
    /// `name`
    pub name: String,
    /// `id`
    pub id: String,
    /// `domains`: sent back one on each line.
    pub domains: Vec<String>,
    /// What was read from the file.
    pub facts: MetadataFacts,
    /// What is wrong, and what has to be confirmed.
    pub warnings: Vec<PreviewWarning>,
}

/// The answer to `POST /.anteroom/support/organizations/{id}/metadata/preview`. Its form carries `metadata`
/// along and posts to `/.anteroom/support/organizations/{id}/metadata`.
#[derive(Debug, Clone)]
pub struct MetadataPreview {
    /// Who works at the console.
    pub agent: Agent,
    /// The organization's id.
    pub id: String,
    /// The organization's name.
    pub name: String,
    /// What was read from the file.
    pub facts: MetadataFacts,
    /// What is in force now.
    pub present: Option<MetadataFacts>,
    /// What is wrong, and what has to be confirmed.
    pub warnings: Vec<PreviewWarning>,
}

/// What Federation Metadata says.
#[derive(Debug, Clone)]
pub struct MetadataFacts {
    /// The identity provider's entity ID.
    pub entity_id: String,
    /// What kind of identity provider it is ("Microsoft Entra ID").
    pub provider: String,
    /// Where it takes messages.
    pub endpoints: Vec<Endpoint>,
    /// The certificates of its keys.
    pub certificates: Vec<Certificate>,
    /// The metadata itself, to be sent back; not shown, and not needed for what is in force.
    pub xml: String,
}

/// Where an identity provider takes messages.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// What for: "Sign on", "Sign out".
    pub purpose: String,
    /// How: "HTTP-Redirect".
    pub binding: String,
    /// Where.
    pub url: String,
}

/// The certificate of a key.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// Whose it says it is.
    pub subject: String,
    /// SHA-256 in hexadecimal.
    pub fingerprint: String,
    /// When it expires.
    pub expires: Expiry,
}

/// What is wrong with an upload, or has to be confirmed.
#[derive(Debug, Clone)]
pub enum PreviewWarning {
    /// Another organization has the domain too: people choose at sign-on. Asks for `confirm_shared`.
    SharedDomain {
        /// The domain.
        domain: String,
        /// The other organization's name.
        organization: String,
    },
    /// Another organization has this identity provider. It cannot be saved.
    EntityIdTaken {
        /// The other organization's name.
        organization: String,
        /// The other organization's id.
        organization_id: String,
    },
    /// It is another identity provider than before. Asks for `confirm_entity_id`.
    EntityIdChanged {
        /// The one in force.
        before: String,
    },
    /// No certificate is valid: nobody could sign on.
    AllExpired,
    /// One certificate expires within a month.
    ExpiresSoon,
    /// Something else that should be known; a whole sentence.
    Other(String),
}

impl OrganizationPreview {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Preview")
    }
}

impl MetadataPreview {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Preview")
    }
}
