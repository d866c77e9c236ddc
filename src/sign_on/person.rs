//! From a verified assertion to the person it speaks of.
//!
//! Separate because what an identity provider may say about whom is a rule of ours, not of SAML: one address,
//! within the domains of that connection, and a key of the person that never changes.
//!
//! Rules: attributes are found by their full `Name` only; one that is mapped must have exactly one value; the
//! first name of each list that is present counts, and a bad value in it is not made good by another. Where the
//! connection's options list names, only those are looked for.

use std::fmt;

use jiff::Timestamp;

use crate::directory::{ConnectionOptions, DisplayName, Subject};
use crate::email::EmailAddress;
use crate::saml::{Attributes, Claims, NameId, VerifiedAssertion};
use crate::sign_on::connections::Connection;

/// A person as one identity provider knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Who it is, for good.
    pub subject: Subject,
    /// Whether the key outlives the provider's session, so that a user may be made from it.
    pub stable: bool,
    /// The one address, of one of the connection's domains.
    pub email: EmailAddress,
    /// Where that stood.
    pub email_source: EmailSource,
    /// The name, if a usable one was sent.
    pub name: Option<DisplayName>,
    /// When the person authenticated there.
    pub authenticated_at: Timestamp,
    /// How: values of the `amr` claim.
    pub methods: Vec<String>,
}

/// Where an e-mail address stood in an assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailSource {
    /// In the attribute of that name.
    Attribute(String),
    /// It was the name identifier.
    NameId,
}

impl fmt::Display for EmailSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attribute(name) => write!(f, "the attribute {name}"),
            Self::NameId => f.write_str("the Name ID"),
        }
    }
}

/// Why an assertion that is genuine still lets nobody in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A mapped attribute with no value or several.
    #[error("the attribute {name} must have exactly one value, got {count}")]
    ValueCount {
        /// The attribute's name.
        name: String,
        /// How many values came.
        count: usize,
        /// What it would have been.
        part: Part,
    },
    /// No attribute that could be the address.
    #[error("no e-mail address was sent: add the claim {wanted}")]
    EmailMissing {
        /// Which claim, or which ones.
        wanted: String,
    },
    /// Not an address that we accept.
    #[error("the e-mail address {0}")]
    EmailInvalid(#[source] crate::email::Error),
    /// An address of somebody else's domain.
    #[error("addresses of {domain} may not come from this identity provider")]
    ForeignDomain {
        /// The domain.
        domain: String,
    },
}

/// Which part of a person could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Whether there is an address.
    Email,
    /// The address itself.
    EmailForm,
    /// The domain of the address.
    Domain,
    /// The lasting key.
    Key,
    /// The name.
    Name,
}

impl Refused {
    /// Which part of the person could not be read.
    #[must_use]
    pub const fn part(&self) -> Part {
        match self {
            Self::ValueCount { part, .. } => *part,
            Self::EmailMissing { .. } => Part::Email,
            Self::EmailInvalid(_) => Part::EmailForm,
            Self::ForeignDomain { .. } => Part::Domain,
        }
    }

    /// The stable machine code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ValueCount { .. } => "attribute_value_count",
            Self::EmailMissing { .. } => "email_missing",
            Self::EmailInvalid(_) => "email_invalid",
            Self::ForeignDomain { .. } => "email_domain_not_allowed",
        }
    }
}

impl Person {
    /// Reads the person out of an assertion of that connection's provider.
    pub fn of(assertion: &VerifiedAssertion, connection: &Connection) -> Result<Self, Refused> {
        let statements = Statements::of(assertion);
        let (email, email_source) = email_of(statements, &connection.options)?;
        if !connection.organization.domains.contains(email.domain()) {
            return Err(Refused::ForeignDomain { domain: email.domain().to_string() });
        }
        let (key, stable) = match lasting_key_of(statements)? {
            Some(key) => (key, true),
            None => (format!("email:{email}"), false),
        };
        Ok(Self {
            subject: Subject { connection: connection.id.clone(), key },
            stable,
            name: name_of(statements, &connection.options)?,
            email,
            email_source,
            authenticated_at: assertion.authn_instant(),
            methods: methods_of(assertion),
        })
    }
}

/// What is said about a person; whether any of it may be believed is for the caller to know.
#[derive(Clone, Copy)]
pub(super) struct Statements<'a> {
    pub(super) attributes: &'a Attributes,
    pub(super) name_id: Option<&'a NameId>,
}

impl<'a> Statements<'a> {
    pub(super) fn of(assertion: &'a VerifiedAssertion) -> Self {
        Self { attributes: assertion.attributes(), name_id: assertion.name_id() }
    }

    pub(super) fn claimed(claims: &'a Claims) -> Self {
        Self { attributes: claims.attributes(), name_id: claims.name_id() }
    }
}

/// The provider's key of the person, if there is one that stays: Entra's tenant and object, else the NameID
/// (SAML Core 8.3); a transient one is no key, and then the address has to do.
pub(super) fn lasting_key_of(statements: Statements<'_>) -> Result<Option<String>, Refused> {
    let tenant = one(statements, TENANT_CLAIM, Part::Key)?;
    let object = one(statements, OBJECT_CLAIM, Part::Key)?;
    if let (Some(tenant), Some(object)) = (tenant, object) {
        return Ok(Some(format!("entra:{}:{}", tenant.to_ascii_lowercase(), object.to_ascii_lowercase())));
    }
    let name_id = statements.name_id.filter(|id| !id.value.is_empty());
    Ok(name_id.and_then(|name_id| match name_id.format.as_deref() {
        Some(NAMEID_TRANSIENT) => None,
        Some(NAMEID_PERSISTENT) => Some(format!("persistent:{}", name_id.value)),
        _ => Some(format!("name:{}", name_id.value)),
    }))
}

/// Where the address is looked for, as a trial tells it.
pub(super) fn email_sources(options: &ConnectionOptions) -> String {
    if options.email_attributes.is_empty() {
        return format!("the attribute {EMAIL_CLAIM}");
    }
    let names: Vec<_> = options.email_attributes.texts().collect();
    format!("the attribute {}", names.join(" or "))
}

/// The address, and where it stood.
pub(super) fn email_of(
    statements: Statements<'_>,
    options: &ConnectionOptions,
) -> Result<(EmailAddress, EmailSource), Refused> {
    let (text, source) = if options.email_attributes.is_empty() {
        usual_email_of(statements)?
    } else {
        let found = first(statements, options.email_attributes.texts(), Part::EmailForm)?;
        let missing = || Refused::EmailMissing {
            wanted: options.email_attributes.texts().collect::<Vec<_>>().join(" or "),
        };
        found.map(attribute).ok_or_else(missing)?
    };
    Ok((EmailAddress::parse(text).map_err(Refused::EmailInvalid)?, source))
}

/// Where Entra and others send the address when nobody has said otherwise.
fn usual_email_of(statements: Statements<'_>) -> Result<(&str, EmailSource), Refused> {
    if let Some(found) = first(statements, EMAIL_CLAIMS.iter().copied(), Part::EmailForm)? {
        return Ok(attribute(found));
    }
    if let Some(name_id) = statements.name_id.filter(|id| id.format.as_deref() == Some(NAMEID_EMAIL)) {
        return Ok((&name_id.value, EmailSource::NameId));
    }
    let last = first(statements, [UPN_CLAIM], Part::EmailForm)?;
    last.map(attribute).ok_or_else(|| Refused::EmailMissing { wanted: EMAIL_CLAIM.to_owned() })
}

fn attribute<'a>((name, value): (&str, &'a str)) -> (&'a str, EmailSource) {
    (value, EmailSource::Attribute(name.to_owned()))
}

/// A name that cannot be shown is no reason to keep somebody out.
pub(super) fn name_of(
    statements: Statements<'_>,
    options: &ConnectionOptions,
) -> Result<Option<DisplayName>, Refused> {
    if !options.name_attributes.is_empty() {
        let found = first(statements, options.name_attributes.texts(), Part::Name)?;
        return Ok(found.and_then(|(_, text)| DisplayName::parse(text).ok()));
    }
    if let Some((_, text)) = first(statements, NAME_CLAIMS.iter().copied(), Part::Name)? {
        return Ok(DisplayName::parse(text).ok());
    }
    let given = one(statements, GIVEN_NAME_CLAIM, Part::Name)?.unwrap_or_default();
    let surname = one(statements, SURNAME_CLAIM, Part::Name)?.unwrap_or_default();
    Ok(DisplayName::parse(&format!("{given} {surname}")).ok())
}

/// `amr` values (RFC 8176) from Entra's method references, else from the authentication context.
fn methods_of(assertion: &VerifiedAssertion) -> Vec<String> {
    let references = assertion.attribute(METHODS_CLAIM);
    let context = assertion.authn_context_class();
    let mut methods: Vec<String> = Vec::new();
    for reference in references.iter().copied().chain(context.filter(|_| references.is_empty())) {
        let name = reference.rsplit(['/', ':']).next().unwrap_or_default();
        let method = match name.to_ascii_lowercase().as_str() {
            "password" | "passwordprotectedtransport" => "pwd",
            "multipleauthn" | "multifactor" => "mfa",
            "windows" | "kerberos" => "wia",
            "x509" | "x509certificate" | "tlsclient" => "swk",
            _ => continue,
        };
        if !methods.iter().any(|known| known == method) {
            methods.push(method.to_owned());
        }
    }
    methods
}

/// The first of some attributes that is present, with its one value.
fn first<'a, 'n>(
    statements: Statements<'a>,
    names: impl IntoIterator<Item = &'n str>,
    part: Part,
) -> Result<Option<(&'n str, &'a str)>, Refused> {
    for name in names {
        if let Some(value) = one(statements, name, part)? {
            return Ok(Some((name, value)));
        }
    }
    Ok(None)
}

/// The value of a mapped attribute; absent is fine, several or none inside are not.
fn one<'a>(statements: Statements<'a>, name: &str, part: Part) -> Result<Option<&'a str>, Refused> {
    let Some(attribute) = statements.attributes.named(name) else { return Ok(None) };
    let mut values = attribute.values();
    let count = values.len();
    match values.next() {
        Some(value) if count == 1 && !value.is_empty() => Ok(Some(value)),
        Some(_) if count == 1 => Err(Refused::ValueCount { name: name.to_owned(), count: 0, part }),
        _ => Err(Refused::ValueCount { name: name.to_owned(), count, part }),
    }
}

const TENANT_CLAIM: &str = "http://schemas.microsoft.com/identity/claims/tenantid";
const OBJECT_CLAIM: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";
const METHODS_CLAIM: &str = "http://schemas.microsoft.com/claims/authnmethodsreferences";
const EMAIL_CLAIM: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";
const GIVEN_NAME_CLAIM: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname";
const SURNAME_CLAIM: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname";

/// Where Entra sends the user principal name, the address of last resort.
const UPN_CLAIM: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name";

const EMAIL_CLAIMS: &[&str] =
    &[EMAIL_CLAIM, "emailaddress", "email", "mail", "urn:oid:0.9.2342.19200300.100.1.3"];

const NAME_CLAIMS: &[&str] = &[
    "http://schemas.microsoft.com/identity/claims/displayname",
    "displayName",
    "displayname",
    "urn:oid:2.16.840.1.113730.3.1.241",
];

const NAMEID_PERSISTENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent";
const NAMEID_TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
const NAMEID_EMAIL: &str = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress";
