//! The connection of a client that asks to go on in another protocol.
//!
//! Separate because it passes from the server, which has it, to the tunnel, which wants it, with the request that asks.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use crate::http1::fields::Fields;

/// Goes with a request that asks for an upgrade: its connection, once `101` has been sent.
#[derive(Debug)]
pub(crate) struct Upgrade {
    connection: oneshot::Receiver<Upgraded>,
    /// What the application has to say to a key of ours; one of the client's is judged by the client.
    accept: Option<Box<str>>,
}

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
        let (sender, connection) = oneshot::channel();
        (Self { connection, accept: None }, sender)
    }

    /// The same with a key of ours, to which an application that understands it says this.
    pub(crate) fn accepted_by(accept: Box<str>) -> (Self, oneshot::Sender<Upgraded>) {
        let (upgrade, sender) = Self::new();
        (Self { accept: Some(accept), ..upgrade }, sender)
    }

    /// Whether what it asks for is a stream of HTTP/2, where nobody but us has a key.
    pub(super) const fn is_of_stream(&self) -> bool {
        self.accept.is_some()
    }

    /// Whether the application has understood the key (RFC 6455 4.1).
    pub(super) fn is_accepted(&self, answered: &Fields) -> bool {
        let mut said = answered.iter().filter(|field| field.name == b"sec-websocket-accept");
        let Some(accept) = &self.accept else { return true };
        said.next().is_some_and(|field| field.value == accept.as_bytes()) && said.next().is_none()
    }

    /// Waits for the connection; it does not come at all if it is gone.
    pub(super) fn wait(self) -> oneshot::Receiver<Upgraded> {
        self.connection
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
