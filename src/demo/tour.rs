//! The whole story, walked by two visitors over real HTTP: in by sign-on, held in the Waiting Room, released.
//!
//! Separate because it is the demo that needs nobody to watch it: each step checks what a person would see, and
//! the tour ends well only if all of them happened.
//!
//! Access is granted by the very command an operator would type, run as a process of its own, so that the release
//! has to find its way from one process to another.

use std::io::{Read as _, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use http::StatusCode;
use url::Url;

use crate::demo::Addresses;
use crate::demo::application::work_orders::LAKESIDE;
use crate::demo::people::{MANAGER, NEW_JOINER, Person};
use crate::demo::steps::Steps;
use crate::demo::visitor::{Page, Visitor};

/// What the tour walks through.
pub(crate) struct Tour<'a> {
    /// Where everything is.
    pub(crate) addresses: &'a Addresses,
    /// The configuration that the commands are given.
    pub(crate) config: &'a Path,
}

impl Tour<'_> {
    /// Walks the whole story, and prints it.
    pub(crate) async fn walk(&self, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        let mut steps = Steps::new(out);
        self.outsiders(&mut steps).await?;
        self.manager(&mut steps).await?;
        let mut joiner = self.joiner(&mut steps).await?;
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

    async fn manager(&self, steps: &mut Steps<'_>) -> anyhow::Result<()> {
        let mut browser = Visitor::default();
        let page = self.sign_on(steps, &mut browser, &MANAGER).await?;
        steps
            .step("Maren arrives at the deep link; the application has verified who she is", async {
                self.expect_work_order(&page, &MANAGER)
            })
            .await
    }

    /// From the deep link to wherever the provider's answer leads.
    async fn sign_on(
        &self,
        steps: &mut Steps<'_>,
        browser: &mut Visitor,
        person: &Person,
    ) -> anyhow::Result<Page> {
        let name = person.given_name;
        let text = format!("{name} opens {DEEP_LINK} and is asked for an e-mail address");
        let page = steps
            .step(&text, async {
                let page = browser.open(&self.deep_link()?).await?;
                expect_path(&page, SIGN_IN)?;
                let return_to = page.url.query_pairs().find(|(key, _)| key == "return_to");
                ensure!(return_to.is_some_and(|(_, value)| value == DEEP_LINK), "the deep link is lost");
                Ok(page)
            })
            .await?;

        let text = format!("{} leads to \"{BUTTON}\"", person.email);
        let page = steps
            .step(&text, async {
                let form = page.form_to(SIGN_IN)?.with("email", person.email);
                let page = browser.submit(&page, form).await?;
                ensure!(page.text.contains(BUTTON), "{} shows no such button", page.url.path());
                Ok(page)
            })
            .await?;

        let text = format!("The button leads to the identity provider, which knows whom to expect: {name}");
        let page = steps
            .step(&text, async {
                let page = browser.submit(&page, page.form_to(SIGN_IN_START)?).await?;
                ensure!(
                    page.url.port() == Some(self.addresses.provider.port()),
                    "the browser is at {} instead",
                    page.url
                );
                ensure!(page.text.contains(&format!("Continue as {name}")), "the login hint did not arrive");
                Ok(page)
            })
            .await?;

        let text = format!("{name} continues there; the signed answer is accepted, and a session begins");
        steps
            .step(&text, async {
                let answer = browser.submit(&page, page.form_with("account", person.email)?).await?;
                let page = browser.submit(&answer, answer.form_to(self.addresses.login.path())?).await?;
                expect_status(&page, StatusCode::OK)?;
                ensure!(page.url.origin() == self.addresses.anteroom.origin(), "it leads to {}", page.url);
                Ok(page)
            })
            .await
    }

    /// From the first sign-on to the first work order.
    async fn joiner(&self, steps: &mut Steps<'_>) -> anyhow::Result<Visitor> {
        let mut browser = Visitor::default();
        let page = self.sign_on(steps, &mut browser, &NEW_JOINER).await?;
        let mut events = steps
            .step("Nobody has let Noa in yet: the Waiting Room, and its event stream is open", async {
                expect_path(&page, WAITING_ROOM)?;
                ensure!(page.text.contains(NEW_JOINER.email), "it does not say who is signed in");
                browser.events(&page.url.join(&page.attribute("data-events")?)?).await
            })
            .await?;
        steps
            .step("A program of Noa's gets 403 with the reason \"waiting_room\"", async {
                let answer = browser.fetch(&self.deep_link()?).await?;
                expect_status(&answer, StatusCode::FORBIDDEN)?;
                ensure!(answer.text.contains("waiting_room"), "the reason is not told");
                Ok(())
            })
            .await?;

        let command = GRANT.join(" ");
        let text = format!("`anteroom {command}` (request and approval: by command in this version)");
        let released = async move { events.next("released", RELEASE_WAIT).await };
        let (event, took) = self.run_and_await(steps, &text, &GRANT, released).await?;
        steps.done(took, "From the end of that command to the Waiting Room's event `released`")?;
        steps.note("Nobody is told by e-mail: this version sends none.")?;
        steps
            .step("Noa's page moves on to the deep link, and the application knows who is there", async {
                let page = browser.open(&self.addresses.anteroom.join(&event.data)?).await?;
                self.expect_work_order(&page, &NEW_JOINER)
            })
            .await?;
        steps
            .step(
                "Work orders of the other property stay closed: the access came along in the header",
                async {
                    let page = browser.open(&self.addresses.anteroom.join("/work-orders/2001")?).await?;
                    expect_status(&page, StatusCode::FORBIDDEN)
                },
            )
            .await?;
        Ok(browser)
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

    /// Runs a command while something waits for its effect; gives what came of it and the time from the end of
    /// the command on, zero if the effect was first.
    async fn run_and_await<T: Send + 'static>(
        &self,
        steps: &mut Steps<'_>,
        text: &str,
        arguments: &[&str],
        effect: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<(T, Duration)> {
        let effect = tokio::spawn(async { effect.await.map(|effect| (effect, Instant::now())) });
        steps.step(text, self.run(arguments)).await?;
        let ended_at = Instant::now();
        let (effect, took_effect_at) = effect.await?.context("the change has no effect")?;
        let took = took_effect_at.saturating_duration_since(ended_at);
        ensure!(took <= EFFECT_TIME_MAX, "the change took effect after {} ms only", took.as_millis());
        Ok((effect, took))
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

    /// Runs a command of this very program, in a process of its own.
    async fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("the program does not know where it is")?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--config").arg(self.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ANTEROOM_") {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().context("the command cannot be started")?;
        let started_at = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started_at.elapsed() > COMMAND_TIMEOUT {
                child.kill()?;
                bail!("the command took longer than {} s", COMMAND_TIMEOUT.as_secs());
            }
            tokio::time::sleep(COMMAND_POLL).await;
        };
        let mut errors = String::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(ERRORS_OCTETS_MAX).read_to_string(&mut errors)?;
        }
        ensure!(status.success(), "{status}: {}", errors.trim());
        Ok(())
    }
}

/// The arguments that let the new joiner in.
const GRANT: [&str; 7] =
    ["user", "grant", NEW_JOINER.email, "--level", "technician", "--property", LAKESIDE.id];

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
const SIGN_IN_START: &str = "/.anteroom/sign-in/start";
const SIGN_OUT: &str = "/.anteroom/sign-out";
const WAITING_ROOM: &str = "/.anteroom/waiting-room";
const BUTTON: &str = "Log In with Microsoft";
/// DESIGN section 3: a change of access is in force within one second.
const EFFECT_TIME_MAX: Duration = Duration::from_secs(1);
/// Waiting begins before the command does.
const RELEASE_WAIT: Duration = Duration::from_secs(25);
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// How exactly the end of a command is known.
const COMMAND_POLL: Duration = Duration::from_millis(2);
const ERRORS_OCTETS_MAX: u64 = 16 * 1024;
