//! The second, independent verification: samael on libxml2 and xmlsec1 must agree.
//!
//! Separate because it is another implementation in another language, compiled in by the feature
//! `second-opinion` only.
//!
//! Rules: asked only after the first opinion accepted, so no outsider's XML reaches C code; it gets
//! the same message and the same pinned certificates, an allow-list of algorithms, and must return
//! the same octets byte for byte; an error, a panic or another octet is a refusal.

use std::panic::{AssertUnwindSafe, catch_unwind};

use samael::crypto::{
    AllowedSignatureAlgorithm as Allowed, CertificateDer, Crypto, CryptoProvider as _, ReduceMode,
};

use super::key::{Certificate, Key};
use super::refusal::{Reason, Refusal};

/// Whether samael digests the same octets from the message.
pub(super) fn agrees(message: &[u8], certificates: &[Certificate], octets: &[u8]) -> Result<(), Refusal> {
    let refused = |got: &str| Refusal::new(Reason::SecondOpinionDisagrees).got(got);
    let message = std::str::from_utf8(message).map_err(|_| refused("not UTF-8"))?;
    let mut got = "no key that fits".to_owned();
    // xmlsec1 takes a key of the wrong type for an error instead of trying the next one, so each
    // type is asked by itself.
    for is_rsa in [true, false] {
        let of_type: Vec<CertificateDer> = certificates
            .iter()
            .filter(|certificate| matches!(certificate.key(), Key::Rsa { .. }) == is_rsa)
            .map(|certificate| CertificateDer::from(certificate.der().to_vec()))
            .collect();
        if of_type.is_empty() {
            continue;
        }
        match reduce(message, &of_type) {
            Ok(reduced) if reduced.as_bytes() == octets => return Ok(()),
            Ok(_) => return Err(refused("other octets")),
            Err(error) => got = error,
        }
    }
    Err(refused(&got))
}

fn reduce(message: &str, certificates: &[CertificateDer]) -> Result<String, String> {
    // samael is known to panic on some input; nothing of it is kept across the call.
    catch_unwind(AssertUnwindSafe(|| {
        Crypto::reduce_xml_to_signed_with_allowed_algorithms(
            message,
            certificates,
            ReduceMode::PreDigest,
            Some(&ALLOWED),
        )
    }))
    .map_err(|_| "a panic".to_owned())?
    .map_err(|error| error.to_string())
}

const ALLOWED: [Allowed; 6] = [
    Allowed::RsaSha256,
    Allowed::RsaSha384,
    Allowed::RsaSha512,
    Allowed::EcdsaSha256,
    Allowed::EcdsaSha384,
    Allowed::EcdsaSha512,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_signed_or_not_xml_is_never_agreed_to() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let der = rcgen::CertificateParams::default().self_signed(&key).expect("a certificate");
        let certificates = [Certificate::parse(der.der()).expect("a good key")];
        for message in [&b"<x/>"[..], b"", b"\xff", b"not xml"] {
            let refusal = agrees(message, &certificates, message).expect_err("nothing to agree to");
            assert_eq!(refusal.reason(), Reason::SecondOpinionDisagrees);
        }
        assert!(agrees(b"<x/>", &[], b"<x/>").is_err());
    }
}
