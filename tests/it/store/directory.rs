//! Organizations, properties, and making and finding users.

use anteroom::directory::{Membership, Role};
use anteroom::store::{
    Change, NewMessage, NewUser, Outsiders, PropertiesAdded, UserAdded, UserChange, UserFilter,
};

use crate::store::conformance::{
    Backend, Watch, add, email, event, furnished, grant, name, new_user, noon, organization, organization_id,
    property, property_id, user_id,
};

pub(crate) async fn declared_organizations_are_kept_and_brought_up_to_date(backend: &dyn Backend) {
    let store = backend.open().await;
    let mut contoso = organization("contoso", &["contoso.com", "a.contoso.com"]);
    let alpha = organization("alpha", &[]);
    store
        .declare_organizations(&[contoso.clone(), alpha.clone()], event("organizations.declared"))
        .await
        .unwrap();
    assert_eq!(store.organizations().await.unwrap(), [alpha.clone(), contoso.clone()]);

    contoso.name = name("Contoso Residential");
    contoso.domains.reverse();
    contoso.domains.truncate(1);
    store
        .declare_organizations(std::slice::from_ref(&contoso), event("organizations.declared"))
        .await
        .unwrap();
    assert_eq!(store.organizations().await.unwrap(), [alpha, contoso], "the undeclared one stays");
    assert_eq!(store.change_head().await.unwrap().0, 2);
}

pub(crate) async fn declaring_what_is_known_changes_nothing(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    store
        .declare_organizations(&store.organizations().await.unwrap(), event("organizations.declared"))
        .await
        .unwrap();
    assert_eq!(watch.since().await, (vec![], 0));
    store
        .declare_organizations(&[organization("contoso", &[])], event("organizations.declared"))
        .await
        .unwrap();
    assert_eq!(watch.since().await, (vec![Change::Directory], 1));
}

pub(crate) async fn a_property_needs_its_organization_and_a_free_id(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    for (refused, why) in [
        (property("tower", "contoso"), "taken"),
        (property("mill", "contoso"), "taken by another organization"),
        (property("barn", "nobody"), "no such organization"),
    ] {
        assert!(!store.add_property(&refused, event("property.added")).await.unwrap(), "{why}");
    }
    assert_eq!(watch.since().await, (vec![], 0));
    assert!(store.add_property(&property("barn", "contoso"), event("property.added")).await.unwrap());
    assert_eq!(watch.since().await, (vec![Change::Directory], 1));

    let ids = |properties: Vec<anteroom::directory::Property>| {
        properties.into_iter().map(|property| property.id.as_str().to_owned()).collect::<Vec<_>>()
    };
    let contoso = store.properties(Some(&organization_id("contoso"))).await.unwrap();
    assert_eq!(ids(contoso), ["barn", "lodge", "tower"]);
    assert_eq!(ids(store.properties(None).await.unwrap()), ["barn", "lodge", "mill", "tower"]);
    assert!(store.properties(Some(&organization_id("nobody"))).await.unwrap().is_empty());
}

pub(crate) async fn properties_are_added_together_or_not_at_all(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let barn = || property("barn", "contoso");
    for (others, refusal) in [
        (
            [property("tower", "contoso"), property("mill", "fabrikam")],
            PropertiesAdded::IdTaken(property_id("tower")),
        ),
        (
            [property("shed", "contoso"), property("shed", "contoso")],
            PropertiesAdded::IdTaken(property_id("shed")),
        ),
        (
            [property("shed", "nobody"), property("mill", "fabrikam")],
            PropertiesAdded::NoSuchOrganization(organization_id("nobody")),
        ),
    ] {
        let [second, third] = others;
        let added = store.add_properties(&[barn(), second, third], event("properties.imported")).await;
        assert_eq!(added.unwrap(), refusal);
    }
    let none = store.add_properties(&[], event("properties.imported")).await;
    assert_eq!(none.unwrap(), PropertiesAdded::Added);
    assert_eq!(watch.since().await, (vec![], 0));
    assert_eq!(store.properties(None).await.unwrap().len(), 3);

    let two = [barn(), property("shed", "fabrikam")];
    let added = store.add_properties(&two, event("properties.imported")).await;
    assert_eq!(added.unwrap(), PropertiesAdded::Added);
    assert_eq!(watch.since().await, (vec![Change::Directory], 1));
    assert_eq!(store.properties(None).await.unwrap().len(), 5);
}

pub(crate) async fn a_new_user_waits_without_grants_and_is_active_with_one(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let adele = NewUser {
        name: Some(name("Adele Vance")),
        role: Role::Support,
        ..new_user("adele@contoso.com", &[grant("tower", "viewer"), grant("*", "manager")])
    };
    assert_eq!(store.add_user(&adele, event("user.added"), Vec::new()).await.unwrap(), UserAdded::Added);
    assert_eq!(watch.since().await, (vec![Change::User(adele.id.clone())], 1));

    let account = store.account(&adele.id).await.unwrap().unwrap();
    assert_eq!(account.user.state, Membership::Active);
    assert_eq!(account.grants, [grant("*", "manager"), grant("tower", "viewer")]);
    assert_eq!((account.user.access_version, account.user.created_at), (1, noon()));
    assert_eq!((account.user.name.clone(), account.user.role), (adele.name, Role::Support));
    assert_eq!((account.user.subject.clone(), account.user.last_sign_on_at), (None, None));
    assert_eq!(store.account_by_email(&adele.email).await.unwrap(), Some(account));

    let ben = add(&*store, "ben@contoso.com", &[]).await;
    assert_eq!(store.account(&ben).await.unwrap().unwrap().user.state, Membership::Waiting);
    assert_eq!(store.account(&user_id("u_nobody")).await.unwrap(), None);
    assert_eq!(store.account_by_email(&email("nobody@contoso.com")).await.unwrap(), None);
}

pub(crate) async fn a_user_who_cannot_be_made_leaves_no_trace(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[]).await;
    let mut watch = Watch::begin(&*store).await;
    let taken = NewUser { id: user_id("u_other"), ..new_user("adele@contoso.com", &[]) };
    let foreign = new_user("ben@contoso.com", &[grant("tower", "viewer"), grant("mill", "viewer")]);
    let missing = new_user("ben@contoso.com", &[grant("nowhere", "viewer")]);
    let homeless = new_user("ben@nobody.com", &[]);
    for (user, refusal) in [
        (taken, UserAdded::EmailTaken),
        (foreign, UserAdded::NoSuchProperty(property_id("mill"))),
        (missing, UserAdded::NoSuchProperty(property_id("nowhere"))),
        (homeless, UserAdded::NoSuchOrganization),
    ] {
        assert_eq!(store.add_user(&user, event("user.added"), Vec::new()).await.unwrap(), refusal);
        assert_eq!(store.account(&user.id).await.unwrap(), None);
    }
    assert_eq!(watch.since().await, (vec![], 0));
}

pub(crate) async fn users_are_listed_by_filter_and_page_by_page(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let grants = [grant("*", "viewer"), grant("tower", "manager")];
    add(&*store, "dan@contoso.com", &grants).await;
    add(&*store, "adele@contoso.com", &grants).await;
    add(&*store, "ben@contoso.com", &[]).await;
    add(&*store, "cleo@fabrikam.com", &[]).await;

    let all = UserFilter::default();
    let contoso = UserFilter { organization: Some(organization_id("contoso")), ..all.clone() };
    let waiting = UserFilter { state: Some(Membership::Waiting), ..all.clone() };
    let both = UserFilter { state: Some(Membership::Waiting), ..contoso.clone() };
    let first = UserFilter { limit: 2, ..all.clone() };
    let second = UserFilter { after: Some(email("ben@contoso.com")), limit: 2, ..all.clone() };
    for (filter, expected) in [
        (all, &["adele", "ben", "cleo", "dan"][..]),
        (contoso, &["adele", "ben", "dan"]),
        (waiting, &["ben", "cleo"]),
        (both, &["ben"]),
        (first, &["adele", "ben"]),
        (second, &["cleo", "dan"]),
    ] {
        let accounts = store.accounts(&filter).await.unwrap();
        let found: Vec<_> =
            accounts.iter().map(|account| account.user.email.as_str().split('@').next().unwrap()).collect();
        assert_eq!(found, expected, "{filter:?}");
        for account in &accounts {
            assert_eq!(Some(account), store.account(&account.user.id).await.unwrap().as_ref());
        }
    }
}

pub(crate) async fn users_are_found_by_role_and_by_all_words(backend: &dyn Backend) {
    let store = furnished(backend).await;
    for (address, person, role) in [
        ("adele@contoso.com", Some("Adele VÄNCE"), Role::Support),
        ("ben_1@contoso.com", Some("Ben 100% Sure"), Role::Member),
        ("cleo@fabrikam.com", None, Role::Support),
    ] {
        let user = NewUser { name: person.map(name), role, ..new_user(address, &[]) };
        assert_eq!(store.add_user(&user, event("user.added"), Vec::new()).await.unwrap(), UserAdded::Added);
    }
    let all = UserFilter::default();
    let text = |text: &str| UserFilter { text: Some(text.to_owned()), ..UserFilter::default() };
    for (filter, expected) in [
        (UserFilter { role: Some(Role::Support), ..all.clone() }, &["adele", "cleo"][..]),
        (UserFilter { role: Some(Role::Member), ..all.clone() }, &["ben_1"]),
        (text("VÄNCE Adele"), &["adele"]),
        (text("@CONTOSO"), &["adele", "ben_1"]),
        (text("contoso vänce sure"), &[]),
        (text("n_1"), &["ben_1"]),
        (text("e_e"), &[]),
        (text("%"), &["ben_1"]),
        (text(" "), &["adele", "ben_1", "cleo"]),
        (UserFilter { role: Some(Role::Support), ..text("contoso") }, &["adele"]),
    ] {
        let accounts = store.accounts(&filter).await.unwrap();
        let found: Vec<_> =
            accounts.iter().map(|account| account.user.email.as_str().split('@').next().unwrap()).collect();
        assert_eq!(found, expected, "{filter:?}");
    }
}

pub(crate) async fn users_outside_the_domains_are_counted(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    add(&*store, "ben@contoso.co.uk", &[]).await;
    add(&*store, "eve@fabrikam.com", &[]).await;
    let contoso = organization_id("contoso");
    assert_eq!(store.outsiders(&contoso, 5).await.unwrap(), Outsiders::default());
    let moved = [organization("contoso", &["contoso.org"]), organization("fabrikam", &["fabrikam.com"])];
    store.declare_organizations(&moved, event("organizations.declared")).await.unwrap();
    let outsiders =
        |count, first: &[&str]| Outsiders { count, first: first.iter().map(|one| email(one)).collect() };
    let both = outsiders(2, &["adele@contoso.com", "ben@contoso.co.uk"]);
    assert_eq!(store.outsiders(&contoso, 5).await.unwrap(), both);
    assert_eq!(store.outsiders(&contoso, 1).await.unwrap(), outsiders(2, &["adele@contoso.com"]));
    store.change_user(&adele, &UserChange::Disable, event("user.changed"), Vec::new()).await.unwrap();
    assert_eq!(store.outsiders(&contoso, 5).await.unwrap(), outsiders(1, &["ben@contoso.co.uk"]));
}

pub(crate) async fn who_is_added_is_told_only_if_it_was_done(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let message = || NewMessage {
        recipient: email("adele@contoso.com"),
        topic: "access".to_owned(),
        notice: serde_json::json!({}),
        key: None,
    };
    let adele = new_user("adele@contoso.com", &[grant("tower", "viewer")]);
    let again = NewUser { id: user_id("u_other"), ..adele.clone() };
    for (user, outcome) in [(adele, UserAdded::Added), (again, UserAdded::EmailTaken)] {
        let added = store.add_user(&user, event("user.added"), vec![message()]).await.unwrap();
        assert_eq!((added, store.mail_waiting().await.unwrap()), (outcome, 1));
    }
}
