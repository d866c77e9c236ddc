//! The pages of requests that could not be answered.
//!
//! Separate because these are about the request or the machinery, not about the visitor: each gives a person
//! something to do and something to quote, and no more.

use crate::pages::notice::{self, Message};
use crate::pages::{Brand, link};

/// A request that could not be answered.
#[derive(Debug, Clone)]
pub enum Fault<'a> {
    /// 400: we could not make sense of the request.
    BadRequest {
        /// To be quoted.
        request_id: &'a str,
    },
    /// 403: a form that was not sent from our own page.
    ForeignForm,
    /// 404: one of our own paths that does not exist.
    NotFound,
    /// 405: one of our own paths, in a way that it is not made for.
    MethodNotAllowed,
    /// 413: more than we take.
    TooLarge,
    /// 421: a host that is not ours.
    MisdirectedHost,
    /// 429: the same too often.
    TooMany {
        /// The same as in `Retry-After`.
        retry_after_seconds: u64,
    },
    /// 500: our own mistake.
    Internal {
        /// To be quoted.
        request_id: &'a str,
    },
    /// 502 or 504: the application behind us did not answer.
    UpstreamError {
        /// The stable error code.
        code: &'a str,
        /// The status of the answer.
        status: u16,
        /// To be quoted.
        request_id: &'a str,
    },
    /// 503: something that we need is not there.
    Unavailable {
        /// The same as in `Retry-After`.
        retry_after_seconds: u64,
        /// To be quoted.
        request_id: &'a str,
    },
}

impl Fault<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        notice::render(brand, self.english(brand))
    }

    fn english<'b>(&self, brand: &'b Brand) -> Message<'b> {
        let (heading, advice) = self.english_texts(brand.application_name());
        let facts = self.facts().into_iter().map(|(fact, value)| (fact.english(), value)).collect();
        let action = match self {
            Self::UpstreamError { .. } | Self::Unavailable { .. } | Self::Internal { .. } => {
                Some(("Try again", SAME_PAGE))
            }
            Self::NotFound | Self::ForeignForm | Self::MethodNotAllowed => {
                Some(("Go to the front page", link::page(brand.application_url()).unwrap_or("/")))
            }
            Self::BadRequest { .. } | Self::TooLarge | Self::MisdirectedHost | Self::TooMany { .. } => None,
        };
        Message { heading, paragraphs: vec![advice], facts, action }
    }

    fn english_texts(&self, application: &str) -> (String, String) {
        let (heading, advice) = match self {
            Self::BadRequest { .. } => (
                "This request could not be understood",
                "Please go back and try again. If it happens again, tell the support team this number.",
            ),
            Self::ForeignForm => (
                "This form came from somewhere else",
                "To keep you safe, only forms from this site are accepted. Nothing was changed. Please open \
                 the page here and try again.",
            ),
            Self::NotFound => {
                ("There is no such page", "Please check the address, or begin at the front page.")
            }
            Self::MethodNotAllowed => (
                "This page cannot be used that way",
                "It may have been opened out of order. Please begin at the front page.",
            ),
            Self::TooLarge => {
                ("That was too much to send", "Please send less at a time. Nothing was changed.")
            }
            Self::TooMany { retry_after_seconds } => {
                return (
                    "That was a bit too often".to_owned(),
                    format!(
                        "Please wait {}, then go back and try again. Nothing was changed.",
                        english_span(*retry_after_seconds)
                    ),
                );
            }
            Self::MisdirectedHost => (
                "This address does not lead anywhere",
                "Please check the address in your browser, and use the link that you were given.",
            ),
            Self::Internal { .. } => (
                "Something went wrong here",
                "It is our mistake, not yours. Please try again. If it happens again, tell the support team \
                 this number.",
            ),
            Self::UpstreamError { .. } => {
                return (
                    format!("{application} is not answering"),
                    "It may be busy or restarting. Please wait a moment and try again. If it goes on, tell the \
                     support team what is shown here."
                        .to_owned(),
                );
            }
            Self::Unavailable { retry_after_seconds, .. } => {
                return (
                    format!("{application} cannot be reached right now"),
                    format!("Please wait a little and try again in {}.", english_span(*retry_after_seconds)),
                );
            }
        };
        (heading.to_owned(), advice.to_owned())
    }

    fn facts(&self) -> Vec<(Fact, String)> {
        match *self {
            Self::UpstreamError { code, status, request_id } => {
                vec![(Fact::Error, format!("{status} {code}")), (Fact::Request, request_id.to_owned())]
            }
            Self::BadRequest { request_id }
            | Self::Internal { request_id }
            | Self::Unavailable { request_id, .. } => vec![(Fact::Request, request_id.to_owned())],
            Self::ForeignForm
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::TooMany { .. }
            | Self::MisdirectedHost => Vec::new(),
        }
    }
}

/// Something to quote to the support team.
enum Fact {
    Error,
    Request,
}

impl Fact {
    const fn english(&self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Request => "Request number",
        }
    }
}

/// How long to wait, rounded up to what a person would say.
fn english_span(seconds: u64) -> String {
    match seconds {
        0..=1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// An empty reference is the address of the page itself (RFC 3986 4.4).
const SAME_PAGE: &str = "";
