//! What happens to New User requests: they are filed, merged, worked on and decided.
//!
//! Separate because each step is one transaction over request, user, history, outbox, feed and audit log.
//!
//! Rules:
//! - Nothing happens to a request that has been decided, or that is not as the caller has seen it.
//! - A refusal leaves nothing behind: it is found before anything is written, or the transaction is rolled back.

use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::SqliteConnection;

use crate::directory::request::{EventKind, Proposal, Request, State, Wanted};
use crate::directory::{Account, DisplayName, Grant, Membership, Note, Role};
use crate::email::EmailAddress;
use crate::id::{AccessRequestId, PropertyId, UserId};
use crate::store::sqlite::connection::Connections;
use crate::store::sqlite::row::Row;
use crate::store::sqlite::{audit, feed, grants, outbox, requests, users};
use crate::store::{
    AuditEvent, Change, Error, NewMessage, NewRequest, NewUser, RequestChange, RequestChanged, RequestFiled,
    Result,
};

/// Files a request, or joins the open one for the same person and scope.
pub(super) async fn file(
    connections: &Connections,
    request: &NewRequest,
    event: &AuditEvent,
    mail: &[NewMessage],
) -> Result<RequestFiled> {
    let mut write = connections.begin().await?;
    if let Some(property) = missing_property(write.connection(), request).await? {
        write.roll_back().await?;
        return Ok(RequestFiled::NoSuchProperty(property));
    }
    let Some(open) = open_like(write.connection(), request).await? else {
        insert(write.connection(), request).await?;
        add_requester(write.connection(), &request.id, request).await?;
        add_event(write.connection(), &request.id, event, EventKind::Filed, request.wanted.note.as_ref())
            .await?;
        outbox::put(write.connection(), mail, event.at).await?;
        let filed = settle(write.connection(), &request.id, event).await?;
        write.commit().await?;
        return Ok(RequestFiled::Filed(filed));
    };
    if !add_requester(write.connection(), &open, request).await? {
        let known = find(write.connection(), &open).await?;
        write.roll_back().await?;
        return Ok(RequestFiled::Merged(known));
    }
    sqlx::query("UPDATE access_requests SET version = version + 1, changed_at = $2 WHERE id = $1")
        .bind(open.as_str())
        .bind(request.at.as_millisecond())
        .execute(write.connection())
        .await?;
    let text = asked_for(&request.wanted);
    add_event(write.connection(), &open, event, EventKind::Merged, text.as_ref()).await?;
    let merged =
        AuditEvent { action: "request.merged", subject: Some(open.as_str().to_owned()), ..event.clone() };
    let merged = settle(write.connection(), &open, &merged).await?;
    write.commit().await?;
    Ok(RequestFiled::Merged(merged))
}

/// What a requester who joins asks for, which the request itself does not say: the level, and the note.
fn asked_for(wanted: &Wanted) -> Option<Note> {
    let level = wanted.level.as_str();
    let Some(note) = &wanted.note else { return Note::parse(level).ok() };
    // A note that fills a page leaves no room for the level.
    Note::parse(&format!("{level}: {note}")).ok().or_else(|| Some(note.clone()))
}

async fn missing_property(db: &mut SqliteConnection, request: &NewRequest) -> Result<Option<PropertyId>> {
    let wanted = &request.wanted;
    let grant = Grant { scope: wanted.scope.clone(), level: wanted.level.clone(), until: None };
    grants::missing_property(db, &request.organization, &[grant]).await
}

/// The open request for the same person and scope.
async fn open_like(db: &mut SqliteConnection, request: &NewRequest) -> Result<Option<AccessRequestId>> {
    let row = sqlx::query(
        "SELECT id FROM access_requests WHERE email = $1 AND scope = $2 AND organization_id = $3 \
         AND state IN ('received', 'in_work', 'needs_info')",
    )
    .bind(request.wanted.email.as_str())
    .bind(request.wanted.scope.as_str())
    .bind(request.organization.as_str())
    .fetch_optional(db)
    .await?;
    row.as_ref().map(|row| Row::of("access_requests", row).parsed("id", AccessRequestId::parse)).transpose()
}

async fn insert(db: &mut SqliteConnection, request: &NewRequest) -> Result<()> {
    let wanted = &request.wanted;
    sqlx::query(
        "INSERT INTO access_requests (id, organization_id, scope, email, name, level, note, state, created_at, \
         changed_at, version, search) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 1, '')",
    )
    .bind(request.id.as_str())
    .bind(request.organization.as_str())
    .bind(wanted.scope.as_str())
    .bind(wanted.email.as_str())
    .bind(wanted.name.as_ref().map(DisplayName::as_str))
    .bind(wanted.level.as_str())
    .bind(wanted.note.as_ref().map(Note::as_str))
    .bind(State::Received.as_str())
    .bind(request.at.as_millisecond())
    .execute(db)
    .await?;
    Ok(())
}

/// Adds who asks; `false` if they have asked already.
async fn add_requester(
    db: &mut SqliteConnection,
    id: &AccessRequestId,
    request: &NewRequest,
) -> Result<bool> {
    let added = sqlx::query(
        "INSERT INTO request_requesters (request_id, user_id, position, at) VALUES ($1, $2, \
         (SELECT COUNT(*) FROM request_requesters WHERE request_id = $1), $3) \
         ON CONFLICT (request_id, user_id) DO NOTHING",
    )
    .bind(id.as_str())
    .bind(request.requester.as_str())
    .bind(request.at.as_millisecond())
    .execute(&mut *db)
    .await?
    .rows_affected();
    if added > 0 {
        requests::index(db, id).await?;
    }
    Ok(added > 0)
}

async fn add_event(
    db: &mut SqliteConnection,
    id: &AccessRequestId,
    event: &AuditEvent,
    kind: EventKind,
    text: Option<&Note>,
) -> Result<()> {
    sqlx::query("INSERT INTO request_events (request_id, at, actor, kind, note) VALUES ($1, $2, $3, $4, $5)")
        .bind(id.as_str())
        .bind(event.at.as_millisecond())
        .bind(event.actor.as_str())
        .bind(kind.as_str())
        .bind(text.map(Note::as_str))
        .execute(db)
        .await?;
    Ok(())
}

/// Tells of a step in feed and audit log; the request as it is now.
async fn settle(db: &mut SqliteConnection, id: &AccessRequestId, event: &AuditEvent) -> Result<Request> {
    let request = find(db, id).await?;
    if let Some(person) = users::by_email(&mut *db, &request.wanted.email).await? {
        feed::tell(db, &Change::User(person.user.id), event.at).await?;
    }
    audit::append(db, event).await?;
    Ok(request)
}

async fn find(db: &mut SqliteConnection, id: &AccessRequestId) -> Result<Request> {
    requests::by_id(db, id).await?.ok_or(Error::Inconsistent { table: "access_requests", column: "id" })
}

/// Lets something happen to a request.
pub(super) async fn change(
    connections: &Connections,
    id: &AccessRequestId,
    version: i64,
    change: &RequestChange,
    event: &AuditEvent,
    mail: &[NewMessage],
) -> Result<RequestChanged> {
    let mut write = connections.begin().await?;
    let Some(request) = requests::by_id(&mut *write.connection(), id).await? else {
        write.roll_back().await?;
        return Ok(RequestChanged::NoSuchRequest);
    };
    if request.version != version || !request.state.is_open() {
        write.roll_back().await?;
        return Ok(RequestChanged::Stale(request));
    }
    let person = users::by_email(&mut *write.connection(), &request.wanted.email).await?;
    if let Some(refusal) = refusal(write.connection(), &request, person.as_ref(), change).await? {
        write.roll_back().await?;
        return Ok(refusal);
    }
    let step = Step::of(&request, change);
    step.write(write.connection(), id, event).await?;
    outbox::put(write.connection(), mail, event.at).await?;
    let event = &audit::noted(
        event,
        [
            ("request_before", described(request.state, request.agent.as_ref())),
            ("request_after", described(step.state, step.agent)),
        ],
    );
    let changed = match change {
        RequestChange::Approve { new_user, grants, .. } => {
            let user =
                let_in(write.connection(), &request, person.as_ref(), new_user, grants, event.at).await?;
            grants::tell(write.connection(), &user, person.as_ref(), event).await?;
            find(write.connection(), id).await?
        }
        _ => settle(write.connection(), id, event).await?,
    };
    write.commit().await?;
    Ok(RequestChanged::Changed(changed))
}

/// Where a request stands, for the audit log; `before` and `after` are the user's access.
fn described(state: State, agent: Option<&EmailAddress>) -> Value {
    json!({ "state": state.as_str(), "agent": agent.map(EmailAddress::as_str) })
}

/// Why a change must not be made.
async fn refusal(
    db: &mut SqliteConnection,
    request: &Request,
    person: Option<&Account>,
    change: &RequestChange,
) -> Result<Option<RequestChanged>> {
    let grants = match change {
        RequestChange::Approve { grants, .. } => grants,
        RequestChange::Propose(proposal) => &proposal.grants,
        _ => return Ok(None),
    };
    match person {
        Some(person) if person.user.organization != request.organization => {
            return Ok(Some(RequestChanged::OtherOrganization(person.user.organization.clone())));
        }
        Some(person) if person.user.state == Membership::Disabled => {
            return Ok(Some(RequestChanged::UserDisabled));
        }
        _ => {}
    }
    let missing = grants::missing_property(db, &request.organization, grants).await?;
    Ok(missing.map(RequestChanged::NoSuchProperty))
}

/// What a change makes of a request.
struct Step<'a> {
    kind: EventKind,
    text: Option<&'a Note>,
    state: State,
    agent: Option<&'a EmailAddress>,
    reason: Option<&'a Note>,
    proposal: Option<&'a Proposal>,
}

impl<'a> Step<'a> {
    fn of(request: &'a Request, change: &'a RequestChange) -> Self {
        let step = |kind, state, text| Self {
            kind,
            text,
            state,
            agent: request.agent.as_ref(),
            reason: None,
            proposal: request.proposal.as_ref(),
        };
        match change {
            // A proposal stays: whoever takes the request may be the second pair of eyes.
            // So does a question: it is the requester's turn, whoever the agent is.
            RequestChange::Take { agent } if request.state == State::NeedsInfo => Self {
                agent: Some(agent),
                reason: request.reason.as_ref(),
                ..step(EventKind::Taken, State::NeedsInfo, None)
            },
            RequestChange::Take { agent } => {
                Self { agent: Some(agent), ..step(EventKind::Taken, State::InWork, None) }
            }
            RequestChange::Ask { agent, question } => Self {
                agent: agent.as_ref().or(request.agent.as_ref()),
                reason: Some(question),
                proposal: None,
                ..step(EventKind::Asked, State::NeedsInfo, Some(question))
            },
            RequestChange::Answer { text } => {
                let state = if request.agent.is_some() { State::InWork } else { State::Received };
                step(EventKind::Answered, state, Some(text))
            }
            RequestChange::Propose(proposal) => Self {
                agent: Some(&proposal.agent),
                proposal: Some(proposal),
                ..step(EventKind::Proposed, State::InWork, None)
            },
            RequestChange::Approve { agent, note, .. } => Self {
                agent: agent.as_ref().or(request.agent.as_ref()),
                proposal: None,
                ..step(EventKind::Approved, State::Approved, note.as_ref())
            },
            RequestChange::Deny { agent, reason } => Self {
                agent: agent.as_ref().or(request.agent.as_ref()),
                reason: Some(reason),
                proposal: None,
                ..step(EventKind::Denied, State::Denied, Some(reason))
            },
        }
    }

    async fn write(&self, db: &mut SqliteConnection, id: &AccessRequestId, event: &AuditEvent) -> Result<()> {
        sqlx::query(
            "UPDATE access_requests SET state = $2, agent = $3, reason = $4, proposal = $5, changed_at = $6, \
             version = version + 1 WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(self.state.as_str())
        .bind(self.agent.map(EmailAddress::as_str))
        .bind(self.reason.map(Note::as_str))
        .bind(self.proposal.map(requests::kept_proposal))
        .bind(event.at.as_millisecond())
        .execute(&mut *db)
        .await?;
        add_event(db, id, event, self.kind, self.text).await
    }
}

/// Gives the person the grants, made where missing.
async fn let_in(
    db: &mut SqliteConnection,
    request: &Request,
    person: Option<&Account>,
    new_user: &UserId,
    grants: &[Grant],
    at: Timestamp,
) -> Result<UserId> {
    let user = if let Some(person) = person {
        person.user.id.clone()
    } else {
        let user = NewUser {
            id: new_user.clone(),
            email: request.wanted.email.clone(),
            name: request.wanted.name.clone(),
            organization: request.organization.clone(),
            role: Role::Member,
            grants: Vec::new(),
        };
        users::insert(db, &user, None, at).await?;
        user.id
    };
    let mut changed = person.is_none();
    for grant in grants {
        changed |= grants::put(db, &user, grant).await?;
    }
    if changed {
        grants::settle(db, &user).await?;
    }
    Ok(user)
}
