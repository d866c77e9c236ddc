//! What all pages share: the head, the name of the application, the way to help.
//!
//! Separate because `templates/base.html` draws it for every view.

use askama::Template;

use crate::pages::{Brand, link};

/// The data of `templates/base.html`.
pub(super) struct Frame<'a> {
    pub(super) brand: &'a Brand,
    pub(super) language: &'static str,
    pub(super) title: String,
    pub(super) help: Option<Help<'a>>,
}

/// The line at the foot that says whom to write to.
pub(super) struct Help<'a> {
    pub(super) text: &'static str,
    pub(super) address: &'a str,
    pub(super) href: String,
}

impl<'a> Frame<'a> {
    pub(super) fn english(brand: &'a Brand, title: &str) -> Self {
        let help = brand.support_email().map(|address| Help {
            text: "Need help? Write to",
            address,
            href: link::mailto(address),
        });
        Self { brand, language: "en", title: format!("{title} – {}", brand.application_name()), help }
    }
}

/// Renders a page.
pub(super) fn render(page: &impl Template) -> String {
    page.render().expect("writing to a String cannot fail, and no filter of ours does")
}
