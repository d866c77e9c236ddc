//! Organizations and their properties.
//!
//! Separate from users because these are places, not people: nobody's access changes here.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::import::{LineProblem, LineProblemKind};
use super::table::{self, Columns};
use super::{Actor, Admin, FieldProblem, Outcome, Refused, Result};
use crate::directory::{DisplayName, Organization, Property};
use crate::id::{OrganizationId, PropertyId};
use crate::store::{PropertiesAdded, PropertyChange};

/// How an import of properties went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PropertiesImported {
    /// Those that were new.
    pub properties_added: u64,
    /// Those that were there already, just so.
    pub properties_unchanged: u64,
}

const COLUMNS: Columns<3> = Columns { names: ["id", "organization", "name"], required: 3 };

/// The same where the organization is known; a table may name it all the same.
const COLUMNS_OF_ONE: Columns<3> = Columns { names: ["id", "name", "organization"], required: 2 };

impl Admin {
    /// All organizations, by id.
    pub async fn organizations(&self) -> Result<Vec<Organization>> {
        Ok(self.store.organizations().await?)
    }

    /// One organization.
    pub async fn organization(&self, id: &OrganizationId) -> Result<Organization> {
        let mut all = self.organizations().await?;
        match all.iter().position(|organization| organization.id == *id) {
            Some(at) => Ok(all.swap_remove(at)),
            None => Err(no_such_organization(id, &all).into()),
        }
    }

    /// Properties, of one organization or all, by id.
    pub async fn properties(&self, organization: Option<&OrganizationId>) -> Result<Vec<Property>> {
        if let Some(id) = organization {
            self.organization(id).await?;
        }
        Ok(self.store.properties(organization).await?)
    }

    /// Adds a property.
    pub async fn add_property(&self, property: Property, actor: &Actor) -> Result<Outcome<Property>> {
        self.organization(&property.organization).await?;
        let details = json!({
            "organization": property.organization.as_str(),
            "name": property.name.as_str(),
        });
        let event = self.event("property.added", actor, property.id.as_str(), details);
        if self.store.add_property(&property, event).await? {
            return Ok(Outcome { value: property, changed: true });
        }
        let all = self.store.properties(None).await?;
        match all.into_iter().find(|known| known.id == property.id) {
            Some(known) if known == property => Ok(Outcome { value: property, changed: false }),
            Some(known) => Err(taken(&known).into()),
            None => Err(self.no_such_organization(property.organization).await?.into()),
        }
    }

    /// Gives a property another name.
    pub async fn rename_property(
        &self,
        id: &PropertyId,
        name: &str,
        actor: &Actor,
    ) -> Result<Outcome<Property>> {
        let name =
            DisplayName::parse(name).map_err(|error| FieldProblem::refuse("name", error.to_string()))?;
        let organization = self.known_property(id).await?.organization;
        let details = json!({"organization": organization.as_str()});
        self.change_property(id, PropertyChange::Rename(name), ("property.renamed", details), actor).await
    }

    /// Gives a property up: all grants for it end.
    pub async fn retire_property(&self, id: &PropertyId, actor: &Actor) -> Result<Outcome<Property>> {
        let organization = self.known_property(id).await?.organization;
        let details = json!({"organization": organization.as_str()});
        self.change_property(id, PropertyChange::Retire, ("property.retired", details), actor).await
    }

    /// Takes a property back; grants do not come back.
    pub async fn restore_property(&self, id: &PropertyId, actor: &Actor) -> Result<Outcome<Property>> {
        let organization = self.known_property(id).await?.organization;
        let details = json!({"organization": organization.as_str()});
        self.change_property(id, PropertyChange::Restore, ("property.restored", details), actor).await
    }

    async fn change_property(
        &self,
        id: &PropertyId,
        change: PropertyChange,
        (action, details): (&'static str, Value),
        actor: &Actor,
    ) -> Result<Outcome<Property>> {
        let event = self.event(action, actor, id.as_str(), details);
        let changed = self.store.change_property(id, &change, event).await?;
        let changed = changed.ok_or_else(|| Refused::UnknownProperty { property: id.clone() })?;
        Ok(Outcome { value: self.known_property(id).await?, changed })
    }

    async fn known_property(&self, id: &PropertyId) -> Result<Property> {
        let all = self.store.properties(None).await?;
        let found = all.into_iter().find(|known| known.id == *id);
        Ok(found.ok_or_else(|| Refused::UnknownProperty { property: id.clone() })?)
    }

    /// Adds the properties of a table `id,organization,name`, all or none; what is there already just so is passed
    /// over. For one organization the table is `id,name`, and no other organization gets anything.
    pub async fn import_properties(
        &self,
        table: &[u8],
        organization: Option<&OrganizationId>,
        actor: &Actor,
    ) -> Result<PropertiesImported> {
        let rows = match organization {
            None => table::read(table, COLUMNS),
            Some(_) => table::read(table, COLUMNS_OF_ONE),
        };
        let rows = rows.map_err(Refused::Table)?;
        let organizations = self.organizations().await?;
        let known = self.store.properties(None).await?;
        let mut seen: HashMap<_, _> = known.iter().map(|known| (known.id.clone(), known.clone())).collect();
        let mut new = Vec::new();
        let mut problems = Vec::new();
        let mut properties_unchanged = 0;
        for row in rows {
            let read = row.fields.map_or(Err(LineProblemKind::FieldCount), |fields| {
                let fields = match organization {
                    None => fields,
                    Some(organization) => of_one(fields, organization)?,
                };
                read_property(&fields, &organizations)
            });
            match read.map(|property| (seen.get(&property.id), property)) {
                Ok((None, property)) => {
                    seen.insert(property.id.clone(), property.clone());
                    new.push(property);
                }
                Ok((Some(known), property)) if *known == property => properties_unchanged += 1,
                Ok((Some(known), _)) => {
                    problems.push(LineProblem { line: row.line, kind: taken(known).into() });
                }
                Err(kind) => problems.push(LineProblem { line: row.line, kind }),
            }
        }
        if !problems.is_empty() {
            return Err(Refused::Lines(problems).into());
        }

        let properties_added = u64::try_from(new.len()).unwrap_or(u64::MAX);
        let ids: Vec<_> = new.iter().map(|property| property.id.as_str()).take(IDS_AUDITED_MAX).collect();
        let details = json!({"added": properties_added, "properties": ids});
        let subject = organization.map_or("properties", OrganizationId::as_str);
        let event = self.event("properties.imported", actor, subject, details);
        match self.store.add_properties(&new, event).await? {
            PropertiesAdded::Added => Ok(PropertiesImported { properties_added, properties_unchanged }),
            PropertiesAdded::IdTaken(id) => Err(taken(&self.known_property(&id).await?).into()),
            PropertiesAdded::NoSuchOrganization(id) => Err(self.no_such_organization(id).await?.into()),
        }
    }

    pub(super) async fn no_such_organization(&self, id: OrganizationId) -> Result<Refused> {
        Ok(no_such_organization(&id, &self.organizations().await?))
    }
}

pub(super) fn no_such_organization(id: &OrganizationId, known: &[Organization]) -> Refused {
    let known = known.iter().map(|organization| organization.id.clone()).collect();
    Refused::NoSuchOrganization { id: id.clone(), known }
}

/// Fills in the organization of a table for one of them.
fn of_one(
    [id, name, said]: [String; 3],
    organization: &OrganizationId,
) -> std::result::Result<[String; 3], LineProblemKind> {
    if said.is_empty() || said == organization.as_str() {
        return Ok([id, organization.to_string(), name]);
    }
    Err(LineProblemKind::NotOfThisOrganization { said, organization: organization.clone() })
}

fn read_property(
    [id, organization, name]: &[String; 3],
    organizations: &[Organization],
) -> std::result::Result<Property, LineProblemKind> {
    let id = PropertyId::parse(id).map_err(|cause| LineProblemKind::Id { column: "id", cause })?;
    let organization = OrganizationId::parse(organization)
        .map_err(|cause| LineProblemKind::Id { column: "organization", cause })?;
    let name = DisplayName::parse(name).map_err(LineProblemKind::Name)?;
    if organizations.iter().any(|known| known.id == organization) {
        Ok(Property { id, organization, name, retired_at: None })
    } else {
        Err(no_such_organization(&organization, organizations).into())
    }
}

fn taken(known: &Property) -> Refused {
    Refused::PropertyTaken {
        property: known.id.clone(),
        organization: known.organization.clone(),
        name: known.name.as_str().to_owned(),
    }
}

/// Enough to find out what came with an import, and no book in the log.
const IDS_AUDITED_MAX: usize = 1_000;
