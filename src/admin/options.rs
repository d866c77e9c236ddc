//! The sign-on options of an organization, as somebody types them.
//!
//! Separate because the form of the console gives all of them and a command only some, and both become the same
//! valid options or are told every mistake at once.

use super::FieldProblem;
use crate::directory::{ConnectionOptions, Few, Listed};
use crate::saml::NameIdFormat;

/// Sign-on options as they were typed; what is `None` stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptionsForm<'a> {
    /// Whether people must sign on afresh.
    pub force_authn: Option<bool>,
    /// How people must sign on: URIs, one on each line.
    pub authn_context: Option<&'a str>,
    /// The form of name identifiers to ask for, by short name or URI; empty for whatever the provider is set to.
    pub name_id_format: Option<&'a str>,
    /// The attributes of the e-mail address, one on each line.
    pub email_attributes: Option<&'a str>,
    /// The attributes of the name, one on each line.
    pub name_attributes: Option<&'a str>,
    /// Whether a certificate outside its validity counts.
    pub accept_expired_certificate: Option<bool>,
}

impl OptionsForm<'_> {
    /// The options with what was typed, or everything that is wrong with that.
    pub(super) fn applied_to(
        &self,
        present: &ConnectionOptions,
    ) -> Result<ConnectionOptions, Vec<FieldProblem>> {
        let mut problems = Vec::new();
        let mut options = present.clone();
        if let Some(force_authn) = self.force_authn {
            options.force_authn = force_authn;
        }
        if let Some(accept) = self.accept_expired_certificate {
            options.accept_expired_certificate = accept;
        }
        if let Some(read) = lines("authn_context", self.authn_context, &mut problems) {
            options.authn_context = read;
        }
        if let Some(typed) = self.name_id_format.map(str::trim) {
            match Some(typed).filter(|typed| !typed.is_empty()).map(NameIdFormat::parse).transpose() {
                Ok(format) => options.name_id_format = format,
                Err(error) => problems
                    .push(FieldProblem { field: "name_id_format", message: format!("{typed:?} {error}") }),
            }
        }
        if let Some(read) = lines("email_attributes", self.email_attributes, &mut problems) {
            options.email_attributes = read;
        }
        if let Some(read) = lines("name_attributes", self.name_attributes, &mut problems) {
            options.name_attributes = read;
        }
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }
}

/// The values of a list, one on each line; blank lines do not count.
fn lines<T: Listed>(
    field: &'static str,
    typed: Option<&str>,
    problems: &mut Vec<FieldProblem>,
) -> Option<Few<T>> {
    let lines = typed?.lines().map(str::trim).filter(|line| !line.is_empty());
    match Few::parse(lines) {
        Ok(few) => Some(few),
        Err(error) => {
            problems.push(FieldProblem { field, message: error.to_string() });
            None
        }
    }
}
