//! Reading an `AuthnRequest`, with the checks and the error codes of Entra.
//!
//! Separate because it is the one place of the provider that reads XML from outside: bounded when it is
//! inflated, read as strictly as Anteroom reads, and nothing of it believed but three values.

use std::io::Read as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;

use crate::saml;

/// The application as it is registered with the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    /// "Identifier (Entity ID)".
    pub(crate) entity_id: String,
    /// "Reply URL (Assertion Consumer Service URL)".
    pub(crate) reply_url: String,
}

/// A request that may be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// Its ID, for `InResponseTo`.
    pub(crate) id: String,
    /// The request as XML, for the form that brings the choice of a person.
    pub(crate) xml: String,
}

/// Why a request is not answered. The codes are those of Entra (ENTRA 2.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// No `SAMLRequest`.
    #[error("AADSTS750054: SAMLRequest or SAMLResponse must be present in the request.")]
    Missing,
    /// Anything that is no request that Entra would read.
    #[error("AADSTS75005: The request is not a valid SAML 2.0 protocol message.")]
    Malformed,
    /// An issuer that is not registered.
    #[error("AADSTS700016: The application with this identifier was not found in the directory.")]
    UnknownApplication,
    /// An address for the answer that is not registered.
    #[error("AADSTS50011: The reply URL of the request does not match the one of the application.")]
    ReplyUrl,
}

impl Request {
    /// Reads the `SAMLRequest` of the HTTP-Redirect binding: base64 of DEFLATE (SAML Bindings 3.4.4.1).
    pub(crate) fn read_deflated(text: &str, registration: &Registration) -> Result<Self, Refused> {
        let mut octets = Vec::new();
        DeflateDecoder::new(decode(text)?.as_slice())
            .take(OCTETS_MAX + 1)
            .read_to_end(&mut octets)
            .map_err(|_| Refused::Malformed)?;
        Self::read(octets, registration)
    }

    /// Reads the `SAMLRequest` of the HTTP-POST binding: base64 alone (SAML Bindings 3.5.4).
    pub(crate) fn read_plain(text: &str, registration: &Registration) -> Result<Self, Refused> {
        Self::read(decode(text)?, registration)
    }

    /// The request as a form field for [`Request::read_plain`].
    pub(crate) fn to_field(&self) -> String {
        STANDARD.encode(&self.xml)
    }

    fn read(octets: Vec<u8>, registration: &Registration) -> Result<Self, Refused> {
        if octets.len() as u64 > OCTETS_MAX {
            return Err(Refused::Malformed);
        }
        let xml = String::from_utf8(octets).map_err(|_| Refused::Malformed)?;
        let id = check(&xml, registration)?;
        Ok(Self { id, xml })
    }
}

/// Gives the ID of a request of the registered application (ENTRA 2.1).
fn check(xml: &str, registration: &Registration) -> Result<String, Refused> {
    let request = saml::ReceivedRequest::parse(xml.as_bytes()).map_err(|_| Refused::Malformed)?;
    if request.issuer != registration.entity_id {
        return Err(Refused::UnknownApplication);
    }
    match request.acs_url {
        Some(url) if url != registration.reply_url => Err(Refused::ReplyUrl),
        _ => Ok(request.id),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, Refused> {
    if text.is_empty() {
        return Err(Refused::Missing);
    }
    if text.len() as u64 > OCTETS_MAX {
        return Err(Refused::Malformed);
    }
    STANDARD.decode(text).map_err(|_| Refused::Malformed)
}

/// A request is half a kilobyte.
const OCTETS_MAX: u64 = 16 * 1024;
