//! The two things of XML Signature that are delegated: canonical octets and hashes of them.
//!
//! Separate so that the library behind it can be replaced without touching a rule of ours.
//!
//! Rules: the engine never chooses what is signed, with which key, or by which algorithm; an error
//! of its own is a refusal, never an empty result.

use aws_lc_rs::{constant_time, digest};
use bergshamra::c14n::exclusive;
use bergshamra::xml::NodeSet;
use uppsala::NodeId;

use super::refusal::{Reason, Refusal};
use super::xml::{Element, Tree};

/// What a canonicalization library must offer.
pub(super) trait Engine {
    /// Exclusive XML Canonicalization 1.0 without comments of `apex` and all below it, except the
    /// subtree `omitted`, with the prefixes that are treated as in inclusive canonicalization.
    fn canonicalize(
        &self,
        tree: &Tree<'_>,
        apex: Element<'_>,
        omitted: Option<Element<'_>>,
        inclusive_prefixes: &[&str],
    ) -> Result<Vec<u8>, Refusal>;
}

/// bergshamra's canonicalization over uppsala's tree.
pub(super) struct Bergshamra;

impl Engine for Bergshamra {
    fn canonicalize(
        &self,
        tree: &Tree<'_>,
        apex: Element<'_>,
        omitted: Option<Element<'_>>,
        inclusive_prefixes: &[&str],
    ) -> Result<Vec<u8>, Refusal> {
        let document = tree.document();
        let mut visible = NodeSet::new();
        let mut pending: Vec<NodeId> = vec![apex.id()];
        while let Some(id) = pending.pop() {
            if omitted.is_some_and(|element| element.id() == id) {
                continue;
            }
            visible.insert_id(id);
            pending.extend(document.children_iter(id));
        }
        let octets = exclusive::canonicalize(document, false, Some(&visible), inclusive_prefixes)
            .map_err(|error| Refusal::new(Reason::CanonicalFormUnstable).got(error.to_string()))?;
        if octets.is_empty() {
            // The hash of nothing is public (CVE-2025-66475, CVE-2025-66568).
            return Err(Refusal::new(Reason::CanonicalFormUnstable).got("nothing"));
        }
        Ok(octets)
    }
}

/// The hash algorithms that a digest may use; a signature names its own by [`super::key`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn from_digest_uri(uri: &str) -> Option<Self> {
        match uri {
            "http://www.w3.org/2001/04/xmlenc#sha256" => Some(Self::Sha256),
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => Some(Self::Sha384),
            "http://www.w3.org/2001/04/xmlenc#sha512" => Some(Self::Sha512),
            _ => None,
        }
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    /// Whether `expected` is exactly the hash of these octets.
    pub(super) fn matches(self, octets: &[u8], expected: &[u8]) -> bool {
        let actual = digest::digest(self.algorithm(), octets);
        constant_time::verify_slices_are_equal(actual.as_ref(), expected).is_ok()
    }
}
