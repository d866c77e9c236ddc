//! New User requests as they are kept: asking for them.
//!
//! Separate as one subject of the store; what happens to a request stands in `request_changes`.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqliteExecutor};

use crate::directory::request::{Event, EventKind, Proposal, Request, Requester, State, Wanted};
use crate::directory::{DisplayName, Grant, Level, Note, Scope};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, OrganizationId, UserId};
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{Database, request_changes, search};
use crate::store::{
    AuditEvent, NewMessage, NewRequest, RequestChange, RequestChanged, RequestCount, RequestFiled,
    RequestFilter, Requests, Result,
};

/// The columns that a request is read from, of `access_requests r`, `request_requesters q` and `users u`.
macro_rules! request_columns {
    () => {
        "r.id, r.organization_id, r.scope, r.email, r.name, r.level, r.note, r.state, r.agent, r.reason, \
         r.proposal, r.created_at, r.changed_at, r.version, \
         q.user_id AS requester_id, q.at AS requested_at, u.email AS requester_email, u.name AS requester_name"
    };
}

#[async_trait]
impl Requests for Database {
    async fn file_request(
        &self,
        request: &NewRequest,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestFiled> {
        request_changes::file(&self.connections, request, &audit, &mail).await
    }

    async fn requests(&self, filter: &RequestFilter) -> Result<Vec<Request>> {
        let mut query = QueryBuilder::<Sqlite>::new(concat!(
            "SELECT ",
            request_columns!(),
            " FROM (SELECT * FROM access_requests a WHERE TRUE"
        ));
        push_conditions(&mut query, filter);
        let order = if filter.newest_first { "DESC" } else { "ASC" };
        query.push(" ORDER BY a.created_at ").push(order).push(", a.id ").push(order);
        let limit = if filter.limit == 0 { i64::MAX } else { i64::from(filter.limit) };
        query.push(" LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(i64::from(filter.offset));
        query.push(
            ") r JOIN request_requesters q ON q.request_id = r.id JOIN users u ON u.id = q.user_id \
             ORDER BY r.created_at ",
        );
        query.push(order).push(", r.id ").push(order).push(", q.position");
        read(&query.build().fetch_all(self.connections.readers()).await?)
    }

    async fn request(&self, id: &AccessRequestId) -> Result<Option<(Request, Vec<Event>)>> {
        // Both of one moment.
        let mut moment = self.connections.readers().begin().await?;
        let Some(request) = by_id(&mut *moment, id).await? else { return Ok(None) };
        let rows =
            sqlx::query("SELECT at, actor, kind, note FROM request_events WHERE request_id = $1 ORDER BY id")
                .bind(id.as_str())
                .fetch_all(&mut *moment)
                .await?;
        moment.rollback().await?;
        let history: Result<_> = rows.iter().map(event).collect();
        Ok(Some((request, history?)))
    }

    async fn request_counts(&self) -> Result<Vec<RequestCount>> {
        let rows = sqlx::query(
            "SELECT state, COUNT(*) AS requests, MIN(created_at) AS oldest_at FROM access_requests GROUP BY state",
        )
        .fetch_all(self.connections.readers())
        .await?;
        let counts: Result<Vec<_>> = rows
            .iter()
            .map(|row| {
                let row = Row::of("access_requests", row);
                Ok(RequestCount {
                    state: row.named("state", State::parse)?,
                    count: row.count("requests")?,
                    oldest_at: row.time("oldest_at")?,
                })
            })
            .collect();
        let mut counts = counts?;
        counts.sort_by_key(|count| State::ALL.iter().position(|state| *state == count.state));
        Ok(counts)
    }

    async fn change_request(
        &self,
        id: &AccessRequestId,
        version: i64,
        change: &RequestChange,
        audit: AuditEvent,
        mail: Vec<NewMessage>,
    ) -> Result<RequestChanged> {
        request_changes::change(&self.connections, id, version, change, &audit, &mail).await
    }
}

/// One request as it is now.
pub(super) async fn by_id(db: impl SqliteExecutor<'_>, id: &AccessRequestId) -> Result<Option<Request>> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        request_columns!(),
        " FROM access_requests r JOIN request_requesters q ON q.request_id = r.id \
         JOIN users u ON u.id = q.user_id WHERE r.id = $1 ORDER BY q.position"
    ))
    .bind(id.as_str())
    .fetch_all(db)
    .await?;
    Ok(read(&rows)?.pop())
}

fn event(row: &SqliteRow) -> Result<Event> {
    let row = Row::of("request_events", row);
    Ok(Event {
        at: row.time("at")?,
        actor: row.raw("actor")?,
        kind: row.named("kind", EventKind::parse)?,
        text: row.parsed_if_any("note", Note::parse)?,
    })
}

/// One condition for each part of the filter that says something, so that each can have its index.
fn push_conditions(query: &mut QueryBuilder<Sqlite>, filter: &RequestFilter) {
    if !filter.states.is_empty() {
        let states = filter.states.iter().map(|state| state.as_str()).collect::<Value>().to_string();
        query.push(" AND a.state IN (SELECT value FROM json_each(").push_bind(states).push("))");
    }
    for (condition, value) in [
        (" AND a.organization_id = ", filter.organization.as_ref().map(OrganizationId::as_str)),
        (" AND a.email = ", filter.email.as_ref().map(EmailAddress::as_str)),
        (" AND a.agent = ", filter.agent.as_ref().map(EmailAddress::as_str)),
    ] {
        if let Some(value) = value {
            query.push(condition).push_bind(value.to_owned());
        }
    }
    if let Some(requester) = &filter.requester {
        query.push(" AND a.id IN (SELECT request_id FROM request_requesters WHERE user_id = ");
        query.push_bind(requester.as_str().to_owned()).push(")");
    }
    if let Some(text) = &filter.text {
        query.push(" AND NOT EXISTS (SELECT 1 FROM json_each(").push_bind(search::words(text));
        query.push(") word WHERE instr(a.search, word.value) = 0)");
    }
}

/// Requests from rows in which those of one request stand together.
fn read(rows: &[SqliteRow]) -> Result<Vec<Request>> {
    let mut requests: Vec<Request> = Vec::new();
    for row in rows {
        let row = Row::of("access_requests", row);
        let id = row.raw::<&str>("id")?;
        match requests.last_mut() {
            Some(last) if last.id.as_str() == id => last.requesters.push(requester(row)?),
            _ => requests.push(request(row)?),
        }
    }
    Ok(requests)
}

fn request(row: Row<'_>) -> Result<Request> {
    let proposal = row.json_if_any::<KeptProposal>("proposal")?;
    Ok(Request {
        id: row.parsed("id", AccessRequestId::parse)?,
        organization: row.parsed("organization_id", OrganizationId::parse)?,
        wanted: Wanted {
            scope: row.parsed("scope", Scope::parse)?,
            email: row.parsed("email", EmailAddress::parse)?,
            name: row.parsed_if_any("name", DisplayName::parse)?,
            level: Level::from_store(row.raw("level")?),
            note: row.parsed_if_any("note", Note::parse)?,
        },
        requesters: vec![requester(row)?],
        state: row.named("state", State::parse)?,
        agent: row.parsed_if_any("agent", EmailAddress::parse)?,
        reason: row.parsed_if_any("reason", Note::parse)?,
        proposal: match proposal {
            Some(kept) => Some(kept.read().ok_or_else(|| row.invalid("proposal"))?),
            None => None,
        },
        created_at: row.time("created_at")?,
        changed_at: row.time("changed_at")?,
        version: row.raw("version")?,
    })
}

fn requester(row: Row<'_>) -> Result<Requester> {
    Ok(Requester {
        user: row.table("request_requesters").parsed("requester_id", UserId::parse)?,
        email: row.table("users").parsed("requester_email", EmailAddress::parse)?,
        name: row.table("users").parsed_if_any("requester_name", DisplayName::parse)?,
        at: row.table("request_requesters").time("requested_at")?,
    })
}

/// A proposal as JSON.
pub(super) fn kept_proposal(proposal: &Proposal) -> String {
    serde_json::to_string(&KeptProposal::of(proposal)).expect("texts and numbers always have a JSON form")
}

#[derive(Serialize, Deserialize)]
struct KeptProposal {
    agent: String,
    user: String,
    grants: Vec<KeptGrant>,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct KeptGrant {
    scope: String,
    level: String,
    until: Option<i64>,
}

impl KeptProposal {
    fn of(proposal: &Proposal) -> Self {
        let kept = |grant: &Grant| KeptGrant {
            scope: grant.scope.as_str().to_owned(),
            level: grant.level.as_str().to_owned(),
            until: grant.until.map(jiff::Timestamp::as_millisecond),
        };
        Self {
            agent: proposal.agent.as_str().to_owned(),
            user: proposal.user.as_str().to_owned(),
            grants: proposal.grants.iter().map(kept).collect(),
            note: proposal.note.as_ref().map(ToString::to_string),
        }
    }

    fn read(self) -> Option<Proposal> {
        let grant = |kept: KeptGrant| {
            let until = kept.until.map(jiff::Timestamp::from_millisecond).transpose().ok()?;
            Some(Grant {
                scope: Scope::parse(&kept.scope).ok()?,
                level: Level::from_store(kept.level),
                until,
            })
        };
        Some(Proposal {
            agent: EmailAddress::parse(&self.agent).ok()?,
            user: UserId::parse(&self.user).ok()?,
            grants: self.grants.into_iter().map(grant).collect::<Option<_>>()?,
            note: self.note.as_deref().map(Note::parse).transpose().ok()?,
        })
    }
}

/// Brings up to date what the words of a search are looked for in.
pub(super) async fn index(db: &mut SqliteConnection, id: &AccessRequestId) -> Result<()> {
    let rows = sqlx::query(
        "SELECT r.id, r.email, r.name, r.note, r.scope, r.organization_id, o.name AS organization_name, \
         p.name AS property_name, u.email AS requester_email, u.name AS requester_name \
         FROM access_requests r JOIN organizations o ON o.id = r.organization_id \
         LEFT JOIN properties p ON p.id = r.scope JOIN request_requesters q ON q.request_id = r.id \
         JOIN users u ON u.id = q.user_id WHERE r.id = $1 ORDER BY q.position",
    )
    .bind(id.as_str())
    .fetch_all(&mut *db)
    .await?;
    let mut parts = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let row = Row::of("access_requests", row);
        let columns = if number == 0 { &SEARCHED[..] } else { &SEARCHED_OF_REQUESTER };
        for column in columns {
            parts.extend(row.raw::<Option<&str>>(column)?);
        }
    }
    sqlx::query("UPDATE access_requests SET search = $2 WHERE id = $1")
        .bind(id.as_str())
        .bind(search::text(parts))
        .execute(db)
        .await?;
    Ok(())
}

const SEARCHED: [&str; 10] = [
    "id",
    "email",
    "name",
    "note",
    "scope",
    "organization_id",
    "organization_name",
    "property_name",
    "requester_email",
    "requester_name",
];
const SEARCHED_OF_REQUESTER: [&str; 2] = ["requester_email", "requester_name"];

/// The same for all open requests of an organization, when it or a property of it has another name. Those that
/// are closed are found by the names of their time.
pub(super) async fn index_open_of(db: &mut SqliteConnection, organization: &OrganizationId) -> Result<()> {
    let rows = sqlx::query(
        "SELECT id FROM access_requests WHERE organization_id = $1 \
         AND state IN ('received', 'in_work', 'needs_info')",
    )
    .bind(organization.as_str())
    .fetch_all(&mut *db)
    .await?;
    for row in &rows {
        index(db, &Row::of("access_requests", row).parsed("id", AccessRequestId::parse)?).await?;
    }
    Ok(())
}
