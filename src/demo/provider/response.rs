//! The signed response, shaped as Entra's (ENTRA 2.2 and 2.3).
//!
//! Separate because it must show Anteroom what it meets in production: default namespaces, an unsigned
//! response around a signed assertion, attributes without a name format.
//!
//! Rules: the assertion is written in its exclusive canonical form, so that the text is what is signed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{Timestamp, ToSpan};

use crate::demo::people::Person;
use crate::demo::provider::key::{Key, canonical_text, canonical_value};
use crate::demo::provider::request::Registration;

/// What is to be said, about whom and to whom.
pub(crate) struct Answer<'a> {
    /// Who signed on.
    pub(crate) person: &'a Person,
    /// The tenant.
    pub(crate) tenant: &'a str,
    /// The request that is answered.
    pub(crate) in_response_to: &'a str,
    /// The application.
    pub(crate) registration: &'a Registration,
    /// A fresh ID for the response.
    pub(crate) response_id: String,
    /// A fresh ID for the assertion.
    pub(crate) assertion_id: String,
    /// Now.
    pub(crate) now: Timestamp,
}

impl Answer<'_> {
    /// The `SAMLResponse` form field.
    pub(crate) fn to_field(&self, key: &Key) -> anyhow::Result<String> {
        Ok(STANDARD.encode(self.to_xml(key)?))
    }

    fn to_xml(&self, key: &Key) -> anyhow::Result<String> {
        let (head, issuer, rest) = self.assertion_parts();
        let signature = key.signature(&self.assertion_id, &format!("{head}{issuer}{rest}"))?;
        Ok(format!(
            "<samlp:Response ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{now}\" Destination=\"{destination}\" \
             InResponseTo=\"{request}\" xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\">\
             <Issuer xmlns=\"{ASSERTION}\">{entity_id}</Issuer>\
             <samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>\
             {head}{issuer}{signature}{rest}</samlp:Response>",
            id = self.response_id,
            now = instant(self.now),
            destination = canonical_value(&self.registration.reply_url),
            request = canonical_value(self.in_response_to),
            entity_id = entity_id(self.tenant),
        ))
    }

    /// The assertion's start tag, its issuer, and all that stands after the place of the signature.
    fn assertion_parts(&self) -> (String, String, String) {
        let id = &self.assertion_id;
        let now = instant(self.now);
        let head =
            format!("<Assertion xmlns=\"{ASSERTION}\" ID=\"{id}\" IssueInstant=\"{now}\" Version=\"2.0\">");
        let issuer = format!("<Issuer>{}</Issuer>", entity_id(self.tenant));
        let rest = format!(
            "{subject}{conditions}<AttributeStatement>{attributes}</AttributeStatement>\
             <AuthnStatement AuthnInstant=\"{authenticated}\" SessionIndex=\"{id}\"><AuthnContext>\
             <AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</AuthnContextClassRef>\
             </AuthnContext></AuthnStatement></Assertion>",
            subject = self.subject(),
            conditions = self.conditions(),
            attributes = self.attributes(),
            // Long before the assertion, as Entra's is when the browser was signed on already.
            authenticated = instant(self.now - 2.hours()),
        );
        (head, issuer, rest)
    }

    fn subject(&self) -> String {
        format!(
            "<Subject><NameID Format=\"urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress\">{name}</NameID>\
             <SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\">\
             <SubjectConfirmationData InResponseTo=\"{request}\" NotOnOrAfter=\"{end}\" Recipient=\"{recipient}\">\
             </SubjectConfirmationData></SubjectConfirmation></Subject>",
            name = canonical_text(self.person.email),
            request = canonical_value(self.in_response_to),
            end = instant(self.now + 1.hours()),
            recipient = canonical_value(&self.registration.reply_url),
        )
    }

    fn conditions(&self) -> String {
        format!(
            "<Conditions NotBefore=\"{start}\" NotOnOrAfter=\"{end}\"><AudienceRestriction>\
             <Audience>{audience}</Audience></AudienceRestriction></Conditions>",
            start = instant(self.now - 5.minutes()),
            end = instant(self.now + 1.hours()),
            audience = canonical_text(&self.registration.entity_id),
        )
    }

    fn attributes(&self) -> String {
        let person = self.person;
        let display_name = person.display_name();
        let issuer = entity_id(self.tenant);
        [
            (format!("{MICROSOFT}/identity/claims/tenantid"), vec![self.tenant]),
            (format!("{MICROSOFT}/identity/claims/objectidentifier"), vec![person.object_id]),
            (format!("{MICROSOFT}/identity/claims/displayname"), vec![&display_name]),
            (format!("{MICROSOFT}/identity/claims/identityprovider"), vec![&issuer]),
            (
                format!("{MICROSOFT}/claims/authnmethodsreferences"),
                vec![METHOD_PASSWORD, "http://schemas.microsoft.com/claims/multipleauthn"],
            ),
            (format!("{XMLSOAP}/givenname"), vec![person.given_name]),
            (format!("{XMLSOAP}/surname"), vec![person.surname]),
            (format!("{XMLSOAP}/emailaddress"), vec![person.email]),
            (format!("{XMLSOAP}/name"), vec![person.email]),
        ]
        .into_iter()
        .map(|(name, values)| attribute(&name, &values))
        .collect()
    }
}

/// What a tenant calls itself.
pub(crate) fn entity_id(tenant: &str) -> String {
    format!("https://sts.windows.net/{tenant}/")
}

fn attribute(name: &str, values: &[&str]) -> String {
    let values = values.iter().map(|value| canonical_text(value)).collect::<Vec<_>>();
    let values = values.join("</AttributeValue><AttributeValue>");
    let name = canonical_value(name);
    format!("<Attribute Name=\"{name}\"><AttributeValue>{values}</AttributeValue></Attribute>")
}

/// Three digits of milliseconds and a `Z`.
fn instant(at: Timestamp) -> String {
    format!("{at:.3}")
}

const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const MICROSOFT: &str = "http://schemas.microsoft.com";
const XMLSOAP: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims";
const METHOD_PASSWORD: &str =
    "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";
