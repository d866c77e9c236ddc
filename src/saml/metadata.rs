//! Federation Metadata of an identity provider: whom to trust, with which keys, and where to send.
//!
//! Separate because it comes from administrators, not from browsers, and its faults are shown to
//! them with a remedy.
//!
//! Rules: the same strict front as messages; the metadata's own signature is not verified (it is
//! made with a key from the same document, so trust comes from how the file was obtained); nothing
//! is guessed: no key, no redirect endpoint or several candidates are errors.

mod duration;
mod error;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use url::Url;

use super::instant;
use super::key::{Certificate, CertificateError};
use super::names::{BINDING_POST, BINDING_REDIRECT, PROTOCOL, ds, md};
use super::refusal::{Reason, Refusal, bounded};
use super::xml::{Element, Profile, Tree, is_space};

pub use error::Error;

/// An identity provider as its metadata describes it.
#[derive(Debug)]
pub struct IdentityProvider {
    entity_id: String,
    sso_url: Url,
    slo_redirect_url: Option<Url>,
    slo_redirect_response_url: Option<Url>,
    slo_post_url: Option<Url>,
    slo_post_response_url: Option<Url>,
    certificates: Vec<Certificate>,
    valid_until: Option<Timestamp>,
    cache_duration: Option<Duration>,
}

/// Reads the metadata of exactly one identity provider, which is valid now.
pub fn parse(octets: &[u8], now: Timestamp) -> Result<IdentityProvider, Error> {
    parse_entity(octets, None, now)
}

/// Reads the metadata of one identity provider, which is valid now: of the one with that entity ID, or without
/// one of the only one there is.
pub fn parse_entity(
    octets: &[u8],
    entity_id: Option<&str>,
    now: Timestamp,
) -> Result<IdentityProvider, Error> {
    let idp = read(octets, entity_id)?;
    match idp.valid_until {
        Some(until) if now >= until => Err(Error::Expired { until }),
        _ => Ok(idp),
    }
}

/// The same whether it is still valid or not. Whoever uses it has to look at
/// [`valid_until`](IdentityProvider::valid_until); the verification of a response does.
pub fn read(octets: &[u8], entity_id: Option<&str>) -> Result<IdentityProvider, Error> {
    provider(&Tree::parse(octets, Profile::Metadata)?, entity_id)?.read()
}

/// Reads whose metadata it is and nothing else, also where it has expired or nobody could sign on with it: whom
/// people were known by is the same then.
pub fn entity_id(octets: &[u8]) -> Result<String, Error> {
    let tree = Tree::parse(octets, Profile::Metadata)?;
    provider(&tree, None)?.entity_id().map(str::to_owned)
}

/// The identity provider that is meant.
fn provider<'t>(tree: &'t Tree<'_>, wanted: Option<&str>) -> Result<Candidate<'t>, Error> {
    let mut found = Vec::new();
    find_providers(tree.root(), Validity::default(), &mut found)?;
    if found.is_empty() {
        return Err(Error::NoIdentityProvider);
    }
    let count = found.len();
    let entity_ids: Vec<_> =
        found.iter().take(ENTITY_IDS_NAMED).map(|candidate| bounded(candidate.entity_id)).collect();
    let mut meant =
        found.into_iter().filter(|candidate| wanted.is_none_or(|wanted| candidate.entity_id == wanted));
    match (meant.next(), meant.next(), wanted) {
        (Some(candidate), None, _) => Ok(candidate),
        (None, _, Some(wanted)) => Err(Error::NoSuchEntity { wanted: bounded(wanted), count, entity_ids }),
        _ => Err(Error::SeveralIdentityProviders { count, entity_ids }),
    }
}

impl IdentityProvider {
    /// The entity ID, which is the issuer of its messages.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }

    /// Where to send an `AuthnRequest` by HTTP-Redirect.
    #[must_use]
    pub const fn sso_url(&self) -> &Url {
        &self.sso_url
    }

    /// Where to send a `LogoutRequest` by HTTP-Redirect.
    #[must_use]
    pub const fn slo_redirect_url(&self) -> Option<&Url> {
        self.slo_redirect_url.as_ref()
    }

    /// Where to send a `LogoutRequest` by HTTP-POST.
    #[must_use]
    pub const fn slo_post_url(&self) -> Option<&Url> {
        self.slo_post_url.as_ref()
    }

    /// Where to send a `LogoutResponse` by HTTP-Redirect.
    #[must_use]
    pub const fn slo_redirect_response_url(&self) -> Option<&Url> {
        self.slo_redirect_response_url.as_ref()
    }

    /// Where to send a `LogoutResponse` by HTTP-POST.
    #[must_use]
    pub const fn slo_post_response_url(&self) -> Option<&Url> {
        self.slo_post_response_url.as_ref()
    }

    /// The signing certificates, at least one.
    #[must_use]
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// When the metadata itself expires, if it says so.
    #[must_use]
    pub const fn valid_until(&self) -> Option<Timestamp> {
        self.valid_until
    }

    /// Whether the metadata is good at a moment (SAML Metadata 2.3.1, 2.3.2).
    #[must_use]
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| now < until)
    }

    /// For how long the metadata may be kept without asking for it again, if it says so.
    #[must_use]
    pub const fn cache_duration(&self) -> Option<Duration> {
        self.cache_duration
    }

    /// Whether this is Microsoft Entra ID: then a login hint is sent, and the button says so.
    #[must_use]
    pub fn is_entra(&self) -> bool {
        let host = self.sso_url.host_str().unwrap_or("");
        matches!(
            host,
            "login.microsoftonline.com" | "login.microsoftonline.us" | "login.partner.microsoftonline.cn"
        ) || self.entity_id.starts_with("https://sts.windows.net/")
    }
}

/// An `IDPSSODescriptor` with what its ancestors say about it.
struct Candidate<'t> {
    entity_id: &'t str,
    role: Element<'t>,
    validity: Validity,
}

/// What an element and those around it say about how long they are good; the strictest counts.
#[derive(Debug, Clone, Copy, Default)]
struct Validity {
    until: Option<Timestamp>,
    cache: Option<Duration>,
}

impl Validity {
    fn within(self, element: Element<'_>) -> Result<Self, Refusal> {
        let until = element.attribute("validUntil").map(instant::parse).transpose()?;
        let cache = element.attribute("cacheDuration").map(duration::parse).transpose()?;
        Ok(Self { until: earliest(self.until, until), cache: earliest(self.cache, cache) })
    }
}

fn earliest<T: Ord>(outer: Option<T>, own: Option<T>) -> Option<T> {
    match (outer, own) {
        (Some(outer), Some(own)) => Some(outer.min(own)),
        (outer, own) => outer.or(own),
    }
}

fn find_providers<'t>(
    element: Element<'t>,
    outer: Validity,
    found: &mut Vec<Candidate<'t>>,
) -> Result<(), Error> {
    let validity = outer.within(element)?;
    let mut children = element.children()?;
    if element.is(md("EntitiesDescriptor")) {
        while let Some(child) = children.next() {
            if child.is(md("EntityDescriptor")) || child.is(md("EntitiesDescriptor")) {
                find_providers(child, validity, found)?;
            }
        }
    } else if element.is(md("EntityDescriptor")) {
        while let Some(child) = children.next() {
            let speaks_saml = child
                .attribute("protocolSupportEnumeration")
                .is_some_and(|list| list.split_ascii_whitespace().any(|p| p == PROTOCOL));
            if child.is(md("IDPSSODescriptor")) && speaks_saml {
                found.push(Candidate {
                    entity_id: element.attribute("entityID").unwrap_or(""),
                    validity: validity.within(child)?,
                    role: child,
                });
            }
        }
    } else {
        return Err(Error::NotMetadata { root: bounded(element.local()) });
    }
    Ok(())
}

impl<'t> Candidate<'t> {
    fn entity_id(&self) -> Result<&'t str, Error> {
        let entity_id = self.entity_id;
        if entity_id.is_empty() || entity_id.len() > ENTITY_ID_OCTETS_MAX {
            return Err(Error::EntityId { found: bounded(entity_id) });
        }
        if entity_id.to_ascii_lowercase().contains("{tenantid}") {
            return Err(Error::TenantTemplate { found: bounded(entity_id) });
        }
        Ok(entity_id)
    }

    fn read(&self) -> Result<IdentityProvider, Error> {
        let entity_id = self.entity_id()?.to_owned();
        Ok(IdentityProvider {
            sso_url: self
                .endpoint("SingleSignOnService", BINDING_REDIRECT)?
                .ok_or_else(|| Error::NoRedirectEndpoint { entity_id: entity_id.clone() })?,
            slo_redirect_url: self.endpoint(LOGOUT, BINDING_REDIRECT)?,
            slo_redirect_response_url: self.response_endpoint(LOGOUT, BINDING_REDIRECT)?,
            slo_post_url: self.endpoint(LOGOUT, BINDING_POST)?,
            slo_post_response_url: self.response_endpoint(LOGOUT, BINDING_POST)?,
            certificates: self.certificates()?,
            valid_until: self.validity.until,
            cache_duration: self.validity.cache,
            entity_id,
        })
    }

    /// Where the first endpoint of that service and binding takes requests.
    fn endpoint(&self, service: &'static str, binding: &str) -> Result<Option<Url>, Error> {
        let endpoint = self.first_endpoint(service, binding)?;
        let location = endpoint.map(|endpoint| endpoint.attribute("Location").unwrap_or(""));
        location.map(|location| parse_endpoint(service, location)).transpose()
    }

    /// Where it takes responses: in the same place, unless it says otherwise (SAML Metadata 2.2.2).
    fn response_endpoint(&self, service: &'static str, binding: &str) -> Result<Option<Url>, Error> {
        let endpoint = self.first_endpoint(service, binding)?;
        let location = endpoint.map(|endpoint| {
            endpoint.attribute("ResponseLocation").or_else(|| endpoint.attribute("Location")).unwrap_or("")
        });
        location.map(|location| parse_endpoint(service, location)).transpose()
    }

    fn first_endpoint(&self, service: &'static str, binding: &str) -> Result<Option<Element<'t>>, Error> {
        let mut children = self.role.children()?;
        while let Some(child) = children.next() {
            if child.is(md(service)) && child.attribute("Binding") == Some(binding) {
                return Ok(Some(child));
            }
        }
        Ok(None)
    }

    fn certificates(&self) -> Result<Vec<Certificate>, Error> {
        let mut certificates: Vec<Certificate> = Vec::new();
        let mut children = self.role.children()?;
        let mut descriptors = Vec::new();
        while let Some(child) = children.next() {
            if child.is(md("KeyDescriptor")) && matches!(child.attribute("use"), None | Some("signing")) {
                descriptors.push(child);
            }
        }
        let data = descriptors.iter().flat_map(|d| d.subtree()).filter(|e| e.is(ds("X509Data")));
        for (index, data) in data.enumerate() {
            // What follows the first certificate is the chain above it, and those keys sign
            // certificates, not messages (XML Signature 4.5.4).
            let Some(element) = data.subtree().find(|e| e.is(ds("X509Certificate"))) else {
                continue;
            };
            let certificate = read_certificate(element).map_err(|source| Error::Certificate {
                entity_id: self.entity_id.to_owned(),
                number: index + 1,
                source,
            })?;
            if certificates.iter().all(|known| known.der() != certificate.der()) {
                certificates.push(certificate);
            }
            if certificates.len() > CERTIFICATES_MAX {
                return Err(Refusal::new(Reason::TooComplex)
                    .expected(format!("at most {CERTIFICATES_MAX} signing certificates"))
                    .into());
            }
        }
        if certificates.is_empty() {
            return Err(Error::NoSigningCertificate { entity_id: self.entity_id.to_owned() });
        }
        Ok(certificates)
    }
}

const LOGOUT: &str = "SingleLogoutService";
/// Enough to find the one that is meant, or to see that it is the wrong file.
const ENTITY_IDS_NAMED: usize = 8;
/// SAML Core 1.3.2 advises at most 1024 characters for identifiers of systems.
const ENTITY_ID_OCTETS_MAX: usize = 1024;
/// A message with a foreign signature costs one verification per key.
const CERTIFICATES_MAX: usize = 16;

pub(super) fn read_certificate(element: Element<'_>) -> Result<Certificate, CertificateError> {
    let text = element.text().map_err(|_| CertificateError::Malformed)?;
    let digits: Vec<u8> = text.bytes().filter(|byte| !is_space(*byte)).collect();
    let der = STANDARD.decode(digits).map_err(|_| CertificateError::Malformed)?;
    Certificate::parse(&der)
}

/// The browser is sent there, so it must be https; never `javascript:` or another scheme
/// (SAML-ATTACKS D20). Plain http only where the traffic stays on this machine.
fn parse_endpoint(service: &'static str, location: &str) -> Result<Url, Error> {
    let refused = || Error::InsecureUrl { service, url: bounded(location) };
    let url = Url::parse(location).map_err(|_| refused())?;
    let scheme_fits = match url.scheme() {
        "https" => true,
        "http" => is_loopback(&url),
        _ => false,
    };
    let plain = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    if scheme_fits && plain && location.trim() == location { Ok(url) } else { Err(refused()) }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(domain)) => domain == "localhost" || domain.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
