//! The shape of a Response and an Assertion: the fixed order of elements and what each may carry.
//!
//! Separate because the same reader runs twice: over the message as it came, to refuse strange
//! shapes before any cryptography, and over the digested octets, to read what is then believed.
//!
//! Rules: nothing read here is trusted by itself; every element and XML attribute that is not named
//! is refused (SAML-ATTACKS A1–A9); exactly one assertion stands in the whole document.

use super::encryption::EncryptedAssertion;
use super::names::{STATUS_SUCCESS, Vocabulary, ds, saml, samlp};
use super::refusal::{Reason, Refusal, Status, bounded};
use super::signature::Signature;
use super::statement::{AttributeStatement, AuthnStatement, Conditions, Subject, any_twice};
use super::xml::{Children, Element, Space, unexpected};

/// A `samlp:Response` (SAML Core 3.3.3), not verified.
pub(super) struct Response<'t> {
    pub(super) element: Element<'t>,
    pub(super) issue_instant: &'t str,
    pub(super) destination: Option<&'t str>,
    pub(super) in_response_to: Option<&'t str>,
    pub(super) issuer: Option<&'t str>,
    pub(super) signature: Option<Signature<'t>>,
    pub(super) status: Status,
    pub(super) content: Content<'t>,
}

/// What a response carries.
pub(super) enum Content<'t> {
    Nothing,
    Assertion(Box<Assertion<'t>>),
    Encrypted(EncryptedAssertion),
}

impl<'t> Response<'t> {
    pub(super) fn read(root: Element<'t>) -> Result<Self, Refusal> {
        if !root.is(samlp("Response")) {
            return Err(Refusal::new(Reason::NotAResponse).expected("samlp:Response").got(format!(
                "{{{}}}{}",
                root.namespace(),
                root.local()
            )));
        }
        check_document(root)?;
        root.allow_attributes(&["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"])?;
        let id = identified(root)?;

        let mut children = root.children()?;
        let issuer = children.take(saml("Issuer")).map(read_issuer).transpose()?;
        let signature = take_signature(&mut children, id)?;
        if signature.is_some() && issuer.is_none() {
            // SAML Profiles 4.1.4.2: a signed response names its issuer.
            return Err(Refusal::new(Reason::MissingElement).expected("Issuer in a signed Response"));
        }
        let status = read_status(children.require(samlp("Status"))?)?;
        let content = match children.next() {
            None => Content::Nothing,
            Some(element) if element.is(saml("Assertion")) => {
                Content::Assertion(Box::new(Assertion::read(element)?))
            }
            Some(element) if element.is(saml("EncryptedAssertion")) => {
                Content::Encrypted(EncryptedAssertion::read(element)?)
            }
            Some(element) => return Err(unexpected(element, root)),
        };
        children.finish()?;

        Ok(Self {
            element: root,
            issue_instant: root.required_attribute("IssueInstant")?,
            destination: root.attribute("Destination"),
            in_response_to: root.attribute("InResponseTo"),
            issuer,
            signature,
            status,
            content,
        })
    }

    pub(super) fn is_success(&self) -> bool {
        self.status.codes.first().is_some_and(|code| code == STATUS_SUCCESS)
    }
}

/// A `saml:Assertion` (SAML Core 2.3.3), not verified.
pub(super) struct Assertion<'t> {
    pub(super) element: Element<'t>,
    pub(super) id: &'t str,
    pub(super) issue_instant: &'t str,
    pub(super) issuer: &'t str,
    pub(super) signature: Option<Signature<'t>>,
    pub(super) subject: Subject<'t>,
    pub(super) conditions: Conditions<'t>,
    pub(super) authn_statements: Vec<AuthnStatement<'t>>,
    pub(super) attributes: AttributeStatement<'t>,
}

impl<'t> Assertion<'t> {
    pub(super) fn read(element: Element<'t>) -> Result<Self, Refusal> {
        element.allow_attributes(&["ID", "Version", "IssueInstant"])?;
        let id = identified(element)?;

        let mut children = element.children()?;
        let issuer = read_issuer(children.require(saml("Issuer"))?)?;
        let signature = take_signature(&mut children, id)?;
        let subject = Subject::read(children.require(saml("Subject"))?)?;
        let conditions =
            children.take(saml("Conditions")).ok_or_else(|| Refusal::new(Reason::ConditionsMissing))?;
        let conditions = Conditions::read(conditions)?;

        let mut authn_statements = Vec::new();
        let mut attributes = None;
        while let Some(statement) = children.next() {
            if statement.is(saml("AuthnStatement")) {
                authn_statements.push(AuthnStatement::read(statement)?);
            } else if statement.is(saml("AttributeStatement")) && attributes.is_none() {
                attributes = Some(AttributeStatement::read(statement)?);
            } else {
                return Err(unexpected(statement, element));
            }
        }

        Ok(Self {
            element,
            id,
            issue_instant: element.required_attribute("IssueInstant")?,
            issuer,
            signature,
            subject,
            conditions,
            authn_statements,
            attributes: attributes.unwrap_or_default(),
        })
    }

    /// Refuses what a whole document must not hold when its root is an assertion.
    pub(super) fn read_root(root: Element<'t>) -> Result<Self, Refusal> {
        if !root.is(saml("Assertion")) {
            return Err(Refusal::new(Reason::AssertionMissing).got(root.local()));
        }
        check_document(root)?;
        Self::read(root)
    }
}

/// The checks over every element, wherever it stands: one assertion, signatures only where they
/// are read, IDs unique and only where SAML puts them (SAML-ATTACKS A2–A5, A8, A9, A11).
fn check_document(root: Element<'_>) -> Result<(), Refusal> {
    let mut ids = Vec::new();
    let mut assertions = 0_usize;
    for element in root.subtree() {
        let is_assertion = matches!(element.local(), "Assertion" | "EncryptedAssertion");
        if is_assertion {
            if element.vocabulary() != Some(Vocabulary::Assertion) {
                return Err(Refusal::new(Reason::UnexpectedElement)
                    .expected("Assertion in the SAML 2.0 namespace")
                    .got(format!("{{{}}}{}", element.namespace(), element.local())));
            }
            assertions += 1;
        }
        for (space, local, value) in element.attributes() {
            if !is_id_like(local) || is_encryption(element) {
                continue;
            }
            // pysaml2 names its signatures; nothing of ours resolves that name, yet it must not be
            // taken for another.
            let in_place = space == Space::None
                && match local {
                    "ID" => element.is(samlp("Response")) || element.is(saml("Assertion")),
                    "Id" => element.is(ds("Signature")),
                    _ => false,
                };
            if !in_place {
                return Err(Refusal::new(Reason::IdMalformed)
                    .expected("ID on Response and Assertion, Id on Signature only")
                    .got(format!("{}/@{local}", element.local())));
            }
            ids.push(value);
        }
    }
    if let Some(id) = any_twice(ids) {
        return Err(Refusal::new(Reason::IdDuplicate).got(id));
    }
    if assertions > 1 {
        return Err(Refusal::new(Reason::SeveralAssertions).expected("1").got(assertions.to_string()));
    }
    Ok(())
}

/// Names under which some library or other resolves a Reference.
pub(super) fn is_id_like(local: &str) -> bool {
    matches!(local.as_bytes().last(), Some(b'D' | b'd'))
        && (local.eq_ignore_ascii_case("id") || matches!(local, "AssertionID" | "ResponseID" | "RequestID"))
}

/// XML Encryption has IDs of its own, by which nothing that is signed is ever found.
fn is_encryption(element: Element<'_>) -> bool {
    element.vocabulary() == Some(Vocabulary::Xenc)
}

/// Checks version and ID, and gives the ID (SAML Core 1.3.4, 4.1.2).
pub(super) fn identified(element: Element<'_>) -> Result<&str, Refusal> {
    let version = element.attribute("Version").unwrap_or("none");
    if version != "2.0" {
        return Err(Refusal::new(Reason::VersionUnsupported).expected("2.0").got(version));
    }
    let id = element.attribute("ID").unwrap_or("");
    let starts_well = id.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if starts_well && plain && id.len() <= ID_OCTETS_MAX {
        Ok(id)
    } else {
        Err(Refusal::new(Reason::IdMalformed)
            .expected("a letter or underscore, then letters, digits, '_', '-' and '.'")
            .got(id))
    }
}

const ID_OCTETS_MAX: usize = 256;

pub(super) fn read_issuer(element: Element<'_>) -> Result<&str, Refusal> {
    element.allow_attributes(&["Format"])?;
    if let Some(format) = element.attribute("Format")
        && format != super::names::FORMAT_ENTITY
    {
        return Err(Refusal::new(Reason::WrongIssuer).expected(super::names::FORMAT_ENTITY).got(format));
    }
    element.text()
}

pub(super) fn take_signature<'t>(
    children: &mut Children<'t>,
    parent_id: &str,
) -> Result<Option<Signature<'t>>, Refusal> {
    children.take(ds("Signature")).map(|element| Signature::read(element, parent_id)).transpose()
}

/// SAML Core 3.2.2. Nested codes are collected, the detail is skipped but may hold nothing of ours.
pub(super) fn read_status(element: Element<'_>) -> Result<Status, Refusal> {
    element.allow_attributes(&[])?;
    let mut children = element.children()?;
    let mut codes = Vec::new();
    let mut next = Some(children.require(samlp("StatusCode"))?);
    while let Some(code) = next {
        code.allow_attributes(&["Value"])?;
        codes.push(bounded(code.required_attribute("Value")?));
        let mut nested = code.children()?;
        next = nested.take(samlp("StatusCode"));
        nested.finish()?;
    }
    let message =
        children.take(samlp("StatusMessage")).map(|element| element.text().map(bounded)).transpose()?;
    if let Some(detail) = children.take(samlp("StatusDetail")) {
        check_foreign(detail)?;
    }
    children.finish()?;
    Ok(Status { codes, message })
}

/// Refuses what SAML or a signature gives a meaning to, inside of an element that may otherwise hold anything.
pub(super) fn check_foreign(element: Element<'_>) -> Result<(), Refusal> {
    let is_ours = |inner: &Element<'_>| {
        matches!(inner.vocabulary(), Some(Vocabulary::Assertion | Vocabulary::Protocol | Vocabulary::Dsig))
    };
    match element.subtree().skip(1).find(is_ours) {
        None => Ok(()),
        Some(inner) => Err(unexpected(inner, element)),
    }
}
