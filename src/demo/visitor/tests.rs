//! The visitor's habits that the story depends on.

use http::HeaderMap;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn answer(cookies: &[&'static str]) -> HeaderMap {
    cookies.iter().map(|text| (header::SET_COOKIE, text.parse().unwrap())).collect()
}

#[test]
fn cookies_stay_with_their_host_and_path() {
    let mut cookies = Cookies::default();
    let app = url("http://app.localhost:8080/.anteroom/sign-in");
    cookies.keep(&app, &answer(&["a=1; Path=/; HttpOnly; SameSite=Lax", "b=2; Path=/deep"]));
    assert_eq!(cookies.for_request(&app, false).as_deref(), Some("a=1"));
    assert_eq!(cookies.for_request(&url("http://app.localhost/deep/er"), false).as_deref(), Some("a=1; b=2"));
    assert_eq!(cookies.for_request(&url("http://app.localhost/deeper"), false).as_deref(), Some("a=1"));
    assert_eq!(cookies.for_request(&url("http://login.localhost:8080/"), false), None);
}

#[test]
fn cookies_are_replaced_and_taken_back() {
    let mut cookies = Cookies::default();
    let app = url("http://app.localhost/");
    cookies.keep(&app, &answer(&["a=1; Path=/"]));
    cookies.keep(&app, &answer(&["a=2; Path=/"]));
    assert_eq!(cookies.for_request(&app, false).as_deref(), Some("a=2"));
    cookies.keep(&app, &answer(&["a=; Path=/; Max-Age=0"]));
    assert_eq!(cookies.for_request(&app, false), None);
}

#[test]
fn a_form_that_another_site_posts_carries_no_cookie_of_ours() {
    let mut cookies = Cookies::default();
    let app = url("http://app.localhost/");
    cookies.keep(&app, &answer(&["lax=1; SameSite=Lax", "unsaid=2", "open=3; SameSite=None"]));
    assert_eq!(cookies.for_request(&app, true).as_deref(), Some("open=3"));
}

#[test]
fn cookies_for_other_hosts_or_for_https_are_not_kept() {
    let mut cookies = Cookies::default();
    let app = url("http://app.localhost/");
    cookies.keep(&app, &answer(&["a=1; Domain=localhost", "b=2; Secure", "__Host-c=3; Secure; Path=/"]));
    assert_eq!(cookies.for_request(&app, false), None);
}

#[test]
fn forms_are_read_with_their_fields() {
    let page = r#"<p>a <b>b</b></p><input name="outside" value="x">
        <form method="post" action="/one?a=1&amp;b=2"><input type="hidden" name="r" value="/x?a=&quot;&#39;&#x3c;">
        <input name="email" type="email" value="" required></form><form action="/two"></form>"#;
    let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = vec![
        Form {
            action: "/one?a=1&b=2".to_owned(),
            is_post: true,
            fields: vec![field("r", "/x?a=\"'<"), field("email", "")],
        },
        Form { action: "/two".to_owned(), is_post: false, fields: Vec::new() },
    ];
    assert_eq!(html::forms(page), expected);
    let filled = expected[0].clone().with("email", "a@b.example");
    assert_eq!(filled.fields.last(), Some(&field("email", "a@b.example")));
}

#[tokio::test]
async fn the_story_cannot_lead_away_from_this_machine() {
    for address in ["http://example.com/", "https://app.localhost/", "http://localhost.example/"] {
        let error = Visitor::default().open(&url(address)).await.unwrap_err();
        assert!(error.to_string().contains("away from this machine"), "{error:#}");
    }
}

#[test]
fn a_form_is_sent_with_lists_boxes_and_texts_as_they_stand() {
    let page = r#"<form action="/ask"><select name="level" required><option value="">Choose</option>
        <option value="viewer">Viewer</option><option selected value="technician">Technician</option></select>
        <select name="first"><option>A</option><option>B</option></select>
        <select name="none"><option value="">Choose</option><option value="x">X</option></select>
        <input type="checkbox" name="property" value="north">
        <input type="checkbox" name="property" value="south" checked>
        <input name="title" value="checked"><textarea name="note" rows="3">
        One &amp; two</textarea></form><input name="outside" value="x">"#;
    let form = html::forms(page).remove(0);
    let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let wanted = [
        ("level", "technician"),
        ("first", "A"),
        ("none", ""),
        ("property", "south"),
        ("title", "checked"),
        ("note", "One & two"),
    ];
    assert_eq!(fields, wanted);
}

#[test]
fn links_are_found_with_their_texts() {
    let links =
        html::links(r#"<p><a class="a>b" href="/x?a=1&amp;b=2">Open <b>it</b></a> <abbr href="/y">z</abbr>"#);
    let link = links.first().unwrap();
    assert_eq!((links.len(), link.href.as_str(), link.text.as_str()), (1, "/x?a=1&b=2", "Open"));
}
