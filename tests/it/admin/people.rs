//! Users: lists, everything on one page, conflicts of subjects, and who hears of a direct grant.

use std::sync::Arc;

use anteroom::admin::{Actor, ImportMail};
use anteroom::clock::Clock as _;
use anteroom::directory::{Role, Subject};
use anteroom::id::{ConnectionId, UserId};
use anteroom::store::{Admission, Arrival, AuditEvent, UserFilter};

use super::{House, code, email, told};

impl House {
    /// Somebody signs on at Contoso's provider with that key and address.
    pub(super) async fn sign_on(&self, key: &str, address: &str, reference: &str) -> Admission {
        let arrival = Arrival {
            subject: Subject { connection: ConnectionId::parse("contoso").unwrap(), key: key.to_owned() },
            email: email(address),
            name: None,
            organization: super::organization("contoso"),
            new_user: None,
            at: self.clock.now(),
        };
        let event = AuditEvent {
            subject: Some(address.to_owned()),
            reference: Some(reference.to_owned()),
            ..AuditEvent::of_anteroom(self.clock.now(), "sign_on.refused")
        };
        self.store.admit(&arrival, Arc::new(move |_| event.clone())).await.unwrap()
    }
}

#[tokio::test]
async fn only_who_has_waited_is_told_of_a_direct_grant() {
    let house = House::new().await;
    let (_, mail) = house.mail_of(house.grant("nell@contoso.com", "maple", "viewer")).await;
    assert_eq!(mail, told(&[("nell@contoso.com", "access_granted")]));
    let (_, mail) = house.mail_of(house.grant("nell@contoso.com", "oak", "viewer")).await;
    assert_eq!(mail, []);
    house.admin.disable(&email("vera@contoso.com"), &Actor::command()).await.unwrap();
    let (_, mail) = house.mail_of(house.grant("vera@contoso.com", "oak", "viewer")).await;
    assert_eq!(mail, []);
    let (refused, mail) = house
        .mail_of(house.admin.grant(
            &email("nell@contoso.com"),
            super::to_make("tower", "viewer"),
            &Actor::command(),
        ))
        .await;
    assert_eq!((code(refused), mail), ("no_such_property", Vec::new()));
}

#[tokio::test]
async fn who_is_added_with_a_grant_is_told_once() {
    let house = House::new().await;
    let (_, mail) = house.mail_of(house.add("a@contoso.com", Role::Member, Some(("maple", "viewer")))).await;
    assert_eq!(mail, told(&[("a@contoso.com", "access_granted")]));
    let message = house.admin.messages(true).await.unwrap().remove(0);
    assert_eq!(message.notice["access"][0]["property"], "maple Court");
    let (_, mail) = house.mail_of(house.grant("a@contoso.com", "oak", "viewer")).await;
    assert_eq!(mail, [], "who has access already is not told of more");
    let (_, mail) = house.mail_of(house.add("b@contoso.com", Role::Member, None)).await;
    assert_eq!(mail, [], "there is nothing to tell yet");
    let taken = anteroom::admin::UserToAdd {
        email: email("a@contoso.com"),
        name: None,
        organization: super::organization("contoso"),
        role: Role::Member,
        grant: Some(super::to_make("maple", "viewer")),
    };
    let (refused, mail) = house.mail_of(house.admin.add_user(taken, &Actor::command())).await;
    assert_eq!((code(refused), mail), ("email_taken", Vec::new()));
}

#[tokio::test]
async fn users_are_listed_page_by_page_and_found_by_words() {
    let house = House::new().await;
    let mut filter = UserFilter { limit: 3, ..UserFilter::default() };
    let mut seen = Vec::new();
    loop {
        let list = house.admin.user_list(&filter).await.unwrap();
        assert!(list.accounts.len() <= 3);
        seen.extend(list.accounts.into_iter().map(|account| account.user.email.to_string()));
        let Some(next) = list.next else { break };
        filter.after = Some(next);
    }
    assert_eq!(seen.len(), 7);
    assert!(seen.is_sorted());
    let find = |text: &str| UserFilter { text: Some(text.to_owned()), ..UserFilter::default() };
    let found = house.admin.user_list(&find("FABRIKAM frank")).await.unwrap();
    assert_eq!((found.accounts.len(), found.next), (1, None));
}

#[tokio::test]
async fn a_users_page_has_requests_conflicts_and_the_own_sign_ons_only() {
    let house = House::new().await;
    house.sign_on("first", "nell@contoso.com", "R1").await;
    house.sign_on("second", "nell@contoso.com", "R2").await;
    house.add("anell@contoso.com", Role::Member, None).await;
    house.sign_on("third", "anell@contoso.com", "R3").await;
    let request = house.file("mia@contoso.com", "maple", "nell@contoso.com").await;
    let nell = house.account("nell@contoso.com").await;
    let page = house.admin.user_page(&nell.user.id).await.unwrap();
    assert_eq!(page.organization.organization.id, nell.user.organization);
    assert_eq!(page.properties.len(), 3);
    assert_eq!(page.requests.iter().map(|request| &request.id).collect::<Vec<_>>(), [&request.id]);
    let references: Vec<_> =
        page.person.sign_ons.iter().filter_map(|entry| entry.reference.as_deref()).collect();
    assert_eq!(references, ["R2", "R1"]);
    assert_eq!(page.person.conflicts.iter().map(|c| c.reference.as_str()).collect::<Vec<_>>(), ["R2"]);
    assert_eq!(code(house.admin.user_page(&UserId::parse("u_none").unwrap()).await), "no_such_user");
}

#[tokio::test]
async fn a_conflict_is_settled_by_binding_or_dismissing_it_once() {
    let house = House::new().await;
    let (sue, nell) = (house.actor("sue@contoso.com").await, email("nell@contoso.com"));
    house.sign_on("first", "nell@contoso.com", "R1").await;
    assert!(matches!(house.sign_on("second", "nell@contoso.com", "R2").await, Admission::Conflict { .. }));
    house.admin.dismiss_conflict("R2", &sue).await.unwrap();
    assert_eq!(code(house.admin.dismiss_conflict("R2", &sue).await), "no_such_conflict");
    assert_eq!(code(house.admin.bind_conflict("R2", &sue).await), "no_such_conflict");
    assert_eq!(house.event("user.conflict_dismissed").await["subject"], nell.as_str());

    house.sign_on("third", "nell@contoso.com", "R3").await;
    let bound = house.admin.bind_conflict("R3", &sue).await.unwrap().value;
    assert_eq!(bound.user.subject.unwrap().key, "third");
    assert!(house.admin.conflicts().await.unwrap().is_empty());
    let event = house.event("user.bound").await;
    assert_eq!((&event["details"]["conflict"], &event["actor"]), (&"R3".into(), &"sue@contoso.com".into()));
    assert!(matches!(house.sign_on("third", "nell@contoso.com", "R4").await, Admission::Known(_)));
}

#[tokio::test]
async fn who_is_let_in_by_an_import_is_told_once() {
    let house = House::new().await;
    house.sign_on("nell", "nell@contoso.com", "R1").await;
    house.add("invited@contoso.com", Role::Member, None).await;
    let table = b"email,name,organization,level,property\n\
        nell@contoso.com,,contoso,viewer,maple\nnell@contoso.com,,contoso,viewer,oak\n\
        nell@contoso.com,,contoso,viewer,oak\ninvited@contoso.com,,contoso,viewer,oak\n\
        vera@contoso.com,,contoso,viewer,oak\nnew@contoso.com,,contoso,viewer,oak\n";
    let (imported, mail) =
        house.mail_of(house.admin.import_users(table, ImportMail::Tell, &Actor::command())).await;
    assert_eq!(imported.unwrap().grants_changed, 5);
    let mut told_people = told(&["invited", "nell", "new"].map(|name| (name, "access_granted")));
    for (recipient, _) in &mut told_people {
        recipient.push_str("@contoso.com");
    }
    let mut mail = mail;
    mail.sort();
    assert_eq!(mail, told_people, "not vera, who has access already");
    let messages = house.admin.messages(true).await.unwrap();
    let of_nell = |message: &&anteroom::store::Message| message.recipient.as_str() == "nell@contoso.com";
    let message = messages.iter().find(of_nell).unwrap();
    assert_eq!(message.notice["access"].as_array().unwrap().len(), 2);
    assert_eq!(message.notice["access"][1]["property"], "oak Court");
}

#[tokio::test]
async fn an_import_can_be_silent() {
    let house = House::new().await;
    let table = b"email,name,organization,level,property\nnew@contoso.com,,contoso,viewer,oak\n";
    let command = Actor::command();
    let import = house.admin.import_users(table, ImportMail::Silent, &command);
    let (imported, mail) = house.mail_of(import).await;
    assert_eq!((imported.unwrap().users_added, mail), (1, Vec::new()));
    assert_eq!(house.account("new@contoso.com").await.grants.len(), 1);
}

#[tokio::test]
async fn an_unbound_user_is_bound_by_the_next_sign_on() {
    let house = House::new().await;
    let nell = email("nell@contoso.com");
    assert!(!house.admin.unbind(&nell, &Actor::command()).await.unwrap().changed);
    house.sign_on("first", "nell@contoso.com", "R1").await;
    assert!(house.admin.unbind(&nell, &Actor::command()).await.unwrap().changed);
    assert!(matches!(house.sign_on("second", "nell@contoso.com", "R2").await, Admission::Bound(_)));
}

#[tokio::test]
async fn a_retired_property_is_granted_to_nobody_until_it_is_restored() {
    let house = House::new().await;
    let (maple, command) = (super::property("maple"), Actor::command());
    let retired = house.admin.retire_property(&maple, &command).await.unwrap();
    assert!(retired.changed && retired.value.retired_at.is_some());
    assert!(!house.admin.retire_property(&maple, &command).await.unwrap().changed);
    assert!(house.account("vera@contoso.com").await.grants.is_empty());
    let grant = || super::to_make("maple", "viewer");
    let granted = house.admin.grant(&email("vera@contoso.com"), grant(), &command).await;
    assert_eq!(code(granted), "property_retired");
    assert!(house.admin.restore_property(&maple, &command).await.unwrap().changed);
    house.admin.grant(&email("vera@contoso.com"), grant(), &command).await.unwrap();
    let renamed = house.admin.rename_property(&maple, " Maple House ", &command).await.unwrap();
    assert_eq!(renamed.value.name.as_str(), "Maple House");
    let unknown = super::property("none");
    assert_eq!(code(house.admin.retire_property(&unknown, &command).await), "no_such_property");
    assert_eq!(super::fields(house.admin.rename_property(&maple, "", &command).await), ["name"]);
}
