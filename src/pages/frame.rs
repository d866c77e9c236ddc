//! What all pages share: the head, the name of the application, the way to help.
//!
//! Separate because `templates/base.html` draws it for every view.

use std::borrow::Cow;

use askama::Template;

use crate::pages::support::{Agent, Section};
use crate::pages::{Brand, link};

/// The data of `templates/base.html`.
pub(super) struct Frame<'a> {
    pub(super) brand: &'a Brand,
    pub(super) language: &'static str,
    pub(super) title: String,
    pub(super) help: Option<Help<'a>>,
    pub(super) bar: Option<Bar<'a>>,
}

/// What pages to work on have in their head: places, and who is signed in. They have a stylesheet of their own,
/// and use the width of the screen.
pub(super) struct Bar<'a> {
    pub(super) skip: &'static str,
    pub(super) name: &'static str,
    pub(super) places: Vec<Place<'a>>,
    pub(super) signed_in_as: &'static str,
    pub(super) visitor: &'a str,
    pub(super) sign_out: &'static str,
}

/// A place to go to.
pub(super) struct Place<'a> {
    pub(super) label: Cow<'static, str>,
    pub(super) href: &'a str,
    pub(super) is_here: bool,
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
        let title = format!("{title} – {}", brand.application_name());
        Self { brand, language: "en", title, help, bar: None }
    }

    /// The frame of the Manage page.
    pub(super) fn manage_english(brand: &'a Brand, title: &str, visitor: &'a str) -> Self {
        let back = Place {
            label: format!("Back to {}", brand.application_name()).into(),
            href: link::page(brand.application_url()).unwrap_or("/"),
            is_here: false,
        };
        let bar = Bar::english("Application", vec![back], visitor);
        Self { bar: Some(bar), ..Self::english(brand, title) }
    }

    /// The frame of the support console, whose pages need no hint to write to support.
    pub(super) fn console_english(brand: &'a Brand, title: &str, agent: &'a Agent, here: Section) -> Self {
        let places = Section::ALL.map(|section| Place {
            label: section.english().into(),
            href: section.path(),
            is_here: section == here,
        });
        let bar = Bar::english("Support console", places.into(), &agent.name);
        let title = format!("{title} – Support");
        Self { bar: Some(bar), help: None, ..Self::english(brand, &title) }
    }
}

impl<'a> Bar<'a> {
    fn english(name: &'static str, places: Vec<Place<'a>>, visitor: &'a str) -> Self {
        Self {
            skip: "Skip to the content",
            name,
            places,
            signed_in_as: "Signed in as",
            visitor,
            sign_out: "Sign out",
        }
    }
}

/// Renders a page.
pub(super) fn render(page: &impl Template) -> String {
    page.render().expect("writing to a String cannot fail, and no filter of ours does")
}
