//! A mail server that delivers everything into the demo's mailbox (RFC 5321).
//!
//! Separate because it speaks another protocol than the mailbox's pages.
//!
//! Rules: loopback only; lines, mails, recipients, connections, commands and pauses have bounds; a line ends with
//! CR and LF and nothing else does, so that no mail can be smuggled in another.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::demo::listener::Listener;
use crate::demo::mailbox::Mailbox;

/// Takes mail in.
pub(crate) struct Receiver {
    mailbox: Arc<Mailbox>,
    slots: Arc<Semaphore>,
}

impl Receiver {
    /// A receiver for a mailbox.
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, slots: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }

    /// Serves for as long as it is polled.
    pub(crate) async fn serve(self, listener: Listener) {
        let attend = |stream| {
            let (mailbox, slots) = (Arc::clone(&self.mailbox), Arc::clone(&self.slots));
            async move {
                let mut session = Session::new(stream, mailbox);
                // An error is the peer's going away; what it had not finished is not delivered.
                match slots.try_acquire() {
                    Ok(_slot) => drop(session.run().await),
                    Err(_) => drop(session.say("421 Too many connections, come back later").await),
                }
            }
        };
        listener.accept_all(attend).await;
    }
}

/// One connection.
struct Session {
    stream: BufStream<TcpStream>,
    mailbox: Arc<Mailbox>,
    envelope: Envelope,
}

/// How far the present mail is.
enum Envelope {
    Empty,
    From,
    To(Vec<String>),
}

impl Session {
    fn new(stream: TcpStream, mailbox: Arc<Mailbox>) -> Self {
        Self { stream: BufStream::new(stream), mailbox, envelope: Envelope::Empty }
    }

    async fn run(&mut self) -> io::Result<()> {
        self.say("220 mailbox.localhost keeps everything").await?;
        for _ in 0..COMMANDS_MAX {
            let line = self.line().await?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.greet().await?,
                "HELO" => self.say("250 mailbox.localhost").await?,
                "MAIL" => self.sender(rest).await?,
                "RCPT" => self.recipient(rest).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.envelope = Envelope::Empty;
                    self.say("250 Forgotten").await?;
                }
                "NOOP" => self.say("250 Still here").await?,
                "QUIT" => return self.say("221 Goodbye").await,
                _ => self.say("502 That is nothing that this server does").await?,
            }
        }
        self.say("421 That is enough for one connection").await
    }

    async fn greet(&mut self) -> io::Result<()> {
        self.envelope = Envelope::Empty;
        let answer = format!("250-mailbox.localhost\r\n250-8BITMIME\r\n250 SIZE {MAIL_OCTETS_MAX}");
        self.say(&answer).await
    }

    async fn sender(&mut self, rest: &str) -> io::Result<()> {
        match (&self.envelope, path_after(rest, "FROM:")) {
            (Envelope::Empty, Some(_)) => {
                self.envelope = Envelope::From;
                self.say("250 OK").await
            }
            (Envelope::Empty, None) => self.say("501 MAIL FROM:<address>").await,
            (Envelope::From | Envelope::To(_), _) => self.say("503 One mail at a time").await,
        }
    }

    async fn recipient(&mut self, rest: &str) -> io::Result<()> {
        let recipient = path_after(rest, "TO:").filter(|path| !path.is_empty());
        match (&mut self.envelope, recipient) {
            (Envelope::Empty, _) => self.say("503 MAIL first").await,
            (_, None) => self.say("501 RCPT TO:<address>").await,
            (Envelope::From, Some(recipient)) => {
                self.envelope = Envelope::To(vec![recipient.to_owned()]);
                self.say("250 OK").await
            }
            (Envelope::To(recipients), Some(recipient)) if recipients.len() < RECIPIENTS_MAX => {
                recipients.push(recipient.to_owned());
                self.say("250 OK").await
            }
            (Envelope::To(_), Some(_)) => self.say("452 Too many recipients").await,
        }
    }

    async fn data(&mut self) -> io::Result<()> {
        let envelope = std::mem::replace(&mut self.envelope, Envelope::Empty);
        let Envelope::To(recipients) = envelope else {
            self.envelope = envelope;
            return self.say("503 RCPT first").await;
        };
        self.say("354 Go on, and end with a dot on a line of its own").await?;
        let mut octets = Vec::new();
        loop {
            let line = self.line().await?;
            if line == b"." {
                break;
            }
            if octets.len() + line.len() > MAIL_OCTETS_MAX {
                self.say("552 Too large").await?;
                return Err(io::ErrorKind::InvalidData.into());
            }
            // A dot at the beginning of a line was doubled on the way (RFC 5321 4.5.2).
            octets.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            octets.extend_from_slice(b"\r\n");
        }
        let number = self.mailbox.deliver(&recipients, &octets);
        self.say(&format!("250 Kept as number {number}")).await
    }

    /// The next line, without its end.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(LINE_OCTETS_MAX);
        if let Ok(read) = timeout(PAUSE_MAX, bounded.read_until(b'\n', &mut line)).await {
            read?;
        } else {
            self.say("421 Nothing to do").await?;
            return Err(io::ErrorKind::TimedOut.into());
        }
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(line) = line.strip_suffix(b"\r\n") {
            return Ok(line.to_vec());
        }
        self.say("500 Lines end with CR and LF, and have at most 4,096 octets").await?;
        Err(io::ErrorKind::InvalidData.into())
    }

    async fn say(&mut self, answer: &str) -> io::Result<()> {
        self.stream.write_all(answer.as_bytes()).await?;
        self.stream.write_all(b"\r\n").await?;
        self.stream.flush().await
    }
}

/// The path after a keyword, without the parameters that may follow: `FROM:<somebody@example.com> SIZE=99`.
fn path_after<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let (start, path) = rest.split_at_checked(keyword.len())?;
    let path = path.trim_start().strip_prefix('<')?;
    start.eq_ignore_ascii_case(keyword).then_some(path)?.split_once('>').map(|(path, _)| path)
}

const CONNECTIONS_MAX: usize = 16;
const COMMANDS_MAX: usize = 1_000;
const RECIPIENTS_MAX: usize = 20;
const LINE_OCTETS_MAX: u64 = 4_096;
const MAIL_OCTETS_MAX: usize = 1024 * 1024;
const PAUSE_MAX: Duration = Duration::from_secs(30);
