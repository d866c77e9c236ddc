//! The request that starts a login, and the address the browser is sent to with it.
//!
//! Separate because it is all Anteroom says to an identity provider before it has heard anything.
//!
//! Rules: unless more is asked for, the smallest request Entra accepts (no `NameIDPolicy`, which would
//! override what the customer configured, and no `RequestedAuthnContext`); HTTP-Redirect with DEFLATE
//! (SAML Bindings 3.4.4.1); the ID is the caller's and must not begin with a digit.

mod received;

use jiff::Timestamp;
use url::Url;

use super::instant;
use super::metadata::IdentityProvider;
use super::names::{ASSERTION, BINDING_POST, PROTOCOL};
use super::own_key::KeyPair;
use super::policy::RequestOptions;
use super::redirect::Outgoing;

pub use received::ReceivedRequest;

/// A `samlp:AuthnRequest` (SAML Core 3.4.1).
#[derive(Debug, Clone, Copy)]
pub struct AuthnRequest<'a> {
    /// Whom to ask.
    pub idp: &'a IdentityProvider,
    /// The request ID: a letter or underscore first, no characters that XML would escape.
    pub id: &'a str,
    /// Our entity ID.
    pub sp_entity_id: &'a str,
    /// Where the answer must be posted.
    pub acs_url: &'a str,
    /// When the request is made.
    pub issue_instant: Timestamp,
    /// What else to ask for.
    pub options: RequestOptions<'a>,
}

impl AuthnRequest<'_> {
    /// The request as XML.
    #[must_use]
    pub fn to_xml(&self) -> String {
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" ID=\"{id}\" Version=\"2.0\" \
             IssueInstant=\"{issued}\" Destination=\"{destination}\"{force_authn} \
             AssertionConsumerServiceURL=\"{acs}\" ProtocolBinding=\"{BINDING_POST}\">\
             <saml:Issuer xmlns:saml=\"{ASSERTION}\">{issuer}</saml:Issuer>\
             {name_id_policy}{context}</samlp:AuthnRequest>",
            id = escape(self.id),
            issued = instant::format(self.issue_instant),
            destination = escape(self.idp.sso_url().as_str()),
            acs = escape(self.acs_url),
            issuer = escape(self.sp_entity_id),
            force_authn = if self.options.force_authn { " ForceAuthn=\"true\"" } else { "" },
            name_id_policy = self.name_id_policy(),
            context = self.requested_context(),
        )
    }

    /// `samlp:NameIDPolicy` (SAML Core 3.4.1.1).
    fn name_id_policy(&self) -> String {
        let Some(format) = self.options.name_id_format else { return String::new() };
        // Somebody whom the provider has no such name for yet gets one.
        format!("<samlp:NameIDPolicy Format=\"{}\" AllowCreate=\"true\"/>", format.uri())
    }

    /// `samlp:RequestedAuthnContext` (SAML Core 3.3.2.2.1); Entra knows no other comparison.
    fn requested_context(&self) -> String {
        if self.options.authn_context.is_empty() {
            return String::new();
        }
        let classes = self.options.authn_context.iter().map(|class| {
            format!(
                "<saml:AuthnContextClassRef xmlns:saml=\"{ASSERTION}\">{}</saml:AuthnContextClassRef>",
                escape(class.as_str())
            )
        });
        format!(
            "<samlp:RequestedAuthnContext Comparison=\"exact\">{}</samlp:RequestedAuthnContext>",
            classes.collect::<String>()
        )
    }

    /// The address for the browser, signed if there is a key. The login hint is sent to Entra only, since others
    /// do not know the parameter; it stands behind the signature, which does not cover it.
    #[must_use]
    pub fn redirect_url(
        &self,
        relay_state: Option<&str>,
        login_hint: Option<&str>,
        key: Option<&KeyPair>,
    ) -> Url {
        let hint = login_hint.filter(|_| self.idp.is_entra()).map(|hint| ("login_hint", hint));
        let xml = self.to_xml();
        let outgoing = Outgoing { parameter: "SAMLRequest", xml: &xml, relay_state };
        outgoing.address(self.idp.sso_url(), key, hint.as_slice())
    }
}

/// Escapes text for element content and double-quoted attribute values.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            _ => escaped.push(c),
        }
    }
    escaped
}
