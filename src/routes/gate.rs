//! Requests for the application: public, admitted, held in the Waiting Room, or sent to sign on.
//!
//! Separate because this is the hot path: from a cookie to a forwarded request without store, signature or
//! allocation that is not needed.

use std::sync::Arc;

use futures_util::future::Either;
use http::{Method, Response, StatusCode};
use http_body::Body as _;
use serde_json::Map;

use crate::http1::fields::{Fields, Known};
use crate::pages::Fault;
use crate::proxy::{Body, Forwarder, Head, Peer, Request, Unanswered};
use crate::routes::cookies::Kind;
use crate::routes::negotiation::Audience;
use crate::routes::repeat;
use crate::routes::reply::{self, Answer, Decision, Rule};
use crate::routes::sign_in::{sign_in_path, waiting_room_path};
use crate::routes::{Settings, Shared, visitor};
use crate::sign_on::gate::Public;
use crate::sign_on::{Activity, Entry, Visitor};
use crate::store;
use crate::target::{PathRule, RequestTarget, ReturnPath};

/// Decides on a request and carries the decision out.
pub(super) fn pass<'a>(
    shared: &'a Arc<Shared>,
    settings: &'a Arc<Settings>,
    forwarder: &'a Forwarder,
    target: &'a RequestTarget,
    request: Request,
    peer: &'a Peer,
) -> impl Future<Output = Answer> + 'a {
    let about = About::new(request.head());
    let is_post = *request.method() == Method::POST;
    let kept = if is_post { shared.sign_on.repeats(target) } else { None };
    if let Some(rule) = &kept
        && repeat::may_be_token(settings, &request)
    {
        let about = (about, rule.clone());
        let resent = repeat::resend(shared, settings, forwarder, about, target, request, peer);
        return Either::Left(Box::pin(resent));
    }
    Either::Right(pass_on(shared, settings, forwarder, (about, kept), target, request, peer))
}

/// The same for a request that does not stand for another one; the rule by which it would be kept is known.
pub(super) fn pass_on<'a>(
    shared: &'a Arc<Shared>,
    settings: &'a Arc<Settings>,
    forwarder: &'a Forwarder,
    (about, kept): (About, Option<PathRule>),
    target: &'a RequestTarget,
    request: Request,
    peer: &'a Peer,
) -> impl Future<Output = Answer> + 'a {
    async move {
        if let Some(public) = shared.sign_on.enter_public(target) {
            return Box::pin(pass_on_public(settings, forwarder, &about, public, request, peer)).await;
        }
        let cookie = settings.transport.read_of(about.fields(), Kind::Session);
        let visitor = match visitor(shared, cookie, peer.familiar()).await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => {
                let Some(rule) = kept else {
                    return sign_in_first(settings, &about, target, &request).into();
                };
                let held = Box::pin(repeat::hold(shared, settings, &about, target, request)).await;
                return Answer::from(held).by_rule(Some(Rule::repeat(rule)));
            }
            Err(error) => return unavailable(settings, &about, &error).into(),
        };
        let authenticated = match shared.sign_on.enter_with(&visitor, target, activity_of(request.fields())) {
            Entry::Admitted(authenticated) => authenticated,
            Entry::Waiting => return wait(settings, &about, &visitor, target).into(),
            Entry::Disabled => return sign_in_first(settings, &about, target, &request).into(),
        };
        let result = forwarder.forward(&authenticated, request, peer).await;
        let answer = forwarded(settings, &about, result, Decision::Forwarded, Some(visitor));
        answer.by_rule(authenticated.polling().cloned().map(Rule::polling))
    }
}

/// Passes on a request for a path that is open to everybody.
async fn pass_on_public(
    settings: &Settings,
    forwarder: &Forwarder,
    about: &About,
    public: Public,
    request: Request,
    peer: &Peer,
) -> Answer {
    let result = forwarder.forward_public(&public, request, peer).await;
    let answer = forwarded(settings, about, result, Decision::Public, None);
    answer.by_rule(Some(Rule::public(public.rule().clone())))
}

/// It cannot be told whether somebody is signed on.
fn unavailable(settings: &Settings, about: &About, error: &store::Error) -> Response<Body> {
    let request_id = about.request_id();
    tracing::error!(%error, request_id, "cannot tell whether there is a session");
    let fault = Fault::Unavailable { retry_after_seconds: reply::RETRY_AFTER_SECONDS, request_id };
    reply::fault(settings, about.audience(), request_id, &fault)
}

/// What is needed of a request once it has been given away.
pub(super) struct About {
    head: Arc<Head>,
    /// The method, if it is not that of the request.
    method: Option<Box<Method>>,
}

impl About {
    pub(super) fn new(head: &Arc<Head>) -> Self {
        Self { head: Arc::clone(head), method: None }
    }

    /// The same for a request that stands for one with another method.
    pub(super) fn with_method(head: &Arc<Head>, method: Method) -> Self {
        Self { head: Arc::clone(head), method: Some(Box::new(method)) }
    }

    fn method(&self) -> &Method {
        self.method.as_deref().unwrap_or_else(|| self.head.method())
    }

    pub(super) fn fields(&self) -> &Fields {
        self.head.fields()
    }

    /// Who is asking; found out only where that makes a difference.
    pub(super) fn audience(&self) -> Audience {
        Audience::of(self.method(), &self.fields().to_map())
    }

    pub(super) fn request_id(&self) -> &str {
        self.head.id().as_str()
    }

    /// Where to go back to: the page itself, unless opening it again would not be the same request.
    fn return_path(&self, target: &RequestTarget) -> ReturnPath {
        let repeatable = matches!(*self.method(), Method::GET | Method::HEAD);
        if repeatable { ReturnPath::of(target) } else { ReturnPath::root() }
    }
}

/// What a request tells of the person: browsers say which ones they make ahead of anybody's wish.
pub(super) fn activity_of(fields: &Fields) -> Activity {
    let is_ahead = fields.get(Known::SecPurpose).is_some_and(|purpose| purpose.starts_with(b"prefetch"));
    if is_ahead { Activity::Background } else { Activity::Person }
}

pub(super) fn forwarded(
    settings: &Settings,
    about: &About,
    result: Result<Response<Body>, Unanswered>,
    decision: Decision,
    visitor: Option<Visitor>,
) -> Answer {
    match result {
        Ok(response) => Answer::forwarded(response, decision, visitor),
        Err(Unanswered { failure, trace }) => {
            let cause = std::error::Error::source(&failure).map(ToString::to_string);
            tracing::warn!(code = failure.code(), error = %failure, cause, request_id = about.request_id(), "not forwarded");
            let response = reply::upstream_failure(settings, about.audience(), about.request_id(), &failure);
            let mut answer = Answer::from(response);
            (answer.outcome.visitor, answer.outcome.trace) = (visitor, trace);
            answer
        }
    }
}

/// Nobody is signed on: people go to the sign-on page, programs are told where it is. The body of the request
/// is not read.
pub(super) fn sign_in_first(
    settings: &Settings,
    about: &About,
    target: &RequestTarget,
    request: &Request,
) -> Response<Body> {
    let version = request.version();
    let has_body = !request.body().is_end_stream();
    let response = match about.audience() {
        Audience::Person => reply::redirect(&sign_in_path(&about.return_path(target))),
        Audience::Program => unauthorized(settings, about.request_id(), about.fields().text(Known::Referer)),
    };
    let response = reply::decided(response, Decision::SignIn, None, None);
    if has_body { reply::closing(response, version) } else { response }
}

/// `401` for programs: the address of the sign-on page, which leads back to the page that the program runs on.
pub(super) fn unauthorized(settings: &Settings, request_id: &str, referer: Option<&str>) -> Response<Body> {
    let page = referer
        .and_then(|referer| settings.sites.referring_path(referer))
        .and_then(|path| ReturnPath::parse(path).ok());
    let path = page.map_or_else(|| "/.anteroom/sign-in".to_owned(), |page| sign_in_path(&page));
    let mut more = Map::new();
    more.insert("detail".to_owned(), "Sign on to continue.".into());
    more.insert("sign_in_url".to_owned(), settings.sites.app_address(&path).into());
    reply::problem(StatusCode::UNAUTHORIZED, "not_signed_in", request_id, more)
}

/// Signed on, but nobody has let the visitor in yet.
pub(super) fn wait(
    settings: &Settings,
    about: &About,
    visitor: &Visitor,
    target: &RequestTarget,
) -> Response<Body> {
    let user = Some(visitor.live().session().user.clone());
    let response = match about.audience() {
        Audience::Person => {
            let path = about.return_path(target);
            visitor.live().want(path.clone());
            reply::redirect(&waiting_room_path(&path))
        }
        Audience::Program => {
            let mut more = Map::new();
            more.insert("detail".to_owned(), "Your access has not been set up yet.".into());
            let address = settings.sites.app_address("/.anteroom/waiting-room");
            more.insert("waiting_room_url".to_owned(), address.into());
            reply::problem(StatusCode::FORBIDDEN, "waiting_room", about.request_id(), more)
        }
    };
    reply::decided(response, Decision::WaitingRoom, user, None)
}
