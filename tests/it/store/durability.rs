//! What was acknowledged is there after `kill -9` at any moment.
//!
//! Separate because it takes a second process: the test binary runs itself again, as the writer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anteroom::directory::Level;
use anteroom::id::{Randomness as _, SystemRandomness};
use anteroom::store::{self, Consumed, Settings, Store, UserChange, UserChanged};

use crate::store::conformance::{Backend as _, add, consumption, event, furnished, grant, new_user, user_id};
use crate::store::sqlite::{File, integrity};

const FILE: &str = "ANTEROOM_TEST_WRITER_FILE";
const ROUND: &str = "ANTEROOM_TEST_WRITER_ROUND";
const ROUNDS: u32 = 15;
const WRITERS: u32 = 3;

/// Not a test by itself: the writer that the test below starts and kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writer_until_killed() {
    let Some(path) = std::env::var_os(FILE) else { return };
    let round = std::env::var(ROUND).unwrap();
    let store = store::open(&Settings::Sqlite { path: PathBuf::from(path) }).await.unwrap();
    let writers = (0..WRITERS).map(|writer| {
        let (store, round) = (store.clone(), round.clone());
        tokio::spawn(async move { write_forever(&*store, &round, writer).await })
    });
    futures_util::future::join_all(writers.collect::<Vec<_>>()).await;
}

async fn write_forever(store: &dyn Store, round: &str, writer: u32) {
    let user = user_id(&format!("u_writer-{writer}"));
    for number in 0.. {
        let mark = format!("{round}-{writer}-{number}");
        let mut level = grant("tower", "");
        level.level = Level::from_store(mark.clone());
        let changed =
            store.change_user(&user, &UserChange::Grant(level), event("user.changed"), Vec::new()).await;
        assert_eq!(changed.unwrap(), UserChanged::Changed);
        acknowledge("granted", &mark);
        let consumed =
            store.consume(&consumption("contoso", &format!("_r{mark}"), &format!("_a{mark}"))).await;
        assert_eq!(consumed.unwrap(), Consumed::First);
        acknowledge("consumed", &mark);
    }
}

/// One write, so that a line is there whole or not at all.
fn acknowledge(what: &str, mark: &str) {
    std::io::stdout().write_all(format!("\n{what} {mark}\n").as_bytes()).unwrap();
}

fn start_writer(path: &Path, round: u32) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::durability::writer_until_killed", "--nocapture", "--test-threads=1"])
        .env(FILE, path)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Kills the writer in the middle of its work; everything that it has acknowledged.
fn write_and_kill(path: &Path, round: u32) -> Vec<String> {
    let mut octet = [0_u8];
    SystemRandomness.fill(&mut octet);
    // Some are killed before they have written anything, while the file is opened and looked through.
    let wanted = usize::from(octet[0] % 40);
    let mut writer = start_writer(path, round);
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    let is_acknowledged = |line: &String| line.starts_with("granted ") || line.starts_with("consumed ");
    let mut acknowledged: Vec<_> = lines.by_ref().filter(is_acknowledged).take(wanted).collect();
    assert_eq!(acknowledged.len(), wanted, "the writer gave up by itself");
    writer.kill().unwrap();
    // What was on its way when the signal came counts as well.
    acknowledged.extend(lines.filter(is_acknowledged));
    let status = writer.wait().unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status}");
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_grant_and_no_consumed_assertion_is_lost_when_the_process_is_killed() {
    let file = File::new();
    let store = furnished(&file).await;
    for writer in 0..WRITERS {
        add(&*store, &format!("writer-{writer}@contoso.com"), &[]).await;
    }
    store.close().await;
    let mut total = 0;
    for round in 0..ROUNDS {
        let path = file.path();
        let acknowledged = tokio::task::spawn_blocking(move || write_and_kill(&path, round)).await.unwrap();
        total += acknowledged.len();
        assert_eq!(integrity(&mut file.raw().await).await, "ok", "round {round}");
        let store = file.open().await;
        check(&*store, round, &acknowledged).await;
        store.close().await;
    }
    assert!(total > 0, "nothing was ever acknowledged");
}

async fn check(store: &dyn Store, round: u32, acknowledged: &[String]) {
    let mut granted = vec![None; WRITERS as usize];
    for line in acknowledged {
        let (what, mark) = line.split_once(' ').unwrap();
        let mut parts = mark.split('-').skip(1).map(|part| part.parse::<usize>().unwrap());
        let (writer, number) = (parts.next().unwrap(), parts.next().unwrap());
        if what == "granted" {
            granted[writer] = Some(number);
        } else {
            let fresh = consumption("contoso", &format!("_r{mark}"), "_other");
            assert_eq!(store.consume(&fresh).await.unwrap(), Consumed::RequestReplayed, "{mark}");
            let fresh = consumption("contoso", &format!("_other{mark}"), &format!("_a{mark}"));
            assert_eq!(store.consume(&fresh).await.unwrap(), Consumed::AssertionReplayed, "{mark}");
        }
    }
    for (writer, number) in granted.into_iter().enumerate() {
        let Some(number) = number else { continue };
        let address = new_user(&format!("writer-{writer}@contoso.com"), &[]).email;
        let account = store.account_by_email(&address).await.unwrap().unwrap();
        let level = account.grants[0].level.as_str().to_owned();
        let written: usize =
            level.strip_prefix(&format!("{round}-{writer}-")).and_then(|rest| rest.parse().ok()).unwrap();
        assert!(written == number || written == number + 1, "acknowledged {number}, found {level}");
    }
    // Every change of access has its audit event and its version, also the last one of each round.
    let entries = store.audit_entries(1_000_000).await.unwrap();
    let told = entries.iter().filter(|entry| entry.action == "user.changed").count();
    let accounts = store.accounts(&store::UserFilter::default()).await.unwrap();
    let versions: i64 = accounts.iter().map(|account| account.user.access_version - 1).sum();
    assert_eq!(usize::try_from(versions).unwrap(), told);
}
