//! The whole story in a real browser: Debian's Chromium, driven by `WebDriver`, without a window.
//!
//! Separate because only a browser knows what a browser does: what it thinks of our headers, where the focus is,
//! whether a form may lead to another host, and what happens without scripts.

pub(crate) mod chromium;
mod login_page;
mod person;
mod postbox;
mod provisioning;
mod repeat;

use std::time::{Duration, Instant};

use fantoccini::{Client, Locator};

use self::chromium::{Chromium, Kind, complaints, enter, fits_the_screen, type_keys, until_path, until_text};
use self::login_page::LoginPage;
use crate::app::{MIA, TestApp, Wanted, free_port};

/// Anteroom at addresses that a browser can open, with the login page as its identity provider.
async fn start() -> (TestApp, LoginPage) {
    let login = LoginPage::start().await;
    let here = "[session]\nsingle_logout = false\n";
    let wanted = Wanted::default().metadata(login.idp.metadata_xml()).on_port(free_port()).more(here);
    (wanted.start().await, login)
}

/// From the deep link to the Waiting Room with the keyboard alone.
async fn sign_on_by_keyboard(client: &Client, app: &TestApp, path: &str, with_scripts: bool) {
    client.goto(app.url(path).as_str()).await.expect("the page opens");
    until_path(client, "/.anteroom/sign-in").await;
    type_keys(client, "input", &format!("{MIA}{}", enter())).await;
    until_text(client, "Log In with Microsoft").await;
    type_keys(client, "button", &enter()).await;
    if !with_scripts {
        until_text(client, "Continue").await;
        type_keys(client, "button", &enter()).await;
    }
    until_path(client, "/.anteroom/waiting-room").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn somebody_new_signs_on_waits_and_is_let_in_by_keyboard_alone() {
    let (app, _login) = start().await;
    let chromium = Chromium::start().await;
    let client = chromium.open(Kind::Desktop).await;
    sign_on_by_keyboard(&client, &app, "/work-orders/4711?tab=history", true).await;
    until_text(&client, MIA).await;

    app.grant(MIA).await;
    let granted_at = Instant::now();
    until_path(&client, "/work-orders/4711").await;
    assert!(granted_at.elapsed() < LIVE, "{:?}", granted_at.elapsed());
    assert_eq!(client.current_url().await.expect("a page").query(), Some("tab=history"));
    until_text(&client, "The application: /work-orders/4711").await;
    let page =
        app.application.received().into_iter().rfind(|page| page.target.starts_with("/work-orders/4711"));
    assert_eq!(page.expect("it was asked for").claims().expect("an identity")["email"], MIA);

    // Out again, also by keyboard.
    client.goto(app.url("/.anteroom/sign-out").as_str()).await.expect("the page opens");
    until_text(&client, MIA).await;
    let button = client.find(Locator::Css("button")).await.expect("a button");
    button.send_keys(&enter()).await.expect("it takes keys");
    until_text(&client, "signed out").await;
    client.goto(app.url("/work-orders").as_str()).await.expect("the page opens");
    until_path(&client, "/.anteroom/sign-in").await;
    assert_eq!(complaints(&client).await, Vec::<String>::new());
    client.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn every_page_fits_a_phone() {
    let (app, _login) = start().await;
    let chromium = Chromium::start().await;
    let client = chromium.open(Kind::Phone).await;
    client.goto(app.url("/deep").as_str()).await.expect("the page opens");
    until_path(&client, "/.anteroom/sign-in").await;
    fits_the_screen(&client).await;
    let email = client.find(Locator::Id("email")).await.expect("a field");
    email.send_keys("somebody@unknown.example").await.expect("it takes keys");
    client.find(Locator::Css("button")).await.expect("a button").click().await.expect("it can be touched");
    until_text(&client, "unknown.example").await;
    fits_the_screen(&client).await;
    let email = client.find(Locator::Id("email")).await.expect("a field");
    email.clear().await.expect("it can be emptied");
    email.send_keys(MIA).await.expect("it takes keys");
    client.find(Locator::Css("button")).await.expect("a button").click().await.expect("it can be touched");
    until_text(&client, "Log In with Microsoft").await;
    fits_the_screen(&client).await;
    client.find(Locator::Css("button")).await.expect("a button").click().await.expect("it can be touched");
    until_path(&client, "/.anteroom/waiting-room").await;
    until_text(&client, MIA).await;
    fits_the_screen(&client).await;
    app.grant(MIA).await;
    until_path(&client, "/deep").await;
    assert_eq!(complaints(&client).await, Vec::<String>::new());
    client.close().await.expect("it closes");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium and chromium-driver, which scripts/test installs"]
async fn everything_works_without_scripts() {
    let (app, _login) = start().await;
    let chromium = Chromium::start().await;
    let client = chromium.open(Kind::WithoutScripts).await;
    sign_on_by_keyboard(&client, &app, "/deep?x=1", false).await;
    app.grant(MIA).await;
    until_path(&client, "/deep").await;
    until_text(&client, "The application: /deep").await;
    client.close().await.expect("it closes");
}

/// A second for the news (DESIGN section 3), and half of one for the page to say so and the next to load.
const LIVE: Duration = Duration::from_millis(1_500);
