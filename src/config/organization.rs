//! `[[organization]]`: the customers and their identity providers.
//!
//! Separate, as every section has a file with its valid form and its rules; what metadata must have is said
//! in `saml::metadata`.

mod options;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use url::Url;

use crate::admin::RESERVED_IDS;
use crate::directory::{self, ConnectionOptions};
use crate::email::EmailDomain;
use crate::federation::{Reach, location};
use crate::id::OrganizationId;
use crate::saml::{IdentityProvider, metadata};

use super::app::display_name;
use super::file;
use super::reading::{Fault, Read, Reading, Told};

/// A customer with its identity provider.
#[derive(Debug)]
pub struct Organization {
    /// The customer.
    pub organization: directory::Organization,
    /// Where the metadata of its identity provider is.
    pub metadata: Metadata,
    /// Which identity provider is meant, where the metadata has several.
    pub entity_id: Option<String>,
    /// What is different there.
    pub options: Arc<ConnectionOptions>,
}

/// Where metadata is.
#[derive(Debug, Clone)]
pub enum Metadata {
    /// In a file beside the configuration.
    File {
        /// The file.
        path: PathBuf,
        /// What it says.
        idp: Arc<IdentityProvider>,
    },
    /// At an address, to be fetched again and again.
    Url(Url),
}

impl Organization {
    /// What the metadata says, if it is a file.
    #[must_use]
    pub const fn idp(&self) -> Option<&Arc<IdentityProvider>> {
        match &self.metadata {
            Metadata::File { idp, .. } => Some(idp),
            Metadata::Url(_) => None,
        }
    }
}

/// Reads the organizations; addresses may lead as far as that.
pub(super) fn read(
    typed: &[file::Organization],
    reach: Reach,
    reading: &mut Reading<'_>,
) -> Read<Vec<Organization>> {
    if typed.is_empty() && reading.findings.is_spoiled("organization") {
        return Err(Told);
    }
    let read: Vec<_> = (0..)
        .zip(typed)
        .map(|(index, typed)| one(&format!("organization[{index}]"), typed, reach, reading))
        .collect();
    refuse_contradictions(&read, reading);
    read.into_iter().map(Parts::complete).collect()
}

/// An organization of which some parts could not be used; the good ones still count for contradictions.
struct Parts {
    at: String,
    id: Read<OrganizationId>,
    name: Read<directory::DisplayName>,
    domains: Read<Vec<EmailDomain>>,
    metadata: Read<Metadata>,
    entity_id: Read<Option<String>>,
    options: Read<ConnectionOptions>,
}

impl Parts {
    fn complete(self) -> Read<Organization> {
        let organization = directory::Organization { id: self.id?, name: self.name?, domains: self.domains? };
        Ok(Organization {
            organization,
            metadata: self.metadata?,
            entity_id: self.entity_id?,
            options: Arc::new(self.options?),
        })
    }
}

fn one(at: &str, typed: &file::Organization, reach: Reach, reading: &mut Reading<'_>) -> Parts {
    let id = reading.required(
        &format!("{at}.id"),
        typed.id.as_deref(),
        "write a short name that never changes, e.g. id = \"contoso\"",
        |text| {
            if RESERVED_IDS.contains(&text) {
                let message = format!("{text:?} is the address of a page of the console");
                return Err(Fault::new(message, "write another short name, e.g. \"contoso\""));
            }
            OrganizationId::parse(text).map_err(|error| {
                Fault::new(format!("{text:?} {error}"), "write a short name, e.g. \"contoso\"")
            })
        },
    );
    let name = reading.required(
        &format!("{at}.name"),
        typed.name.as_deref(),
        "write the customer's name, e.g. name = \"Contoso Residential\"",
        display_name,
    );
    let domains = domains(at, typed, reading);
    let entity_id = reading.optional(&format!("{at}.entity_id"), typed.entity_id.as_deref(), entity_id);
    let chosen = entity_id.as_ref().map_or(None, Option::as_deref);
    let metadata = metadata_of(at, (typed.metadata.as_deref(), chosen), reach, reading);
    let options = options::read(at, typed, reading);
    Parts { at: at.to_owned(), id, name, domains, metadata, entity_id, options }
}

fn domains(at: &str, typed: &file::Organization, reading: &mut Reading<'_>) -> Read<Vec<EmailDomain>> {
    let key = format!("{at}.domains");
    let remedy = "list the domains of the customer's addresses, e.g. domains = [\"contoso.com\"]";
    let domains = reading.list(&key, typed.domains.as_deref(), |text| {
        EmailDomain::parse(text).map_err(|_| {
            let remedy = "write the part after the @, e.g. \"contoso.com\"";
            Fault::new(format!("{text:?} is not an e-mail domain"), remedy)
        })
    })?;
    if !domains.is_empty() {
        return Ok(domains);
    }
    if typed.domains.is_some() {
        reading.findings.refuse(&key, "is empty, so nobody could sign on", remedy);
    } else {
        reading.findings.missing(&key, remedy);
    }
    Err(Told)
}

fn entity_id(text: &str) -> Result<String, Fault> {
    if text.is_empty() || text.len() > 1024 || text.trim() != text {
        let remedy =
            "write the entity ID as it stands in the metadata, or leave the key out for the only one";
        return Err(Fault::new(format!("{text:?} is no entity ID"), remedy));
    }
    Ok(text.to_owned())
}

/// Metadata of one identity provider, or the address where it is. That of a file may have expired: this one
/// customer's people cannot sign on then, and everybody else can.
fn metadata_of(
    at: &str,
    (typed, chosen): (Option<&str>, Option<&str>),
    reach: Reach,
    reading: &mut Reading<'_>,
) -> Read<Metadata> {
    let key = format!("{at}.metadata");
    let Some(name) = typed else {
        let remedy = "write the address of the identity provider's Federation Metadata, or download it and write \
                      its file's name, e.g. metadata = \"contoso.xml\"";
        reading.findings.missing(&key, remedy);
        return Err(Told);
    };
    if name.contains("://") {
        let parsed = location::parse(name, reach).map_err(|error| {
            let text = error.to_string();
            let (message, remedy) = text.split_once("; ").unwrap_or((&text, "write an https:// address"));
            Fault::new(message, remedy)
        });
        return reading.told(&key, parsed).map(Metadata::Url);
    }
    let (path, octets) = reading.file(&key, name, METADATA_OCTETS_MAX)?;
    let parsed = metadata::read(&octets, chosen);
    let fault = |error: metadata::Error| {
        // The message of a metadata error says what to do after its last semicolon.
        let text = error.to_string();
        let (message, remedy) = text
            .rsplit_once("; ")
            .unwrap_or((&text, "download the metadata again from the identity provider"));
        Fault::new(format!("{}: {message}", path.display()), remedy)
    };
    let idp = Arc::new(reading.told(&key, parsed.map_err(fault))?);
    Ok(Metadata::File { path, idp })
}

fn refuse_contradictions(read: &[Parts], reading: &mut Reading<'_>) {
    let mut ids = BTreeMap::new();
    let mut entity_ids = BTreeMap::new();
    let mut names = BTreeMap::new();
    for parts in read {
        if let Ok(id) = &parts.id
            && let Some(first) = ids.insert(id.as_str(), &parts.at)
        {
            let message = format!("{:?} is also the id of {first}", id.as_str());
            reading.findings.refuse(&format!("{}.id", parts.at), message, "write another id");
        }
        let provider = match &parts.metadata {
            Ok(Metadata::File { idp, .. }) => Some(format!("entity ID {}", idp.entity_id())),
            Ok(Metadata::Url(url)) => match &parts.entity_id {
                Ok(Some(entity_id)) => Some(format!("entity ID {entity_id}")),
                Ok(None) => Some(format!("metadata at {url}")),
                Err(Told) => None,
            },
            Err(Told) => None,
        };
        if let Some(provider) = provider
            && let Some(first) = entity_ids.insert(provider.clone(), &parts.at)
        {
            let message = format!("{first} has the same identity provider ({provider})");
            let remedy = "give each organization the metadata of its own identity provider, or make them \
                          one organization with several domains";
            reading.findings.refuse(&format!("{}.metadata", parts.at), message, remedy);
        }
        let (Ok(name), Ok(domains)) = (&parts.name, &parts.domains) else { continue };
        for domain in domains {
            let Some(first) = names.insert((name.as_str().to_lowercase(), domain), &parts.at) else {
                continue;
            };
            let message =
                format!("{first} has the same name and the domain {domain}, so nobody could choose");
            let remedy = "write a name that tells them apart, e.g. \"Contoso Residential (contractors)\"";
            reading.findings.refuse(&format!("{}.name", parts.at), message, remedy);
        }
    }
}

/// As much as the parser takes.
const METADATA_OCTETS_MAX: u64 = 2 * 1024 * 1024;
