//! The properties of organizations.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;

use crate::directory::{DisplayName, Property};
use crate::id::{OrganizationId, PropertyId};
use crate::store::{AuditEvent, Result};

/// Finding, adding and changing properties.
#[async_trait]
pub trait Properties {
    /// Adds a property; `false` if the id is taken or there is no such organization.
    async fn add_property(&self, property: &Property, audit: AuditEvent) -> Result<bool>;
    /// Adds properties, all or none, with one event and one change; without any, nothing happens.
    async fn add_properties(&self, properties: &[Property], audit: AuditEvent) -> Result<PropertiesAdded>;
    /// Properties, of one organization or all, by id; retired ones too.
    async fn properties(&self, organization: Option<&OrganizationId>) -> Result<Vec<Property>>;
    /// Changes a property; `None` if there is none, `Some(false)` if it was so already.
    async fn change_property(
        &self,
        property: &PropertyId,
        change: &PropertyChange,
        audit: AuditEvent,
    ) -> Result<Option<bool>>;
}

/// Whether properties could be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertiesAdded {
    /// All of them were.
    Added,
    /// This id is taken, the first of those that are; nothing changed.
    IdTaken(PropertyId),
    /// There is no such organization; nothing changed.
    NoSuchOrganization(OrganizationId),
}

/// A change of a property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PropertyChange {
    /// Gives another name.
    Rename(DisplayName),
    /// Gives it up: all grants for it end.
    Retire,
    /// Takes it back; grants do not come back.
    Restore,
}
