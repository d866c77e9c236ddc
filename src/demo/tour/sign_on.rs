//! How somebody of the tour signs on.
//!
//! Separate because all three do it, each at another door.

use anyhow::ensure;
use http::StatusCode;

use crate::demo::people::Person;
use crate::demo::steps::Steps;
use crate::demo::tour::{SIGN_IN, Tour, expect_path, expect_status};
use crate::demo::visitor::{Page, Visitor};

impl Tour<'_> {
    /// From a path of the application's host to wherever the provider's answer leads.
    pub(super) async fn sign_on(
        &self,
        steps: &mut Steps<'_>,
        browser: &mut Visitor,
        person: &Person,
        path: &str,
    ) -> anyhow::Result<Page> {
        let name = person.given_name;
        let text = format!("{name} opens {path} and is asked for an e-mail address");
        let page = steps
            .step(&text, async {
                let page = browser.open(&self.addresses.anteroom.join(path)?).await?;
                expect_path(&page, SIGN_IN)?;
                let return_to = page.url.query_pairs().find(|(key, _)| key == "return_to");
                ensure!(return_to.is_some_and(|(_, value)| value == path), "the path is lost");
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
}

const SIGN_IN_START: &str = "/.anteroom/sign-in/start";
const BUTTON: &str = "Log In with Microsoft";
