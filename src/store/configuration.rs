//! What is kept of the configuration that was last in force, so that the audit log can tell what is different now.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use serde_json::Value;

use crate::store::{AuditEvent, Result};

/// Keeping what may be kept of the configuration.
#[async_trait]
pub trait KeptConfiguration {
    /// What was kept of the configuration that was last in force.
    async fn configuration(&self) -> Result<Option<Value>>;
    /// Keeps what may be kept of the configuration in force, in the place of what was.
    async fn keep_configuration(&self, values: &Value, audit: AuditEvent) -> Result<()>;
}
