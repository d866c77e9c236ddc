//! HTTP/2 with clients, as the library speaks it.
//!
//! Separate because the library has forms of its own for requests, responses and limits, which nobody else need know.

use std::pin::Pin;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::TokioTimer;

use super::admission::head_of_http2;
use super::connection::Closes;
use super::exchange::Asked;
use super::inspect::{FLAW, LIST_BYTES_MAX};
use super::watch::Tracked;
use super::{Settings, Sockets};
use crate::proxy::{BoxError, Source};

/// Streams, windows, frames that may wait.
const STREAMS_MAX: u32 = 100;
/// The largest head that the library hands on: all that reach it, with a field that may have been added, so that whoever sends
/// too much is refused in our words and written down.
const HEAD_LIST_BYTES_READ: u32 = LIST_BYTES_MAX + 1024;
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
const RESETS_PENDING_MAX: usize = 20;
const RESETS_LOCAL_MAX: usize = 256;

/// What serves connections.
pub(super) type Server = http2::Builder<LocalExecutor>;

/// The library, set up for clients that nobody knows.
pub(super) fn server(settings: &Settings) -> Server {
    let (mut builder, limits) = (Server::new(LocalExecutor), &settings.limits);
    if settings.sockets == Sockets::OfBoth {
        builder.enable_connect_protocol();
    }
    builder.timer(TokioTimer::new()).keep_alive_interval(limits.ping).keep_alive_timeout(limits.pong);
    builder.max_concurrent_streams(STREAMS_MAX).max_header_list_size(HEAD_LIST_BYTES_READ);
    builder.initial_stream_window_size(STREAM_WINDOW_BYTES);
    builder.initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    builder.max_pending_accept_reset_streams(RESETS_PENDING_MAX);
    builder.max_local_error_reset_streams(RESETS_LOCAL_MAX);
    builder
}

/// Runs the parts of an HTTP/2 connection on the core that it belongs to.
#[derive(Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A request of HTTP/2.
pub(super) fn asked(request: Request<Incoming>) -> Asked {
    let (mut parts, body) = request.into_parts();
    let is_cut = parts.headers.remove(FLAW).is_some();
    Asked { head: head_of_http2(parts), body: Source::from(body), upgrade: None, is_cut }
}

/// All fields of a response in one place.
pub(super) fn whole(response: Response<Tracked>) -> Response<Tracked> {
    let (mut parts, mut body) = response.into_parts();
    if let Some(fields) = body.take_fields() {
        fields.add_to(&mut parts.headers);
    }
    Response::from_parts(parts, body)
}

impl<IO, S> Closes for http2::Connection<IO, S, LocalExecutor>
where
    IO: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = Tracked>,
    S::Future: 'static,
    S::Error: Into<BoxError>,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
