//! Somebody at a browser, who clicks, types and chooses, or does all of it with the keyboard.
//!
//! Separate because how much of that a task takes is counted: the steps of the support desk are done many times a
//! day.

use std::cell::Cell;

use fantoccini::elements::Element;
use fantoccini::key::Key;
use fantoccini::{Client, Locator};

use super::chromium::{enter, path_of, type_keys, until_path, until_text};
use crate::app::{TestApp, until};

/// Somebody at a browser.
pub(crate) struct Person {
    pub(crate) client: Client,
    pub(crate) email: &'static str,
    clicks: Cell<u32>,
    fields: Cell<u32>,
}

impl Person {
    pub(crate) fn new(client: Client, email: &'static str) -> Self {
        Self { client, email, clicks: Cell::new(0), fields: Cell::new(0) }
    }

    /// Opens an address that nobody typed: a bookmark, or a link in a mail.
    pub(crate) async fn open(&self, url: &url::Url) {
        self.client.goto(url.as_str()).await.expect("the page opens");
    }

    /// From wherever the sign-on page stands in the way to the page at that path, by the keyboard.
    pub(crate) async fn sign_on(&self, path: &str, with_scripts: bool) {
        until_path(&self.client, "/.anteroom/sign-in").await;
        type_keys(&self.client, "input", &format!("{}{}", self.email, enter())).await;
        until_text(&self.client, "Log In with Microsoft").await;
        type_keys(&self.client, "button", &enter()).await;
        if !with_scripts {
            until_text(&self.client, "Continue").await;
            type_keys(&self.client, "button", &enter()).await;
        }
        until_path(&self.client, path).await;
    }

    /// Signs on at a path of the application's host.
    pub(crate) async fn sign_on_at(&self, app: &TestApp, path: &str) {
        self.open(&app.url(path)).await;
        self.sign_on(path.split('?').next().unwrap_or_default(), true).await;
    }

    /// Clicks on what the selector finds first.
    pub(crate) async fn click(&self, css: &str) {
        self.clicks.set(self.clicks.get() + 1);
        self.find(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Clicks on a button of the form that posts to that path.
    pub(crate) async fn send(&self, action: &str) {
        self.click(&format!("form[action$=\"{action}\"] button[type=submit]")).await;
    }

    /// Types into a field that may have something in it.
    pub(crate) async fn fill(&self, css: &str, text: &str) {
        self.fields.set(self.fields.get() + 1);
        let field = self.find(css).await;
        field.clear().await.unwrap_or_else(|error| panic!("{css}: {error}"));
        field.send_keys(text).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Chooses from a list.
    pub(crate) async fn choose(&self, css: &str, value: &str) {
        self.fields.set(self.fields.get() + 1);
        self.find(css).await.select_by_value(value).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Chooses a file.
    pub(crate) async fn attach(&self, css: &str, path: &std::path::Path) {
        self.fields.set(self.fields.get() + 1);
        let path = path.to_str().expect("the path is text");
        self.find(css).await.send_keys(path).await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Presses the tabulator until the focus is on what the selector means, and types there.
    pub(crate) async fn tab_to_and_type(&self, css: &str, keys: &str) {
        for _ in 0..TABS_MAX {
            let focused = self.client.active_element().await.expect("something has the focus");
            if self.is_focused(css).await {
                focused.send_keys(keys).await.unwrap_or_else(|error| panic!("{css}: {error}"));
                return;
            }
            focused.send_keys(&char::from(Key::Tab).to_string()).await.expect("it takes keys");
        }
        panic!("the keyboard does not lead to {css} at {}", path_of(&self.client).await);
    }

    async fn is_focused(&self, css: &str) -> bool {
        let script = "return document.activeElement.matches(arguments[0])";
        let answer = self.client.execute(script, vec![css.into()]).await.expect("a script runs");
        answer == serde_json::Value::Bool(true)
    }

    /// What was done since the last time that this was asked: clicks, and fields filled in.
    pub(crate) fn effort(&self) -> (u32, u32) {
        (self.clicks.replace(0), self.fields.replace(0))
    }

    pub(crate) async fn value(&self, css: &str) -> String {
        self.find(css).await.prop("value").await.expect("the page is there").unwrap_or_default()
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.find(css).await.text().await.expect("the page is there")
    }

    async fn find(&self, css: &str) -> Element {
        until(css, async || self.client.find(Locator::Css(css)).await.is_ok()).await;
        self.client.find(Locator::Css(css)).await.expect("it is there")
    }
}

/// More than any page of ours has places for the focus.
const TABS_MAX: usize = 80;
