//! New User requests.

use std::sync::Arc;

use anteroom::directory::request::{EventKind, Proposal, Request, State, Wanted};
use anteroom::directory::{Grant, Level, Membership, Note, Scope};
use anteroom::email::EmailAddress;
use anteroom::id::AccessRequestId;
use anteroom::store::{
    AuditEvent, Change, NewMessage, NewRequest, OrganizationChange, PropertyChange, RequestChange,
    RequestChanged, RequestFiled, RequestFilter, Store, UserChange, UserFilter,
};
use serde_json::json;

use crate::store::conformance::{
    Backend, Watch, add, email, event, furnished, grant, name, noon, organization_id, property_id,
    seconds_later, user_id,
};

fn request_id(text: &str) -> AccessRequestId {
    AccessRequestId::parse(text).unwrap()
}

fn note(text: &str) -> Note {
    Note::parse(text).unwrap()
}

fn mail(recipient: &str) -> Vec<NewMessage> {
    vec![NewMessage {
        recipient: email(recipient),
        topic: "requests".to_owned(),
        notice: json!({ "kind": "test" }),
        key: None,
    }]
}

/// Mia of Contoso asks for somebody.
fn wanted(id: &str, address: &str, scope: &str) -> NewRequest {
    NewRequest {
        id: request_id(id),
        organization: organization_id("contoso"),
        wanted: Wanted {
            scope: Scope::parse(scope).unwrap(),
            email: email(address),
            name: Some(name("Nestor Wilke")),
            level: Level::from_store("technician".to_owned()),
            note: Some(note("starts on Monday\nin the boiler room")),
        },
        requester: user_id("u_mia"),
        at: noon(),
    }
}

fn asked_by(address: &str) -> AuditEvent {
    AuditEvent { actor: address.to_owned(), ..event("request.filed") }
}

async fn file(store: &dyn Store, request: &NewRequest) -> RequestFiled {
    store.file_request(request, asked_by("mia@contoso.com"), mail("support@servus.com")).await.unwrap()
}

async fn filed(store: &dyn Store, request: &NewRequest) -> Request {
    match file(store, request).await {
        RequestFiled::Filed(request) => request,
        other => panic!("{other:?}"),
    }
}

async fn change(store: &dyn Store, seen: &Request, step: RequestChange) -> RequestChanged {
    let event = AuditEvent { actor: "sue@servus.com".to_owned(), at: seconds_later(60), ..event("step") };
    store.change_request(&seen.id, seen.version, &step, event, mail("mia@contoso.com")).await.unwrap()
}

async fn changed(store: &dyn Store, seen: &Request, step: RequestChange) -> Request {
    match change(store, seen, step).await {
        RequestChanged::Changed(request) => request,
        other => panic!("{other:?}"),
    }
}

async fn retire(store: &dyn Store, property: &str) {
    let property = property_id(property);
    let retired = store.change_property(&property, &PropertyChange::Retire, event("property.retired")).await;
    assert_eq!(retired.unwrap(), Some(true));
}

fn approve(grants: &[Grant]) -> RequestChange {
    RequestChange::Approve {
        agent: Some(email("sue@servus.com")),
        new_user: user_id("u_nestor"),
        grants: grants.to_vec(),
        note: Some(note("welcome")),
    }
}

/// A furnished store with the managers Mia and Max.
async fn with_managers(backend: &dyn Backend) -> Arc<dyn Store> {
    let store = furnished(backend).await;
    add(&*store, "mia@contoso.com", &[grant("*", "manager")]).await;
    add(&*store, "max@contoso.com", &[grant("tower", "manager")]).await;
    store
}

pub(crate) async fn a_request_comes_back_as_it_was_filed(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let new = wanted("R-1", "nestor@contoso.com", "tower");
    let request = filed(&*store, &new).await;
    assert_eq!(
        (&request.id, &request.organization, &request.wanted),
        (&new.id, &new.organization, &new.wanted)
    );
    assert_eq!((request.state, request.version), (State::Received, 1));
    assert_eq!((request.created_at, request.changed_at), (noon(), noon()));
    assert_eq!((&request.agent, &request.reason, &request.proposal), (&None, &None, &None));
    let requester = request.requester();
    assert_eq!((&requester.user, &requester.email), (&user_id("u_mia"), &email("mia@contoso.com")));
    assert_eq!(watch.since().await, (vec![], 1), "nobody of that address is known yet");
    assert_eq!(store.mail_waiting().await.unwrap(), 1);

    store.close().await;
    let store = backend.open().await;
    let (read, history) = store.request(&request.id).await.unwrap().unwrap();
    assert_eq!(read, request);
    assert_eq!(history.len(), 1);
    assert_eq!(
        (history[0].at, history[0].actor.as_str(), history[0].kind, &history[0].text),
        (noon(), "mia@contoso.com", EventKind::Filed, &new.wanted.note)
    );
    assert_eq!(store.requests(&RequestFilter::default()).await.unwrap(), [request]);
    assert_eq!(store.request(&request_id("R-2")).await.unwrap(), None);
}

pub(crate) async fn a_second_request_for_the_same_joins_the_open_one(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let first = filed(&*store, &wanted("R-1", "nestor@contoso.com", "tower")).await;
    let mut watch = Watch::begin(&*store).await;
    let again = file(&*store, &wanted("R-2", "nestor@contoso.com", "tower")).await;
    assert_eq!(again, RequestFiled::Merged(first.clone()), "who asked already is told, and nothing changes");
    assert_eq!(watch.since().await, (vec![], 0));

    let other = NewRequest {
        requester: user_id("u_max"),
        at: seconds_later(30),
        ..wanted("R-3", "nestor@contoso.com", "tower")
    };
    for _ in 0..2 {
        let RequestFiled::Merged(merged) = file(&*store, &other).await else { panic!("not merged") };
        let requesters: Vec<_> = merged.requesters.iter().map(|one| one.user.as_str()).collect();
        assert_eq!(requesters, ["u_mia", "u_max"]);
        assert_eq!((merged.id, merged.version, merged.changed_at), (first.id.clone(), 2, seconds_later(30)));
    }
    assert_eq!(watch.since().await, (vec![], 1));
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    assert_eq!((entry.action.as_str(), entry.subject.as_deref()), ("request.merged", Some("R-1")));
    let (_, history) = store.request(&first.id).await.unwrap().unwrap();
    let kinds: Vec<_> = history.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Filed, EventKind::Merged]);
    let asked_for = "technician: starts on Monday\nin the boiler room";
    assert_eq!(history[1].text, Some(note(asked_for)), "what the request itself does not say");
    assert_eq!(store.mail_waiting().await.unwrap(), 1, "only for the first");

    filed(&*store, &wanted("R-4", "nestor@contoso.com", "*")).await;
    let (first, _) = store.request(&first.id).await.unwrap().unwrap();
    changed(&*store, &first, RequestChange::Deny { agent: None, reason: note("left") }).await;
    filed(&*store, &wanted("R-5", "nestor@contoso.com", "tower")).await;
}

pub(crate) async fn parallel_requests_for_the_same_become_one(backend: &dyn Backend) {
    let stores = [with_managers(backend).await, backend.open().await];
    let tasks = (0..10).map(|number: usize| {
        let store = stores[number % 2].clone();
        let requester = user_id(if number.is_multiple_of(3) { "u_mia" } else { "u_max" });
        let id = format!("R-{number}");
        let request = NewRequest { requester, ..wanted(&id, "nestor@contoso.com", "tower") };
        tokio::spawn(async move { file(&*store, &request).await })
    });
    let outcomes = futures_util::future::join_all(tasks.collect::<Vec<_>>()).await;
    let filed = outcomes.iter().filter(|outcome| matches!(outcome, Ok(RequestFiled::Filed(_)))).count();
    assert_eq!(filed, 1);
    let requests = stores[0].requests(&RequestFilter::default()).await.unwrap();
    assert_eq!((requests.len(), requests[0].requesters.len(), requests[0].version), (1, 2, 2));
}

pub(crate) async fn a_request_for_a_property_that_is_not_there_is_not_filed(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    retire(&*store, "lodge").await;
    let mut watch = Watch::begin(&*store).await;
    for property in ["nowhere", "mill", "lodge"] {
        let outcome = file(&*store, &wanted("R-1", "nestor@contoso.com", property)).await;
        assert_eq!(outcome, RequestFiled::NoSuchProperty(property_id(property)));
    }
    assert_eq!(watch.since().await, (vec![], 0));
    assert_eq!(store.mail_waiting().await.unwrap(), 0);
    assert!(store.requests(&RequestFilter::default()).await.unwrap().is_empty());
}

pub(crate) async fn a_request_goes_through_its_states(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let nestor = add(&*store, "nestor@contoso.com", &[]).await;
    let mut seen = filed(&*store, &wanted("R-1", "nestor@contoso.com", "tower")).await;
    let (sue, tom) = (email("sue@servus.com"), email("tom@servus.com"));
    let proposal = Proposal {
        agent: sue.clone(),
        user: user_id("u_sue"),
        note: Some(note("for the winter")),
        grants: vec![Grant { until: Some(seconds_later(86_400)), ..grant("*", "viewer") }],
    };
    let question = note("which tower?");
    let mut watch = Watch::begin(&*store).await;
    for (step, state, agent, reason, proposed) in [
        (
            RequestChange::Ask { agent: None, question: question.clone() },
            State::NeedsInfo,
            None,
            Some(&question),
            None,
        ),
        (RequestChange::Answer { text: note("the high one") }, State::Received, None, None, None),
        (RequestChange::Take { agent: sue.clone() }, State::InWork, Some(&sue), None, None),
        (
            RequestChange::Ask { agent: Some(sue.clone()), question: question.clone() },
            State::NeedsInfo,
            Some(&sue),
            Some(&question),
            None,
        ),
        (RequestChange::Take { agent: tom.clone() }, State::NeedsInfo, Some(&tom), Some(&question), None),
        (RequestChange::Answer { text: note("the higher one") }, State::InWork, Some(&tom), None, None),
        (RequestChange::Propose(proposal.clone()), State::InWork, Some(&sue), None, Some(&proposal)),
        (RequestChange::Take { agent: tom.clone() }, State::InWork, Some(&tom), None, Some(&proposal)),
        (
            RequestChange::Deny { agent: Some(tom.clone()), reason: note("not ours") },
            State::Denied,
            Some(&tom),
            Some(&note("not ours")),
            None,
        ),
    ] {
        let next = changed(&*store, &seen, step.clone()).await;
        assert_eq!(
            (next.state, next.agent.as_ref(), next.reason.as_ref(), next.proposal.as_ref()),
            (state, agent, reason, proposed),
            "{step:?}"
        );
        assert_eq!((next.version, next.changed_at), (seen.version + 1, seconds_later(60)));
        let told = (vec![Change::User(nestor.clone())], 1);
        assert_eq!(watch.since().await, told, "the Waiting Room hears of {step:?}");
        assert_eq!(store.request(&next.id).await.unwrap().unwrap().0, next);
        let entry = store.audit_entries(1).await.unwrap().remove(0);
        for (key, of) in [("request_before", &seen), ("request_after", &next)] {
            let agent = of.agent.as_ref().map(EmailAddress::as_str);
            assert_eq!(entry.details[key], json!({ "state": of.state.as_str(), "agent": agent }), "{step:?}");
        }
        seen = next;
    }
    let (_, history) = store.request(&seen.id).await.unwrap().unwrap();
    let kinds: Vec<_> = history.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["filed", "asked", "answered", "taken", "asked", "taken", "answered", "proposed", "taken", "denied"]
    );
    assert_eq!((history[1].actor.as_str(), &history[1].text), ("sue@servus.com", &Some(question)));
    assert_eq!(history[9].text, Some(note("not ours")));
    assert_eq!(store.mail_waiting().await.unwrap(), 10, "one for each step");
}

pub(crate) async fn an_approval_makes_the_user_and_lets_in(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let seen = filed(&*store, &wanted("R-1", "nestor@contoso.com", "tower")).await;
    let mut watch = Watch::begin(&*store).await;
    let grants = [grant("lodge", "viewer"), grant("tower", "technician")];
    let approved = changed(&*store, &seen, approve(&grants)).await;
    assert_eq!((approved.state, approved.agent), (State::Approved, Some(email("sue@servus.com"))));
    assert_eq!(watch.since().await, (vec![Change::User(user_id("u_nestor"))], 1));
    let account = store.account(&user_id("u_nestor")).await.unwrap().unwrap();
    assert_eq!((account.user.email.as_str(), account.user.state), ("nestor@contoso.com", Membership::Active));
    assert_eq!((account.user.name, account.user.access_version), (Some(name("Nestor Wilke")), 1));
    assert_eq!(account.grants, grants);
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    assert_eq!(entry.details["before"], json!(null));
    assert_eq!(entry.details["request_before"], json!({ "state": "received", "agent": null }));
    assert_eq!(entry.details["request_after"], json!({ "state": "approved", "agent": "sue@servus.com" }));
    assert_eq!(entry.details["after"]["state"], json!("active"));
    assert_eq!(
        entry.details["after"]["grants"][1],
        json!({ "property": "tower", "level": "technician", "until": null })
    );
}

pub(crate) async fn an_approval_lets_in_who_waits_already(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let nestor = add(&*store, "nestor@contoso.com", &[]).await;
    let seen = filed(&*store, &wanted("R-1", "nestor@contoso.com", "tower")).await;
    let mut watch = Watch::begin(&*store).await;
    changed(&*store, &seen, approve(&[grant("tower", "viewer")])).await;
    assert_eq!(watch.since().await, (vec![Change::User(nestor.clone())], 1));
    let account = store.account(&nestor).await.unwrap().unwrap();
    assert_eq!((account.user.state, account.user.access_version), (Membership::Active, 2));
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    assert_eq!(entry.details["before"]["state"], json!("waiting"));
}

pub(crate) async fn an_approval_that_is_refused_leaves_nothing(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    add(&*store, "cleo@fabrikam.com", &[]).await;
    let dan = add(&*store, "dan@contoso.com", &[]).await;
    store.change_user(&dan, &UserChange::Disable, event("user.disabled"), Vec::new()).await.unwrap();
    let new = filed(&*store, &wanted("R-1", "nestor@contoso.com", "tower")).await;
    let foreign = filed(&*store, &wanted("R-2", "cleo@fabrikam.com", "tower")).await;
    let disabled = filed(&*store, &wanted("R-3", "dan@contoso.com", "tower")).await;
    retire(&*store, "lodge").await;
    let before = (
        store.accounts(&UserFilter::default()).await.unwrap(),
        store.requests(&RequestFilter::default()).await.unwrap(),
        store.mail_waiting().await.unwrap(),
    );
    let mut watch = Watch::begin(&*store).await;
    for (request, grants, refusal) in [
        (
            &new,
            [grant("tower", "viewer"), grant("mill", "viewer")],
            RequestChanged::NoSuchProperty(property_id("mill")),
        ),
        (
            &new,
            [grant("tower", "viewer"), grant("lodge", "viewer")],
            RequestChanged::NoSuchProperty(property_id("lodge")),
        ),
        (
            &foreign,
            [grant("tower", "viewer"), grant("*", "viewer")],
            RequestChanged::OtherOrganization(organization_id("fabrikam")),
        ),
        (&disabled, [grant("tower", "viewer"), grant("*", "viewer")], RequestChanged::UserDisabled),
    ] {
        assert_eq!(change(&*store, request, approve(&grants)).await, refusal);
        let (_, history) = store.request(&request.id).await.unwrap().unwrap();
        assert_eq!(history.len(), 1);
    }
    // A user's id that is taken fails half-way, with everything else written already.
    let taken = RequestChange::Approve {
        agent: None,
        new_user: user_id("u_mia"),
        grants: vec![grant("tower", "viewer")],
        note: None,
    };
    let failed =
        store.change_request(&new.id, new.version, &taken, event("x"), mail("mia@contoso.com")).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(watch.since().await, (vec![], 0));
    let after = (
        store.accounts(&UserFilter::default()).await.unwrap(),
        store.requests(&RequestFilter::default()).await.unwrap(),
        store.mail_waiting().await.unwrap(),
    );
    assert_eq!(before, after);
}

pub(crate) async fn a_stale_page_decides_nothing(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let seen = filed(&*store, &wanted("R-1", "nestor@contoso.com", "tower")).await;
    let taken = changed(&*store, &seen, RequestChange::Take { agent: email("tom@servus.com") }).await;
    let mut watch = Watch::begin(&*store).await;
    let grants = [grant("tower", "viewer")];
    assert_eq!(change(&*store, &seen, approve(&grants)).await, RequestChanged::Stale(taken.clone()));
    assert_eq!(watch.since().await, (vec![], 0));
    let denied = RequestChange::Deny { agent: None, reason: note("no") };
    let denied = changed(&*store, &taken, denied).await;
    let late = change(&*store, &denied, approve(&grants)).await;
    assert_eq!(late, RequestChanged::Stale(denied), "of the right version, but decided");
    let missing = Request { id: request_id("R-9"), ..taken };
    assert_eq!(change(&*store, &missing, approve(&grants)).await, RequestChanged::NoSuchRequest);
}

pub(crate) async fn parallel_deciders_have_one_winner(backend: &dyn Backend) {
    let stores = [with_managers(backend).await, backend.open().await];
    let seen = filed(&*stores[0], &wanted("R-1", "nestor@contoso.com", "tower")).await;
    let tasks = (0..10).map(|number: usize| {
        let (store, seen) = (stores[number % 2].clone(), seen.clone());
        let step = if number.is_multiple_of(3) {
            RequestChange::Deny { agent: None, reason: note("no") }
        } else {
            RequestChange::Approve {
                agent: None,
                new_user: user_id(&format!("u_{number}")),
                grants: vec![grant("tower", "viewer")],
                note: None,
            }
        };
        tokio::spawn(async move { change(&*store, &seen, step).await })
    });
    let outcomes = futures_util::future::join_all(tasks.collect::<Vec<_>>()).await;
    let winners = outcomes.iter().filter(|outcome| matches!(outcome, Ok(RequestChanged::Changed(_)))).count();
    let stale = outcomes.iter().filter(|outcome| matches!(outcome, Ok(RequestChanged::Stale(_)))).count();
    assert_eq!((winners, stale), (1, 9));
    assert_eq!(stores[0].mail_waiting().await.unwrap(), 2, "for the filing and for the one decision");
}

async fn found(store: &dyn Store, filter: &RequestFilter) -> Vec<String> {
    let requests = store.requests(filter).await.unwrap();
    requests.into_iter().map(|request| request.id.as_str().to_owned()).collect()
}

pub(crate) async fn requests_are_found_by_filter_and_counted(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let at = |seconds: i64, request: NewRequest| NewRequest { at: seconds_later(seconds), ..request };
    filed(&*store, &at(3, wanted("R-1", "nestor@contoso.com", "tower"))).await;
    let second = filed(&*store, &at(1, wanted("R-2", "lidia@contoso.com", "lodge"))).await;
    let max = NewRequest { requester: user_id("u_max"), ..at(2, wanted("R-3", "nestor@contoso.com", "*")) };
    filed(&*store, &max).await;
    changed(&*store, &second, RequestChange::Take { agent: email("sue@servus.com") }).await;

    let all = RequestFilter::default();
    for (filter, expected) in [
        (all.clone(), &["R-2", "R-3", "R-1"][..]),
        (RequestFilter { newest_first: true, ..all.clone() }, &["R-1", "R-3", "R-2"]),
        (RequestFilter { states: vec![State::Received], ..all.clone() }, &["R-3", "R-1"]),
        (RequestFilter { states: State::OPEN.to_vec(), limit: 1, offset: 1, ..all.clone() }, &["R-3"]),
        (RequestFilter { states: vec![State::Denied], ..all.clone() }, &[]),
        (RequestFilter { organization: Some(organization_id("fabrikam")), ..all.clone() }, &[]),
        (RequestFilter { email: Some(email("nestor@contoso.com")), ..all.clone() }, &["R-3", "R-1"]),
        (RequestFilter { requester: Some(user_id("u_max")), ..all.clone() }, &["R-3"]),
        (RequestFilter { agent: Some(email("sue@servus.com")), ..all.clone() }, &["R-2"]),
    ] {
        assert_eq!(found(&*store, &filter).await, expected, "{filter:?}");
    }
    let counts: Vec<_> = store.request_counts().await.unwrap();
    let counts: Vec<_> = counts.iter().map(|count| (count.state, count.count, count.oldest_at)).collect();
    assert_eq!(counts, [(State::Received, 2, seconds_later(2)), (State::InWork, 1, seconds_later(1))]);
}

pub(crate) async fn requests_are_found_by_all_words_in_any_case(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let mut odd = wanted("R-1", "nestor@contoso.com", "tower");
    odd.wanted.name = Some(name("Ärmel ŻÓŁĆ 100%_sure\\"));
    filed(&*store, &odd).await;
    filed(&*store, &wanted("R-2", "lidia@contoso.com", "*")).await;
    let text = |text: &str| RequestFilter { text: Some(text.to_owned()), ..RequestFilter::default() };
    for (words, expected) in [
        ("ärmel", &["R-1"][..]),
        ("ÄRMEL żółć", &["R-1"]),
        ("100%_SURE\\", &["R-1"]),
        ("1%e", &[]),
        ("s_re", &[]),
        ("%", &["R-1"]),
        ("r-2", &["R-2"]),
        ("MIA@contoso BOILER", &["R-1", "R-2"]),
        ("tower", &["R-1"]),
        ("lidia ärmel", &[]),
        ("  ", &["R-1", "R-2"]),
        ("'); DROP TABLE access_requests; --", &[]),
    ] {
        assert_eq!(found(&*store, &text(words)).await, expected, "{words}");
    }
    let renamed = PropertyChange::Rename(name("Der Höchste"));
    store.change_property(&property_id("tower"), &renamed, event("renamed")).await.unwrap();
    assert_eq!(found(&*store, &text("HÖCHSTE")).await, ["R-1"], "by the name of today");
    let max = NewRequest { requester: user_id("u_max"), ..wanted("R-3", "lidia@contoso.com", "*") };
    file(&*store, &max).await;
    assert_eq!(found(&*store, &text("max@")).await, ["R-2"], "by each requester");
}

pub(crate) async fn requests_go_with_their_organization(backend: &dyn Backend) {
    let store = with_managers(backend).await;
    let agent = NewRequest {
        organization: organization_id("fabrikam"),
        ..wanted("R-1", "cleo@fabrikam.com", "mill")
    };
    filed(&*store, &agent).await;
    let contoso: Vec<_> = store.organizations().await.unwrap();
    let contoso: Vec<_> = contoso.into_iter().filter(|one| one.id.as_str() == "contoso").collect();
    store.declare_organizations(&contoso, event("organizations.declared")).await.unwrap();
    let remove = OrganizationChange::Remove(organization_id("fabrikam"));
    store.change_organization(&remove, event("organization.removed")).await.unwrap();
    assert_eq!(store.request(&request_id("R-1")).await.unwrap(), None);
}
