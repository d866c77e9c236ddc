//! The two things of XML Signature that no rule of ours depends on: canonical octets and hashes of them.
//!
//! Separate so that what is behind it can be replaced, and compared, without touching a rule.
//!
//! Rules: the engine never chooses what is signed, with which key, or by which algorithm; an error
//! of its own is a refusal, never an empty result.

use aws_lc_rs::{constant_time, digest};

use super::canonical;
use super::refusal::{Reason, Refusal};
use super::xml::{Element, Tree};

/// What a canonicalization must offer.
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

    /// Whether octets are the canonical form of the whole tree.
    fn is_canonical(&self, tree: &Tree<'_>, inclusive_prefixes: &[&str], octets: &[u8]) -> bool;
}

/// Our own canonicalization over our own tree.
pub(super) struct Exclusive;

impl Engine for Exclusive {
    fn canonicalize(
        &self,
        tree: &Tree<'_>,
        apex: Element<'_>,
        omitted: Option<Element<'_>>,
        inclusive_prefixes: &[&str],
    ) -> Result<Vec<u8>, Refusal> {
        let octets = canonical::exclusive(tree, apex, omitted, inclusive_prefixes);
        if octets.is_empty() {
            // The hash of nothing is public (CVE-2025-66475, CVE-2025-66568).
            return Err(Refusal::new(Reason::CanonicalFormUnstable).got("nothing"));
        }
        Ok(octets)
    }

    fn is_canonical(&self, tree: &Tree<'_>, inclusive_prefixes: &[&str], octets: &[u8]) -> bool {
        canonical::is_exclusive(tree, inclusive_prefixes, octets)
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
