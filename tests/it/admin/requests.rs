//! New User requests as managers file, follow and answer them.

use anteroom::admin::{Actor, Filed, RequestForm};
use anteroom::directory::Scope;
use anteroom::directory::request::{EventKind, State};

use super::{House, code, email, fields, property, refused, told};

#[tokio::test]
async fn who_may_ask_for_what_follows_from_the_grants_held() {
    let house = House::new().await;
    house.add("ada@contoso.com", anteroom::directory::Role::Member, Some(("maple", "administrator"))).await;
    house.grant("ada@contoso.com", "*", "manager").await;
    for (who, offered) in [
        ("nell@contoso.com", None),
        ("vera@contoso.com", None),
        ("sue@contoso.com", None),
        ("mia@contoso.com", Some([0, 3, 0])),
        ("max@contoso.com", Some([3, 3, 3])),
        // The property counts for more than the rest of the organization.
        ("ada@contoso.com", Some([3, 4, 3])),
    ] {
        let rights = house.admin.may_request(&house.account(who).await);
        let scopes =
            [Scope::AllProperties, Scope::Property(property("maple")), Scope::Property(property("oak"))];
        let found = rights.map(|rights| scopes.map(|scope| rights.offered(&scope).len()));
        assert_eq!(found, offered, "{who}");
    }
}

#[tokio::test]
async fn a_grant_that_has_lapsed_gives_no_right_to_ask() {
    let house = House::new().await;
    let mut account = house.account("mia@contoso.com").await;
    account.grants[0].until = Some("2026-11-23T13:00:00Z".parse().unwrap());
    assert!(house.admin.may_request(&account).is_some());
    house.later(1);
    assert!(house.admin.may_request(&account).is_none());
}

#[tokio::test]
async fn the_form_offers_properties_by_name_and_never_retired_ones() {
    let house = House::new().await;
    house.admin.retire_property(&property("elm"), &Actor::command()).await.unwrap();
    let options = |who: &'static str| {
        let house = &house;
        async move { house.admin.request_options(&house.account(who).await).await.unwrap() }
    };
    let max = options("max@contoso.com").await.unwrap();
    let ids: Vec<_> = max.properties.iter().map(|option| option.property.id.as_str()).collect();
    assert_eq!(ids, ["maple", "oak"]);
    assert_eq!((max.all_properties.len(), max.levels.len()), (3, 3));
    let mia = options("mia@contoso.com").await.unwrap();
    assert_eq!((mia.properties.len(), mia.all_properties.len(), mia.levels.len()), (1, 0, 3));
    assert_eq!(options("vera@contoso.com").await, None);
}

#[tokio::test]
async fn every_mistake_in_the_form_is_told_at_once() {
    let house = House::new().await;
    house.admin.retire_property(&property("elm"), &Actor::command()).await.unwrap();
    let good =
        RequestForm { property: "maple", email: " new@contoso.com ", name: "Noa", level: "viewer", note: "" };
    let long = "x".repeat(2_001);
    for (who, form, wrong) in [
        ("mia", RequestForm::default(), vec!["property", "email", "level"]),
        ("mia", RequestForm { property: "oak", ..good }, vec!["property"]),
        ("mia", RequestForm { property: "*", ..good }, vec!["property"]),
        ("max", RequestForm { property: "elm", ..good }, vec!["property"]),
        ("max", RequestForm { property: "tower", ..good }, vec!["property"]),
        ("max", RequestForm { property: "no such", ..good }, vec!["property"]),
        ("mia", RequestForm { email: "new@fabrikam.com", ..good }, vec!["email"]),
        ("mia", RequestForm { email: "new", ..good }, vec!["email"]),
        ("mia", RequestForm { level: "administrator", ..good }, vec!["level"]),
        ("mia", RequestForm { level: "king", ..good }, vec!["level"]),
        ("mia", RequestForm { name: "a\nb", note: &long, ..good }, vec!["name", "note"]),
    ] {
        let who = format!("{who}@contoso.com");
        let filed =
            house.admin.file_request(&house.account(&who).await, &form, &house.actor(&who).await).await;
        assert_eq!(fields(filed), wrong, "{form:?}");
    }
    assert!(house.mail().await.iter().all(|(_, kind)| kind == "access_granted"), "nobody hears of a mistake");
    let mia = "mia@contoso.com";
    let filed = house.admin.file_request(&house.account(mia).await, &good, &house.actor(mia).await).await;
    assert!(matches!(filed, Ok(Filed::Filed(request)) if request.wanted.email == email("new@contoso.com")));
}

#[tokio::test]
async fn nothing_is_told_of_people_elsewhere_and_those_switched_off_are_for_support() {
    let house = House::new().await;
    house.admin.disable(&email("vera@contoso.com"), &Actor::command()).await.unwrap();
    let refusal = refused(house.try_to_file("max@contoso.com", "oak", "vera@contoso.com").await);
    assert!(refusal.fields()[0].message.contains("switched off"), "{refusal}");

    // Somebody of the domain who belongs to another organization, as after a merger.
    let fabrikam = super::organization("fabrikam");
    let both = ["fabrikam", "contoso"].map(|id| anteroom::directory::Organization {
        id: super::organization(id),
        name: anteroom::directory::DisplayName::parse(id).unwrap(),
        domains: vec![anteroom::email::EmailDomain::parse("contoso.com").unwrap()],
    });
    let event = anteroom::store::AuditEvent::of_anteroom(
        anteroom::clock::Clock::now(&house.clock),
        "organizations.declared",
    );
    house.store.declare_organizations(&both, event).await.unwrap();
    let user = anteroom::admin::UserToAdd {
        email: email("gil@contoso.com"),
        name: None,
        organization: fabrikam,
        role: anteroom::directory::Role::Member,
        grant: None,
    };
    house.admin.add_user(user, &Actor::command()).await.unwrap();
    let refusal = refused(house.try_to_file("max@contoso.com", "oak", "gil@contoso.com").await);
    let message = &refusal.fields()[0].message;
    assert!(message.contains("support") && !message.contains("fabrikam"), "{message}");
}

#[tokio::test]
async fn a_request_is_filed_once_merged_afterwards_and_support_hears_of_it_once() {
    let house = House::new().await;
    let (filed, mail) = house.mail_of(house.try_to_file("mia@contoso.com", "maple", "new@contoso.com")).await;
    let Ok(Filed::Filed(filed)) = filed else { panic!("not filed") };
    assert_eq!(mail, told(&[("support@servusconnect.com", "request_received")]));
    let (merged, mail) =
        house.mail_of(house.try_to_file("max@contoso.com", "maple", "new@contoso.com")).await;
    let Ok(Filed::Merged(merged)) = merged else { panic!("not merged") };
    assert_eq!((&merged.id, merged.requesters.len()), (&filed.id, 2));
    assert_eq!(mail, []);
    // Another property is another request.
    let other = house.file("max@contoso.com", "oak", "new@contoso.com").await;
    assert_ne!(other.id, filed.id);
    let event = house.event("request.filed").await;
    assert_eq!(event["actor"], "max@contoso.com");
    assert_eq!(event["subject"], other.id.as_str());
}

#[tokio::test]
async fn who_has_that_access_already_is_not_asked_for() {
    let house = House::new().await;
    for (property, person) in
        [("maple", "vera@contoso.com"), ("maple", "mia@contoso.com"), ("oak", "max@contoso.com")]
    {
        let filed = house.try_to_file("max@contoso.com", property, person).await.unwrap();
        assert!(matches!(filed, Filed::AlreadyHasAccess { .. }), "{property} {person}: {filed:?}");
    }
    // Less than asked for, or elsewhere, is no such access.
    let form = RequestForm {
        property: "maple",
        email: "vera@contoso.com",
        level: "manager",
        ..RequestForm::default()
    };
    let max = house.account("max@contoso.com").await;
    let filed = house.admin.file_request(&max, &form, &house.actor("max@contoso.com").await).await;
    assert!(matches!(filed, Ok(Filed::Filed(_))), "{filed:?}");
    assert!(matches!(
        house.try_to_file("max@contoso.com", "oak", "vera@contoso.com").await,
        Ok(Filed::Filed(_))
    ));
}

#[tokio::test]
async fn who_may_not_ask_gets_nothing_filed_and_sees_nobody() {
    let house = House::new().await;
    for who in ["vera@contoso.com", "nell@contoso.com"] {
        assert_eq!(code(house.try_to_file(who, "maple", "new@contoso.com").await), "may_not_request");
        assert!(house.admin.waiting_people(&house.account(who).await).await.unwrap().is_empty());
    }
    let mia = house.account("mia@contoso.com").await;
    assert!(house.admin.waiting_people(&mia).await.unwrap().is_empty(), "nobody has signed on yet");
    house.sign_on("nell", "nell@contoso.com", "R1").await;
    let waiting = house.admin.waiting_people(&house.account("mia@contoso.com").await).await.unwrap();
    let emails: Vec<_> = waiting.iter().map(|person| person.account.user.email.as_str()).collect();
    assert_eq!(emails, ["nell@contoso.com"]);
}

#[tokio::test]
async fn those_who_wait_are_shown_with_their_workplace_and_open_requests() {
    let house = House::new().await;
    let nell = house.account("nell@contoso.com").await;
    let actor = house.actor("nell@contoso.com").await;
    house.sign_on("nell", "nell@contoso.com", "R1").await;
    house.admin.say_workplace(&nell, ("oak", "second floor"), &actor).await.unwrap();
    house.file("mia@contoso.com", "maple", "nell@contoso.com").await;
    let waiting = house.admin.waiting_people(&house.account("max@contoso.com").await).await.unwrap();
    let nell = waiting.iter().find(|person| person.account.user.email == nell.user.email).unwrap();
    assert_eq!(nell.property.as_ref().map(|property| property.id.as_str()), Some("oak"));
    assert_eq!(nell.workplace.as_ref().unwrap().text.as_ref().unwrap().as_str(), "second floor");
    assert_eq!(nell.open_requests.len(), 1);
}

#[tokio::test]
async fn a_manager_sees_own_requests_with_their_history_and_those_joined() {
    let house = House::new().await;
    let first = house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    house.later(1);
    house.file("max@contoso.com", "maple", "new@contoso.com").await;
    let second = house.file("max@contoso.com", "oak", "new@contoso.com").await;
    let own = |who: &'static str| {
        let house = &house;
        async move { house.admin.own_requests(&house.account(who).await.user.id, 0).await.unwrap().views }
    };
    let max = own("max@contoso.com").await;
    let ids: Vec<_> = max.iter().map(|view| &view.request.id).collect();
    assert_eq!(ids, [&second.id, &first.id]);
    let kinds: Vec<_> = max[1].history.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Filed, EventKind::Merged]);
    assert_eq!(max[1].property.as_ref().unwrap().id, property("maple"));
    assert_eq!(own("mia@contoso.com").await.len(), 1);
    assert!(own("vera@contoso.com").await.is_empty());
}

#[tokio::test]
async fn every_open_request_is_on_the_first_page_and_what_is_decided_is_on_pages() {
    let house = House::new().await;
    let (mia, sue) = (house.account("mia@contoso.com").await.user.id, house.actor("sue@contoso.com").await);
    let file = async |number: usize| {
        house.clock.advance(std::time::Duration::from_secs(1));
        house.file("mia@contoso.com", "maple", &format!("p{number}@contoso.com")).await
    };
    // A question, older than everything else, then what is decided, then more that is open than one page decided.
    let asked = file(0).await;
    house.admin.ask(&asked.id, asked.version, "which floor?", &sue).await.unwrap();
    let mut decided = Vec::new();
    for number in 1..=26 {
        let request = file(number).await;
        house.admin.deny(&request.id, request.version, "no", &sue).await.unwrap();
        decided.insert(0, request.id);
    }
    let mut open = Vec::new();
    for number in 30..60 {
        open.insert(0, file(number).await.id);
    }
    let ids = async |page| {
        let own = house.admin.own_requests(&mia, page).await.unwrap();
        (own.views.into_iter().map(|view| view.request.id).collect::<Vec<_>>(), own.has_more)
    };
    let first = [&[asked.id][..], &open[..], &decided[..25]].concat();
    assert_eq!(ids(0).await, (first, true));
    assert_eq!(ids(1).await, (vec![decided[25].clone()], false));
    assert_eq!(ids(2).await, (vec![], false));
}

#[tokio::test]
async fn an_answer_is_the_requesters_and_goes_back_to_support() {
    let house = House::new().await;
    let request = house.file("mia@contoso.com", "maple", "new@contoso.com").await;
    let answer = |who: &'static str, version: i64, text: &'static str| {
        let (house, id) = (&house, request.id.clone());
        async move {
            let (account, actor) = (house.account(who).await, house.actor(who).await);
            house.admin.answer_request(&account, &id, version, text, &actor).await
        }
    };
    assert_eq!(code(answer("mia@contoso.com", request.version, "yes").await), "nothing_asked");
    let sue = house.actor("sue@contoso.com").await;
    let asked = house.admin.ask(&request.id, request.version, "which floor?", &sue).await.unwrap();
    assert_eq!(asked.state, State::NeedsInfo);
    // Of other people's requests nobody learns that they are there.
    assert_eq!(code(answer("max@contoso.com", asked.version, "yes").await), "no_such_request");
    assert_eq!(fields(answer("mia@contoso.com", asked.version, " ").await), ["answer"]);
    assert_eq!(code(answer("mia@contoso.com", request.version, "the third").await), "stale");
    let (answered, mail) = house.mail_of(answer("mia@contoso.com", asked.version, "the third")).await;
    assert_eq!(answered.unwrap().state, State::InWork);
    assert_eq!(mail, told(&[("support@servusconnect.com", "request_received")]));
}
