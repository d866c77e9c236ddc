//! The Waiting Room: who waits, where they work, and who can help them.

use anteroom::directory::{Grant, Level, Membership, Workplace};
use anteroom::store::{Arrival, Change, Store, UserChange};

use crate::store::conformance::{
    Backend, Watch, add, arrival, event, furnished, grant, name, noon, organization_id, property_id,
    seconds_later, teller, user_id,
};

fn workplace(property: Option<&str>, text: Option<&str>) -> Workplace {
    Workplace { property: property.map(property_id), text: text.map(name), at: seconds_later(5) }
}

pub(crate) async fn where_somebody_works_is_kept_and_replaced(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    assert_eq!(store.workplace(&adele).await.unwrap(), None);
    let mut watch = Watch::begin(&*store).await;
    for said in [workplace(None, Some("the high one")), workplace(Some("tower"), None)] {
        store.say_workplace(&adele, &said, event("workplace.said"), vec![]).await.unwrap();
        assert_eq!(store.workplace(&adele).await.unwrap(), Some(said));
        assert_eq!(watch.since().await, (vec![Change::User(adele.clone())], 1));
    }
    let nobody = store.say_workplace(&user_id("u_x"), &workplace(None, None), event("x"), vec![]).await;
    assert!(nobody.is_err());
    assert_eq!(watch.since().await, (vec![], 0));
}

pub(crate) async fn who_has_signed_on_and_waits_is_listed_the_last_first(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    add(&*store, "active@contoso.com", &[grant("tower", "viewer")]).await;
    add(&*store, "cleo@fabrikam.com", &[]).await;
    let disabled = add(&*store, "dan@contoso.com", &[]).await;
    store.change_user(&disabled, &UserChange::Disable, event("user.disabled"), Vec::new()).await.unwrap();
    add(&*store, "ben@contoso.com", &[]).await;
    add(&*store, "invited@contoso.com", &[]).await;
    for (second, connection, address) in [
        (1, "contoso", "active@contoso.com"),
        (2, "contoso", "adele@contoso.com"),
        (3, "contoso", "dan@contoso.com"),
        (4, "fabrikam", "cleo@fabrikam.com"),
        (5, "contoso", "ben@contoso.com"),
    ] {
        let (key, _) = address.split_once('@').unwrap();
        let arrival = Arrival { at: seconds_later(second), ..arrival(connection, key, address) };
        store.admit(&arrival, teller()).await.unwrap();
    }
    let said = workplace(Some("lodge"), Some("or near it"));
    store.say_workplace(&adele, &said, event("workplace.said"), vec![]).await.unwrap();

    let contoso = organization_id("contoso");
    let waiting = store.waiting(&contoso, 10).await.unwrap();
    let seen: Vec<_> =
        waiting.iter().map(|(account, said)| (account.user.id.as_str(), said.clone())).collect();
    assert_eq!(seen, [("u_ben", None), ("u_adele", Some(said))]);
    assert_eq!(waiting[1].0, store.account(&adele).await.unwrap().unwrap());
    assert_eq!(store.waiting(&contoso, 1).await.unwrap().len(), 1);
}

async fn holders(store: &dyn Store, levels: &[&str], property: Option<&str>, limit: u32) -> Vec<String> {
    let levels: Vec<_> = levels.iter().map(|level| Level::from_store((*level).to_owned())).collect();
    let property = property.map(property_id);
    let contoso = organization_id("contoso");
    let accounts = store.holders(&contoso, &levels, property.as_ref(), noon(), limit).await.unwrap();
    accounts.into_iter().map(|account| account.user.id.as_str().to_owned()).collect()
}

pub(crate) async fn who_may_help_is_found_by_level_and_property(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let over = Grant { until: Some(noon()), ..grant("tower", "manager") };
    let still = Grant { until: Some(seconds_later(1)), ..grant("tower", "manager") };
    for (address, grants) in [
        ("all@contoso.com", vec![grant("*", "manager"), grant("lodge", "viewer")]),
        ("boss@contoso.com", vec![grant("tower", "administrator")]),
        ("lodge@contoso.com", vec![grant("lodge", "manager"), grant("tower", "viewer")]),
        ("over@contoso.com", vec![over]),
        ("still@contoso.com", vec![still]),
        ("viewer@contoso.com", vec![grant("*", "viewer")]),
        ("foreign@fabrikam.com", vec![grant("*", "manager")]),
        ("disabled@contoso.com", vec![grant("*", "manager")]),
    ] {
        add(&*store, address, &grants).await;
    }
    store
        .change_user(&user_id("u_disabled"), &UserChange::Disable, event("user.disabled"), Vec::new())
        .await
        .unwrap();
    let both = ["manager", "administrator"];
    assert_eq!(holders(&*store, &both, Some("tower"), 10).await, ["u_all", "u_boss", "u_still"]);
    assert_eq!(holders(&*store, &["manager"], Some("tower"), 10).await, ["u_all", "u_still"]);
    assert_eq!(holders(&*store, &both, None, 10).await, ["u_all", "u_boss", "u_lodge", "u_still"]);
    assert_eq!(holders(&*store, &both, None, 2).await, ["u_all", "u_boss"]);
    assert!(holders(&*store, &[], None, 10).await.is_empty());
    let contoso = organization_id("contoso");
    let levels = [Level::from_store("manager".to_owned())];
    let found = store.holders(&contoso, &levels, None, noon(), 1).await.unwrap();
    assert_eq!(found[0], store.account(&user_id("u_all")).await.unwrap().unwrap(), "with all grants");
}

pub(crate) async fn grants_lapse_on_time(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let until =
        |scope: &str, seconds| Grant { until: Some(seconds_later(seconds)), ..grant(scope, "viewer") };
    let adele = add(&*store, "adele@contoso.com", &[until("tower", 60)]).await;
    let ben =
        add(&*store, "ben@contoso.com", &[until("tower", 59), until("*", 60), until("lodge", 61)]).await;
    let dan = add(&*store, "dan@contoso.com", &[grant("tower", "viewer")]).await;
    let disabled = add(&*store, "eve@contoso.com", &[until("tower", 60)]).await;
    store.change_user(&disabled, &UserChange::Disable, event("user.disabled"), Vec::new()).await.unwrap();
    let mut watch = Watch::begin(&*store).await;
    assert_eq!(store.lapse_grants(seconds_later(58)).await.unwrap(), 0);
    assert_eq!(watch.since().await, (vec![], 0));

    assert_eq!(store.lapse_grants(seconds_later(60)).await.unwrap(), 3);
    let (changes, audited) = watch.since().await;
    let told = [&adele, &ben, &disabled].map(|user| Change::User(user.clone()));
    assert_eq!((changes.len(), audited), (3, 3));
    assert!(told.iter().all(|change| changes.contains(change)), "{changes:?}");
    for (user, state, version, left) in [
        (&adele, Membership::Waiting, 2, 0),
        (&ben, Membership::Active, 2, 1),
        (&dan, Membership::Active, 1, 1),
        (&disabled, Membership::Disabled, 3, 0),
    ] {
        let account = store.account(user).await.unwrap().unwrap();
        let seen = (account.user.state, account.user.access_version, account.grants.len());
        assert_eq!(seen, (state, version, left), "{user}");
    }
    let lapsed = store.audit_entries(3).await.unwrap();
    let of_ben = lapsed.iter().find(|entry| entry.subject.as_deref() == Some("ben@contoso.com")).unwrap();
    assert_eq!((of_ben.action.as_str(), of_ben.actor.as_str()), ("grant.lapsed", "anteroom"));
    assert_eq!(of_ben.details["before"]["grants"].as_array().unwrap().len(), 3);
    assert_eq!(of_ben.details["after"]["grants"].as_array().unwrap().len(), 1);
    assert_eq!(store.lapse_grants(seconds_later(60)).await.unwrap(), 0);
}
