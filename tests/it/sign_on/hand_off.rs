//! From the answer to the session: bound to the browser that began, good once, and never chosen by anybody.

use std::time::Duration;

use anteroom::clock::{Clock, ManualClock, SystemClock};
use url::Url;

use crate::app::{MIA, NOAH, TestApp, Visitor, Wanted};

/// The address with the one-time code that the browser was last led through.
fn code_address(visitor: &Visitor<'_>) -> Url {
    let mut visited = visitor.browser.history.iter().rev();
    visited.find(|url| url.path() == "/.anteroom/sign-in/complete").expect("a hand-off").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tab_gets_to_its_own_page() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let mut tabs = Vec::new();
    for path in ["/one", "/two?x=1", "/three"] {
        tabs.push((path, mia.begin(path).await));
    }
    tabs.reverse();
    for (path, pending) in tabs {
        let page = mia.answer_with(&mia.answer(&pending)).await.expect(200);
        assert_eq!(page.url, app.url(path));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_works_only_in_the_browser_that_asked() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    app.add_member(NOAH).await;
    let mut attacker = app.visitor().who_is(NOAH);
    let pending = attacker.begin("/").await;
    let message = attacker.answer(&pending);

    // The attacker's own answer is slipped into Mia's browser, before and while she has a login of her own.
    let mut mia = app.visitor();
    let own = mia.begin("/mine").await;
    let page = mia.answer_with(&message).await.expect(403);
    assert_eq!(mia.session(), None, "{}", page.body);
    assert!(page.body.contains("another browser"), "{}", page.body);

    // The code is spent by that, for the attacker too; and Mia's own login is not disturbed.
    let page = attacker.browser.open(&code_address(&mia)).await;
    assert_eq!((page.url.path(), attacker.session()), ("/.anteroom/sign-in", None));
    let page = mia.answer_with(&mia.answer(&own)).await.expect(200);
    assert_eq!(page.url, app.url("/mine"));
    assert_eq!(app.application.last().claims().expect("an identity")["email"], MIA);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_once() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    // A copy of the browser with all that it remembers of the pending login.
    let mut copy = mia.browser.clone();
    mia.answer_with(&mia.answer(&pending)).await.expect(200);
    let page = copy.open(&code_address(&mia)).await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/sign-in");
    assert!(copy.cookie(&app.app_url, "anteroom").is_none());
    for code in ["", "x", &"A".repeat(43), &"A".repeat(5_000)] {
        let page = copy.open(&app.url(&format!("/.anteroom/sign-in/complete?code={code}"))).await.expect(200);
        assert_eq!(page.url.path(), "/.anteroom/sign-in", "{code:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_good_for_a_minute() {
    let clock = ManualClock::at(SystemClock.now());
    let app = Wanted::default().clock(&clock).start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/late").await;
    let form = [("SAMLResponse".to_owned(), mia.answer(&pending).to_form())];
    let at: Url = app.idp.sso_url.parse().expect("a URL");
    // One step only: the browser is stopped at the hand-off.
    let mut stopped = mia.browser.clone();
    stopped.net = crate::browserless::Net::default();
    stopped.net.lead(&app.acs_url, app.net.address(&app.acs_url).expect("it is led somewhere"));
    let handed = stopped.post_from(&at, &app.acs_url, &form).await.expect(303);
    let address = handed.location().expect("a hand-off");
    assert_eq!(address.path(), "/.anteroom/sign-in/complete");

    clock.advance(Duration::from_secs(61));
    let page = mia.browser.open(&address).await.expect(200);
    assert_eq!((page.url.path(), mia.session()), ("/.anteroom/sign-in", None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_is_good_once_even_after_a_restart() {
    let mut app = TestApp::new().await;
    app.add_member(MIA).await;
    let message = {
        let mut mia = app.visitor();
        let pending = mia.begin("/").await;
        let copy = mia.browser.clone();
        let message = mia.answer(&pending);
        mia.answer_with(&message).await.expect(200);
        // Again in the same browser, and in one that remembers the pending login.
        let page = mia.answer_with(&message).await.expect(403);
        assert!(page.body.contains("already"), "{}", page.body);
        mia.browser = copy;
        mia.answer_with(&message).await.expect(403);
        assert_eq!(mia.session(), None);
        message
    };
    app.restart().await;
    let mut mia = app.visitor();
    mia.answer_with(&message).await.expect(403);
    assert_eq!(mia.session(), None);
    let reasons: Vec<_> = app.audit().await.into_iter().filter_map(|entry| entry.reason).collect();
    assert_eq!(reasons, ["request_replayed"; 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_does_not_answer_a_second_request() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let message = mia.answer(&pending);
    mia.answer_with(&message).await.expect(200);
    let again = app.visitor().begin("/").await;
    let id = message.assertion_id.clone();
    let second = mia.answer(&again).with(|second| second.assertion_id = id);
    mia.answer_with(&second).await.expect(403);
    let reason = app.audit().await.into_iter().find_map(|entry| entry.reason);
    assert_eq!(reason.as_deref(), Some("assertion_replayed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_answer_starts_over_and_keeps_the_deep_link() {
    let clock = ManualClock::at(SystemClock.now());
    let app = Wanted::default().clock(&clock).start().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let in_time = mia.begin("/in-time").await;
    clock.advance(Duration::from_mins(59));
    let page = mia.answer_with(&mia.answer(&in_time)).await.expect(200);
    assert_eq!(page.url, app.url("/in-time"));
    mia.sign_out().await.expect(303);

    let late = mia.begin("/work-orders/4711?tab=history").await;
    clock.advance(Duration::from_mins(61));
    let page = mia.answer_with(&mia.answer(&late)).await.expect(200);
    assert_eq!((page.url.path(), mia.session()), ("/.anteroom/sign-in", None));
    let form = page.form("/.anteroom/sign-in/start");
    assert_eq!(form.value("return_to"), "/work-orders/4711?tab=history");
    let pending = mia.press_button(&page).await;
    let page = mia.answer_with(&mia.answer(&pending)).await.expect(200);
    assert_eq!(page.url, app.url("/work-orders/4711?tab=history"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_asked_for_begins_a_normal_login() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    let mut mia = app.visitor();
    let pending = mia.begin("/").await;
    let mut fresh = app.visitor();
    let message = mia.answer(&pending).with(|message| {
        message.response_in_response_to = None;
        message.in_response_to = None;
    });
    let page = fresh.answer_with(&message).await.expect(200);
    assert_eq!((page.url.path(), fresh.session()), ("/.anteroom/sign-in", None));
    let actions: Vec<_> = app.audit().await.into_iter().map(|entry| entry.action).collect();
    assert!(actions.contains(&"sign_on.unsolicited".to_owned()), "{actions:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_of_other_sites_begin_nothing_and_end_nothing() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let evil: Url = "https://evil.example/".parse().expect("a URL");
    let fields = |pairs: &[(&str, &str)]| -> Vec<_> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let rows = [
        ("/.anteroom/sign-in", fields(&[("email", NOAH), ("return_to", "/")])),
        (
            "/.anteroom/sign-in/start",
            fields(&[("connection", "contoso"), ("email", NOAH), ("return_to", "/")]),
        ),
        ("/.anteroom/sign-out", fields(&[])),
    ];
    for (path, fields) in rows {
        let page = mia.browser.post_from(&evil, &app.url(path), &fields).await.expect(403);
        assert_eq!(page.location(), None, "{path}");
    }
    mia.visit("/still-here").await.expect(200);
    assert_eq!(app.application.last().target, "/still-here");
}
