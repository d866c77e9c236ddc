//! Provisioning by HTTP: what managers, agents and newcomers see and do in their browsers.
//!
//! Separate from the tests of the use cases because here it is about who gets which page, and what a form does.

mod access;
mod commands;
mod console;
mod organizations;
mod people;
mod requests;
mod waiting_room;

use std::time::Duration;

use crate::app::{TestApp, Visitor, Wanted};
use crate::browserless::{Events, Page, text_of};

/// What any change of access may take.
const IN_FORCE: Duration = Duration::from_secs(1);

/// A support agent, another one, a manager of Harbour House, and somebody new.
const ANN: &str = "ann.agent@contoso.com";
const BEN: &str = "ben.agent@contoso.com";
const MAX: &str = "max.fein@contoso.com";
const NOAH: &str = "noah.lind@contoso.com";

/// Two properties, and the manager of one of them.
async fn contoso(wanted: Wanted) -> TestApp {
    let app = wanted.start().await;
    for (id, name) in [("harbour", "Harbour House"), ("mill", "Old Mill")] {
        app.command(&["property", "add", id, "--organization", "contoso", "--name", name]).await;
    }
    add_manager(&app, MAX, "harbour").await;
    app
}

async fn add_manager(app: &TestApp, email: &str, property: &str) {
    let level = ["--level", "manager", "--property", property];
    app.command(&[&["user", "add", email, "--organization", "contoso"][..], &level].concat()).await;
}

/// Somebody who has signed on and is on a page.
async fn on<'a>(app: &'a TestApp, email: &str, path: &str) -> (Visitor<'a>, Page) {
    let mut visitor = app.visitor().who_is(email);
    let page = visitor.sign_on(path).await;
    (visitor, page)
}

/// A support agent in the console.
async fn agent<'a>(app: &'a TestApp, email: &str) -> Visitor<'a> {
    app.command(&["user", "add", email, "--organization", "contoso", "--support"]).await;
    let (visitor, page) = on(app, email, "/.anteroom/support").await;
    assert_eq!((page.url.path(), page.status.as_u16()), ("/.anteroom/support", 200), "{}", page.body);
    visitor
}

/// Files a request, and returns its id.
async fn file(manager: &mut Visitor<'_>, email: &str, level: &str) -> String {
    let page = manager.visit("/.anteroom/manage").await.expect(200);
    let form = page.form("/.anteroom/manage");
    let form = form.fill("property", "harbour").fill("email", email).fill("level", level);
    let page = manager.browser.submit(&page, &form).await.expect(200);
    let id = page.url.query_pairs().find(|(name, _)| name == "request").expect("it was filed").1;
    id.into_owned()
}

/// Sends the form of a page that does something, and says yes if it is asked back.
async fn press(visitor: &mut Visitor<'_>, page: &Page, deed: &str) -> Page {
    let form = page.form(&format!("{}/{deed}", page.url.path()));
    let answer = visitor.browser.submit(page, &form).await;
    if answer.url.path().ends_with(deed) && answer.status == 200 {
        let form = answer.form(answer.url.path());
        return visitor.browser.submit(&answer, &form).await;
    }
    answer
}

/// Waits for an event, over those that come before.
async fn wait_for(events: &mut Events, wanted: (&str, &str)) {
    while let Some((name, data)) = events.next().await {
        if (name.as_str(), data.as_str()) == wanted {
            return;
        }
        assert_eq!(name, "status", "{data}");
    }
    panic!("the stream ended before {wanted:?}");
}

fn said(page: &Page) -> String {
    text_of(&page.body)
}
