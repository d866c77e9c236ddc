//! `anteroom property …`: the sites of organizations.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, moment_or_dash};
use super::{Failure, Format, read_file};
use crate::admin::{Actor, Admin, Outcome};
use crate::directory::{DisplayName, Property};
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
    /// Give a property another name.
    Rename {
        /// The property's id.
        #[arg(value_parser = PropertyId::parse)]
        id: PropertyId,
        /// The new name.
        #[arg(long)]
        name: String,
    },
    /// Give a property up: all access to it ends.
    Retire {
        /// The property's id.
        #[arg(value_parser = PropertyId::parse)]
        id: PropertyId,
    },
    /// Take a property back; access to it has to be granted anew.
    Restore {
        /// The property's id.
        #[arg(value_parser = PropertyId::parse)]
        id: PropertyId,
    },
    /// List properties.
    List {
        /// Only those of this organization.
        #[arg(long, value_name = "ID", value_parser = OrganizationId::parse)]
        organization: Option<OrganizationId>,
    },
}

impl Arguments {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let actor = Actor::command();
        match self.action {
            Action::Add { id, organization, name } => {
                let property = Property { id, organization, name, retired_at: None };
                Ok(changed("added", &admin.add_property(property, &actor).await?))
            }
            Action::Rename { id, name } => {
                Ok(changed("renamed", &admin.rename_property(&id, &name, &actor).await?))
            }
            Action::Retire { id } => Ok(changed("retired", &admin.retire_property(&id, &actor).await?)),
            Action::Restore { id } => Ok(changed("restored", &admin.restore_property(&id, &actor).await?)),
            Action::Import { file } => {
                let imported = admin.import_properties(&read_file(&file)?, None, &actor).await?;
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
                    ["id", "organization", "name", "retired_at"],
                    &properties.iter().map(row).collect::<Vec<_>>(),
                    properties.iter().map(object).collect(),
                ))
            }
        }
    }
}

fn changed(verb: &str, outcome: &Outcome<Property>) -> Answer {
    let property = &outcome.value;
    let summary = format!("{} of {}, {:?}", property.id, property.organization, property.name.as_str());
    Answer::change(verb, outcome.changed, &summary, object(property))
}

fn row(property: &Property) -> [String; 4] {
    [
        property.id.to_string(),
        property.organization.to_string(),
        property.name.to_string(),
        moment_or_dash(property.retired_at),
    ]
}

/// A property in JSON.
pub(super) fn object(property: &Property) -> Value {
    json!({
        "id": property.id.as_str(),
        "organization": property.organization.as_str(),
        "name": property.name.as_str(),
        "retired_at": property.retired_at.map(|at| at.to_string()),
    })
}
