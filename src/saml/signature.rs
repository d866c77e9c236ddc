//! One XML Signature of the one shape that is allowed, and its verification.
//!
//! Separate because everything an attacker can vary in a signature is decided in this file.
//!
//! Rules: fixed children in fixed order, one Reference to the parent's own ID, enveloped then
//! exclusive canonicalization, algorithms from the allow-list by key type, `KeyInfo` never read
//! (SAML-ATTACKS A1, A5, A6, B5, B8–B10, B12, C3–C6). Verification gives the digested octets and
//! nothing else.

use jiff::Timestamp;

use super::digits;
use super::engine::{Engine, Hash};
use super::key::{Algorithm, Certificate};
use super::names::{ENVELOPED, EXC_C14N, Vocabulary, ds};
use super::refusal::{Reason, Refusal};
use super::xml::{Element, Name, Profile, Tree, unexpected};

/// A `ds:Signature` whose shape was checked, not verified.
pub(super) struct Signature<'t> {
    element: Element<'t>,
    signed_info: Element<'t>,
    signed_info_prefixes: Vec<&'t str>,
    algorithm: Algorithm,
    prefixes: Vec<&'t str>,
    hash: Hash,
    digest: Vec<u8>,
    value: Vec<u8>,
}

/// The keys a signature may be verified with.
pub(super) struct Keys<'k> {
    pub(super) certificates: &'k [Certificate],
    pub(super) accept_expired: bool,
    /// When the metadata that they come from is good no longer.
    pub(super) valid_until: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl<'t> Signature<'t> {
    /// Reads the signature of the element whose ID is given (XML Signature 4).
    pub(super) fn read(element: Element<'t>, parent_id: &str) -> Result<Self, Refusal> {
        Self::read_shape(element, parent_id).map_err(malformed)
    }

    fn read_shape(element: Element<'t>, parent_id: &str) -> Result<Self, Refusal> {
        element.allow_attributes(&["Id"])?;
        let mut children = element.children()?;
        let signed_info = children.require(ds("SignedInfo"))?;
        let value = read_base64(children.require(ds("SignatureValue"))?)?;
        if let Some(key_info) = children.take(ds("KeyInfo")) {
            check_key_info(key_info)?;
        }
        children.finish()?;

        signed_info.allow_attributes(&[])?;
        let mut children = signed_info.children()?;
        let canonicalization = children.require(ds("CanonicalizationMethod"))?;
        let method = children.require(ds("SignatureMethod"))?;
        let reference = children.require(ds("Reference"))?;
        children.finish()?;

        let reference = read_reference(reference, parent_id)?;
        Ok(Self {
            element,
            signed_info,
            signed_info_prefixes: read_exclusive(canonicalization)?,
            algorithm: read_algorithm(method)?,
            prefixes: reference.prefixes,
            hash: reference.hash,
            digest: reference.digest,
            value,
        })
    }

    /// Verifies the signature of `parent` and gives what was digested: the canonical form of `parent`
    /// without this signature.
    pub(super) fn digested(
        &self,
        engine: &impl Engine,
        tree: &Tree<'_>,
        parent: Element<'_>,
        keys: &Keys<'_>,
    ) -> Result<Digested<'t>, Refusal> {
        let signed_info = engine.canonicalize(tree, self.signed_info, None, &self.signed_info_prefixes)?;
        keys.check(self.algorithm, &signed_info, &self.value)?;

        let octets = engine.canonicalize(tree, parent, Some(self.element), &self.prefixes)?;
        if !self.hash.matches(&octets, &self.digest) {
            return Err(Refusal::new(Reason::DigestMismatch).got(parent.local()));
        }
        Ok(Digested { octets, prefixes: self.prefixes.clone() })
    }

    /// Verifies the signature of `parent` and gives the octets that were digested, which can be read.
    pub(super) fn verify(
        &self,
        engine: &impl Engine,
        tree: &Tree<'_>,
        parent: Element<'_>,
        keys: &Keys<'_>,
    ) -> Result<Vec<u8>, Refusal> {
        let digested = self.digested(engine, tree, parent, keys)?;
        digested.tree(engine)?;
        Ok(digested.octets)
    }
}

/// Octets whose digest was signed.
pub(super) struct Digested<'t> {
    octets: Vec<u8>,
    prefixes: Vec<&'t str>,
}

impl Digested<'_> {
    #[cfg(feature = "second-opinion")]
    pub(super) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(super) fn into_octets(self) -> Vec<u8> {
        self.octets
    }

    /// The octets parsed anew. Only that tree is read, so they must mean to our parser what they
    /// meant to the signer: their canonical form is themselves (SAML-ATTACKS B6, B7).
    pub(super) fn tree(&self, engine: &impl Engine) -> Result<Tree<'_>, Refusal> {
        let tree = Tree::parse(&self.octets, Profile::Message)?;
        if engine.is_canonical(&tree, &self.prefixes, &self.octets) {
            Ok(tree)
        } else {
            Err(Refusal::new(Reason::CanonicalFormUnstable))
        }
    }
}

impl Keys<'_> {
    pub(super) fn check(&self, algorithm: Algorithm, octets: &[u8], signature: &[u8]) -> Result<(), Refusal> {
        if !self.certificates.iter().any(|c| c.key().fits(algorithm)) {
            return Err(Refusal::new(Reason::AlgorithmForbidden)
                .expected("the algorithm of one of the pinned keys")
                .got(format!("{algorithm:?}")));
        }
        let mut refusal = None;
        for certificate in self.certificates {
            if !certificate.key().verifies(algorithm, octets, signature) {
                continue;
            }
            // The same key may stand in a renewed certificate, so go on looking.
            match self.check_validity(certificate) {
                Ok(()) => return Ok(()),
                Err(untimely) => refusal = Some(untimely),
            }
        }
        Err(refusal.unwrap_or_else(|| {
            Refusal::new(Reason::SignatureInvalid)
                .expected(format!("a key of {} pinned certificates", self.certificates.len()))
        }))
    }

    fn check_validity(&self, certificate: &Certificate) -> Result<(), Refusal> {
        if let Some(until) = self.valid_until.filter(|until| *until <= self.now) {
            return Err(Refusal::new(Reason::MetadataExpired)
                .expected("metadata that is valid now")
                .got(format!("metadata that was valid until {until}")));
        }
        if self.accept_expired {
            return Ok(());
        }
        if self.now > certificate.not_after() {
            return Err(Refusal::new(Reason::CertificateExpired)
                .expected(format!("a message before {}", certificate.not_after()))
                .got(certificate.fingerprint()));
        }
        if self.now < certificate.not_before() {
            return Err(Refusal::new(Reason::CertificateNotYetValid)
                .expected(format!("a message after {}", certificate.not_before()))
                .got(certificate.fingerprint()));
        }
        Ok(())
    }
}

struct Reference<'t> {
    prefixes: Vec<&'t str>,
    hash: Hash,
    digest: Vec<u8>,
}

fn read_reference<'t>(element: Element<'t>, parent_id: &str) -> Result<Reference<'t>, Refusal> {
    element.allow_attributes(&["URI"])?;
    let uri = element.attribute("URI").unwrap_or("");
    if uri.strip_prefix('#') != Some(parent_id) {
        return Err(Refusal::new(Reason::ReferenceMismatch).expected(format!("#{parent_id}")).got(uri));
    }
    let mut children = element.children()?;
    let transforms = children
        .take(ds("Transforms"))
        .ok_or_else(|| Refusal::new(Reason::TransformForbidden).got("no transforms"))?;
    let prefixes = read_transforms(transforms)?;
    let method = children.require(ds("DigestMethod"))?;
    method.allow_attributes(&["Algorithm"])?;
    method.no_children()?;
    let uri = method.required_attribute("Algorithm")?;
    let hash = Hash::from_digest_uri(uri).ok_or_else(|| {
        Refusal::new(Reason::AlgorithmForbidden).expected("SHA-256, SHA-384 or SHA-512").got(uri)
    })?;
    let digest = read_base64(children.require(ds("DigestValue"))?)?;
    children.finish()?;
    Ok(Reference { prefixes, hash, digest })
}

/// Exactly the enveloped transform, then exclusive canonicalization (SAML Core 5.4.4).
fn read_transforms(element: Element<'_>) -> Result<Vec<&str>, Refusal> {
    element.allow_attributes(&[])?;
    let forbidden = |got: &str| {
        Refusal::new(Reason::TransformForbidden)
            .expected("enveloped-signature, then exclusive canonicalization")
            .got(got)
    };
    let mut transforms = element.children()?;
    let mut next = || transforms.take(ds("Transform")).ok_or_else(|| forbidden("too few"));
    let enveloped = next()?;
    let exclusive = next()?;
    enveloped.allow_attributes(&["Algorithm"])?;
    let algorithm = enveloped.required_attribute("Algorithm")?;
    if algorithm != ENVELOPED {
        return Err(forbidden(algorithm));
    }
    enveloped.no_children()?;
    transforms.finish().map_err(|_| forbidden("too many"))?;
    read_exclusive(exclusive)
}

/// An element that names exclusive canonicalization without comments, and its prefix list
/// (Exclusive XML Canonicalization 3).
fn read_exclusive(element: Element<'_>) -> Result<Vec<&str>, Refusal> {
    element.allow_attributes(&["Algorithm"])?;
    let algorithm = element.required_attribute("Algorithm")?;
    if algorithm != EXC_C14N {
        return Err(Refusal::new(Reason::TransformForbidden).expected(EXC_C14N).got(algorithm));
    }
    let mut children = element.children()?;
    let inclusive = children.take(Name { vocabulary: Vocabulary::ExcC14n, local: "InclusiveNamespaces" });
    children.finish()?;
    let Some(inclusive) = inclusive else {
        return Ok(Vec::new());
    };
    inclusive.allow_attributes(&["PrefixList"])?;
    inclusive.no_children()?;
    let prefixes: Vec<_> = inclusive.attribute("PrefixList").unwrap_or("").split_ascii_whitespace().collect();
    let well_formed = prefixes.iter().all(|prefix| {
        *prefix == "#default" || prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    });
    if well_formed && prefixes.len() <= PREFIXES_MAX {
        Ok(prefixes)
    } else {
        Err(Refusal::new(Reason::SignatureMalformed).got("PrefixList"))
    }
}

const PREFIXES_MAX: usize = 16;

fn read_algorithm(method: Element<'_>) -> Result<Algorithm, Refusal> {
    method.allow_attributes(&["Algorithm"])?;
    // HMACOutputLength and the parameters of PSS would stand here.
    method.no_children()?;
    let uri = method.required_attribute("Algorithm")?;
    Algorithm::from_uri(uri).ok_or_else(|| {
        Refusal::new(Reason::AlgorithmForbidden)
            .expected("RSA (PKCS#1 v1.5) or ECDSA with SHA-256, SHA-384 or SHA-512")
            .got(uri)
    })
}

/// Strict base64 in one text node. Line breaks are white space of `xs:base64Binary` and usual.
fn read_base64(element: Element<'_>) -> Result<Vec<u8>, Refusal> {
    element.allow_attributes(&[])?;
    let text = element.text()?;
    if text.len() > BASE64_OCTETS_MAX {
        return Err(Refusal::new(Reason::SignatureMalformed).got(format!("{} octets", text.len())));
    }
    let octets = digits::decode(text).filter(|octets| !octets.is_empty());
    octets.ok_or_else(|| Refusal::new(Reason::SignatureMalformed).got(element.local()))
}

/// A signature by RSA 8192 has 1,366 digits, and some break the line after each 64.
const BASE64_OCTETS_MAX: usize = 4096;

/// `KeyInfo` is not read, but it must not be a place to hide anything either.
pub(super) fn check_key_info(key_info: Element<'_>) -> Result<(), Refusal> {
    let hiding = |element: &Element<'_>| {
        element.vocabulary() != Some(Vocabulary::Dsig)
            || matches!(
                element.local(),
                "Signature" | "SignedInfo" | "SignatureValue" | "Reference" | "Object" | "Manifest"
            )
    };
    match key_info.subtree().find(hiding) {
        None => Ok(()),
        Some(element) => Err(unexpected(element, key_info)),
    }
}

/// Inside a signature every fault of shape has one name.
fn malformed(refusal: Refusal) -> Refusal {
    match refusal.reason() {
        Reason::UnexpectedElement
        | Reason::UnexpectedText
        | Reason::UnexpectedAttribute
        | Reason::MissingElement
        | Reason::MissingAttribute => Refusal::new(Reason::SignatureMalformed)
            .expected("the one allowed shape of a signature")
            .got(refusal.got_text().unwrap_or("another")),
        _ => refusal,
    }
}
