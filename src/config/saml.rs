//! `[saml]`: what identity providers know Anteroom by.
//!
//! Separate, as every section has a file with its valid form and its rules.

use url::Url;

use super::reading::{Fault, Read, Reading};
use super::{address, file};

/// Us as a service provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saml {
    /// Our entity ID, letter by letter as the identity providers have it.
    pub entity_id: String,
    /// Our assertion consumer service.
    pub acs_url: Url,
}

pub(super) fn read(typed: &file::Saml, reading: &mut Reading<'_>) -> Read<Saml> {
    let entity_id = reading.required(
        "saml.entity_id",
        typed.entity_id.as_deref(),
        "write the Identifier that the identity providers have, e.g. entity_id = \"https://app.example.com/saml\"",
        entity_id,
    );
    let acs_url = reading.required(
        "saml.acs_url",
        typed.acs_url.as_deref(),
        "write the Reply URL that the identity providers have, e.g. \
         acs_url = \"https://login.example.com/saml2/idpresponse\"",
        address::acs_url,
    );
    Ok(Saml { entity_id: entity_id?, acs_url: acs_url? })
}

/// A URI of at most 1024 characters (SAML Core 8.3.6).
fn entity_id(text: &str) -> Result<String, Fault> {
    let fits = (1..=1024).contains(&text.len())
        && text.chars().all(|c| !c.is_whitespace() && !c.is_control())
        && text.split_once(':').is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty());
    if fits {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("{text:?} is not a URI of 1 to 1024 characters without spaces"),
        "write it as the identity providers have it, e.g. \"urn:example:app\"",
    ))
}
