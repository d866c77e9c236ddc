//! The organizations, and the form that connects another.
//!
//! Separate because a customer sends two things, the metadata and a list of domains: the form asks for no more.

use askama::Template;

use crate::pages::Brand;
use crate::pages::form::{Field, Problems};
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::{self, Agent, Banner, Section};
use crate::pages::texts::texts;

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
    /// What an agent should look at; a whole sentence.
    pub note: Option<String>,
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
    /// `metadata_url`, in the place of a file
    pub metadata_url: Field,
    /// `entity_id`, where one of several identity providers has to be chosen
    pub entity_id: Option<Field>,
}

impl Expiry {
    pub(super) const fn moment(&self) -> &Moment {
        match self {
            Self::Fine(at) | Self::Soon(at) | Self::Past(at) => at,
        }
    }

    pub(super) const fn tone(&self) -> &'static str {
        match self {
            Self::Fine(_) => "fine",
            Self::Soon(_) => "soon",
            Self::Past(_) => "past",
        }
    }

    pub(super) const fn english(&self) -> &'static str {
        match self {
            Self::Fine(_) => "Expires",
            Self::Soon(_) => "Expires soon:",
            Self::Past(_) => "Has expired:",
        }
    }
}

impl OrganizationLine {
    fn domain_list(&self) -> String {
        self.domains.join(", ")
    }

    fn english_size(&self) -> String {
        format!(
            "{}, {}",
            support::english_count(self.users, "user", "users"),
            support::english_count(self.properties, "property", "properties")
        )
    }
}

impl Organizations {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = ListTexts::english();
        frame::render(&ListPage {
            frame: Frame::console_english(brand, text.heading, &self.agent, Section::Organizations),
            banner: self.banner.as_ref().map(Banner::english),
            text,
            page: self,
        })
    }
}

impl NewOrganization {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = NewTexts::english();
        frame::render(&NewPage {
            frame: Frame::console_english(brand, text.heading, &self.agent, Section::Organizations),
            banner: self.banner.as_ref().map(Banner::english),
            problems: Problems::of(&[
                ("name", self.name.problem.as_ref()),
                ("id", self.id.problem.as_ref()),
                ("domains", self.domains.problem.as_ref()),
                ("metadata", self.metadata_problem.as_ref()),
                ("metadata-url", self.metadata_url.problem.as_ref()),
                ("entity-id", self.entity_id.as_ref().and_then(|field| field.problem.as_ref())),
            ]),
            text,
            page: self,
        })
    }
}

#[derive(Template)]
#[template(path = "organizations.html")]
struct ListPage<'a> {
    frame: Frame<'a>,
    text: ListTexts,
    banner: Option<(&'static str, String)>,
    page: &'a Organizations,
}

#[derive(Template)]
#[template(path = "organization_new.html")]
struct NewPage<'a> {
    frame: Frame<'a>,
    text: NewTexts,
    banner: Option<(&'static str, String)>,
    problems: Problems<'a>,
    page: &'a NewOrganization,
}

texts! {
    ListTexts {
        heading: "Organizations",
        new: "Connect an organization",
        none: "No organization is connected yet.",
        organization: "Organization",
        domains: "Domains",
        provider: "Identity provider",
        no_provider: "Not connected",
        certificate: "Certificate",
        size: "Size",
        state: "State",
        active: "Active",
        paused: "Paused",
        declared: "Set in the configuration file",
    }
}

texts! {
    NewTexts {
        organizations: "Organizations",
        heading: "Connect an organization",
        problems: "Please check these fields",
        lead: "You need what the customer has sent: the Federation Metadata of their identity provider, and the domains of their e-mail addresses. Nothing is saved before you have seen what was read from it.",
        name: "Name",
        name_hint: "As people know it, for example Contoso Residential.",
        id: "Short name",
        id_hint: "Small letters, digits and hyphens, for example contoso. It cannot be changed later.",
        domains: "E-mail domains",
        domains_hint: "One on each line, without @.",
        metadata: "Federation Metadata (XML file)",
        metadata_hint: "In Microsoft Entra ID: Single sign-on, SAML certificates, Federation Metadata XML.",
        metadata_url: "Or its address",
        metadata_url_hint: "In Microsoft Entra ID: App Federation Metadata Url. New certificates are then taken over by themselves.",
        entity_id: "Entity ID of the identity provider that is meant",
        submit: "Read the metadata",
    }
}
