//! The shape of a `LogoutRequest` and a `LogoutResponse` (SAML Core 3.7).
//!
//! Separate because, as with a response, the same reader runs over the message as it came and over the octets that
//! were signed.
//!
//! Rules: nothing read here is trusted by itself; every element and XML attribute that is not named is refused;
//! the root is what the parameter said it is, so a signature over another kind of message is worth nothing
//! (SAML-ATTACKS A12).

use std::collections::HashSet;

use crate::saml::message::{check_foreign, identified, is_id_like, read_issuer, read_status, take_signature};
use crate::saml::names::{STATUS_SUCCESS, ds, saml, samlp};
use crate::saml::refusal::{Reason, Refusal, Status};
use crate::saml::signature::Signature;
use crate::saml::statement::NameId;
use crate::saml::xml::{Children, Element, Name, Space, unexpected};

/// A `samlp:LogoutRequest` (SAML Core 3.7.1), not verified.
pub(super) struct Request<'t> {
    pub(super) element: Element<'t>,
    pub(super) id: &'t str,
    pub(super) issue_instant: &'t str,
    pub(super) destination: Option<&'t str>,
    pub(super) not_on_or_after: Option<&'t str>,
    pub(super) issuer: &'t str,
    pub(super) signature: Option<Signature<'t>>,
    pub(super) name_id: NameId<'t>,
    /// None means all sessions of the name.
    pub(super) session_indexes: Vec<&'t str>,
}

/// A `samlp:LogoutResponse` (SAML Core 3.7.2), not verified.
pub(super) struct Response<'t> {
    pub(super) element: Element<'t>,
    pub(super) issue_instant: &'t str,
    pub(super) destination: Option<&'t str>,
    pub(super) in_response_to: Option<&'t str>,
    pub(super) issuer: &'t str,
    pub(super) signature: Option<Signature<'t>>,
    pub(super) status: Status,
}

impl<'t> Request<'t> {
    pub(super) fn read(root: Element<'t>) -> Result<Self, Refusal> {
        check_root(root, samlp("LogoutRequest"))?;
        root.allow_attributes(&[
            "ID",
            "Version",
            "IssueInstant",
            "Destination",
            "Consent",
            "NotOnOrAfter",
            "Reason",
        ])?;
        let id = identified(root)?;
        let mut children = root.children()?;
        let issuer = read_issuer(children.require(saml("Issuer"))?)?;
        let signature = take_signature(&mut children, id)?;
        skip_extensions(&mut children)?;
        if children.take(saml("EncryptedID")).is_some() {
            return Err(Refusal::new(Reason::EncryptionNotSupported).got("EncryptedID"));
        }
        let name_id = NameId::read(children.require(saml("NameID"))?)?;
        let mut session_indexes = Vec::new();
        while let Some(index) = children.take(samlp("SessionIndex")) {
            session_indexes.push(read_index(index)?);
            if session_indexes.len() > INDEXES_MAX {
                return Err(Refusal::new(Reason::TooComplex)
                    .expected(format!("at most {INDEXES_MAX} SessionIndex elements")));
            }
        }
        children.finish()?;
        Ok(Self {
            element: root,
            id,
            issue_instant: root.required_attribute("IssueInstant")?,
            destination: root.attribute("Destination"),
            not_on_or_after: root.attribute("NotOnOrAfter"),
            issuer,
            signature,
            name_id,
            session_indexes,
        })
    }
}

impl<'t> Response<'t> {
    pub(super) fn read(root: Element<'t>) -> Result<Self, Refusal> {
        check_root(root, samlp("LogoutResponse"))?;
        root.allow_attributes(&["ID", "Version", "IssueInstant", "Destination", "Consent", "InResponseTo"])?;
        let id = identified(root)?;
        let mut children = root.children()?;
        let issuer = read_issuer(children.require(saml("Issuer"))?)?;
        let signature = take_signature(&mut children, id)?;
        skip_extensions(&mut children)?;
        let status = read_status(children.require(samlp("Status"))?)?;
        children.finish()?;
        Ok(Self {
            element: root,
            issue_instant: root.required_attribute("IssueInstant")?,
            destination: root.attribute("Destination"),
            in_response_to: root.attribute("InResponseTo"),
            issuer,
            signature,
            status,
        })
    }

    /// Whether the person is signed out everywhere, as far as the provider could do it.
    pub(super) fn is_complete(&self) -> bool {
        let mut codes = self.status.codes.iter();
        codes.next().is_some_and(|code| code == STATUS_SUCCESS) && codes.all(|code| code != PARTIAL_LOGOUT)
    }
}

const INDEXES_MAX: usize = 64;
const INDEX_OCTETS_MAX: usize = 1024;
const PARTIAL_LOGOUT: &str = "urn:oasis:names:tc:SAML:2.0:status:PartialLogout";

/// The checks over every element: the root is the one that was announced, no assertion is hidden anywhere, and IDs
/// are unique and only where SAML puts them.
fn check_root(root: Element<'_>, name: Name) -> Result<(), Refusal> {
    if !root.is(name) {
        let got = format!("{{{}}}{}", root.namespace(), root.local());
        return Err(Refusal::new(Reason::NotALogoutMessage).expected(name.local).got(got));
    }
    let mut ids = HashSet::new();
    for element in root.subtree() {
        if matches!(element.local(), "Assertion" | "EncryptedAssertion") {
            return Err(unexpected(element, root));
        }
        for (space, local, value) in element.attributes() {
            if !is_id_like(local) {
                continue;
            }
            let in_place = space == Space::None
                && match local {
                    "ID" => element.is(name),
                    "Id" => element.is(ds("Signature")),
                    _ => false,
                };
            if !in_place {
                return Err(Refusal::new(Reason::IdMalformed)
                    .expected("ID on the message, Id on Signature only")
                    .got(format!("{}/@{local}", element.local())));
            }
            if !ids.insert(value) {
                return Err(Refusal::new(Reason::IdDuplicate).got(value));
            }
        }
    }
    Ok(())
}

/// Extensions may say what they like, but hold nothing of ours (SAML Core 3.2.1).
fn skip_extensions(children: &mut Children<'_>) -> Result<(), Refusal> {
    children.take(samlp("Extensions")).map_or(Ok(()), check_foreign)
}

fn read_index(element: Element<'_>) -> Result<&str, Refusal> {
    element.allow_attributes(&[])?;
    let text = element.text()?;
    if text.len() > INDEX_OCTETS_MAX {
        return Err(Refusal::new(Reason::ValueTooLong).got("SessionIndex"));
    }
    // An empty one must not come to mean all.
    if text.is_empty() {
        Err(Refusal::new(Reason::MissingElement).expected("a SessionIndex"))
    } else {
        Ok(text)
    }
}
