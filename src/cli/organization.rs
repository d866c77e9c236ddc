//! `anteroom organization …`: the customers and their identity providers.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

mod described;
mod metadata;
mod options;
mod trial;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use self::described::{changed, object, row, show_options};
use self::options::SignOnOptions;
use super::answer::Answer;
use super::opened::Opened;
use super::{Failure, Format, read_file};
use crate::admin::{Actor, Admin, OrganizationForm, Outcome, ProviderState, Refused, SharedDomains};
use crate::id::OrganizationId;

/// Connect organizations and look at them; those that the configuration declares are changed there.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Connect an organization with the Federation Metadata of its identity provider.
    Add(Add),
    /// List organizations.
    List,
    /// Show one organization with its identity provider and properties.
    Show {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
    },
    /// Change what is different at an organization's identity provider; without options, show it.
    Options {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
        #[command(flatten)]
        options: SignOnOptions,
    },
    /// Give an organization another name.
    Rename {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
        /// The new name for people.
        #[arg(long)]
        name: String,
    },
    /// Set the e-mail domains of an organization's staff, all of them; tells of users who are left outside.
    Domains {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
        /// The domains, e.g. contoso.com.
        #[arg(required = true)]
        domain: Vec<String>,
        /// Allow domains that another organization has too: people choose when they sign on.
        #[arg(long)]
        share_domains: bool,
    },
    /// Replace the Federation Metadata of an organization, e.g. for new certificates, or see to that which is fetched.
    Metadata(metadata::Replace),
    /// Sign on as a trial, paused or not: prints a link to open in a browser, and reports on each check.
    Trial(trial::Trial),
    /// Show what a customer's administrator has to enter at the identity provider.
    Values,
    /// Let nobody of an organization sign on any more, and end their sessions.
    Pause {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
    },
    /// Undo `pause`.
    Resume {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
    },
    /// Remove an organization that has no users, with its properties.
    Remove {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// The organization's id: a short name that never changes.
    id: String,
    /// The organization's name for people.
    #[arg(long)]
    name: String,
    /// An e-mail domain of its staff; may be repeated.
    #[arg(long, required = true)]
    domain: Vec<String>,
    /// The file with the Federation Metadata XML, or - for the standard input.
    #[arg(long, value_name = "FILE", required_unless_present = "metadata_url")]
    metadata: Option<PathBuf>,
    /// The https address of the Federation Metadata, to be fetched now and from then on.
    #[arg(long, value_name = "URL", conflicts_with = "metadata")]
    metadata_url: Option<String>,
    /// Which identity provider is meant, where the metadata has several.
    #[arg(long, value_name = "ENTITY-ID")]
    entity_id: Option<String>,
    /// Allow domains that another organization has too: people choose when they sign on.
    #[arg(long)]
    share_domains: bool,
    /// Show what was read and what stands against it, and change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    options: SignOnOptions,
}

impl Arguments {
    pub(super) async fn run(self, opened: &Opened, errors: &mut dyn Write) -> Result<Answer, Failure> {
        let (admin, actor) = (&opened.admin, Actor::command());
        match self.action {
            Action::Add(add) => add.run(admin).await,
            Action::List => {
                let views = admin.organization_views().await?;
                let rows: Vec<_> = views.iter().map(row).collect();
                let columns =
                    ["id", "name", "domains", "origin", "paused_at", "certificates_until", "attention"];
                Ok(Answer::list(columns, &rows, views.iter().map(object).collect()))
            }
            Action::Show { id } => {
                let view = admin.organization_view(&id).await?;
                Ok(described::show(&view, &admin.outsiders(&id).await?))
            }
            Action::Options { id, options } if options.is_empty() => {
                Ok(show_options(&admin.organization_view(&id).await?))
            }
            Action::Options { id, options } => {
                let outcome = admin.set_options(&id, &options.typed().form(), &actor).await?;
                Ok(changed("changed", &outcome))
            }
            Action::Rename { id, name } => {
                Ok(changed("renamed", &admin.rename_organization(&id, &name, &actor).await?))
            }
            Action::Domains { id, domain, share_domains } => {
                let done = admin.set_domains(&id, &domain.join(" "), shared(share_domains), &actor).await?;
                let outcome = Outcome { value: done.value, changed: done.changed };
                Ok(described::domains_changed(&outcome, &done.outsiders))
            }
            Action::Metadata(replace) => replace.run(opened).await,
            Action::Trial(trial) => trial.run(opened, errors).await,
            Action::Values => Ok(described::values(&admin.values_for_customer())),
            Action::Pause { id } => Ok(changed("paused", &admin.pause_organization(&id, &actor).await?)),
            Action::Resume { id } => Ok(changed("resumed", &admin.resume_organization(&id, &actor).await?)),
            Action::Remove { id } => {
                admin.remove_organization(&id, &actor).await?;
                Ok(Answer::change("removed", true, id.as_str(), json!({"id": id.as_str()})))
            }
        }
    }
}

impl Add {
    async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let metadata = self.metadata.as_deref().map(read_file).transpose()?.unwrap_or_default();
        let options = self.options.typed();
        let form = OrganizationForm {
            id: &self.id,
            name: &self.name,
            domains: &self.domain.join(" "),
            metadata: &metadata,
            metadata_url: self.metadata_url.as_deref().unwrap_or_default(),
            entity_id: self.entity_id.as_deref().unwrap_or_default(),
            options: options.form(),
        };
        if self.dry_run {
            return preview(admin, &form).await;
        }
        let shared = shared(self.share_domains);
        let view = admin.create_organization(&form, shared, &Actor::command()).await?;
        let answer = changed("added", &Outcome { value: view.clone(), changed: true });
        Ok(with_warnings(answer, &view.provider))
    }
}

/// What would become of a new organization.
async fn preview(admin: &Admin, form: &OrganizationForm<'_>) -> Result<Answer, Failure> {
    let preview = admin.preview_organization(form).await?;
    let Some(provider) = preview.provider.clone().filter(|_| preview.problems.is_empty()) else {
        return Err(crate::admin::Error::Refused(Refused::Fields(preview.problems)).into());
    };
    if let Some(organization) = preview.provider_of {
        let refused = Refused::EntityIdTaken { entity_id: provider.entity_id, organization };
        return Err(crate::admin::Error::Refused(refused).into());
    }
    Ok(described::preview(&preview, &provider))
}

/// With what is wrong with an identity provider, or soon will be.
fn with_warnings(answer: Answer, provider: &ProviderState) -> Answer {
    let ProviderState::Known(provider) = provider else { return answer };
    provider.warnings.iter().fold(answer, |answer, warning| answer.with_note(format!("note: {warning}")))
}

const fn shared(is_allowed: bool) -> SharedDomains {
    if is_allowed { SharedDomains::Accept } else { SharedDomains::Refuse }
}
