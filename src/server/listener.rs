//! Sockets that listen, and the loop that accepts.
//!
//! Separate because running out of descriptors or of connections is handled here alone: the loop
//! pauses, it neither spins nor ends.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::connection::Front;
use super::{Error, Handler};

/// The system's queue of connections that are not accepted yet.
const BACKLOG: i32 = 1024;

/// Pauses after an error, doubling from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(1);

/// One core's sockets, one for each address.
pub(super) type Listeners = Vec<std::net::TcpListener>;

/// Binds every address once for each of `count` cores.
pub(super) fn bind(
    addresses: &[SocketAddr],
    count: usize,
) -> Result<(Vec<Listeners>, Vec<SocketAddr>), Error> {
    let mut cores: Vec<Listeners> = (0..count).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    for address in addresses {
        let listen = |source| Error::Listen { address: *address, source };
        let mut actual = reserve(*address).map_err(listen)?;
        for core in &mut cores {
            let socket = open(actual, Shared::Yes).map_err(listen)?;
            actual = socket.local_addr().map_err(listen)?;
            core.push(socket);
        }
        bound.push(actual);
    }
    Ok((cores, bound))
}

/// Whether several sockets may listen on the address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shared {
    Yes,
    No,
}

/// Finds out that nobody else listens on the address: sharing it with our own sockets would otherwise share it
/// with another process too, which then got half of the visitors.
fn reserve(address: SocketAddr) -> io::Result<SocketAddr> {
    open(address, Shared::No)?.local_addr()
}

fn open(address: SocketAddr, shared: Shared) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared == Shared::Yes {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts connections until the shutdown begins.
pub(super) async fn accept<H: Handler>(
    listeners: Listeners,
    front: &Front<H>,
    slots: &Arc<Semaphore>,
) -> io::Result<()> {
    let loops = listeners.into_iter().map(|listener| accept_on(listener, front, slots));
    futures_util::future::try_join_all(loops).await.map(drop)
}

async fn accept_on<H: Handler>(
    listener: std::net::TcpListener,
    front: &Front<H>,
    slots: &Arc<Semaphore>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut pause = PAUSE_FIRST;
    loop {
        let next = async {
            let slot = Arc::clone(slots).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, address)| (stream, address, slot))
        };
        let accepted = tokio::select! {
            biased;
            () = front.shutdown().cancelled() => return Ok(()),
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, address, slot)) => {
                pause = PAUSE_FIRST;
                front.welcome(stream, address, slot);
            }
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections; pausing");
                tokio::select! {
                    () = front.shutdown().cancelled() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSE_LAST);
            }
        }
    }
}

/// Whether only the one connection failed, before we got it.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
