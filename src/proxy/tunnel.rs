//! An upgraded connection: bytes both ways until either side, the session or the process ends it.
//!
//! Separate because nothing here is HTTP any more. Not a byte flows before the application has said 101.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pool::Connection;
use super::websocket::{Close, Framed};
use super::{Body, Deadline, Failure, Observe, Observed, Settings, cookies, drive, request, response};

/// Both halves of a connection that is about to be upgraded, and what ends it.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) upstream: OnUpgrade,
    pub(super) connection: Connection,
    pub(super) ended: Option<CancellationToken>,
    pub(super) closing: CancellationToken,
    pub(super) idle: Duration,
    pub(super) tracker: TaskTracker,
}

impl Tunnel {
    /// Makes the 101 for the client; the bytes flow as soon as it is sent.
    pub(super) fn open(self, answered: HeaderMap, settings: &Settings) -> Result<Response<Body>, Failure> {
        if !request::names_websocket(&answered) {
            return Err(Failure::BadResponse(None));
        }
        let mut headers = answered;
        response::strip_hop(&mut headers);
        cookies::keep_ours(&mut headers, &settings.own_cookie_names);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        let tracker = self.tracker.clone();
        tracker.spawn(self.run());
        Ok(response)
    }

    async fn run(self) {
        let Self { client, upstream, connection, ended, closing, idle, tracker: _ } = self;
        // An upgrade fails when its connection is gone; then there is nobody left to tell.
        let Ok((client, upstream)) = tokio::try_join!(client, upstream) else { return };
        let pulse = Arc::new(Pulse { deadline: Deadline::new(idle), idle });
        let mut client = Framed::new(Observed::new(TokioIo::new(client), Arc::clone(&pulse)));
        let mut upstream = TokioIo::new(upstream);
        let reason = {
            let copying = std::pin::pin!(copy_bidirectional(&mut client, &mut upstream));
            tokio::select! {
                biased;
                () = closing.cancelled() => Some(Close::GoingAway),
                () = cancelled(ended) => Some(Close::Policy),
                _ = drive(copying, &pulse.deadline, idle) => None,
            }
        };
        drop((upstream, connection));
        if let Some(reason) = reason {
            client.close(reason).await;
        }
    }
}

async fn cancelled(ended: Option<CancellationToken>) {
    match ended {
        Some(ended) => ended.cancelled_owned().await,
        None => std::future::pending().await,
    }
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
