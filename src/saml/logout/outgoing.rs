//! What we say to an identity provider about a logout, and the way it goes there.
//!
//! Separate because it is all that Anteroom says of single logout.
//!
//! Rules: a request goes by HTTP-Redirect alone; a response by the binding of the provider's endpoint, to the
//! address that it names for responses (SAML Metadata 2.2.2); both are signed if we have a key; the address is the
//! metadata's, never a message's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use url::Url;

use crate::saml::assertion::NameId;
use crate::saml::authn_request::escape;
use crate::saml::instant;
use crate::saml::metadata::IdentityProvider;
use crate::saml::names::{ASSERTION, PROTOCOL, STATUS_SUCCESS};
use crate::saml::own_key::ServiceProvider;
use crate::saml::redirect::Outgoing;
use crate::saml::sp_metadata::{self, element};

/// A `samlp:LogoutRequest` of ours (SAML Core 3.7.1).
#[derive(Debug, Clone, Copy)]
pub struct OwnRequest<'a> {
    /// Whom to tell.
    pub idp: &'a IdentityProvider,
    /// Us.
    pub service_provider: &'a ServiceProvider,
    /// The request ID: a letter or underscore first, no characters that XML would escape.
    pub id: &'a str,
    /// Whom the provider signed on, as it wrote it.
    pub name_id: &'a NameId,
    /// The provider's name for its session.
    pub session_index: Option<&'a str>,
    /// When the request is made.
    pub issue_instant: Timestamp,
}

/// A `samlp:LogoutResponse` of ours (SAML Core 3.7.2).
#[derive(Debug, Clone, Copy)]
pub struct OwnResponse<'a> {
    /// Who has asked.
    pub idp: &'a IdentityProvider,
    /// Us.
    pub service_provider: &'a ServiceProvider,
    /// The response's ID.
    pub id: &'a str,
    /// The request that is answered.
    pub in_response_to: &'a str,
    /// What became of it.
    pub verdict: Verdict,
    /// When the response is made.
    pub issue_instant: Timestamp,
}

/// What became of a provider's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// No such session is left.
    Ended,
    /// The request has been used before, and nothing was done.
    Denied,
}

/// Where the browser takes a message of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Onward {
    /// By HTTP-Redirect.
    Redirect(Url),
    /// By HTTP-POST (SAML Bindings 3.5).
    Post {
        /// The form's address.
        url: Url,
        /// The field `SAMLResponse`.
        response: String,
        /// The field `RelayState`.
        relay_state: Option<String>,
    },
}

impl OwnRequest<'_> {
    /// The address for the browser; `None` if the provider offers no logout by HTTP-Redirect.
    #[must_use]
    pub fn redirect_url(&self) -> Option<Url> {
        let url = self.idp.slo_redirect_url()?;
        let key = self.service_provider.signing_key();
        let xml = self.to_xml(url);
        Some(Outgoing { parameter: "SAMLRequest", xml: &xml, relay_state: None }.address(url, key, &[]))
    }

    fn to_xml(self, destination: &Url) -> String {
        let attribute = |name: &str, value: Option<&str>| {
            value.map(|value| format!(" {name}=\"{}\"", escape(value))).unwrap_or_default()
        };
        let NameId { value, format, name_qualifier, sp_name_qualifier } = self.name_id;
        let attributes = [
            attribute("Format", format.as_deref()),
            attribute("NameQualifier", name_qualifier.as_deref()),
            attribute("SPNameQualifier", sp_name_qualifier.as_deref()),
        ]
        .concat();
        let index = self
            .session_index
            .map(|index| format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escape(index)));
        format!(
            "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\" ID=\"{id}\" \
             Version=\"2.0\" IssueInstant=\"{issued}\" Destination=\"{destination}\">\
             <saml:Issuer>{issuer}</saml:Issuer><saml:NameID{attributes}>{value}</saml:NameID>{index}\
             </samlp:LogoutRequest>",
            id = escape(self.id),
            issued = instant::format(self.issue_instant),
            destination = escape(destination.as_str()),
            issuer = escape(&self.service_provider.entity_id),
            value = escape(value),
            index = index.unwrap_or_default(),
        )
    }
}

impl OwnResponse<'_> {
    /// The way there, with what the provider wants back; `None` if the provider offers no logout.
    #[must_use]
    pub fn onward(&self, relay_state: Option<&str>) -> Option<Onward> {
        let key = self.service_provider.signing_key();
        if let Some(url) = self.idp.slo_redirect_response_url() {
            let xml = self.to_xml(url, "");
            let outgoing = Outgoing { parameter: "SAMLResponse", xml: &xml, relay_state };
            return Some(Onward::Redirect(outgoing.address(url, key, &[])));
        }
        let url = self.idp.slo_post_response_url()?.clone();
        let unsigned = self.to_xml(&url, "");
        let response = match key {
            Some(key) => self.to_xml(&url, &sp_metadata::signature(&unsigned, self.id, key)),
            None => unsigned,
        };
        let response = STANDARD.encode(response);
        Some(Onward::Post { url, response, relay_state: relay_state.map(str::to_owned) })
    }

    /// In canonical form, so that what is signed is what is sent.
    fn to_xml(self, destination: &Url, signature: &str) -> String {
        let code = |value: &str, nested: &str| element("samlp:StatusCode", &[("Value", value)], nested);
        let status = match self.verdict {
            Verdict::Ended => code(STATUS_SUCCESS, ""),
            Verdict::Denied => code(REQUESTER, &code(REQUEST_DENIED, "")),
        };
        let entity_id = &self.service_provider.entity_id;
        let issuer = entity_id.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let issuer = element("saml:Issuer", &[("xmlns:saml", ASSERTION)], &issuer);
        let status = element("samlp:Status", &[], &status);
        element(
            "samlp:LogoutResponse",
            &[
                ("xmlns:samlp", PROTOCOL),
                ("Destination", destination.as_str()),
                ("ID", self.id),
                ("InResponseTo", self.in_response_to),
                ("IssueInstant", &instant::format(self.issue_instant)),
                ("Version", "2.0"),
            ],
            &format!("{issuer}{signature}{status}"),
        )
    }
}

const REQUESTER: &str = "urn:oasis:names:tc:SAML:2.0:status:Requester";
const REQUEST_DENIED: &str = "urn:oasis:names:tc:SAML:2.0:status:RequestDenied";
