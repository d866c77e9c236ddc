//! Forward-auth: another proxy forwards, and asks here about each request first.
//!
//! Separate because it is the one place where the word of a peer about somebody else's request is believed, and so
//! everything that could be said twice has to be refused.
//!
//! | proxy | the original request |
//! |---|---|
//! | nginx, `HAProxy` | `X-Original-Method`, `X-Original-URI`, `Host` |
//! | Caddy, Traefik | `X-Forwarded-Method`, `X-Forwarded-Uri`, `X-Forwarded-Host` |
//! | Envoy | method, path below `/.anteroom/auth` and `Host` of the question itself |
//!
//! Rules: off unless configured, and then for the configured peers alone; for everybody else the path is nothing
//! (T-D2). Only the fields of the configured proxy are read; one that is missing or comes twice is a refusal. The
//! target is read by the same parser as everywhere; what it refuses is refused. A field that a backend could take
//! for one of ours, and that the recipes do not overwrite, is refused, as nobody here can remove it.

use std::sync::Arc;

use http::header::{COOKIE, HOST, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use serde_json::Map;

use crate::identity::presets::{self, Preset};
use crate::pages::Fault;
use crate::proxy::{self, Body, Fate, Peer, Request, TrustedProxies};
use crate::routes::cookies::Kind;
use crate::routes::gate::{About, activity_of, sign_in_first, wait};
use crate::routes::reply::{self, Answer, Decision, Rule};
use crate::routes::table::Route;
use crate::routes::{Settings, Shared, visitor};
use crate::sign_on::Entry;
use crate::target::{self, RequestTarget};

/// Who may ask, and how.
#[derive(Debug, Clone)]
pub struct ForwardAuth {
    /// Which proxy it is.
    pub front: Front,
    /// Where it asks from.
    pub peers: TrustedProxies,
}

/// A proxy that asks; each has its own way to say what about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// nginx with `auth_request`.
    Nginx,
    /// `HAProxy` with the Lua action of `docs/forward-auth.md`.
    Haproxy,
    /// Caddy with `forward_auth`.
    Caddy,
    /// Traefik with `ForwardAuth`.
    Traefik,
    /// Envoy with the HTTP service of `ext_authz`.
    Envoy,
}

impl Front {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Nginx, Self::Haproxy, Self::Caddy, Self::Traefik, Self::Envoy];

    /// The name in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|front| front.as_str() == text)
    }

    /// What the question is about; `None` if that is not said once and clearly.
    fn original<'a>(self, request: &'a Request, headers: &'a HeaderMap) -> Option<Original<'a>> {
        let [method, uri, host] = match self {
            Self::Nginx | Self::Haproxy => [&X_ORIGINAL_METHOD, &X_ORIGINAL_URI, &HOST],
            Self::Caddy | Self::Traefik => [&X_FORWARDED_METHOD, &X_FORWARDED_URI, &X_FORWARDED_HOST],
            Self::Envoy => {
                let target = request.uri().path_and_query()?.as_str().strip_prefix(PATH)?;
                let host = match request.uri().authority() {
                    Some(authority) => authority.as_str(),
                    None => only(headers, &HOST)?,
                };
                return Some(Original { method: request.method().clone(), target, host });
            }
        };
        Some(Original {
            method: Method::from_bytes(only(headers, method)?.as_bytes()).ok()?,
            target: only(headers, uri)?,
            host: only(headers, host)?,
        })
    }
}

/// The request that the peer has got.
struct Original<'a> {
    method: Method,
    target: &'a str,
    host: &'a str,
}

impl Original<'_> {
    /// The target in its one form. A fragment is no part of a request (T-C2), and the parser would cut it off.
    fn target(&self) -> Result<RequestTarget, target::Error> {
        if !self.target.starts_with('/') || !self.target.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
            return Err(target::Error::NotAPath);
        }
        let uri = Uri::builder().path_and_query(self.target).build().map_err(|_| target::Error::NotAPath)?;
        let parsed = RequestTarget::parse(&uri)?;
        // What is decided on must be what the peer has, to the octet.
        if parsed.path_and_query().as_str() == self.target {
            Ok(parsed)
        } else {
            Err(target::Error::Ambiguous)
        }
    }
}

impl ForwardAuth {
    /// Whether a request is a question of a peer who may ask.
    pub(super) fn is_asked(&self, request: &Request, peer: &Peer) -> bool {
        let path = request.uri().path();
        let is_ours = path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let is_right = match self.front {
            Front::Envoy => path.len() > PATH.len(),
            Front::Nginx | Front::Haproxy | Front::Caddy | Front::Traefik => path == PATH,
        };
        is_ours && is_right && self.peers.contains(peer.address.ip())
    }
}

/// Answers a question: `200` with the identity to send along, or what the client gets instead.
pub(super) async fn answer(
    auth: &ForwardAuth,
    shared: &Arc<Shared>,
    settings: &Arc<Settings>,
    request: &Request,
) -> Answer {
    let mut answer = decide(auth.front, shared, settings, request).await;
    let response = &mut answer.response;
    // Whoever passes the answer on may not be at the address that a path alone would be relative to.
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let address = location.filter(|path| path.starts_with('/')).map(|path| settings.sites.app_address(path));
    if let Some(Ok(address)) = address.map(HeaderValue::try_from) {
        response.headers_mut().insert(LOCATION, address);
    }
    match auth.front {
        Front::Nginx => for_nginx(answer),
        Front::Haproxy | Front::Caddy | Front::Traefik | Front::Envoy => answer,
    }
}

async fn decide(front: Front, shared: &Arc<Shared>, settings: &Arc<Settings>, request: &Request) -> Answer {
    let headers = &request.fields().to_map();
    let Some(original) = front.original(request, headers) else {
        let about = About::new(request.head());
        return refused(&about, StatusCode::BAD_REQUEST, "unclear_question").into();
    };
    let about = About::with_method(request.head(), original.method.clone());
    let Some(site) = settings.sites.of_host(original.host.as_bytes()).filter(|site| site.has_app()) else {
        return reply::fault(settings, about.audience(), about.request_id(), &Fault::MisdirectedHost).into();
    };
    let target = match original.target() {
        Ok(target) => target,
        Err(error) => {
            let status = match error {
                target::Error::TooLong => StatusCode::URI_TOO_LONG,
                target::Error::Ambiguous | target::Error::NotAPath => StatusCode::BAD_REQUEST,
            };
            return refused(&about, status, "bad_target").into();
        }
    };
    let ours = IdentityNames::of(&shared.sign_on.settings().identity.presets);
    if headers.keys().any(|name| !ours.has(name) && proxy::fate_of(name, &settings.proxy) == Fate::Ours) {
        return refused(&about, StatusCode::FORBIDDEN, "forged_header").into();
    }
    if Route::find(site, target.path(), settings).is_some() {
        // The recipes lead these to Anteroom itself; the application has nothing there.
        return refused(&about, StatusCode::FORBIDDEN, "own_path").into();
    }
    if let Some(public) = shared.sign_on.enter_public(&target) {
        let response = granted(front, (&target, &[]), (headers, settings), &ours);
        let answer = Answer::forwarded(response, Decision::Public, None);
        return answer.by_rule(Some(Rule::public(public.rule().clone())));
    }
    let cookie = settings.transport.read(headers, Kind::Session).map(str::as_bytes);
    let visitor = match visitor(shared, cookie, None).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return sign_in_first(settings, &about, &target, request).into(),
        Err(error) => {
            tracing::error!(error = %error, request_id = about.request_id(), "cannot tell whether there is a session");
            let fault = Fault::Unavailable {
                retry_after_seconds: reply::RETRY_AFTER_SECONDS,
                request_id: about.request_id(),
            };
            return reply::fault(settings, about.audience(), about.request_id(), &fault).into();
        }
    };
    match shared.sign_on.enter_with(&visitor, &target, activity_of(request.fields())) {
        Entry::Admitted(authenticated) => {
            let identity = authenticated.identity_headers();
            let response = granted(front, (authenticated.target(), identity), (headers, settings), &ours);
            let answer = Answer::forwarded(response, Decision::Forwarded, Some(visitor));
            answer.by_rule(authenticated.polling().cloned().map(Rule::polling))
        }
        Entry::Waiting => wait(settings, &about, &visitor, &target).into(),
        Entry::Disabled => sign_in_first(settings, &about, &target, request).into(),
    }
}

/// `200`: what to forward, the identity to forward it with, and the cookies without ours (T-D8).
fn granted(
    front: Front,
    (target, identity): (&RequestTarget, &[(HeaderName, HeaderValue)]),
    (asked, settings): (&HeaderMap, &Settings),
    ours: &IdentityNames,
) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(target) = HeaderValue::from_str(target.path_and_query().as_str()) {
        headers.insert(TARGET, target);
    }
    for (name, value) in identity {
        headers.append(name, value.clone());
    }
    if let Some(cookies) = proxy::foreign_cookies(asked, &settings.proxy) {
        headers.insert(COOKIE, cookies);
    } else if front == Front::Caddy {
        // Caddy lets the client's own through where it gets nothing, and some versions where it is empty.
        headers.insert(COOKIE, HeaderValue::from_static("anteroom=-"));
    }
    if front == Front::Caddy {
        // Caddy 2.6 copies the name of its variable where there is no value.
        for name in &ours.0 {
            headers.entry(*name).or_insert(HeaderValue::from_static(""));
        }
    }
    if front == Front::Envoy {
        // So does Envoy, but can be told to remove it.
        let names = ours.0.iter().copied().chain(["cookie"]);
        let unset = names.filter(|name| !headers.contains_key(*name));
        let unset = unset.collect::<Vec<_>>().join(",");
        if let Ok(unset) = HeaderValue::from_str(&unset)
            && !unset.is_empty()
        {
            headers.insert(TO_REMOVE, unset);
        }
    }
    response
}

fn refused(about: &About, status: StatusCode, code: &'static str) -> Response<Body> {
    let mut more = Map::new();
    more.insert("detail".to_owned(), "This request is not forwarded.".into());
    reply::problem(status, code, about.request_id(), more)
}

/// nginx tells apart `401`, `403` and errors alone: where people are sent stands in a field of its own.
fn for_nginx(mut answer: Answer) -> Answer {
    let response = &mut answer.response;
    let status = response.status();
    if let Some(location) = response.headers_mut().remove(LOCATION) {
        response.headers_mut().insert(LOCATION_OF_NGINX, location);
    }
    *response.status_mut() = match (status, answer.outcome.decision) {
        (status, _) if status.is_success() || status.is_server_error() => status,
        (_, Decision::SignIn) => StatusCode::UNAUTHORIZED,
        _ => StatusCode::FORBIDDEN,
    };
    answer
}

/// The names of the identity headers that the application gets as configured.
struct IdentityNames(Vec<&'static str>);

impl IdentityNames {
    fn of(configured: &[Preset]) -> Self {
        let of_presets = configured.iter().flat_map(|preset| presets::names(*preset)).copied();
        Self(std::iter::once("x-anteroom-jwt-assertion").chain(of_presets).collect())
    }

    fn has(&self, name: &HeaderName) -> bool {
        self.0.contains(&name.as_str())
    }
}

/// The value of a field that comes once.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok()
}

/// Where questions are asked.
const PATH: &str = "/.anteroom/auth";

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The target that was decided on.
const TARGET: HeaderName = HeaderName::from_static("x-anteroom-target");

/// Where to send the client, for nginx.
const LOCATION_OF_NGINX: HeaderName = HeaderName::from_static("x-anteroom-location");

/// Names of what Envoy must take away from the request.
const TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
