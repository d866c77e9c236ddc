//! The HTTP-Redirect binding: a message as a query, signed if there is a key (SAML Bindings 3.4.4.1).
//!
//! Separate because requests for sign-on and for logout go the same way, and because what is signed is not XML
//! but the very octets of the query.
//!
//! Rules: the signature covers message, `RelayState` and `SigAlg` in this order, percent-encoded as they are
//! sent; what does not belong to the binding stands before or after and is not covered.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use super::names::RSA_SHA256;
use super::own_key::KeyPair;

/// A message for the HTTP-Redirect binding.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing<'a> {
    /// Whether it is a request or a response: `SAMLRequest` or `SAMLResponse`.
    pub(super) parameter: &'static str,
    /// The message as XML.
    pub(super) xml: &'a str,
    /// What is to come back with the answer.
    pub(super) relay_state: Option<&'a str>,
}

impl Outgoing<'_> {
    /// The address that the browser is sent to. A query that the endpoint already has is kept in front of the
    /// message, `further` parameters follow behind it.
    pub(super) fn address(&self, endpoint: &Url, key: Option<&KeyPair>, further: &[(&str, &str)]) -> Url {
        let mut query = pair(self.parameter, &STANDARD.encode(deflate(self.xml)));
        if let Some(relay_state) = self.relay_state {
            query = format!("{query}&{}", pair("RelayState", relay_state));
        }
        if let Some(key) = key {
            query = sign_query(&query, key);
        }
        for (name, value) in further {
            query = format!("{query}&{}", pair(name, value));
        }
        if let Some(own) = endpoint.query().filter(|own| !own.is_empty()) {
            query = format!("{own}&{query}");
        }
        let mut url = endpoint.clone();
        url.set_query(Some(&query));
        url
    }
}

/// Adds `SigAlg` and `Signature` to a query that holds the message and, if there is one, the `RelayState`.
pub(super) fn sign_query(query: &str, key: &KeyPair) -> String {
    let signed = format!("{query}&{}", pair("SigAlg", RSA_SHA256));
    let signature = STANDARD.encode(key.sign(signed.as_bytes()));
    format!("{signed}&{}", pair("Signature", &signature))
}

fn pair(name: &str, value: &str) -> String {
    format!("{name}={}", utf8_percent_encode(value, ESCAPED))
}

/// All but the unreserved characters (RFC 3986 2.3), so that nobody on the way writes it in another form.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn deflate(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(text.as_bytes())
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}
