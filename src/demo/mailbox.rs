//! The mailbox of everybody in the demo: what has been delivered, as pages.
//!
//! Separate because it stands for a mail server and a mail program, which are none of Anteroom's business.
//!
//! | path | what |
//! |---|---|
//! | `/` | all mails, the newest first |
//! | `/NUMBER` | one of them |
//! | `/NUMBER/html` | its HTML part alone, for the frame on that page |
//!
//! Rules: the newest 200 mails are kept in memory and nowhere else; what a mail says is shown without scripts,
//! pictures from elsewhere or forms.

mod mail;
mod receiver;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use askama::Template;
use async_trait::async_trait;
use http::{HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use jiff::Timestamp;

use crate::clock::Clock;
use crate::demo::listener::{Reply, Site, html, with_type};
use crate::demo::mailbox::mail::Mail;

pub(crate) use receiver::Receiver;

/// All mails, of everybody.
pub(crate) struct Mailbox {
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    mails: VecDeque<Arc<Delivered>>,
    last_number: u64,
}

/// A mail that was delivered.
struct Delivered {
    number: u64,
    at: Timestamp,
    recipients: String,
    mail: Mail,
}

impl Mailbox {
    /// An empty mailbox.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, kept: Mutex::default() }
    }

    /// Keeps a mail; gives its number, from 1.
    fn deliver(&self, recipients: &[String], octets: &[u8]) -> u64 {
        let (mail, at) = (Mail::read(octets), self.clock.now());
        let mut kept = self.kept();
        kept.last_number += 1;
        let number = kept.last_number;
        kept.mails.push_front(Arc::new(Delivered { number, at, recipients: recipients.join(", "), mail }));
        kept.mails.truncate(MAILS_MAX);
        number
    }

    fn all(&self) -> Vec<Arc<Delivered>> {
        self.kept().mails.iter().cloned().collect()
    }

    fn find(&self, number: u64) -> Option<Arc<Delivered>> {
        self.kept().mails.iter().find(|delivered| delivered.number == number).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn page_for(&self, path: &str) -> Option<Reply> {
        if path == "/" {
            return Some(page(&ListPage { mails: self.all() }));
        }
        let path = path.strip_prefix('/')?;
        let (number, is_frame) = path.strip_suffix("/html").map_or((path, false), |number| (number, true));
        let delivered = self.find(number.parse().ok()?)?;
        if !is_frame {
            return Some(page(&MailPage { delivered: &delivered }));
        }
        let mut reply = html(StatusCode::OK, with_links_leading_out(delivered.mail.html.as_deref()?));
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(FRAME_POLICY));
        Some(reply)
    }
}

#[async_trait]
impl Site for Mailbox {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        self.page_for(request.uri().path())
            .unwrap_or_else(|| with_type(StatusCode::NOT_FOUND, TEXT, "There is no such mail; all are at /."))
    }
}

impl Delivered {
    fn time(&self) -> String {
        self.at.strftime("%H:%M:%S").to_string()
    }
}

/// A link in the frame opens a page of its own: the frame itself may not leave.
fn with_links_leading_out(html: &str) -> String {
    match html.split_once("<head>") {
        Some((before, after)) => format!("{before}<head>{BASE}{after}"),
        None => format!("{BASE}{html}"),
    }
}

fn page(template: &impl Template) -> Reply {
    html(StatusCode::OK, template.render().expect("rendering to memory does not fail"))
}

#[derive(Template)]
#[template(path = "demo/mailbox.html")]
struct ListPage {
    mails: Vec<Arc<Delivered>>,
}

#[derive(Template)]
#[template(path = "demo/mail.html")]
struct MailPage<'a> {
    delivered: &'a Delivered,
}

const MAILS_MAX: usize = 200;
const BASE: &str = "<base target=\"_blank\">";
const FRAME_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     sandbox allow-popups allow-popups-to-escape-sandbox";
const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests;
