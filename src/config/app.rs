//! `[app]`: the application behind Anteroom.
//!
//! Separate, as every section has a file with its valid form and its rules.

use url::Url;

use crate::directory::DisplayName;
use crate::email::EmailAddress;
use crate::target::PathRule;

use super::reading::{Fault, Read, Reading};
use super::upstreams::{self, Upstreams};
use super::{address, file};

/// The application.
#[derive(Debug, Clone)]
pub struct App {
    /// Its public origin.
    pub url: Url,
    /// `app.url` as it was typed, without a slash at its end: the default issuer and audience.
    pub url_text: String,
    /// Where it answers, and how it is reached there.
    pub upstreams: Upstreams,
    /// What needs no sign-on.
    pub public_paths: Vec<PathRule>,
    /// Its name on our pages.
    pub name: DisplayName,
    /// Whom people can write to.
    pub support_email: Option<EmailAddress>,
}

pub(super) fn read(typed: &file::App, reading: &mut Reading<'_>) -> Read<App> {
    let url = reading.required(
        "app.url",
        typed.url.as_deref(),
        "write the address that people open, e.g. url = \"https://app.example.com\"",
        address::app_url,
    );
    let upstreams = upstreams::read(typed, reading);
    let public_paths = reading.list("app.public_paths", typed.public_paths.as_deref(), public_path);
    let name = reading.optional("app.name", typed.name.as_deref(), display_name);
    let support_email = reading.optional("app.support_email", typed.support_email.as_deref(), |text| {
        EmailAddress::parse(text).map_err(|error| {
            Fault::new(format!("{text:?} {error}"), "write one address, e.g. \"support@example.com\"")
        })
    });
    let url = url?;
    let name = match name? {
        Some(name) => name,
        None => reading.told("app.name", display_name(url.host_str().unwrap_or_default()))?,
    };
    Ok(App {
        url_text: typed.url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
        upstreams: upstreams?,
        public_paths: public_paths?,
        name,
        support_email: support_email?,
        url,
    })
}

/// Reads one entry of `app.public_paths`.
fn public_path(text: &str) -> Result<PathRule, Fault> {
    if text == "/" {
        let remedy = "list the public paths one by one, e.g. \"/assets/\"";
        return Err(Fault::new("\"/\" would make the whole application public", remedy));
    }
    path_rule(text)
}

/// Reads a path of the application: exact, or with everything below it.
pub(super) fn path_rule(text: &str) -> Result<PathRule, Fault> {
    if text == "/" {
        return Err(Fault::new("\"/\" is the whole application", "list the paths one by one"));
    }
    if text.starts_with("/.anteroom") || text.starts_with("/.well-known/anteroom") {
        return Err(Fault::new(format!("{text:?} is one of Anteroom's own"), "remove it"));
    }
    if !text.starts_with('/') {
        return Err(Fault::new(format!("{text:?} is not a path"), format!("write \"/{text}\"")));
    }
    if text.contains(['?', '#', '*']) {
        let remedy = "write the path alone; \"/assets/\" with a slash at its end means everything below it";
        return Err(Fault::new(format!("{text:?} is more than a path"), remedy));
    }
    PathRule::parse(text).map_err(|_| {
        Fault::new(
            format!("{text:?} can be read in more than one way"),
            "write it without . and .. segments, // at the start, spaces and escaped slashes",
        )
    })
}

/// Reads a name for people.
pub(super) fn display_name(text: &str) -> Result<DisplayName, Fault> {
    DisplayName::parse(text).map_err(|error| Fault::new(format!("{text:?} {error}"), "write a short name"))
}
