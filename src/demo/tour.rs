//! The whole story, walked by three visitors over real HTTP: in by sign-on, held in the Waiting Room,
//! asked for, approved, released, shut out again.
//!
//! Separate because it is the demo that needs nobody to watch it: each step checks what a person would see, and
//! the tour ends well only if all of them happened.
//!
//! Access is given as people give it, with forms and mail, and taken away by the very command that an operator would
//! type.

mod command;
mod post;
mod provisioning;
mod sign_on;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::ensure;
use http::StatusCode;
use url::Url;

use crate::demo::Addresses;
use crate::demo::people::{MANAGER, NEW_JOINER, Person};
use crate::demo::steps::Steps;
use crate::demo::visitor::{Page, Visitor};

/// What the tour walks through.
pub(crate) struct Tour<'a> {
    /// Where everything is.
    pub(crate) addresses: &'a Addresses,
    /// The configuration that the commands are given.
    pub(crate) config: &'a Path,
    /// Whether nobody has walked it here before: who was told something today is not told again.
    pub(crate) is_first: bool,
}

impl Tour<'_> {
    /// Walks the whole story, and prints it.
    pub(crate) async fn walk(&self, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        let mut steps = Steps::new(out);
        self.outsiders(&mut steps).await?;
        let manager = self.manager(&mut steps).await?;
        let mut joiner = self.provisioning(&mut steps, manager).await?;
        self.revocation(&mut steps, &mut joiner).await?;
        self.sign_out(&mut steps, joiner).await
    }

    /// Nobody gets in without a session, and programs are told so in their own language.
    async fn outsiders(&self, steps: &mut Steps<'_>) -> anyhow::Result<()> {
        let text = "A program without a session gets 401 and the address of the sign-on page, no redirect";
        steps
            .step(text, async {
                let answer = Visitor::default().fetch(&self.deep_link()?).await?;
                expect_status(&answer, StatusCode::UNAUTHORIZED)?;
                ensure!(answer.text.contains("\"sign_in_url\""), "it is not told where to sign in");
                Ok(())
            })
            .await
    }

    async fn manager(&self, steps: &mut Steps<'_>) -> anyhow::Result<Visitor> {
        let mut browser = Visitor::default();
        let page = self.sign_on(steps, &mut browser, &MANAGER, DEEP_LINK).await?;
        steps
            .step("Maren arrives at the deep link; the application has verified who she is", async {
                self.expect_work_order(&page, &MANAGER)?;
                Ok(browser)
            })
            .await
    }

    /// What was given can be taken away, also from a page that is open.
    async fn revocation(&self, steps: &mut Steps<'_>, browser: &mut Visitor) -> anyhow::Result<()> {
        let mut live = steps
            .step("Noa opens the application's live page; its events stream through Anteroom", async {
                let mut live = browser.events(&self.addresses.anteroom.join("/live/events")?).await?;
                live.next("message", RELEASE_WAIT).await?;
                Ok(live)
            })
            .await?;
        let text = format!("`anteroom {}`", REVOKE.join(" "));
        let cut = async move { live.end(RELEASE_WAIT).await };
        let ((), took) = self.run_and_await(steps, &text, &REVOKE, cut).await?;
        steps.done(took, "From the end of that command to the end of the stream")?;
        steps
            .step("The deep link leads Noa to the Waiting Room again", async {
                let page = browser.open(&self.deep_link()?).await?;
                expect_path(&page, WAITING_ROOM)
            })
            .await
    }

    async fn sign_out(&self, steps: &mut Steps<'_>, mut browser: Visitor) -> anyhow::Result<()> {
        let mut with_old_cookie = browser.clone();
        steps
            .step("Noa signs out: one page asks, one says that it is done", async {
                let asks = browser.open(&self.addresses.anteroom.join(SIGN_OUT)?).await?;
                let done = browser.submit(&asks, asks.form_to(SIGN_OUT)?).await?;
                expect_status(&done, StatusCode::OK)
            })
            .await?;
        steps
            .step("The old cookie opens nothing any more: the sign-on page again", async {
                let page = with_old_cookie.open(&self.deep_link()?).await?;
                expect_path(&page, SIGN_IN)
            })
            .await
    }

    fn deep_link(&self) -> anyhow::Result<Url> {
        Ok(self.addresses.anteroom.join(DEEP_LINK)?)
    }

    fn expect_work_order(&self, page: &Page, person: &Person) -> anyhow::Result<()> {
        expect_status(page, StatusCode::OK)?;
        ensure!(page.url == self.deep_link()?, "the browser is at {} instead", page.url);
        for part in ["Work order 1024", person.email, &person.display_name(), "Identity signature verified"] {
            ensure!(page.text.contains(part), "the application does not show {part:?}");
        }
        Ok(())
    }
}

/// The arguments that shut the new joiner out again.
const REVOKE: [&str; 3] = ["user", "revoke", NEW_JOINER.email];

fn expect_status(page: &Page, status: StatusCode) -> anyhow::Result<()> {
    ensure!(page.status == status, "{} answers {} instead of {status}", page.url.path(), page.status);
    Ok(())
}

fn expect_path(page: &Page, path: &str) -> anyhow::Result<()> {
    expect_status(page, StatusCode::OK)?;
    ensure!(page.url.path() == path, "the browser is at {} instead of {path}", page.url.path());
    Ok(())
}

const DEEP_LINK: &str = "/work-orders/1024";
const SIGN_IN: &str = "/.anteroom/sign-in";
const SIGN_OUT: &str = "/.anteroom/sign-out";
const WAITING_ROOM: &str = "/.anteroom/waiting-room";
/// DESIGN section 3: a change of access is in force within one second.
const EFFECT_TIME_MAX: Duration = Duration::from_secs(1);
/// Waiting begins before the command does.
const RELEASE_WAIT: Duration = Duration::from_secs(25);
