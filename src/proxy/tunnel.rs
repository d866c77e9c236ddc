//! An upgraded connection: bytes both ways until either side, the session or the process ends it.
//!
//! Separate because nothing here is HTTP any more. Not a byte flows before the application has said 101. When it
//! is not a side that ends it, both sides are told so in the way of `WebSocket` (RFC 6455 5.5.1), between two frames.

mod frames;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Response, StatusCode};
use tokio::io::copy_bidirectional;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::http1::fields::Fields;
use crate::sign_on::Lease;

use super::pool::{Connection, Switched};
use super::upgrade::Upgraded;
use super::{Deadline, Failure, Observe, Observed, Settings, drive, request, response};

use self::frames::{Close, Framed, Place, Side};

/// How long a frame that has begun may take to end, and then a side to read why the tunnel is closed: together well within
/// the second that the loss of access may take.
const FAREWELL: Duration = Duration::from_millis(300);

/// Both halves of a connection that is about to be upgraded, and what ends it.
pub(super) struct Tunnel {
    pub(super) client: oneshot::Receiver<Upgraded>,
    pub(super) upstream: Switched,
    pub(super) connection: Connection,
    pub(super) access: Option<Lease>,
    pub(super) closing: CancellationToken,
    pub(super) idle: Duration,
    pub(super) tracker: TaskTracker,
}

impl Tunnel {
    /// Makes the 101 for the client; the bytes flow as soon as it is sent.
    pub(super) fn open(self, mut answered: Fields, settings: &Settings) -> Result<Response<()>, Failure> {
        if !request::names_websocket(&answered) {
            return Err(Failure::BadResponse(None));
        }
        response::strip_hop(&mut answered);
        response::strip_ours(&mut answered, settings);
        let mut headers = answered.to_map();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        let tracker = self.tracker.clone();
        tracker.spawn(self.run());
        Ok(response)
    }

    async fn run(self) {
        let Self { client, upstream, connection, access, closing, idle, tracker: _ } = self;
        // It fails when the client is gone; then there is nobody left to tell but the upstream, which sees the end.
        let Ok(client) = client.await else { return };
        let pulse = Arc::new(Pulse { deadline: Deadline::new(idle), idle });
        let Upgraded { io, octets, holds } = client;
        let mut client = Observed::new(io, Arc::clone(&pulse));
        client.put_back(&octets);
        let mut client = Framed::new(client, Side::Client);
        let Switched { wire, octets, open } = upstream;
        // What comes from there is noted when it goes to the client.
        let mut upstream = Observed::new(wire, Arc::new(Unobserved));
        upstream.put_back(&octets);
        let mut upstream = Framed::new(upstream, Side::Upstream);
        let places = [client.place(), upstream.place()];
        let why = {
            let mut copying = pin!(copy_bidirectional(&mut client, &mut upstream));
            let why = tokio::select! {
                biased;
                () = closing.cancelled() => Some(Close::GoingAway),
                () = lost(access) => Some(Close::PolicyViolation),
                ended = drive(copying.as_mut(), &pulse.deadline, idle) => {
                    ended.is_none().then_some(Close::GoingAway)
                }
            };
            if why.is_some() {
                let mut overdue = pin!(sleep(FAREWELL));
                // A frame that has begun is given a moment to end.
                poll_fn(|context| {
                    let is_between = || places.iter().all(Place::is_between);
                    if is_between() || copying.as_mut().poll(context).is_ready() || is_between() {
                        return Poll::Ready(());
                    }
                    overdue.as_mut().poll(context)
                })
                .await;
            }
            why
        };
        if let Some(why) = why {
            tokio::join!(client.part(why, FAREWELL), upstream.part(why, FAREWELL));
        }
        drop((connection, open, holds));
    }
}

async fn lost(access: Option<Lease>) {
    match access {
        Some(access) => access.over().await,
        None => std::future::pending().await,
    }
}

/// Nobody looks.
struct Unobserved;

impl Observe for Unobserved {
    fn read(&self) {}

    fn wrote(&self) {}
}

/// Moves the deadline with every byte, in either direction.
struct Pulse {
    deadline: Deadline,
    idle: Duration,
}

impl Observe for Pulse {
    fn read(&self) {
        self.deadline.set(self.idle);
    }

    fn wrote(&self) {
        self.deadline.set(self.idle);
    }
}
