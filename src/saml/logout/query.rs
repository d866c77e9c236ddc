//! The query of a HTTP-Redirect that carries a logout message (SAML Bindings 3.4.4.1).
//!
//! Separate because everything that can be done to a query is decided in this file, and because what is signed
//! is the text of the query itself: it is never decoded and encoded again on the way to its signature.
//!
//! Rules: exactly one of each parameter, each by its own name and no other spelling of it; the signed text is put
//! together from the values as they came, in the order of the specification, whatever their order and escapes
//! were; inflating stops at a limit, and nothing may follow what was deflated (SAML-ATTACKS C11, G1).

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::DeflateDecoder;
use percent_encoding::percent_decode_str;

use crate::saml::key::Algorithm;
use crate::saml::refusal::{Reason, Refusal};

/// What a query says; nothing is verified.
pub(super) struct Query {
    pub(super) is_request: bool,
    pub(super) octets: Vec<u8>,
    pub(super) relay_state: Option<String>,
    pub(super) signature: Option<QuerySignature>,
}

/// A signature over the text of a query.
pub(super) struct QuerySignature {
    pub(super) signed: String,
    pub(super) algorithm: Algorithm,
    pub(super) value: Vec<u8>,
}

impl Query {
    pub(super) fn read(query: &str) -> Result<Self, Refusal> {
        if query.len() > QUERY_OCTETS_MAX {
            return Err(Refusal::new(Reason::TooLarge)
                .expected(format!("a query of at most {QUERY_OCTETS_MAX} octets")));
        }
        let parameters = Parameters::read(query)?;
        let (name, message) = match (parameters.request, parameters.response) {
            (Some(message), None) => ("SAMLRequest", message),
            (None, Some(message)) => ("SAMLResponse", message),
            _ => return Err(malformed("exactly one of SAMLRequest and SAMLResponse")),
        };
        if let Some(encoding) = parameters.encoding
            && text(encoding)? != DEFLATE
        {
            return Err(malformed("SAMLEncoding DEFLATE"));
        }
        Ok(Self {
            is_request: name == "SAMLRequest",
            octets: inflate(&base64(message)?)?,
            relay_state: parameters.relay_state.map(relay_state).transpose()?,
            signature: parameters.signature(name, message)?,
        })
    }
}

/// The parameters as they came, still escaped.
#[derive(Default)]
struct Parameters<'q> {
    request: Option<&'q str>,
    response: Option<&'q str>,
    relay_state: Option<&'q str>,
    algorithm: Option<&'q str>,
    signature: Option<&'q str>,
    encoding: Option<&'q str>,
}

impl<'q> Parameters<'q> {
    /// Others are passed over: they are neither signed nor read.
    fn read(query: &'q str) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let meant = percent_decode_str(name).decode_utf8_lossy();
            let place = match &*meant {
                "SAMLRequest" => &mut parameters.request,
                "SAMLResponse" => &mut parameters.response,
                "RelayState" => &mut parameters.relay_state,
                "SigAlg" => &mut parameters.algorithm,
                "Signature" => &mut parameters.signature,
                "SAMLEncoding" => &mut parameters.encoding,
                _ => continue,
            };
            if name != meant {
                return Err(malformed("parameter names without escapes").got(name));
            }
            if place.replace(value).is_some() {
                return Err(malformed("each parameter once").got(name));
            }
        }
        Ok(parameters)
    }

    fn signature(&self, name: &str, message: &str) -> Result<Option<QuerySignature>, Refusal> {
        let (algorithm, value) = match (self.algorithm, self.signature) {
            (Some(algorithm), Some(value)) => (algorithm, value),
            (None, None) => return Ok(None),
            _ => return Err(malformed("both of SigAlg and Signature, or neither")),
        };
        let uri = text(algorithm)?;
        let known = Algorithm::from_uri(&uri).ok_or_else(|| {
            Refusal::new(Reason::AlgorithmForbidden)
                .expected("RSA (PKCS#1 v1.5) or ECDSA with SHA-256, SHA-384 or SHA-512")
                .got(&uri)
        })?;
        let relay_state = self.relay_state.map(|value| format!("&RelayState={value}")).unwrap_or_default();
        Ok(Some(QuerySignature {
            signed: format!("{name}={message}{relay_state}&SigAlg={algorithm}"),
            algorithm: known,
            value: base64(value)?,
        }))
    }
}

/// The value of a parameter. Every escape must be one, so that nobody reads another value.
fn text(raw: &str) -> Result<String, Refusal> {
    let is_escape = |rest: &str| {
        rest.as_bytes().first_chunk::<2>().is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !raw.bytes().all(|byte| byte.is_ascii_graphic()) || !raw.split('%').skip(1).all(is_escape) {
        return Err(malformed("properly escaped values"));
    }
    let spaced = raw.replace('+', " ");
    let text = percent_decode_str(&spaced).decode_utf8().map_err(|_| malformed("values in UTF-8"))?;
    Ok(text.into_owned())
}

/// A value in strict base64, in which only line breaks are skipped.
fn base64(raw: &str) -> Result<Vec<u8>, Refusal> {
    let text = text(raw)?;
    let digits: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let octets = STANDARD.decode(digits).map_err(|_| Refusal::new(Reason::NotBase64))?;
    if octets.is_empty() { Err(malformed("values that are not empty")) } else { Ok(octets) }
}

fn relay_state(raw: &str) -> Result<String, Refusal> {
    checked_relay_state(&text(raw)?)
}

/// It goes back unchanged. SAML Bindings 3.4.3 allows 80 octets; providers send addresses of their own, which are
/// longer, and nothing here depends on the bound being that one.
pub(super) fn checked_relay_state(text: &str) -> Result<String, Refusal> {
    if text.len() <= RELAY_STATE_OCTETS_MAX && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(malformed("a RelayState of at most 1024 octets without control characters"))
    }
}

/// At most so much comes out, however much there is (SAML-ATTACKS G1).
fn inflate(deflated: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut decoder = DeflateDecoder::new(deflated);
    let mut inflated = Vec::new();
    let limit = u64::try_from(LOGOUT_OCTETS_MAX + 1).unwrap_or(u64::MAX);
    decoder.by_ref().take(limit).read_to_end(&mut inflated).map_err(|_| Refusal::new(Reason::NotDeflated))?;
    if inflated.len() > LOGOUT_OCTETS_MAX {
        return Err(Refusal::new(Reason::TooLarge).expected(format!("at most {LOGOUT_OCTETS_MAX} octets")));
    }
    if usize::try_from(decoder.total_in()) != Ok(deflated.len()) {
        return Err(Refusal::new(Reason::NotDeflated).expected("nothing after what is deflated"));
    }
    Ok(inflated)
}

pub(super) fn malformed(expected: &str) -> Refusal {
    Refusal::new(Reason::ParameterMalformed).expected(expected)
}

const DEFLATE: &str = "urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE";
/// No logout message is a quarter of this.
pub(super) const LOGOUT_OCTETS_MAX: usize = 64 * 1024;
const QUERY_OCTETS_MAX: usize = 16 * 1024;
const RELAY_STATE_OCTETS_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn deflated(octets: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(octets).unwrap();
        encoder.finish().unwrap()
    }

    fn code(query: &str) -> &'static str {
        Query::read(query).map_or_else(|refusal| refusal.reason().code(), |_| "accepted")
    }

    #[test]
    fn what_is_signed_is_the_text_as_it_came_in_the_order_of_the_specification() {
        let message = STANDARD.encode(deflated(b"<x/>"));
        let lower = message.replace('=', "%3d").replace('+', "%2b").replace('/', "%2f");
        let algorithm = "http%3a%2F%2fwww.w3.org%2f2001/04%2fxmldsig-more%23rsa-sha256";
        let query =
            format!("Signature=AAAA&other=1&SigAlg={algorithm}&RelayState=a%20b+c&SAMLRequest={lower}");
        let read = Query::read(&query).unwrap();
        let signed = format!("SAMLRequest={lower}&RelayState=a%20b+c&SigAlg={algorithm}");
        assert_eq!(read.signature.unwrap().signed, signed);
        assert_eq!((read.relay_state.as_deref(), read.octets.as_slice()), (Some("a b c"), &b"<x/>"[..]));
    }

    #[test]
    fn a_query_that_could_be_read_in_two_ways_is_refused() {
        let m = STANDARD.encode(deflated(b"<x/>")).replace('=', "%3D").replace('+', "%2B");
        let alg = "http://www.w3.org/2001/04/xmldsig-more%23rsa-sha256";
        assert_eq!(code(&format!("SAMLRequest={m}&SigAlg={alg}&Signature=AAAA&x=%")), "accepted");
        for query in [
            String::new(),
            "SAMLRequest".to_owned(),
            format!("SAMLRequest={m}&SAMLRequest={m}"),
            format!("SAMLRequest={m}&SAMLResponse={m}"),
            format!("SAMLRequest={m}&%53AMLRequest={m}"),
            format!("%53AMLRequest={m}"),
            format!("SAMLRequest={m}&RelayState=a&RelayState=a"),
            format!("SAMLRequest={m}&RelayState={}", "a".repeat(1025)),
            format!("SAMLRequest={m}&RelayState=a%0Ab"),
            format!("SAMLRequest={m}&RelayState=%ff"),
            format!("SAMLRequest={m}&RelayState=%4"),
            format!("SAMLRequest={m}&RelayState=%zz"),
            format!("SAMLRequest={m}&SigAlg={alg}"),
            format!("SAMLRequest={m}&Signature=AAAA"),
            format!("SAMLRequest={m}&SigAlg={alg}&Signature="),
            format!("SAMLRequest={m}&SigAlg={alg}&SigAlg={alg}&Signature=AAAA"),
            format!("SAMLRequest={m}&SAMLEncoding=other"),
        ] {
            assert_eq!(code(&query), "parameter_malformed", "{query}");
        }
        assert_eq!(code(&format!("SAMLRequest={m}&SigAlg=x&Signature=AAAA")), "algorithm_forbidden");
        assert_eq!(code("SAMLRequest=a"), "not_base64");
        assert_eq!(code(&"x".repeat(QUERY_OCTETS_MAX + 1)), "too_large");
    }

    #[test]
    fn what_is_inflated_ends_at_the_limit_and_where_the_octets_end() {
        let encoded = |octets: &[u8]| {
            let base64 = STANDARD.encode(octets).replace('+', "%2B");
            format!("SAMLRequest={base64}")
        };
        let bomb = deflated(&vec![b' '; 8 * 1024 * 1024]);
        assert_eq!(code(&encoded(&bomb)), "too_large");
        let mut trailed = deflated(b"<x/>");
        assert_eq!(code(&encoded(&trailed)), "accepted");
        trailed.extend(b"more");
        assert_eq!(code(&encoded(&trailed)), "not_deflated");
        assert_eq!(code(&encoded(&[0xff; 9])), "not_deflated");
    }
}
