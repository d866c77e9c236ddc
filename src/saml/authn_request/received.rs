//! An `AuthnRequest` as an identity provider reads it.
//!
//! Separate because Anteroom only sends requests: the identity provider of the demonstration is the one who reads them,
//! through the same strict door as everything else.

use crate::saml::message::identified;
use crate::saml::names::{saml, samlp};
use crate::saml::refusal::{Reason, Refusal};
use crate::saml::xml::{Child, Profile, Tree};

/// What a `samlp:AuthnRequest` says (SAML Core 3.4.1). Nobody has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedRequest {
    /// Its ID, for `InResponseTo`.
    pub id: String,
    /// Who asks.
    pub issuer: String,
    /// Where the answer is wanted, if that is said.
    pub acs_url: Option<String>,
}

impl ReceivedRequest {
    /// Reads a request; what else stands in it is not looked at.
    pub fn parse(octets: &[u8]) -> Result<Self, Refusal> {
        let tree = Tree::parse(octets, Profile::Message)?;
        let root = tree.root();
        if !root.is(samlp("AuthnRequest")) {
            return Err(Refusal::new(Reason::UnexpectedElement).expected("AuthnRequest").got(root.local()));
        }
        let id = identified(root)?.to_owned();
        let issuer = root.content().find_map(|child| match child {
            Child::Element(element) if element.is(saml("Issuer")) => Some(element),
            _ => None,
        });
        let issuer = issuer.ok_or_else(|| Refusal::new(Reason::MissingElement).expected("Issuer"))?;
        Ok(Self {
            id,
            issuer: issuer.text()?.to_owned(),
            acs_url: root.attribute("AssertionConsumerServiceURL").map(str::to_owned),
        })
    }
}
