//! The provider's Federation Metadata, shaped as Entra's (ENTRA 2.5).
//!
//! Separate because it is a file that a customer sends by e-mail: byte order mark, its own signature first, two
//! WS-Federation roles before the one that matters.

use crate::demo::provider::key::{Key, canonical_value};
use crate::demo::provider::response::entity_id;

/// The document, beginning with its byte order mark.
pub(crate) fn document(tenant: &str, sso_url: &str, id: &str, key: &Key) -> anyhow::Result<String> {
    let head =
        format!("<EntityDescriptor xmlns=\"{METADATA}\" ID=\"{id}\" entityID=\"{}\">", entity_id(tenant));
    let rest = [
        role("SecurityTokenServiceType", "PassiveRequestorEndpoint", sso_url, key),
        role("ApplicationServiceType", "PassiveRequestorEndpoint", sso_url, key),
        provider_role(sso_url, key),
        "</EntityDescriptor>".to_owned(),
    ]
    .concat();
    let signature = key.signature(id, &format!("{head}{rest}"))?;
    // A prefix that only an attribute's value uses must be declared, yet is no part of the exclusive canonical
    // form (Exclusive XML Canonicalization 1.0 section 3), so it comes in after signing.
    let rest = rest.replace("<RoleDescriptor ", &format!("<RoleDescriptor xmlns:fed=\"{FEDERATION}\" "));
    Ok(format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?>{head}{signature}{rest}"))
}

/// A role of WS-Federation, which SAML has no use for.
fn role(kind: &str, endpoint: &str, url: &str, key: &Key) -> String {
    format!(
        "<RoleDescriptor xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         protocolSupportEnumeration=\"{FEDERATION}\" xsi:type=\"fed:{kind}\">{key}\
         <fed:{endpoint} xmlns:fed=\"{FEDERATION}\">\
         <wsa:EndpointReference xmlns:wsa=\"http://www.w3.org/2005/08/addressing\">\
         <wsa:Address>{url}</wsa:Address></wsa:EndpointReference></fed:{endpoint}></RoleDescriptor>",
        key = key_descriptor(key),
        url = canonical_value(url),
    )
}

fn provider_role(sso_url: &str, key: &Key) -> String {
    let url = canonical_value(sso_url);
    format!(
        "<IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{key}\
         <SingleSignOnService Binding=\"{BINDINGS}:HTTP-Redirect\" Location=\"{url}\"></SingleSignOnService>\
         <SingleSignOnService Binding=\"{BINDINGS}:HTTP-POST\" Location=\"{url}\"></SingleSignOnService>\
         </IDPSSODescriptor>",
        key = key_descriptor(key),
    )
}

fn key_descriptor(key: &Key) -> String {
    format!(
        "<KeyDescriptor use=\"signing\"><KeyInfo xmlns=\"http://www.w3.org/2000/09/xmldsig#\"><X509Data>\
         <X509Certificate>{}</X509Certificate></X509Data></KeyInfo></KeyDescriptor>",
        key.certificate_base64()
    )
}

const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const FEDERATION: &str = "http://docs.oasis-open.org/wsfed/federation/200706";
const BINDINGS: &str = "urn:oasis:names:tc:SAML:2.0:bindings";
