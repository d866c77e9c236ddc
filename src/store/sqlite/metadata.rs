//! Metadata that is fetched: where, by which node, what came of it; and warnings that are given once.
//!
//! Separate from the organizations because nobody asks for these changes: they happen by time.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::SqliteConnection;
use url::Url;

use crate::id::OrganizationId;
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, audit, feed, organization_changes, organizations};
use crate::store::{
    AuditEvent, Change, DeclaredMetadata, ExpiryWarning, FetchedMetadata, MetadataClaim, MetadataFetched,
    MetadataKept, Occasion, Origin, Result, StoredConnection,
};

#[async_trait]
impl FetchedMetadata for Database {
    async fn declare_metadata(&self, declared: &[DeclaredMetadata], event: AuditEvent) -> Result<()> {
        let mut write = self.connections.begin().await?;
        let known = organizations::records(&mut *write.connection(), None).await?;
        let mut changes = serde_json::Map::new();
        for record in known.iter().filter(|record| record.origin == Origin::Declared) {
            let id = &record.organization.id;
            let wanted = declared.iter().find(|one| one.organization == *id);
            match (wanted, &record.connection) {
                (None, None) => continue,
                (None, Some(_)) => {
                    sqlx::query("DELETE FROM connections WHERE organization_id = $1")
                        .bind(id.as_str())
                        .execute(write.connection())
                        .await?;
                }
                (Some(wanted), Some(found)) if is_same_source(wanted, found) => {
                    if wanted.options == found.options {
                        continue;
                    }
                    // How the fetching stands, and what is held, has nothing to do with them.
                    organization_changes::put_options(write.connection(), &found.id, &wanted.options).await?;
                }
                (Some(wanted), _) => put(write.connection(), wanted, event.at).await?,
            }
            changes.insert(id.to_string(), wanted.map_or(Value::Null, |wanted| json!(wanted.url.as_str())));
        }
        if changes.is_empty() {
            return write.roll_back().await;
        }
        feed::tell(write.connection(), &Change::Directory, event.at).await?;
        audit::append(write.connection(), &audit::noted(&event, [("urls", Value::Object(changes))])).await?;
        write.commit().await
    }

    async fn claim_metadata(
        &self,
        organization: &OrganizationId,
        claim: &MetadataClaim,
    ) -> Result<Option<StoredConnection>> {
        let now = claim.now.as_millisecond();
        let (is_unknown_key, not_since) = match claim.occasion {
            Occasion::UnknownKey { not_since } => (true, not_since.as_millisecond()),
            Occasion::Due | Occasion::Asked => (false, i64::MAX),
        };
        let mut write = self.connections.begin().await?;
        let claimed = sqlx::query(
            "UPDATE connections SET claimed_until = $2, asked_at = CASE WHEN $4 THEN $3 ELSE asked_at END \
             WHERE organization_id = $1 AND metadata_url IS NOT NULL \
             AND (claimed_until IS NULL OR claimed_until <= $3) \
             AND (NOT $4 OR asked_at IS NULL OR asked_at <= $5) AND (NOT $6 OR due_at <= $3)",
        )
        .bind(organization.as_str())
        .bind(claim.until.as_millisecond())
        .bind(now)
        .bind(is_unknown_key)
        .bind(not_since)
        .bind(claim.occasion == Occasion::Due)
        .execute(write.connection())
        .await?;
        if claimed.rows_affected() == 0 {
            write.roll_back().await?;
            return Ok(None);
        }
        let record = organizations::records(&mut *write.connection(), Some(organization)).await?.pop();
        write.commit().await?;
        Ok(record.and_then(|record| record.connection))
    }

    async fn keep_metadata(
        &self,
        organization: &OrganizationId,
        url: &Url,
        fetched: &MetadataFetched,
        due_at: Timestamp,
        now: Timestamp,
        audit: Option<AuditEvent>,
    ) -> Result<MetadataKept> {
        keep(&self.connections, (organization, url), fetched, (due_at, now), audit.as_ref()).await
    }

    async fn warn_of_expiry(&self, warning: &ExpiryWarning, event: AuditEvent) -> Result<bool> {
        let known = sqlx::query(
            "SELECT COUNT(*) AS known FROM expiry_warnings WHERE subject = $1 AND fingerprint = $2 AND days <= $3",
        )
        .bind(warning.subject.as_str())
        .bind(warning.fingerprint.as_str())
        .bind(i64::from(warning.days));
        let mut write = self.connections.begin().await?;
        if Row::of("expiry_warnings", &known.fetch_one(write.connection()).await?).count("known")? > 0 {
            write.roll_back().await?;
            return Ok(false);
        }
        sqlx::query("INSERT INTO expiry_warnings (subject, fingerprint, days, at) VALUES ($1, $2, $3, $4)")
            .bind(warning.subject.as_str())
            .bind(warning.fingerprint.as_str())
            .bind(i64::from(warning.days))
            .bind(event.at.as_millisecond())
            .execute(write.connection())
            .await?;
        audit::append(write.connection(), &event).await?;
        write.commit().await?;
        Ok(true)
    }
}

fn is_same_source(wanted: &DeclaredMetadata, found: &StoredConnection) -> bool {
    found.entity_id == wanted.entity_id
        && found.source.as_ref().is_some_and(|source| source.url == wanted.url)
}

/// What was fetched elsewhere stays until there is something new.
async fn put(db: &mut SqliteConnection, wanted: &DeclaredMetadata, now: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO connections (id, organization_id, metadata, changed_at, entity_id, metadata_url, due_at, \
         options) VALUES ($1, $1, '', $4, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET entity_id = excluded.entity_id, metadata_url = excluded.metadata_url, \
         options = excluded.options, due_at = excluded.due_at, etag = NULL, last_modified = NULL, failures = 0, \
         fault = NULL, held = NULL, claimed_until = NULL",
    )
    .bind(wanted.organization.as_str())
    .bind(wanted.entity_id.as_deref())
    .bind(wanted.url.as_str())
    .bind(now.as_millisecond())
    .bind(organization_changes::written(&wanted.options))
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps what became of fetching metadata.
pub(super) async fn keep(
    connections: &Connections,
    (organization, url): (&OrganizationId, &Url),
    fetched: &MetadataFetched,
    (due_at, now): (Timestamp, Timestamp),
    event: Option<&AuditEvent>,
) -> Result<MetadataKept> {
    let mut write = connections.begin().await?;
    let before = organizations::records(&mut *write.connection(), Some(organization)).await?.pop();
    let kept = set(write.connection(), (organization, url), fetched, (due_at, now)).await?;
    if kept == 0 {
        write.roll_back().await?;
        return Ok(MetadataKept::Gone);
    }
    if matches!(fetched, MetadataFetched::Newer { .. }) {
        let after = organizations::records(&mut *write.connection(), Some(organization)).await?.pop();
        let rival = organizations::rival(write.connection(), before.as_ref(), after.as_ref()).await?;
        if let Some(rival) = rival {
            write.roll_back().await?;
            return Ok(MetadataKept::Taken(rival));
        }
    }
    // Whether something is held is shown on other nodes, too.
    if matches!(fetched, MetadataFetched::Newer { .. } | MetadataFetched::Held { .. }) {
        feed::tell(write.connection(), &Change::Directory, now).await?;
    }
    if let Some(event) = event {
        audit::append(write.connection(), event).await?;
    }
    write.commit().await?;
    Ok(MetadataKept::Kept)
}

async fn set(
    db: &mut SqliteConnection,
    (organization, url): (&OrganizationId, &Url),
    fetched: &MetadataFetched,
    (due_at, now): (Timestamp, Timestamp),
) -> Result<u64> {
    let begun = |statement: &'static str| {
        sqlx::query(statement)
            .bind(organization.as_str())
            .bind(url.as_str())
            .bind(due_at.as_millisecond())
            .bind(now.as_millisecond())
    };
    let statement = match fetched {
        MetadataFetched::Same(validators) => {
            begun(SAME).bind(validators.etag.as_deref()).bind(validators.last_modified.as_deref())
        }
        MetadataFetched::Newer { metadata, validators } => begun(NEWER)
            .bind(validators.etag.as_deref())
            .bind(validators.last_modified.as_deref())
            .bind(metadata.as_str()),
        MetadataFetched::Held { metadata, validators } => begun(HELD)
            .bind(validators.etag.as_deref())
            .bind(validators.last_modified.as_deref())
            .bind(metadata.as_str()),
        MetadataFetched::Failed(fault) => sqlx::query(FAILED)
            .bind(organization.as_str())
            .bind(url.as_str())
            .bind(due_at.as_millisecond())
            .bind(fault.as_str()),
    };
    Ok(statement.execute(db).await?.rows_affected())
}

const SAME: &str = "UPDATE connections SET claimed_until = NULL, due_at = $3, checked_at = $4, failures = 0, \
     fault = NULL, etag = $5, last_modified = $6 WHERE organization_id = $1 AND metadata_url = $2";
const NEWER: &str = "UPDATE connections SET claimed_until = NULL, due_at = $3, checked_at = $4, changed_at = $4, \
     failures = 0, fault = NULL, held = NULL, etag = $5, last_modified = $6, metadata = $7 \
     WHERE organization_id = $1 AND metadata_url = $2";
const HELD: &str = "UPDATE connections SET claimed_until = NULL, due_at = $3, checked_at = $4, failures = 0, \
     fault = NULL, etag = $5, last_modified = $6, held = $7 WHERE organization_id = $1 AND metadata_url = $2";
const FAILED: &str = "UPDATE connections SET claimed_until = NULL, due_at = $3, failures = failures + 1, \
     fault = $4 WHERE organization_id = $1 AND metadata_url = $2";
