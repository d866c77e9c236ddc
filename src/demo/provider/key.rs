//! The provider's signing key, made anew at every start, and its self-signed certificate.
//!
//! Separate so that everything the provider signs is signed in one way, the one Entra uses: RSA-2048 with
//! SHA-256 over exclusive canonical octets.
//!
//! Rules: the caller hands in text that *is* canonical (Exclusive XML Canonicalization 1.0): namespaces before
//! attributes, no self-closing tags, and no escapes but those of [`canonical_text`] and [`canonical_value`].

use anyhow::Context;
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SigningKey};

/// An RSA key with its certificate.
pub(crate) struct Key {
    pair: KeyPair,
    certificate_base64: String,
}

impl Key {
    /// Makes a key whose certificate is valid for three years, as Entra's are.
    pub(crate) fn generate(now: Timestamp) -> anyhow::Result<Self> {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)
            .context("the provider's key cannot be made")?;
        let yesterday = TimeZone::UTC.to_datetime(now - 24.hours()).date();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Anteroom demo identity provider");
        let (year, month, day) = (i32::from(yesterday.year()), yesterday.month(), yesterday.day());
        let (month, day) = (u8::try_from(month)?, u8::try_from(day)?);
        // The 29th of February is not in every year.
        params.not_before = rcgen::date_time_ymd(year, month, day.min(28));
        params.not_after = rcgen::date_time_ymd(year + 3, month, day.min(28));
        let certificate = params.self_signed(&pair).context("the provider's certificate cannot be made")?;
        Ok(Self { pair, certificate_base64: STANDARD.encode(certificate.der()) })
    }

    /// The certificate as it stands in `X509Certificate`.
    pub(crate) fn certificate_base64(&self) -> &str {
        &self.certificate_base64
    }

    /// The `Signature` element for the element of that ID whose canonical form (without the signature) this is.
    pub(crate) fn signature(&self, id: &str, canonical: &str) -> anyhow::Result<String> {
        let digest = STANDARD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()));
        let id = canonical_value(id);
        let content = format!(
            "<CanonicalizationMethod Algorithm=\"{EXC_C14N}\"></CanonicalizationMethod>\
             <SignatureMethod Algorithm=\"{RSA_SHA256}\"></SignatureMethod>\
             <Reference URI=\"#{id}\"><Transforms><Transform Algorithm=\"{ENVELOPED}\"></Transform>\
             <Transform Algorithm=\"{EXC_C14N}\"></Transform></Transforms>\
             <DigestMethod Algorithm=\"{SHA256}\"></DigestMethod>\
             <DigestValue>{digest}</DigestValue></Reference>"
        );
        // The canonical form of the element alone declares the namespace that it inherits in the document.
        let signed_info = format!("<SignedInfo xmlns=\"{DSIG}\">{content}</SignedInfo>");
        let value = self.pair.sign(signed_info.as_bytes()).context("the provider cannot sign")?;
        Ok(format!(
            "<Signature xmlns=\"{DSIG}\"><SignedInfo>{content}</SignedInfo>\
             <SignatureValue>{}</SignatureValue>\
             <KeyInfo><X509Data><X509Certificate>{}</X509Certificate></X509Data></KeyInfo></Signature>",
            STANDARD.encode(value),
            self.certificate_base64,
        ))
    }
}

/// Text between tags, escaped as Canonical XML 1.0 section 2.3 says.
pub(crate) fn canonical_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xD;")
}

/// The value of an attribute, escaped as Canonical XML 1.0 section 2.3 says.
pub(crate) fn canonical_value(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
        .replace('\t', "&#x9;")
        .replace('\n', "&#xA;")
        .replace('\r', "&#xD;")
}

const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
const EXC_C14N: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
