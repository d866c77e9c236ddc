//! From a request to the use case, and from its result to a response; the paths stand in `table`.
//!
//! Separate because HTTP ends here: below, nobody knows of status codes; above, nobody knows of paths.
//!
//! Any host that is not ours is answered `421`.

pub mod cookies;
pub mod forward_auth;
pub mod limits;
pub mod ops;

pub(crate) mod grpc;

mod documents;
mod form;
mod gate;
mod logout;
mod manage;
mod negotiation;
mod repeat;
mod reply;
mod saml_service;
mod sign_in;
mod sign_out;
pub mod site;
mod support;
mod table;
mod waiting_room;
mod work;

use std::cell::RefCell;
use std::future::{Future, ready};
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use futures_util::future::Either;
use http::{HeaderMap, Method, Request, Response, Uri};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::federation::Federation;
use crate::http1::fields::Known;
use crate::keys::Keys;
use crate::mail::Courier;
use crate::pages::{Brand, Fault};
use crate::proxy::{self, Body, Forwarder, Peer, Source};
use crate::sign_on::{Familiar, Recognized, SignOn, Visitor};
use crate::store;
use crate::target::{self, RequestTarget};

use cookies::{Kind, Transport};
use forward_auth::ForwardAuth;
use negotiation::Audience;
use site::{Site, Sites};
use table::Route;

pub use reply::{Answer, Decision, Outcome, Rule, SignOnEnd};
pub use table::{OwnPath, own_path, own_paths};
pub use waiting_room::OpenPages;

/// What the routes need to know; replaced whole when the configuration is reloaded.
#[derive(Debug)]
pub struct Settings {
    /// Where visitors reach the application, and where providers post to.
    pub sites: Sites,
    /// How cookies are named and protected.
    pub transport: Transport,
    /// Whose pages these are.
    pub brand: Brand,
    /// The application's own login, for people without SSO.
    pub other_url: Option<String>,
    /// How often what may be asked for.
    pub limits: limits::Settings,
    /// How requests are forwarded.
    pub proxy: Arc<proxy::Settings>,
    /// Who may ask about requests that others forward.
    pub forward_auth: Option<ForwardAuth>,
}

/// What the routes of all cores share.
#[derive(Debug)]
pub struct Shared {
    /// The use cases of the sign-on.
    pub sign_on: Arc<SignOn>,
    /// Who fetches metadata.
    pub federation: Arc<Federation>,
    /// The use cases of provisioning.
    pub admin: Arc<Admin>,
    /// Who delivers mail.
    pub courier: Arc<Courier>,
    /// The keys to publish.
    pub keys: Arc<Keys>,
    /// The store, for what only lists.
    pub store: Arc<dyn store::Store>,
    /// The settings in force.
    pub settings: ArcSwap<Settings>,
    /// The runtime for work that would hold up a forwarding core.
    pub control: Handle,
    /// Ends streams when the process drains.
    pub closing: CancellationToken,
    /// The Waiting Room pages that are open.
    pub open_pages: OpenPages,
    /// Who has asked for what how often.
    pub counts: limits::Counts,
}

/// The routes of one core.
#[derive(Debug)]
pub struct Routes {
    shared: Arc<Shared>,
    forwarder: RefCell<(Arc<proxy::Settings>, Rc<Forwarder>)>,
}

/// Everything that a handler needs to know of a request, apart from its body.
struct Call {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// The address of the client itself.
    client: IpAddr,
    audience: Audience,
    request_id: String,
    settings: Arc<Settings>,
    shared: Arc<Shared>,
}

impl Routes {
    /// The routes for one core.
    #[must_use]
    pub fn new(shared: Arc<Shared>) -> Self {
        let proxy = Arc::clone(&shared.settings.load().proxy);
        let forwarder = Rc::new(Forwarder::new(Arc::clone(&proxy), shared.closing.clone()));
        Self { shared, forwarder: RefCell::new((proxy, forwarder)) }
    }

    /// Answers a request; never fails. A request for the application is moved from hand to hand, so what is done for
    /// others takes no room in it.
    pub fn handle(&self, request: proxy::Request, peer: &Peer) -> impl Future<Output = Answer> {
        async move {
            let settings = self.shared.settings.load_full();
            if let Some(auth) = settings.forward_auth.as_ref().filter(|auth| auth.is_asked(&request, peer)) {
                return Box::pin(forward_auth::answer(auth, &self.shared, &settings, &request)).await;
            }
            let is_grpc = grpc::is_call(request.fields().get(Known::ContentType));
            let in_its_way = |mut answer: Answer| {
                // The application's pass as they are, and what is no error is no outcome of a call.
                let is_forwarded = matches!(answer.outcome.decision, Decision::Forwarded | Decision::Public);
                if is_grpc && !is_forwarded && !answer.response.status().is_success() {
                    answer.response = grpc::answer(answer.response);
                }
                answer
            };
            let Some(site) = settings.sites.of(request.head()) else {
                return in_its_way(Call::new(&request, peer, &self.shared, settings).misdirected().into());
            };
            let target = match RequestTarget::parse(request.uri()) {
                Ok(target) => target,
                Err(error) => {
                    return in_its_way(
                        Call::new(&request, peer, &self.shared, settings).bad_target(error).into(),
                    );
                }
            };
            if let Some(route) = Route::find(site, target.path(), &settings) {
                return in_its_way(Box::pin(self.answer_route(route, request, peer, settings)).await);
            }
            if site == Site::Login {
                let call = Call::new(&request, peer, &self.shared, settings);
                return in_its_way(call.fault(&Fault::NotFound).into());
            }
            let forwarder = self.forwarder(&settings);
            in_its_way(gate::pass(&self.shared, &settings, &forwarder, &target, request, peer).await)
        }
    }

    /// Answers a request for one of our own pages.
    async fn answer_route(
        &self,
        route: Route,
        request: proxy::Request,
        peer: &Peer,
        settings: Arc<Settings>,
    ) -> Answer {
        let call = Call::new(&request, peer, &self.shared, settings);
        let request_id = call.request_id.clone();
        let response = call.answer(route, request.into_http()).await;
        reply::told(response, &request_id).into()
    }

    /// Waits for upgraded connections to be closed, when the process drains.
    pub async fn finish(&self) {
        let forwarder = Rc::clone(&self.forwarder.borrow().1);
        forwarder.finish().await;
    }

    /// This core's forwarder, made anew when the settings have changed.
    fn forwarder(&self, settings: &Settings) -> Rc<Forwarder> {
        let mut kept = self.forwarder.borrow_mut();
        if !Arc::ptr_eq(&kept.0, &settings.proxy) {
            let fresh = Forwarder::new(Arc::clone(&settings.proxy), self.shared.closing.clone());
            let fresh = fresh.with_tunnels_of(&kept.1);
            *kept = (Arc::clone(&settings.proxy), Rc::new(fresh));
        }
        Rc::clone(&kept.1)
    }
}

impl Call {
    fn new(request: &proxy::Request, peer: &Peer, shared: &Arc<Shared>, settings: Arc<Settings>) -> Self {
        let headers = request.fields().to_map();
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            client: peer.client_address(request.fields()),
            audience: Audience::of(request.method(), &headers),
            request_id: request.head().id().as_str().to_owned(),
            headers,
            settings,
            shared: Arc::clone(shared),
        }
    }

    async fn answer(self, route: Route, request: Request<Source>) -> Response<Body> {
        if route == Route::Nothing {
            return self.fault(&Fault::NotFound);
        }
        if !route.methods().contains(&self.method) {
            return self.method_not_allowed(route.methods());
        }
        if let Some(refusal) = self.limited_by_address(&route) {
            return reply::closing(refusal, request.version());
        }
        match route {
            Route::AssertionConsumerService => self.consume_assertion(request).await,
            Route::Metadata => self.metadata(),
            Route::Logout => self.log_out(request).await,
            Route::SignIn if self.method == Method::POST => self.choose_provider(request).await,
            Route::SignIn => self.sign_in_page().await,
            Route::SignInStart => self.start_login(request).await,
            Route::SignInComplete => self.complete_login().await,
            Route::SignOut if self.method == Method::POST => self.sign_out(request).await,
            Route::SignOut => self.sign_out_page().await,
            Route::Repeat if self.method == Method::POST => self.confirm_repeat(request).await,
            Route::Repeat => self.repeat_page().await,
            Route::WaitingRoom if self.method == Method::POST => self.say_workplace(request).await,
            Route::WaitingRoom => self.waiting_room().await,
            Route::WaitingRoomEvents => self.waiting_room_events().await,
            Route::Work(place) => self.work(place, request).await,
            Route::Session => self.session_document().await,
            Route::Identity => self.identity_document().await,
            Route::Discovery => self.discovery(),
            Route::Jwks => self.jwks(),
            Route::Asset => self.asset(),
            Route::Nothing => self.fault(&Fault::NotFound),
        }
    }

    /// Runs work with the store or with signatures where it holds up nobody's forwarding.
    async fn off_core<T, F>(&self, work: impl FnOnce(Arc<SignOn>) -> F) -> store::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = store::Result<T>> + Send + 'static,
    {
        off_core(&self.shared, work).await
    }

    /// Who is asking, if there is a live session.
    async fn visitor(&self) -> store::Result<Option<Visitor>> {
        let cookie = self.settings.transport.read(&self.headers, Kind::Session);
        visitor(&self.shared, cookie.map(str::as_bytes), None).await
    }

    /// The values of a query parameter: none, or the first.
    fn query(&self, name: &str) -> Option<String> {
        let query = self.uri.query()?;
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Whether a form was sent by a page of ours, as far as the browser tells.
    fn is_own_form(&self) -> bool {
        self.settings.sites.is_own_form(&self.headers)
    }

    fn bad_target(&self, error: target::Error) -> Response<Body> {
        match error {
            target::Error::TooLong => self.uri_too_long(),
            target::Error::Ambiguous | target::Error::NotAPath => self.bad_request(),
        }
    }
}

/// Runs work on the control runtime. Work that panics is a store that did not answer: nothing is accepted.
async fn off_core<T, F>(shared: &Arc<Shared>, work: impl FnOnce(Arc<SignOn>) -> F) -> store::Result<T>
where
    T: Send + 'static,
    F: Future<Output = store::Result<T>> + Send + 'static,
{
    let work = work(Arc::clone(&shared.sign_on));
    shared.control.spawn(work).await.unwrap_or_else(|error| Err(store::Error::Unavailable(Box::new(error))))
}

/// The live session of a cookie, from memory or else from the store.
fn visitor<'a>(
    shared: &'a Arc<Shared>,
    cookie: Option<&'a [u8]>,
    familiar: Option<&Familiar>,
) -> impl Future<Output = store::Result<Option<Visitor>>> + 'a {
    // Nearly all are known, and what the others need takes no room in each request.
    match shared.sign_on.recognize(cookie, familiar) {
        Recognized::Known(visitor) => Either::Left(ready(Ok(Some(visitor)))),
        Recognized::Nobody => Either::Left(ready(Ok(None))),
        other => Either::Right(Box::pin(stranger(shared, cookie, other))),
    }
}

/// The live session of a cookie that is not known here.
async fn stranger(
    shared: &Arc<Shared>,
    cookie: Option<&[u8]>,
    mut recognized: Recognized,
) -> store::Result<Option<Visitor>> {
    if let (Recognized::Late, Some(cookie)) = (&recognized, cookie) {
        recognized = shared.sign_on.recognize_late(cookie).await;
    }
    match recognized {
        Recognized::Known(visitor) => Ok(Some(visitor)),
        Recognized::Nobody => Ok(None),
        Recognized::Ask(hash) => {
            off_core(shared, |sign_on| async move { sign_on.look_up(&hash).await }).await
        }
        Recognized::Late | Recognized::Deaf => {
            Err(store::Error::Unavailable("changes have not been heard for too long".into()))
        }
    }
}
