//! What the token says.
//!
//! Separate because this is the contract with every application: a change here is a change of theirs.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::Settings;
use crate::email::EmailAddress;
use crate::id::{OrganizationId, SessionName, UserId};

/// Grants that fit into a token. With more, the application asks for them (claim `access_ref`).
pub const ACCESS_MAX: usize = 50;

/// Where the application asks for a full identity.
pub const IDENTITY_PATH: &str = "/.anteroom/identity";

/// Who is asking, and what for: everything that is known of one session, without a bound on its access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who, for good (`sub`).
    pub user: UserId,
    /// The public name of the session (`sid`).
    pub session: SessionName,
    /// The verified address (`email`).
    pub email: EmailAddress,
    /// The name, if known (`name`); any Unicode, at most 200 characters.
    pub name: Option<String>,
    /// Whose staff (`org`).
    pub organization: OrganizationId,
    /// What the user may do where, in the order that the application shall see (`access`).
    pub access: Vec<Access>,
    /// Grows with every change of the access (`ent_ver`).
    pub access_version: i64,
    /// When the user authenticated (`auth_time`).
    pub authenticated_at: Timestamp,
    /// How the user authenticated (`amr`).
    pub methods: Vec<String>,
}

/// One grant, as the application sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Access {
    /// The property's id, or `*` for all of the organization.
    pub property: String,
    /// The name of the level.
    pub level: String,
}

/// The claims of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    pub(super) identity: Identity,
    issuer: String,
    audience: String,
    issued_at: i64,
    expires_at: i64,
    id: String,
    access_ref: String,
}

impl Settings {
    /// The claims about an identity, from now on for [`Settings::lifetime`]. The token's id must be fresh.
    #[must_use]
    pub fn claims(&self, identity: Identity, token_id: String, now: Timestamp) -> Claims {
        let lifetime = self.lifetime.min(super::LIFETIME_MAX).as_secs();
        let issued_at = now.as_second();
        Claims {
            identity,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            issued_at,
            expires_at: issued_at.saturating_add_unsigned(lifetime),
            id: token_id,
            access_ref: super::documents::address(&self.app_url, IDENTITY_PATH),
        }
    }
}

impl Claims {
    /// The grants, if they fit into a token.
    #[must_use]
    pub fn listed_access(&self) -> Option<&[Access]> {
        let access = &self.identity.access;
        (access.len() <= ACCESS_MAX).then_some(access)
    }
}

impl Serialize for Claims {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let listed = self.listed_access();
        TokenClaims {
            iss: &self.issuer,
            aud: &self.audience,
            iat: self.issued_at,
            nbf: self.issued_at,
            exp: self.expires_at,
            jti: &self.id,
            who: Who::from(&self.identity),
            access: listed,
            access_ref: listed.is_none().then_some(&self.access_ref),
            access_count: listed.is_none().then_some(self.identity.access.len()),
        }
        .serialize(serializer)
    }
}

/// The full identity, all grants listed: the answer at [`IDENTITY_PATH`].
impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        FullIdentity { who: Who::from(self), access: &self.access }.serialize(serializer)
    }
}

#[derive(Serialize)]
struct TokenClaims<'a> {
    iss: &'a str,
    aud: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: &'a str,
    #[serde(flatten)]
    who: Who<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access: Option<&'a [Access]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_ref: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_count: Option<usize>,
}

#[derive(Serialize)]
struct FullIdentity<'a> {
    #[serde(flatten)]
    who: Who<'a>,
    access: &'a [Access],
}

#[derive(Serialize)]
struct Who<'a> {
    sub: &'a str,
    sid: &'a str,
    email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    org: &'a str,
    ent_ver: i64,
    auth_time: i64,
    amr: &'a [String],
}

impl<'a> From<&'a Identity> for Who<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            sub: identity.user.as_str(),
            sid: identity.session.as_str(),
            email: identity.email.as_str(),
            name: identity.name.as_deref(),
            org: identity.organization.as_str(),
            ent_ver: identity.access_version,
            auth_time: identity.authenticated_at.as_second(),
            amr: &identity.methods,
        }
    }
}
