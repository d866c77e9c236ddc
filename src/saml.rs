//! SAML 2.0 for a service provider: octets + trust + now -> [`VerifiedAssertion`].
//!
//! Separate because it is the part an attacker talks to first: pure, without I/O, clock or
//! randomness, and auditable by itself.
//!
//! Rules: the strictest profile that real Entra messages pass; only octets that were digested are
//! ever read; keys only from the connection's metadata; no panic on any input. The public story is
//! [`metadata::parse`], [`AuthnRequest`], [`Response::read`] and [`Response::verify`]; for single logout
//! it is [`logout`].

pub mod diagnosis;
pub mod logout;
pub mod metadata;

mod assertion;
mod attributes;
mod authn_request;
mod canonical;
mod claims;
mod conditions;
mod digits;
mod encryption;
mod engine;
mod instant;
mod issuer;
mod key;
mod message;
mod names;
mod own_key;
mod policy;
mod redirect;
mod refusal;
mod response;
#[cfg(feature = "second-opinion")]
mod second_opinion;
mod signature;
mod sp_metadata;
mod statement;
mod xml;

pub use assertion::{NameId, VerifiedAssertion};
pub use attributes::{Attribute, Attributes};
pub use authn_request::{AuthnRequest, ReceivedRequest};
pub use claims::Claims;
pub use key::{Certificate, CertificateError};
pub use metadata::IdentityProvider;
pub use own_key::{KeyPair, KeyPairError, PrivateKeyOctets, ServiceProvider};
pub use policy::{ContextClass, NameIdFormat, Policy, PolicyError, RequestOptions};
pub use refusal::{Reason, Refusal, Status};
pub use response::{Document, Expected, Response};
