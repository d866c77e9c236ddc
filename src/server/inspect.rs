//! The octets of a connection of HTTP/2, looked at before the HTTP library gets them.
//!
//! Separate because the library answers floods of frames that cost their sender nothing, and keeps to itself what
//! it has cut off of a head; that can be seen only here.
//!
//! Rules: what is seen ends the connection, or says of a head that it is not sound; otherwise the library is given what came. A
//! look costs nine octets of each frame, and the fields of each head.

mod fields;
mod frames;
mod heads;
mod huffman;

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use self::frames::{Budget, Frames, Reason};
use self::heads::Heads;
pub(super) use self::heads::{FLAW, LIST_BYTES_MAX};
use super::connection::{PARTING_IDLE, PARTING_MAX};

/// How long a client that was told to calm down may go on sending, so that it can read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// How much a client may still send on a connection that has ended.
const PARTING_BYTES_MAX: usize = 1024 * 1024;

/// A connection whose octets are looked at.
#[derive(Debug)]
pub(super) struct Inspected<IO> {
    io: IO,
    look: Look,
    parting: Option<Parting>,
}

/// What a client still sends when everything has been said to it: it is read and thrown away, as over HTTP/1.1.
#[derive(Debug)]
struct Parting {
    idle: Pin<Box<Sleep>>,
    until: Instant,
    octets_left: usize,
}

impl Parting {
    fn begin() -> Self {
        let (idle, until) = (Box::pin(sleep(PARTING_IDLE)), Instant::now() + PARTING_MAX);
        Self { idle, until, octets_left: PARTING_BYTES_MAX }
    }

    /// Ready when the client has closed its side, or had its time.
    fn poll<IO: AsyncRead + Unpin>(&mut self, io: &mut IO, context: &mut Context<'_>) -> Poll<()> {
        let mut octets = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut octets);
            match Pin::new(&mut *io).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let now = Instant::now();
                    self.octets_left = self.octets_left.saturating_sub(buffer.filled().len());
                    if self.octets_left == 0 || now >= self.until {
                        return Poll::Ready(());
                    }
                    self.idle.as_mut().reset(now + PARTING_IDLE);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.idle.as_mut().poll(context),
            }
        }
    }
}

#[derive(Debug)]
enum Look {
    Frames(Box<Flood>, Box<Heads>),
    /// The client was told to go; what it still sends is thrown away until then.
    Muted(Pin<Box<Sleep>>),
}

/// The frames of both directions, and what the client may still waste.
#[derive(Debug)]
struct Flood {
    incoming: Frames,
    outgoing: Frames,
    budget: Budget,
    /// Whether data went out since the client's last ping: clients of gRPC measure the way with one ping for what comes
    /// in, and that is no waste.
    is_measured: bool,
}

impl Flood {
    /// Looks at what has come in; `false` if the client has wasted too much.
    fn allows(&mut self, octets: &[u8]) -> bool {
        let Self { incoming, budget, is_measured, .. } = self;
        let mut allowed = true;
        incoming.walk(octets, |frame| {
            let is_free = frame.is_for_free() && !(frame.is_ping() && std::mem::take(is_measured));
            allowed &= !is_free || budget.spend();
        });
        allowed
    }

    /// Looks at what has gone out.
    fn sent(&mut self, octets: &[u8]) {
        let Self { outgoing, is_measured, .. } = self;
        outgoing.walk(octets, |frame| *is_measured |= frame.carries_data());
    }
}

impl<IO> Inspected<IO> {
    /// Looks at the frames of HTTP/2.
    pub(super) fn new(io: IO) -> Self {
        let flood = Flood {
            incoming: Frames::after_preface(),
            outgoing: Frames::default(),
            budget: Budget::new(),
            is_measured: false,
        };
        let heads = Heads::after_preface();
        Self { io, look: Look::Frames(Box::new(flood), Box::new(heads)), parting: None }
    }
}

impl<IO: AsyncWrite + Unpin> Inspected<IO> {
    /// Looks at what has come in, and says how much of it is handed on from where it is.
    fn look_at(&mut self, octets: &[u8], context: &mut Context<'_>) -> usize {
        let Look::Frames(flood, heads) = &mut self.look else { return 0 };
        let passed = if flood.allows(octets) { heads.pass(octets) } else { Err(Reason::EnhanceYourCalm) };
        let why = match passed {
            Ok(passed) => return passed,
            Err(why) => why,
        };
        tracing::debug!(?why, "a client is told that its connection ends");
        if flood.outgoing.is_between() {
            self.say_goodbye(why, context);
        }
        self.look = Look::Muted(Box::pin(sleep(FAREWELL)));
        0
    }

    /// `GOAWAY`, as far as it can be sent without waiting.
    fn say_goodbye(&mut self, why: Reason, context: &mut Context<'_>) {
        let written = Pin::new(&mut self.io).poll_write(context, &why.goodbye());
        if matches!(written, Poll::Ready(Ok(_))) {
            let flushed = Pin::new(&mut self.io).poll_flush(context);
            tracing::trace!(?flushed, ?why, "told so");
        }
    }

    /// Whether nothing is written any more: the last word has been said.
    const fn is_muted(&self) -> bool {
        matches!(self.look, Look::Muted(_))
    }

    fn wrote(&mut self, slices: &[io::IoSlice<'_>], written: &Poll<io::Result<usize>>) {
        let (Look::Frames(flood, _), Poll::Ready(Ok(count))) = (&mut self.look, written) else { return };
        let mut left = *count;
        for slice in slices {
            let taken = left.min(slice.len());
            flood.sent(slice.get(..taken).unwrap_or_default());
            left -= taken;
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Inspected<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let is_done = match &mut this.look {
                Look::Frames(_, heads) => heads.give(buffer),
                Look::Muted(until) => until.as_mut().poll(context).is_ready(),
            };
            if is_done {
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            let result = Pin::new(&mut this.io).poll_read(context, buffer);
            let new = buffer.filled().get(before..).unwrap_or_default();
            if new.is_empty() || !matches!(result, Poll::Ready(Ok(()))) {
                return result;
            }
            let passed = this.look_at(new, context);
            buffer.set_filled(before + passed);
            if passed > 0 {
                return result;
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Inspected<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_muted() {
            return Poll::Ready(Ok(octets.len()));
        }
        let written = Pin::new(&mut self.io).poll_write(context, octets);
        self.wrote(&[io::IoSlice::new(octets)], &written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_muted() {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.wrote(slices, &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let parting = match &mut this.parting {
            Some(parting) => parting,
            none => {
                ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
                if matches!(this.look, Look::Muted(_)) {
                    return Poll::Ready(Ok(()));
                }
                none.insert(Parting::begin())
            }
        };
        parting.poll(&mut this.io, context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_ping_for_data_is_no_waste() {
        let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        let data = [0, 0, 1, 0, 0, 0, 0, 0, 1, 7];
        let mut flood = Flood {
            incoming: Frames::default(),
            outgoing: Frames::default(),
            budget: Budget::new(),
            is_measured: false,
        };
        for _ in 0..5_000 {
            flood.sent(&data);
            assert!(flood.allows(&ping));
        }
        assert!((0..5_000).any(|_| !flood.allows(&ping)), "the control: pings for nothing are counted");
    }
}
