//! Sockets that listen, and the loop that accepts.
//!
//! Separate because running out of descriptors or of connections is handled here alone (R-14, R-18: the loop
//! pauses, it neither spins nor ends), and so is giving an address to the next process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use super::connection::Front;
use super::doors::{Doors, Slot};
use super::{Error, Handler, Settings, Sharing};

/// The system's queue of connections that are not accepted yet.
const BACKLOG: i32 = 1024;

/// Pauses after an error, doubling from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LAST: Duration = Duration::from_secs(1);

/// One core's sockets, one for each address.
pub(super) type Listeners = Vec<Listener>;

/// A socket that listens.
#[derive(Debug)]
pub(super) struct Listener {
    socket: std::net::TcpListener,
    origin: Origin,
}

/// One that a runtime knows.
pub(super) type Registered = (TcpListener, Origin);

/// What becomes of the connections in a socket's queue when we stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// They are ours to answer: the system resets them with the socket.
    Own(Sharing),
    /// They wait for the next process, which gets the same socket.
    Inherited,
}

/// Binds every address once for each of `count` cores, or takes the sockets that were handed over instead.
pub(super) fn bind(settings: &Settings, count: usize) -> Result<(Vec<Listeners>, Vec<SocketAddr>), Error> {
    let mut cores: Vec<Listeners> = (0..count).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    if !settings.inherited.is_empty() {
        for socket in &settings.inherited {
            let address = socket.local_addr().map_err(Error::Inherited)?;
            for core in &mut cores {
                core.push(duplicate(socket).map_err(Error::Inherited)?);
            }
            bound.push(address);
        }
        return Ok((cores, bound));
    }
    for address in &settings.addresses {
        let listen = |source| Error::Listen { address: *address, source };
        let mut actual = match settings.sharing {
            Sharing::Alone => reserve(*address).map_err(listen)?,
            Sharing::WithOthers => *address,
        };
        for core in &mut cores {
            let socket = open(actual, Shared::Yes).map_err(listen)?;
            actual = socket.local_addr().map_err(listen)?;
            core.push(Listener { socket, origin: Origin::Own(settings.sharing) });
        }
        bound.push(actual);
    }
    Ok((cores, bound))
}

fn duplicate(socket: &std::net::TcpListener) -> io::Result<Listener> {
    let socket = socket.try_clone()?;
    socket.set_nonblocking(true)?;
    Ok(Listener { socket, origin: Origin::Inherited })
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

/// Makes the sockets known to the runtime of this thread.
pub(super) fn register(listeners: Listeners) -> io::Result<Vec<Registered>> {
    let register = |Listener { socket, origin }| TcpListener::from_std(socket).map(|socket| (socket, origin));
    listeners.into_iter().map(register).collect()
}

/// Accepts connections until the shutdown begins.
pub(super) async fn accept<H: Handler>(
    listeners: Vec<Registered>,
    front: &Front<H>,
    doors: &Doors,
    last_call: Duration,
) -> io::Result<()> {
    let loops = listeners.into_iter().map(|(socket, origin)| async move {
        accept_on(&socket, front, doors).await;
        match origin {
            Origin::Own(sharing) => hand_over(socket, front, doors, (sharing, last_call)).await,
            Origin::Inherited => Ok(()),
        }
    });
    futures_util::future::try_join_all(loops).await.map(drop)
}

async fn accept_on<H: Handler>(listener: &TcpListener, front: &Front<H>, doors: &Doors) {
    let mut pause = PAUSE_FIRST;
    loop {
        let accepted = tokio::select! {
            biased;
            () = front.shutdown().cancelled() => return,
            accepted = next(listener, doors) => accepted,
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
                    () = front.shutdown().cancelled() => return,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSE_LAST);
            }
        }
    }
}

async fn next(listener: &TcpListener, doors: &Doors) -> io::Result<(TcpStream, SocketAddr, Slot)> {
    let slot = doors.open().await;
    let (stream, address) = listener.accept().await?;
    Ok((stream, address, slot))
}

/// Answers everybody who has been promised a connection, and closes the socket. Beside another process, newcomers are
/// first turned over to its sockets, and those in between may come in.
async fn hand_over<H: Handler>(
    listener: TcpListener,
    front: &Front<H>,
    doors: &Doors,
    (sharing, last_call): (Sharing, Duration),
) -> io::Result<()> {
    if sharing == Sharing::WithOthers {
        if let Err(error) = ignore_newcomers(&listener) {
            tracing::debug!(%error, "cannot turn newcomers over; some may be reset");
        }
        let mut end = std::pin::pin!(sleep(last_call));
        loop {
            tokio::select! {
                accepted = next(&listener, doors) => {
                    if let Ok((stream, address, slot)) = accepted {
                        front.welcome(stream, address, slot);
                    }
                }
                () = end.as_mut() => break,
            }
        }
    }
    // The runtime may not have heard of all that wait.
    let listener = listener.into_std()?;
    while let Ok((stream, address)) = listener.accept() {
        let Some(slot) = doors.open_now() else { break };
        stream.set_nonblocking(true)?;
        front.welcome(TcpStream::from_std(stream)?, address, slot);
    }
    Ok(())
}

/// Makes the system pass over what begins a connection (SYN): the client asks again a second later and, as this
/// socket is closed by then, gets one of another process. What completes a connection still comes in.
#[cfg(target_os = "linux")]
fn ignore_newcomers(listener: &TcpListener) -> io::Result<()> {
    use socket2::SockFilter;
    const LOAD_OCTET: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const FLAGS_AT: u32 = 13;
    const SYN: u32 = 0x02;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_OCTET, 0, 0, FLAGS_AT),
        SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

#[cfg(not(target_os = "linux"))]
fn ignore_newcomers(_: &TcpListener) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Takes the sockets that the service manager has opened for us (`LISTEN_FDS`); none if it has not. Later calls get
/// none: sockets are taken once.
pub fn inherited() -> Result<Vec<Arc<std::net::TcpListener>>, Error> {
    let mut handed = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for place in 0..handed.len() {
        sockets.extend(handed.take_tcp_listener(place).map_err(Error::Inherited)?.map(Arc::new));
    }
    Ok(sockets)
}

/// Whether only the one connection failed, before we got it.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
