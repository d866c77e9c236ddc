//! The sign-on options of an organization on the command line.
//!
//! Separate because `add` takes them, `options` changes them, and `show` prints them.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::admin::OptionsForm;
use crate::directory::{ConnectionOptions, Listed};
use crate::saml::NameIdFormat;

/// Sign-on options; what is not given stays as it is.
#[derive(Debug, Args)]
pub(super) struct SignOnOptions {
    /// Ask people to sign on there afresh each time, and refuse older sign-ons.
    #[arg(long, value_name = "ON|OFF")]
    force_authn: Option<Switch>,
    /// A way in which people may sign on, as a URI; may be repeated, and replaces those so far. Empty: any way.
    #[arg(long, value_name = "URI")]
    authn_context: Vec<String>,
    /// The Name ID to ask for: persistent, emailAddress, unspecified or transient. Empty: as it is set there.
    #[arg(long, value_name = "FORMAT")]
    name_id_format: Option<String>,
    /// An attribute that holds the e-mail address; may be repeated, and replaces those so far. Empty: the usual ones.
    #[arg(long, value_name = "NAME")]
    email_attribute: Vec<String>,
    /// An attribute that holds the name; may be repeated, and replaces those so far. Empty: the usual ones.
    #[arg(long, value_name = "NAME")]
    name_attribute: Vec<String>,
    /// Accept signatures whose certificate has expired.
    #[arg(long, value_name = "ON|OFF")]
    accept_expired_certificate: Option<Switch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// What was given, with lists as the form of the console has them: one value on each line.
#[derive(Debug)]
pub(super) struct Typed {
    options: SignOnOptions,
    authn_context: String,
    email_attributes: String,
    name_attributes: String,
}

impl SignOnOptions {
    /// Whether none was given.
    pub(super) const fn is_empty(&self) -> bool {
        self.force_authn.is_none()
            && self.authn_context.is_empty()
            && self.name_id_format.is_none()
            && self.email_attribute.is_empty()
            && self.name_attribute.is_empty()
            && self.accept_expired_certificate.is_none()
    }

    pub(super) fn typed(self) -> Typed {
        Typed {
            authn_context: self.authn_context.join("\n"),
            email_attributes: self.email_attribute.join("\n"),
            name_attributes: self.name_attribute.join("\n"),
            options: self,
        }
    }
}

impl Typed {
    pub(super) fn form(&self) -> OptionsForm<'_> {
        let is_on = |switch: Option<Switch>| switch.map(|switch| switch == Switch::On);
        OptionsForm {
            force_authn: is_on(self.options.force_authn),
            authn_context: if_given(&self.options.authn_context, &self.authn_context),
            name_id_format: self.options.name_id_format.as_deref(),
            email_attributes: if_given(&self.options.email_attribute, &self.email_attributes),
            name_attributes: if_given(&self.options.name_attribute, &self.name_attributes),
            accept_expired_certificate: is_on(self.options.accept_expired_certificate),
        }
    }
}

fn if_given<'a>(given: &[String], lines: &'a str) -> Option<&'a str> {
    (!given.is_empty()).then_some(lines)
}

/// The options in JSON, also those that are as usual.
pub(super) fn object(options: &ConnectionOptions) -> Value {
    json!({
        "force_authn": options.force_authn,
        "authn_context": options.authn_context,
        "name_id_format": options.name_id_format.map(NameIdFormat::as_str),
        "email_attributes": options.email_attributes,
        "name_attributes": options.name_attributes,
        "accept_expired_certificate": options.accept_expired_certificate,
    })
}

/// The options that are not as usual, for people: name and value.
pub(super) fn rows(options: &ConnectionOptions) -> Vec<[String; 2]> {
    let switch = |name: &str, is_on: bool| is_on.then(|| [name.to_owned(), "on".to_owned()]);
    let format = options.name_id_format.map(|format| ["Name ID".to_owned(), format.as_str().to_owned()]);
    let mut rows: Vec<_> = switch("fresh sign-on", options.force_authn).into_iter().collect();
    rows.extend(list("way to sign on", options.authn_context.as_slice()));
    rows.extend(format);
    rows.extend(list("e-mail from", options.email_attributes.as_slice()));
    rows.extend(list("name from", options.name_attributes.as_slice()));
    rows.extend(switch("expired certificates", options.accept_expired_certificate));
    rows
}

fn list<T: Listed>(name: &str, values: &[T]) -> Vec<[String; 2]> {
    values.iter().map(|value| [name.to_owned(), value.as_str().to_owned()]).collect()
}
