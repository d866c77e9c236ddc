//! From notices to a letter: subject, plain text and HTML.
//!
//! Separate from the sentences (`english`), so that a second language is a second file.

use askama::Template;
use url::Url;

use crate::email::EmailAddress;

use super::{Notice, english, plain};

/// What an operator chose that letters name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The application's name.
    pub application_name: String,
    /// The application's address; all links lead below it.
    pub application_url: Url,
    /// Whom people can write to, and who is told of requests.
    pub support_email: Option<EmailAddress>,
}

/// What a mail says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as HTML: no pictures, nothing to be fetched, no marks to track by.
    pub html: String,
}

/// Tells one or several notices of one topic, oldest first, as one letter. What is said twice is told once.
#[must_use]
pub fn render(notices: &[Notice], words: &Words) -> Letter {
    let mut distinct: Vec<&Notice> = Vec::new();
    for notice in notices {
        if !distinct.contains(&notice) {
            distinct.push(notice);
        }
    }
    let sections: Vec<Section> = distinct.iter().map(|notice| english::section(notice, words)).collect();
    let subject = plain::short(&plain::line(&english::subject(&distinct, words)), SUBJECT_CHARS_MAX);
    let foot = english::foot(&distinct, words);
    let text = Text { sections: &sections, foot: &foot };
    let html = Html { language: "en", subject: &subject, sections: &sections, foot: &foot };
    let text = rendered(&text).trim_start().replace('\n', "\r\n");
    let html = rendered(&html).replace('\n', "\r\n");
    Letter { subject, text, html }
}

/// What one notice says.
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) paragraphs: Vec<String>,
    pub(super) facts: Vec<(&'static str, String)>,
    /// Who wrote what.
    pub(super) quote: Option<(String, Vec<String>)>,
    /// Where to go now: a label and an address.
    pub(super) action: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "mail/letter.txt", escape = "none")]
struct Text<'a> {
    sections: &'a [Section],
    foot: &'a [String],
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    language: &'static str,
    subject: &'a str,
    sections: &'a [Section],
    foot: &'a [String],
}

fn rendered(template: &impl Template) -> String {
    template.render().expect("writing to a String cannot fail, and no filter of ours does")
}

/// Mail programs show less.
const SUBJECT_CHARS_MAX: usize = 150;
