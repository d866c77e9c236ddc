//! From the Waiting Room to the first work order: one person waits, one asks, one decides.
//!
//! Separate because it is the part of the story in which three people meet, each with a browser.

use std::time::Instant;

use anyhow::{Context, ensure};
use http::StatusCode;

use crate::demo::application::work_orders::LAKESIDE;
use crate::demo::people::{MANAGER, NEW_JOINER, SUPPORT_AGENT};
use crate::demo::steps::Steps;
use crate::demo::tour::{
    DEEP_LINK, EFFECT_TIME_MAX, RELEASE_WAIT, Tour, WAITING_ROOM, expect_path, expect_status,
};
use crate::demo::visitor::{Events, Page, Visitor};

/// Somebody in the Waiting Room, with the page open.
struct Waiting {
    browser: Visitor,
    page: Page,
    events: Events,
}

impl Tour<'_> {
    /// Noa is let in, by Maren's request and Dario's decision; gives Noa's browser.
    pub(super) async fn provisioning(
        &self,
        steps: &mut Steps<'_>,
        mut manager: Visitor,
    ) -> anyhow::Result<Visitor> {
        let mut joiner = self.waiting(steps).await?;
        self.workplace(steps, &mut joiner).await?;
        let form = self.manage_page(steps, &mut manager).await?;
        let request = self.request(steps, &mut manager, form, &mut joiner).await?;
        let mut agent = Visitor::default();
        let page = self.console(steps, &mut agent, &request).await?;
        self.approval(steps, &mut agent, page, joiner).await
    }

    async fn waiting(&self, steps: &mut Steps<'_>) -> anyhow::Result<Waiting> {
        let mut browser = Visitor::default();
        let page = self.sign_on(steps, &mut browser, &NEW_JOINER, DEEP_LINK).await?;
        let events = steps
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
        Ok(Waiting { browser, page, events })
    }

    async fn workplace(&self, steps: &mut Steps<'_>, joiner: &mut Waiting) -> anyhow::Result<()> {
        let text = format!("Noa says where: {}, \"{WORKPLACE}\"", LAKESIDE.name);
        steps
            .step(&text, async {
                let form = joiner.page.form_to(WAITING_ROOM)?;
                let form = form.with("property", LAKESIDE.id).with("text", WORKPLACE);
                let page = joiner.browser.submit(&joiner.page, form).await?;
                expect_path(&page, WAITING_ROOM)?;
                ensure!(page.text.contains(WORKPLACE), "the Waiting Room does not repeat it");
                Ok(())
            })
            .await
    }

    /// The New User form, filled in, by the link in the mail that Maren got.
    async fn manage_page(&self, steps: &mut Steps<'_>, manager: &mut Visitor) -> anyhow::Result<Page> {
        let front = steps
            .step("The application's front page leads Maren to the New User form, too", async {
                let front = manager.open(&self.addresses.anteroom).await?;
                let links = front.links();
                let link = links.into_iter().find(|link| link.text.starts_with("Invite a colleague"));
                let link = link.context("there is no such link")?;
                Ok(self.addresses.anteroom.join(&link.href)?)
            })
            .await?;
        let url = if self.is_first {
            let text = format!("Maren gets mail: {} waits", NEW_JOINER.display_name());
            steps
                .step(&text, async {
                    let mail = self.mail(&MANAGER, &format!("{} waits", NEW_JOINER.display_name())).await?;
                    ensure!(mail.text.contains(WORKPLACE), "it does not say where");
                    self.link_in(&mail, MANAGE)
                })
                .await?
        } else {
            steps.note("Maren was told of Noa before, and is told once a day: she goes there by herself.")?;
            let mut url = front;
            url.query_pairs_mut()
                .append_pair("email", NEW_JOINER.email)
                .append_pair("name", &NEW_JOINER.display_name());
            url
        };
        steps
            .step("The link opens the Manage page with the form filled in for Noa", async {
                let page = manager.open(&url).await?;
                expect_path(&page, MANAGE)?;
                let form = page.form_to(MANAGE)?;
                let wanted = [
                    ("email", NEW_JOINER.email),
                    ("property", LAKESIDE.id),
                    ("name", &NEW_JOINER.display_name()),
                ];
                for (name, value) in wanted {
                    let is_there = form.fields.iter().any(|(key, field)| key == name && field == value);
                    ensure!(is_there, "the field {name} is not {value:?}");
                }
                Ok(page)
            })
            .await
    }

    /// Maren sends the form; gives the request's id.
    async fn request(
        &self,
        steps: &mut Steps<'_>,
        manager: &mut Visitor,
        page: Page,
        joiner: &mut Waiting,
    ) -> anyhow::Result<String> {
        let request = steps
            .step("Maren asks for the level \"technician\" and sends it; it is in the queue", async {
                let form = page.form_to(MANAGE)?.with("level", "technician").with("note", NOTE);
                let page = manager.submit(&page, form).await?;
                expect_path(&page, MANAGE)?;
                page.request_id().context("the page names no request")
            })
            .await?;
        let text = format!("Noa's open page learns of it by itself, and says so ({request})");
        steps
            .step(&text, async {
                joiner.events.next("status", RELEASE_WAIT).await?;
                let page = joiner.browser.open(&joiner.page.url).await?;
                ensure!(page.text.contains(LAKESIDE.name), "the Waiting Room does not say where");
                Ok(())
            })
            .await?;
        Ok(request)
    }

    /// Dario signs on at the console and takes the request.
    async fn console(
        &self,
        steps: &mut Steps<'_>,
        agent: &mut Visitor,
        request: &str,
    ) -> anyhow::Result<Page> {
        let queue = self.sign_on(steps, agent, &SUPPORT_AGENT, SUPPORT).await?;
        let path = format!("{SUPPORT}/requests/{request}");
        let page = steps
            .step("The console shows Dario the queue; Noa's request is one click away", async {
                expect_path(&queue, SUPPORT)?;
                let links = queue.links();
                ensure!(links.iter().any(|link| link.href == path), "the queue does not lead to {path}");
                let page = agent.open(&self.addresses.anteroom.join(&path)?).await?;
                expect_path(&page, &path)?;
                for part in [NEW_JOINER.email, MANAGER.email, WORKPLACE, NOTE] {
                    ensure!(page.text.contains(part), "the page does not say {part:?}");
                }
                Ok(page)
            })
            .await?;
        steps
            .step("Dario takes the request, so that nobody else works on it", async {
                let page = agent.submit(&page, page.form_to(&format!("{path}/take"))?).await?;
                expect_path(&page, &path)?;
                Ok(page)
            })
            .await
    }

    /// Dario approves, Noa's page moves on, and mail says so to both.
    async fn approval(
        &self,
        steps: &mut Steps<'_>,
        agent: &mut Visitor,
        page: Page,
        joiner: Waiting,
    ) -> anyhow::Result<Visitor> {
        let Waiting { mut browser, mut events, .. } = joiner;
        let released = async move { events.next("released", RELEASE_WAIT).await };
        let released = tokio::spawn(async { released.await.map(|event| (event, Instant::now())) });
        let clicked_at = Instant::now();
        steps
            .step("Dario approves it", async {
                let path = format!("{}/approve", page.url.path());
                let page = agent.submit(&page, page.form_to(&path)?.with("note", WELCOME)).await?;
                expect_status(&page, StatusCode::OK)?;
                ensure!(page.text.contains("Approved"), "the console does not say so");
                Ok(())
            })
            .await?;
        let (event, released_at) = released.await?.context("the approval has no effect")?;
        let took = released_at.saturating_duration_since(clicked_at);
        ensure!(took <= EFFECT_TIME_MAX, "the Waiting Room opened after {} ms only", took.as_millis());
        steps.done(took, "From that click to the Waiting Room's event `released`")?;
        steps
            .step("Noa's page moves on to the deep link, and the application knows who is there", async {
                let page = browser.open(&self.addresses.anteroom.join(&event.data)?).await?;
                self.expect_work_order(&page, &NEW_JOINER)
            })
            .await?;
        let text = "Work orders of the other property stay closed: the access came along in the header";
        steps
            .step(text, async {
                let page = browser.open(&self.addresses.anteroom.join("/work-orders/2001")?).await?;
                expect_status(&page, StatusCode::FORBIDDEN)
            })
            .await?;
        self.letters(steps).await?;
        Ok(browser)
    }

    async fn letters(&self, steps: &mut Steps<'_>) -> anyhow::Result<()> {
        if !self.is_first {
            let text = "Mail is on its way to Noa and Maren; nobody gets more than a few in an hour.";
            return steps.note(text);
        }
        steps
            .step("Noa gets mail: \"You have access\", with Dario's words", async {
                let mail = self.mail(&NEW_JOINER, "You have access").await?;
                ensure!(mail.text.contains(WELCOME), "Dario's words are missing");
                Ok(())
            })
            .await?;
        let text = format!("Maren gets mail: {} has access", NEW_JOINER.display_name());
        steps
            .step(&text, async {
                self.mail(&MANAGER, &format!("{} has access", NEW_JOINER.display_name())).await.map(drop)
            })
            .await
    }
}

const WORKPLACE: &str = "I start at the front desk today";
const NOTE: &str = "Noa takes over the mornings.";
const WELCOME: &str = "Welcome on board.";
const MANAGE: &str = "/.anteroom/manage";
const SUPPORT: &str = "/.anteroom/support";
