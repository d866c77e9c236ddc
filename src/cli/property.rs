//! `anteroom property …` and `anteroom organization …`: the places.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::Answer;
use super::{Failure, Format, read_file};
use crate::admin::{Actor, Admin};
use crate::directory::{DisplayName, Organization, Property};
use crate::email::EmailDomain;
use crate::id::{OrganizationId, PropertyId};

/// Add and list the sites of organizations.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a property.
    Add {
        /// The property's id, unique among all organizations.
        #[arg(value_parser = PropertyId::parse)]
        id: PropertyId,
        /// The organization's id.
        #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// The property's name for people.
        #[arg(long, value_parser = DisplayName::parse)]
        name: DisplayName,
    },
    /// Add properties from a CSV file with the columns id,organization,name.
    Import {
        /// The file, or - for the standard input.
        file: PathBuf,
    },
    /// List properties.
    List {
        /// Only those of this organization.
        #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
        organization: Option<OrganizationId>,
    },
}

/// Look at the organizations that the configuration declares.
#[derive(Debug, Args)]
pub(super) struct OrganizationArguments {
    #[command(subcommand)]
    action: OrganizationAction,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum OrganizationAction {
    /// List organizations.
    List,
    /// Show one organization with its properties.
    Show {
        /// The organization's id.
        #[arg(value_parser = OrganizationId::parse)]
        id: OrganizationId,
    },
}

impl Arguments {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        match self.action {
            Action::Add { id, organization, name } => {
                let property = Property { id, organization, name, retired_at: None };
                let outcome = admin.add_property(property, &Actor::command()).await?;
                let property = &outcome.value;
                let summary =
                    format!("{} of {}, {:?}", property.id, property.organization, property.name.as_str());
                Ok(Answer::change("added", outcome.changed, &summary, object(property)))
            }
            Action::Import { file } => {
                let imported = admin.import_properties(&read_file(&file)?, &Actor::command()).await?;
                let (added, unchanged) = (imported.properties_added, imported.properties_unchanged);
                let json = json!({"properties_added": added, "properties_unchanged": unchanged});
                Ok(Answer::new(
                    format!("imported: {added} properties added, {unchanged} there already"),
                    json,
                ))
            }
            Action::List { organization } => {
                let properties = admin.properties(organization.as_ref()).await?;
                Ok(Answer::list(
                    ["id", "organization", "name"],
                    &properties.iter().map(row).collect::<Vec<_>>(),
                    properties.iter().map(object).collect(),
                ))
            }
        }
    }
}

impl OrganizationArguments {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        match self.action {
            OrganizationAction::List => {
                let organizations = admin.organizations().await?;
                let rows: Vec<_> = organizations
                    .iter()
                    .map(|organization| {
                        [
                            organization.id.to_string(),
                            organization.name.to_string(),
                            domains(organization).join(", "),
                        ]
                    })
                    .collect();
                let json = organizations.iter().map(organization_object).collect();
                Ok(Answer::list(["id", "name", "domains"], &rows, json))
            }
            OrganizationAction::Show { id } => {
                let organization = admin.organization(&id).await?;
                let properties = admin.properties(Some(&id)).await?;
                let mut rows = vec![
                    ["id".to_owned(), organization.id.to_string()],
                    ["name".to_owned(), organization.name.to_string()],
                    ["domains".to_owned(), domains(&organization).join(", ")],
                ];
                rows.extend(
                    properties.iter().map(|property| {
                        ["property".to_owned(), format!("{} ({})", property.id, property.name)]
                    }),
                );
                let json = json!({
                    "id": organization.id.as_str(),
                    "name": organization.name.as_str(),
                    "domains": domains(&organization),
                    "properties": properties.iter().map(object).collect::<Vec<_>>(),
                });
                Ok(Answer::list(["organization", ""], &rows, Vec::new()).with_json(json))
            }
        }
    }
}

fn row(property: &Property) -> [String; 3] {
    [property.id.to_string(), property.organization.to_string(), property.name.to_string()]
}

fn object(property: &Property) -> Value {
    json!({
        "id": property.id.as_str(),
        "organization": property.organization.as_str(),
        "name": property.name.as_str(),
    })
}

fn organization_object(organization: &Organization) -> Value {
    json!({
        "id": organization.id.as_str(),
        "name": organization.name.as_str(),
        "domains": domains(organization),
    })
}

fn domains(organization: &Organization) -> Vec<&str> {
    organization.domains.iter().map(EmailDomain::as_str).collect()
}
