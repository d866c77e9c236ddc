//! Everybody's mail: aiosmtpd takes it over, Python's own library reads it.
//!
//! Separate because a browser story waits for mail to one person among others'.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use url::Url;

use crate::app::until;
use crate::mail::receiver::{Receiver, Running};

/// The mail server, running until it is dropped, and what it has taken over.
pub(crate) struct Postbox {
    received: Arc<Mutex<Vec<Value>>>,
    port: u16,
    _running: Running,
}

impl Postbox {
    pub(crate) fn start() -> Self {
        let Receiver { running, mails, port } = Receiver::start(&[]);
        let received: Arc<Mutex<Vec<Value>>> = Arc::default();
        let keeping = Arc::clone(&received);
        std::thread::spawn(move || {
            for mail in mails {
                keeping.lock().expect("nobody panics with it").push(mail);
            }
        });
        Self { received, port, _running: running }
    }

    /// The table for the configuration file.
    pub(crate) fn configuration(&self) -> String {
        format!(
            "[mail]\nsmtp = \"smtp://127.0.0.1:{}\"\nfrom = \"ServusConnect <no-reply@servusconnect.example>\"\n",
            self.port
        )
    }

    /// Waits for a mail to somebody with these words in its subject.
    pub(crate) async fn mail(&self, to: &str, subject: &str) -> Letter {
        let found = || {
            let received = self.received.lock().expect("nobody panics with it");
            let fits = |mail: &&Value| mail["to"][1] == to && text(mail, "subject").contains(subject);
            received.iter().rfind(fits).cloned()
        };
        until(&format!("mail to {to}: {subject}"), async || found().is_some()).await;
        let mail = found().expect("it has come");
        Letter { text: text(&mail, "text").to_owned() }
    }

    /// The subjects of all mails to somebody, in order.
    pub(crate) fn subjects(&self, to: &str) -> Vec<String> {
        let received = self.received.lock().expect("nobody panics with it");
        let theirs = received.iter().filter(|mail| mail["to"][1] == to);
        theirs.map(|mail| text(mail, "subject").to_owned()).collect()
    }
}

/// A mail as it was read.
pub(crate) struct Letter {
    pub(crate) text: String,
}

impl Letter {
    /// The link to that path.
    pub(crate) fn link(&self, path: &str) -> Url {
        let mut links = self.text.split_whitespace().filter_map(|word| Url::parse(word).ok());
        let found = links.find(|url| url.path() == path);
        found.unwrap_or_else(|| panic!("no link to {path}: {}", self.text))
    }
}

fn text<'a>(mail: &'a Value, name: &str) -> &'a str {
    mail[name].as_str().unwrap_or_default()
}
