//! The certificate that a signature names, for people to compare.
//!
//! Separate because the verification never reads it: a key comes from the metadata alone, and what is read here is
//! shown and nothing else.

use aws_lc_rs::digest;

use super::parts::child;
use crate::saml::key::Certificate;
use crate::saml::metadata;
use crate::saml::names::ds;
use crate::saml::xml::Element;

/// The first certificate in the `KeyInfo` of an element's signature.
pub(super) fn named_in(parent: Element<'_>) -> Option<Certificate> {
    let key_info = child(child(parent, ds("Signature"))?, ds("KeyInfo"))?;
    let certificate = key_info.subtree().find(|element| element.is(ds("X509Certificate")))?;
    metadata::read_certificate(certificate).ok()
}

/// A certificate in one line: what consoles show to tell it from others, and its end.
pub(super) fn name(certificate: &Certificate) -> String {
    let until = certificate.not_after().strftime("%Y-%m-%d");
    format!("{} (Entra: {}), until {until}", certificate.fingerprint(), thumbprint(certificate))
}

/// Several certificates; with many, the first few.
pub(super) fn shown(certificates: &[Certificate]) -> String {
    let mut names: Vec<_> = certificates.iter().take(SHOWN_MAX).map(name).collect();
    if certificates.len() > SHOWN_MAX {
        names.push(format!("and {} more", certificates.len() - SHOWN_MAX));
    }
    names.join("; ")
}

const SHOWN_MAX: usize = 3;

/// The thumbprint that Entra's portal shows: SHA-1 of the certificate, to look at and not to trust.
fn thumbprint(certificate: &Certificate) -> String {
    use std::fmt::Write as _;
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
    hash.as_ref().iter().fold(String::new(), |mut text, octet| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{octet:02X}");
        text
    })
}
