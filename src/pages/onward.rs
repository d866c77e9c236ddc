//! A message of ours on its way to an identity provider that takes messages by form alone.
//!
//! Separate because it is the one page of ours that leaves by itself.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::{Brand, link};

/// The page with the message.
#[derive(Debug, Clone, Copy)]
pub struct Onward<'a> {
    /// Where the form leads; from the provider's metadata.
    pub address: &'a str,
    /// The message.
    pub response: &'a str,
    /// What goes back with it.
    pub relay_state: Option<&'a str>,
}

impl Onward<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english();
        let address = link::page(self.address).unwrap_or("/");
        frame::render(&Page { frame: Frame::english(brand, text.heading), text, address, view: self })
    }
}

#[derive(Template)]
#[template(path = "onward.html")]
struct Page<'a> {
    frame: Frame<'a>,
    text: Texts,
    address: &'a str,
    view: &'a Onward<'a>,
}

struct Texts {
    heading: &'static str,
    explanation: &'static str,
    submit: &'static str,
}

impl Texts {
    const fn english() -> Self {
        Self {
            heading: "You are signed out here",
            explanation: "Your organization’s sign-in is told so. If nothing happens, press the button.",
            submit: "Continue",
        }
    }
}
