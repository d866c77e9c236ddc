//! Forwarding a request that may be forwarded: strip what the client could have forged, set what we know,
//! stream both ways over pooled connections.
//!
//! Separate because it is the hot path and the border to the application: it takes only the proof types of
//! `sign_on::gate`, knows nothing of sessions or paths, touches no store and signs nothing.
//!
//! Rules: hop-by-hop fields go first, on the set that came in; then every look-alike of a field of ours; only
//! then are ours set. The target comes from the proof, never from the request's own URI. No lock is held
//! across an await. One [`Forwarder`] belongs to one core.

mod body;
mod cookies;
mod deadline;
mod failure;
mod fields;
mod incoming;
mod interim;
mod pace;
mod peer;
mod pool;
mod request;
mod request_body;
mod response;
mod response_body;
mod routes;
mod settings;
mod source;
mod tally;
mod trace;
mod tunnel;
mod upgrade;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http1::head::ResponseHead;
use crate::monotonic::{self, Moment};
use crate::sign_on::Lease;
use crate::sign_on::gate::{Authenticated, Public};
use crate::target::RequestTarget;

pub use self::body::{Body, BoxError, End, Witness};
pub(crate) use self::deadline::{Deadline, Observe, Observed, drive};
pub use self::failure::{Failure, Unanswered};
pub use self::fields::Fate;
pub(crate) use self::incoming::Head;
pub use self::incoming::Request;
pub(crate) use self::interim::Interim;
pub use self::peer::{Handshake, Peer, RequestId, RequestIds, TrustedProxies};
pub use self::routes::{Route, Routes};
pub use self::settings::{Balance, Check, Error, Protocol, PublicUrl, Reuse, Settings, Timeouts, Upstream};
pub use self::source::Source;
pub use self::tally::{Counts, Tallies};
pub use self::trace::Trace;
pub(crate) use self::upgrade::{Upgrade, Upgraded};
pub use self::upstream::{
    Identity, Offer, Resolve, Roots, State, SystemResolver, Tls, TlsError, ask_directly,
};

use self::fields::Reserved;
use self::pool::{Connection, Next, Pool, Unconnected, Wish};
use self::request::Prepared;
use self::response_body::ResponseBody;
use self::tunnel::Tunnel;
use self::upstream::Inside;

/// How often a request is begun anew because it was never sent.
const BEGINNINGS_MAX: u32 = 3;

/// Forwards requests to the application over connections of its own; make one per core.
#[derive(Debug)]
pub struct Forwarder {
    settings: Arc<Settings>,
    reserved: Arc<Reserved>,
    pool: Arc<Pool>,
    closing: CancellationToken,
    tunnels: TaskTracker,
}

impl Forwarder {
    /// A forwarder without connections; `closing` ends its tunnels when the process drains.
    #[must_use]
    pub fn new(settings: Arc<Settings>, closing: CancellationToken) -> Self {
        let reserved = Arc::new(Reserved::new(&settings.identity_header_names));
        let pool = Arc::new(Pool::new(&settings, &closing));
        Self { settings, reserved, pool, closing, tunnels: TaskTracker::new() }
    }

    /// The same for new settings: whoever waits for the tunnels of this one waits for those of that one, too.
    #[must_use]
    pub fn with_tunnels_of(self, older: &Self) -> Self {
        Self { tunnels: older.tunnels.clone(), ..self }
    }

    /// Waits until all tunnels are closed; for when the process drains.
    pub async fn finish(&self) {
        self.tunnels.close();
        self.tunnels.wait().await;
    }

    /// Forwards a request of a live session, with its identity. When the session ends, whatever is still
    /// streaming is cut.
    pub fn forward(
        &self,
        authenticated: &Authenticated,
        request: Request,
        peer: &Peer,
    ) -> impl Future<Output = Result<Response<Body>, Unanswered>> {
        let grant = Grant {
            target: authenticated.target(),
            identity: authenticated.identity_headers(),
            access: Some(authenticated.access()),
            session: Some(authenticated.affinity()),
        };
        Box::pin(self.exchange(grant, request, peer))
    }

    /// Forwards a request for one of `app.public_paths`, without any identity.
    pub async fn forward_public(
        &self,
        public: &Public,
        request: Request,
        peer: &Peer,
    ) -> Result<Response<Body>, Unanswered> {
        let grant = Grant { target: public.target(), identity: &[], access: None, session: None };
        Box::pin(self.exchange(grant, request, peer)).await
    }

    /// Large enough to be boxed: all that it is handed through would have to have room for it, and move it.
    fn exchange(
        &self,
        grant: Grant<'_>,
        mut request: Request,
        peer: &Peer,
    ) -> impl Future<Output = Result<Response<Body>, Unanswered>> {
        async move {
            let given_at = monotonic::look();
            let wants_tunnel = request::wants_websocket(&request);
            if wants_tunnel && !self.settings.public_url.is_origin_of(request.fields()) {
                return Err(Failure::ForeignOrigin.into());
            }
            let upgrade = request.take_upgrade().filter(|_| wants_tunnel);
            let mut outgoing =
                request::prepare(request, wants_tunnel, &grant, peer, (&self.settings, &self.reserved));
            // Nobody is asked whether to send what would be refused, and nothing of it is read.
            if outgoing.body.is_too_large() {
                return Err(Failure::BodyTooLarge.into());
            }

            let wish = Wish {
                replayable: is_replayable(&outgoing),
                inside: if wants_tunnel { Inside::Http1 } else { Inside::Any },
                session: grant.session,
            };
            let mut sent = Sent::default();
            let sending = self.send(&mut outgoing, wish, &mut sent).await;
            let unanswered =
                |failure| Unanswered { failure, trace: self.trace(&sent, given_at).map(Box::new) };
            let (mut head, mut connection) = sending.map_err(unanswered)?;
            if grant.access.is_some_and(Lease::is_over) {
                return Err(unanswered(Failure::SessionEnded));
            }
            let trace = Trace {
                upstream: connection.upstream(),
                given_at,
                connect: sent.connect,
                retries: sent.retries,
            };
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                let upgrade = upgrade.filter(|upgrade| upgrade.is_accepted(&head.fields));
                let client = upgrade.map(Upgrade::wait).zip(connection.take_switched());
                let Some((client, upstream)) = client else {
                    return Err(unanswered(Failure::BadResponse(None)));
                };
                let (access, closing) = (grant.access.cloned(), self.closing.clone());
                let idle = self.settings.timeouts.tunnel_idle;
                let tracker = self.tunnels.clone();
                let tunnel = Tunnel { client, upstream, connection, access, closing, idle, tracker };
                let response = tunnel.open(head.fields, &self.settings).map_err(unanswered)?;
                return Ok(response.map(|()| Body::forwarded(ResponseBody::switched(trace))));
            }
            connection.head_arrived(self.settings.timeouts.between_bytes(&head.fields));
            let anew = response::clean(&mut head.fields, &self.settings, &self.reserved);
            let body = ResponseBody::new(head.fields, connection, grant.access.cloned(), trace);
            let mut response = Response::new(Body::forwarded(body));
            *response.status_mut() = head.status;
            *response.headers_mut() = anew;
            Ok(response)
        }
    }

    /// Sends the request: again if it was not sent at all, and a second time only when the application cannot have
    /// acted on it, or acting twice is acting once. Where there are several upstreams, another one is asked.
    fn send(
        &self,
        request: &mut Prepared<'_>,
        wish: Wish,
        sent: &mut Sent,
    ) -> impl Future<Output = Result<(ResponseHead, Connection), Failure>> {
        async move {
            let mut began = monotonic::now();
            let mut connection = self.pool.take(wish).await.map_err(|failed| sent.in_vain(failed))?;
            let (mut beginnings, mut may_repeat) = (0, wish.replayable);
            loop {
                // A fresh connection that dies says more about the upstream than about the moment: asking the same
                // one again would help nobody.
                let (is_fresh, site) = (!connection.is_reused(), connection.site());
                sent.site = Some(site);
                if is_fresh {
                    sent.connect = Some(monotonic::now() - began);
                }
                let lost = match connection.send(request).await {
                    Ok(response) => return Ok((response, connection)),
                    Err(lost) => lost,
                };
                drop(connection);
                beginnings += 1;
                let mut failed = is_fresh.then_some(site);
                match lost.next(may_repeat && (!is_fresh || self.pool.has_several())) {
                    Next::Send if beginnings < BEGINNINGS_MAX => {}
                    Next::Repeat if self.pool.may_repeat() => (may_repeat, failed) = (false, Some(site)),
                    Next::Send | Next::Repeat | Next::Fail => return Err(lost.failure),
                }
                sent.retries = sent.retries.saturating_add(1);
                began = monotonic::now();
                let taken = self.pool.take_other(wish, failed).await;
                connection = taken.map_err(|failed| sent.in_vain(failed))?;
            }
        }
    }

    /// Where a request went that got no answer.
    fn trace(&self, sent: &Sent, given_at: Moment) -> Option<Trace> {
        let upstream = self.pool.name(sent.site?);
        Some(Trace { upstream, given_at, connect: sent.connect, retries: sent.retries })
    }
}

/// What becomes of a field of a request, by its name alone.
#[must_use]
pub fn fate_of(name: &HeaderName, settings: &Settings) -> Fate {
    Reserved::new(&settings.identity_header_names).fate(name.as_str())
}

/// The cookies of a request without ours, as the application gets them; `None` if none are left.
#[must_use]
pub fn foreign_cookies(headers: &HeaderMap, settings: &Settings) -> Option<HeaderValue> {
    let lines: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let mut kept = Vec::new();
    let lines = lines.iter().copied();
    let is_any = lines.len() > 0 && cookies::strip(lines, &settings.own_cookie_names, &mut kept);
    if is_any { HeaderValue::from_maybe_shared(bytes::Bytes::from(kept)).ok() } else { None }
}

/// What the application is told of where a request came from, by a client that was told nothing itself.
#[must_use]
pub fn origin_headers(client: IpAddr, settings: &Settings) -> HeaderMap {
    let peer = Peer::new(SocketAddr::new(client, 0), false, &TrustedProxies::default());
    let mut headers = HeaderMap::new();
    request::Origin { client, peer: &peer, settings }.tell_alone(&mut headers);
    headers
}

/// What it took to send a request.
#[derive(Default)]
struct Sent {
    /// The upstream that was chosen last.
    site: Option<usize>,
    connect: Option<Duration>,
    retries: u8,
}

impl Sent {
    fn in_vain(&mut self, failed: Unconnected) -> Failure {
        self.site = failed.site.or(self.site);
        failed.failure
    }
}

/// What the proof allows: a target, whose identity goes along, and when it is over.
struct Grant<'a> {
    target: &'a RequestTarget,
    identity: &'a [(HeaderName, HeaderValue)],
    access: Option<&'a Lease>,
    /// A number that is the same for all requests of a session.
    session: Option<u64>,
}

/// Whether sending the request twice does no more than sending it once (RFC 9110 9.2.2), and we still could.
fn is_replayable(request: &Prepared<'_>) -> bool {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    safe && request.body.is_none()
}

#[cfg(test)]
mod tests;
