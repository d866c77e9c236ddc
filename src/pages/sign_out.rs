//! The question before signing out.
//!
//! Separate because a link must never sign anybody out: the answer is a form of its own.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::{Brand, link};

/// What `GET /.anteroom/sign-out` shows. The button posts to the same path; nothing but the session's cookie
/// is sent, and that does not come along from another site's form. A second button ends all sessions of the person.
#[derive(Debug, Clone)]
pub struct ConfirmSignOut<'a> {
    /// Who is signed in.
    pub email: &'a str,
    /// Where "stay" leads.
    pub return_to: &'a str,
}

impl ConfirmSignOut<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        let text = Texts::english(brand);
        let frame = Frame::english(brand, text.title);
        frame::render(&Page { frame, text, email: self.email, stay_href: link::path(self.return_to) })
    }
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct Page<'a> {
    frame: Frame<'a>,
    text: Texts,
    email: &'a str,
    stay_href: &'a str,
}

struct Texts {
    title: &'static str,
    heading: String,
    address: &'static str,
    submit: &'static str,
    stay: &'static str,
    everywhere: &'static str,
}

impl Texts {
    fn english(brand: &Brand) -> Self {
        Self {
            title: "Sign out",
            heading: format!("Sign out of {}?", brand.application_name()),
            address: "You are signed in as",
            submit: "Sign out",
            stay: "Stay signed in",
            everywhere: "Sign out on all devices",
        }
    }
}
