//! The import of many users and grants.

use anteroom::directory::{Grant, Membership};
use anteroom::id::UserId;
use anteroom::store::{
    Change, ImportProblem, ImportProblemKind, Imported, ImportedGrant, NewMessage, NewUser, Store,
    UserChange, UserFilter,
};
use serde_json::json;

use crate::store::conformance::{
    Backend, Watch, add, email, event, furnished, grant, new_user, organization_id, property_id, user_id,
};

/// A line that would make the user with an id made of the line's number.
fn line(line: u64, address: &str, grants: &[Grant]) -> ImportedGrant {
    ImportedGrant { user: NewUser { id: user_id(&format!("u_{line}")), ..new_user(address, grants) }, line }
}

async fn import(store: &dyn Store, lines: &[ImportedGrant]) -> Imported {
    let mail = vec![NewMessage {
        recipient: email("adele@contoso.com"),
        topic: "access".to_owned(),
        notice: json!({ "kind": "test" }),
        key: None,
    }];
    store.import(lines, event("users.imported"), mail).await.unwrap()
}

async fn state_and_grants(store: &dyn Store, id: &UserId) -> (Membership, Vec<Grant>) {
    let account = store.account(id).await.unwrap().unwrap();
    (account.user.state, account.grants)
}

pub(crate) async fn an_import_makes_users_and_grants_and_a_second_one_changes_nothing(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let lines = [
        line(2, "adele@contoso.com", &[grant("tower", "viewer")]),
        line(3, "adele@contoso.com", &[grant("lodge", "manager")]),
        line(4, "cleo@fabrikam.com", &[grant("mill", "viewer")]),
        line(5, "ben@contoso.com", &[]),
    ];
    let mut watch = Watch::begin(&*store).await;
    assert_eq!(import(&*store, &lines).await, Imported::Done { users_added: 3, grants_changed: 3 });
    let told = ["u_2", "u_4", "u_5"].map(|id| Change::User(user_id(id))).to_vec();
    assert_eq!(watch.since().await, (told, 1), "one line for each user, one event for all");
    assert_eq!(store.mail_waiting().await.unwrap(), 1);

    let (state, grants) = state_and_grants(&*store, &user_id("u_2")).await;
    assert_eq!(
        (state, grants),
        (Membership::Active, vec![grant("lodge", "manager"), grant("tower", "viewer")])
    );
    assert_eq!(state_and_grants(&*store, &user_id("u_5")).await, (Membership::Waiting, vec![]));
    assert_eq!(store.account(&user_id("u_2")).await.unwrap().unwrap().user.access_version, 1);
    assert_eq!(store.account(&user_id("u_3")).await.unwrap(), None);

    assert_eq!(import(&*store, &lines).await, Imported::Done { users_added: 0, grants_changed: 0 });
    assert_eq!(watch.since().await, (vec![], 0));
}

pub(crate) async fn an_import_with_bad_lines_changes_nothing_and_names_each(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let known = add(&*store, "known@fabrikam.com", &[]).await;
    let mut stolen = line(6, "known@fabrikam.com", &[grant("tower", "viewer")]);
    stolen.user.organization = organization_id("contoso");
    let lines = [
        line(2, "adele@contoso.com", &[grant("tower", "viewer")]),
        line(3, "adele@contoso.com", &[grant("mill", "viewer")]),
        line(4, "ben@nobody.com", &[grant("*", "viewer")]),
        line(5, "known@fabrikam.com", &[grant("mill", "viewer")]),
        stolen,
        line(7, "dan@contoso.com", &[grant("nowhere", "viewer")]),
    ];
    let mut watch = Watch::begin(&*store).await;
    let problems = [
        (3, ImportProblemKind::NoSuchProperty(property_id("mill"))),
        (4, ImportProblemKind::NoSuchOrganization),
        (6, ImportProblemKind::OtherOrganization(organization_id("fabrikam"))),
        (7, ImportProblemKind::NoSuchProperty(property_id("nowhere"))),
    ]
    .map(|(line, kind)| ImportProblem { line, kind });
    assert_eq!(import(&*store, &lines).await, Imported::Refused(problems.to_vec()));
    assert_eq!(watch.since().await, (vec![], 0));
    assert_eq!(store.accounts(&UserFilter::default()).await.unwrap().len(), 1);
    assert_eq!(state_and_grants(&*store, &known).await, (Membership::Waiting, vec![]));
}

pub(crate) async fn an_import_lets_waiting_users_in_and_leaves_disabled_ones_out(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let waiting = add(&*store, "ben@contoso.com", &[]).await;
    let disabled = add(&*store, "dan@contoso.com", &[]).await;
    store.change_user(&disabled, &UserChange::Disable, event("user.changed"), Vec::new()).await.unwrap();
    let grants = [grant("*", "viewer")];
    let lines = [line(2, "ben@contoso.com", &grants), line(3, "dan@contoso.com", &grants)];
    assert_eq!(import(&*store, &lines).await, Imported::Done { users_added: 0, grants_changed: 2 });
    assert_eq!(state_and_grants(&*store, &waiting).await.0, Membership::Active);
    assert_eq!(state_and_grants(&*store, &disabled).await, (Membership::Disabled, grants.to_vec()));
}
