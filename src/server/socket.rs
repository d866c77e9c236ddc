//! The socket of a client under TLS, which says when octets leave by it.
//!
//! Separate because it can be seen nowhere else: TLS takes octets long before they are sent, and whoever wrote the last of
//! them has nothing more to write by which it would be noticed that the client takes some.

use std::sync::Arc;

use tokio::net::TcpStream;

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
