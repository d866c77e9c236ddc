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
                let text = AskTexts::english_for_unknown_domain(brand, email);
                AskPage::new(brand, text, return_to, email, other_url).render()
            }
            Self::Continue { return_to, email, ref choices } => {
                let text = ContinueTexts::english(brand, choices.len());
                let another_href =
                    format!("/.anteroom/sign-in?another=1&return_to={}", link::query_value(return_to));
                let frame = Frame::english(brand, text.title);
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
    described_by: &'static str,
}

struct AskTexts {
    title: &'static str,
    heading: String,
    explanation: Option<String>,
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
        let frame = Frame::english(brand, text.title);
        // The field has the focus at once, so what stands before it is read out with it.
        let described_by = match (&text.explanation, &text.problem) {
            (Some(_), _) => "explanation",
            (None, Some(_)) => "email-problem email-hint",
            (None, None) => "email-hint",
        };
        let other_href = other_url.and_then(link::page);
        Self { frame, text, return_to, email, other_href, described_by }
    }

    fn render(&self) -> String {
        frame::render(self)
    }
}

impl AskTexts {
    fn english(brand: &Brand, problem: Option<&str>) -> Self {
        let application = brand.application_name();
        Self {
            title: if problem.is_some() { "Check your address" } else { "Sign in" },
            heading: format!("Sign in to {application}"),
            explanation: None,
            label: "Work e-mail address",
            hint: "It takes you to your organization’s login.",
            problem: problem.map(str::to_owned),
            submit: "Continue",
            other_question: "Not signing in through an organization?",
            other_link: format!("Use the {application} login"),
        }
    }

    fn english_for_unknown_domain(brand: &Brand, email: &str) -> Self {
        Self {
            title: "Address not recognized",
            heading: "We don’t recognize this address".to_owned(),
            explanation: Some(format!(
                "We could not find a login for {email}. Please check the spelling, or try the address that \
                 your employer gave you."
            )),
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
    title: &'static str,
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
        Self { title, heading, lead, address: "Your address", another: "Not you? Use another address" }
    }
}
