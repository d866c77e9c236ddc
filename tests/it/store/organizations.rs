//! Organizations at run time, properties, and trials of connections.

use anteroom::directory::{ConnectionOptions, Few, Grant, Membership, Organization, Role};
use anteroom::email::EmailDomain;
use anteroom::id::OrganizationId;
use anteroom::saml::NameIdFormat;
use anteroom::store::{
    Change, ConnectionTest, DeclaredMetadata, ExpiryWarning, ImportProblem, ImportProblemKind, Imported,
    ImportedGrant, MetadataClaim, MetadataFetched, MetadataKept, NewUser, Occasion, OrganizationChange,
    OrganizationChanged, OrganizationRecord, Origin, PropertyChange, Rival, Store, StoredConnection,
    UserAdded, UserChange, UserChanged, Validators,
};
use serde_json::json;

use crate::idp::{Idp, SigningKey};
use crate::store::conformance::{
    Backend, Watch, add, connection_id, event, furnished, grant, name, new_user, noon, organization,
    organization_id, property, property_id, seconds_later, session, user_id,
};

fn tailspin() -> Organization {
    organization("tailspin", &["tailspin.com"])
}

fn connection(metadata: &str) -> StoredConnection {
    StoredConnection::uploaded(connection_id("tailspin"), metadata.to_owned(), seconds_later(-60))
}

fn create() -> OrganizationChange {
    OrganizationChange::Create { organization: tailspin(), connection: connection("<a/>") }
}

async fn change(store: &dyn Store, change: &OrganizationChange) -> OrganizationChanged {
    store.change_organization(change, event("organization.changed")).await.unwrap()
}

async fn record(store: &dyn Store, id: &str) -> Option<OrganizationRecord> {
    let records = store.organization_records().await.unwrap();
    records.into_iter().find(|record| record.organization.id.as_str() == id)
}

pub(crate) async fn an_organization_is_created_changed_and_removed(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let id = organization_id("tailspin");
    let domains = vec![EmailDomain::parse("tailspin.org").unwrap(), EmailDomain::parse("a.de").unwrap()];
    for step in [
        create(),
        OrganizationChange::Rename(id.clone(), name("Tailspin Toys")),
        OrganizationChange::Domains(id.clone(), domains.clone()),
        OrganizationChange::Metadata(id.clone(), "<b/>".to_owned().into()),
    ] {
        assert_eq!(change(&*store, &step).await, OrganizationChanged::Changed, "{step:?}");
        assert_eq!(watch.since().await, (vec![Change::Directory], 1), "{step:?}");
    }
    store.close().await;
    let store = backend.open().await;
    let kept = OrganizationRecord {
        organization: Organization { id: id.clone(), name: name("Tailspin Toys"), domains: domains.clone() },
        origin: Origin::Created,
        paused_at: None,
        connection: Some(StoredConnection { changed_at: noon(), ..connection("<b/>") }),
    };
    assert_eq!(record(&*store, "tailspin").await, Some(kept.clone()));
    assert!(store.organizations().await.unwrap().contains(&kept.organization));
    let entry = store.audit_entries(2).await.unwrap().remove(1);
    assert_eq!(entry.details["before"]["domains"], json!(["tailspin.com"]));
    assert_eq!(entry.details["after"]["domains"], json!(["tailspin.org", "a.de"]));

    let mut watch = Watch::begin(&*store).await;
    for same in [
        OrganizationChange::Rename(id.clone(), name("Tailspin Toys")),
        OrganizationChange::Domains(id.clone(), domains),
        OrganizationChange::Metadata(id.clone(), "<b/>".to_owned().into()),
        OrganizationChange::Resume(id.clone()),
    ] {
        assert_eq!(change(&*store, &same).await, OrganizationChanged::Unchanged, "{same:?}");
    }
    assert_eq!(watch.since().await, (vec![], 0));

    assert!(store.add_property(&property("hangar", "tailspin"), event("property.added")).await.unwrap());
    let user = new_user("tina@tailspin.com", &[]);
    assert_eq!(store.add_user(&user, event("user.added"), Vec::new()).await.unwrap(), UserAdded::Added);
    let remove = OrganizationChange::Remove(id);
    assert_eq!(change(&*store, &remove).await, OrganizationChanged::HasUsers(1));
    assert_eq!(record(&*store, "tailspin").await, Some(kept));
}

fn options() -> ConnectionOptions {
    ConnectionOptions {
        force_authn: true,
        email_attributes: Few::parse(["mail", "Mail"]).unwrap(),
        ..ConnectionOptions::default()
    }
}

pub(crate) async fn options_of_a_connection_are_kept_also_with_new_metadata(backend: &dyn Backend) {
    let store = furnished(backend).await;
    change(&*store, &create()).await;
    let mut watch = Watch::begin(&*store).await;
    let id = organization_id("tailspin");
    let set = OrganizationChange::Options(id.clone(), options());
    assert_eq!(change(&*store, &set).await, OrganizationChanged::Changed);
    assert_eq!(watch.since().await, (vec![Change::Directory], 1));
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    assert_eq!(entry.details["before"]["options"], json!({}));
    let after = json!({ "force_authn": true, "email_attributes": ["mail", "Mail"] });
    assert_eq!(entry.details["after"]["options"], after);
    // However long they are, the log tells all of them, before and after.
    let long = |letter: &str| {
        let texts: Vec<_> = (0..3).map(|number| format!("\\{letter}{number}").repeat(47)).collect();
        let classes = texts.iter().map(|text| format!("urn:{text}"));
        OrganizationChange::Options(
            id.clone(),
            ConnectionOptions {
                authn_context: Few::parse(classes).unwrap(),
                name_id_format: Some(NameIdFormat::EmailAddress),
                email_attributes: Few::parse(&texts).unwrap(),
                name_attributes: Few::parse(&texts).unwrap(),
                accept_expired_certificate: true,
                ..options()
            },
        )
    };
    for letter in ["a", "b"] {
        assert_eq!(change(&*store, &long(letter)).await, OrganizationChanged::Changed);
        watch.since().await;
    }
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    for (side, first) in [("before", "\\a0"), ("after", "\\b0")] {
        let told = entry.details[side]["options"]["email_attributes"][0].as_str();
        assert!(told.is_some_and(|told| told.starts_with(first)), "{}", entry.details);
    }
    change(&*store, &set).await;
    watch.since().await;
    assert_eq!(change(&*store, &set).await, OrganizationChanged::Unchanged);
    assert_eq!(watch.since().await, (vec![], 0));

    let metadata = OrganizationChange::Metadata(id.clone(), "<b/>".to_owned().into());
    assert_eq!(change(&*store, &metadata).await, OrganizationChanged::Changed);
    store.close().await;
    let store = backend.open().await;
    let connection = record(&*store, "tailspin").await.unwrap().connection.unwrap();
    assert_eq!((connection.metadata.as_str(), connection.options), ("<b/>", options()));
    let none = OrganizationChange::Options(id, ConnectionOptions::default());
    assert_eq!(change(&*store, &none).await, OrganizationChanged::Changed);
    let connection = record(&*store, "tailspin").await.unwrap().connection.unwrap();
    assert!(connection.options.is_default());
}

pub(crate) async fn an_organization_without_users_goes_with_its_properties(backend: &dyn Backend) {
    let store = furnished(backend).await;
    change(&*store, &create()).await;
    assert!(store.add_property(&property("hangar", "tailspin"), event("property.added")).await.unwrap());
    let remove = OrganizationChange::Remove(organization_id("tailspin"));
    assert_eq!(change(&*store, &remove).await, OrganizationChanged::Changed);
    assert_eq!(record(&*store, "tailspin").await, None);
    assert!(store.properties(Some(&organization_id("tailspin"))).await.unwrap().is_empty());
    assert_eq!(change(&*store, &remove).await, OrganizationChanged::NoSuchOrganization);
    assert_eq!(change(&*store, &create()).await, OrganizationChanged::Changed, "the ids are free again");
}

pub(crate) async fn what_the_file_declares_is_not_changed_and_ids_are_not_taken_twice(backend: &dyn Backend) {
    let store = furnished(backend).await;
    change(&*store, &create()).await;
    let mut watch = Watch::begin(&*store).await;
    let contoso = organization_id("contoso");
    let nobody = organization_id("nobody");
    let domains = vec![EmailDomain::parse("evil.com").unwrap()];
    let other = organization("other", &[]);
    let stolen = |id: &str| OrganizationChange::Create {
        organization: other.clone(),
        connection: StoredConnection { id: connection_id(id), ..connection("<c/>") },
    };
    let twice = OrganizationChange::Create {
        organization: organization("contoso", &[]),
        connection: StoredConnection { id: connection_id("new"), ..connection("<c/>") },
    };
    for (step, outcome) in [
        (OrganizationChange::Rename(contoso.clone(), name("X")), OrganizationChanged::Declared),
        (OrganizationChange::Domains(contoso.clone(), domains), OrganizationChanged::Declared),
        (
            OrganizationChange::Metadata(contoso.clone(), "<x/>".to_owned().into()),
            OrganizationChanged::Declared,
        ),
        (OrganizationChange::Options(contoso.clone(), options()), OrganizationChanged::Declared),
        (OrganizationChange::Remove(contoso), OrganizationChanged::Declared),
        (OrganizationChange::Pause(nobody), OrganizationChanged::NoSuchOrganization),
        (create(), OrganizationChanged::IdTaken),
        (twice, OrganizationChanged::IdTaken),
        (stolen("tailspin"), OrganizationChanged::IdTaken),
        (stolen("contoso"), OrganizationChanged::IdTaken),
    ] {
        assert_eq!(change(&*store, &step).await, outcome, "{step:?}");
    }
    assert_eq!(watch.since().await, (vec![], 0));
    assert_eq!(record(&*store, "other").await, None);
}

pub(crate) async fn a_pause_ends_the_sessions_of_the_organization(backend: &dyn Backend) {
    let store = furnished(backend).await;
    add(&*store, "adele@contoso.com", &[grant("*", "viewer")]).await;
    add(&*store, "cleo@fabrikam.com", &[]).await;
    for (number, user) in [(1, "u_adele"), (2, "u_adele"), (3, "u_cleo")] {
        store.begin_session(&session(number, user), event("session.begun")).await.unwrap();
    }
    let mut watch = Watch::begin(&*store).await;
    let pause = OrganizationChange::Pause(organization_id("contoso"));
    assert_eq!(change(&*store, &pause).await, OrganizationChanged::Changed, "also of a declared one");
    assert_eq!(watch.since().await, (vec![Change::User(user_id("u_adele")), Change::Directory], 1));
    assert_eq!(record(&*store, "contoso").await.unwrap().paused_at, Some(noon()));
    let left = store.sessions(None, 10).await.unwrap();
    assert_eq!(left.iter().map(|view| view.account.user.id.as_str()).collect::<Vec<_>>(), ["u_cleo"]);
    assert_eq!(change(&*store, &pause).await, OrganizationChanged::Unchanged);

    // A sign-on that was on its way does not outlive it.
    assert!(!store.begin_session(&session(4, "u_adele"), event("session.begun")).await.unwrap());
    assert!(store.begin_session(&session(5, "u_cleo"), event("session.begun")).await.unwrap());
    assert_eq!(store.sessions(None, 10).await.unwrap().len(), 2);

    let resume = OrganizationChange::Resume(organization_id("contoso"));
    assert_eq!(change(&*store, &resume).await, OrganizationChanged::Changed);
    assert_eq!(record(&*store, "contoso").await.unwrap().paused_at, None);
    assert!(store.begin_session(&session(4, "u_adele"), event("session.begun")).await.unwrap());
}

pub(crate) async fn a_pause_can_keep_somebody_to_work_the_console(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut ids = Vec::new();
    for address in ["sue@contoso.com", "tom@fabrikam.com", "uma@fabrikam.com"] {
        let user = NewUser { role: Role::Support, ..new_user(address, &[]) };
        store.add_user(&user, event("user.added"), Vec::new()).await.unwrap();
        ids.push(user.id);
    }
    let [sue, tom, uma] = ids.as_slice() else { panic!("three") };
    let (contoso, fabrikam) = (organization_id("contoso"), organization_id("fabrikam"));
    let keeping = |id: &OrganizationId| OrganizationChange::PauseKeepingSupport(id.clone());
    assert_eq!(change(&*store, &keeping(&fabrikam)).await, OrganizationChanged::Changed, "Sue is left");
    let mut watch = Watch::begin(&*store).await;
    assert_eq!(change(&*store, &keeping(&contoso)).await, OrganizationChanged::LastSupport);
    assert_eq!(change(&*store, &keeping(&fabrikam)).await, OrganizationChanged::Unchanged);
    let disable = async |user| {
        let told = event("user.disabled");
        store.change_user(user, &UserChange::Disable, told, Vec::new()).await.unwrap()
    };
    assert_eq!(disable(sue).await, UserChanged::LastSupport, "the others cannot sign on");
    assert_eq!(watch.since().await, (vec![], 0));

    // In an organization that is paused nobody works the console now, but somebody will have to.
    assert_eq!(disable(tom).await, UserChanged::Changed);
    let pause = OrganizationChange::Pause(contoso.clone());
    assert_eq!(
        change(&*store, &pause).await,
        OrganizationChanged::Changed,
        "whatever becomes of the console"
    );
    change(&*store, &OrganizationChange::Resume(fabrikam)).await;
    assert_eq!(disable(uma).await, UserChanged::LastSupport);
    assert_eq!(disable(sue).await, UserChanged::Changed);
}

pub(crate) async fn users_are_counted_by_organization_and_property(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let lapsing = Grant { until: Some(seconds_later(60)), ..grant("tower", "manager") };
    add(&*store, "adele@contoso.com", &[grant("tower", "viewer"), grant("*", "viewer")]).await;
    add(&*store, "bob@contoso.com", &[lapsing]).await;
    add(&*store, "cleo@fabrikam.com", &[]).await;
    let users = store.user_counts().await.unwrap();
    assert_eq!(users.get(&organization_id("contoso")), Some(&2));
    assert_eq!(users.get(&organization_id("fabrikam")), Some(&1));
    for (now, at_tower) in [(noon(), 2), (seconds_later(60), 1)] {
        let grants = store.grant_counts(&organization_id("contoso"), now).await.unwrap();
        assert_eq!(grants.into_iter().collect::<Vec<_>>(), [(property_id("tower"), at_tower)]);
    }
}

pub(crate) async fn declaring_and_no_longer_declaring_changes_the_origin(backend: &dyn Backend) {
    let store = furnished(backend).await;
    change(&*store, &create()).await;
    let adele = add(&*store, "adele@contoso.com", &[]).await;
    let mut watch = Watch::begin(&*store).await;
    let fabrikam = organization("fabrikam", &["fabrikam.org"]);
    let newcomer = organization("newcomer", &[]);
    let declared = [fabrikam.clone(), tailspin(), newcomer.clone()];
    store.declare_organizations(&declared, event("organizations.declared")).await.unwrap();
    assert_eq!(watch.since().await, (vec![Change::Directory], 1));
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    let details = json!({
        "added": ["newcomer"], "changed": ["fabrikam"], "adopted": ["tailspin"], "released": ["contoso"],
    });
    assert_eq!(entry.details, details);

    let adopted = record(&*store, "tailspin").await.unwrap();
    assert_eq!((adopted.origin, adopted.connection), (Origin::Declared, None));
    let released = record(&*store, "contoso").await.unwrap();
    assert_eq!((released.origin, released.connection), (Origin::Created, None));
    assert!(store.account(&adele).await.unwrap().is_some());
    store.declare_organizations(&declared, event("organizations.declared")).await.unwrap();
    assert_eq!(watch.since().await, (vec![], 0));

    let nowhere = OrganizationChange::Options(organization_id("contoso"), options());
    assert_eq!(change(&*store, &nowhere).await, OrganizationChanged::NoProvider);
    assert_eq!(watch.since().await, (vec![], 0));

    // What the file has let go can be changed at run time; its people are known through the connection of its id.
    let metadata = OrganizationChange::Metadata(organization_id("contoso"), "<c/>".to_owned().into());
    assert_eq!(change(&*store, &metadata).await, OrganizationChanged::Changed);
    let connection = record(&*store, "contoso").await.unwrap().connection.unwrap();
    assert_eq!((connection.id, connection.metadata.as_str()), (connection_id("contoso"), "<c/>"));
}

fn fetched_from(url: &str) -> DeclaredMetadata {
    DeclaredMetadata {
        organization: organization_id("contoso"),
        url: url.parse().expect("a URL"),
        entity_id: None,
        options: ConnectionOptions::default(),
    }
}

async fn declare_metadata(store: &dyn Store, declared: &[DeclaredMetadata]) {
    store.declare_metadata(declared, event("organizations.metadata_declared")).await.unwrap();
}

async fn claim(store: &dyn Store, seconds: i64, occasion: Occasion) -> Option<StoredConnection> {
    let claim = MetadataClaim { now: seconds_later(seconds), until: seconds_later(seconds + 30), occasion };
    store.claim_metadata(&organization_id("contoso"), &claim).await.unwrap()
}

async fn keep(store: &dyn Store, url: &str, seconds: i64, fetched: MetadataFetched) -> MetadataKept {
    let (due, now) = (seconds_later(seconds + 3600), seconds_later(seconds));
    let url = url.parse().expect("a URL");
    store.keep_metadata(&organization_id("contoso"), &url, &fetched, due, now, None).await.unwrap()
}

pub(crate) async fn metadata_is_fetched_by_one_at_a_time_and_the_last_good_copy_is_kept(
    backend: &dyn Backend,
) {
    const ONE: &str = "https://idp.example/one";
    let store = furnished(backend).await;
    assert_eq!(claim(&*store, 0, Occasion::Due).await, None, "a file is not fetched");
    let mut watch = Watch::begin(&*store).await;
    declare_metadata(&*store, &[fetched_from(ONE)]).await;
    assert_eq!(watch.since().await.0, vec![Change::Directory]);
    declare_metadata(&*store, &[fetched_from(ONE)]).await;
    assert_eq!(watch.since().await.0, vec![], "it was so already");
    let claimed = claim(&*store, 0, Occasion::Due).await.expect("it is due at once");
    assert_eq!((claimed.id.as_str(), claimed.metadata.as_str()), ("contoso", ""));
    assert_eq!(claim(&*store, 1, Occasion::Due).await, None, "another one does it");
    assert!(claim(&*store, 30, Occasion::Due).await.is_some(), "nothing was heard of that one");

    let validators = Validators { etag: Some("\"1\"".to_owned()), last_modified: None };
    let newer = |metadata: &str| MetadataFetched::Newer {
        metadata: metadata.to_owned(),
        validators: validators.clone(),
    };
    assert_eq!(
        keep(&*store, "https://idp.example/other", 40, newer("<x/>")).await,
        MetadataKept::Gone,
        "it is fetched elsewhere by now"
    );
    assert_eq!(keep(&*store, ONE, 40, newer("<a/>")).await, MetadataKept::Kept);
    let kept = async || record(&*store, "contoso").await.unwrap().connection.unwrap();
    let connection = kept().await;
    let source = connection.source.clone().unwrap();
    assert_eq!((connection.metadata.as_str(), &source.validators), ("<a/>", &validators));
    assert_eq!((source.due_at, source.checked_at), (seconds_later(3640), Some(seconds_later(40))));
    assert_eq!(claim(&*store, 3639, Occasion::Due).await, None, "not yet");

    assert!(claim(&*store, 3640, Occasion::Due).await.is_some());
    let failed = MetadataFetched::Failed("it is down".to_owned());
    assert_eq!(keep(&*store, ONE, 3640, failed).await, MetadataKept::Kept);
    let failed = kept().await;
    let source = failed.source.unwrap();
    assert_eq!((failed.metadata.as_str(), source.failures), ("<a/>", 1));
    assert_eq!((source.fault.as_deref(), source.checked_at), (Some("it is down"), Some(seconds_later(40))));
    let held = MetadataFetched::Held { metadata: "<b/>".to_owned(), validators: validators.clone() };
    assert_eq!(keep(&*store, ONE, 3700, held).await, MetadataKept::Kept);
    let connection = kept().await;
    assert_eq!(connection.metadata, "<a/>");
    assert_eq!(connection.source.unwrap().held.as_deref(), Some("<b/>"));

    // Other options alone change nothing of that, nor who is just fetching it.
    assert!(claim(&*store, 7300, Occasion::Due).await.is_some());
    let with_options = DeclaredMetadata { options: options(), ..fetched_from(ONE) };
    let before = kept().await;
    watch.since().await;
    declare_metadata(&*store, std::slice::from_ref(&with_options)).await;
    assert_eq!(watch.since().await, (vec![Change::Directory], 1));
    assert_eq!(kept().await, StoredConnection { options: options(), ..before });
    assert_eq!(claim(&*store, 7301, Occasion::Asked).await, None, "the claim still holds");
    declare_metadata(&*store, std::slice::from_ref(&with_options)).await;
    assert_eq!(watch.since().await, (vec![], 0), "it was so already");

    // What a file declares is accepted all the same, if it still is what was seen.
    let id = organization_id("contoso");
    let accept = |held: &str| OrganizationChange::AcceptMetadata(id.clone(), held.to_owned());
    assert_eq!(change(&*store, &accept("<c/>")).await, OrganizationChanged::Unchanged);
    assert_eq!(change(&*store, &accept("<b/>")).await, OrganizationChanged::Changed);
    let connection = kept().await;
    assert_eq!((connection.metadata.as_str(), connection.source.unwrap().held), ("<b/>", None));

    // Another address keeps the copy until there is a new one; a file in its place forgets it.
    declare_metadata(&*store, &[fetched_from("https://idp.example/two")]).await;
    let connection = kept().await;
    assert_eq!(connection.metadata, "<b/>");
    assert_eq!(connection.source.unwrap().validators, Validators::default());
    declare_metadata(&*store, &[]).await;
    assert_eq!(record(&*store, "contoso").await.unwrap().connection, None);
}

pub(crate) async fn no_two_organizations_get_the_same_identity_provider(backend: &dyn Backend) {
    const ONE: &str = "https://idp.example/one";
    let store = furnished(backend).await;
    let (entra, other) = (Idp::entra(), Idp::other_tenant());
    let text = |idp: &Idp| String::from_utf8(idp.metadata_xml()).expect("text");
    let newer = |idp: &Idp| MetadataFetched::Newer { metadata: text(idp), validators: Validators::default() };
    let rival = |organization: &str, idp: &Idp| Rival {
        organization: organization_id(organization),
        entity_id: idp.entity_id.clone(),
    };
    let in_force =
        async |id: &str| record(&*store, id).await.and_then(|record| record.connection?.provider());

    declare_metadata(&*store, &[fetched_from(ONE)]).await;
    assert_eq!(keep(&*store, ONE, 0, newer(&entra)).await, MetadataKept::Kept);
    let create = |metadata: String| OrganizationChange::Create {
        organization: tailspin(),
        connection: connection(&metadata),
    };
    let mut watch = Watch::begin(&*store).await;
    assert_eq!(
        change(&*store, &create(text(&entra))).await,
        OrganizationChanged::ProviderTaken(rival("contoso", &entra))
    );
    assert_eq!((record(&*store, "tailspin").await, watch.since().await), (None, (vec![], 0)));
    assert_eq!(change(&*store, &create(text(&other))).await, OrganizationChanged::Changed);
    let replaced = OrganizationChange::Metadata(organization_id("tailspin"), text(&entra).into());
    assert_eq!(
        change(&*store, &replaced).await,
        OrganizationChanged::ProviderTaken(rival("contoso", &entra))
    );
    assert_eq!(in_force("tailspin").await, Some(other.entity_id.clone()));

    // Nor by the address, nor by accepting what waits there.
    watch.since().await;
    assert_eq!(keep(&*store, ONE, 10, newer(&other)).await, MetadataKept::Taken(rival("tailspin", &other)));
    assert_eq!(
        (in_force("contoso").await, watch.since().await),
        (Some(entra.entity_id.clone()), (vec![], 0))
    );
    let held = MetadataFetched::Held { metadata: text(&other), validators: Validators::default() };
    assert_eq!(keep(&*store, ONE, 20, held).await, MetadataKept::Kept);
    let accept = OrganizationChange::AcceptMetadata(organization_id("contoso"), text(&other));
    assert_eq!(change(&*store, &accept).await, OrganizationChanged::ProviderTaken(rival("tailspin", &other)));
    assert_eq!(in_force("contoso").await, Some(entra.entity_id.clone()));

    // Its own, with other keys, is no reason; and what nobody has any more is free.
    let next = Idp { key: SigningKey::rsa_next(), ..entra.clone() };
    assert_eq!(keep(&*store, ONE, 30, newer(&next)).await, MetadataKept::Kept);
    change(&*store, &OrganizationChange::Remove(organization_id("tailspin"))).await;
    assert_eq!(keep(&*store, ONE, 40, newer(&other)).await, MetadataKept::Kept);
    assert_eq!(in_force("contoso").await, Some(other.entity_id.clone()));

    // One that could not be fetched yet is taken by what it was said to be.
    let said = DeclaredMetadata {
        entity_id: Some(entra.entity_id.clone()),
        ..fetched_from("https://idp.example/two")
    };
    declare_metadata(&*store, &[]).await;
    declare_metadata(&*store, &[said]).await;
    assert_eq!(
        change(&*store, &create(text(&entra))).await,
        OrganizationChanged::ProviderTaken(rival("contoso", &entra))
    );
}

pub(crate) async fn an_unknown_key_is_a_reason_once_in_a_while(backend: &dyn Backend) {
    let store = furnished(backend).await;
    declare_metadata(&*store, &[fetched_from("https://idp.example/one")]).await;
    let unknown = |seconds: i64| Occasion::UnknownKey { not_since: seconds_later(seconds - 300) };
    assert!(claim(&*store, 0, unknown(0)).await.is_some());
    let same = MetadataFetched::Same(Validators::default());
    assert_eq!(keep(&*store, "https://idp.example/one", 1, same).await, MetadataKept::Kept);
    assert_eq!(claim(&*store, 299, unknown(299)).await, None);
    assert!(claim(&*store, 300, unknown(300)).await.is_some());
}

pub(crate) async fn a_warning_is_given_once(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let warn = async |fingerprint: &str, days| {
        let warning =
            ExpiryWarning { subject: "contoso".to_owned(), fingerprint: fingerprint.to_owned(), days };
        store.warn_of_expiry(&warning, event("organization.certificate_expires")).await.unwrap()
    };
    assert!(warn("a", 30).await);
    assert!(!warn("a", 30).await && !warn("a", 60).await, "a later warning says more");
    assert!(warn("a", 7).await && warn("b", 60).await);
    let told = store.audit_entries(10).await.unwrap();
    assert_eq!(told.iter().filter(|entry| entry.action == "organization.certificate_expires").count(), 3);
}

async fn change_property(store: &dyn Store, id: &str, change: &PropertyChange) -> Option<bool> {
    store.change_property(&property_id(id), change, event("property.changed")).await.unwrap()
}

pub(crate) async fn a_property_is_renamed(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let mut watch = Watch::begin(&*store).await;
    let rename = PropertyChange::Rename(name("The Tower"));
    assert_eq!(change_property(&*store, "tower", &rename).await, Some(true));
    assert_eq!(watch.since().await, (vec![Change::Directory], 1));
    assert_eq!(change_property(&*store, "tower", &rename).await, Some(false));
    assert_eq!(change_property(&*store, "nowhere", &rename).await, None);
    assert_eq!(change_property(&*store, "tower", &PropertyChange::Restore).await, Some(false));
    assert_eq!(watch.since().await, (vec![], 0));
    let names: Vec<_> = store.properties(None).await.unwrap().into_iter().map(|one| one.name).collect();
    assert_eq!(names, [name("lodge"), name("mill"), name("The Tower")]);
}

pub(crate) async fn retiring_a_property_ends_all_grants_for_it(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let adele = add(&*store, "adele@contoso.com", &[grant("tower", "viewer")]).await;
    let ben = add(&*store, "ben@contoso.com", &[grant("tower", "viewer"), grant("lodge", "viewer")]).await;
    let dan = add(&*store, "dan@contoso.com", &[grant("*", "viewer")]).await;
    let mut watch = Watch::begin(&*store).await;
    assert_eq!(change_property(&*store, "tower", &PropertyChange::Retire).await, Some(true));
    let (changes, audited) = watch.since().await;
    let told = [Change::User(adele.clone()), Change::User(ben.clone()), Change::Directory];
    assert_eq!((changes, audited), (told.to_vec(), 1));
    let entry = store.audit_entries(1).await.unwrap().remove(0);
    let details = json!({ "grants_ended": 2, "users": ["adele@contoso.com", "ben@contoso.com"] });
    assert_eq!(entry.details, details);
    for (user, state, version) in
        [(&adele, Membership::Waiting, 2), (&ben, Membership::Active, 2), (&dan, Membership::Active, 1)]
    {
        let account = store.account(user).await.unwrap().unwrap();
        assert_eq!((account.user.state, account.user.access_version), (state, version));
        assert!(account.grants.iter().all(|grant| grant.scope.as_str() != "tower"));
    }
    let granted = UserChange::Grant(grant("tower", "viewer"));
    let refused = store.change_user(&adele, &granted, event("user.granted"), Vec::new()).await.unwrap();
    assert_eq!(refused, UserChanged::NoSuchProperty(property_id("tower")));
    let eve = new_user("eve@contoso.com", &[grant("tower", "viewer")]);
    let added = store.add_user(&eve, event("user.added"), Vec::new()).await.unwrap();
    assert_eq!(added, UserAdded::NoSuchProperty(property_id("tower")));
    let line = ImportedGrant { user: eve, line: 2 };
    let kind = ImportProblemKind::NoSuchProperty(property_id("tower"));
    let imported = store.import(&[line], event("users.imported"), vec![]).await.unwrap();
    assert_eq!(imported, Imported::Refused(vec![ImportProblem { line: 2, kind }]));
    let properties = store.properties(None).await.unwrap();
    assert_eq!(properties.iter().map(|one| one.retired_at).collect::<Vec<_>>(), [None, None, Some(noon())]);
    assert_eq!(change_property(&*store, "tower", &PropertyChange::Retire).await, Some(false));

    assert_eq!(change_property(&*store, "tower", &PropertyChange::Restore).await, Some(true));
    assert!(store.account(&adele).await.unwrap().unwrap().grants.is_empty(), "grants do not come back");
    let granted = store.change_user(&adele, &granted, event("user.granted"), Vec::new()).await.unwrap();
    assert_eq!(granted, UserChanged::Changed);
}

pub(crate) async fn a_trial_gets_one_report(backend: &dyn Backend) {
    let store = furnished(backend).await;
    let trial = ConnectionTest {
        request_id: "_r1".to_owned(),
        connection: connection_id("contoso"),
        agent: Some(user_id("u_sue")),
        begun_at: noon(),
        report: None,
    };
    store.begin_connection_test(&trial, event("connection.tried")).await.unwrap();
    assert_eq!(store.connection_test("_r1").await.unwrap(), Some(trial.clone()));
    assert_eq!(store.connection_test("_r2").await.unwrap(), None);
    let report = json!({ "checks": [{ "name": "audience", "passed": true }] });
    let mut watch = Watch::begin(&*store).await;
    for (id, report, kept) in
        [("_r2", json!(1), false), ("_r1", report.clone(), true), ("_r1", json!(2), false)]
    {
        assert_eq!(store.finish_connection_test(id, report, event("reported")).await.unwrap(), kept);
    }
    assert_eq!(watch.since().await.1, 1);
    let finished = ConnectionTest { report: Some(report), ..trial };
    assert_eq!(store.connection_test("_r1").await.unwrap(), Some(finished.clone()));
    store.purge(seconds_later(86_400), noon()).await.unwrap();
    assert_eq!(store.connection_test("_r1").await.unwrap(), Some(finished));
    store.purge(seconds_later(86_401), noon()).await.unwrap();
    assert_eq!(store.connection_test("_r1").await.unwrap(), None);
}
