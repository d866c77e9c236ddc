//! The mail of the tour, read where a person would: on the mailbox's pages.
//!
//! Separate because mail comes when it comes: it is waited for, with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use url::Url;

use crate::demo::people::Person;
use crate::demo::tour::Tour;
use crate::demo::visitor::{Page, Visitor};

impl Tour<'_> {
    /// Waits for a mail to somebody with a subject that begins so, and opens it.
    pub(super) async fn mail(&self, to: &Person, subject: &str) -> anyhow::Result<Page> {
        let url = Url::parse(&format!("http://{}/", self.addresses.mailbox))?;
        let mut reader = Visitor::default();
        let began = Instant::now();
        while began.elapsed() < MAIL_WAIT {
            let list = reader.open(&url).await?;
            for link in list.links().into_iter().filter(|link| link.text.starts_with(subject)) {
                let mail = reader.open(&url.join(&link.href)?).await?;
                if mail.text.contains(&format!("To {} at ", to.email)) {
                    return Ok(mail);
                }
            }
            tokio::time::sleep(MAIL_POLL).await;
        }
        bail!("no mail to {} with the subject \"{subject} …\" within {} s", to.email, MAIL_WAIT.as_secs())
    }

    /// Where the link of a mail to a page of Anteroom leads.
    pub(super) fn link_in(&self, mail: &Page, path: &str) -> anyhow::Result<Url> {
        let start = self.addresses.anteroom.join(path)?;
        let links = mail.links();
        let link = links.iter().find(|link| link.href.starts_with(start.as_str()));
        let link = link.with_context(|| format!("the mail has no link to {path}"))?;
        Ok(Url::parse(&link.href)?)
    }
}

const MAIL_WAIT: Duration = Duration::from_secs(10);
const MAIL_POLL: Duration = Duration::from_millis(50);
