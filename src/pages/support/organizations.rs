//! The organizations, and the form that connects another.
//!
//! Separate because a customer sends two things, the metadata and a list of domains: the form asks for no more.

use crate::pages::Brand;
use crate::pages::form::Field;
use crate::pages::moment::Moment;
use crate::pages::support::Agent;
use crate::pages::support::Banner;

/// `/.anteroom/support/organizations`.
#[derive(Debug, Clone)]
pub struct Organizations {
    /// Who works at the console.
    pub agent: Agent,
    /// What has just been done, or why not.
    pub banner: Option<Banner>,
    /// All of them, by name.
    pub rows: Vec<OrganizationLine>,
}

/// An organization.
#[derive(Debug, Clone)]
pub struct OrganizationLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its domains.
    pub domains: Vec<String>,
    /// What kind of identity provider it has ("Microsoft Entra ID"), or nothing without a connection.
    pub provider: Option<String>,
    /// When the last of its certificates expires.
    pub expires: Option<Expiry>,
    /// Since when nobody can sign on, if so.
    pub paused: Option<Moment>,
    /// Whether the configuration file declares it.
    pub is_declared: bool,
    /// How many users it has.
    pub users: u64,
    /// How many properties it has.
    pub properties: u64,
}

/// The end of a certificate.
#[derive(Debug, Clone)]
pub enum Expiry {
    /// Far enough away.
    Fine(Moment),
    /// It should be replaced now.
    Soon(Moment),
    /// It has expired.
    Past(Moment),
}

/// `/.anteroom/support/organizations/new`. Posts as `multipart/form-data` to
/// `/.anteroom/support/organizations/preview`.
#[derive(Debug, Clone)]
pub struct NewOrganization {
    /// Who works at the console.
    pub agent: Agent,
    /// Why it was not accepted, where that belongs to no field.
    pub banner: Option<Banner>,
    /// `name`
    pub name: Field,
    /// `id`
    pub id: Field,
    /// `domains`: one on each line.
    pub domains: Field,
    /// What is wrong with the file `metadata`; it has to be chosen again.
    pub metadata_problem: Option<String>,
}

impl Organizations {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "Organizations")
    }
}

impl NewOrganization {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        super::draft(brand, "New organization")
    }
}
