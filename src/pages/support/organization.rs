//! One organization: its connection, what its administrator needs, and its properties.
//!
//! Separate because it is where a customer is connected and kept connected.

use crate::pages::Brand;
use crate::pages::form::Field;
use crate::pages::moment::Moment;
use crate::pages::support::{Agent, Banner, MetadataFacts};

/// `/.anteroom/support/organizations/{id}`. Its forms post to the paths below it.
#[derive(Debug, Clone)]
pub struct OrganizationPage {
    /// Who works at the console.
    pub agent: Agent,
    /// What has just been done, or why not.
    pub banner: Option<Banner>,
    /// Its id.
    pub id: String,
    /// Its name. `…/rename` changes it (`name`).
    pub name: String,
    /// Its domains. `…/domains` changes them (`domains`, one on each line, and `confirm_shared`).
    pub domains: Vec<String>,
    /// The other names of organizations that share a domain, with the domain.
    pub shared: Vec<SharedDomain>,
    /// Whether the configuration file declares it: then only pausing and properties can be changed here.
    pub is_declared: bool,
    /// Since when nobody can sign on, if so. `…/pause` and `…/resume` change it.
    pub paused: Option<Moment>,
    /// Its identity provider, if it has one.
    pub provider: Option<MetadataFacts>,
    /// When the metadata was uploaded or fetched.
    pub metadata_changed: Option<Moment>,
    /// What its administrator has to enter.
    pub values: ProviderFacts,
    /// The last trial of the connection.
    pub last_test: Option<LastTest>,
    /// Its properties, those in use first. `…/properties/{property}/rename` (`name`), `…/retire`, `…/restore`.
    pub properties: Vec<PropertyLine>,
    /// How many users it has.
    pub users: u64,
    /// What was typed in `…/rename`.
    pub new_name: Field,
    /// What was typed in `…/domains`, one on each line.
    pub new_domains: Field,
    /// Whether `confirm_shared` has to be ticked.
    pub asks_for_shared: bool,
    /// What is wrong with the file `metadata` of `…/metadata/preview`.
    pub metadata_problem: Option<String>,
    /// `property_id` of the form `…/properties`.
    pub property_id: Field,
    /// `name` of the form `…/properties`.
    pub property_name: Field,
    /// What is wrong with the file `table` of `…/properties/import`, one sentence for each line.
    pub table_problems: Vec<String>,
}

/// A domain that another organization has too.
#[derive(Debug, Clone)]
pub struct SharedDomain {
    /// The domain.
    pub domain: String,
    /// The other organization's id.
    pub organization_id: String,
    /// The other organization's name.
    pub organization: String,
}

/// What a customer's administrator has to enter at the identity provider.
#[derive(Debug, Clone)]
pub struct ProviderFacts {
    /// Our entity ID.
    pub identifier: String,
    /// Our assertion consumer service.
    pub reply_url: String,
    /// The application's front page.
    pub sign_on_url: String,
    /// Our own metadata, for providers that read it.
    pub metadata_url: String,
}

/// The last trial of a connection.
#[derive(Debug, Clone)]
pub struct LastTest {
    /// Its report: the value of `id`.
    pub id: String,
    /// When it began.
    pub at: Moment,
    /// Who asked for it: name or address.
    pub agent: String,
    /// Whether everything passed; nothing as long as it runs.
    pub passed: Option<bool>,
}

/// A property.
#[derive(Debug, Clone)]
pub struct PropertyLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How many users have access to it.
    pub users: u64,
    /// When it was retired, if so.
    pub retired: Option<Moment>,
}

impl OrganizationPage {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Organization")
    }
}
