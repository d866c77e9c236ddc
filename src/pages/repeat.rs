//! The question whether a form shall be sent again that was kept when a session had timed out.
//!
//! Separate because nothing may be sent without a person's word: the answer is a form of its own.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::{Brand, link};

/// What `GET /.anteroom/repeat` shows. The button posts the token to the same path.
#[derive(Debug, Clone, Copy)]
pub struct Repeat<'a> {
    /// What the form is kept under.
    pub token: &'a str,
    /// Where it was sent to.
    pub path: &'a str,
    /// How much it is, in bytes.
    pub size: usize,
}

impl Repeat<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english(brand, self.size);
        let frame = Frame::english(brand, text.heading);
        let leave_href = link::page(brand.application_url()).unwrap_or("/");
        frame::render(&Page { frame, text, view: self, leave_href })
    }
}

#[derive(Template)]
#[template(path = "repeat.html")]
struct Page<'a> {
    frame: Frame<'a>,
    text: Texts,
    view: &'a Repeat<'a>,
    leave_href: &'a str,
}

struct Texts {
    heading: &'static str,
    explanation: String,
    path: &'static str,
    size: &'static str,
    size_value: String,
    submit: &'static str,
    leave: &'static str,
}

impl Texts {
    fn english(brand: &Brand, size: usize) -> Self {
        Self {
            heading: "Send it again?",
            explanation: format!(
                "Your session had ended when you sent this to {}, so it did not get there. It was kept for you, \
                 just as you sent it.",
                brand.application_name()
            ),
            path: "Sent to",
            size: "Size",
            size_value: if size < 1024 {
                format!("{size} bytes")
            } else {
                format!("{} KB", size.div_ceil(1024))
            },
            submit: "Send it now",
            leave: "Do not send it",
        }
    }
}
