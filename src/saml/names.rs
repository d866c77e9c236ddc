//! The namespace-exact names and identifiers of SAML 2.0, XML Signature and their algorithms.
//!
//! Separate so that no other file spells a URI.

use super::xml::Name;

pub(super) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(super) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(super) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
pub(super) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(super) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
pub(super) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(super) const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub(super) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

pub(super) const STATUS_SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
pub(super) const METHOD_BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
pub(super) const FORMAT_ENTITY: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity";
pub(super) const BINDING_REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
pub(super) const BINDING_POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

pub(super) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
pub(super) const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";

pub(super) const fn xenc(local: &'static str) -> Name {
    Name { vocabulary: Vocabulary::Xenc, local }
}

pub(super) const fn samlp(local: &'static str) -> Name {
    Name { vocabulary: Vocabulary::Protocol, local }
}

pub(super) const fn saml(local: &'static str) -> Name {
    Name { vocabulary: Vocabulary::Assertion, local }
}

pub(super) const fn md(local: &'static str) -> Name {
    Name { vocabulary: Vocabulary::Metadata, local }
}

pub(super) const fn ds(local: &'static str) -> Name {
    Name { vocabulary: Vocabulary::Dsig, local }
}

/// A namespace whose names are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    Protocol,
    Assertion,
    Metadata,
    Dsig,
    Xsi,
    ExcC14n,
    Xenc,
    Xenc11,
}

impl Vocabulary {
    /// The one with this namespace name, which must be the same octet by octet (Namespaces in XML 1.0, section 2.3).
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            PROTOCOL => Some(Self::Protocol),
            ASSERTION => Some(Self::Assertion),
            METADATA => Some(Self::Metadata),
            DSIG => Some(Self::Dsig),
            XSI => Some(Self::Xsi),
            EXC_C14N => Some(Self::ExcC14n),
            XENC => Some(Self::Xenc),
            XENC11 => Some(Self::Xenc11),
            _ => None,
        }
    }
}
