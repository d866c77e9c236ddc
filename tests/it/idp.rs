//! An identity provider for tests, shaped as Microsoft Entra ID.
//!
//! Separate from everything it tests: it shares no code with `anteroom::saml`, writes every message
//! as text that is in exclusive canonical form already, and signs that text with aws-lc-rs.
//!
//! Rules: every field of a message can be changed before signing, and texts can be rewritten just
//! before they are digested (`rewrite_*`), so that a hostile message can be validly signed; keys are
//! made once per process and never stored.

#![expect(
    clippy::format_collect,
    clippy::format_push_string,
    reason = "short texts, and it must read as the message looks"
)]

#[path = "idp/logout.rs"]
pub(crate) mod logout;

use std::sync::{Arc, OnceLock};

use anteroom::saml::{KeyPair, PrivateKeyOctets, ServiceProvider};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::{digest, signature};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};

#[path = "idp/encryption.rs"]
pub(crate) mod encryption;

use encryption::Encryption;

pub(crate) const ASSERTION_NS: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
pub(crate) const PROTOCOL_NS: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub(crate) const DSIG_NS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub(crate) const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub(crate) const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
pub(crate) const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";

pub(crate) const CLAIM_OBJECT_ID: &str = "http://schemas.microsoft.com/identity/claims/objectidentifier";
pub(crate) const CLAIM_TENANT_ID: &str = "http://schemas.microsoft.com/identity/claims/tenantid";
pub(crate) const CLAIM_EMAIL: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";

// ---- keys ----------------------------------------------------------------------------------

/// Us as these identity providers know us, without keys of our own.
pub(crate) fn service_provider(entity_id: &str) -> ServiceProvider {
    service_provider_with(entity_id, &[])
}

/// Us with keys of our own, the current one first.
pub(crate) fn service_provider_with(entity_id: &str, keys: &[&SigningKey]) -> ServiceProvider {
    let acs_url = "https://login.example.com/saml2/idpresponse".parse().expect("a URL");
    ServiceProvider::new(entity_id.to_owned(), acs_url, keys.iter().map(|key| key.own()).collect())
}

/// A private key with a self-signed certificate.
pub(crate) struct SigningKey {
    pair: Pair,
    /// The private key as PKCS#8, for programs that sign themselves.
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) certificate: Vec<u8>,
}

enum Pair {
    Rsa(signature::RsaKeyPair),
    Ecdsa(signature::EcdsaKeyPair),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyType {
    Rsa,
    P256,
    P384,
}

impl SigningKey {
    /// Makes a key whose certificate is valid between two days.
    pub(crate) fn make(key_type: KeyType, from: (i32, u8, u8), until: (i32, u8, u8)) -> Self {
        let algorithm = match key_type {
            KeyType::Rsa => &rcgen::PKCS_RSA_SHA256,
            KeyType::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyType::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        };
        let key = rcgen::KeyPair::generate_for(algorithm).expect("a key can be made");
        let der = key.serialize_der();
        let pair = match key_type {
            KeyType::Rsa => Pair::Rsa(signature::RsaKeyPair::from_pkcs8(&der).expect("own RSA key")),
            KeyType::P256 => Pair::Ecdsa(
                signature::EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &der)
                    .expect("own P-256 key"),
            ),
            KeyType::P384 => Pair::Ecdsa(
                signature::EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, &der)
                    .expect("own P-384 key"),
            ),
        };
        Self { pair, pkcs8: der, certificate: self_signed(&key, from, until) }
    }

    /// The key that signs unless another is chosen.
    pub(crate) fn rsa() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::make(KeyType::Rsa, LONG_AGO, FAR_AWAY))
    }

    /// A second key of the same identity provider.
    pub(crate) fn rsa_next() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::make(KeyType::Rsa, LONG_AGO, FAR_AWAY))
    }

    /// A key of somebody else.
    pub(crate) fn foreign() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::make(KeyType::Rsa, LONG_AGO, FAR_AWAY))
    }

    /// A key of ours, the service provider.
    pub(crate) fn ours() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::make(KeyType::Rsa, LONG_AGO, FAR_AWAY))
    }

    /// Another key of ours, which comes next.
    pub(crate) fn ours_next() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::make(KeyType::Rsa, LONG_AGO, FAR_AWAY))
    }

    /// The same key as one of ours.
    pub(crate) fn own(&self) -> Arc<KeyPair> {
        let pair = KeyPair::new(PrivateKeyOctets::Pkcs8(&self.pkcs8), &self.certificate);
        Arc::new(pair.expect("an RSA key with its certificate"))
    }

    /// The public key as verifiers of RSA take it.
    pub(crate) fn public_rsa(&self) -> Vec<u8> {
        use aws_lc_rs::signature::KeyPair as _;
        let Pair::Rsa(pair) = &self.pair else { panic!("not an RSA key") };
        pair.public_key().as_ref().to_vec()
    }

    /// The private key as a file has it.
    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// The certificate as a file has it.
    pub(crate) fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", &self.certificate)
    }

    pub(crate) fn p256() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::make(KeyType::P256, LONG_AGO, FAR_AWAY))
    }

    pub(crate) fn p384() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::make(KeyType::P384, LONG_AGO, FAR_AWAY))
    }

    /// The algorithm this key signs with unless another is chosen.
    fn default_algorithm(&self) -> Algorithm {
        match &self.pair {
            Pair::Rsa(_) => Algorithm::RsaSha256,
            Pair::Ecdsa(key) if key.algorithm() == &signature::ECDSA_P384_SHA384_FIXED_SIGNING => {
                Algorithm::EcdsaSha384
            }
            Pair::Ecdsa(_) => Algorithm::EcdsaSha256,
        }
    }

    /// A signature over any text.
    pub(crate) fn sign_text(&self, text: &str) -> Vec<u8> {
        self.sign(self.default_algorithm(), text)
    }

    /// Whether this key has made an RSA signature with SHA-256 over a text.
    pub(crate) fn has_signed(&self, text: &str, value: &[u8]) -> bool {
        use signature::KeyPair as _;
        let Pair::Rsa(key) = &self.pair else { return false };
        let public = key.public_key().as_ref();
        let public = signature::UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, public);
        public.verify(text.as_bytes(), value).is_ok()
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, text: &str) -> Vec<u8> {
        match (&self.pair, algorithm) {
            (Pair::Rsa(key), _) => {
                let padding: &dyn signature::RsaEncoding = match algorithm {
                    Algorithm::RsaSha384 => &signature::RSA_PKCS1_SHA384,
                    Algorithm::RsaSha512 => &signature::RSA_PKCS1_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut value = vec![0; key.public_modulus_len()];
                key.sign(padding, &SystemRandom::new(), text.as_bytes(), &mut value)
                    .expect("an RSA key signs");
                value
            }
            (Pair::Ecdsa(key), _) => {
                key.sign(&SystemRandom::new(), text.as_bytes()).expect("an ECDSA key signs").as_ref().to_vec()
            }
        }
    }
}

/// DER as PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn fill_random(octets: &mut [u8]) {
    aws_lc_rs::rand::fill(octets).expect("there is randomness");
}

pub(crate) const LONG_AGO: (i32, u8, u8) = (2020, 1, 1);
pub(crate) const FAR_AWAY: (i32, u8, u8) = (2049, 12, 31);

fn self_signed(key: &impl rcgen::SigningKey, from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "Microsoft Azure Federated SSO Certificate");
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
    params.self_signed(key).expect("a certificate can be made").der().to_vec()
}

/// A certificate for an RSA key of our choice that nobody could sign with, for the key policy.
pub(crate) fn certificate_with_rsa_modulus(bits: usize, exponent: u8) -> Vec<u8> {
    struct Fake(Vec<u8>);
    impl rcgen::PublicKeyData for Fake {
        fn der_bytes(&self) -> &[u8] {
            &self.0
        }
        fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
            &rcgen::PKCS_RSA_SHA256
        }
    }
    impl rcgen::SigningKey for Fake {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
            Ok(vec![1; 256])
        }
    }
    let mut modulus = vec![0];
    modulus.extend(vec![0xc1; bits / 8]);
    let mut body = der(0x02, &modulus);
    body.extend(der(0x02, &[exponent]));
    self_signed(&Fake(der(0x30, &body)), LONG_AGO, FAR_AWAY)
}

/// A certificate for an Ed25519 key, which SAML does not use.
pub(crate) fn certificate_with_ed25519() -> Vec<u8> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key can be made");
    self_signed(&key, LONG_AGO, FAR_AWAY)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).expect("short");
    let mut der = vec![tag, 0x82];
    der.extend(length.to_be_bytes());
    if content.len() < 0x80 {
        der = vec![tag, u8::try_from(content.len()).expect("short")];
    } else if content.len() < 0x100 {
        der = vec![tag, 0x81, u8::try_from(content.len()).expect("short")];
    }
    der.extend(content);
    der
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}

impl Algorithm {
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Digest {
    pub(crate) fn uri(self) -> &'static str {
        match self {
            Self::Sha1 => "http://www.w3.org/2000/09/xmldsig#sha1",
            Self::Sha256 => "http://www.w3.org/2001/04/xmlenc#sha256",
            Self::Sha384 => "http://www.w3.org/2001/04/xmldsig-more#sha384",
            Self::Sha512 => "http://www.w3.org/2001/04/xmlenc#sha512",
        }
    }

    pub(crate) fn of(self, text: &str) -> String {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        STANDARD.encode(digest::digest(algorithm, text.as_bytes()))
    }
}

// ---- the identity provider -----------------------------------------------------------------

/// An identity provider: a tenant with its application's keys.
#[derive(Clone)]
pub(crate) struct Idp {
    pub(crate) entity_id: String,
    pub(crate) sso_url: String,
    pub(crate) tenant_id: String,
    pub(crate) key: &'static SigningKey,
    /// Further signing certificates in the metadata.
    pub(crate) further_keys: Vec<&'static SigningKey>,
}

impl Idp {
    /// An Entra tenant.
    pub(crate) fn entra() -> Self {
        Self::tenant("3f2b6c1e-8d0a-4c57-9b7e-5a1d2c3e4f50")
    }

    /// Another Entra tenant with another key.
    pub(crate) fn other_tenant() -> Self {
        let mut idp = Self::tenant("b4c8a1d2-7e6f-4f3a-8c9b-0d1e2f3a4b5c");
        idp.key = SigningKey::foreign();
        idp.further_keys.clear();
        idp
    }

    fn tenant(tenant_id: &str) -> Self {
        Self {
            entity_id: format!("https://sts.windows.net/{tenant_id}/"),
            sso_url: format!("https://login.microsoftonline.com/{tenant_id}/saml2"),
            tenant_id: tenant_id.to_owned(),
            key: SigningKey::rsa(),
            further_keys: vec![SigningKey::rsa_next()],
        }
    }

    /// The message that answers a request, valid in every way, for a member of the tenant.
    pub(crate) fn answer(&self, to: &Request, now: Timestamp) -> Message {
        Message::new(self, to, now)
    }

    /// Federation Metadata as Entra publishes it: byte order mark, own signature first, then the
    /// WS-Federation roles, then the SAML role with every signing certificate.
    pub(crate) fn metadata_xml(&self) -> Vec<u8> {
        let mut octets = b"\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>".to_vec();
        octets.extend(self.signed_entity_descriptor().into_bytes());
        octets
    }

    /// The signed element of the metadata, which anybody can download.
    pub(crate) fn signed_entity_descriptor(&self) -> String {
        let plain = self.entity_descriptor("_5b6d8f0a-2c4e-4a6b-8c0d-1e3f5a7b9c1d");
        let at = plain.find('>').expect("a start tag") + 1;
        let signer = Signer::new(self.key);
        signer.insert_signature(&plain, "_5b6d8f0a-2c4e-4a6b-8c0d-1e3f5a7b9c1d", at)
    }

    /// The metadata in canonical form without its signature, to be rewritten by a test.
    pub(crate) fn entity_descriptor(&self, id: &str) -> String {
        let keys: String = std::iter::once(&self.key)
            .chain(&self.further_keys)
            .map(|key| key_descriptor("signing", &key.certificate))
            .collect();
        let role = |role_type: &str| {
            format!(
                "<RoleDescriptor xmlns:fed=\"http://docs.oasis-open.org/wsfed/federation/200706\" \
                 xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
                 protocolSupportEnumeration=\"http://docs.oasis-open.org/wsfed/federation/200706\" \
                 xsi:type=\"fed:{role_type}\">{keys}<fed:ClaimTypesOffered><auth:ClaimType \
                 xmlns:auth=\"http://docs.oasis-open.org/wsfed/authorization/200706\" \
                 Uri=\"{CLAIM_EMAIL}\"><auth:DisplayName>Email</auth:DisplayName></auth:ClaimType>\
                 </fed:ClaimTypesOffered></RoleDescriptor>"
            )
        };
        let endpoint = |service: &str, binding: &str| {
            format!(
                "<{service} Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:{binding}\" \
                 Location=\"{}\"></{service}>",
                self.sso_url
            )
        };
        format!(
            "<EntityDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"{id}\" \
             entityID=\"{}\">{}{}<IDPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL_NS}\">{keys}\
             {}{}{}</IDPSSODescriptor></EntityDescriptor>",
            self.entity_id,
            role("SecurityTokenServiceType"),
            role("ApplicationServiceType"),
            endpoint("SingleLogoutService", "HTTP-Redirect"),
            endpoint("SingleSignOnService", "HTTP-Redirect"),
            endpoint("SingleSignOnService", "HTTP-POST"),
        )
    }
}

/// A `KeyDescriptor` as metadata carries it; an empty use leaves the attribute out.
pub(crate) fn key_descriptor(key_use: &str, certificate: &[u8]) -> String {
    let key_use = match key_use {
        "" => String::new(),
        _ => format!(" use=\"{key_use}\""),
    };
    format!(
        "<KeyDescriptor{key_use}><KeyInfo xmlns=\"{DSIG_NS}\"><X509Data><X509Certificate>{}\
         </X509Certificate></X509Data></KeyInfo></KeyDescriptor>",
        STANDARD.encode(certificate)
    )
}

/// What the service provider asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) sp_entity_id: String,
    pub(crate) acs_url: String,
}

// ---- messages ------------------------------------------------------------------------------

/// Which elements are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Assertion,
    Response,
    Both,
    Nothing,
}

/// How names are prefixed: default namespaces as Entra does, or prefixes as most others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefixes {
    Entra,
    Prefixed,
}

type Rewrite = Box<dyn Fn(&str) -> String + Send + Sync>;

/// A response in the making. An empty `Option` leaves the XML attribute or element out.
pub(crate) struct Message {
    pub(crate) response_id: String,
    pub(crate) assertion_id: String,
    pub(crate) response_issuer: Option<String>,
    pub(crate) assertion_issuer: Option<String>,
    pub(crate) destination: Option<String>,
    pub(crate) response_in_response_to: Option<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) recipient: Option<String>,
    /// One inner list per `AudienceRestriction`.
    pub(crate) audiences: Vec<Vec<String>>,
    pub(crate) issued: String,
    pub(crate) not_before: Option<String>,
    pub(crate) not_on_or_after: Option<String>,
    pub(crate) confirmation_not_on_or_after: Option<String>,
    pub(crate) authn_instant: String,
    pub(crate) session_not_on_or_after: Option<String>,
    pub(crate) confirmation_method: String,
    /// Status codes, outermost first.
    pub(crate) status: Vec<String>,
    pub(crate) status_text: Option<String>,
    pub(crate) name_id: Option<String>,
    pub(crate) name_id_format: Option<String>,
    /// Further XML attributes of the `NameID` in canonical order before `Format`.
    pub(crate) name_id_attributes: String,
    /// Names and values; several equal names are written as they stand.
    pub(crate) attributes: Vec<(String, Vec<String>)>,
    /// XML put before the attribute statement, already canonical.
    pub(crate) further_statements: String,
    pub(crate) version: String,
    pub(crate) sign: Sign,
    pub(crate) prefixes: Prefixes,
    pub(crate) signer: Signer,
    /// Encrypts the assertion after it is signed and before the response is.
    pub(crate) encryption: Option<Encryption>,
    /// Rewrites the assertion before it is digested.
    pub(crate) rewrite_assertion: Option<Rewrite>,
    /// Rewrites the response before it is digested.
    pub(crate) rewrite_response: Option<Rewrite>,
}

impl Message {
    fn new(idp: &Idp, to: &Request, now: Timestamp) -> Self {
        let claim = |name: &str, value: &str| (name.to_owned(), vec![value.to_owned()]);
        let random = unique();
        Self {
            response_id: format!("_r{random}"),
            assertion_id: format!("_a{random}"),
            response_issuer: Some(idp.entity_id.clone()),
            assertion_issuer: Some(idp.entity_id.clone()),
            destination: Some(to.acs_url.clone()),
            response_in_response_to: Some(to.id.clone()),
            in_response_to: Some(to.id.clone()),
            recipient: Some(to.acs_url.clone()),
            audiences: vec![vec![to.sp_entity_id.clone()]],
            issued: time(now),
            not_before: Some(time(now - SignedDuration::from_mins(5))),
            not_on_or_after: Some(time(now + SignedDuration::from_mins(60))),
            confirmation_not_on_or_after: Some(time(now + SignedDuration::from_mins(60))),
            authn_instant: time(now - SignedDuration::from_hours(7)),
            session_not_on_or_after: None,
            confirmation_method: BEARER.to_owned(),
            status: vec![SUCCESS.to_owned()],
            status_text: None,
            name_id: Some("mia.berg@contoso.com".to_owned()),
            name_id_format: Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned()),
            name_id_attributes: String::new(),
            attributes: vec![
                claim(CLAIM_TENANT_ID, &idp.tenant_id),
                claim(CLAIM_OBJECT_ID, "7d9e1c52-44b6-4c8e-9d0f-6a1b2c3d4e5f"),
                claim("http://schemas.microsoft.com/identity/claims/displayname", "Mia Berg"),
                claim("http://schemas.microsoft.com/identity/claims/identityprovider", &idp.entity_id),
                (
                    "http://schemas.microsoft.com/claims/authnmethodsreferences".to_owned(),
                    vec![
                        "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password"
                            .to_owned(),
                        "http://schemas.microsoft.com/claims/multipleauthn".to_owned(),
                    ],
                ),
                claim("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname", "Mia"),
                claim("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname", "Berg"),
                claim(CLAIM_EMAIL, "mia.berg@contoso.com"),
                claim("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", "mia.berg@contoso.com"),
            ],
            further_statements: String::new(),
            version: "2.0".to_owned(),
            sign: Sign::Assertion,
            prefixes: Prefixes::Entra,
            signer: Signer::new(idp.key),
            encryption: None,
            rewrite_assertion: None,
            rewrite_response: None,
        }
    }

    /// Changes the message in place, for use in one expression.
    #[must_use]
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    #[must_use]
    pub(crate) fn signed(self, sign: Sign) -> Self {
        self.with(|message| message.sign = sign)
    }

    #[must_use]
    pub(crate) fn signed_by(self, key: &'static SigningKey) -> Self {
        self.with(|message| message.signer = Signer::new(key))
    }

    #[must_use]
    pub(crate) fn prefixed(self) -> Self {
        self.with(|message| message.prefixes = Prefixes::Prefixed)
    }

    #[must_use]
    pub(crate) fn encrypted(self, encryption: Encryption) -> Self {
        self.with(|message| message.encryption = Some(encryption))
    }

    /// Another person of the tenant.
    #[must_use]
    pub(crate) fn for_user(mut self, email: &str, name: &str, object_id: &str) -> Self {
        self.name_id = Some(email.to_owned());
        self.set(CLAIM_EMAIL, &[email]);
        self.set("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", &[email]);
        self.set("http://schemas.microsoft.com/identity/claims/displayname", &[name]);
        self.set(CLAIM_OBJECT_ID, &[object_id]);
        self.attributes.retain(|(name, _)| !name.ends_with("/givenname") && !name.ends_with("/surname"));
        self
    }

    /// Sets the values of an attribute; none removes it.
    pub(crate) fn set(&mut self, name: &str, values: &[&str]) {
        self.attributes.retain(|(known, _)| known != name);
        if !values.is_empty() {
            self.attributes.push((name.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()));
        }
    }

    /// The message, signed.
    pub(crate) fn to_xml(&self) -> String {
        let assertion = self.signed_assertion();
        let assertion = match &self.encryption {
            Some(encryption) => encryption.wrap(&assertion, self.prefixes),
            None => assertion,
        };
        let response = self.response(&assertion);
        let response = match &self.rewrite_response {
            Some(rewrite) => rewrite(&response),
            None => response,
        };
        if matches!(self.sign, Sign::Response | Sign::Both) {
            self.sign(&response, &self.response_id, self.response_issuer.as_ref())
        } else {
            response
        }
    }

    /// The message as the browser posts it.
    pub(crate) fn to_form(&self) -> String {
        STANDARD.encode(self.to_xml())
    }

    /// The assertion, signed if it is to be.
    pub(crate) fn signed_assertion(&self) -> String {
        let assertion = self.assertion();
        let assertion = match &self.rewrite_assertion {
            Some(rewrite) => rewrite(&assertion),
            None => assertion,
        };
        if matches!(self.sign, Sign::Assertion | Sign::Both) {
            self.sign(&assertion, &self.assertion_id, self.assertion_issuer.as_ref())
        } else {
            assertion
        }
    }

    /// Signs an element after its issuer, or after its start tag if it has none.
    fn sign(&self, element: &str, id: &str, issuer: Option<&String>) -> String {
        let end = match (issuer, self.prefixes) {
            (None, _) => ">",
            (Some(_), Prefixes::Entra) => "</Issuer>",
            (Some(_), Prefixes::Prefixed) => "</saml:Issuer>",
        };
        let at = element.find(end).expect("the place of the signature") + end.len();
        let mut signer = self.signer.clone();
        signer.prefixes = self.prefixes;
        signer.insert_signature(element, id, at)
    }

    /// The declaration of the assertion namespace as the prefixes have it.
    fn declared(&self) -> String {
        match self.prefixes {
            Prefixes::Entra => format!(" xmlns=\"{ASSERTION_NS}\""),
            Prefixes::Prefixed => format!(" xmlns:saml=\"{ASSERTION_NS}\""),
        }
    }

    fn response(&self, assertion: &str) -> String {
        let p = if self.prefixes == Prefixes::Entra { "" } else { "saml:" };
        let issuer = self.response_issuer.as_ref().map_or_else(String::new, |issuer| {
            format!("<{p}Issuer{}>{}</{p}Issuer>", self.declared(), escape(issuer))
        });
        let mut codes = String::new();
        for code in self.status.iter().rev() {
            codes = format!("<samlp:StatusCode Value=\"{code}\">{codes}</samlp:StatusCode>");
        }
        let message = self.status_text.as_ref().map_or_else(String::new, |message| {
            format!("<samlp:StatusMessage>{}</samlp:StatusMessage>", escape(message))
        });
        format!(
            "<samlp:Response xmlns:samlp=\"{PROTOCOL_NS}\"{}{}{}{}{}>{issuer}<samlp:Status>{codes}{message}\
             </samlp:Status>{assertion}</samlp:Response>",
            attribute("Destination", self.destination.as_deref()),
            attribute("ID", Some(&self.response_id)),
            attribute("InResponseTo", self.response_in_response_to.as_deref()),
            attribute("IssueInstant", Some(&self.issued)),
            attribute("Version", Some(&self.version)),
        )
    }

    fn assertion(&self) -> String {
        let p = if self.prefixes == Prefixes::Entra { "" } else { "saml:" };
        let issuer = self
            .assertion_issuer
            .as_ref()
            .map_or_else(String::new, |issuer| format!("<{p}Issuer>{}</{p}Issuer>", escape(issuer)));
        format!(
            "<{p}Assertion{}{}{}{}>{issuer}{}{}{}{}{}</{p}Assertion>",
            self.declared(),
            attribute("ID", Some(&self.assertion_id)),
            attribute("IssueInstant", Some(&self.issued)),
            attribute("Version", Some(&self.version)),
            self.subject(p),
            self.conditions(p),
            self.further_statements,
            self.attribute_statement(p),
            self.authn_statement(p),
        )
    }

    fn subject(&self, p: &str) -> String {
        let name_id = self.name_id.as_ref().map_or_else(String::new, |value| {
            format!(
                "<{p}NameID{}{}>{}</{p}NameID>",
                attribute("Format", self.name_id_format.as_deref()),
                self.name_id_attributes,
                escape(value)
            )
        });
        format!(
            "<{p}Subject>{name_id}<{p}SubjectConfirmation Method=\"{}\"><{p}SubjectConfirmationData{}{}{}>\
             </{p}SubjectConfirmationData></{p}SubjectConfirmation></{p}Subject>",
            self.confirmation_method,
            attribute("InResponseTo", self.in_response_to.as_deref()),
            attribute("NotOnOrAfter", self.confirmation_not_on_or_after.as_deref()),
            attribute("Recipient", self.recipient.as_deref()),
        )
    }

    fn conditions(&self, p: &str) -> String {
        let restrictions: String = self
            .audiences
            .iter()
            .map(|audiences| {
                let audiences: String = audiences
                    .iter()
                    .map(|audience| format!("<{p}Audience>{}</{p}Audience>", escape(audience)))
                    .collect();
                format!("<{p}AudienceRestriction>{audiences}</{p}AudienceRestriction>")
            })
            .collect();
        format!(
            "<{p}Conditions{}{}>{restrictions}</{p}Conditions>",
            attribute("NotBefore", self.not_before.as_deref()),
            attribute("NotOnOrAfter", self.not_on_or_after.as_deref()),
        )
    }

    fn attribute_statement(&self, p: &str) -> String {
        if self.attributes.is_empty() {
            return String::new();
        }
        let mut text = format!("<{p}AttributeStatement>");
        for (name, values) in &self.attributes {
            text += &format!("<{p}Attribute{}>", attribute("Name", Some(name)));
            for value in values {
                text += &format!("<{p}AttributeValue>{}</{p}AttributeValue>", escape(value));
            }
            text += &format!("</{p}Attribute>");
        }
        text + &format!("</{p}AttributeStatement>")
    }

    fn authn_statement(&self, p: &str) -> String {
        format!(
            "<{p}AuthnStatement{}{}{}><{p}AuthnContext><{p}AuthnContextClassRef>\
             urn:oasis:names:tc:SAML:2.0:ac:classes:Password</{p}AuthnContextClassRef></{p}AuthnContext>\
             </{p}AuthnStatement>",
            attribute("AuthnInstant", Some(&self.authn_instant)),
            attribute("SessionIndex", Some(&self.assertion_id)),
            attribute("SessionNotOnOrAfter", self.session_not_on_or_after.as_deref()),
        )
    }
}

/// Signs texts that are in canonical form already.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) key: &'static SigningKey,
    pub(crate) algorithm: Algorithm,
    pub(crate) digest: Digest,
    pub(crate) prefixes: Prefixes,
    /// What the signature claims instead of the algorithm it was made with.
    pub(crate) claimed_algorithm: Option<&'static str>,
    /// Rewrites the `SignedInfo` (with its namespace declared) before it is signed.
    pub(crate) rewrite_signed_info: Option<fn(&str) -> String>,
    /// XML in place of the certificate in `KeyInfo`.
    pub(crate) key_info: Option<String>,
}

impl Signer {
    pub(crate) fn new(key: &'static SigningKey) -> Self {
        Self {
            key,
            algorithm: key.default_algorithm(),
            digest: Digest::Sha256,
            prefixes: Prefixes::Entra,
            claimed_algorithm: None,
            rewrite_signed_info: None,
            key_info: None,
        }
    }

    /// Puts an enveloped signature of `element` into it at the given place.
    pub(crate) fn insert_signature(&self, element: &str, id: &str, at: usize) -> String {
        let signature = self.signature(element, id);
        let (before, after) = element.split_at(at);
        format!("{before}{signature}{after}")
    }

    /// A signature over a text in canonical form that has this ID.
    pub(crate) fn signature(&self, element: &str, id: &str) -> String {
        let (p, declared) = match self.prefixes {
            Prefixes::Entra => ("", format!(" xmlns=\"{DSIG_NS}\"")),
            Prefixes::Prefixed => ("ds:", format!(" xmlns:ds=\"{DSIG_NS}\"")),
        };
        let signed_info = format!(
            "<{p}SignedInfo{declared}><{p}CanonicalizationMethod Algorithm=\"{EXC_C14N}\">\
             </{p}CanonicalizationMethod><{p}SignatureMethod Algorithm=\"{}\"></{p}SignatureMethod>\
             <{p}Reference URI=\"#{id}\"><{p}Transforms><{p}Transform \
             Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></{p}Transform>\
             <{p}Transform Algorithm=\"{EXC_C14N}\"></{p}Transform></{p}Transforms><{p}DigestMethod \
             Algorithm=\"{}\"></{p}DigestMethod><{p}DigestValue>{}</{p}DigestValue></{p}Reference>\
             </{p}SignedInfo>",
            self.claimed_algorithm.unwrap_or_else(|| self.algorithm.uri()),
            self.digest.uri(),
            self.digest.of(element),
        );
        let signed_info = match self.rewrite_signed_info {
            Some(rewrite) => rewrite(&signed_info),
            None => signed_info,
        };
        let value = STANDARD.encode(self.key.sign(self.algorithm, &signed_info));
        let key_info = self.key_info.clone().unwrap_or_else(|| {
            format!(
                "<{p}KeyInfo><{p}X509Data><{p}X509Certificate>{}</{p}X509Certificate></{p}X509Data></{p}KeyInfo>",
                STANDARD.encode(&self.key.certificate)
            )
        });
        // In the document the declaration stands on the Signature; the canonical form of the
        // SignedInfo repeats it.
        let inner = signed_info.replacen(&declared, "", 1);
        format!(
            "<{p}Signature{declared}>{inner}<{p}SignatureValue>{value}</{p}SignatureValue>{key_info}</{p}Signature>"
        )
    }
}

/// A time as Entra writes it.
pub(crate) fn time(instant: Timestamp) -> String {
    instant.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Text in canonical form.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

fn attribute(name: &str, value: Option<&str>) -> String {
    let escaped = |value: &str| {
        value
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('"', "&quot;")
            .replace('\t', "&#x9;")
            .replace('\n', "&#xA;")
            .replace('\r', "&#xD;")
    };
    value.map_or_else(String::new, |value| format!(" {name}=\"{}\"", escaped(value)))
}

/// Thirty-two hexadecimal digits, different each time.
fn unique() -> String {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).expect("randomness is at hand");
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
