//! A WebSocket on its way to the client, looked at only as far as it takes to end it properly.
//!
//! Separate because whoever loses access in the middle has to be told so in the protocol's own words: a close frame
//! (RFC 6455 5.5.1), which may stand between two frames and nowhere else. What the frames hold is nobody's business.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

/// Why a socket is closed (RFC 6455 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// Anteroom goes away.
    GoingAway,
    /// The session is over, or access was lost.
    Policy,
}

impl Close {
    /// The whole frame; those of a server are not masked.
    const fn frame(self) -> [u8; 4] {
        let [high, low] = match self {
            Self::GoingAway => 1001_u16,
            Self::Policy => 1008,
        }
        .to_be_bytes();
        [0x88, 2, high, low]
    }
}

/// A connection that knows whether what was written to it ends with a frame.
#[derive(Debug)]
pub(super) struct Framed<IO> {
    io: IO,
    at: Position,
}

/// Where the next octet belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// To the head of a frame, of which these came already.
    Head { octets: [u8; HEAD_OCTETS_MAX], length: usize },
    /// To what follows a head: so many octets are left, more than none.
    Content(u64),
}

impl Position {
    const START: Self = Self::Head { octets: [0; HEAD_OCTETS_MAX], length: 0 };

    /// The position after some octets.
    fn after(mut self, mut octets: &[u8]) -> Self {
        while let Some((first, rest)) = octets.split_first() {
            match self {
                Self::Head { octets: mut head, length } => {
                    if let Some(place) = head.get_mut(length) {
                        *place = *first;
                    }
                    self = Self::of_head(head, length + 1);
                    octets = rest;
                }
                Self::Content(left) => {
                    let passed = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
                    octets = octets.get(passed..).unwrap_or_default();
                    self = match left.saturating_sub(passed as u64) {
                        0 => Self::START,
                        left => Self::Content(left),
                    };
                }
            }
        }
        self
    }

    /// The position after so many octets of a head (RFC 6455 5.2).
    fn of_head(octets: [u8; HEAD_OCTETS_MAX], length: usize) -> Self {
        let more = Self::Head { octets, length };
        let [_, second, rest @ ..] = octets;
        let (extended, given) = match second & 0x7f {
            126 => (2, u64::from(u16::from_be_bytes([rest[0], rest[1]]))),
            127 => (8, u64::from_be_bytes(rest)),
            short => (0, u64::from(short)),
        };
        if length < 2 + extended {
            return more;
        }
        let masked = if second & 0x80 == 0 { 0 } else { 4 };
        match given.saturating_add(masked) {
            0 => Self::START,
            left => Self::Content(left),
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Framed<IO> {
    /// At the beginning of the first frame.
    pub(super) const fn new(io: IO) -> Self {
        Self { io, at: Position::START }
    }

    /// Says why, if nothing is half said, and ends the connection. However slow the client is, that is soon.
    pub(super) async fn close(mut self, reason: Close) {
        let farewell = async {
            if self.at == Position::START {
                self.io.write_all(&reason.frame()).await?;
                self.io.flush().await?;
            }
            self.io.shutdown().await?;
            // What still comes in has to be read, or the system would take back what was not read there yet.
            let mut rest = [0; 1024];
            while self.io.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // The connection ends in any case; who is gone already need not be told.
        drop(timeout(FAREWELL_MAX, farewell).await);
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
        if let Poll::Ready(Ok(count)) = &written {
            self.at = self.at.after(octets.get(..*count).unwrap_or_default());
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

/// Two octets, and a length of up to eight.
const HEAD_OCTETS_MAX: usize = 10;

/// Well within the second that the loss of access may take.
const FAREWELL_MAX: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    /// The frame of so many octets, masked or not.
    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut frame = vec![0x82];
        match length {
            0..126 => frame.push(mask | u8::try_from(length).unwrap()),
            126..0x1_0000 => {
                frame.push(mask | 0x7e);
                frame.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                frame.push(mask | 0x7f);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(vec![0x88; length + if masked { 4 } else { 0 }]);
        frame
    }

    #[test]
    fn the_ends_of_frames_are_found_however_they_are_cut() {
        for masked in [false, true] {
            for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
                let octets = [frame(length, masked), frame(3, false)].concat();
                for step in [1, 2, 7, 4_096, octets.len()] {
                    let mut at = Position::START;
                    let mut passed = 0;
                    for part in octets.chunks(step) {
                        at = at.after(part);
                        passed += part.len();
                        let ends = [octets.len(), octets.len() - 5].contains(&passed);
                        assert_eq!(at == Position::START, ends, "{length} {masked} {step} {passed}");
                    }
                }
            }
        }
    }
}
