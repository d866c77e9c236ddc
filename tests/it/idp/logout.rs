//! The logout side of the identity provider: what it sends, by either binding, and what it is sent.
//!
//! Separate because here a text is signed as it stands in an address, with the escapes that Entra writes.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use url::Url;

use super::{ASSERTION_NS, Idp, PROTOCOL_NS, Rewrite, SUCCESS, Signer, attribute, escape, time, unique};

/// A logout message in the making. An empty `Option` leaves the XML attribute out.
pub(crate) struct Logout {
    /// `LogoutRequest` or `LogoutResponse`.
    pub(crate) element: &'static str,
    pub(crate) id: String,
    pub(crate) issuer: String,
    pub(crate) destination: Option<String>,
    pub(crate) issued: String,
    pub(crate) not_on_or_after: Option<String>,
    pub(crate) in_response_to: Option<String>,
    pub(crate) name_id: String,
    pub(crate) name_id_format: Option<String>,
    /// Further XML attributes of the `NameID` in canonical order after `Format`.
    pub(crate) name_id_attributes: String,
    pub(crate) session_indexes: Vec<String>,
    /// Status codes, outermost first.
    pub(crate) status: Vec<String>,
    pub(crate) version: String,
    pub(crate) relay_state: Option<String>,
    pub(crate) signer: Signer,
    /// Rewrites the message before it is signed.
    pub(crate) rewrite: Option<Rewrite>,
}

/// The query of an address, of which every part stands as it will be sent.
#[derive(Clone)]
pub(crate) struct RedirectQuery {
    pub(crate) name: &'static str,
    pub(crate) message: String,
    pub(crate) relay_state: Option<String>,
    pub(crate) algorithm: String,
    pub(crate) signature: String,
}

impl Idp {
    /// Demands the end of somebody's session.
    pub(crate) fn logout_request(&self, slo_url: &str, name_id: &str, now: Timestamp) -> Logout {
        Logout::new(self, "LogoutRequest", slo_url, now)
            .with(|logout| name_id.clone_into(&mut logout.name_id))
    }

    /// Answers a demand of ours.
    pub(crate) fn logout_response(&self, slo_url: &str, in_response_to: &str, now: Timestamp) -> Logout {
        Logout::new(self, "LogoutResponse", slo_url, now)
            .with(|logout| logout.in_response_to = Some(in_response_to.to_owned()))
    }
}

impl Logout {
    fn new(idp: &Idp, element: &'static str, slo_url: &str, now: Timestamp) -> Self {
        Self {
            element,
            id: format!("_l{}", unique()),
            issuer: idp.entity_id.clone(),
            destination: Some(slo_url.to_owned()),
            issued: time(now),
            not_on_or_after: None,
            in_response_to: None,
            name_id: String::new(),
            name_id_format: Some("urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress".to_owned()),
            name_id_attributes: String::new(),
            session_indexes: Vec::new(),
            status: vec![SUCCESS.to_owned()],
            version: "2.0".to_owned(),
            relay_state: None,
            signer: Signer::new(idp.key),
            rewrite: None,
        }
    }

    /// Changes the message in place, for use in one expression.
    #[must_use]
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Only this session of the person.
    #[must_use]
    pub(crate) fn of_session(self, index: &str) -> Self {
        self.with(|logout| logout.session_indexes.push(index.to_owned()))
    }

    /// The message without a signature, in canonical form.
    pub(crate) fn to_xml(&self) -> String {
        let content = if self.element == "LogoutRequest" { self.subject() } else { self.status() };
        let xml = format!(
            "<samlp:{element} xmlns:samlp=\"{PROTOCOL_NS}\"{}{}{}{}{}{}><Issuer xmlns=\"{ASSERTION_NS}\">{}\
             </Issuer>{content}</samlp:{element}>",
            attribute("Destination", self.destination.as_deref()),
            attribute("ID", Some(&self.id)),
            attribute("InResponseTo", self.in_response_to.as_deref()),
            attribute("IssueInstant", Some(&self.issued)),
            attribute("NotOnOrAfter", self.not_on_or_after.as_deref()),
            attribute("Version", Some(&self.version)),
            escape(&self.issuer),
            element = self.element,
        );
        match &self.rewrite {
            Some(rewrite) => rewrite(&xml),
            None => xml,
        }
    }

    fn subject(&self) -> String {
        let indexes = self.session_indexes.iter();
        let indexes =
            indexes.map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escape(index)));
        format!(
            "<NameID xmlns=\"{ASSERTION_NS}\"{}{}>{}</NameID>{}",
            attribute("Format", self.name_id_format.as_deref()),
            self.name_id_attributes,
            escape(&self.name_id),
            indexes.collect::<String>(),
        )
    }

    fn status(&self) -> String {
        let mut codes = String::new();
        for code in self.status.iter().rev() {
            codes = format!("<samlp:StatusCode Value=\"{code}\">{codes}</samlp:StatusCode>");
        }
        format!("<samlp:Status>{codes}</samlp:Status>")
    }

    /// The message by HTTP-Redirect, signed, with lower-case escapes as Entra writes them.
    pub(crate) fn to_query(&self) -> RedirectQuery {
        self.to_query_escaping(lower_case)
    }

    /// The same with escapes of another kind.
    pub(crate) fn to_query_escaping(&self, escapes: fn(&str) -> String) -> RedirectQuery {
        let name = if self.element == "LogoutRequest" { "SAMLRequest" } else { "SAMLResponse" };
        let message = escapes(&STANDARD.encode(deflated(self.to_xml().as_bytes())));
        let relay_state = self.relay_state.as_deref().map(escapes);
        let claimed = self.signer.claimed_algorithm.unwrap_or_else(|| self.signer.algorithm.uri());
        let algorithm = escapes(claimed);
        let query = RedirectQuery {
            name,
            message,
            relay_state,
            algorithm: algorithm.clone(),
            signature: String::new(),
        };
        let signature = self.signer.key.sign(self.signer.algorithm, &query.signed());
        RedirectQuery { signature: escapes(&STANDARD.encode(signature)), ..query }
    }

    /// The message by HTTP-POST, signed.
    pub(crate) fn to_signed_xml(&self) -> String {
        let xml = self.to_xml();
        let at = xml.find("</Issuer>").expect("an issuer") + "</Issuer>".len();
        self.signer.insert_signature(&xml, &self.id, at)
    }

    /// The fields of the form that carries any text.
    pub(crate) fn fields(&self, xml: &str) -> Vec<(String, String)> {
        let name = if self.element == "LogoutRequest" { "SAMLRequest" } else { "SAMLResponse" };
        let relay_state = self.relay_state.iter().map(|state| ("RelayState".to_owned(), state.clone()));
        std::iter::once((name.to_owned(), STANDARD.encode(xml))).chain(relay_state).collect()
    }
}

impl RedirectQuery {
    /// What is signed.
    pub(crate) fn signed(&self) -> String {
        let Self { name, message, relay_state, algorithm, .. } = self;
        let relay_state =
            relay_state.as_ref().map(|state| format!("&RelayState={state}")).unwrap_or_default();
        format!("{name}={message}{relay_state}&SigAlg={algorithm}")
    }

    /// The whole query.
    pub(crate) fn text(&self) -> String {
        format!("{}&Signature={}", self.signed(), self.signature)
    }

    /// The query without a signature.
    pub(crate) fn unsigned_text(&self) -> String {
        let text = self.signed();
        text.split_once("&SigAlg=").expect("it names its algorithm").0.to_owned()
    }
}

/// Everything but letters and digits, as `%3d`.
pub(crate) fn lower_case(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            let plain = byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if plain { char::from(byte).to_string() } else { format!("%{byte:02x}") }
        })
        .collect()
}

/// The same as `%3D`, as most others write them.
pub(crate) fn upper_case(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

pub(crate) fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(octets).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// A logout message that Anteroom has sent by HTTP-Redirect.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) url: Url,
    pub(crate) xml: String,
}

impl Sent {
    pub(crate) fn read(url: Url) -> Self {
        let message = url.query_pairs().find(|(name, _)| name == "SAMLRequest" || name == "SAMLResponse");
        let (_, message) = message.expect("a message in the address");
        let octets = STANDARD.decode(&*message).expect("base64");
        let mut xml = String::new();
        flate2::read::DeflateDecoder::new(&*octets).read_to_string(&mut xml).expect("deflated text");
        Self { url, xml }
    }

    /// A parameter that went along.
    pub(crate) fn parameter(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// What stands between two texts.
    pub(crate) fn between(&self, from: &str, to: &str) -> &str {
        let (_, rest) = self.xml.split_once(from).expect("it begins");
        rest.split_once(to).expect("it ends").0
    }

    /// An XML attribute of the message.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.between(&format!(" {name}=\""), "\"")
    }
}
