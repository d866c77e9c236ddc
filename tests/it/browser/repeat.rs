//! What only a person can answer: whether a form is sent again that came too late, and whether all devices shall be
//! signed out.
//!
//! Separate because both need sessions from before: the other parts of the story begin without any.

use std::time::Duration;

use anteroom::clock::{Clock as _, ManualClock, SystemClock};
use fantoccini::Locator;

use super::chromium::{Chromium, Kind, complaints, fits_the_screen, until_path, until_text};
use super::login_page::LoginPage;
use super::person::Person;
use crate::app::{MIA, Wanted, free_port, until};

/// Posts a form from a page of the application, as a script or a person would.
const POST: &str = r#"
const form = document.createElement("form");
form.method = "post";
form.action = "/work-orders/7?tab=2";
form.innerHTML = '<textarea name="note">two  words\n~again</textarea>';
document.body.append(form);
form.submit();
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn a_form_that_came_too_late_is_asked_about_and_all_devices_are_signed_out() {
    let login = LoginPage::start().await;
    // The identity provider's clock is the real one: the session began before its time.
    let clock = ManualClock::at(SystemClock.now() - Duration::from_mins(61));
    let more = "[session]\nidle = \"1h\"\nsingle_logout = false\nrepeat_posts = [\"/work-orders/\"]\n";
    let wanted = Wanted::default().metadata(login.idp.metadata_xml()).on_port(free_port()).more(more);
    let app = wanted.clock(&clock).start().await;
    let session = app.member(MIA).await.session().expect("a session");
    clock.advance(Duration::from_mins(61));
    let chromium = Chromium::start().await;
    let person = Person::new(chromium.open(Kind::Phone).await, MIA);
    let client = &person.client;
    person.open(&app.url("/favicon.ico")).await;
    let cookie = format!("anteroom={session}; path=/");
    client.execute("document.cookie = arguments[0]", vec![cookie.into()]).await.expect("a script runs");
    client.execute(POST, Vec::new()).await.expect("a script runs");
    person.sign_on("/.anteroom/repeat", true).await;
    until_text(client, "Send it again?").await;
    until_text(client, "/work-orders/7").await;
    fits_the_screen(client).await;
    let posts = || app.application.received().into_iter().filter(|one| one.method == http::Method::POST);
    assert_eq!(posts().count(), 0);
    person.send("/.anteroom/repeat").await;
    until_path(client, "/work-orders/7").await;
    until_text(client, "The application: /work-orders/7").await;
    let sent: Vec<_> = posts().collect();
    assert_eq!((sent.len(), sent[0].target.as_str()), (1, "/work-orders/7?tab=2"));
    assert_eq!(&sent[0].body[..], b"note=two++words%0D%0A%7Eagain");

    // Somewhere else she is signed on, too.
    let mut elsewhere = app.visitor();
    elsewhere.sign_on("/").await.expect(200);
    person.open(&app.url("/.anteroom/sign-out")).await;
    until_text(client, MIA).await;
    fits_the_screen(client).await;
    let buttons = client.find_all(Locator::Css("button")).await.expect("buttons");
    let mut texts = Vec::new();
    for button in &buttons {
        texts.push(button.text().await.expect("the page is there"));
    }
    assert_eq!(texts, ["Sign out", "Sign out on all devices"]);
    person.click("input[name=everywhere] + button").await;
    until_text(client, "signed out").await;
    fits_the_screen(client).await;
    let is_out = async || elsewhere.browser.clone().fetch(&app.url("/x"), &[]).await.status == 401;
    until("she is signed out there, too", is_out).await;
    assert_eq!(complaints(client).await, Vec::<String>::new());
    person.client.close().await.expect("it closes");
}
