//! One organization: its connection, what its administrator needs, and its properties.
//!
//! Separate because it is where a customer is connected and kept connected.

use askama::Template;

use crate::pages::form::{Field, Problems};
use crate::pages::frame::{self, Frame};
use crate::pages::moment::Moment;
use crate::pages::support::preview::MetadataTexts;
use crate::pages::support::sign_on_options::{OptionTexts, SignOnOptions};
use crate::pages::support::{self, Agent, Banner, MetadataFacts, Section};
use crate::pages::texts::texts;
use crate::pages::{Brand, link};

/// `/.anteroom/support/organizations/{id}`. Its forms post to the paths below it; that of `…/test` leads on to the
/// identity provider, so the policy of the page must be one of those for identity providers.
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
    /// What is wrong with it, or soon will be; whole sentences.
    pub notes: Vec<String>,
    /// Whether the metadata is fetched from an address.
    pub is_fetched: bool,
    /// When it was last known to be what is there.
    pub checked: Option<Moment>,
    /// When the metadata was uploaded or fetched.
    pub metadata_changed: Option<Moment>,
    /// What is different at its identity provider. `…/options` changes that.
    pub options: SignOnOptions,
    /// What its administrator has to enter.
    pub values: ProviderFacts,
    /// The last trial of the connection.
    pub last_test: Option<LastTest>,
    /// Its properties, those in use first. `…/properties/{property}/rename` (`name`), `…/retire`, `…/restore`.
    pub properties: Vec<PropertyLine>,
    /// How many users it has.
    pub users: u64,
    /// How many users have an address outside its domains, and the first of them.
    pub outsiders: (u64, Vec<String>),
    /// What was typed in `…/rename`.
    pub new_name: Field,
    /// What was typed in `…/domains`, one on each line.
    pub new_domains: Field,
    /// Whether `confirm_shared` has to be ticked.
    pub asks_for_shared: bool,
    /// What is wrong with the file `metadata` of `…/metadata/preview`.
    pub metadata_problem: Option<String>,
    /// `metadata_url` of `…/metadata/preview`, in the place of a file.
    pub metadata_url: Field,
    /// `entity_id` of `…/metadata/preview`, where one of several identity providers has to be chosen.
    pub entity_id: Option<Field>,
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
    /// Our certificate as PEM, if we have one.
    pub certificate: Option<String>,
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
        let text = Texts::english();
        frame::render(&Html {
            frame: Frame::console_english(brand, &self.name, &self.agent, Section::Organizations),
            banner: self.banner.as_ref().map(Banner::english),
            problems: self.problems(),
            path: support::organization_path(&self.id),
            domains: self.domains.join(", "),
            users: support::english_count(self.users, "user", "users"),
            users_href: format!("{}?organization={}", Section::Users.path(), link::query_value(&self.id)),
            outsiders: english_outsiders(&self.outsiders),
            letter: english_letter(self, brand),
            typed: [],
            metadata_text: MetadataTexts::english(),
            option_text: OptionTexts::english(),
            options: self.options.in_force.english(),
            text,
            page: self,
        })
    }

    fn is_metadata_open(&self) -> bool {
        let is_wrong = self.metadata_url.problem.is_some() || self.entity_id.is_some();
        self.metadata_problem.is_some() || is_wrong
    }

    fn problems(&self) -> Problems<'_> {
        let options = self.options.problems();
        let others = [
            ("metadata", self.metadata_problem.as_ref()),
            ("source-url", self.metadata_url.problem.as_ref()),
            ("entity-id", self.entity_id.as_ref().and_then(|field| field.problem.as_ref())),
            ("new-name", self.new_name.problem.as_ref()),
            ("new-domains", self.new_domains.problem.as_ref()),
            ("property-id", self.property_id.problem.as_ref()),
            ("property-name", self.property_name.problem.as_ref()),
            ("table", self.table_problems.first()),
        ];
        Problems::of(&[&options[..], &others].concat())
    }
}

impl LastTest {
    fn path(&self, organization_id: &str) -> String {
        format!("{}/test?id={}", support::organization_path(organization_id), link::query_value(&self.id))
    }

    const fn tone(&self) -> &'static str {
        match self.passed {
            None => "neutral",
            Some(true) => "passed",
            Some(false) => "failed",
        }
    }

    const fn english_state(&self) -> &'static str {
        match self.passed {
            None => "Waiting for the sign-on",
            Some(true) => "Passed",
            Some(false) => "Failed",
        }
    }
}

impl SharedDomain {
    fn english(&self) -> String {
        format!(
            "People with an address of {} choose at sign-on, because this organization has it too:",
            self.domain
        )
    }
}

impl PropertyLine {
    fn path(&self, organization_id: &str) -> String {
        format!("{}/properties/{}", support::organization_path(organization_id), link::segment(&self.id))
    }

    fn english_users(&self) -> String {
        format!("{} with access", support::english_count(self.users, "user", "users"))
    }
}

#[derive(Template)]
#[template(path = "organization.html")]
struct Html<'a> {
    frame: Frame<'a>,
    text: Texts,
    metadata_text: MetadataTexts,
    option_text: OptionTexts,
    options: Vec<(&'static str, Vec<&'a str>)>,
    banner: Option<(&'static str, String)>,
    problems: Problems<'a>,
    path: String,
    domains: String,
    users: String,
    users_href: String,
    outsiders: Option<String>,
    letter: String,
    typed: [(&'static str, String); 0],
    page: &'a OrganizationPage,
}

texts! {
    Texts {
        organizations: "Organizations",
        problems: "Please check these fields",
        active: "Active",
        paused: "Paused",
        paused_lead: "Nobody of this organization can sign on. Paused",
        connection: "Connection",
        no_provider: "No identity provider: nobody of this organization can sign on.",
        metadata_changed: "Metadata from",
        test_lead: "A test is a real sign-on with your own account, or together with the customer. It makes no session and no user.",
        test: "Test the connection",
        last_test: "Last test",
        by: "by",
        checked: "Last checked",
        declared_metadata: "The metadata is set in the configuration file.",
        declared_held: "Another entity ID is accepted by a command: anteroom organization metadata, with --accept-entity-id.",
        rotate: "Upload new metadata",
        metadata: "Federation Metadata (XML file)",
        metadata_hint: "You see what was read from it before anything changes.",
        source_url: "Or its address",
        source_url_hint: "It is fetched again every hour, and new certificates are taken over by themselves. Empty it to use the file alone.",
        entity_id: "Entity ID of the identity provider that is meant",
        rotate_submit: "Read the metadata",
        values: "For the customer’s administrator",
        values_lead: "These values go into the identity provider.",
        identifier: "Identifier (Entity ID)",
        reply_url: "Reply URL (Assertion Consumer Service URL)",
        sign_on_url: "Sign on URL",
        metadata_url: "Metadata of Anteroom",
        letter: "Text to send",
        details: "Details",
        id: "Short name",
        name: "Name",
        domains: "E-mail domains",
        domains_hint: "One on each line, without @.",
        users: "Users",
        origin: "Origin",
        declared: "Set in the configuration file",
        created: "Connected here",
        rename: "Rename",
        save: "Save",
        change_domains: "Change the domains",
        confirm_shared: "I know that another organization has such a domain too, and both customers agree.",
        pause_lead: "Pausing ends all its sessions, and nobody can sign on until you resume.",
        pause: "Pause",
        resume: "Resume",
        remove: "Remove",
        remove_lead: "Without users, the organization can be removed with everything that belongs to it.",
        properties: "Properties",
        no_properties: "No property yet. Access can only be granted to all properties then.",
        retired: "Retired",
        change: "Change",
        restore: "Take back",
        retire: "Retire",
        add: "Add a property",
        property_id: "Short name",
        property_id_hint: "Small letters, digits and hyphens; unique among all organizations.",
        add_submit: "Add",
        import: "Import properties",
        table: "CSV file",
        table_hint: "The first line is id,name; then one property on each line. All or nothing.",
        import_submit: "Import",
    }
}

/// Whom a change of the domains has left out.
fn english_outsiders((count, first): &(u64, Vec<String>)) -> Option<String> {
    let users = match count {
        0 => return None,
        1 => "1 user has an address outside these domains and cannot sign on:".to_owned(),
        _ => format!("{count} users have addresses outside these domains and cannot sign on:"),
    };
    let shown = first.join(", ");
    let more = if u64::try_from(first.len()).is_ok_and(|shown| shown < *count) { ", …" } else { "" };
    Some(format!("{users} {shown}{more}"))
}

/// What to send to the customer's administrator, ready to be pasted into a mail.
fn english_letter(page: &OrganizationPage, brand: &Brand) -> String {
    let application = brand.application_name();
    let ProviderFacts { identifier, reply_url, sign_on_url, metadata_url, certificate } = &page.values;
    let certificate = certificate.as_ref().map_or_else(String::new, |pem| {
        format!(
            "Our requests are signed, and you may encrypt the assertion to us. Our certificate for both is in the \
             metadata; in Microsoft Entra ID, save it as anteroom.cer and upload it under \"Verification \
             certificates\" and \"Token encryption\":\n{pem}\n"
        )
    });
    format!(
        "Hello,\n\nto sign in to {application} with your own accounts, please set up single sign-on (SAML) \
         in your identity provider. In Microsoft Entra ID that is an enterprise application of its own.\n\n\
         Identifier (Entity ID):\n{identifier}\n\n\
         Reply URL (Assertion Consumer Service URL):\n{reply_url}\n\n\
         Sign on URL:\n{sign_on_url}\n\n\
         Or import our metadata:\n{metadata_url}\n\n{certificate}\
         Please leave signing at its default (sign the assertion, SHA-256), assign the people who shall sign in, \
         and send us the Federation Metadata XML together with the list of your e-mail domains.\n\n\
         The domains that we know so far: {}\n",
        page.domains.join(", ")
    )
}
