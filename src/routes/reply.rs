//! Responses of our own: pages, problems for programs, redirects, JSON.
//!
//! Separate because every response that we make carries the same protections, the name of its request, and
//! for the log what was decided; and because people get HTML and programs get `problem+json` (RFC 9457).

use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION,
    RETRY_AFTER, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::id::UserId;
use crate::pages::policy::{self, FormTargets};
use crate::pages::{Brand, Fault};
use crate::proxy::{Body, Failure, Trace};
use crate::routes::cookies::Transport;
use crate::routes::negotiation::Audience;
use crate::routes::{Call, Settings};
use crate::sign_on::Visitor;
use crate::target::PathRule;

/// What was decided on a request, for the log and the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Forwarded with an identity.
    Forwarded,
    /// Forwarded without an identity: a public path.
    Public,
    /// Not signed on.
    SignIn,
    /// Signed on, but not let in yet.
    WaitingRoom,
    /// One of our own pages or documents.
    Own,
    /// Refused: not a request that we answer otherwise.
    Refused,
    /// Something that we need did not work.
    Failed,
}

impl Decision {
    /// The decision's name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Public => "public",
            Self::SignIn => "sign_in",
            Self::WaitingRoom => "waiting_room",
            Self::Own => "own",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// How a sign-on has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SignOnEnd {
    /// With a session.
    Completed,
    /// Without, for the reason in [`Outcome::code`].
    Refused,
}

impl SignOnEnd {
    /// The end's name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "refused",
        }
    }
}

/// A response, and what was decided.
#[derive(Debug)]
pub struct Answer {
    /// What the client gets.
    pub response: Response<Body>,
    /// What is counted and written down of it.
    pub outcome: Outcome,
}

impl From<Response<Body>> for Answer {
    /// One of our own, which carries what was decided among its extensions.
    fn from(mut response: Response<Body>) -> Self {
        let outcome = response.extensions_mut().remove::<Outcome>();
        Self { response, outcome: outcome.unwrap_or(Outcome::of(Decision::Failed)) }
    }
}

impl Answer {
    /// A forwarded response.
    pub(super) fn forwarded(response: Response<Body>, decision: Decision, visitor: Option<Visitor>) -> Self {
        Self { response, outcome: Outcome { visitor, ..Outcome::of(decision) } }
    }

    /// Adds by which rule it was decided, if by one.
    pub(super) fn by_rule(mut self, rule: Option<Rule>) -> Self {
        self.outcome.rule = rule.map(Box::new);
        self
    }
}

/// What was decided on a request; goes along with each of our own responses, among its extensions. What is rare takes
/// little room, because an outcome is moved from hand to hand.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What was decided.
    pub decision: Decision,
    /// Who asked, where only that is known.
    pub user: Option<Box<UserId>>,
    /// Who asked, with the session.
    pub visitor: Option<Visitor>,
    /// The stable code of what went wrong.
    pub code: Option<&'static str>,
    /// How a sign-on has ended, if one has.
    pub sign_on: Option<SignOnEnd>,
    /// The rule of the configuration that the decision rests on, if one names the path.
    pub rule: Option<Box<Rule>>,
    /// How far a request came that the application did not answer.
    pub trace: Option<Box<Trace>>,
}

/// An entry of a list of paths in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The key of the list.
    pub key: &'static str,
    /// The entry.
    pub path: PathRule,
}

impl Rule {
    pub(super) const fn public(path: PathRule) -> Self {
        Self { key: "app.public_paths", path }
    }

    pub(super) const fn polling(path: PathRule) -> Self {
        Self { key: "session.polling_paths", path }
    }

    pub(super) const fn repeat(path: PathRule) -> Self {
        Self { key: "session.repeat_posts", path }
    }
}

impl Outcome {
    const fn of(decision: Decision) -> Self {
        Self { decision, user: None, visitor: None, code: None, sign_on: None, rule: None, trace: None }
    }
}

/// Adds what was decided to a response.
pub(super) fn decided(
    mut response: Response<Body>,
    decision: Decision,
    user: Option<UserId>,
    code: Option<&'static str>,
) -> Response<Body> {
    response.extensions_mut().insert(Outcome { user: user.map(Box::new), code, ..Outcome::of(decision) });
    response
}

/// Adds to a response that a sign-on has ended well.
pub(super) fn sign_on_completed(mut response: Response<Body>) -> Response<Body> {
    let sign_on = Some(SignOnEnd::Completed);
    response.extensions_mut().insert(Outcome { sign_on, ..Outcome::of(Decision::Own) });
    response
}

/// Adds to a response why a sign-on was refused.
pub(super) fn sign_on_refused(mut response: Response<Body>, reason: &'static str) -> Response<Body> {
    let (code, sign_on) = (Some(reason), Some(SignOnEnd::Refused));
    response.extensions_mut().insert(Outcome { code, sign_on, ..Outcome::of(Decision::Refused) });
    response
}

/// Says who made an error, for programs that see only headers.
pub(super) const ERROR_CODE: HeaderName = HeaderName::from_static("x-anteroom-error");

/// Carries the name of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A page; its forms lead nowhere but to us.
pub(super) fn page(status: StatusCode, html: String) -> Response<Body> {
    page_leading_to(status, html, FormTargets::OwnOrigin)
}

/// A page whose forms lead where the policy says.
pub(super) fn page_leading_to(status: StatusCode, html: String, targets: FormTargets) -> Response<Body> {
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers
        .insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy::content_security_policy(targets)));
    for (name, value) in policy::HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    decided(response, Decision::Own, None, None)
}

/// `303 See Other`, to an address that we have made.
pub(super) fn redirect(location: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(location).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, location);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    decided(response, Decision::Own, None, None)
}

/// A JSON document.
pub(super) fn json_document(document: &impl Serialize, cache_control: &'static str) -> Response<Body> {
    let octets = serde_json::to_vec(document).expect("our documents always have a JSON form");
    let mut response = Response::new(Body::from(octets));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache_control));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    decided(response, Decision::Own, None, None)
}

/// A problem for a program to read.
pub(super) fn problem(
    status: StatusCode,
    code: &'static str,
    request_id: &str,
    more: Map<String, Value>,
) -> Response<Body> {
    let mut document = json!({
        "type": format!("urn:anteroom:problem:{code}"),
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "code": code,
        "request_id": request_id,
    });
    if let Some(members) = document.as_object_mut() {
        members.extend(more);
    }
    let mut response = json_document(&document, "no-store");
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(ERROR_CODE, HeaderValue::from_static(code));
    tell_name(headers, request_id);
    decided(response, Decision::Refused, None, Some(code))
}

/// Says what a request is called, where nothing says so yet.
fn tell_name(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.entry(REQUEST_ID).or_insert(id);
    }
}

/// Adds what every error says, whoever made the page of it: a code, and what the request is called. Of a message
/// of an identity provider it never says what was wrong with it: whoever forges some would learn from that.
pub(super) fn told(mut response: Response<Body>, request_id: &str) -> Response<Body> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let is_sign_on = response.extensions().get::<Outcome>().is_some_and(|outcome| outcome.sign_on.is_some());
    let code = match status {
        _ if is_sign_on => "sign_on_refused",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::GONE => "gone",
        StatusCode::UNPROCESSABLE_ENTITY => "invalid_form",
        _ => "refused",
    };
    let headers = response.headers_mut();
    headers.entry(ERROR_CODE).or_insert(HeaderValue::from_static(code));
    tell_name(headers, request_id);
    response
}

/// Adds a cookie to a response.
pub(super) fn with_cookie(mut response: Response<Body>, cookie: HeaderValue) -> Response<Body> {
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

/// A fault, as a page or as a problem.
pub(super) fn fault(
    settings: &Settings,
    audience: Audience,
    request_id: &str,
    fault: &Fault<'_>,
) -> Response<Body> {
    let (status, code) = status_and_code(fault);
    fault_as(settings, audience, request_id, fault, (status, code))
}

/// The same with another status and code than the fault's own.
fn fault_as(
    settings: &Settings,
    audience: Audience,
    request_id: &str,
    fault: &Fault<'_>,
    (status, code): (StatusCode, &'static str),
) -> Response<Body> {
    let decision = if status.is_server_error() { Decision::Failed } else { Decision::Refused };
    let mut response = match audience {
        Audience::Person => page(status, fault.render(&settings.brand)),
        Audience::Program => problem(status, code, request_id, Map::new()),
    };
    response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(code));
    if let Fault::Unavailable { retry_after_seconds, .. } | Fault::TooMany { retry_after_seconds } = fault {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(*retry_after_seconds));
    }
    tell_name(response.headers_mut(), request_id);
    decided(response, decision, None, Some(code))
}

/// What stands behind the application's host does not answer.
pub(super) fn upstream_failure(
    settings: &Settings,
    audience: Audience,
    request_id: &str,
    failure: &Failure,
) -> Response<Body> {
    let (status, code) = (failure.status(), failure.code());
    let html_fault = match failure {
        Failure::BodyTooLarge => Fault::TooLarge,
        _ => Fault::UpstreamError { code, status: status.as_u16(), request_id },
    };
    let mut response = match audience {
        Audience::Person => page(status, html_fault.render(&settings.brand)),
        Audience::Program => problem(status, code, request_id, Map::new()),
    };
    response.headers_mut().insert(ERROR_CODE, HeaderValue::from_static(code));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(BUSY_SECONDS));
    }
    tell_name(response.headers_mut(), request_id);
    let decision = if status.is_server_error() { Decision::Failed } else { Decision::Refused };
    decided(response, decision, None, Some(code))
}

/// How long somebody should wait before trying again when the application is busy.
const BUSY_SECONDS: u64 = 1;

/// How long somebody should wait before trying again when the store is away.
pub(super) const RETRY_AFTER_SECONDS: u64 = 10;

fn status_and_code(fault: &Fault<'_>) -> (StatusCode, &'static str) {
    match fault {
        Fault::BadRequest { .. } => (StatusCode::BAD_REQUEST, "bad_request"),
        Fault::ForeignForm => (StatusCode::FORBIDDEN, "foreign_form"),
        Fault::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Fault::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
        Fault::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        Fault::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
        Fault::MisdirectedHost => (StatusCode::MISDIRECTED_REQUEST, "unknown_host"),
        Fault::Internal { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        Fault::UpstreamError { .. } => (StatusCode::BAD_GATEWAY, "upstream_error"),
        Fault::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    }
}

impl Call {
    pub(super) fn brand(&self) -> &Brand {
        &self.settings.brand
    }

    /// Where the forms of the sign-on page may lead.
    pub(super) fn login_targets(&self) -> FormTargets {
        match self.settings.transport {
            Transport::Tls => FormTargets::IdentityProviders,
            Transport::Plain => FormTargets::IdentityProvidersAndLoopback,
        }
    }

    pub(super) fn fault(&self, fault: &Fault<'_>) -> Response<Body> {
        self::fault(&self.settings, self.audience, &self.request_id, fault)
    }

    pub(super) fn bad_request(&self) -> Response<Body> {
        self.bad_request_as(StatusCode::BAD_REQUEST)
    }

    fn bad_request_as(&self, status: StatusCode) -> Response<Body> {
        let fault = Fault::BadRequest { request_id: &self.request_id };
        let (_, code) = status_and_code(&fault);
        fault_as(&self.settings, self.audience, &self.request_id, &fault, (status, code))
    }

    pub(super) fn misdirected(&self) -> Response<Body> {
        self.fault(&Fault::MisdirectedHost)
    }

    pub(super) fn uri_too_long(&self) -> Response<Body> {
        self.bad_request_as(StatusCode::URI_TOO_LONG)
    }

    pub(super) fn unsupported_type(&self) -> Response<Body> {
        self.bad_request_as(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    }

    pub(super) fn method_not_allowed(&self, methods: &[Method]) -> Response<Body> {
        let mut response = self.fault(&Fault::MethodNotAllowed);
        let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        if let Ok(allow) = HeaderValue::from_str(&allow) {
            response.headers_mut().insert(ALLOW, allow);
        }
        response
    }

    /// The store did not answer: nothing was accepted, nothing is half-done, and it can be tried again.
    pub(super) fn unavailable(&self, error: &crate::store::Error) -> Response<Body> {
        tracing::error!(error = %error, cause = ?std::error::Error::source(error), request_id = %self.request_id, "the store did not do its work");
        self.fault(&Fault::Unavailable {
            retry_after_seconds: RETRY_AFTER_SECONDS,
            request_id: &self.request_id,
        })
    }

    /// Too many others want the same of us at this moment.
    pub(super) fn busy(&self) -> Response<Body> {
        tracing::warn!(request_id = %self.request_id, "too many encrypted answers at once; one was sent away");
        self.fault(&Fault::Unavailable {
            retry_after_seconds: RETRY_AFTER_SECONDS,
            request_id: &self.request_id,
        })
    }

    /// A static file of the pages.
    pub(super) fn asset(&self) -> Response<Body> {
        let Some(found) = self.brand().assets().find(self.uri.path()) else {
            return self.fault(&Fault::NotFound);
        };
        let asset = found.asset;
        let is_known =
            self.headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == asset.etag.as_bytes());
        let mut response =
            Response::new(if is_known { Body::empty() } else { Body::from(asset.octets.clone()) });
        *response.status_mut() = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(found.cache_control));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(asset.content_security_policy()));
        if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
            headers.insert(ETAG, etag);
        }
        decided(response, Decision::Own, None, None)
    }
}

/// Tells an HTTP/1.1 client that the connection ends, when its request body was left unread.
pub(super) fn closing(mut response: Response<Body>, version: Version) -> Response<Body> {
    if version == Version::HTTP_11 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
