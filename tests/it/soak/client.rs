//! One of many people: asks, listens, talks and hangs up, and holds every answer against the question.
//!
//! Separate because people share connections here, as they do behind a company's proxy: whoever is taken for another
//! because they came the same way is found out.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom::id::hex;
use anteroom::secret::sha256;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

use super::{Badge, Chance, World};
use crate::browserless::PATIENCE;

/// Connections that people share.
#[derive(Default)]
pub(super) struct Pools {
    h1: Mutex<Vec<http1::SendRequest<Full<Bytes>>>>,
    h2: [Mutex<Option<http2::SendRequest<Full<Bytes>>>>; 3],
}

/// Somebody at work.
pub(super) struct Client {
    world: Arc<World>,
    pools: Arc<Pools>,
    number: usize,
    chance: Chance,
    /// What it waits for, for whoever has to find out why it waits in vain.
    waits_for: &'static str,
    way: Way,
}

/// Why there is no answer to hold against anything.
struct Lost(String);

type Outcome<T> = Result<T, Lost>;

impl From<hyper::Error> for Lost {
    fn from(error: hyper::Error) -> Self {
        Self(format!("{error:?}"))
    }
}

impl Client {
    pub(super) const fn new(world: Arc<World>, pools: Arc<Pools>, number: usize, chance: Chance) -> Self {
        Self { world, pools, number, chance, waits_for: "nothing", way: Way::H1 }
    }

    pub(super) async fn work(mut self) {
        while !self.world.is_over() {
            sleep(Duration::from_millis(self.chance.below(60))).await;
            let (badge, restarts) = (self.world.people[self.number].badge(), self.world.restarts());
            if restarts % 2 == 1 {
                // Nobody is there.
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            let nonce = format!("{}-{}", self.number, self.chance.below(1 << 60));
            let done = timeout(PATIENCE, self.act(&badge, &nonce)).await;
            let disturbed = || {
                let ended = self.world.people[self.number].badge().name != badge.name || badge.ending;
                self.world.restarts() != restarts || ended
            };
            match done {
                Ok(Ok(())) => {}
                Ok(Err(_)) if disturbed() || self.is_ending() => self.world.count("lost in a disturbance"),
                Ok(Err(Lost(why))) if why.contains("ConnectionReused") => {
                    self.world.count("met a closed connection");
                }
                Ok(Err(Lost(why))) => self.world.fail(format!("{nonce}: no answer: {why}")),
                Err(_) => {
                    let (way, waits_for, began) = (self.way, self.waits_for, self.world.began);
                    let restarts = self.world.restarts() - restarts;
                    self.world.fail(format!(
                        "{nonce}: no answer in time, {way:?}: waits for {waits_for} until {:?}, {restarts} half restarts",
                        began.elapsed()
                    ));
                }
            }
        }
    }

    fn is_ending(&self) -> bool {
        self.world.people[self.number].badge().ending
    }

    async fn act(&mut self, badge: &Badge, nonce: &str) -> Outcome<()> {
        match self.chance.below(12) {
            0..3 => self.ask(badge, nonce, Way::H1, "echo").await,
            3..6 => self.ask(badge, nonce, Way::H2, "echo").await,
            6 => self.ask(badge, nonce, Way::H1, "large").await,
            7 => self.ask(badge, nonce, Way::H2, "large").await,
            8 => self.ask(badge, nonce, Way::H2, "events").await,
            9 => self.talk(badge, nonce).await,
            10 => self.hang_up(badge, nonce, Way::H1).await,
            _ => self.hang_up(badge, nonce, Way::H2).await,
        }
    }

    /// A question with or without a body, and the whole answer.
    async fn ask(&mut self, badge: &Badge, nonce: &str, way: Way, what: &'static str) -> Outcome<()> {
        let body = if self.chance.below(3) == 0 {
            self.world.count("upload");
            Bytes::from(nonce.repeat(usize::try_from(1 + self.chance.below(2_000)).expect("a small number")))
        } else {
            Bytes::new()
        };
        let digest = hex(&sha256(&body));
        let request = self.request(badge, way, &format!("/{what}/{nonce}"), body);
        let (response, back) = self.send(way, request).await?;
        let status = response.status();
        self.waits_for = what;
        let text = response.into_body().collect().await?.to_bytes();
        if let Some(sender) = back {
            self.pools.h1.lock().expect("nobody panics here").push(sender);
        }
        let text = String::from_utf8_lossy(&text);
        if status != 200 {
            return self.refused(badge, nonce, status.as_u16());
        }
        self.world.count(match way {
            _ if what == "events" => "events",
            Way::H1 => "h1",
            Way::H2 => "h2",
        });
        let mine = format!("{} {} {nonce}", self.world.people[self.number].id.as_str(), badge.name);
        let wanted = if what == "events" { format!("data: {mine}") } else { format!("{mine} {digest}") };
        let lines = text.lines().filter(|line| !line.is_empty());
        if let Some(other) = lines.clone().find(|line| *line != wanted) {
            self.world.fail(format!("{mine} got the answer of {other}"));
        }
        let count = match what {
            "events" => 6,
            "large" => 4_000,
            _ => 1,
        };
        if lines.count() != count {
            self.world.fail(format!("{mine}: {count} lines were expected of {what}"));
        }
        Ok(())
    }

    /// A conversation by WebSocket.
    async fn talk(&mut self, badge: &Badge, nonce: &str) -> Outcome<()> {
        let host = self.world.url.host_str().expect("a host");
        let address = format!("wss://{host}/socket/{nonce}");
        let mut request = address.into_client_request().map_err(|error| Lost(error.to_string()))?;
        request.headers_mut().insert("cookie", cookie(badge).parse().expect("plain text"));
        request.headers_mut().insert("origin", format!("https://{host}").parse().expect("plain text"));
        let stream = self.connect(Way::H1).await?;
        self.waits_for = "its socket";
        let (mut socket, _) =
            client_async(request, stream).await.map_err(|error| Lost(format!("no socket: {error}")))?;
        let mine = format!("{} {} {nonce}", self.world.people[self.number].id.as_str(), badge.name);
        for number in 0..=self.chance.below(6) {
            socket.send(Message::text(number.to_string())).await.map_err(|error| Lost(error.to_string()))?;
            let Some(Ok(Message::Text(said))) = socket.next().await else {
                return Err(Lost("the socket was closed".to_owned()));
            };
            if said.as_str() != format!("{mine} {number}") {
                self.world.fail(format!("{mine} got the answer of {said}"));
            }
        }
        self.world.count("socket");
        Ok(())
    }

    /// A question whose answer nobody waits for, or reads to its end.
    async fn hang_up(&mut self, badge: &Badge, nonce: &str, way: Way) -> Outcome<()> {
        let body =
            Bytes::from(vec![b'x'; usize::try_from(self.chance.below(100_000)).expect("a small number")]);
        let request = self.request(badge, way, &format!("/large/{nonce}"), body);
        let patience = Duration::from_millis(self.chance.below(12));
        if let Ok(sent) = timeout(patience, self.send(way, request)).await {
            let (response, _sender) = sent?;
            drop(response.into_body().frame().await);
        }
        self.world.count("aborted");
        Ok(())
    }

    /// `401` is right for a session that was ended, and for no other.
    fn refused(&self, badge: &Badge, nonce: &str, status: u16) -> Outcome<()> {
        let now = self.world.people[self.number].badge();
        if status == 401 && (now.name != badge.name || now.ending) {
            self.world.count("refused in time");
            return Ok(());
        }
        Err(Lost(format!("{nonce}: status {status}")))
    }

    fn request(&self, badge: &Badge, way: Way, path: &str, body: Bytes) -> Request<Full<Bytes>> {
        let host = self.world.url.host_str().expect("a host");
        let method = if body.is_empty() { "GET" } else { "POST" };
        let request = Request::builder().method(method).header("cookie", cookie(badge));
        let request = request.header("accept", "application/json");
        let request = match way {
            Way::H1 => request.uri(path).header("host", host),
            Way::H2 => request.uri(format!("https://{host}{path}")),
        };
        request.body(Full::new(body)).expect("a request")
    }

    /// Sends a request on a connection that others use, too; an HTTP/1.1 connection comes back for the pool.
    async fn send(
        &mut self,
        way: Way,
        request: Request<Full<Bytes>>,
    ) -> Outcome<(Response<Incoming>, Option<http1::SendRequest<Full<Bytes>>>)> {
        self.way = way;
        match way {
            Way::H1 => {
                let kept = self.pools.h1.lock().expect("nobody panics here").pop();
                let mut sender = match kept.filter(|sender| !sender.is_closed()) {
                    Some(sender) => sender,
                    None => self.open_h1().await?,
                };
                self.waits_for = "its turn";
                if sender.ready().await.is_err() {
                    sender = self.open_h1().await?;
                }
                self.waits_for = "a head";
                let sent = sender.try_send_request(request).await;
                let response = match sent {
                    Ok(response) => response,
                    Err(mut error) => match error.take_message() {
                        // Closed while it lay in the pool: nothing was sent.
                        Some(request) => {
                            sender = self.open_h1().await?;
                            sender.send_request(request).await?
                        }
                        None => return Err(Lost(format!("ConnectionReused: {:?}", error.error()))),
                    },
                };
                Ok((response, Some(sender)))
            }
            Way::H2 => {
                let number = usize::try_from(self.chance.below(3)).expect("a small number");
                let kept = self.pools.h2[number].lock().expect("nobody panics here").clone();
                let mut sender = match kept.filter(|sender| !sender.is_closed()) {
                    Some(sender) => sender,
                    None => self.open_h2(number).await?,
                };
                self.waits_for = "its turn";
                if sender.ready().await.is_err() {
                    sender = self.open_h2(number).await?;
                }
                self.waits_for = "a head";
                let again = request.clone();
                let response = match sender.send_request(request).await {
                    Ok(response) => response,
                    // It has had as many requests as a connection has, and went away before it took this one.
                    Err(error) if has_gone_away(&error) => {
                        self.world.count("met a connection that goes away");
                        sender = self.open_h2(number).await?;
                        sender.send_request(again).await?
                    }
                    Err(error) => return Err(error.into()),
                };
                Ok((response, None))
            }
        }
    }

    async fn open_h1(&mut self) -> Outcome<http1::SendRequest<Full<Bytes>>> {
        let (sender, connection) = http1::handshake(TokioIo::new(self.connect(Way::H1).await?)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn open_h2(&mut self, number: usize) -> Outcome<http2::SendRequest<Full<Bytes>>> {
        let io = TokioIo::new(self.connect(Way::H2).await?);
        self.waits_for = "a handshake";
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        *self.pools.h2[number].lock().expect("nobody panics here") = Some(sender.clone());
        Ok(sender)
    }

    async fn connect(&mut self, way: Way) -> Outcome<Box<dyn crate::browserless::Stream>> {
        let protocol: &[u8] = match way {
            Way::H1 => b"http/1.1",
            Way::H2 => b"h2",
        };
        self.waits_for = "a connection";
        let connected = self.world.net.speaking(protocol).try_connect(&self.world.url).await;
        connected.map_err(|error| Lost(format!("no connection: {error}")))
    }
}

/// Whether the other side has done nothing with a request of HTTP/2 (RFC 9113 6.8), or it was never sent.
fn has_gone_away(error: &hyper::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    error.is_canceled()
        || cause.is_some_and(|cause| {
            cause.is_go_away() && cause.is_remote() && cause.reason() == Some(h2::Reason::NO_ERROR)
        })
}

/// Which protocol.
#[derive(Debug, Clone, Copy)]
enum Way {
    H1,
    H2,
}

fn cookie(badge: &Badge) -> String {
    format!("__Host-anteroom={}; theme=dark", badge.cookie)
}

/// A second after a session was ended nobody gets in with it, wherever it is tried.
pub(super) async fn stays_out(world: &Arc<World>, number: usize, old: &Badge) {
    sleep(Duration::from_secs(1)).await;
    let mut client = Client::new(Arc::clone(world), Arc::default(), number, Chance(0));
    let request = client.request(old, Way::H1, "/echo/zombie", Bytes::new());
    let answer = async {
        let mut sender = client.open_h1().await?;
        Ok::<_, Lost>(sender.send_request(request).await?.status())
    };
    match timeout(PATIENCE, answer).await {
        Ok(Ok(status)) if status == 401 => world.count("stayed out"),
        Ok(Ok(status)) if status.is_success() => {
            world.fail(format!("{number} is still in with a session that was ended: {status}"));
        }
        // Nobody was there to ask.
        _ => world.count("not asked"),
    }
}
