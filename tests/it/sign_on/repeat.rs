//! A form that meets a session which has timed out: kept, asked about, and sent once, by the same person alone.

use std::time::Duration;

use anteroom::clock::{Clock as _, ManualClock, SystemClock};

use crate::app::{MIA, NOAH, TestApp, Visitor, Wanted, until};
use crate::browserless::Page;

const FORM: &str = "application/x-www-form-urlencoded";

/// Not what a browser would make of the same fields a second time.
const OCTETS: &[u8] = b"note=two++words&note=%7Eagain&empty=&x";

async fn start(clock: &ManualClock) -> TestApp {
    let more = "[session]\nidle = \"1h\"\nlifetime = \"10h\"\nrepeat_posts = [\"/work-orders/\"]\n";
    Wanted::default().clock(clock).more(more).start().await
}

/// Posts octets from a page of the application.
async fn post(visitor: &mut Visitor<'_>, path: &str, content_type: &str, octets: &[u8]) -> Page {
    let (page, to) = (visitor.app.url("/form"), visitor.app.url(path));
    visitor.browser.post_octets(&page, &to, content_type, octets).await
}

/// How often the application got a form.
fn posts(app: &TestApp) -> usize {
    app.application.received().iter().filter(|received| received.method == http::Method::POST).count()
}

/// From the sign-on page to the end.
async fn sign_on_from(visitor: &mut Visitor<'_>, page: &Page) -> Page {
    let page = if page.body.contains("/.anteroom/sign-in/start") {
        page.clone()
    } else {
        let email = visitor.person.email.clone();
        visitor.type_email(page, &email).await
    };
    let pending = visitor.press_button(&page).await;
    let message = visitor.answer(&pending);
    visitor.answer_with(&message).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_came_too_late_is_sent_again_as_it_was_and_once() {
    let clock = ManualClock::at(SystemClock.now());
    let app = start(&clock).await;
    let mut mia = app.member(MIA).await;
    clock.advance(Duration::from_mins(61));
    let page = post(&mut mia, "/work-orders/7?tab=2", FORM, OCTETS).await;
    assert_eq!(page.url.path(), "/.anteroom/sign-in", "{}", page.body);
    assert_eq!(posts(&app), 0);
    let page = sign_on_from(&mut mia, &page).await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/repeat");
    assert!(page.body.contains("/work-orders/7") && !page.body.contains("tab=2"), "{}", page.body);
    assert_eq!(posts(&app), 0, "it was asked, and not done");

    let form = page.form("/.anteroom/repeat");
    let done = mia.browser.submit(&page, &form).await.expect(200);
    assert_eq!(done.url, app.url("/work-orders/7?tab=2"));
    let last = app.application.last();
    assert_eq!((last.method.as_str(), last.target.as_str()), ("POST", "/work-orders/7?tab=2"));
    assert_eq!((last.header("content-type"), &last.body[..]), (FORM, OCTETS));
    assert_eq!(last.claims().expect("an identity")["email"], MIA);
    assert_eq!(last.header("content-length"), OCTETS.len().to_string());
    assert!(!last.header("cookie").contains("anteroom"), "{}", last.header("cookie"));

    let again = mia.browser.submit(&page, &form).await.expect(410);
    assert!(again.body.contains("nothing left to send"), "{}", again.body);
    // Who loads the answer again sends what the browser has sent there: the token, which is no form of the application's.
    let token = format!("post={}", form.value("post"));
    for _ in 0..2 {
        let again = post(&mut mia, "/work-orders/7?tab=2", FORM, token.as_bytes()).await.expect(410);
        assert!(again.body.contains("nothing left to send"), "{}", again.body);
    }
    assert_eq!(posts(&app), 1);
    // What comes after it is a form like any other.
    post(&mut mia, "/work-orders/8", FORM, b"a=1").await.expect(200);
    assert_eq!((posts(&app), &app.application.last().body[..]), (2, &b"a=1"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_gone_from_the_store_still_has_an_owner_and_files_are_kept_too() {
    let clock = ManualClock::at(SystemClock.now());
    let mut app = start(&clock).await;
    let browser = app.member(MIA).await.browser;
    clock.advance(Duration::from_mins(90));
    let store = app.open_store().await;
    store.purge(clock.now(), clock.now() - Duration::from_hours(1)).await.expect("it is cleaned");
    assert_eq!(store.sessions(None, 10).await.expect("a list").len(), 0);
    store.close().await;
    let octets =
        b"--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n\x00\xff\r\n--b--\r\n";
    app.restart().await;
    let mut mia = app.visitor();
    mia.browser = browser;
    let page = post(&mut mia, "/work-orders/new", "multipart/form-data; boundary=b", octets).await;
    let page = sign_on_from(&mut mia, &page).await.expect(200);
    let form = page.form("/.anteroom/repeat");
    mia.browser.submit(&page, &form).await.expect(200);
    let last = app.application.last();
    assert_eq!(
        (last.header("content-type"), &last.body[..]),
        ("multipart/form-data; boundary=b", &octets[..])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_sends_it_and_nobody_sends_it_late() {
    let clock = ManualClock::at(SystemClock.now());
    let app = start(&clock).await;
    app.add_member(NOAH).await;
    let mut mia = app.member(MIA).await;
    clock.advance(Duration::from_mins(61));
    let page = post(&mut mia, "/work-orders/7", FORM, OCTETS).await;
    // Somebody else signs on in the same browser.
    let mut noah = mia.who_is(NOAH);
    let page = noah.browser.follow(&page, &format!("{}&another=1", page.url)).await;
    let page = sign_on_from(&mut noah, &page).await.expect(403);
    assert_eq!(page.url.path(), "/.anteroom/repeat");
    assert!(page.body.contains("somebody else") && page.forms().is_empty(), "{}", page.body);
    let token = page.url.query().and_then(|query| query.strip_prefix("post=")).expect("a token").to_owned();
    // Nor by force: the answer to the question, and the very request that would send it.
    let (from, to) = (app.url("/.anteroom/repeat"), app.url("/work-orders/7"));
    let field = [("post".to_owned(), token.clone())];
    noah.browser.post_from(&from, &from, &field).await.expect(403);
    noah.browser.plant(&app.app_url, "anteroom-repeat", &token);
    noah.browser.post_from(&from, &to, &field).await.expect(403);
    assert_eq!(posts(&app), 0);

    // The right person, but too late.
    let mut mia = app.visitor();
    mia.sign_on("/").await.expect(200);
    clock.advance(Duration::from_mins(50));
    mia.visit("/").await.expect(200);
    let page = mia.visit(&format!("/.anteroom/repeat?post={token}")).await.expect(200);
    clock.advance(Duration::from_mins(20));
    let form = page.form("/.anteroom/repeat");
    mia.browser.submit(&page, &form).await.expect(410);
    assert_eq!(posts(&app), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_opted_in_for_is_kept_and_only_after_time_has_ended_the_session() {
    let clock = ManualClock::at(SystemClock.now());
    let app = start(&clock).await;
    let mut mia = app.member(MIA).await;
    let old = mia.session().expect("a session");
    clock.advance(Duration::from_mins(61));
    let leads_to_repeat = |page: &Page| page.url.query().is_some_and(|query| query.contains("repeat"));
    for (path, content_type) in
        [("/other", FORM), ("/work-orders/7", "text/plain"), ("/work-orders/7", "application/json")]
    {
        let page = post(&mut mia, path, content_type, OCTETS).await;
        assert!(!leads_to_repeat(&page), "{path} {content_type}: {}", page.url);
    }
    let large = vec![b'x'; 256 * 1024 + 1];
    assert!(!leads_to_repeat(&post(&mut mia, "/work-orders/7", FORM, &large).await));
    // From another site the cookie does not come along, and a forged origin is none of ours.
    let (evil, to) = ("https://evil.example/".parse().expect("a URL"), app.url("/work-orders/7"));
    let neighbour = "http://evil.app.localhost/".parse().expect("a URL");
    for from in [evil, neighbour] {
        let page = mia.browser.post_octets(&from, &to, FORM, OCTETS).await;
        assert!(!leads_to_repeat(&page), "{from}: {}", page.url);
    }
    let page = app.visitor().browser.post_octets(&app.url("/form"), &to, FORM, OCTETS).await;
    assert!(!leads_to_repeat(&page), "a browser that was never here");
    // The control.
    assert!(leads_to_repeat(&post(&mut mia, "/work-orders/7", FORM, &large[..256 * 1024]).await));

    // A session that somebody has ended has no owner any more.
    let mut mia = app.visitor();
    mia.sign_on("/").await.expect(200);
    let ended = mia.session().expect("a session");
    assert_ne!(ended, old);
    app.command(&["session", "revoke", "--user", MIA]).await;
    until("it is over", async || mia.browser.clone().fetch(&app.url("/x"), &[]).await.status == 401).await;
    let page = post(&mut mia, "/work-orders/7", FORM, OCTETS).await;
    assert!(!leads_to_repeat(&page), "{}", page.url);
    assert_eq!(posts(&app), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_cannot_send_what_was_kept() {
    let clock = ManualClock::at(SystemClock.now());
    let app = start(&clock).await;
    let mut mia = app.member(MIA).await;
    clock.advance(Duration::from_mins(61));
    let page = post(&mut mia, "/work-orders/7", FORM, OCTETS).await;
    let page = sign_on_from(&mut mia, &page).await.expect(200);
    let form = page.form("/.anteroom/repeat");
    // Of another site, and of another origin of the same one, whose pages have the cookies sent along.
    for (evil, status) in [("https://evil.example/", 200), ("http://evil.app.localhost/", 403)] {
        let evil = evil.parse().expect("a URL");
        mia.browser.post_from(&evil, &form.action, &form.fields).await.expect(403);
        mia.browser.plant(&app.app_url, "anteroom-repeat", form.value("post"));
        let page =
            mia.browser.post_from(&evil, &app.url("/work-orders/7"), &form.fields).await.expect(status);
        assert_ne!(page.url.path(), if status == 200 { "/work-orders/7" } else { "/" }, "{}", page.body);
        assert_eq!(posts(&app), 0);
    }
    mia.browser.submit(&page, &form).await.expect(200);
    assert_eq!(posts(&app), 1, "the control");
}

/// As long as the form that carries a token, and none.
const LIKE_A_TOKEN: &[u8] = b"note=48+octets&x=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[tokio::test(flavor = "multi_thread")]
async fn another_form_that_looks_like_the_token_passes_as_it_came() {
    let clock = ManualClock::at(SystemClock.now());
    let app = start(&clock).await;
    let mut mia = app.member(MIA).await;
    clock.advance(Duration::from_mins(61));
    let page = post(&mut mia, "/work-orders/7", FORM, OCTETS).await;
    let asked = sign_on_from(&mut mia, &page).await.expect(200);
    let form = asked.form("/.anteroom/repeat");
    let token = form.value("post").to_owned();
    assert_eq!(format!("post={token}").len(), LIKE_A_TOKEN.len());
    let is_left_over = |mia: &Visitor<'_>| mia.browser.cookie(&app.app_url, "anteroom-repeat").is_some();
    // Whatever else of the same length is sent there while the cookie is left over, of whichever type.
    for content_type in [FORM, "application/x-www-form-urlencoded; charset=utf-8", "application/json"] {
        mia.browser.plant(&app.app_url, "anteroom-repeat", &token);
        let before = posts(&app);
        post(&mut mia, "/work-orders/8?tab=2", content_type, LIKE_A_TOKEN).await.expect(200);
        let last = app.application.last();
        assert_eq!((last.method.as_str(), last.target.as_str()), ("POST", "/work-orders/8?tab=2"));
        assert_eq!((last.header("content-type"), &last.body[..]), (content_type, LIKE_A_TOKEN));
        assert_eq!(last.header("content-length"), "48");
        assert_eq!(last.claims().expect("an identity")["email"], MIA);
        assert_eq!(posts(&app), before + 1, "once");
        assert!(!is_left_over(&mia), "{content_type}");
    }
    // The token of another form is a form like any other, too, and what was kept is still there for its owner.
    mia.browser.plant(&app.app_url, "anteroom-repeat", &"a".repeat(43));
    let octets = format!("post={token}");
    post(&mut mia, "/work-orders/7", FORM, octets.as_bytes()).await.expect(200);
    assert_eq!(app.application.last().body, octets.as_bytes());
    mia.browser.submit(&asked, &form).await.expect(200);
    assert_eq!(app.application.last().body, OCTETS);
    assert_eq!(posts(&app), 5);

    // When the session has timed out meanwhile, it is kept as any other is.
    mia.browser.plant(&app.app_url, "anteroom-repeat", &token);
    clock.advance(Duration::from_mins(61));
    let page = post(&mut mia, "/work-orders/9", FORM, LIKE_A_TOKEN).await;
    assert!(!is_left_over(&mia));
    let page = sign_on_from(&mut mia, &page).await.expect(200);
    mia.browser.submit(&page, &page.form("/.anteroom/repeat")).await.expect(200);
    assert_eq!((&app.application.last().body[..], posts(&app)), (LIKE_A_TOKEN, 6));
}
