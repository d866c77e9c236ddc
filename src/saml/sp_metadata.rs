//! Our own metadata, for identity providers to import.
//!
//! Separate because it is a document we publish, not one we read.
//!
//! Rules: valid SAML 2.0 metadata, unsigned; only what is true of this service provider.

use super::authn_request::escape;
use super::names::{BINDING_POST, METADATA, PROTOCOL};

/// The metadata of this service provider as XML.
#[must_use]
pub fn sp_metadata(entity_id: &str, acs_url: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <md:EntityDescriptor xmlns:md=\"{METADATA}\" entityID=\"{entity_id}\">\n\
         \x20 <md:SPSSODescriptor AuthnRequestsSigned=\"false\" WantAssertionsSigned=\"true\" \
         protocolSupportEnumeration=\"{PROTOCOL}\">\n\
         \x20   <md:AssertionConsumerService Binding=\"{BINDING_POST}\" Location=\"{acs_url}\" \
         index=\"0\" isDefault=\"true\"/>\n\
         \x20 </md:SPSSODescriptor>\n\
         </md:EntityDescriptor>\n",
        entity_id = escape(entity_id),
        acs_url = escape(acs_url),
    )
}
