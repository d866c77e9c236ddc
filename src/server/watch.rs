//! What is known of one connection while it lasts: its phase, its place among the others, its name.
//!
//! Separate because everybody who has to do with a connection shares it: the sockets' octets pass by it, requests
//! begin and end in it, and as long as it is there the connection counts, also when it has become a tunnel.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Limits;
use super::doors::{Guest, Slot};
use crate::http1::fields::Fields;
use crate::monotonic::{self, Moment};
use crate::proxy::{Body, BoxError, Deadline, Observe};

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

/// Which phase a connection is in, and by when it must leave it.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) deadline: Deadline,
    limits: Arc<Limits>,
    begun: Moment,
    is_http2: AtomicBool,
    /// Whether the next byte begins something: a first request, or the head of another one.
    awaits_byte: AtomicBool,
    /// Whether the client takes no bytes at the moment.
    write_stalled: AtomicBool,
    /// Requests being answered.
    exchanges: AtomicU32,
    /// Requests so far.
    requests: AtomicU32,
    /// Whether it shall end after the requests at hand because it has lasted long enough.
    retires: AtomicBool,
    /// Whether it was told to end.
    is_closing: AtomicBool,
    is_overdue: AtomicBool,
    is_tunnel: AtomicBool,
    server_name: OnceLock<Box<str>>,
    slot: Slot,
    guest: OnceLock<Guest>,
    _token: TaskTrackerToken,
}

impl Watch {
    /// A connection that has just been accepted.
    pub(super) fn new(limits: Arc<Limits>, slot: Slot, token: TaskTrackerToken) -> Self {
        Self {
            deadline: Deadline::new(limits.first_byte),
            limits,
            begun: monotonic::now(),
            is_http2: AtomicBool::new(false),
            awaits_byte: AtomicBool::new(true),
            write_stalled: AtomicBool::new(false),
            exchanges: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            retires: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            is_overdue: AtomicBool::new(false),
            is_tunnel: AtomicBool::new(false),
            server_name: OnceLock::new(),
            slot,
            guest: OnceLock::new(),
            _token: token,
        }
    }

    /// Begins to wait for the first request, after whatever came before it.
    pub(super) fn speaks(&self, protocol: Protocol) {
        self.is_http2.store(protocol == Protocol::Http2, Ordering::Relaxed);
        self.deadline.set(self.limits.first_byte);
    }

    /// Counts the connection among those of its address.
    pub(super) fn belongs_to(&self, guest: Guest) {
        drop(self.guest.set(guest));
    }

    /// Notes which host the client asked for when it began TLS.
    pub(super) fn asked_for(&self, server_name: &str) {
        drop(self.server_name.set(server_name.into()));
    }

    /// Whether the host of a request is not the one that TLS was begun for.
    pub(super) fn is_misdirected(&self, host: &[u8]) -> bool {
        self.server_name.get().is_some_and(|name| !is_same_host(host, name))
    }

    /// Whether it was let in only to be told that there is no room.
    pub(super) const fn is_turned_away(&self) -> bool {
        self.slot.is_turned_away()
    }

    /// Notes that it shall end after the request at hand.
    pub(super) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Notes that it shall end whatever is on its way.
    pub(super) fn give_up(&self) {
        self.close();
        self.is_overdue.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.is_overdue.load(Ordering::Relaxed)
    }

    /// Notes that what follows is no HTTP.
    pub(super) fn becomes_tunnel(&self) {
        self.is_tunnel.store(true, Ordering::Relaxed);
    }

    fn is_tunnel(&self) -> bool {
        self.is_tunnel.load(Ordering::Relaxed)
    }

    /// Whether no request is being answered; one may be on its way.
    pub(super) fn is_between(&self) -> bool {
        self.exchanges.load(Ordering::Relaxed) == 0 && !self.is_tunnel()
    }

    /// Whether nothing is going on.
    pub(super) fn is_idle(&self) -> bool {
        let waits = self.awaits_byte.load(Ordering::Relaxed) || self.is_http2.load(Ordering::Relaxed);
        self.is_between() && waits
    }

    /// Whether it has lasted, or answered, long enough.
    pub(super) fn is_spent(&self) -> bool {
        self.requests.load(Ordering::Relaxed) >= self.limits.requests_max
            || monotonic::now() - self.begun >= self.limits.age_max
    }

    /// Whether its deadline has passed only to make it end in order; asked once.
    pub(super) fn takes_retirement(&self) -> bool {
        if !self.retires.load(Ordering::Relaxed) {
            return false;
        }
        self.retires.store(false, Ordering::Relaxed);
        if self.exchanges.load(Ordering::Relaxed) > 0 {
            self.deadline.clear();
        } else {
            self.deadline.set(self.limits.keep_alive);
        }
        true
    }

    fn exchange_began(&self) {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.awaits_byte.store(false, Ordering::Relaxed);
        if !self.retires.load(Ordering::Relaxed) {
            self.deadline.clear();
        }
    }

    fn exchange_ended(&self) {
        let was_last = self.exchanges.fetch_sub(1, Ordering::Relaxed) == 1;
        if was_last {
            // Between the requests of an HTTP/2 connection bytes may come that begin nothing.
            let is_http2 = self.is_http2.load(Ordering::Relaxed);
            self.awaits_byte.store(!is_http2, Ordering::Relaxed);
            self.deadline.set(self.limits.keep_alive);
        }
        if self.retires.load(Ordering::Relaxed) {
            self.deadline.set(Duration::ZERO);
        }
    }

    /// Makes an HTTP/2 connection end after the requests at hand; it is noticed as soon as anything moves on it.
    pub(super) fn retire(&self) {
        self.retires.store(true, Ordering::Relaxed);
        self.deadline.set(Duration::ZERO);
    }
}

impl Observe for Watch {
    fn read(&self) {
        if self.awaits_byte.load(Ordering::Relaxed) {
            self.awaits_byte.store(false, Ordering::Relaxed);
            let is_http2 = self.is_http2.load(Ordering::Relaxed);
            self.deadline.set(if is_http2 { self.limits.keep_alive } else { self.limits.head });
        }
    }

    fn wrote(&self) {
        if self.write_stalled.load(Ordering::Relaxed) {
            self.write_stalled.store(false, Ordering::Relaxed);
            if self.exchanges.load(Ordering::Relaxed) > 0 {
                self.deadline.clear();
            } else {
                self.deadline.set(self.limits.keep_alive);
            }
        }
    }

    fn write_blocked(&self) {
        if !self.write_stalled.swap(true, Ordering::Relaxed) {
            self.deadline.set(self.limits.write_stall);
        }
    }
}

/// Whether the host, perhaps with a port and a final dot, is that name.
fn is_same_host(host: &[u8], name: &str) -> bool {
    let end = host.iter().rposition(|octet| *octet == b':').filter(|_| host.first() != Some(&b'['));
    let host = end.and_then(|end| host.get(..end)).unwrap_or(host);
    let host = host.strip_suffix(b".").unwrap_or(host);
    host.eq_ignore_ascii_case(name.trim_end_matches('.').as_bytes())
}

/// The body of a response, which is over when it is dropped.
pub(super) struct Tracked {
    body: Body,
    _exchange: Exchange,
}

impl Tracked {
    pub(super) const fn new(body: Body, exchange: Exchange) -> Self {
        Self { body, _exchange: exchange }
    }

    /// Takes the application's fields that go out behind those of the response itself.
    pub(super) fn take_fields(&mut self) -> Option<Fields> {
        self.body.take_fields()
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A request that is being answered.
pub(super) struct Exchange(Arc<Watch>);

impl Exchange {
    pub(super) fn begin(watch: Arc<Watch>) -> Self {
        watch.exchange_began();
        Self(watch)
    }

    /// Goes on with a request that has been answered, for as long as its stream is something else.
    pub(super) fn go_on(watch: Arc<Watch>) -> Self {
        watch.exchanges.fetch_add(1, Ordering::Relaxed);
        Self(watch)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.exchange_ended();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_compared_without_port_dot_and_case() {
        for (host, name, same) in [
            ("app.example.com", "app.example.com", true),
            ("APP.example.com:8443", "app.example.com", true),
            ("app.example.com.", "app.example.com", true),
            ("app.example.com.:443", "app.example.com", true),
            ("login.example.com", "app.example.com", false),
            ("app.example.com.evil", "app.example.com", false),
            ("[::1]:443", "app.example.com", false),
        ] {
            assert_eq!(is_same_host(host.as_bytes(), name), same, "{host}");
        }
    }
}
