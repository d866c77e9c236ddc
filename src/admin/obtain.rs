//! Metadata as it comes in: uploaded, carried along from a preview, or fetched from its address.
//!
//! Separate because a new organization and a replacement take it in the same ways.

use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::providers::Provider;
use super::{Admin, FieldProblem};
use crate::federation::{Fetched, location};
use crate::saml::metadata;
use crate::store::{MetadataSource, NewMetadata, Validators};

/// Metadata, or where it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetadataForm<'a> {
    /// The Federation Metadata XML; if it is empty, it is fetched.
    pub metadata: &'a [u8],
    /// Where it is fetched from now on; empty for metadata that is uploaded.
    pub url: &'a str,
    /// Which identity provider of several is meant; empty for the only one.
    pub entity_id: &'a str,
}

/// Metadata that can be used.
pub(super) struct Obtained {
    pub(super) text: String,
    pub(super) provider: Provider,
    pub(super) entity_id: Option<String>,
    pub(super) url: Option<Url>,
}

impl<'a> From<&'a [u8]> for MetadataForm<'a> {
    fn from(metadata: &'a [u8]) -> Self {
        Self { metadata, ..Self::default() }
    }
}

impl<'a> From<&'a Vec<u8>> for MetadataForm<'a> {
    fn from(metadata: &'a Vec<u8>) -> Self {
        metadata.as_slice().into()
    }
}

impl Obtained {
    /// What is to be kept of it; its address is asked again after that time.
    pub(super) fn into_new(self, now: Timestamp, refresh: Duration) -> NewMetadata {
        // It has just been asked.
        let due_at = now.saturating_add(refresh).unwrap_or(now);
        let source =
            self.url.map(|url| MetadataSource { checked_at: Some(now), ..MetadataSource::new(url, due_at) });
        NewMetadata { metadata: self.text, entity_id: self.entity_id, source }
    }
}

impl Admin {
    /// Reads metadata, and fetches it first where it is not there.
    pub(super) async fn obtain(&self, form: &MetadataForm<'_>) -> Result<Obtained, FieldProblem> {
        let settings = self.settings();
        let problem = |field, message: String| FieldProblem { field, message };
        let url = match form.url.trim() {
            "" => None,
            typed => Some(
                location::parse(typed, settings.fetcher.reach())
                    .map_err(|error| problem("metadata_url", format!("cannot be used: {error}")))?,
            ),
        };
        let fetched = match &url {
            Some(url) if form.metadata.is_empty() => {
                match settings.fetcher.fetch(url, &Validators::default()).await {
                    Ok(Fetched::Document { octets, .. }) => octets,
                    Ok(Fetched::Same(_)) => Vec::new(),
                    Err(error) => {
                        return Err(problem("metadata_url", format!("cannot be fetched: {error}")));
                    }
                }
            }
            _ => form.metadata.to_vec(),
        };
        let field = if form.metadata.is_empty() && url.is_some() { "metadata_url" } else { "metadata" };
        if fetched.is_empty() {
            let message =
                "is missing: choose the Federation Metadata XML file, or write the address where it is";
            return Err(problem(field, message.to_owned()));
        }
        let text = String::from_utf8(fetched).map_err(|_| {
            problem(field, "cannot be used: the file is not text in UTF-8; download it again".to_owned())
        })?;
        let entity_id = Some(form.entity_id.trim()).filter(|entity_id| !entity_id.is_empty());
        let now = self.now();
        match metadata::parse_entity(text.as_bytes(), entity_id, now) {
            Ok(idp) => Ok(Obtained {
                provider: Provider::of(&idp, now),
                text,
                entity_id: entity_id.map(str::to_owned),
                url,
            }),
            Err(
                error @ (metadata::Error::SeveralIdentityProviders { .. }
                | metadata::Error::NoSuchEntity { .. }),
            ) => Err(problem("entity_id", format!("has to be chosen: {error}"))),
            Err(error) => Err(problem(field, format!("cannot be used: {error}"))),
        }
    }
}
