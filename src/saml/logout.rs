//! Single logout (SAML Profiles 4.4): octets + trust + now -> [`VerifiedLogoutRequest`], and what we send.
//!
//! Separate from the sign-on because a logout message says nothing of who somebody is: the worst that a forged one
//! may do is to end a session, and it must not even do that.
//!
//! Rules: as for a response: shape before cryptography, only octets that were signed are believed, keys only from
//! the connection's metadata. By HTTP-Redirect the octets of the query as it came are what is signed
//! (SAML Bindings 3.4.4.1), by HTTP-POST the element itself. An unsigned message never becomes a verified one.

mod incoming;
mod message;
mod outgoing;
mod query;
mod verify;

use std::time::Duration;

use super::metadata::IdentityProvider;

pub use incoming::{Incoming, Message};
pub use outgoing::{Onward, OwnRequest, OwnResponse, Verdict};
pub use verify::{Request, Response, VerifiedLogoutRequest, VerifiedLogoutResponse};

/// Whom a logout message must come from, and what it must be meant for.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The identity provider.
    pub idp: &'a IdentityProvider,
    /// Our entity ID.
    pub sp_entity_id: &'a str,
    /// Our single logout service, the destination.
    pub slo_url: &'a str,
    /// Take signatures by certificates outside their validity: the key is pinned, the dates are ignored.
    pub accept_expired_certificates: bool,
    /// How far clocks may differ; at most three minutes are granted.
    pub skew: Duration,
}

/// The longest that a logout message is on its way through a browser; its ID must be remembered for that long.
pub const LOGOUT_AGE_MAX: Duration = Duration::from_mins(5);
