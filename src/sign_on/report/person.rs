//! The checks of whom an answer speaks of.
//!
//! Separate because they are rules of ours, not of SAML, and because they go on where
//! [`Person::of`](crate::sign_on::person::Person::of) stops.
//!
//! Rules: the claims need not be verified, so that a message that is out of date can be looked at all the same;
//! nothing but a check comes out of here. The first that fails has the code of the refusal.

use crate::directory::{AttributeName, ConnectionOptions, Few};
use crate::email::EmailDomain;
use crate::saml::diagnosis::{Advice, Check, Outcome, sentence};
use crate::saml::{Attribute, Claims, NameId};
use crate::sign_on::connections::Connection;
use crate::sign_on::person::{self, Refused, Statements};

/// The checks where nothing can be read.
pub(super) fn not_reached() -> Vec<Check> {
    CHECKS.iter().map(|(code, title)| Check::new(code, title)).collect()
}

/// Makes the checks.
pub(super) fn checks(claims: &Claims, connection: &Connection) -> Vec<Check> {
    let [email, form, domain, key, name, groups] = CHECKS.map(|(code, title)| Check::new(code, title));
    let statements = Statements::claimed(claims);
    let options = &connection.options;
    let sources = person::email_sources(options);
    let mut checks = match person::email_of(statements, options) {
        Err(refused @ Refused::EmailMissing { .. }) => {
            let email = email.failed(refused.code(), no_email(claims, options));
            let email = email.showing(Some(sources), Some(names(claims)));
            vec![email, form, domain, check_key(key, claims)]
        }
        Err(refused) => {
            let remedy = of_options(&options.email_attributes).unwrap_or(
                "Let the claim of the e-mail address have exactly one full address, like name@company.com.",
            );
            let advice = Advice::new(sentence(&refused.to_string()), remedy);
            let got = counted(&refused);
            let form = form.failed(refused.code(), advice).showing(Some("one address".to_owned()), got);
            vec![email.passed(None), form, domain, check_key(key, claims)]
        }
        Ok((address, source)) => {
            let email = email.passed(None).showing(Some(sources), Some(source.to_string()));
            let domains = &connection.organization.domains;
            let listed = domains.iter().map(EmailDomain::as_str).collect::<Vec<_>>().join(", ");
            let domain = if domains.contains(address.domain()) {
                domain.passed(Some(address.to_string()))
            } else {
                let refused = Refused::ForeignDomain { domain: address.domain().to_string() };
                domain.failed(refused.code(), foreign(address.domain(), domains))
            };
            let domain = Check { got: Some(address.to_string()), expected: Some(listed), ..domain };
            vec![email, form.passed(None), domain, check_key(key, claims)]
        }
    };
    checks.push(match person::name_of(statements, options) {
        Ok(found) => {
            let shown = found.map_or_else(|| "none".to_owned(), |found| found.as_str().to_owned());
            name.passed(Some(shown))
        }
        Err(refused) => {
            let remedy = of_options(&options.name_attributes)
                .unwrap_or("Let the claim of the name have exactly one value, or leave it out.");
            name.failed(refused.code(), Advice::new(sentence(&refused.to_string()), remedy))
        }
    });
    checks.push(check_groups(groups, claims));
    checks
}

const CHECKS: [(&str, &str); 6] = [
    ("email", "There is an e-mail address"),
    ("email_form", "The e-mail address can be used"),
    ("email_domain", "The address is in the domains of the organization"),
    ("key", "There is a lasting key of the person"),
    ("name", "The name can be read"),
    ("groups", "No groups were left out"),
];

fn no_email(claims: &Claims, options: &ConnectionOptions) -> Advice {
    let near: Vec<_> = claims
        .attributes()
        .iter()
        .filter(|attribute| {
            is_like_email(attribute.name())
                || attribute.values().any(|value| crate::email::EmailAddress::parse(value).is_ok())
        })
        .map(Attribute::name)
        .take(3)
        .collect();
    let cause = match near.as_slice() {
        _ if claims.attributes().is_empty() => "The message has no claims at all.".to_owned(),
        [] => {
            "None of the claims is an e-mail address: often the person has no mail address in the directory."
                .to_owned()
        }
        near => format!("There are claims that look like it, but under another name: {}.", near.join(", ")),
    };
    let remedy = of_options(&options.email_attributes).unwrap_or(
        "Add the claim http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress from user.mail (Entra: \
         Attributes & Claims), fill in the person's mail address there, or name the claim in the organization's \
         sign-on options here.",
    );
    Advice::new(cause, remedy)
}

/// What to do where the names of attributes have been chosen.
fn of_options(names: &Few<AttributeName>) -> Option<&'static str> {
    (!names.is_empty()).then_some(
        "Let the identity provider send one of the attributes that the organization's sign-on options name, with \
         exactly one value, or change the options here.",
    )
}

/// Whether a name says that the value is an address, in whatever form.
fn is_like_email(name: &str) -> bool {
    let last = name.rsplit(['/', ':', '.']).next().unwrap_or_default();
    let plain: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    plain.contains("mail") || matches!(plain.as_str(), "upn" | "userprincipalname")
}

/// The names of all claims, shortened to fit.
fn names(claims: &Claims) -> String {
    let mut text = String::new();
    for attribute in claims.attributes().iter() {
        if text.len() > NAMES_OCTETS_MAX {
            text.push_str(", …");
            break;
        }
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.extend(attribute.name().chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }));
    }
    if text.is_empty() { "no claims".to_owned() } else { text }
}

const NAMES_OCTETS_MAX: usize = 1000;

/// How many values an attribute has that should have one.
fn counted(refused: &Refused) -> Option<String> {
    let Refused::ValueCount { name, count, .. } = refused else { return None };
    Some(format!("{name}: {count} values"))
}

fn foreign(domain: &EmailDomain, domains: &[EmailDomain]) -> Advice {
    let domain = domain.as_str();
    let is_below = domains.iter().any(|own| domain.ends_with(&format!(".{}", own.as_str())));
    let cause = if domain.ends_with(".onmicrosoft.com") {
        "The address is the technical one of Entra: the person has no mail address of their own there, or the \
         claim is made from the user principal name."
            .to_owned()
    } else if is_below {
        format!("{domain} is a part of a domain of the organization, but not one of its domains itself.")
    } else {
        format!(
            "{domain} is not a domain of the organization: a guest, somebody of a sister company, or a private \
             address."
        )
    };
    Advice::new(
        cause,
        "Let the identity provider send the work address (claim emailaddress from user.mail), or add the domain to \
         the organization here.",
    )
}

fn check_key(check: Check, claims: &Claims) -> Check {
    let remedy = "Let the identity provider send the object ID and the tenant ID, or a persistent Name ID (Entra: \
                  the default claims), or add every person here beforehand.";
    match person::lasting_key_of(Statements::claimed(claims)) {
        Ok(Some(key)) => check.passed(Some(key)),
        Ok(None) => {
            let format = claims.name_id().map(format_of);
            let cause = match format.as_deref() {
                Some("transient") => "The Name ID is a transient one: another at each sign-on.",
                _ => "There is neither an object ID nor a Name ID.",
            };
            let cause =
                format!("{cause} Nobody new can be let in by that, only people who were added here before.");
            check
                .failed("subject_not_stable", Advice::new(cause, remedy))
                .showing(Some("a key that never changes".to_owned()), format)
        }
        Err(refused) => check.failed(refused.code(), Advice::new(sentence(&refused.to_string()), remedy)),
    }
}

/// The last part of the format of a Name ID.
fn format_of(name_id: &NameId) -> String {
    let format = name_id.format.as_deref().unwrap_or("unspecified");
    format.rsplit(':').next().unwrap_or_default().chars().take(40).collect()
}

/// Entra leaves the groups out where there are more than 150, and says so by a link. Nobody is refused for that.
fn check_groups(check: Check, claims: &Claims) -> Check {
    let is_over = claims.attributes().named(GROUPS_LINK).is_some();
    if !is_over {
        return Check { outcome: Outcome::NotApplicable, ..check };
    }
    Check {
        cause: Some(
            "The person is in more than 150 groups, so Entra has left all of them out and sent a link instead. \
             Nobody is refused for that: access here does not depend on groups."
                .to_owned(),
        ),
        remedy: Some(
            "If the application needs them, have only the groups sent that are assigned to it (Entra: Attributes \
             & Claims, Group claims)."
                .to_owned(),
        ),
        ..check.passed(Some(GROUPS_LINK.to_owned()))
    }
}

const GROUPS_LINK: &str = "http://schemas.microsoft.com/claims/groups.link";
