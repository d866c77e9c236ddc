//! What the rules of provisioning depend on.
//!
//! Separate because it comes from the configuration and is replaced whole when that is reloaded.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::directory::{ConnectionOptions, Level, Levels};
use crate::email::EmailAddress;
use crate::federation::Fetcher;
use crate::id::OrganizationId;
use crate::saml::IdentityProvider;

/// The settings of the use cases.
#[derive(Debug, Clone)]
pub struct Settings {
    /// All levels, lowest first.
    pub levels: Levels,
    /// Those whose holders may file New User requests.
    pub may_request: Vec<Level>,
    /// The highest level that support agents may give themselves; `None`: none at all.
    pub support_self_level: Option<Level>,
    /// Whether access to all properties needs a second agent.
    pub second_approval: SecondApproval,
    /// Who is told of new requests.
    pub support_email: Option<EmailAddress>,
    /// Us, as a customer's administrator has to enter it.
    pub service_provider: ServiceProvider,
    /// The identity providers whose metadata is a file of the configuration.
    pub declared: Vec<DeclaredProvider>,
    /// Who fetches metadata for a preview.
    pub fetcher: Arc<Fetcher>,
    /// How often metadata that has an address is fetched.
    pub metadata_refresh: Duration,
}

/// Which approvals need a second pair of eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondApproval {
    /// None.
    Never,
    /// Those of access to all properties, by an agent in the console.
    ForAllProperties,
}

/// Us as a service provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceProvider {
    /// Our entity ID.
    pub entity_id: String,
    /// Our assertion consumer service.
    pub acs_url: Url,
    /// The application.
    pub app_url: Url,
    /// The certificate of the key that signs our requests, as PEM; assertions may be encrypted to it.
    pub certificate: Option<String>,
}

/// The identity provider of an organization that the configuration file declares.
#[derive(Debug, Clone)]
pub struct DeclaredProvider {
    /// The organization.
    pub organization: OrganizationId,
    /// Its identity provider.
    pub idp: Arc<IdentityProvider>,
    /// What is different there.
    pub options: Arc<ConnectionOptions>,
}
