//! `anteroom organization metadata`: another file or address, a fetch now, and another entity ID that is accepted.
//!
//! Separate because metadata lives on by itself where it is fetched.

use std::path::PathBuf;

use clap::Args;

use super::described::{accepted, changed, metadata_preview, show};
use super::with_warnings;
use crate::admin::{Actor, EntityIdChange, MetadataForm, Outcome, Refused};
use crate::cli::answer::Answer;
use crate::cli::opened::Opened;
use crate::cli::{Failure, read_file};
use crate::federation::Refreshed;
use crate::id::OrganizationId;

#[derive(Debug, Args)]
pub(super) struct Replace {
    /// The organization's id.
    #[arg(value_parser = OrganizationId::parse)]
    id: OrganizationId,
    /// A file with new Federation Metadata XML, or - for the standard input; nothing is fetched from then on.
    #[arg(conflicts_with_all = ["url", "refresh"])]
    file: Option<PathBuf>,
    /// The https address of the Federation Metadata, to be fetched now and from then on.
    #[arg(long, conflicts_with = "refresh")]
    url: Option<String>,
    /// Which identity provider is meant, where the metadata has several.
    #[arg(long, value_name = "ENTITY-ID", conflicts_with = "refresh")]
    entity_id: Option<String>,
    /// Fetch the metadata again now.
    #[arg(long)]
    refresh: bool,
    /// Show what was read and what would change, and change nothing.
    #[arg(long, conflicts_with = "refresh")]
    dry_run: bool,
    /// Accept that it is another identity provider than so far (the customer has moved): that of the file or the
    /// address, or the one that was fetched and waits for this. With --entity-id that one alone.
    #[arg(long, conflicts_with = "refresh")]
    accept_entity_id: bool,
}

impl Replace {
    /// Without anything to do it shows how the metadata stands.
    pub(super) async fn run(self, opened: &Opened) -> Result<Answer, Failure> {
        let (admin, actor, id) = (&opened.admin, Actor::command(), &self.id);
        if self.file.is_some() || self.url.is_some() {
            return self.replace(opened).await;
        }
        if self.dry_run || (self.entity_id.is_some() && !self.accept_entity_id) {
            let message = "--dry-run and --entity-id are about a file or an address; give one of them, or see what \
                           waits to be accepted with `anteroom organization show`";
            return Err(Failure::new("nothing_to_read", message.to_owned()));
        }
        if self.accept_entity_id {
            let outcome = admin.accept_entity_id(id, self.entity_id.as_deref(), &actor).await?;
            return Ok(with_warnings(accepted(&outcome), &outcome.value.provider));
        }
        if self.refresh {
            return self.refresh(opened).await;
        }
        let view = admin.organization_view(id).await?;
        Ok(show(&view, &admin.outsiders(id).await?))
    }

    async fn replace(&self, opened: &Opened) -> Result<Answer, Failure> {
        let octets = self.file.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let form = MetadataForm {
            metadata: &octets,
            url: self.url.as_deref().unwrap_or_default(),
            entity_id: self.entity_id.as_deref().unwrap_or_default(),
        };
        if self.dry_run {
            return Ok(metadata_preview(&self.id, &opened.admin.preview_metadata(&self.id, form).await?));
        }
        let change = if self.accept_entity_id { EntityIdChange::Accept } else { EntityIdChange::Refuse };
        let outcome = opened.admin.replace_metadata(&self.id, form, change, &Actor::command()).await?;
        Ok(with_warnings(changed("replaced", &outcome), &outcome.value.provider))
    }

    async fn refresh(&self, opened: &Opened) -> Result<Answer, Failure> {
        let id = self.id.clone();
        if opened.admin.organization_view(&id).await?.source().is_none() {
            return Err(refused(Refused::NotFetched { id }));
        }
        match opened.federation().fetch_now(&id).await? {
            Some(Refreshed::Failed(fault)) => Err(refused(Refused::NotRefreshed { id, fault })),
            None => {
                let fault = "another process is just fetching it; try again in half a minute".to_owned();
                Err(refused(Refused::NotRefreshed { id, fault }))
            }
            Some(Refreshed::Held { old, new }) => Err(refused(Refused::EntityIdChanged { id, old, new })),
            Some(refreshed @ (Refreshed::Same | Refreshed::Newer)) => {
                let value = opened.admin.organization_view(&id).await?;
                Ok(changed("refreshed", &Outcome { value, changed: refreshed.is_newer() }))
            }
        }
    }
}

fn refused(refused: Refused) -> Failure {
    crate::admin::Error::from(refused).into()
}
