//! A form that meets a session which has timed out: kept, asked about after signing on, and sent once.
//!
//! Separate because it is the one place where Anteroom keeps what somebody sends to the application.
//!
//! 1. A person's browser posts to one of `session.repeat_posts`, with the cookie of a session that time has ended.
//!    The body is kept ([`hold`]), and the sign-on page leads back to `/.anteroom/repeat`.
//! 2. That page asks. Its form is our own, so nobody else's page can give the answer.
//! 3. The answer is `307` to the path of the form, with a cookie: the browser posts the token there, and what is kept
//!    goes to the application in its place ([`resend`]). So the application's answer is shown at its own address.
//!    Any other form goes its way as it came, even while the cookie of a repetition is left over: it stays for a while, so
//!    that who loads the application's answer again is told that there is nothing left to send.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Limited};

use crate::pages::{Fault, Notice, Repeat};
use crate::proxy::{Body, Failure, Forwarder, Peer, Request, Source};
use crate::routes::cookies::Kind;
use crate::routes::gate::{About, forwarded, pass_on, sign_in_first, wait};
use crate::routes::negotiation::Audience;
use crate::routes::reply::{self, Answer, Decision, REQUEST_ID, Rule};
use crate::routes::sign_in::{sign_in_path, waiting_room_path};
use crate::routes::{Call, Settings, Shared, off_core, visitor};
use crate::sign_on::{Entry, Held, Post};
use crate::store;
use crate::target::{PathRule, RequestTarget, ReturnPath};

/// Keeps a form whose session has timed out, if it can be, and sends the person to sign on.
pub(super) async fn hold(
    shared: &Arc<Shared>,
    settings: &Arc<Settings>,
    about: &About,
    target: &RequestTarget,
    request: Request,
) -> Response<Body> {
    let headers = request.fields().to_map();
    let content_type = content_type(&headers);
    let is_ours = settings.sites.is_own_form(&headers);
    let (Audience::Person, true, Some(content_type)) = (about.audience(), is_ours, content_type) else {
        return sign_in_first(settings, about, target, &request);
    };
    let cookie = settings.transport.read(&headers, Kind::Session).map(str::to_owned);
    let owner =
        off_core(shared, |sign_on| async move { sign_on.owner_of_expired(cookie.as_deref()).await }).await;
    let owner = match owner {
        Ok(Some(owner)) => owner,
        Ok(None) => return sign_in_first(settings, about, target, &request),
        Err(error) => return unavailable(settings, about, &error),
    };
    let version = request.version();
    let reading = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    let Ok(Ok(body)) = tokio::time::timeout(READ_TIME_MAX, reading).await else {
        tracing::info!(request_id = about.request_id(), "a form was too large or too slow to be kept");
        let response = reply::redirect(&sign_in_path(&ReturnPath::root()));
        return reply::closing(reply::decided(response, Decision::SignIn, None, None), version);
    };
    let target = target.path_and_query().as_str().to_owned();
    let post = Post { target, content_type, body: body.to_bytes().into() };
    let user = owner.clone();
    match off_core(shared, |sign_on| async move { sign_on.hold(&user, &post).await }).await {
        Ok(token) => {
            let response = reply::redirect(&sign_in_path(&ReturnPath::repeat(&token)));
            reply::decided(response, Decision::SignIn, Some(owner), None)
        }
        Err(error) => unavailable(settings, about, &error),
    }
}

/// Whether a form may be the token that [`Call::confirm_repeat`] has sent here: by the cookie, and by a length that
/// hardly any other form has. What it is shows when it has been read.
pub(super) fn may_be_token(settings: &Settings, request: &Request) -> bool {
    let length = request.body().size_hint().exact();
    length == Some(TOKEN_FORM_LENGTH) && settings.transport.read_of(request.fields(), Kind::Repeat).is_some()
}

/// Sends what is kept in the place of the token that the browser has posted. What turns out to be another form is
/// dealt with as if there were no cookie, which is taken back.
pub(super) async fn resend(
    shared: &Arc<Shared>,
    settings: &Arc<Settings>,
    forwarder: &Forwarder,
    (about, rule): (About, PathRule),
    target: &RequestTarget,
    request: Request,
    peer: &Peer,
) -> Answer {
    let forgotten = |mut answer: Answer| {
        answer.response = reply::with_cookie(answer.response, settings.transport.clear(Kind::Repeat));
        answer
    };
    let forget = |response: Response<Body>| forgotten(Answer::from(response));
    let (asked, version) = (Arc::clone(request.head()), request.version());
    let octets = match tokio::time::timeout(READ_TIME_MAX, request.into_body().collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => {
            return broken_off(settings, &about, Failure::RequestBroken(error), version);
        }
        Err(_) => return broken_off(settings, &about, Failure::RequestStalled, version),
    };
    let token = settings.transport.read_of(asked.fields(), Kind::Repeat);
    let token = token.filter(|token| octets.strip_prefix(b"post=") == Some(*token));
    let Some(token) = token.and_then(|token| str::from_utf8(token).ok()).map(str::to_owned) else {
        let request = Request::with_kept(asked, octets);
        return forgotten(
            pass_on(shared, settings, forwarder, (about, Some(rule)), target, request, peer).await,
        );
    };
    let mut headers = asked.fields().to_map();
    let request = Request::with_kept(asked, Bytes::new());
    let about = &about;
    if !settings.sites.is_own_form(&headers) {
        return forget(reply::fault(settings, about.audience(), about.request_id(), &Fault::ForeignForm));
    }
    let cookie = settings.transport.read(&headers, Kind::Session).map(str::as_bytes);
    let visitor = match visitor(shared, cookie, None).await {
        Ok(Some(visitor)) => visitor,
        Ok(None) => return forget(sign_in_first(settings, about, target, &request)),
        Err(error) => return unavailable(settings, about, &error).into(),
    };
    let authenticated = match shared.sign_on.enter(&visitor, target) {
        Entry::Admitted(authenticated) => authenticated,
        Entry::Waiting => return forget(wait(settings, about, &visitor, target)),
        Entry::Disabled => return forget(sign_in_first(settings, about, target, &request)),
    };
    let (owner, asked_for) = (visitor.clone(), token.clone());
    let held = off_core(shared, |sign_on| async move { sign_on.take_held(&asked_for, &owner).await }).await;
    let post = match held {
        Ok(Held::Yours(post)) if post.target == target.path_and_query().as_str() => post,
        Ok(Held::Yours(_)) => return forget(gone(settings)),
        Ok(Held::Gone) => return gone(settings).into(),
        Ok(Held::Another) => return forget(another(settings)),
        Err(error) => return unavailable(settings, about, &error).into(),
    };
    let Ok(content_type) = HeaderValue::from_str(&post.content_type) else { return forget(gone(settings)) };
    headers.insert(CONTENT_TYPE, content_type);
    if let Ok(id) = HeaderValue::from_str(about.request_id()) {
        headers.insert(REQUEST_ID, id);
    }
    let mut again = http::Request::new(Bytes::from(post.body));
    *again.method_mut() = http::Method::POST;
    *again.headers_mut() = headers;
    tracing::info!(request_id = about.request_id(), "a form that was kept is sent");
    let result = forwarder.forward(&authenticated, again.into(), peer).await;
    let mut answer = forwarded(settings, about, result, Decision::Forwarded, Some(visitor));
    answer.response = reply::with_cookie(answer.response, settings.transport.set_repeated(&token));
    answer.by_rule(Some(Rule::repeat(rule)))
}

impl Call {
    /// `GET /.anteroom/repeat?post=TOKEN`.
    pub(super) async fn repeat_page(&self) -> Response<Body> {
        let token = self.query("post").unwrap_or_default();
        match self.held(&token).await {
            Ok((token, post)) => {
                let view = Repeat { token: &token, path: path_of(&post.target), size: post.body.len() };
                reply::page(StatusCode::OK, view.render(self.brand()))
            }
            Err(response) => response,
        }
    }

    /// `POST /.anteroom/repeat`: the person wants it sent.
    pub(super) async fn confirm_repeat(&self, request: http::Request<Source>) -> Response<Body> {
        let form = match self.own_form(request, FORM_BYTES_MAX).await {
            Ok(form) => form,
            Err(refused) => return refused,
        };
        match self.held(form.field("post").unwrap_or_default()).await {
            Ok((token, post)) => {
                let mut response = reply::redirect(&post.target);
                *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                reply::with_cookie(response, self.settings.transport.set_repeat(&token))
            }
            Err(response) => response,
        }
    }

    /// What is kept for the visitor; `Err` is the answer if there is nothing to send.
    async fn held(&self, token: &str) -> Result<(String, Post), Response<Body>> {
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => self.shared.sign_on.again(&visitor),
            Ok(None) => return Err(reply::redirect(&sign_in_path(&ReturnPath::repeat(token)))),
            Err(error) => return Err(self.unavailable(&error)),
        };
        if !matches!(visitor.standing(), crate::directory::Standing::Admitted(_)) {
            return Err(reply::redirect(&waiting_room_path(&ReturnPath::repeat(token))));
        }
        let token = token.to_owned();
        let asked = token.clone();
        match self.off_core(|sign_on| async move { sign_on.held(&asked, &visitor).await }).await {
            Ok(Held::Yours(post)) => Ok((token, post)),
            Ok(Held::Another) => Err(another(&self.settings)),
            Ok(Held::Gone) => Err(gone(&self.settings)),
            Err(error) => Err(self.unavailable(&error)),
        }
    }
}

/// The request broke off, or did not come in time, before it could be seen what it is.
fn broken_off(settings: &Settings, about: &About, failure: Failure, version: Version) -> Answer {
    let mut answer = forwarded(settings, about, Err(failure.into()), Decision::Forwarded, None);
    answer.response = reply::closing(answer.response, version);
    answer
}

fn gone(settings: &Settings) -> Response<Body> {
    let page = reply::page(StatusCode::GONE, Notice::NothingToRepeat.render(&settings.brand));
    reply::decided(page, Decision::Refused, None, Some("nothing_to_repeat"))
}

fn another(settings: &Settings) -> Response<Body> {
    let page = reply::page(StatusCode::FORBIDDEN, Notice::RepeatOfAnother.render(&settings.brand));
    reply::decided(page, Decision::Refused, None, Some("repeat_of_another"))
}

fn unavailable(settings: &Settings, about: &About, error: &store::Error) -> Response<Body> {
    tracing::error!(error = %error, request_id = about.request_id(), "the store did not do its work");
    let fault = Fault::Unavailable {
        retry_after_seconds: reply::RETRY_AFTER_SECONDS,
        request_id: about.request_id(),
    };
    reply::fault(settings, about.audience(), about.request_id(), &fault)
}

/// The type of a form that can be kept: one that browsers send, and not compressed.
fn content_type(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(Ok(text)), None) = (types.next().map(HeaderValue::to_str), types.next()) else { return None };
    let name = text.split(';').next().unwrap_or_default().trim();
    let is_form = ["application/x-www-form-urlencoded", "multipart/form-data"]
        .iter()
        .any(|known| name.eq_ignore_ascii_case(known));
    let is_plain = !headers.contains_key(CONTENT_ENCODING) && text.len() <= TYPE_BYTES_MAX;
    (is_form && is_plain).then(|| text.to_owned())
}

/// A query may hold what is nobody's business on a shared screen.
fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _)| path)
}

/// Long texts, and small pictures.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// However slowly somebody sends.
const READ_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(30);

/// A boundary has at most 70 characters.
const TYPE_BYTES_MAX: usize = 256;

/// Of `post=` and a token.
const TOKEN_FORM_LENGTH: u64 = 48;

/// One token.
const FORM_BYTES_MAX: usize = 1024;
