//! `anteroom organization …`: the customers and their identity providers.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

mod options;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, dash, moment, moment_or_dash};
use super::{Failure, Format, property, read_file};
use crate::admin::{
    Actor, Admin, OrganizationForm, OrganizationView, Outcome, Provider, ProviderState, SharedDomains,
};
use crate::directory::Organization;
use crate::email::EmailDomain;
use crate::id::OrganizationId;
use crate::store::Origin;
use options::SignOnOptions;

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
    #[arg(long, value_name = "FILE")]
    metadata: PathBuf,
    /// Allow domains that another organization has too: people choose when they sign on.
    #[arg(long)]
    share_domains: bool,
    #[command(flatten)]
    options: SignOnOptions,
}

impl Arguments {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let actor = Actor::command();
        match self.action {
            Action::Add(add) => add.run(admin).await,
            Action::List => {
                let views = admin.organization_views().await?;
                let rows: Vec<_> = views.iter().map(row).collect();
                let columns = ["id", "name", "domains", "origin", "paused_at", "certificates_until"];
                Ok(Answer::list(columns, &rows, views.iter().map(object).collect()))
            }
            Action::Show { id } => Ok(show(&admin.organization_view(&id).await?)),
            Action::Options { id, options } if options.is_empty() => {
                Ok(show_options(&admin.organization_view(&id).await?))
            }
            Action::Options { id, options } => {
                let outcome = admin.set_options(&id, &options.typed().form(), &actor).await?;
                Ok(changed("changed", &outcome))
            }
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
        let metadata = read_file(&self.metadata)?;
        let options = self.options.typed();
        let form = OrganizationForm {
            id: &self.id,
            name: &self.name,
            domains: &self.domain.join(" "),
            metadata: &metadata,
            options: options.form(),
        };
        let shared = if self.share_domains { SharedDomains::Accept } else { SharedDomains::Refuse };
        let view = admin.create_organization(&form, shared, &Actor::command()).await?;
        let mut answer = changed("added", &Outcome { value: view.clone(), changed: true });
        if let ProviderState::Known(provider) = &view.provider {
            for warning in &provider.warnings {
                answer = answer.with_note(format!("note: {warning}"));
            }
        }
        Ok(answer)
    }
}

fn changed(verb: &str, outcome: &Outcome<OrganizationView>) -> Answer {
    let organization = &outcome.value.record.organization;
    let summary = format!("{}, {:?}", organization.id, organization.name.as_str());
    Answer::change(verb, outcome.changed, &summary, object(&outcome.value))
}

fn show(view: &OrganizationView) -> Answer {
    let [id, name, domains, origin, paused_at, _] = row(view);
    let mut rows = vec![
        ["id".to_owned(), id],
        ["name".to_owned(), name],
        ["domains".to_owned(), domains],
        ["origin".to_owned(), origin],
        ["paused at".to_owned(), paused_at],
    ];
    match &view.provider {
        ProviderState::Known(provider) => rows.extend(provider_rows(provider)),
        ProviderState::Unusable(why) => rows.push(["provider".to_owned(), why.clone()]),
        ProviderState::Absent => rows.push(["provider".to_owned(), dash()]),
    }
    rows.extend(options::rows(&view.options));
    rows.extend(view.properties.iter().map(|property| {
        let retired = if property.retired_at.is_some() { ", retired" } else { "" };
        ["property".to_owned(), format!("{} ({}){retired}", property.id, property.name)]
    }));
    let mut json = object(view);
    if let Some(json) = json.as_object_mut() {
        json.insert("properties".to_owned(), view.properties.iter().map(property::object).collect());
    }
    Answer::list(["organization", ""], &rows, Vec::new()).with_json(json)
}

fn show_options(view: &OrganizationView) -> Answer {
    let rows = options::rows(&view.options);
    if rows.is_empty() {
        let text = format!("{}: all options are as usual", view.record.organization.id);
        return Answer::new(text, options::object(&view.options));
    }
    Answer::list(["option", ""], &rows, Vec::new()).with_json(options::object(&view.options))
}

fn provider_rows(provider: &Provider) -> Vec<[String; 2]> {
    let mut rows = vec![
        ["entity ID".to_owned(), provider.entity_id.clone()],
        ["sign-on at".to_owned(), provider.sso_url.to_string()],
    ];
    rows.extend(provider.certificates.iter().map(|certificate| {
        let until = moment(certificate.not_after);
        ["certificate".to_owned(), format!("until {until}, SHA-256 {}", certificate.fingerprint)]
    }));
    rows.extend(provider.warnings.iter().map(|warning| ["note".to_owned(), warning.to_string()]));
    rows
}

fn row(view: &OrganizationView) -> [String; 6] {
    let organization = &view.record.organization;
    let until = match &view.provider {
        ProviderState::Known(provider) => moment_or_dash(provider.last_not_after()),
        ProviderState::Unusable(_) => "unusable".to_owned(),
        ProviderState::Absent => dash(),
    };
    [
        organization.id.to_string(),
        organization.name.to_string(),
        domains(organization).join(", "),
        origin(view.record.origin).to_owned(),
        moment_or_dash(view.record.paused_at),
        until,
    ]
}

/// An organization in JSON.
fn object(view: &OrganizationView) -> Value {
    let organization = &view.record.organization;
    let (provider, fault) = match &view.provider {
        ProviderState::Known(provider) => (Some(provider_object(provider)), None),
        ProviderState::Unusable(why) => (None, Some(why)),
        ProviderState::Absent => (None, None),
    };
    json!({
        "id": organization.id.as_str(),
        "name": organization.name.as_str(),
        "domains": domains(organization),
        "origin": origin(view.record.origin),
        "paused_at": view.record.paused_at.map(|at| at.to_string()),
        "provider": provider,
        "provider_fault": fault,
        "options": options::object(&view.options),
    })
}

fn provider_object(provider: &Provider) -> Value {
    let certificates = provider.certificates.iter().map(|certificate| {
        json!({
            "subject": certificate.subject,
            "sha256": certificate.fingerprint,
            "not_before": certificate.not_before.to_string(),
            "not_after": certificate.not_after.to_string(),
            "key": certificate.key,
        })
    });
    json!({
        "entity_id": provider.entity_id,
        "sso_url": provider.sso_url.as_str(),
        "certificates": certificates.collect::<Vec<_>>(),
        "warnings": provider.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn domains(organization: &Organization) -> Vec<&str> {
    organization.domains.iter().map(EmailDomain::as_str).collect()
}

const fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Declared => "declared",
        Origin::Created => "created",
    }
}
