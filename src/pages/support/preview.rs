//! What was read from Federation Metadata, before anything is saved.
//!
//! Separate because nobody can read XML at a glance: the agent sees what it means, and what is wrong with it.

use askama::Template;

use crate::pages::Brand;
use crate::pages::frame::{self, Frame};
use crate::pages::support::{self, Agent, Expiry, Section};
use crate::pages::texts::texts;

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
    /// Where it was fetched, to be sent back, if it was.
    pub url: Option<String>,
    /// Which identity provider of several was chosen, to be sent back, if that was necessary.
    pub chosen: Option<String>,
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
    /// Nothing tells which identity provider the organization had, and it has users. Asks for `confirm_entity_id`.
    EntityIdLost,
    /// No certificate is valid: nobody could sign on.
    AllExpired,
    /// One certificate expires within two months.
    ExpiresSoon,
    /// Something else that should be known; a whole sentence.
    Other(String),
}

impl OrganizationPreview {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let heading = english_heading(&self.name);
        let domains = self.domains.join("\n");
        let typed = vec![
            (text.name, self.name.clone()),
            (text.id, self.id.clone()),
            (text.domains, self.domains.join(", ")),
        ];
        let hidden = vec![
            ("name", self.name.as_str()),
            ("id", self.id.as_str()),
            ("domains", domains.as_str()),
            ("metadata", self.facts.xml.as_str()),
            ("metadata_url", self.facts.url.as_deref().unwrap_or_default()),
            ("entity_id", self.facts.chosen.as_deref().unwrap_or_default()),
        ];
        let is_shared =
            self.warnings.iter().any(|warning| matches!(warning, PreviewWarning::SharedDomain { .. }));
        frame::render(&Page {
            frame: Frame::console_english(brand, &heading, &self.agent, Section::Organizations),
            back: text.organizations,
            back_href: Section::Organizations.path().to_owned(),
            again_href: NEW_PATH.to_owned(),
            action: Section::Organizations.path().to_owned(),
            save_heading: text.save_heading,
            submit: text.save,
            confirmation: is_shared.then_some(("confirm_shared", text.confirm_shared)),
            present: None,
            heading,
            typed,
            hidden,
            ..Page::new(text, brand, &self.agent, &self.facts, &self.warnings)
        })
    }
}

impl MetadataPreview {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let heading = english_rotation_heading(&self.name);
        let path = support::organization_path(&self.id);
        let is_changed = self.warnings.iter().any(|warning| {
            matches!(warning, PreviewWarning::EntityIdChanged { .. } | PreviewWarning::EntityIdLost)
        });
        frame::render(&Page {
            frame: Frame::console_english(brand, &heading, &self.agent, Section::Organizations),
            back: &self.name,
            back_href: path.clone(),
            again_href: path.clone(),
            action: format!("{path}/metadata"),
            save_heading: text.replace_heading,
            submit: text.replace,
            confirmation: is_changed.then_some(("confirm_entity_id", text.confirm_entity_id)),
            present: self.present.as_ref(),
            hidden: vec![
                ("metadata", self.facts.xml.as_str()),
                ("metadata_url", self.facts.url.as_deref().unwrap_or_default()),
                ("entity_id", self.facts.chosen.as_deref().unwrap_or_default()),
            ],
            heading,
            ..Page::new(text, brand, &self.agent, &self.facts, &self.warnings)
        })
    }
}

/// Where the form for another organization stands.
const NEW_PATH: &str = "/.anteroom/support/organizations/new";

#[derive(Template)]
#[template(path = "preview.html")]
struct Page<'a> {
    frame: Frame<'a>,
    text: Texts,
    metadata_text: MetadataTexts,
    heading: String,
    back: &'a str,
    back_href: String,
    again_href: String,
    warnings: Vec<WarningText>,
    is_blocked: bool,
    typed: Vec<(&'static str, String)>,
    no_words: [(&'static str, String); 0],
    facts: &'a MetadataFacts,
    present: Option<&'a MetadataFacts>,
    save_heading: &'static str,
    action: String,
    hidden: Vec<(&'static str, &'a str)>,
    confirmation: Option<(&'static str, &'static str)>,
    submit: &'static str,
}

impl<'a> Page<'a> {
    /// What both previews have in common.
    fn new(
        text: Texts,
        brand: &'a Brand,
        agent: &'a Agent,
        facts: &'a MetadataFacts,
        warnings: &[PreviewWarning],
    ) -> Self {
        Self {
            frame: Frame::console_english(brand, "", agent, Section::Organizations),
            metadata_text: MetadataTexts::english(),
            heading: String::new(),
            back: "",
            back_href: String::new(),
            again_href: String::new(),
            warnings: warnings.iter().map(PreviewWarning::english).collect(),
            is_blocked: warnings.iter().any(PreviewWarning::is_blocking),
            typed: Vec::new(),
            no_words: [],
            present: None,
            save_heading: "",
            action: String::new(),
            hidden: Vec::new(),
            confirmation: None,
            submit: "",
            facts,
            text,
        }
    }
}

/// A warning with the way to look into it.
struct WarningText {
    sentence: String,
    link: Option<(String, String)>,
}

impl PreviewWarning {
    const fn is_blocking(&self) -> bool {
        matches!(self, Self::EntityIdTaken { .. } | Self::AllExpired)
    }

    fn english(&self) -> WarningText {
        let mut link = None;
        let sentence = match self {
            Self::SharedDomain { domain, organization } => format!(
                "{organization} has the domain {domain} too. People with such an address will be asked at \
                 sign-on which organization they mean."
            ),
            Self::EntityIdTaken { organization, organization_id } => {
                link = Some((organization.clone(), support::organization_path(organization_id)));
                "Another organization has this identity provider already. Two organizations cannot share one: \
                 nobody could tell whose people sign on. Was this the right file?"
                    .to_owned()
            }
            Self::EntityIdChanged { before } => format!(
                "This is another identity provider than before ({before}). Nobody will be recognized by the \
                 identity they had: each person connects anew at the next sign-on, or becomes a conflict."
            ),
            Self::EntityIdLost => "Nothing tells which identity provider this organization had before, and it has \
                                   users. If this is another one, each person connects anew at the next sign-on, \
                                   or becomes a conflict."
                .to_owned(),
            Self::AllExpired => "Every certificate in this file has expired: nobody could sign on. Ask the \
                                 administrator for the present metadata."
                .to_owned(),
            Self::ExpiresSoon => "A certificate expires within two months. Ask the administrator when the next \
                                  one will be in place."
                .to_owned(),
            Self::Other(sentence) => sentence.clone(),
        };
        WarningText { sentence, link }
    }
}

texts! {
    Texts {
        organizations: "Organizations",
        warnings: "Know this first",
        blocked: "This cannot be saved",
        blocked_advice: "Nothing was saved.",
        again: "Choose another file",
        cancel: "Cancel",
        read: "What was read",
        present: "In force now",
        name: "Name",
        id: "Short name",
        domains: "Domains",
        save_heading: "Is this right?",
        save: "Connect the organization",
        replace_heading: "Replace what is in force?",
        replace: "Replace the metadata",
        confirm_shared: "I know that the organizations share a domain, and both customers agree.",
        confirm_entity_id: "I know that this is another identity provider, and the customer has moved to it.",
    }
}

texts! {
    /// The labels of what metadata says, also on the page of an organization.
    pub(super) MetadataTexts {
        provider: "Identity provider",
        entity_id: "Entity ID",
        certificate: "Certificate",
        fetched_at: "Metadata fetched at",
    }
}

fn english_heading(name: &str) -> String {
    format!("Connect {name}?")
}

fn english_rotation_heading(name: &str) -> String {
    format!("New metadata for {name}")
}
