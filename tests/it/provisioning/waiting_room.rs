//! The Waiting Room: what the visitor says, and what is told to an open page.

use std::time::Duration;

use super::{MAX, NOAH, contoso, file, on, said};
use crate::app::{Wanted, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_for_a_workplace_comes_back() {
    let app = contoso(Wanted::default()).await;
    let (mut noah, page) = on(&app, NOAH, "/deep").await;
    let form = page.form("/.anteroom/waiting-room");
    assert_eq!(form.value("return_to"), "/deep");
    let page = noah.browser.submit(&page, &form).await.expect(422);
    let hostile = "<script>x</script>".repeat(20);
    let form = page.form("/.anteroom/waiting-room").fill("text", &hostile);
    let page = noah.browser.submit(&page, &form).await.expect(422);
    assert_eq!(page.form("/.anteroom/waiting-room").value("text"), hostile);
    assert!(!page.body.contains("<script>x"), "{}", page.body);
    let form = page.form("/.anteroom/waiting-room").fill("text", "Tower <b>");
    let page = noah.browser.submit(&page, &form).await.expect(200);
    assert_eq!(page.url, app.url("/.anteroom/waiting-room?return_to=%2Fdeep"));
    assert!(said(&page).contains("Tower <b>") && !page.body.contains("Tower <b>"), "{}", page.body);
    let (_, page) = on(&app, MAX, "/.anteroom/manage").await;
    assert!(said(&page).contains("Tower <b>"), "the manager sees it: {}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_page_hears_of_its_own_requests_only_and_only_once() {
    let app = contoso(Wanted::default()).await;
    let (mut noah, opened) = on(&app, NOAH, "/").await;
    let mut events = noah.listen(&opened).await;
    let (mut olga, page) = on(&app, "olga@contoso.com", "/").await;
    let mut others = olga.listen(&page).await;
    let (mut max, _) = on(&app, MAX, "/.anteroom/manage").await;
    file(&mut max, NOAH, "viewer").await;
    assert_eq!(events.next().await, Some(("status".to_owned(), "received".to_owned())));
    for events in [&mut events, &mut others] {
        let silence = tokio::time::timeout(Duration::from_millis(500), events.next()).await;
        assert!(silence.is_err(), "{silence:?}");
    }
    // A page that was made after the change knows it already; one from before is told when it listens again.
    assert_eq!(noah.listen(&opened).await.next().await, Some(("status".to_owned(), "received".to_owned())));
    let fresh = noah.visit("/.anteroom/waiting-room").await.expect(200);
    let mut fresh = noah.listen(&fresh).await;
    assert!(tokio::time::timeout(Duration::from_millis(500), fresh.next()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_something_else_at_once_is_asked_to_wait() {
    let app = contoso(Wanted::default()).await;
    let (mut noah, page) = on(&app, NOAH, "/").await;
    let form = page.form("/.anteroom/waiting-room").fill("text", "Tower");
    noah.browser.submit(&page, &form).await.expect(200);
    let page = noah.browser.submit(&page, &form.fill("text", "Castle")).await.expect(422);
    assert_eq!(page.form("/.anteroom/waiting-room").value("text"), "Castle");
    assert!(said(&page).contains("wait ten seconds"), "{}", page.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_room_of_somebody_shut_out_meanwhile_leads_to_the_sign_in_page() {
    for command in [&["user", "disable", NOAH][..], &["organization", "pause", "contoso"]] {
        let app = contoso(Wanted::default()).await;
        let (mut noah, page) = on(&app, NOAH, "/deep").await;
        let mut events = noah.listen(&page).await;
        app.command(command).await;
        assert_eq!(events.next().await, None, "the stream ends: {command:?}");
        until("the session is over", async || {
            noah.browser.clone().open(&page.url).await.url.path() != "/.anteroom/waiting-room"
        })
        .await;
        let page = noah.browser.open(&page.url).await.expect(200);
        assert_eq!(page.url.path(), "/.anteroom/sign-in", "{command:?}");
    }
}
