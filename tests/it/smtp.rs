//! A mail server that the test controls: it keeps what it has taken over, refuses what it is told to refuse, and
//! stands still at the step that it is told.
//!
//! Separate because the other side of a mail is a network peer, which must not be ours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::app::until;
use crate::browserless::PATIENCE;

/// The steps of a delivery, in their order, as the client has come to them when the server stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Connected, not greeted.
    Connected,
    /// EHLO was sent.
    Hello,
    /// MAIL was sent.
    Mail,
    /// RCPT was sent.
    Recipient,
    /// DATA was sent.
    Data,
    /// The whole message was sent; the server has not taken it over.
    Sent,
    /// The server has taken the message over; the client does not know yet.
    TakenOver,
    /// The client knows, and says good-bye.
    Quit,
}

/// A message that the server has taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// The address in RCPT.
    pub(crate) to: String,
    /// The message.
    pub(crate) message: String,
}

impl Received {
    /// The value of a header on one line.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.message.split("\r\n\r\n").next().unwrap_or_default();
        let mut lines = head.split("\r\n");
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    refusals: BTreeMap<String, &'static str>,
    received: Vec<Received>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    stand_still_at: watch::Sender<Option<Step>>,
    reached: Notify,
    taken_over: Notify,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }
}

/// The server, until it is dropped.
#[derive(Debug)]
pub(crate) struct MailServer {
    pub(crate) address: SocketAddr,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        let inner = Arc::new(Inner::default());
        let served = Arc::clone(&inner);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let inner = Arc::clone(&served);
                inner.state().open += 1;
                tokio::spawn(async move {
                    Dialogue::new(stream, Arc::clone(&inner)).hold().await;
                    inner.state().open -= 1;
                });
            }
        });
        Self { address, inner, task }
    }

    /// Stands still at that step of every dialogue from now on, and goes on where it stood still.
    pub(crate) fn stand_still_at(&self, step: Option<Step>) {
        self.inner.stand_still_at.send_replace(step);
    }

    /// Waits until nobody is connected.
    pub(crate) async fn is_alone(&self) {
        until("the clients are gone", async || self.inner.state().open == 0).await;
    }

    /// Waits until a dialogue stands still.
    pub(crate) async fn stands_still(&self) {
        tokio::time::timeout(PATIENCE, self.inner.reached.notified()).await.expect("a client comes so far");
    }

    /// Answers with that line to RCPT of that address.
    pub(crate) fn refuse(&self, recipient: &str, line: &'static str) {
        self.inner.state().refusals.insert(recipient.to_owned(), line);
    }

    /// Waits until it has taken over that many messages to somebody.
    pub(crate) async fn receives(&self, count: usize, recipient: &str) -> Vec<Received> {
        let waiting = async {
            loop {
                let more = self.inner.taken_over.notified();
                let received = self.to(recipient);
                if received.len() >= count {
                    return received;
                }
                more.await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the messages arrive")
    }

    /// What it has taken over for somebody so far.
    pub(crate) fn to(&self, recipient: &str) -> Vec<Received> {
        self.inner.state().received.iter().filter(|received| received.to == recipient).cloned().collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection.
struct Dialogue {
    stream: BufReader<TcpStream>,
    inner: Arc<Inner>,
}

impl Dialogue {
    fn new(stream: TcpStream, inner: Arc<Inner>) -> Self {
        Self { stream: BufReader::new(stream), inner }
    }

    /// Answers until the client is gone.
    async fn hold(mut self) {
        let mut recipient = String::new();
        if !self.come_to(Step::Connected).await {
            return;
        }
        self.say("220 mail.example ESMTP").await;
        while let Some(line) = self.line().await {
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" if self.come_to(Step::Hello).await => {
                    self.say("250-mail.example\r\n250 8BITMIME").await;
                }
                "MAIL" if self.come_to(Step::Mail).await => {
                    self.say("250 ok").await;
                }
                "RCPT" if self.come_to(Step::Recipient).await => {
                    recipient = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                    let refusal = self.inner.state().refusals.get(&recipient).copied();
                    self.say(refusal.unwrap_or("250 ok")).await;
                }
                "DATA" if self.come_to(Step::Data).await => {
                    self.say("354 go on").await;
                    let Some(message) = self.message().await else { return };
                    if !self.come_to(Step::Sent).await {
                        return;
                    }
                    let received = Received { to: recipient.clone(), message };
                    self.inner.state().received.push(received);
                    self.inner.taken_over.notify_waiters();
                    if !self.come_to(Step::TakenOver).await {
                        return;
                    }
                    self.say("250 ok").await;
                }
                "QUIT" if self.come_to(Step::Quit).await => {
                    self.say("221 bye").await;
                    return;
                }
                "EHLO" | "MAIL" | "RCPT" | "DATA" | "QUIT" => return,
                _ => self.say("502 what?").await,
            }
        }
    }

    /// Stands still as long as this is the step to do so at; whether the client is there after that.
    async fn come_to(&mut self, step: Step) -> bool {
        let mut stand_still_at = self.inner.stand_still_at.subscribe();
        if *stand_still_at.borrow_and_update() != Some(step) {
            return true;
        }
        self.inner.reached.notify_one();
        tokio::select! {
            // Nobody speaks before it is answered: this is the end of the connection.
            _ = self.stream.fill_buf() => false,
            _ = stand_still_at.wait_for(|at| *at != Some(step)) => true,
        }
    }

    /// Whoever has hung up is noticed at the next line.
    async fn say(&mut self, line: &str) {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.unwrap_or_default();
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let octets = self.stream.read_line(&mut line).await.ok()?;
        (octets > 0).then(|| line.trim_end().to_owned())
    }

    /// The message up to the dot, without the dots that were doubled (RFC 5321 4.5.2).
    async fn message(&mut self) -> Option<String> {
        let mut message = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if line == ".\r\n" {
                return Some(message);
            }
            message.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
    }
}
