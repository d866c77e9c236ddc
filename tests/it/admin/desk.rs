//! The desk: the queue, taking over, decisions, and who is told of them.

use anteroom::admin::{ApproveForm, Approved, QueueFilter, Turn};
use anteroom::directory::request::{Request, State};
use anteroom::directory::{Membership, Role};

use super::{House, code, email, fields, grants, told};
use anteroom::admin::Actor;

async fn approve(house: &House, request: &Request, who: &Actor) -> Request {
    let form = ApproveForm::default();
    match house.admin.approve(&request.id, request.version, &form, who).await.unwrap() {
        Approved::Granted(request) => request,
        Approved::Proposed(request) => panic!("only proposed: {request:?}"),
    }
}

#[tokio::test]
async fn an_approval_lets_the_person_in_and_tells_everybody_concerned() {
    let house = House::new().await;
    house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let request = house.file("max@contoso.com", "maple", "new@contoso.com").await;
    let sue = house.actor("sue@contoso.com").await;
    let (approved, mail) = house.mail_of(approve(&house, &request, &sue)).await;
    assert_eq!((approved.state, approved.agent), (State::Approved, Some(email("sue@contoso.com"))));
    assert_eq!(
        mail,
        told(&[
            ("max@contoso.com", "request_approved"),
            ("mia@contoso.com", "request_approved"),
            ("new@contoso.com", "access_granted"),
        ])
    );
    let new = house.account("new@contoso.com").await;
    assert_eq!((new.user.state, grants(&new)), (Membership::Active, vec!["maple:viewer".to_owned()]));
    let event = house.event("request.approved").await;
    assert_eq!(event["actor"], "sue@contoso.com");
    assert_eq!(event["details"]["email"], "new@contoso.com");
    assert_eq!(event["details"]["after"]["grants"][0]["property"], "maple");
}

#[tokio::test]
async fn a_refusal_or_question_reaches_the_person_only_if_they_wait() {
    let house = House::new().await;
    let sue = house.actor("sue@contoso.com").await;
    house.add("dan@contoso.com", Role::Member, None).await;
    let unavailable = house.file("max@contoso.com", "oak", "dan@contoso.com").await;
    house.admin.disable(&email("dan@contoso.com"), &Actor::command()).await.unwrap();
    let deny = house.admin.deny(&unavailable.id, unavailable.version, "left", &sue);
    assert_eq!(house.mail_of(deny).await.1, told(&[("max@contoso.com", "request_denied")]));
    for (person, waits) in
        [("new@contoso.com", false), ("nell@contoso.com", true), ("vera@contoso.com", false)]
    {
        let request = house.file("max@contoso.com", "oak", person).await;
        let ask = house.admin.ask(&request.id, request.version, "who is that?", &sue);
        let (asked, mail) = house.mail_of(ask).await;
        let mut expected = vec![("max@contoso.com", "information_needed")];
        expected.extend(waits.then_some((person, "access_delayed")));
        assert_eq!(mail, told(&expected));
        let asked = asked.unwrap();
        assert_eq!(asked.reason.as_ref().unwrap().as_str(), "who is that?");
        assert_eq!(house.event("request.asked").await["details"]["question"], "who is that?");

        let deny = house.admin.deny(&asked.id, asked.version, "not known here", &sue);
        let (denied, mail) = house.mail_of(deny).await;
        let mut expected = vec![("max@contoso.com", "request_denied")];
        expected.extend(waits.then_some((person, "access_denied")));
        assert_eq!(mail, told(&expected));
        assert_eq!(denied.unwrap().state, State::Denied);
        assert_eq!(house.event("request.denied").await["details"]["reason"], "not known here");
    }
    assert_eq!(house.account("nell@contoso.com").await.user.state, Membership::Waiting);
}

#[tokio::test]
async fn without_an_address_of_support_only_the_others_are_told() {
    let house = House::with(|settings| settings.support_email = None).await;
    let (_, mail) = house.mail_of(house.file("mia@contoso.com", "maple", "new@contoso.com")).await;
    assert_eq!(mail, []);
}

#[tokio::test]
async fn an_approval_can_give_something_else_than_was_asked_for() {
    let house = House::new().await;
    let sue = house.actor("sue@contoso.com").await;
    let request = house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let form = ApproveForm {
        level: "technician",
        properties: vec!["oak", "elm", "oak"],
        until: "2026-12-31",
        note: "until the audit",
    };
    house.admin.approve(&request.id, request.version, &form, &sue).await.unwrap();
    let new = house.account("new@contoso.com").await;
    assert_eq!(grants(&new), ["elm:technician", "oak:technician"]);
    assert!(new.grants.iter().all(|grant| grant.until == Some("2027-01-01T00:00:00Z".parse().unwrap())));
}

#[tokio::test]
async fn every_mistake_in_an_approval_is_told_at_once_and_changes_nothing() {
    let house = House::new().await;
    let sue = house.actor("sue@contoso.com").await;
    let request = house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let approve = |form: ApproveForm<'static>| {
        let (house, sue, request) = (&house, &sue, &request);
        async move { house.admin.approve(&request.id, request.version, &form, sue).await }
    };
    let form = ApproveForm { level: "king", properties: vec!["/"], until: "tomorrow", note: "a\u{7}b" };
    assert_eq!(fields(approve(form).await), ["level", "property", "until", "note"]);
    let past = ApproveForm { until: "2026-11-22", ..ApproveForm::default() };
    assert_eq!(fields(approve(past).await), ["until"]);
    let none = ApproveForm { properties: vec![""], ..ApproveForm::default() };
    assert_eq!(fields(approve(none).await), ["property"]);
    let foreign = ApproveForm { properties: vec!["tower"], ..ApproveForm::default() };
    assert_eq!(code(approve(foreign).await), "no_such_property");
    house.admin.retire_property(&super::property("maple"), &Actor::command()).await.unwrap();
    assert_eq!(code(approve(ApproveForm::default()).await), "property_retired");
    assert_eq!(house.admin.request(&request.id).await.unwrap().request, request);
    let blank = house.admin.deny(&request.id, request.version, "  ", &sue).await;
    assert_eq!(fields(blank), ["reason"]);
    let blank = house.admin.ask(&request.id, request.version, "", &sue).await;
    assert_eq!(fields(blank), ["question"]);
}

#[tokio::test]
async fn a_request_of_another_agent_has_to_be_taken_over_first() {
    let house = House::new().await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let request = house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let taken = house.admin.take(&request.id, request.version, &sue).await.unwrap();
    assert_eq!((taken.state, &taken.agent), (State::InWork, &Some(email("sue@contoso.com"))));
    let (id, version) = (&taken.id, taken.version);
    let form = ApproveForm::default();
    assert_eq!(code(house.admin.approve(id, version, &form, &sam).await), "taken_by_another");
    assert_eq!(code(house.admin.deny(id, version, "no", &sam).await), "taken_by_another");
    assert_eq!(code(house.admin.ask(id, version, "what?", &sam).await), "taken_by_another");
    let taken = house.admin.take(id, version, &sam).await.unwrap();
    assert_eq!(taken.agent, Some(email("sam@contoso.com")));
    assert_eq!(house.event("request.taken").await["details"]["from"], "sue@contoso.com");
    approve(&house, &taken, &sam).await;
}

#[tokio::test]
async fn what_has_changed_since_is_refused_kindly() {
    let house = House::new().await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let seen = house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let form = ApproveForm::default();
    house.file("max@contoso.com", "maple", "new@contoso.com").await;
    let refusal = super::refused(house.admin.approve(&seen.id, seen.version, &form, &sue).await);
    assert_eq!(refusal.code(), "stale");
    let now = house.admin.request(&seen.id).await.unwrap().request;
    approve(&house, &now, &sue).await;
    for outcome in [
        house.admin.take(&seen.id, now.version, &sam).await,
        house.admin.deny(&seen.id, now.version, "no", &sam).await,
        house.admin.ask(&seen.id, now.version, "what?", &sam).await,
        house.admin.confirm(&seen.id, now.version, &sam).await,
    ] {
        let refusal = super::refused(outcome);
        assert_eq!(refusal.code(), "decided");
        assert!(refusal.to_string().ends_with("approved already by sue@contoso.com"), "{refusal}");
    }
    assert!(house.account("new@contoso.com").await.grants.len() == 1);
}

#[tokio::test]
async fn commands_decide_what_an_agent_has_taken() {
    let house = House::new().await;
    let sue = house.actor("sue@contoso.com").await;
    let request = house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let taken = house.admin.take(&request.id, request.version, &sue).await.unwrap();
    let denied = house.admin.deny(&taken.id, taken.version, "no", &Actor::command()).await.unwrap();
    assert_eq!(denied.state, State::Denied);
    assert_eq!(house.event("request.denied").await["actor"], "command");
}

#[tokio::test]
async fn somebody_who_has_been_switched_off_is_not_let_in_by_a_request() {
    let house = House::new().await;
    let sue = house.actor("sue@contoso.com").await;
    let request = house.file("mia@contoso.com", "maple", "nell@contoso.com").await;
    house.admin.disable(&email("nell@contoso.com"), &Actor::command()).await.unwrap();
    let form = ApproveForm::default();
    let (approved, mail) =
        house.mail_of(house.admin.approve(&request.id, request.version, &form, &sue)).await;
    assert_eq!(code(approved), "user_disabled");
    assert_eq!(mail, []);
}

#[tokio::test]
async fn the_queue_is_filtered_searched_and_counted() {
    let house = House::new().await;
    let sue = house.actor("sue@contoso.com").await;
    let first = house.file("mia@contoso.com", "maple", "one@contoso.com").await;
    house.later(1);
    let second = house.file("max@contoso.com", "oak", "two@contoso.com").await;
    house.later(1);
    let third = house.file("max@contoso.com", "elm", "three@contoso.com").await;
    house.admin.take(&second.id, second.version, &sue).await.unwrap();
    house.admin.deny(&third.id, third.version, "no", &sue).await.unwrap();
    let text = |text: &str| QueueFilter { text: Some(text.to_owned()), ..QueueFilter::default() };
    for (filter, found) in [
        (QueueFilter::default(), vec![&first, &second]),
        (QueueFilter { agent: Some(email("sue@contoso.com")), ..QueueFilter::default() }, vec![&second]),
        (QueueFilter { states: vec![State::Denied], ..QueueFilter::default() }, vec![&third]),
        (
            QueueFilter { organization: Some(super::organization("fabrikam")), ..QueueFilter::default() },
            vec![],
        ),
        (text("MAX oak"), vec![&second]),
        (text("nothing"), vec![]),
        (QueueFilter { page: 1, ..QueueFilter::default() }, vec![]),
    ] {
        let queue = house.admin.queue(&filter).await.unwrap();
        let ids: Vec<_> = queue.lines.iter().map(|line| &line.request.id).collect();
        assert_eq!(ids, found.iter().map(|request| &request.id).collect::<Vec<_>>(), "{filter:?}");
        assert!(!queue.has_more);
        assert_eq!(queue.counts.iter().map(|count| count.count).sum::<u64>(), 3);
    }
    let line = &house.admin.queue(&QueueFilter::default()).await.unwrap().lines[0];
    assert_eq!((line.organization.as_str(), line.property.as_str()), ("The contoso", "maple Court"));
}

#[tokio::test]
async fn a_dossier_has_everything_known_and_says_whose_turn_it_is() {
    let house = House::new().await;
    let (sue, sam) = (house.actor("sue@contoso.com").await, house.actor("sam@contoso.com").await);
    let nell = house.account("nell@contoso.com").await;
    house.admin.say_workplace(&nell, ("oak", ""), &house.actor("nell@contoso.com").await).await.unwrap();
    let other = house.file("max@contoso.com", "oak", "nell@contoso.com").await;
    let request = house.file("mia@contoso.com", "maple", "nell@contoso.com").await;
    let dossier = house.admin.dossier(&request.id).await.unwrap();
    let person = dossier.person.as_ref().unwrap();
    assert_eq!(person.account.user.id, nell.user.id);
    assert_eq!(person.workplace.as_ref().unwrap().property, Some(super::property("oak")));
    assert_eq!(dossier.property.as_ref().unwrap().id, super::property("maple"));
    assert_eq!(dossier.properties.len(), 3);
    assert_eq!(grants(dossier.requesters[0].1.as_ref().unwrap()), ["maple:manager"]);
    assert_eq!(dossier.other_requests.iter().map(|other| &other.id).collect::<Vec<_>>(), [&other.id]);
    assert_eq!((dossier.turn(&sue), dossier.history.len()), (Turn::Free, 1));

    let taken = house.admin.take(&request.id, request.version, &sue).await.unwrap();
    let dossier = house.admin.dossier(&request.id).await.unwrap();
    assert_eq!(dossier.turn(&sue), Turn::Own);
    assert_eq!(dossier.turn(&sam), Turn::Another(email("sue@contoso.com")));
    approve(&house, &taken, &sue).await;
    assert_eq!(house.admin.dossier(&request.id).await.unwrap().turn(&sam), Turn::Decided);
}
