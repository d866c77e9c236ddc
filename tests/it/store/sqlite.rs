//! SQLite: the contract, and what only a file has: its mode, its lock, its size, its schema.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anteroom::directory::request::{Request, Wanted};
use anteroom::directory::{Grant, Level, Membership, Scope, Workplace};
use anteroom::id::AccessRequestId;
use anteroom::store::sqlite::{Database, Options};
use anteroom::store::{
    self, Admission, AuditLog as _, ChangeFeed as _, Claim, Consumed, Error, Handoff, NewMessage,
    Organizations as _, Requests as _, Sessions as _, Settings, SignOns as _, Store, UserAdded, UserChange,
    Users as _,
};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::store::conformance::{
    Backend, add, arrival, conformance, consumption, email, event, first_break, furnished, grant, new_user,
    noon, seconds_later, session, teller, user_id,
};

/// A file that goes with its test.
pub(crate) struct File {
    directory: TempDir,
}

impl File {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().expect("a directory") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("anteroom.db")
    }

    /// As the `sqlite3` shell would.
    pub(crate) async fn raw(&self) -> SqliteConnection {
        raw(&self.path()).await
    }
}

async fn raw(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.expect("a connection")
}

async fn run(db: &mut SqliteConnection, statement: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(db).await.map(drop)
}

pub(crate) async fn integrity(db: &mut SqliteConnection) -> String {
    sqlx::query_scalar("PRAGMA integrity_check").fetch_one(db).await.expect("an answer")
}

#[async_trait]
impl Backend for File {
    async fn open(&self) -> Arc<dyn Store> {
        store::open(&Settings::Sqlite { path: self.path() }).await.expect("an open store")
    }
}

conformance!(File::new());

fn is_unavailable<T>(outcome: &store::Result<T>) -> bool {
    matches!(outcome, Err(Error::Unavailable(_)))
}

#[test]
fn a_url_names_a_file_or_memory() {
    let base = Path::new("/etc/anteroom");
    let file = |path: &str| Some(Settings::Sqlite { path: path.into() });
    for (url, expected) in [
        ("sqlite:anteroom.db", file("/etc/anteroom/anteroom.db")),
        ("sqlite:./data/a b.db", file("/etc/anteroom/./data/a b.db")),
        ("sqlite:/var/lib/anteroom.db", file("/var/lib/anteroom.db")),
        ("sqlite:///var/lib/anteroom.db", file("/var/lib/anteroom.db")),
        ("sqlite::memory:", Some(Settings::Memory)),
        ("sqlite:", None),
        ("sqlite://", None),
        ("sqlite:anteroom.db?mode=ro", None),
        ("postgres://user@host/db", None),
        ("anteroom.db", None),
    ] {
        assert_eq!(Settings::parse(url, base).ok(), expected, "{url}");
    }
}

#[tokio::test]
async fn the_file_and_its_companions_are_private() {
    let file = File::new();
    let store = furnished(&file).await;
    for name in ["anteroom.db", "anteroom.db-wal", "anteroom.db-shm"] {
        let metadata = std::fs::metadata(file.directory.path().join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
    store.close().await;
    assert!(!file.directory.path().join("anteroom.db-wal").exists(), "a clean end leaves one file");
}

#[tokio::test]
async fn a_directory_that_is_missing_or_a_file_that_is_no_database_is_reported() {
    let file = File::new();
    let missing = file.directory.path().join("missing").join("anteroom.db");
    assert!(is_unavailable(&Database::open(&Options::file(&missing)).await));
    std::fs::write(file.path(), "this is a letter to somebody and no database at all ".repeat(100)).unwrap();
    assert!(is_unavailable(&Database::open(&Options::file(&file.path())).await));
    assert!(is_unavailable(&Database::open(&Options::file(file.directory.path())).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_that_start_at_once_on_a_new_file_all_succeed() {
    for _ in 0..5 {
        let file = File::new();
        let options = Options::file(&file.path());
        let starts = (0..8).map(|_| {
            let options = options.clone();
            tokio::spawn(async move { Database::open(&options).await.map(drop) })
        });
        for outcome in futures_util::future::join_all(starts.collect::<Vec<_>>()).await {
            outcome.unwrap().unwrap();
        }
        let versions: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM schema_versions")
            .fetch_one(&mut file.raw().await)
            .await
            .unwrap();
        assert_eq!(versions, 2);
    }
}

#[tokio::test]
async fn a_start_waits_for_another_that_is_making_the_file() {
    let file = File::new();
    let mut other = file_in_the_making(&file).await;
    let options = Options::file(&file.path());
    let start = Database::open(&options);
    tokio::pin!(start);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut start).await;
    assert!(early.is_err(), "neither gives up nor goes on: {early:?}");
    run(&mut other, "ROLLBACK").await.unwrap();
    start.await.unwrap();
}

/// Holds the lock that SQLite does not wait for when it changes to WAL.
async fn file_in_the_making(file: &File) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file.path()).create_if_missing(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    run(&mut db, "BEGIN IMMEDIATE").await.unwrap();
    db
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let file = File::new();
    file.open().await.close().await;
    let mut newer = file.raw().await;
    run(&mut newer, "INSERT INTO schema_versions VALUES (99)").await.unwrap();
    newer.close().await.unwrap();
    let before = std::fs::read(file.path()).unwrap();
    let refused = Database::open(&Options::file(&file.path())).await;
    assert!(matches!(refused, Err(Error::NewerSchema { found: 99, known: 2 })), "{refused:?}");
    assert!(std::fs::read(file.path()).unwrap() == before, "not a byte has changed");
}

#[tokio::test]
async fn who_only_looks_changes_nothing_not_even_the_schema() {
    let file = File::new();
    let look = async || Database::open_to_read(&Options::file(&file.path())).await;
    assert!(is_unavailable(&look().await), "none is made");
    assert!(!file.path().exists());
    furnished(&file).await.close().await;
    let before = std::fs::read(file.path()).unwrap();
    let reader = look().await.unwrap();
    assert_eq!(reader.organizations().await.unwrap().len(), 2);
    assert!(is_unavailable(&reader.audit(event("something")).await), "nothing is written");
    reader.close().await;
    assert!(std::fs::read(file.path()).unwrap() == before, "not a byte has changed");
    // Beside somebody who writes.
    let writer = file.open().await;
    let reader = look().await.unwrap();
    writer.audit(event("something")).await.unwrap();
    assert_eq!(reader.audit_entries(1).await.unwrap()[0].action, "something");
    reader.close().await;
    writer.close().await;

    for (statement, is_right) in [
        (
            "INSERT INTO schema_versions VALUES (99)",
            (|e| matches!(e, Error::NewerSchema { found: 99, known: 2 })) as fn(&Error) -> bool,
        ),
        ("DELETE FROM schema_versions WHERE version > 1", |e| {
            matches!(e, Error::OlderSchema { found: 1, known: 2 })
        }),
        ("DROP TABLE schema_versions", |e| matches!(e, Error::OlderSchema { found: 0, known: 2 })),
    ] {
        let mut db = file.raw().await;
        run(&mut db, statement).await.unwrap();
        db.close().await.unwrap();
        let before = std::fs::read(file.path()).unwrap();
        let refused = look().await.expect_err("another schema");
        assert!(is_right(&refused), "{statement}: {refused:?}");
        assert!(std::fs::read(file.path()).unwrap() == before, "{statement}: not a byte has changed");
    }
}

#[tokio::test]
async fn a_row_that_we_cannot_have_written_is_refused_by_name() {
    let file = File::new();
    let store = furnished(&file).await;
    add(&*store, "adele@contoso.com", &[grant("tower", "viewer")]).await;
    for (statement, table, column) in [
        ("UPDATE users SET email = 'not an address'", "users", "email"),
        (
            "UPDATE users SET email = 'adele@contoso.com', created_at = 9223372036854775807",
            "users",
            "user_created_at",
        ),
        ("UPDATE users SET created_at = 0; UPDATE grants SET scope = 'no scope'", "grants", "scope"),
    ] {
        run(&mut file.raw().await, statement).await.unwrap();
        match store.account(&user_id("u_adele")).await {
            Err(Error::Inconsistent { table: t, column: c }) => assert_eq!((t, c), (table, column)),
            other => panic!("{statement}: {other:?}"),
        }
    }
    let refused = run(&mut file.raw().await, "UPDATE users SET state = 'admin'").await;
    assert!(refused.is_err(), "the schema knows the states");
}

#[tokio::test]
async fn the_audit_log_can_only_grow() {
    let file = File::new();
    let store = file.open().await;
    store.audit(event("first")).await.unwrap();
    let mut db = file.raw().await;
    for statement in
        ["UPDATE audit SET action = 'other'", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 1"]
    {
        let refused = run(&mut db, statement).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
    }
    let unchained = "INSERT INTO audit (at, action, actor, details) VALUES (0, 'x', 'y', '{}')";
    let refused = run(&mut db, unchained).await.unwrap_err().to_string();
    assert!(refused.contains("needs its hash"), "{refused}");
    for statement in [
        "UPDATE audit_anchor SET seq = 1",
        "UPDATE audit_anchor SET seq = 9, hash = zeroblob(32)",
        "UPDATE audit_anchor SET seq = 0",
        "DELETE FROM audit_anchor",
        "INSERT INTO audit_anchor VALUES (2, 1, zeroblob(32))",
    ] {
        assert!(run(&mut db, statement).await.is_err(), "{statement}");
    }
    let seen: Vec<_> = store.audit_entries(9).await.unwrap().into_iter().map(|entry| entry.action).collect();
    assert_eq!(seen, ["first"]);
}

/// Runs every operation that writes; the names of those that did not say that the store is unavailable.
async fn writes_that_went_through(store: &dyn Store) -> Vec<&'static str> {
    let user = user_id("u_adele");
    let handoff = Handoff {
        code_hash: [9; 32],
        request_id: "_r".into(),
        payload: vec![],
        expires_at: seconds_later(60),
    };
    let selector = store::SessionSelector::User(user.clone());
    let touch = store::Touch {
        hash: session(1, "u_adele").hash,
        last_seen_at: seconds_later(600),
        return_path: None,
    };
    let line = store::ImportedGrant { user: new_user("eve@contoso.com", &[]), line: 2 };
    let organization = crate::store::conformance::organization("newcomer", &[]);
    let property = crate::store::conformance::property("annex", "contoso");
    [
        (
            "declare",
            is_unavailable(
                &store.declare_organizations(&[organization], event("organizations.declared")).await,
            ),
        ),
        ("property", is_unavailable(&store.add_property(&property, event("x")).await)),
        (
            "add",
            is_unavailable(&store.add_user(&new_user("ben@contoso.com", &[]), event("x"), Vec::new()).await),
        ),
        (
            "change",
            is_unavailable(&store.change_user(&user, &UserChange::Disable, event("x"), Vec::new()).await),
        ),
        ("import", is_unavailable(&store.import(&[line], event("x"), vec![]).await)),
        ("consume", is_unavailable(&store.consume(&consumption("contoso", "_r", "_a")).await)),
        (
            "admit",
            is_unavailable(&store.admit(&arrival("contoso", "dan", "dan@contoso.com"), teller()).await),
        ),
        ("put", is_unavailable(&store.put_handoff(&handoff).await)),
        ("take", is_unavailable(&store.take_handoff(&[8; 32], noon()).await)),
        ("begin", is_unavailable(&store.begin_session(&session(2, "u_adele"), event("x")).await)),
        ("touch", is_unavailable(&store.touch(&[touch]).await)),
        ("end", is_unavailable(&store.end_sessions(&selector, event("x")).await)),
        ("keys", is_unavailable(&store.replace_keys(&[], &[], event("x")).await)),
        ("audit", is_unavailable(&store.audit(event("x")).await)),
        ("purge", is_unavailable(&store.purge(seconds_later(999_999), seconds_later(999_999)).await)),
    ]
    .into_iter()
    .filter_map(|(name, unavailable)| (!unavailable).then_some(name))
    .collect()
}

/// The same for provisioning.
async fn provisioning_that_went_through(store: &dyn Store, request: &Request) -> Vec<&'static str> {
    let organization = crate::store::conformance::organization_id("contoso");
    let property = crate::store::conformance::property_id("tower");
    let pause = store::OrganizationChange::Pause(organization.clone());
    let trial = store::ConnectionTest {
        request_id: "_r".to_owned(),
        connection: crate::store::conformance::connection_id("contoso"),
        agent: Some(user_id("u_sue")),
        begun_at: noon(),
        report: None,
    };
    let filing = store::NewRequest {
        id: request.id.clone(),
        organization,
        wanted: Wanted { email: email("other@contoso.com"), ..request.wanted.clone() },
        requester: user_id("u_adele"),
        at: noon(),
    };
    let take = store::RequestChange::Take { agent: email("sue@contoso.com") };
    let taking = store.change_request(&request.id, request.version, &take, event("x"), vec![]);
    let place = Workplace { property: None, text: None, at: noon() };
    let claim = Claim { now: noon(), until: seconds_later(60), mail_id: "m".to_owned(), hourly_max: 6 };
    let retire = store::PropertyChange::Retire;
    let ages = seconds_later(9_999_999);
    [
        ("organization", is_unavailable(&store.change_organization(&pause, event("x")).await)),
        ("retire", is_unavailable(&store.change_property(&property, &retire, event("x")).await)),
        ("try", is_unavailable(&store.begin_connection_test(&trial, event("x")).await)),
        ("purge traces", is_unavailable(&store.purge_traces(ages).await)),
        ("report", is_unavailable(&store.finish_connection_test("_r", Value::Null, event("x")).await)),
        ("file", is_unavailable(&store.file_request(&filing, event("x"), vec![]).await)),
        ("take", is_unavailable(&taking.await)),
        ("say", is_unavailable(&store.say_workplace(&user_id("u_adele"), &place, event("x"), vec![]).await)),
        ("lapse", is_unavailable(&store.lapse_grants(ages).await)),
        ("dismiss", is_unavailable(&store.dismiss_conflict("AAAA", event("x")).await)),
        ("purge", is_unavailable(&store.purge_audit(ages, event("x")).await)),
        ("keep", is_unavailable(&store.keep_configuration(&Value::Null, event("x")).await)),
        ("claim", is_unavailable(&store.claim_mail(&claim).await)),
        ("sent", is_unavailable(&store.mail_sent("m", noon()).await)),
        ("failed", is_unavailable(&store.mail_failed("m", "x", noon()).await)),
    ]
    .into_iter()
    .filter_map(|(name, unavailable)| (!unavailable).then_some(name))
    .collect()
}

/// Adele, with a grant that ends, has asked for Nestor; a message about it waits.
async fn request_of_adele(store: &dyn Store) -> Request {
    let until = Grant { until: Some(seconds_later(60)), ..grant("*", "viewer") };
    add(store, "adele@contoso.com", &[until]).await;
    let filing = store::NewRequest {
        id: AccessRequestId::parse("R-1").unwrap(),
        organization: crate::store::conformance::organization_id("contoso"),
        wanted: Wanted {
            scope: Scope::AllProperties,
            email: email("nestor@contoso.com"),
            name: None,
            level: Level::from_store("viewer".to_owned()),
            note: None,
        },
        requester: user_id("u_adele"),
        at: noon(),
    };
    let message = NewMessage {
        recipient: email("sue@contoso.com"),
        topic: "queue".to_owned(),
        notice: Value::Null,
        key: None,
    };
    match store.file_request(&filing, event("request.filed"), vec![message]).await.unwrap() {
        store::RequestFiled::Filed(request) => request,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn while_another_process_holds_the_lock_writes_are_unavailable_and_reads_go_on() {
    let file = File::new();
    let owner = furnished(&file).await;
    let request = request_of_adele(&*owner).await;
    owner.begin_session(&session(1, "u_adele"), event("session.begun")).await.unwrap();
    let head = owner.change_head().await.unwrap();
    let audited = owner.audit_entries(100).await.unwrap();

    let mut holder = file.raw().await;
    run(&mut holder, "BEGIN IMMEDIATE").await.unwrap();
    let mut options = Options::file(&file.path());
    options.busy_timeout = Duration::from_millis(60);
    let store = Database::open(&options).await.expect("opening an up-to-date file needs no lock");
    assert!(writes_that_went_through(&store).await.is_empty());
    assert!(provisioning_that_went_through(&store, &request).await.is_empty());
    assert_eq!(store.request(&request.id).await.unwrap().unwrap().0, request);
    assert_eq!(store.account(&user_id("u_adele")).await.unwrap().unwrap().user.state, Membership::Active);
    assert!(store.session(&session(1, "u_adele").hash).await.unwrap().is_some());
    run(&mut holder, "ROLLBACK").await.unwrap();

    assert_eq!(store.change_head().await.unwrap(), head);
    assert_eq!(store.audit_entries(100).await.unwrap(), audited, "nothing was half-written");
    assert_eq!(store.consume(&consumption("contoso", "_r", "_a")).await.unwrap(), Consumed::First);
}

#[tokio::test]
async fn on_a_full_disk_writes_are_unavailable_leave_nothing_behind_and_work_again_afterwards() {
    let file = File::new();
    furnished(&file).await.close().await;
    let mut options = Options::file(&file.path());
    options.pages_max = Some(230);
    let store = Database::open(&options).await.unwrap();
    let mut acknowledged = 0_u8;
    let full = loop {
        let handoff = Handoff {
            code_hash: [acknowledged; 32],
            request_id: "_r".into(),
            payload: vec![7; 60_000],
            expires_at: seconds_later(60),
        };
        match store.put_handoff(&handoff).await {
            Ok(()) => acknowledged += 1,
            error => break error,
        }
    };
    assert!(is_unavailable(&full), "{full:?}");
    assert!(acknowledged > 2, "{acknowledged}");

    // Small rows still fit into pages that are half empty; so fill up to the very end.
    let mut added = 0_usize;
    let refused = loop {
        let user =
            new_user(&format!("user-{added}@contoso.com"), &[grant("*", "viewer"), grant("tower", "viewer")]);
        match store.add_user(&user, event("user.added"), Vec::new()).await {
            Ok(UserAdded::Added) => added += 1,
            other => break (user, other),
        }
    };
    assert!(is_unavailable(&refused.1), "{:?}", refused.1);
    assert_eq!(store.account_by_email(&refused.0.email).await.unwrap(), None);
    let entries = store.audit_entries(10_000).await.unwrap();
    assert_eq!(entries.iter().filter(|entry| entry.action == "user.added").count(), added);
    for number in 0..added {
        let account =
            store.account_by_email(&email(&format!("user-{number}@contoso.com"))).await.unwrap().unwrap();
        assert_eq!((account.user.state, account.grants.len()), (Membership::Active, 2));
    }

    store.purge(seconds_later(60), noon()).await.unwrap();
    let again = store.add_user(&refused.0, event("user.added"), Vec::new()).await.unwrap();
    assert_eq!(again, UserAdded::Added, "room again, without a restart");
    store.close().await;
    assert_eq!(integrity(&mut file.raw().await).await, "ok");
}

#[tokio::test]
async fn a_write_whose_caller_goes_away_is_undone_and_blocks_nobody() {
    let file = File::new();
    let store = furnished(&file).await;
    let mut undone = 0;
    for steps in 0..60 {
        let person = arrival("contoso", &format!("{steps}"), &format!("user-{steps}@contoso.com"));
        {
            let admission = store.admit(&person, teller());
            tokio::pin!(admission);
            // Polls it that many times, with a moment between for the database to answer, and drops it.
            for _ in 0..steps {
                if admission.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
                std::thread::yield_now();
            }
        }
        // A commit that was on its way still happens, so only what comes after it in line can tell.
        let again = store.admit(&person, teller()).await.unwrap();
        undone += usize::from(matches!(again, Admission::Created(_)));
        let entries = store.audit_entries(1_000).await.unwrap();
        let told = entries.iter().filter(|entry| entry.action == "created").count();
        let users = store.accounts(&store::UserFilter::default()).await.unwrap().len();
        assert_eq!((told, users), (steps + 1, steps + 1), "user and audit event once, however often tried");
    }
    assert!(undone > 0, "no admission was caught in the middle");
}

#[tokio::test]
async fn a_backup_while_running_is_whole_private_and_never_overwrites() {
    let file = File::new();
    let store = Arc::new(Database::open(&Options::file(&file.path())).await.unwrap());
    let organizations = [crate::store::conformance::organization("contoso", &[])];
    store.declare_organizations(&organizations, event("organizations.declared")).await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for number in 0..100 {
                add(&*store, &format!("user-{number}@contoso.com"), &[grant("*", "viewer")]).await;
            }
        }
    });
    let copies: Vec<_> =
        (0..3).map(|number| file.directory.path().join(format!("copy-{number}.db"))).collect();
    for copy in &copies {
        store.backup_to(copy).await.unwrap();
        assert_eq!(std::fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    writer.await.unwrap();
    for copy in &copies {
        assert_eq!(integrity(&mut raw(copy).await).await, "ok");
        let restored = Database::open(&Options::file(copy)).await.unwrap();
        let users = restored.accounts(&store::UserFilter::default()).await.unwrap();
        assert!(users.iter().all(|account| account.grants.len() == 1));
        let entries = restored.audit_entries(1_000).await.unwrap();
        assert_eq!(entries.len(), users.len() + 1, "one for each, and one for the organization");
    }
    let before = std::fs::read(&copies[0]).unwrap();
    assert!(is_unavailable(&store.backup_to(&copies[0]).await));
    assert_eq!(std::fs::read(&copies[0]).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_memory_is_its_own_and_takes_parallel_work() {
    let stores =
        [store::open(&Settings::Memory).await.unwrap(), store::open(&Settings::Memory).await.unwrap()];
    let tasks = (0..40).map(|number: usize| {
        let store = stores[number % 2].clone();
        tokio::spawn(async move {
            let consumption = consumption("contoso", &format!("_r{number}"), &format!("_a{}", number / 4));
            let consumed = store.consume(&consumption).await.unwrap();
            store.change_head().await.unwrap();
            consumed
        })
    });
    let outcomes = futures_util::future::join_all(tasks.collect::<Vec<_>>()).await;
    let firsts = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Consumed::First))).count();
    assert_eq!(firsts, 20, "ten assertions in each of two stores");
}

/// An audit log of six entries, open to whoever has dropped the triggers.
async fn unguarded_log(file: &File) -> (Arc<dyn Store>, SqliteConnection) {
    let store = file.open().await;
    for action in ["a", "b", "c", "d", "e", "f"] {
        store.audit(event(action)).await.unwrap();
    }
    let mut db = file.raw().await;
    for trigger in [
        "audit_is_never_changed",
        "audit_is_shortened_up_to_the_anchor",
        "audit_is_chained",
        "audit_anchor_stands_on_an_entry",
    ] {
        run(&mut db, &format!("DROP TRIGGER {trigger}")).await.unwrap();
    }
    (store, db)
}

#[tokio::test]
async fn tampering_with_the_audit_log_is_visible() {
    for (statement, expected) in [
        ("UPDATE audit SET actor = 'somebody' WHERE seq = 3", 3),
        ("UPDATE audit SET at = at + 1 WHERE seq = 1", 1),
        ("UPDATE audit SET subject = '' WHERE seq = 6", 6),
        ("UPDATE audit SET details = '{\"a\":1}' WHERE seq = 4", 4),
        ("UPDATE audit SET request_id = 'x' WHERE seq = 2", 2),
        ("UPDATE audit SET hash = NULL WHERE seq = 2", 2),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 5", 5),
        ("DELETE FROM audit WHERE seq = 4", 5),
        ("DELETE FROM audit WHERE seq <= 2", 3),
        ("DELETE FROM audit WHERE seq <= 2; UPDATE audit_anchor SET seq = 2", 3),
        ("UPDATE audit SET seq = 10 WHERE seq = 6", 10),
        ("INSERT INTO audit (at, action, actor, details) VALUES (0, 'x', 'y', '{}')", 7),
    ] {
        let file = File::new();
        let (store, mut db) = unguarded_log(&file).await;
        assert_eq!(first_break(&*store).await, None);
        run(&mut db, statement).await.unwrap();
        assert_eq!(first_break(&*store).await, Some(expected), "{statement}");
        store.audit(event("later")).await.unwrap();
        assert!(first_break(&*store).await.is_some(), "it does not heal: {statement}");
    }
    // Taking away the end shows as soon as the log goes on, because places are never given twice.
    let file = File::new();
    let (store, mut db) = unguarded_log(&file).await;
    run(&mut db, "DELETE FROM audit WHERE seq = 6").await.unwrap();
    store.audit(event("later")).await.unwrap();
    assert_eq!(first_break(&*store).await, Some(7));
}

#[tokio::test]
async fn a_database_of_the_first_schema_is_brought_up_to_date() {
    let file = File::new();
    let options = SqliteConnectOptions::new().filename(file.path()).create_if_missing(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    run(&mut db, include_str!("../../../src/store/sqlite/schema_1.sql")).await.unwrap();
    let rows = "CREATE TABLE schema_versions (version BIGINT NOT NULL PRIMARY KEY); \
        INSERT INTO schema_versions VALUES (1); \
        INSERT INTO organizations (id, name) VALUES ('contoso', 'Contoso'); \
        INSERT INTO properties (id, organization_id, name) VALUES ('tower', 'contoso', 'Tower'); \
        INSERT INTO users (id, email, name, organization_id, role, state, access_version, created_at) \
        VALUES ('u_adele', 'adele@contoso.com', 'ADELE VÄNCE', 'contoso', 'support', 'active', 7, 0); \
        INSERT INTO grants VALUES ('u_adele', 'tower', 'viewer', NULL); \
        INSERT INTO audit (at, action, actor, details) \
        VALUES (1000, 'old', 'command', '{}'), (2000, 'old', 'command', '{}'), (3000, 'old', 'command', '{}');";
    run(&mut db, rows).await.unwrap();
    db.close().await.unwrap();

    let store = file.open().await;
    let text = |text: &str| store::UserFilter { text: Some(text.to_owned()), ..store::UserFilter::default() };
    let account = store.accounts(&text("vänce")).await.unwrap().remove(0);
    assert!(store.accounts(&text("wilke")).await.unwrap().is_empty());
    assert_eq!((account.user.access_version, account.grants), (7, vec![grant("tower", "viewer")]));
    assert_eq!(store.properties(None).await.unwrap()[0].retired_at, None);
    let record = store.organization_records().await.unwrap().remove(0);
    assert_eq!((record.origin, record.paused_at, record.connection), (store::Origin::Declared, None, None));

    store.audit(event("new")).await.unwrap();
    let entries = store.audit_after(0, 10).await.unwrap();
    let hashed: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.hash.is_some())).collect();
    assert_eq!(hashed, [(1, false), (2, false), (3, false), (4, true)]);
    assert_eq!(first_break(&*store).await, None);
    let before = |second: &str| second.parse().unwrap();
    let purged = store.purge_audit(before("1970-01-01T00:00:02.5Z"), event("audit.purged")).await.unwrap();
    assert_eq!((purged, first_break(&*store).await), (2, None), "among those without a hash");
    let purged = store.purge_audit(before("1970-01-01T00:00:03.5Z"), event("audit.purged")).await.unwrap();
    assert_eq!((purged, first_break(&*store).await), (1, None), "up to the first with a hash");
    store.close().await;
    assert_eq!(first_break(&*file.open().await).await, None);
    assert_eq!(integrity(&mut file.raw().await).await, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_gets_back_what_was_claimed_and_not_what_was_delivered() {
    let file = File::new();
    let store = furnished(&file).await;
    let messages = ["a@contoso.com", "b@contoso.com"].map(|recipient| NewMessage {
        recipient: email(recipient),
        topic: "access".to_owned(),
        notice: serde_json::json!({}),
        key: None,
    });
    store.post_mail(&messages, noon()).await.unwrap();
    let claim = |mail_id: &str| Claim {
        now: noon(),
        until: seconds_later(120),
        mail_id: mail_id.to_owned(),
        hourly_max: 6,
    };
    let delivered = store.claim_mail(&claim("m1")).await.unwrap().unwrap();
    let left = store.claim_mail(&claim("m2")).await.unwrap().unwrap();
    store.mail_sent(&delivered.mail_id, noon()).await.unwrap();
    assert_eq!(store.claim_mail(&claim("m3")).await.unwrap(), None);

    let store = file.open().await;
    assert_eq!(store.release_mail().await.unwrap(), 1);
    let again = store.claim_mail(&claim("m4")).await.unwrap().unwrap();
    assert_eq!((again.mail_id.as_str(), &again.recipient), ("m2", &left.recipient));
    assert_eq!(store.claim_mail(&claim("m5")).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_asked_all_the_time_is_found_by_an_index() {
    let file = File::new();
    file.open().await.close().await;
    let mut raw = file.raw().await;
    for (query, expected) in [
        // `WaitingRoom::holders`, which each Waiting Room page asks.
        (
            "SELECT DISTINCT a.* FROM grants h CROSS JOIN users a ON a.id = h.user_id \
             WHERE h.level IN ('manager', 'administrator') AND h.scope IN ('*', COALESCE(NULL, h.scope)) \
             AND (h.until IS NULL OR h.until > 1) AND a.organization_id = 'contoso' AND a.state = 'active' \
             ORDER BY a.email LIMIT 5",
            "INDEX grants_by_level (level=?",
        ),
        // `Access::lapse_grants`.
        (
            "SELECT DISTINCT user_id FROM (SELECT user_id FROM grants WHERE until <= 1 ORDER BY until LIMIT 5)",
            "INDEX grants_by_end (until<?)",
        ),
        // `WaitingRoom::waiting`.
        (
            "SELECT * FROM users WHERE organization_id = 'contoso' AND state = 'waiting' \
             AND last_sign_on_at IS NOT NULL ORDER BY last_sign_on_at DESC, id LIMIT 5",
            "INDEX users_waiting (organization_id=?",
        ),
        // `AuditLog::audit_search` for a person.
        ("SELECT * FROM audit WHERE subject = 'x' ORDER BY seq DESC", "INDEX audit_by_subject (subject=?"),
        // The same for whom refused sign-ons spoke of.
        (
            "SELECT seq FROM audit WHERE json_extract(details, '$.claimed.email') = 'x' ORDER BY seq DESC LIMIT 5",
            "INDEX audit_by_claimed_email (<expr>=?",
        ),
        (
            "SELECT seq FROM audit WHERE json_extract(details, '$.claimed.subject') = 'x' AND subject = 'y' \
             ORDER BY seq DESC LIMIT 5",
            "INDEX audit_by_claimed_subject (<expr>=?",
        ),
    ] {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}")))
                .fetch_all(&mut raw)
                .await
                .unwrap();
        let steps: Vec<_> = plan.into_iter().map(|(.., step)| step).collect();
        assert!(steps.iter().any(|step| step.contains(expected)), "{query}: {steps:?}");
    }
}
