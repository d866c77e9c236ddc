//! The properties of an organization.
//!
//! Separate because giving one up ends access of many people at once, and asks first.

use crate::admin::{FieldProblem, Refused};
use crate::directory::{DisplayName, Property};
use crate::id::{OrganizationId, PropertyId};
use crate::pages::support::{Done, Question, Section};
use crate::routes::support::{changed, done, organization_path};
use crate::routes::table::PropertyDeed;
use crate::routes::work::{Desk, Handled};

impl Desk {
    /// `POST /.anteroom/support/organizations/{id}/properties`.
    pub(super) async fn add_property(&self, organization: &OrganizationId) -> Handled {
        let problem = |field, message| FieldProblem { field, message };
        let id = PropertyId::parse(self.form.text("property_id").trim());
        let name = DisplayName::parse(self.form.text("name"));
        let (id, name) = match (id, name) {
            (Ok(id), Ok(name)) => (id, name),
            (id, name) => {
                let id = id.err().map(|error| problem("property_id", error.to_string()));
                let name = name.err().map(|error| problem("name", error.to_string()));
                return Err(Refused::Fields([id, name].into_iter().flatten().collect()).into());
            }
        };
        let property = Property { id, organization: organization.clone(), name, retired_at: None };
        let outcome = self.admin().add_property(property, &self.actor).await?;
        Ok(changed(&organization_path(organization), outcome.changed, Done::PropertyAdded))
    }

    /// `POST /.anteroom/support/organizations/{id}/properties/import`.
    pub(super) async fn import_properties(&self, organization: &OrganizationId) -> Handled {
        let table = self.form.octets("table");
        let imported = self.admin().import_properties(table, Some(organization), &self.actor).await?;
        let is_changed = imported.properties_added > 0;
        Ok(changed(&organization_path(organization), is_changed, Done::PropertiesImported))
    }

    /// `POST /.anteroom/support/organizations/{id}/properties/{property}/…`.
    pub(super) async fn change_property(
        &self,
        organization: &OrganizationId,
        property: &PropertyId,
        deed: PropertyDeed,
    ) -> Handled {
        let (admin, actor, page) = (self.admin(), &self.actor, organization_path(organization));
        let all = admin.properties(Some(organization)).await?;
        let Some(known) = all.iter().find(|known| known.id == *property) else {
            return Ok(self.no_such(Section::Organizations));
        };
        let outcome = match deed {
            PropertyDeed::Rename => {
                let outcome = admin.rename_property(property, self.form.text("name"), actor).await?;
                return Ok(changed(&page, outcome.changed, Done::Renamed));
            }
            PropertyDeed::Restore => admin.restore_property(property, actor).await?,
            PropertyDeed::Retire => {
                let users_at = admin.users_by_property(organization).await?;
                let question = Question::Retire {
                    property: known.name.as_str().to_owned(),
                    users: users_at.get(property).copied().unwrap_or(0),
                };
                let deed = format!("properties/{property}/retire");
                if let Some(question) = self.ask_first(question, (&page, &deed), Section::Organizations) {
                    return Ok(question);
                }
                admin.retire_property(property, actor).await?
            }
        };
        if !outcome.changed {
            return Ok(done(&page, Done::Unchanged));
        }
        let is_retired = outcome.value.retired_at.is_some();
        Ok(done(&page, if is_retired { Done::PropertyRetired } else { Done::PropertyRestored }))
    }
}
