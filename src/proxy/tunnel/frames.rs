//! Where the frames of a WebSocket begin and end (RFC 6455 5.2), to say something between two of them.
//!
//! Separate because a tunnel passes octets and knows nothing of messages: it looks at the heads of frames, and only to
//! know when a frame of its own would not tear another.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

/// Why a tunnel is closed (RFC 6455 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The process ends, or nobody has said anything for long.
    GoingAway,
    /// Access was lost.
    PolicyViolation,
}

/// Who is at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The browser: what is sent to it is not masked.
    Client,
    /// The application: it expects masks.
    Upstream,
}

/// Whether the last frame that was sent to a side is complete.
#[derive(Debug, Clone)]
pub(super) struct Place(Arc<AtomicBool>);

impl Place {
    pub(super) fn is_between(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// A side whose frames are followed as they are sent to it.
#[derive(Debug)]
pub(super) struct Framed<IO> {
    io: IO,
    side: Side,
    walk: Walk,
    place: Place,
}

impl<IO> Framed<IO> {
    pub(super) fn new(io: IO, side: Side) -> Self {
        Self { io, side, walk: Walk::default(), place: Place(Arc::new(AtomicBool::new(true))) }
    }

    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    fn sent(&mut self, octets: &[u8]) {
        self.walk.over(octets);
        self.place.0.store(self.walk.is_between(), Ordering::Relaxed);
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Framed<IO> {
    /// Says why the tunnel is closed, and gives the other end so long to read it.
    pub(super) async fn part(mut self, why: Close, patience: Duration) {
        let farewell = async {
            if self.walk.is_between() && !self.walk.closed {
                self.io.write_all(&close_frame(self.side, why)).await?;
            }
            self.io.shutdown().await?;
            let mut rest = [0; 1024];
            while self.io.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // Whoever is gone, or does not go, needs no farewell.
        drop(timeout(patience, farewell).await);
    }
}

fn close_frame(side: Side, why: Close) -> Vec<u8> {
    let code: u16 = match why {
        Close::GoingAway => 1001,
        Close::PolicyViolation => 1008,
    };
    let [high, low] = code.to_be_bytes();
    match side {
        Side::Client => vec![FIN | CLOSE, 2, high, low],
        // Masked with zeros: a mask protects caches on the way from pages, and this is no page's text.
        Side::Upstream => vec![FIN | CLOSE, MASKED | 2, 0, 0, 0, 0, high, low],
    }
}

const FIN: u8 = 0x80;
const CLOSE: u8 = 0x8;
const MASKED: u8 = 0x80;

/// A way along frames.
#[derive(Debug, Default)]
struct Walk {
    head: [u8; 14],
    /// Octets of the head that have been seen.
    seen: usize,
    /// Octets of the payload that are still to come.
    left: u64,
    /// Whether a frame that closes has been sent.
    closed: bool,
}

impl Walk {
    const fn is_between(&self) -> bool {
        self.seen == 0 && self.left == 0
    }

    fn over(&mut self, mut octets: &[u8]) {
        while let Some((first, rest)) = octets.split_first() {
            if self.left > 0 {
                let passed = usize::try_from(self.left).unwrap_or(usize::MAX).min(octets.len());
                self.left -= passed as u64;
                octets = octets.get(passed..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.head.get_mut(self.seen) {
                *place = *first;
            }
            self.seen += 1;
            octets = rest;
            if self.seen == self.head_bytes() {
                let [first, ..] = self.head;
                self.closed |= first & 0xf == CLOSE;
                (self.seen, self.left) = (0, self.payload_bytes());
            }
        }
    }

    /// The size of the head, as far as can be told by now.
    const fn head_bytes(&self) -> usize {
        if self.seen < 2 {
            return 2;
        }
        let [_, second, ..] = self.head;
        let length = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if second & MASKED == 0 { 0 } else { 4 }
    }

    const fn payload_bytes(&self) -> u64 {
        let [_, second, rest @ ..] = self.head;
        match (second & 0x7f, rest.first_chunk::<2>(), rest.first_chunk::<8>()) {
            (126, Some(length), _) => u16::from_be_bytes(*length) as u64,
            (127, _, Some(length)) => u64::from_be_bytes(*length),
            (short, ..) => short as u64,
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Framed<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Framed<IO> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, octets);
        if let Poll::Ready(Ok(count)) = written {
            self.sent(octets.get(..count).unwrap_or_default());
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ends of frames are found, however the octets are cut.
    #[test]
    fn frames_end_where_they_say() {
        let mut frames = Vec::new();
        let mut ends = vec![0];
        for (payload, masked) in
            [(0, false), (5, true), (125, false), (126, true), (65_535, false), (65_536, true)]
        {
            let mask = if masked { MASKED } else { 0 };
            match payload {
                0..=125 => frames.extend([0x81, mask | u8::try_from(payload).unwrap()]),
                126..=65_535 => {
                    frames.extend([0x82, mask | 0x7e]);
                    frames.extend(u16::try_from(payload).unwrap().to_be_bytes());
                }
                _ => {
                    frames.extend([0x82, mask | 0x7f]);
                    frames.extend(u64::try_from(payload).unwrap().to_be_bytes());
                }
            }
            frames.resize(frames.len() + payload + if masked { 4 } else { 0 }, 0x88);
            ends.push(frames.len());
        }
        for size in [1, 2, 3, 7, 100, 4096] {
            let mut walk = Walk::default();
            let mut at = 0;
            for piece in frames.chunks(size) {
                walk.over(piece);
                at += piece.len();
                assert_eq!(walk.is_between(), ends.contains(&at), "at {at} in pieces of {size}");
            }
            assert!(!walk.closed);
            walk.over(&close_frame(Side::Upstream, Close::GoingAway));
            assert!(walk.closed && walk.is_between());
        }
    }
}
