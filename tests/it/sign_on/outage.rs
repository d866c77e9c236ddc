//! A store that does not do its work: nobody new gets in, a clear page says so, and nothing fails open.

use futures_util::StreamExt as _;
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::sessions::{IN_FORCE, open_socket};
use crate::app::{MIA, NOAH, TestApp};

/// A second connection to the store's file.
async fn connect(app: &TestApp) -> SqliteConnection {
    let path = app.path("anteroom.db");
    SqliteConnection::connect(&format!("sqlite:{}", path.display())).await.expect("the file opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_store_refuses_logins_and_serves_known_sessions() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    app.add_member(NOAH).await;
    let mut noah = app.visitor().who_is(NOAH);
    let pending = noah.begin("/").await;
    let message = noah.answer(&pending);

    let mut other = connect(&app).await;
    other.execute("BEGIN IMMEDIATE").await.expect("the write lock");
    let page = noah.answer_with(&message).await.expect(503);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(!page.header("retry-after").is_empty(), "it says when to try again");
    assert!(!page.body.to_lowercase().contains("sqlite"), "{}", page.body);
    assert_eq!(noah.session(), None);
    mia.visit("/known").await.expect(200);
    assert_eq!(app.application.last().claims().expect("an identity")["email"], MIA);

    // Nothing was half-written: the same answer is good once the store works again.
    other.execute("ROLLBACK").await.expect("the lock is given back");
    noah.answer_with(&message).await.expect(200);
    assert!(noah.session().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_cannot_be_looked_up_are_not_let_in() {
    let mut app = TestApp::new().await;
    let session = app.member(MIA).await.session().expect("a session");
    app.restart().await;
    let mut other = connect(&app).await;
    let table: (String,) =
        sqlx::query_as("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'session%'")
            .fetch_one(&mut other)
            .await
            .expect("sessions are kept somewhere");
    let rename = |from: &str, to: &str| sqlx::AssertSqlSafe(format!("ALTER TABLE {from} RENAME TO {to}"));
    other.execute(sqlx::raw_sql(rename(&table.0, "gone"))).await.expect("the table is taken away");

    let before = app.application.received().len();
    let mut mia = app.visitor();
    mia.browser.plant(&app.app_url, "anteroom", &session);
    let page = mia.visit("/page").await.expect(503);
    assert_eq!(page.url, app.url("/page"));
    let answer = mia.fetch("/api").await.expect(503);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(app.application.received().len(), before, "nothing got through");

    other.execute(sqlx::raw_sql(rename("gone", &table.0))).await.expect("the table is put back");
    mia.visit("/page").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_that_waits_for_its_turn_to_write_delays_no_revocation() {
    let app = TestApp::new().await;
    app.add_member(NOAH).await;
    // To hear of them one after another takes longer than chores wait for each other.
    let people = ["a", "b", "c", "d", "e"].map(|name| format!("{name}@contoso.com"));
    let mut sockets = Vec::new();
    for person in &people {
        sockets.push(open_socket(&app.member(person).await).await);
    }

    // Somebody's grant is over, which is a chore, and somebody else keeps the lock that it needs.
    let mut other = connect(&app).await;
    let of = "(SELECT id FROM users WHERE email = $1)";
    let lapse = format!("UPDATE grants SET until = 1 WHERE user_id = {of}");
    sqlx::query(sqlx::AssertSqlSafe(lapse)).bind(NOAH).execute(&mut other).await.expect("a grant is over");
    other.execute("BEGIN IMMEDIATE").await.expect("the write lock");
    for (person, socket) in people.iter().zip(&mut sockets) {
        let end = format!("DELETE FROM sessions WHERE user_id = {of}");
        sqlx::query(sqlx::AssertSqlSafe(end)).bind(person).execute(&mut other).await.expect("one is over");
        let tell = format!("INSERT INTO changes (kind, user_id, at) VALUES ('user', {of}, 1)");
        sqlx::query(sqlx::AssertSqlSafe(tell))
            .bind(person)
            .execute(&mut other)
            .await
            .expect("and it is told");
        other.execute(sqlx::raw_sql("COMMIT; BEGIN IMMEDIATE")).await.expect("the write lock again");
        let cut = async { while let Some(Ok(_)) = socket.next().await {} };
        tokio::time::timeout(IN_FORCE, cut).await.expect("cut within a second");
    }
    other.execute("ROLLBACK").await.expect("the lock is given back");
}
