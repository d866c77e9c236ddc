//! `anteroom user show` and `anteroom user conflicts`: everything that is known about people.
//!
//! Separate from the changes, as what is shown comes from many places.

use serde_json::{Value, json};

use super::{object, row};
use crate::admin::UserPage;
use crate::cli::answer::{Answer, dash, moment};
use crate::cli::opened::Opened;
use crate::cli::{Failure, audit, request};
use crate::directory::{DisplayName, SubjectConflict, Workplace};
use crate::email::EmailAddress;
use crate::session::Session;
use crate::store::AuditEntry;

/// Everything about one user.
pub(super) async fn show(opened: &Opened, email: &EmailAddress) -> Result<Answer, Failure> {
    let account = opened.admin.user(email).await?;
    let page = opened.admin.user_page(&account.user.id).await?;
    let now = opened.clock.now();
    let lifetimes = opened.config.session;
    let sessions = page.person.sessions.iter().map(|view| &view.session);
    let alive: Vec<_> =
        sessions.filter(|session| lifetimes.is_alive(session.ends_at, session.last_seen_at, now)).collect();
    Ok(Answer::list(["user", ""], &rows(&page, &alive), Vec::new()).with_json(whole(&page, &alive)))
}

fn rows(page: &UserPage, sessions: &[&Session]) -> Vec<[String; 2]> {
    let account = &page.person.account;
    let user = &account.user;
    let [email, name, organization, state, role, grants, last_sign_on] = row(account);
    let mut rows = vec![
        ["id".to_owned(), user.id.to_string()],
        ["email".to_owned(), email],
        ["name".to_owned(), name],
        ["organization".to_owned(), organization],
        ["state".to_owned(), state],
        ["role".to_owned(), role],
        ["grants".to_owned(), grants],
        [
            "bound to".to_owned(),
            user.subject.as_ref().map_or_else(dash, |bound| bound.connection.to_string()),
        ],
        ["access version".to_owned(), user.access_version.to_string()],
        ["created at".to_owned(), moment(user.created_at)],
        ["last sign-on".to_owned(), last_sign_on],
    ];
    let mut add = |name: &str, text: String| rows.push([name.to_owned(), text]);
    if let Some(workplace) = &page.person.workplace {
        let said = [
            workplace.property.as_ref().map(ToString::to_string),
            workplace.text.as_ref().map(ToString::to_string),
        ];
        add("works at", said.into_iter().flatten().collect::<Vec<_>>().join(", "));
    }
    for session in sessions {
        add("session", format!("{} since {}", session.name, moment(session.created_at)));
    }
    for conflict in &page.person.conflicts {
        let name = conflict.name.as_ref().map(|name| format!(", {name}")).unwrap_or_default();
        add("conflict", format!("{} with {}{name}", conflict.reference, conflict.subject.key));
    }
    for one in &page.requests {
        let wanted = &one.wanted;
        add(
            "request",
            format!("{} {}, {} on {}", one.id, one.state.as_str(), wanted.level, wanted.scope.as_str()),
        );
    }
    for entry in &page.person.sign_ons {
        add("sign-on", format!("{} {}", moment(entry.at), sign_on(entry)));
    }
    rows
}

/// What has happened at a sign-on, in words.
fn sign_on(entry: &AuditEntry) -> String {
    let detail = |name: &str| entry.details.get(name).and_then(Value::as_str);
    let mut text = entry.action.strip_prefix("sign_on.").unwrap_or(&entry.action).to_owned();
    if let Some(why) = detail("text") {
        text = format!("{text}: {why}");
    }
    for (name, said) in [("expected", detail("expected")), ("got", detail("got"))] {
        text.extend(said.map(|said| format!("; {name} {said}")));
    }
    text.extend(entry.reference.as_ref().map(|reference| format!("; reference {reference}")));
    if let Some(claimed) = entry.details.get("claimed").filter(|claimed| claimed.is_object()) {
        let said =
            ["email", "subject"].into_iter().find_map(|name| claimed.get(name).and_then(Value::as_str));
        let is_verified = claimed.get("verified").and_then(Value::as_bool).unwrap_or_default();
        let how = if is_verified { "the identity provider spoke of" } else { "claimed, not verified:" };
        text.extend(said.map(|said| format!("; {how} {said}")));
    }
    text
}

fn whole(page: &UserPage, sessions: &[&Session]) -> Value {
    let person = &page.person;
    let mut json = object(&person.account);
    let more = [
        ("workplace", person.workplace.as_ref().map_or(Value::Null, workplace)),
        ("sessions", sessions.iter().map(|session| session_object(session)).collect()),
        (
            "conflicts",
            person.conflicts.iter().map(|one| conflict(one, Some(&person.account.user.email))).collect(),
        ),
        ("requests", page.requests.iter().map(request::object).collect()),
        ("sign_ons", person.sign_ons.iter().map(audit::object).collect()),
    ];
    if let Some(json) = json.as_object_mut() {
        json.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    json
}

fn workplace(workplace: &Workplace) -> Value {
    json!({
        "property": workplace.property.as_ref().map(crate::id::PropertyId::as_str),
        "text": workplace.text.as_ref().map(DisplayName::as_str),
        "at": workplace.at.to_string(),
    })
}

fn session_object(session: &Session) -> Value {
    json!({
        "sid": session.name.as_str(),
        "created_at": session.created_at.to_string(),
        "last_seen_at": session.last_seen_at.to_string(),
        "ends_at": session.ends_at.to_string(),
    })
}

/// All conflicts that wait for a decision.
pub(super) async fn conflicts(opened: &Opened) -> Result<Answer, Failure> {
    let mut rows = Vec::new();
    let mut json = Vec::new();
    for one in opened.admin.conflicts().await? {
        // A user who has gone meanwhile took the conflict along.
        let account = opened.store.account(&one.user).await?;
        let email = account.map(|account| account.user.email);
        rows.push([
            one.reference.clone(),
            email.as_ref().map_or_else(dash, ToString::to_string),
            one.subject.connection.to_string(),
            one.subject.key.clone(),
            one.name.as_ref().map_or_else(dash, ToString::to_string),
            moment(one.at),
        ]);
        json.push(conflict(&one, email.as_ref()));
    }
    Ok(Answer::list(["reference", "email", "connection", "subject", "name", "at"], &rows, json))
}

fn conflict(conflict: &SubjectConflict, email: Option<&EmailAddress>) -> Value {
    json!({
        "reference": conflict.reference,
        "user": conflict.user.as_str(),
        "email": email.map(EmailAddress::as_str),
        "connection": conflict.subject.connection.as_str(),
        "subject": conflict.subject.key,
        "name": conflict.name.as_ref().map(DisplayName::as_str),
        "at": conflict.at.to_string(),
    })
}
