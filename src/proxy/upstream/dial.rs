//! From an upstream's addresses to a connection that is ready to be spoken on.
//!
//! Separate because it is all about time: an address that does not answer must not hold up the next one (RFC 8305),
//! and each step has its limit.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

use super::addresses::{Current, Seen};
use super::tls::Tls;
use crate::proxy::Failure;

/// How long an address is tried alone (RFC 8305 5, "Connection Attempt Delay").
const HEAD_START: Duration = Duration::from_millis(250);
/// Addresses tried for one connection.
const ADDRESSES_MAX: usize = 8;

/// What an upstream's connections are made of.
#[derive(Debug)]
pub(super) enum Link {
    /// HTTP/1.1 in clear text.
    Clear,
    /// HTTP/2 in clear text.
    Streams,
    /// TLS.
    Tls(Tls),
    /// TLS, and nobody has said how.
    Unset,
}

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Inside {
    /// A request in any protocol that the upstream speaks.
    Any,
    /// A WebSocket, which needs a connection of HTTP/1.1 for itself.
    Http1,
}

/// A connection that is ready.
pub(in crate::proxy) struct Dialled {
    pub(in crate::proxy) wire: Wire,
    pub(in crate::proxy) has_streams: bool,
    pub(in crate::proxy) seen: Seen,
}

/// The octets of a connection.
#[derive(Debug)]
pub(in crate::proxy) enum Wire {
    /// In clear text.
    Clear(TcpStream),
    /// Within TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Tries to read an octet, as far as that can be told without waiting; `None` within TLS, where it cannot.
    pub(in crate::proxy) fn try_read_octet(&self) -> Option<io::Result<usize>> {
        match self {
            Self::Clear(stream) => Some(stream.try_read(&mut [0])),
            Self::Tls(_) => None,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write(context, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, octets),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Clear(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A connection to an address, nothing said yet.
pub(super) struct Reached {
    stream: TcpStream,
    seen: Seen,
}

impl Link {
    pub(super) const fn may_have_streams(&self) -> bool {
        match self {
            Self::Clear | Self::Unset => false,
            Self::Streams => true,
            Self::Tls(tls) => tls.offers_streams(),
        }
    }

    /// Whether it is of any use to connect.
    pub(super) fn can_carry(&self, inside: Inside) -> Result<(), Failure> {
        match self {
            Self::Streams if inside == Inside::Http1 => Err(Failure::NoWebSocket),
            Self::Unset => Err(unset()),
            Self::Clear | Self::Streams | Self::Tls(_) => Ok(()),
        }
    }

    /// Says what has to be said before HTTP.
    pub(super) async fn begin(
        &self,
        reached: Reached,
        host: &str,
        limit: Duration,
        inside: Inside,
    ) -> Result<Dialled, Failure> {
        let Reached { stream, seen } = reached;
        match self {
            Self::Clear => Ok(Dialled { wire: Wire::Clear(stream), has_streams: false, seen }),
            Self::Streams => Ok(Dialled { wire: Wire::Clear(stream), has_streams: true, seen }),
            Self::Tls(tls) => {
                let handshake = tls.handshake(host, stream, inside);
                let stream = timeout(limit, handshake).await.map_err(|_| Failure::ConnectTimeout)??;
                let has_streams = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                Ok(Dialled { wire: Wire::Tls(Box::new(stream)), has_streams, seen })
            }
            Self::Unset => Err(unset()),
        }
    }
}

fn unset() -> Failure {
    Failure::TlsFailed(io::Error::other("TLS to the upstream is not set up"))
}

/// Connects to one of the addresses: each gets a head start, and the first to answer wins.
pub(super) async fn reach(current: &Current, turn: usize, limit: Duration) -> Result<Reached, Failure> {
    let reached = |stream, address| Reached { stream, seen: Seen { address, edition: current.edition } };
    if let [address] = *current.addresses {
        return Ok(reached(connect(address, limit).await?.0, address));
    }
    let mut waiting = in_turn(&current.addresses, turn).into_iter();
    let mut attempts = FuturesUnordered::new();
    attempts.extend(waiting.next().map(|address| connect(address, limit)));
    let mut failure = Failure::ConnectFailed(io::ErrorKind::NotFound.into());
    loop {
        tokio::select! {
            biased;
            ended = attempts.next() => match ended {
                None => return Err(failure),
                Some(Ok((stream, address))) => return Ok(reached(stream, address)),
                Some(Err(error)) => {
                    failure = error;
                    attempts.extend(waiting.next().map(|address| connect(address, limit)));
                }
            },
            () = sleep(HEAD_START), if waiting.len() > 0 => {
                attempts.extend(waiting.next().map(|address| connect(address, limit)));
            }
        }
    }
}

/// The addresses, another one first every time, both families by turns.
fn in_turn(addresses: &[SocketAddr], turn: usize) -> Vec<SocketAddr> {
    let count = addresses.len().max(1);
    let rotated = addresses.iter().cycle().skip(turn % count).take(addresses.len()).copied();
    let first_is_v6 = addresses.get(turn % count).is_some_and(SocketAddr::is_ipv6);
    let (mut leading, mut other): (Vec<_>, Vec<_>) =
        rotated.partition(|address| address.is_ipv6() == first_is_v6);
    leading.reverse();
    other.reverse();
    let mut order = Vec::new();
    while order.len() < ADDRESSES_MAX && !(leading.is_empty() && other.is_empty()) {
        order.extend(leading.pop());
        order.extend(other.pop());
    }
    order.truncate(ADDRESSES_MAX);
    order
}

async fn connect(address: SocketAddr, limit: Duration) -> Result<(TcpStream, SocketAddr), Failure> {
    let attempt = timeout(limit, TcpStream::connect(address)).await;
    let stream = attempt.map_err(|_| Failure::ConnectTimeout)?.map_err(Failure::ConnectFailed)?;
    stream.set_nodelay(true).map_err(Failure::ConnectFailed)?;
    Ok((stream, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns_and_so_do_families() {
        let addresses = |list: &[&str]| list.iter().map(|one| one.parse().unwrap()).collect::<Vec<_>>();
        let known = addresses(&["[::1]:1", "[::2]:1", "127.0.0.1:1"]);
        assert_eq!(in_turn(&known, 0), addresses(&["[::1]:1", "127.0.0.1:1", "[::2]:1"]));
        assert_eq!(in_turn(&known, 1), addresses(&["[::2]:1", "127.0.0.1:1", "[::1]:1"]));
        assert_eq!(in_turn(&known, 5), addresses(&["127.0.0.1:1", "[::1]:1", "[::2]:1"]));
        assert_eq!(in_turn(&[], 3), []);
        let many: Vec<_> = (1..20).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
        assert_eq!(in_turn(&many, 18).len(), ADDRESSES_MAX);
    }
}
