//! Encrypted assertions: their one allowed shape, and their decryption.
//!
//! Separate because everything that an attacker can vary in a ciphertext is decided in this file, and because
//! what comes out of it is worth nothing by itself: anybody can encrypt to us.
//!
//! Rules (SAML-ATTACKS H1–H6): one `EncryptedData` and one `EncryptedKey`, inside its `KeyInfo` or beside it;
//! AES-128 and AES-256 with GCM or CBC under RSA-OAEP, nothing else; a reference is followed once and within the
//! same element only. Whatever fails from the first private operation on, fails alike: the plaintext is then
//! noted as not intact and goes the whole way all the same.

use std::sync::Arc;

use aws_lc_rs::aead::{self, AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, DecryptingKey, DecryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm};

use super::digits;
use super::names::{Vocabulary, XENC, XENC11, ds, xenc};
use super::own_key::KeyPair;
use super::refusal::{Reason, Refusal};
use super::signature::check_key_info;
use super::xml::{Children, Element, Name, unexpected};

/// A `saml:EncryptedAssertion` (SAML Core 2.3.4) whose shape was checked.
pub(super) struct EncryptedAssertion {
    cipher: Cipher,
    data: Vec<u8>,
    transport: &'static OaepAlgorithm,
    encrypted_key: Vec<u8>,
}

/// What decryption gave. It may be anything, also where it is intact.
pub(super) struct Plaintext {
    pub(super) octets: Vec<u8>,
    /// Whether key, tag and padding were as they must be. What is not intact must be refused, but only after
    /// everything else that could be found wrong with it.
    pub(super) is_intact: bool,
}

/// How the assertion is encrypted (XML Encryption 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cipher {
    Aes128Gcm,
    Aes256Gcm,
    Aes128Cbc,
    Aes256Cbc,
}

impl EncryptedAssertion {
    /// Reads the element (XML Encryption 3).
    pub(super) fn read(element: Element<'_>) -> Result<Self, Refusal> {
        Self::read_shape(element).map_err(malformed)
    }

    fn read_shape(element: Element<'_>) -> Result<Self, Refusal> {
        element.allow_attributes(&[])?;
        let mut children = element.children()?;
        let data = children.require(xenc("EncryptedData"))?;
        let beside = take_all(&mut children, xenc("EncryptedKey"));
        children.finish()?;

        data.allow_attributes(&["Id", "Type", "MimeType", "Encoding"])?;
        // The type may be left out, and must be this one otherwise (SAML Core 2.3.4).
        if let Some(found) = data.attribute("Type").filter(|found| *found != TYPE_ELEMENT) {
            return Err(Refusal::new(Reason::EncryptionMalformed).expected(TYPE_ELEMENT).got(found));
        }
        let mut children = data.children()?;
        let cipher = Cipher::read(children.require(xenc("EncryptionMethod"))?)?;
        let key_info = children.take(ds("KeyInfo"));
        let octets = read_cipher_data(children.require(xenc("CipherData"))?)?;
        children.finish()?;

        let key = find_key(key_info, &beside)?;
        let (transport, encrypted_key) = read_key(key)?;
        Ok(Self { cipher, data: octets, transport, encrypted_key })
    }

    /// Decrypts with whichever of our keys fits. All are tried, and if none does, a key takes the place of the
    /// content key that the sender cannot know, so that what follows is the same (implicit rejection).
    pub(super) fn decrypt(&self, keys: &[Arc<KeyPair>]) -> Plaintext {
        let length = self.cipher.key_octets();
        let mut opened = None;
        for key in keys {
            let found = key.unwrap_key(self.transport, &self.encrypted_key);
            opened = opened.or_else(|| found.filter(|found| found.len() == length));
        }
        let stand_in = || keys.first().map(|key| key.stand_in(&self.encrypted_key)).unwrap_or_default();
        let is_key_genuine = opened.is_some();
        let mut content_key = opened.unwrap_or_else(stand_in);
        content_key.truncate(length);
        let (octets, is_whole) = self.cipher.decrypt(&content_key, &self.data);
        Plaintext { octets, is_intact: is_key_genuine && is_whole }
    }
}

impl Cipher {
    fn read(method: Element<'_>) -> Result<Self, Refusal> {
        method.allow_attributes(&["Algorithm"])?;
        method.no_children()?;
        let uri = method.required_attribute("Algorithm")?;
        let found = match (uri.strip_prefix(XENC), uri.strip_prefix(XENC11)) {
            (Some("aes128-cbc"), _) => Some(Self::Aes128Cbc),
            (Some("aes256-cbc"), _) => Some(Self::Aes256Cbc),
            (_, Some("aes128-gcm")) => Some(Self::Aes128Gcm),
            (_, Some("aes256-gcm")) => Some(Self::Aes256Gcm),
            _ => None,
        };
        found.ok_or_else(|| {
            Refusal::new(Reason::EncryptionAlgorithmForbidden)
                .expected("AES-128 or AES-256 with GCM or CBC")
                .got(uri)
        })
    }

    const fn key_octets(self) -> usize {
        match self {
            Self::Aes128Gcm | Self::Aes128Cbc => 16,
            Self::Aes256Gcm | Self::Aes256Cbc => 32,
        }
    }

    /// The plaintext, and whether tag or padding were right.
    fn decrypt(self, key: &[u8], data: &[u8]) -> (Vec<u8>, bool) {
        let plain = match self {
            Self::Aes128Gcm => open_gcm(&AES_128_GCM, key, data),
            Self::Aes256Gcm => open_gcm(&AES_256_GCM, key, data),
            Self::Aes128Cbc => open_cbc(&AES_128, key, data),
            Self::Aes256Cbc => open_cbc(&AES_256, key, data),
        };
        plain.unwrap_or_default()
    }
}

/// 96 bits of nonce, the ciphertext, and a tag of 128 bits, never less (XML Encryption 5.2.4).
fn open_gcm(algorithm: &'static aead::Algorithm, key: &[u8], data: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (nonce, sealed) = data.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
    let mut sealed = sealed.to_vec();
    let plain = key.open_in_place(nonce, Aad::empty(), &mut sealed).ok()?;
    Some((plain.to_vec(), true))
}

/// 128 bits of initialization vector and whole blocks, of which the last ends in the number of octets that are
/// not part of the text (XML Encryption 5.2.3).
fn open_cbc(
    algorithm: &'static aws_lc_rs::cipher::Algorithm,
    key: &[u8],
    data: &[u8],
) -> Option<(Vec<u8>, bool)> {
    let (vector, blocks) = data.split_first_chunk::<BLOCK_OCTETS>()?;
    let key = DecryptingKey::cbc(UnboundCipherKey::new(algorithm, key).ok()?).ok()?;
    let mut plain = blocks.to_vec();
    key.decrypt(&mut plain, DecryptionContext::Iv128(FixedLength::from(vector))).ok()?;
    let padding = usize::from(*plain.last()?);
    let is_right = (1..=BLOCK_OCTETS).contains(&padding);
    // With a wrong padding the whole text goes on, to fail where any other garbage does.
    plain.truncate(plain.len() - if is_right { padding } else { 0 });
    Some((plain, is_right))
}

const BLOCK_OCTETS: usize = 16;
const TYPE_ELEMENT: &str = "http://www.w3.org/2001/04/xmlenc#Element";
const TYPE_KEY: &str = "http://www.w3.org/2001/04/xmlenc#EncryptedKey";

fn take_all<'t>(children: &mut Children<'t>, name: Name) -> Vec<Element<'t>> {
    std::iter::from_fn(|| children.take(name)).collect()
}

/// The one encrypted key: inside the `KeyInfo`, or beside the data with or without a reference to it.
fn find_key<'t>(key_info: Option<Element<'t>>, beside: &[Element<'t>]) -> Result<Element<'t>, Refusal> {
    let mut keys = beside.to_vec();
    let mut references = Vec::new();
    if let Some(key_info) = key_info {
        key_info.allow_attributes(&["Id"])?;
        let mut children = key_info.children()?;
        while let Some(child) = children.next() {
            if child.is(xenc("EncryptedKey")) {
                keys.push(child);
            } else if child.is(ds("RetrievalMethod")) {
                references.push(child);
            } else if child.is(ds("KeyName")) || child.is(ds("X509Data")) {
                check_key_info(child)?;
            } else {
                return Err(unexpected(child, key_info));
            }
        }
    }
    let wrong = |got: String| {
        Refusal::new(Reason::EncryptionMalformed)
            .expected("one EncryptedKey, referred to once at most")
            .got(got)
    };
    let ([key], [] | [_]) = (&keys[..], &references[..]) else {
        return Err(wrong(format!("{} and {} references", keys.len(), references.len())));
    };
    if let Some(reference) = references.first() {
        reference.allow_attributes(&["URI", "Type"])?;
        reference.no_children()?;
        let uri = reference.attribute("URI").unwrap_or("");
        let leads_there = key.attribute("Id").is_some_and(|id| uri.strip_prefix('#') == Some(id));
        let type_fits = reference.attribute("Type").is_none_or(|found| found == TYPE_KEY);
        if beside.is_empty() || !leads_there || !type_fits {
            return Err(wrong(uri.to_owned()));
        }
    }
    Ok(*key)
}

fn read_key(element: Element<'_>) -> Result<(&'static OaepAlgorithm, Vec<u8>), Refusal> {
    element.allow_attributes(&["Id", "Type", "MimeType", "Encoding", "Recipient"])?;
    let mut children = element.children()?;
    let transport = read_transport(children.require(xenc("EncryptionMethod"))?)?;
    if let Some(key_info) = children.take(ds("KeyInfo")) {
        // Names our certificate in one of many forms, which is not read. A key inside would be one more, a
        // reference would lead on to another (SAML-ATTACKS H6).
        if let Some(hidden) = key_info.subtree().skip(1).find(|element| !is_hint(*element)) {
            return Err(unexpected(hidden, key_info));
        }
    }
    let octets = read_cipher_data(children.require(xenc("CipherData"))?)?;
    if let Some(list) = children.take(xenc("ReferenceList")) {
        list.allow_attributes(&[])?;
        let mut references = list.children()?;
        for reference in take_all(&mut references, xenc("DataReference")) {
            reference.allow_attributes(&["URI"])?;
            reference.no_children()?;
        }
        references.finish()?;
    }
    if let Some(name) = children.take(xenc("CarriedKeyName")) {
        name.text()?;
    }
    children.finish()?;
    Ok((transport, octets))
}

/// Whether an element can be a part of a name of a certificate: those of Microsoft stand in a
/// `SecurityTokenReference` of WS-Security.
fn is_hint(element: Element<'_>) -> bool {
    match element.vocabulary() {
        Some(Vocabulary::Dsig) => {
            element.local().starts_with("X509")
                || matches!(element.local(), "KeyName" | "KeyValue" | "RSAKeyValue" | "Modulus" | "Exponent")
        }
        Some(Vocabulary::Xenc | Vocabulary::Xenc11 | Vocabulary::Assertion | Vocabulary::Protocol) => false,
        _ => true,
    }
}

/// RSA-OAEP with one hash for both its uses (XML Encryption 5.5.2). The library has no private operation for two
/// different ones, and what offers it is not free of timing (RUSTSEC-2023-0071).
fn read_transport(method: Element<'_>) -> Result<&'static OaepAlgorithm, Refusal> {
    method.allow_attributes(&["Algorithm"])?;
    let forbidden = |got: &str| {
        Refusal::new(Reason::EncryptionAlgorithmForbidden)
            .expected("rsa-oaep-mgf1p with SHA-1, or rsa-oaep with SHA-1 or SHA-256 for both digest and mask")
            .got(got)
    };
    let algorithm = method.required_attribute("Algorithm")?;
    let takes_mask = match (algorithm.strip_prefix(XENC), algorithm.strip_prefix(XENC11)) {
        (Some("rsa-oaep-mgf1p"), _) => false,
        (_, Some("rsa-oaep")) => true,
        _ => return Err(forbidden(algorithm)),
    };
    let (mut digest, mut mask) = (None, None);
    let mut children = method.children()?;
    while let Some(child) = children.next() {
        let place = if child.is(ds("DigestMethod")) {
            &mut digest
        } else if takes_mask && child.is(Name { vocabulary: Vocabulary::Xenc11, local: "MGF" }) {
            &mut mask
        } else {
            return Err(unexpected(child, method));
        };
        child.allow_attributes(&["Algorithm"])?;
        child.no_children()?;
        if place.replace(child.required_attribute("Algorithm")?).is_some() {
            return Err(unexpected(child, method));
        }
    }
    match (digest.unwrap_or(SHA1), mask.unwrap_or(MGF1_SHA1)) {
        (SHA1, MGF1_SHA1) => Ok(&OAEP_SHA1_MGF1SHA1),
        (SHA256, MGF1_SHA256) => Ok(&OAEP_SHA256_MGF1SHA256),
        (digest, mask) => Err(forbidden(&format!("{algorithm} with {digest} and {mask}"))),
    }
}

const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
const MGF1_SHA1: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha1";
const MGF1_SHA256: &str = "http://www.w3.org/2009/xmlenc11#mgf1sha256";

/// Octets that stand here; those that stand elsewhere are never fetched.
fn read_cipher_data(element: Element<'_>) -> Result<Vec<u8>, Refusal> {
    element.allow_attributes(&[])?;
    let mut children = element.children()?;
    let value = children.require(xenc("CipherValue"))?;
    children.finish()?;
    value.allow_attributes(&[])?;
    digits::decode(value.text()?)
        .ok_or_else(|| Refusal::new(Reason::EncryptionMalformed).expected("base64").got("CipherValue"))
}

/// Inside an encrypted assertion every fault of shape has one name.
fn malformed(refusal: Refusal) -> Refusal {
    match refusal.reason() {
        Reason::UnexpectedElement
        | Reason::UnexpectedText
        | Reason::UnexpectedAttribute
        | Reason::MissingElement
        | Reason::MissingAttribute => Refusal::new(Reason::EncryptionMalformed)
            .expected(refusal.expected_text().unwrap_or("the allowed shape of an encrypted assertion"))
            .got(refusal.got_text().unwrap_or("another")),
        _ => refusal,
    }
}
