//! The sign-on options of an organization, on its page: what is in force, and the form that changes it.
//!
//! Separate from that page because each option needs a sentence of its own, and no other part of it does.

use crate::pages::form::{Field, Problems, Select};
use crate::pages::texts::texts;

/// The sign-on options of an organization.
#[derive(Debug, Clone, Default)]
pub struct SignOnOptions {
    /// What is in force.
    pub in_force: OptionsInForce,
    /// The form `…/options`; none where they are not changed here.
    pub form: Option<OptionsFields>,
}

/// Options as they are in force. What is empty or off is as it suits Entra.
#[derive(Debug, Clone, Default)]
pub struct OptionsInForce {
    /// Whether people must sign on afresh.
    pub force_authn: bool,
    /// How people must sign on.
    pub authn_context: Vec<String>,
    /// The form of name identifiers that is asked for.
    pub name_id_format: Option<String>,
    /// Where the address stands.
    pub email_attributes: Vec<String>,
    /// Where the name stands.
    pub name_attributes: Vec<String>,
    /// Whether expired certificates count.
    pub accept_expired_certificate: bool,
}

/// The fields of the form, by their names.
#[derive(Debug, Clone, Default)]
pub struct OptionsFields {
    /// Whether `force_authn` is ticked.
    pub force_authn: bool,
    /// `authn_context`, one on each line.
    pub authn_context: Field,
    /// `name_id_format`.
    pub name_id_format: Select,
    /// `email_attributes`, one on each line.
    pub email_attributes: Field,
    /// `name_attributes`, one on each line.
    pub name_attributes: Field,
    /// Whether `accept_expired_certificate` is ticked.
    pub accept_expired_certificate: bool,
}

impl OptionsInForce {
    /// What is not as usual: what it is, and the values.
    pub(super) fn english(&self) -> Vec<(&'static str, Vec<&str>)> {
        let text = OptionTexts::english();
        let all = [
            (text.force_authn, switch(self.force_authn)),
            (text.authn_context, texts(&self.authn_context)),
            (text.name_id_format, self.name_id_format.as_deref().into_iter().collect()),
            (text.email_attributes, texts(&self.email_attributes)),
            (text.name_attributes, texts(&self.name_attributes)),
            (text.accept_expired, switch(self.accept_expired_certificate)),
        ];
        all.into_iter().filter(|(_, values)| !values.is_empty()).collect()
    }
}

fn texts(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}

fn switch(is_on: bool) -> Vec<&'static str> {
    if is_on { vec![OptionTexts::english().on] } else { Vec::new() }
}

impl SignOnOptions {
    /// What is wrong with the form, each with the field's id on the page.
    pub(super) fn problems(&self) -> [(&'static str, Option<&String>); 4] {
        let form = self.form.as_ref();
        let of = |problem: fn(&OptionsFields) -> Option<&String>| form.and_then(problem);
        [
            ("authn-context", of(|form| form.authn_context.problem.as_ref())),
            ("name-id-format", of(|form| form.name_id_format.problem.as_ref())),
            ("email-attributes", of(|form| form.email_attributes.problem.as_ref())),
            ("name-attributes", of(|form| form.name_attributes.problem.as_ref())),
        ]
    }

    /// Whether the form came back.
    pub(super) fn is_refused(&self) -> bool {
        !Problems::of(&self.problems()).is_none()
    }
}

texts! {
    /// The words of the options.
    pub(super) OptionTexts {
        heading: "Sign-on options",
        usual: "All as usual, which suits Microsoft Entra ID.",
        declared: "They are set in the configuration file, under [[organization]].",
        change: "Change the sign-on options",
        lead: "Leave these alone unless the customer’s identity provider needs them. They hold for the next sign-on, and a test uses them.",
        force_authn: "Ask for a fresh sign-on each time",
        force_authn_hint: "People enter their password again even if they have just signed on elsewhere. An answer with an older sign-on is refused.",
        authn_context: "Required ways to sign on",
        authn_context_hint: "AuthnContextClassRef URIs, one on each line; any of them will do, and nothing else. Leave it empty for Entra.",
        name_id_format: "Form of the Name ID",
        name_id_format_hint: "Asking for one overrules what the customer has set. Where the Name ID is what people are known by, another form makes them strangers.",
        email_attributes: "Attributes with the e-mail address",
        email_attributes_hint: "Whole names, one on each line. The first that is present counts, and no other. Empty for the usual ones.",
        name_attributes: "Attributes with the name",
        name_attributes_hint: "Likewise. Empty for the usual ones.",
        accept_expired: "Accept expired certificates",
        accept_expired_hint: "The key must still be in the metadata, but the dates of its certificate do not count. Better ask for a new certificate.",
        on: "On",
        save: "Save the options",
    }
}
