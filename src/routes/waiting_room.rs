//! The Waiting Room: a page, and the event stream that lets an open page through.
//!
//! Separate because it is the one page that changes by itself: it must move on within a second of the grant,
//! in every open tab, and cost next to nothing while nothing happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::directory::request::Request;
use crate::directory::{Role, Standing, User};
use crate::pages::{WaitingRoom, WaitingState, WorkplaceForm};
use crate::proxy::Body;
use crate::routes::gate::unauthorized;
use crate::routes::reply::{self, Decision};
use crate::routes::sign_in::{sign_in_path, waiting_room_path};
use crate::routes::{Call, Shared, off_core};
use crate::secret::sha256;
use crate::sign_on::Visitor;
use crate::store::{self, RequestFilter, UserFilter};
use crate::target::ReturnPath;

impl Call {
    /// `GET /.anteroom/waiting-room`.
    pub(super) async fn waiting_room(&self) -> Response<Body> {
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => return reply::redirect(&sign_in_path(&self.return_path())),
            Err(error) => return self.unavailable(&error),
        };
        let visitor = self.shared.sign_on.again(&visitor);
        let return_path = self.wanted(&visitor);
        if matches!(visitor.standing(), Standing::Admitted(_)) {
            return reply::redirect(return_path.as_str());
        }
        let user = visitor.user();
        let managers = match self.managers_of(&visitor).await {
            Ok(managers) => managers,
            Err(error) => return self.unavailable(&error),
        };
        let connections = self.shared.sign_on.connections();
        let connection = connections.by_id(&visitor.live().session().connection);
        let organization = connection.map_or(user.organization.as_str(), |c| c.organization.name.as_str());
        let request = match newest_request(&self.shared, &user).await {
            Ok(request) => request,
            Err(error) => return self.unavailable(&error),
        };
        let page_path = waiting_room_path(&return_path);
        let events_path = page_path.replacen("waiting-room?", "waiting-room/events?", 1);
        let events_url = format!("{events_path}&told={}", told_of(request.as_ref()));
        let view = WaitingRoom {
            email: user.email.as_str(),
            name: user.name.as_ref().map(crate::directory::DisplayName::as_str),
            organization_name: organization,
            managers: managers.iter().map(String::as_str).collect(),
            events_url: &events_url,
            return_to: return_path.as_str(),
            state: WaitingState::NoRequest,
            told: None,
            workplace: WorkplaceForm::default(),
            is_saying: self.query("say").is_some(),
            is_agent: user.role == Role::Support,
        };
        let page = reply::page(StatusCode::OK, view.render(self.brand()));
        reply::decided(page, Decision::WaitingRoom, Some(user.id), None)
    }

    /// `GET /.anteroom/waiting-room/events`: `event: status` when something has happened to the newest request for
    /// the visitor since the page was made, `event: released` with the deep link as soon as the visitor is let in
    /// (HTML Living Standard 9.2).
    pub(super) async fn waiting_room_events(&self) -> Response<Body> {
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => {
                let referer = self.headers.get(http::header::REFERER).and_then(|value| value.to_str().ok());
                return unauthorized(&self.settings, &self.request_id, referer);
            }
            Err(error) => return self.unavailable(&error),
        };
        let user = visitor.live().session().user.clone();
        let waiting = Waiting {
            return_path: self.wanted(&visitor),
            changes: visitor.live().changes(),
            shared: Arc::clone(&self.shared),
            _counted: self.shared.open_pages.one_more(),
            visitor,
            told: self.query("told"),
            stage: Stage::Opening,
        };
        let stream = futures_util::stream::unfold(waiting, Waiting::next);
        let mut response = Response::new(Body::boxed(StreamBody::new(stream)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        reply::decided(response, Decision::WaitingRoom, Some(user), None)
    }

    /// The path that this tab asked for, else the one asked for last in this session.
    fn wanted(&self, visitor: &Visitor) -> ReturnPath {
        self.query("return_to")
            .and_then(|text| ReturnPath::parse(&text).ok())
            .unwrap_or_else(|| visitor.live().wanted())
    }

    /// The people of the visitor's organization who may ask for others to be let in.
    async fn managers_of(&self, visitor: &Visitor) -> store::Result<Vec<String>> {
        let organization = visitor.user().organization;
        let may_request = self.settings.may_request.clone();
        let store = Arc::clone(&self.shared.store);
        let now = visitor.now();
        let work = async move {
            let filter = UserFilter { organization: Some(organization), ..UserFilter::default() };
            let accounts = store.accounts(&filter).await?;
            let is_manager = |account: &crate::directory::Account| {
                matches!(account.standing_at(now), Standing::Admitted(held) if held
                    .iter()
                    .any(|grant| may_request.iter().any(|level| level == grant.level.as_str())))
            };
            let names = accounts.iter().filter(|account| is_manager(account)).map(|account| {
                account
                    .user
                    .name
                    .as_ref()
                    .map_or(account.user.email.as_str(), |name| name.as_str())
                    .to_owned()
            });
            Ok(names.take(MANAGERS_MAX).collect())
        };
        self.off_core(|_| work).await
    }
}

/// How many pages wait for their release on this node.
#[derive(Debug, Clone, Default)]
pub struct OpenPages(Arc<AtomicU64>);

impl OpenPages {
    /// The number.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) -> OpenPage {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenPage(self.clone())
    }
}

/// Counts one page as long as it lives.
struct OpenPage(OpenPages);

impl Drop for OpenPage {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open page.
struct Waiting {
    visitor: Visitor,
    return_path: ReturnPath,
    changes: tokio::sync::watch::Receiver<()>,
    shared: Arc<Shared>,
    _counted: OpenPage,
    /// What the page knows of the newest request; `None` until the store was asked for a page that does not say.
    told: Option<String>,
    stage: Stage,
}

enum Stage {
    Opening,
    /// Something may have happened.
    Woken,
    /// Nothing has happened.
    Quiet,
    Over,
}

impl Waiting {
    /// The next piece of the stream. Ends after the release, with the session, and when the process drains;
    /// the browser then asks again by itself. The store is asked only when something has happened.
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        match self.stage {
            Stage::Opening => {
                self.stage = Stage::Woken;
                return Some((frame("retry: 1000\n\n"), self));
            }
            Stage::Woken | Stage::Quiet => {}
            Stage::Over => return None,
        }
        loop {
            self.changes.borrow_and_update();
            self.visitor = self.shared.sign_on.again(&self.visitor);
            if self.visitor.live().ended().is_cancelled() || self.shared.closing.is_cancelled() {
                return None;
            }
            if matches!(self.visitor.standing(), Standing::Admitted(_)) {
                self.stage = Stage::Over;
                let event = format!("event: released\ndata: {}\n\n", self.return_path.as_str());
                return Some((frame(event), self));
            }
            if matches!(self.stage, Stage::Woken) {
                self.stage = Stage::Quiet;
                if let Some(code) = self.news().await {
                    return Some((frame(format!("event: status\ndata: {code}\n\n")), self));
                }
            }
            tokio::select! {
                changed = self.changes.changed() => {
                    changed.ok()?;
                    self.stage = Stage::Woken;
                }
                () = self.shared.closing.cancelled() => {}
                () = tokio::time::sleep(HEARTBEAT) => return Some((frame(": still waiting\n\n"), self)),
            }
        }
    }

    /// The state of the newest request, if the page does not know it yet.
    async fn news(&mut self) -> Option<&'static str> {
        let request = match newest_request(&self.shared, &self.visitor.user()).await {
            Ok(request) => request,
            Err(error) => {
                tracing::warn!(error = %error, "an open Waiting Room cannot be told of a request");
                return None;
            }
        };
        let before = self.told.replace(told_of(request.as_ref()));
        let is_new = before.is_some() && before != self.told;
        is_new.then(|| request.map_or("none", |request| request.state.as_str()))
    }
}

fn frame(text: impl Into<Bytes>) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(text.into()))
}

/// The newest request for somebody.
async fn newest_request(shared: &Arc<Shared>, user: &User) -> store::Result<Option<Request>> {
    let filter = RequestFilter {
        organization: Some(user.organization.clone()),
        email: Some(user.email.clone()),
        newest_first: true,
        limit: 1,
        ..RequestFilter::default()
    };
    let store = Arc::clone(&shared.store);
    off_core(shared, |_| async move { Ok(store.requests(&filter).await?.into_iter().next()) }).await
}

/// Everything about a request that its page shows, so that two can be compared.
fn told_of(request: Option<&Request>) -> String {
    let Some(request) = request else { return "none".to_owned() };
    let reason = request.reason.as_ref().map_or("", |reason| reason.as_str());
    let [first, second, third, fourth, ..] = sha256(reason.as_bytes());
    let mark = u32::from_be_bytes([first, second, third, fourth]);
    format!("{}.{}.{mark:08x}", request.id, request.state.as_str())
}

/// Often enough for proxies in between to keep the stream open.
const HEARTBEAT: Duration = Duration::from_secs(20);

/// Names on the page of whom to ask.
const MANAGERS_MAX: usize = 5;
