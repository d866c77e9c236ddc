//! The socket of a client: what TLS lets through it, and how it ends.
//!
//! Separate because it can be seen nowhere else: TLS takes octets long before they are sent, and whoever wrote the last of
//! them has nothing more to write by which it would be noticed that the client takes some. And who reads nothing does
//! not come to the end of it.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};
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

    /// The socket below.
    fn socket(&self) -> &TcpStream;
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

    fn socket(&self) -> &TcpStream {
        self
    }
}

/// TLS says itself when everything was sent (RFC 8446 6.1).
impl Lasting for Box<TlsStream<Socket>> {
    fn ends(&self, _: Ending) {}

    fn socket(&self) -> &TcpStream {
        self.get_ref().0.get_ref()
    }
}

/// Waits for a client to go of which nothing is read at the moment.
///
/// The end of what it sends stands behind what is unread, and so does a reset; the system tells of both without reading. It
/// cannot tell of an end that has not arrived because there is no room for what comes before it.
#[derive(Default)]
pub(super) enum Departure {
    /// It is read of, or was until now.
    #[default]
    Unasked,
    /// Most applications take what they are sent in the meantime; then it is waited for once more.
    Soon {
        asked: Pin<Box<Sleep>>,
        was_read: bool,
    },
    Awaited(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// How long nothing is read of a client before it is asked after.
const ASKED_AFTER: Duration = Duration::from_secs(1);

impl Departure {
    /// Notes that it is read of the client again: nobody need be asked.
    pub(super) fn read(&mut self) {
        match self {
            Self::Unasked => {}
            Self::Soon { was_read, .. } => *was_read = true,
            Self::Awaited(_) => *self = Self::Unasked,
        }
    }

    /// Ready when the client has closed its side, or the connection is broken.
    pub(super) fn poll(&mut self, io: &impl Lasting, context: &mut Context<'_>) -> Poll<()> {
        loop {
            match self {
                Self::Unasked => {
                    *self = Self::Soon { asked: Box::pin(sleep(ASKED_AFTER)), was_read: false };
                }
                Self::Soon { asked, was_read } => {
                    ready!(asked.as_mut().poll(context));
                    if std::mem::take(was_read) {
                        asked.as_mut().reset(Instant::now() + ASKED_AFTER);
                    } else {
                        *self = Self::Awaited(Box::pin(departure_of(io.socket())));
                    }
                }
                Self::Awaited(departure) => return departure.as_mut().poll(context),
            }
        }
    }
}

/// Ends when nothing more will come from that client; never where that cannot be told.
fn departure_of(socket: &TcpStream) -> impl Future<Output = ()> + Send + use<> {
    // A second name of the socket has a readiness of its own, and an owner that does not lend it to anybody.
    let second = SockRef::from(socket).try_clone().and_then(|second| TcpStream::from_std(second.into()));
    async move {
        match second {
            Ok(second) => is_over(&second).await,
            Err(error) => {
                tracing::debug!(%error, "cannot ask after a client of which nothing is read");
                pending::<()>().await;
            }
        }
    }
}

/// What does not become ready by octets that wait to be read; the end of what a client sends is told with it.
#[cfg(target_os = "linux")]
const OUT_OF_BAND: Interest = Interest::PRIORITY.add(Interest::ERROR);
#[cfg(not(target_os = "linux"))]
const OUT_OF_BAND: Interest = Interest::ERROR;

async fn is_over(socket: &TcpStream) {
    match socket.ready(OUT_OF_BAND).await {
        Ok(ready) if ready.is_read_closed() || ready.is_error() => {}
        _ => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// A client and the socket of its connection, with something that nobody reads.
    async fn unread() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        client.write_all(b"nobody reads this").await.unwrap();
        socket.readable().await.unwrap();
        (client, socket)
    }

    async fn is_told(departure: &mut Departure, socket: &TcpStream) -> bool {
        std::future::poll_fn(|context| Poll::Ready(departure.poll(socket, context).is_ready())).await
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_is_noticed_without_reading() {
        for ending in [Ending::InOrder, Ending::CutOff] {
            let (client, socket) = unread().await;
            let mut departure = Departure::default();
            assert!(!is_told(&mut departure, &socket).await);
            departure.read();
            tokio::time::advance(ASKED_AFTER).await;
            assert!(!is_told(&mut departure, &socket).await);
            assert!(matches!(departure, Departure::Soon { .. }), "it was read of meanwhile");
            tokio::time::advance(ASKED_AFTER).await;
            // What is sent, in order or out of it, is no end.
            SockRef::from(&client).send_out_of_band(b"!").unwrap();
            assert!(!is_told(&mut departure, &socket).await);
            client.ends(ending);
            drop(client);
            std::future::poll_fn(|context| departure.poll(&socket, context)).await;
            departure.read();
            assert!(matches!(departure, Departure::Unasked));
        }
    }
}
