//! What somebody in the Waiting Room is told and can say.

use std::time::Duration;

use anteroom::admin::{Actor, ApproveForm, Asked, Progress};
use anteroom::directory::Role;
use anteroom::email::EmailAddress;

use super::{House, email, fields, property, told};

impl House {
    async fn progress(&self, address: &str) -> Progress {
        self.admin.standing_of(&self.account(address).await).await.unwrap()
    }

    async fn say(&self, address: &str, what: (&str, &str)) -> Result<(), anteroom::admin::Error> {
        let (account, actor) = (self.account(address).await, self.actor(address).await);
        self.admin.say_workplace(&account, what, &actor).await.map(drop)
    }
}

#[tokio::test]
async fn the_room_tells_where_things_stand() {
    let house = House::new().await;
    let sue = house.actor("sue@contoso.com").await;
    let nell = "nell@contoso.com";
    assert_eq!(house.progress(nell).await, Progress::NotRequested);
    let request = house.file("mia@contoso.com", "maple", nell).await;
    let asked = Asked { property: "maple Court".to_owned(), since: request.created_at };
    assert_eq!(house.progress(nell).await, Progress::Received(asked.clone()));
    house.later(1);
    let request = house.admin.take(&request.id, request.version, &sue).await.unwrap();
    assert_eq!(house.progress(nell).await, Progress::InWork(asked.clone()));
    let request = house.admin.ask(&request.id, request.version, "which floor?", &sue).await.unwrap();
    let question = request.reason.clone();
    assert_eq!(house.progress(nell).await, Progress::NeedsInfo { asked: asked.clone(), question });
    house.later(1);
    let request = house.admin.deny(&request.id, request.version, "not yet", &sue).await.unwrap();
    let (reason, at) = (request.reason.clone(), request.changed_at);
    assert_eq!(house.progress(nell).await, Progress::Denied { asked, reason, at });
    // What is still open counts for more than what was decided later.
    let open = house.file("mia@contoso.com", "maple", nell).await;
    house.later(1);
    let other = house.file("max@contoso.com", "oak", nell).await;
    house.admin.deny(&other.id, other.version, "not there", &sue).await.unwrap();
    assert!(
        matches!(house.progress(nell).await, Progress::Received(asked) if asked.since == open.created_at)
    );
    house.admin.approve(&open.id, open.version, &ApproveForm::default(), &sue).await.unwrap();
    house.later(1);
    house.admin.revoke(&email(nell), None, &Actor::command()).await.unwrap();
    assert!(matches!(house.progress(nell).await, Progress::Denied { .. }));
}

#[tokio::test]
async fn a_workplace_is_told_to_those_who_may_ask_there_and_once() {
    let house = House::new().await;
    let nell = "nell@contoso.com";
    let (said, mail) = house.mail_of(house.say(nell, ("maple", "front desk"))).await;
    said.unwrap();
    assert_eq!(mail, told(&[("max@contoso.com", "somebody_waits"), ("mia@contoso.com", "somebody_waits")]));
    let messages = house.admin.messages(true).await.unwrap();
    assert_eq!(messages[0].notice["workplace"], "maple Court, front desk");
    assert_eq!(messages[0].notice["property"], "maple");
    // The same again, and something else on the same day: nobody hears of it twice.
    for what in [("maple", "front desk"), ("oak", "")] {
        house.later(1);
        let (said, mail) = house.mail_of(house.say(nell, what)).await;
        said.unwrap();
        assert_eq!(mail, []);
    }
    let room = house.admin.waiting_room(&house.account(nell).await).await.unwrap();
    assert_eq!(room.workplace.unwrap().property, Some(property("oak")));
    house.later(25);
    let (_, mail) = house.mail_of(house.say(nell, ("", "somewhere else"))).await;
    assert_eq!(mail.len(), 2);
}

#[tokio::test]
async fn the_outbox_is_read_to_its_end_page_by_page() {
    let house = House::new().await;
    for number in 0..51 {
        house.file("mia@contoso.com", "maple", &format!("p{number}@contoso.com")).await;
    }
    let all = house.store.messages(false, None, 1_000).await.unwrap();
    let (first, has_more) = house.admin.messages_before(None).await.unwrap();
    assert!(has_more && first == all[..first.len()] && first.len() < all.len(), "{}", first.len());
    let (rest, has_more) = house.admin.messages_before(Some(first.last().unwrap().id)).await.unwrap();
    assert!(!has_more && rest == all[first.len()..], "{}", rest.len());
    let oldest = all.last().unwrap();
    assert_eq!(house.admin.message(oldest.id).await.unwrap().as_ref(), Some(oldest));
}

#[tokio::test]
async fn nobody_fills_the_log_with_workplaces() {
    let house = House::new().await;
    let nell = "nell@contoso.com";
    house.say(nell, ("", "room 0")).await.unwrap();
    assert_eq!(fields(house.say(nell, ("", "room 1")).await), ["text"], "a moment ago");
    house.say(nell, ("", "room 0")).await.unwrap();
    for room in 1..20 {
        house.clock.advance(Duration::from_secs(10));
        house.say(nell, ("", &format!("room {room}"))).await.unwrap();
    }
    house.clock.advance(Duration::from_secs(10));
    assert_eq!(fields(house.say(nell, ("", "room 20")).await), ["text"], "too often today");
    let room = house.admin.waiting_room(&house.account(nell).await).await.unwrap();
    assert_eq!(room.workplace.unwrap().text.unwrap().as_str(), "room 19");
    house.later(24);
    house.say(nell, ("", "room 20")).await.unwrap();
}

#[tokio::test]
async fn a_property_is_told_to_its_own_managers_only() {
    let house = House::new().await;
    let (_, mail) = house.mail_of(house.say("nell@contoso.com", ("oak", ""))).await;
    assert_eq!(mail, told(&[("max@contoso.com", "somebody_waits")]));
}

#[tokio::test]
async fn no_more_than_ten_managers_are_told() {
    let house = House::new().await;
    for number in 0..12 {
        house.add(&format!("m{number}@contoso.com"), Role::Member, Some(("*", "manager"))).await;
    }
    let (_, mail) = house.mail_of(house.say("nell@contoso.com", ("oak", ""))).await;
    assert_eq!(mail.len(), 10);
    let mut recipients: Vec<_> = mail.iter().map(|(who, _)| EmailAddress::parse(who).unwrap()).collect();
    recipients.dedup();
    assert_eq!(recipients.len(), 10);
}

#[tokio::test]
async fn what_is_no_workplace_is_refused_and_told_to_nobody() {
    let house = House::new().await;
    house.admin.retire_property(&property("elm"), &Actor::command()).await.unwrap();
    for (what, wrong) in [
        (("", " "), vec!["property"]),
        (("tower", ""), vec!["property"]),
        (("elm", ""), vec!["property"]),
        (("", "two\nlines"), vec!["text"]),
        (("none", "\u{202e}x"), vec!["property", "text"]),
    ] {
        let (said, mail) = house.mail_of(house.say("nell@contoso.com", what)).await;
        assert_eq!((fields(said), mail), (wrong, Vec::new()), "{what:?}");
    }
    assert_eq!(super::code(house.say("vera@contoso.com", ("maple", "")).await), "not_waiting");
    let room = house.admin.waiting_room(&house.account("nell@contoso.com").await).await.unwrap();
    assert_eq!(room.workplace, None);
    let ids: Vec<_> = room.properties.iter().map(|property| property.id.as_str()).collect();
    assert_eq!(ids, ["maple", "oak"]);
}
