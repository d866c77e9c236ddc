//! The socket of a client: what TLS lets through it, and how it ends.
//!
//! Separate because it can be seen nowhere else: TLS takes octets long before they are sent, and whoever wrote the last of
//! them has nothing more to write by which it would be noticed that the client takes some.

use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::watch::Watch;
use crate::proxy::{Observe, Observed};

/// A socket whose octets that leave are told to the watch of its connection.
pub(super) type Socket = Observed<TcpStream, Leaving>;

/// Looks at what leaves alone: what comes in, and what has to wait, is judged where TLS has read or written it.
#[derive(Debug)]
pub(super) struct Leaving(Arc<Watch>);

impl Observe for Leaving {
    fn read(&self) {}

    fn wrote(&self) {
        self.0.wrote();
    }
}

/// Has a new socket tell what leaves.
pub(super) fn told(stream: TcpStream, watch: Arc<Watch>) -> Socket {
    Observed::new(stream, Arc::new(Leaving(watch)))
}

/// A connection on which a response may be as long as the connection lasts.
pub(super) trait Lasting {
    /// Says how it is to end if nobody says otherwise until then: like one that was cut off, or in good order.
    fn ends(&self, ending: Ending);
}

/// How a connection ends, whoever ends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// So that a client sees that it has not got everything.
    CutOff,
    /// So that what was sent arrives.
    InOrder,
}

impl Lasting for TcpStream {
    fn ends(&self, ending: Ending) {
        let linger = (ending == Ending::CutOff).then_some(Duration::ZERO);
        if let Err(error) = SockRef::from(self).set_linger(linger) {
            tracing::debug!(%error, ?ending, "cannot say how a connection is to end");
        }
    }
}

/// TLS says itself when everything was sent (RFC 8446 6.1).
impl Lasting for Box<TlsStream<Socket>> {
    fn ends(&self, _: Ending) {}
}
