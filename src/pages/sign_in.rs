//! The sign-on page: an e-mail address, then a button for each identity provider it leads to.
//!
//! Separate because it is the page that everybody sees, and the one that must not say who the customers are.

use askama::Template;

use crate::pages::frame::{self, Frame};
use crate::pages::{Brand, link};

/// The states of `/.anteroom/sign-in`. `return_to` is where the visitor wanted to go.
#[derive(Debug, Clone)]
pub enum SignIn<'a> {
    /// Asks for the address. Posts `email` and `return_to` to `/.anteroom/sign-in`.
    Ask {
        /// Where the visitor wanted to go.
        return_to: &'a str,
        /// What was typed before, or is remembered on this browser.
        email: Option<&'a str>,
        /// Why the address was not accepted, for people.
        problem: Option<&'a str>,
        /// The application's own login, for people without SSO.
        other_url: Option<&'a str>,
    },
    /// The domain is known. Each button posts `connection`, `email` and `return_to` to
    /// `/.anteroom/sign-in/start`. Several choices make a chooser.
    Continue {
        /// Where the visitor wanted to go.
        return_to: &'a str,
        /// The address.
        email: &'a str,
        /// The connections of its domain.
        choices: Vec<Choice<'a>>,
    },
    /// Nobody signs on with this domain. Says so without saying who does, and asks again.
    UnknownDomain {
        /// Where the visitor wanted to go.
        return_to: &'a str,
        /// The address.
        email: &'a str,
        /// The application's own login, for people without SSO.
        other_url: Option<&'a str>,
    },
}

/// One identity provider to sign on with.
#[derive(Debug, Clone)]
pub struct Choice<'a> {
    /// Sent back as `connection`.
    pub connection_id: &'a str,
    /// Shown only where there is more than one choice.
    pub organization_name: &'a str,
    /// For example "Log In with Microsoft".
    pub button_label: &'a str,
}

impl SignIn<'_> {
    /// The page as HTML.
    #[must_use]
    pub fn render(&self, brand: &Brand) -> String {
        match *self {
            Self::Ask { return_to, email, problem, other_url } => {
                let text = AskTexts::english(brand, problem);
                AskPage::new(brand, text, return_to, email.unwrap_or_default(), other_url).render()
            }
            Self::UnknownDomain { return_to, email, other_url } => {
                let text = AskTexts::english_for_unknown_domain(brand, email, other_url.is_some());
                AskPage::new(brand, text, return_to, email, other_url).render()
            }
            Self::Continue { return_to, email, ref choices } => {
                let text = ContinueTexts::english(brand, choices.len());
                let another_href =
                    format!("/.anteroom/sign-in?another=1&return_to={}", link::query_value(return_to));
                let frame = Frame::english(brand, &text.title);
                frame::render(&ContinuePage { frame, text, return_to, email, choices, another_href })
            }
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct AskPage<'a> {
    frame: Frame<'a>,
    text: AskTexts,
    return_to: &'a str,
    email: &'a str,
    other_href: Option<&'a str>,
}

struct AskTexts {
    title: String,
    heading: String,
    paragraphs: Vec<String>,
    label: &'static str,
    hint: &'static str,
    problem: Option<String>,
    submit: &'static str,
    other_question: &'static str,
    other_link: String,
}

impl<'a> AskPage<'a> {
    fn new(
        brand: &'a Brand,
        text: AskTexts,
        return_to: &'a str,
        email: &'a str,
        other_url: Option<&'a str>,
    ) -> Self {
        let frame = Frame::english(brand, &text.title);
        Self { frame, text, return_to, email, other_href: other_url.and_then(link::page) }
    }

    fn render(&self) -> String {
        frame::render(self)
    }
}

impl AskTexts {
    fn english(brand: &Brand, problem: Option<&str>) -> Self {
        let application = brand.application_name();
        Self {
            title: if problem.is_some() { "Check your address".to_owned() } else { "Sign in".to_owned() },
            heading: format!("Sign in to {application}"),
            paragraphs: Vec::new(),
            label: "Work e-mail address",
            hint: "We use it to find your organization’s sign-in page.",
            problem: problem.map(str::to_owned),
            submit: "Continue",
            other_question: "Not signing in through an organization?",
            other_link: format!("Use your {application} password"),
        }
    }

    fn english_for_unknown_domain(brand: &Brand, email: &str, has_other_login: bool) -> Self {
        let application = brand.application_name();
        let mut paragraphs = vec![format!(
            "We could not find a sign-in page for {email}. Please check the spelling, or try the address that \
             your employer gave you."
        )];
        if has_other_login {
            paragraphs.push(format!("If you have a password for {application}, use it instead: see below."));
        }
        Self {
            title: "Address not recognized".to_owned(),
            heading: "We don’t recognize this address".to_owned(),
            paragraphs,
            submit: "Try this address",
            ..Self::english(brand, None)
        }
    }
}

#[derive(Template)]
#[template(path = "sign_in_continue.html")]
struct ContinuePage<'a> {
    frame: Frame<'a>,
    text: ContinueTexts,
    return_to: &'a str,
    email: &'a str,
    choices: &'a [Choice<'a>],
    another_href: String,
}

struct ContinueTexts {
    title: String,
    heading: String,
    lead: &'static str,
    address: &'static str,
    another: &'static str,
}

impl ContinueTexts {
    fn english(brand: &Brand, choices: usize) -> Self {
        let application = brand.application_name();
        let (title, heading, lead) = if choices > 1 {
            (
                "Choose your organization",
                "Choose your organization".to_owned(),
                "More than one organization signs in with this address. Which one is it today?",
            )
        } else {
            (
                "Sign in",
                format!("Sign in to {application}"),
                "Your organization checks who you are and then sends you back here.",
            )
        };
        Self {
            title: title.to_owned(),
            heading,
            lead,
            address: "Your address",
            another: "Not you? Use another address",
        }
    }
}
