//! T-A1: whatever somebody writes into `return_to`, the browser stays on the application's host.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::app::{MIA, TestApp};

/// Ways to say "another host" that some parser or browser has fallen for.
fn corpus() -> Vec<String> {
    let slashes = ["/", "\\", "%2f", "%5c", "%2F", "%5C", "／", "⁄", "\u{2044}", "%252f"];
    let fillers = [
        "", "\t", "\n", "\r", " ", "%09", "%0a", "%0d", "%20", "\u{a0}", "\u{200b}", "\0", "%00", "./",
        "../", ".;/", ";",
    ];
    let mut values = Vec::new();
    for first in slashes {
        for second in slashes {
            for filler in fillers {
                values.push(format!("{first}{filler}{second}evil.example"));
            }
        }
    }
    values.extend(WHOLE.iter().map(|value| (*value).to_owned()));
    values.push(format!("/{}", "a".repeat(100_000)).split_at(6_000).0.to_owned());
    values
}

fn sign_in(value: &str) -> String {
    format!("/.anteroom/sign-in?return_to={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_session_is_never_sent_to_another_host() {
    let app = TestApp::new().await;
    let mut mia = app.member(MIA).await;
    let corpus = corpus();
    assert!(corpus.len() >= 200);
    for value in &corpus {
        let answer = mia.fetch(&sign_in(value)).await;
        let to = answer.location().unwrap_or_else(|| panic!("{value:?}: {} {}", answer.status, answer.body));
        assert_eq!(to.origin(), app.app_url.origin(), "{value:?} leads to {to}");
        // And not by way of a path that another redirect would turn into a host.
        assert!(!to.path().starts_with("//") && !to.path().contains('\\'), "{value:?} leads to {to}");
        let own = answer.header("location");
        assert!(
            own.starts_with('/') && !own.starts_with("//") && !own.starts_with("/\\"),
            "{value:?}: {own}"
        );
    }
    // The control: a path is kept as it is.
    let answer = mia.fetch(&sign_in("/work-orders/4711?tab=history&q=//x")).await;
    assert_eq!(answer.header("location"), "/work-orders/4711?tab=history&q=//x");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_on_page_remembers_no_other_host() {
    let app = TestApp::new().await;
    let mut visitor = app.visitor();
    for value in corpus() {
        let page = visitor.fetch(&sign_in(&value)).await.expect(200);
        let kept = page.form("/.anteroom/sign-in").value("return_to").to_owned();
        let to: Url = app.app_url.join(&kept).expect("a URL");
        assert_eq!(to.origin(), app.app_url.origin(), "{value:?} became {kept:?}");
        assert!(kept.starts_with('/') && !kept.starts_with("//"), "{value:?} became {kept:?}");
        assert!(kept == "/" || !kept.contains("evil.example") || kept.contains('?') || !kept.contains("//"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_login_ends_on_our_host() {
    let app = TestApp::new().await;
    app.add_member(MIA).await;
    for value in
        ["//evil.example", "/\\evil.example", "/%09/evil.example", "https://evil.example", "/\t/evil.example"]
    {
        let mut mia = app.visitor();
        let page = mia.visit("/.anteroom/sign-in").await;
        let mut form = page.form("/.anteroom/sign-in").fill("email", MIA).fill("return_to", value);
        let page = mia.browser.submit(&page, &form).await.expect(200);
        form = page.form("/.anteroom/sign-in/start").fill("return_to", value);
        let pending = mia.press(&page, &form).await;
        let page = mia.answer_with(&mia.answer(&pending)).await.expect(200);
        assert_eq!(page.url, app.url("/"), "{value:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waiting_room_releases_to_our_host_only() {
    let app = TestApp::new().await;
    let mut mia = app.visitor();
    mia.sign_on("/").await;
    let room = |value: &str| {
        format!("/.anteroom/waiting-room?return_to={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
    };
    let page = mia.visit(&room("//evil.example")).await.expect(200);
    let mut events = mia.listen(&page).await;
    app.grant(MIA).await;
    assert_eq!(events.next().await, Some(("released".to_owned(), "/".to_owned())));
    for value in ["//evil.example", "/\\evil.example", "https://evil.example"] {
        assert_eq!(mia.fetch(&room(value)).await.expect(303).header("location"), "/", "{value:?}");
    }
}

/// Values that are more than slashes.
const WHOLE: &[&str] = &[
    "https://evil.example",
    "http://evil.example/",
    "HTTPS://EVIL.EXAMPLE",
    "https:evil.example",
    "https:/evil.example",
    "https:\\\\evil.example",
    "https:/\\evil.example",
    "https:///evil.example",
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "//evil.example:80",
    "//evil.example.",
    "//user@evil.example",
    "//app.localhost@evil.example",
    "//app.localhost:80@evil.example",
    "//[::1]",
    "//127.0.0.1",
    "//0x7f000001",
    "//ｅvil.example",
    "//xn--evl-ipa.example",
    "@evil.example",
    "evil.example",
    ".evil.example",
    ":80@evil.example",
    "?//evil.example",
    "#//evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:http://app.localhost/x",
    "mailto:x@evil.example",
    "ftp://evil.example",
    "//evil.example/..;/",
    "/..//evil.example",
    "/./\\evil.example",
    "/.//evil.example",
    "/x/..//evil.example",
    "/x/../../evil.example",
    "/%2e%2e//evil.example",
    "/..%2f/evil.example",
    "/%5cevil.example",
    "/\\/evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/\u{2028}/evil.example",
    "/.anteroom/sign-in?return_to=//evil.example",
    "/.anteroom/sign-out",
    "/.anteroom",
    "http://app.localhost.evil.example",
    "http://app.localhost:80\\@evil.example",
    "http:app.localhost",
    "http://app.localhost",
    "",
    " ",
    "\t//evil.example",
];
