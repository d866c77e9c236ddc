//! The connection of a client that asks to go on in another protocol.
//!
//! Separate because it passes from the server, which has it, to the tunnel, which wants it, with the request that asks.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// Goes with a request that asks for an upgrade: its connection, once `101` has been sent.
#[derive(Debug)]
pub(crate) struct Upgrade(oneshot::Receiver<Upgraded>);

/// A connection that is no HTTP any more.
pub(crate) struct Upgraded {
    pub(super) io: Box<dyn Octets>,
    /// What has come already.
    pub(super) octets: Bytes,
    /// What is held as long as the connection is there.
    pub(super) holds: Arc<dyn Send + Sync>,
}

/// Octets both ways.
pub(crate) trait Octets: AsyncRead + AsyncWrite + Send + Unpin {}

impl<IO: AsyncRead + AsyncWrite + Send + Unpin> Octets for IO {}

impl Upgrade {
    /// For one request, and where its connection is to be sent.
    pub(crate) fn new() -> (Self, oneshot::Sender<Upgraded>) {
        let (sender, receiver) = oneshot::channel();
        (Self(receiver), sender)
    }

    /// Waits for the connection; it does not come at all if it is gone.
    pub(super) fn wait(self) -> oneshot::Receiver<Upgraded> {
        self.0
    }
}

impl Upgraded {
    /// A connection from which these octets have been read already.
    pub(crate) fn new(
        io: impl Octets + 'static,
        octets: Bytes,
        holds: Arc<impl Send + Sync + 'static>,
    ) -> Self {
        Self { io: Box::new(io), octets, holds }
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded").field("octets", &self.octets.len()).finish_non_exhaustive()
    }
}
