//! What is on its way out of a connection.
//!
//! Separate because it decides what leaves together: a head and the begin of its body, a chunk and what frames it, in
//! one call to the system and without being copied.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::HeaderMap;
use tokio::io::AsyncWrite;

use super::head;
use super::shelf::{self, HEAD_BYTES_USUAL};

/// What is copied to leave in one piece, rather than as a piece of its own.
const COPIED_BYTES_MAX: usize = 2 * 1024;
/// As many octets are gathered in front before more are asked for.
const FRONT_BYTES_MAX: usize = 8 * 1024;
/// Room for a head, kept from message to message; what has grown far beyond is given back.
const ROOM_BYTES_MAX: usize = 16 * 1024;

/// How the body of a message that goes out is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many octets are to come; none is the end.
    Sized(u64),
    /// Chunks.
    Chunked,
    /// By the end of the connection.
    Close,
}

impl Framing {
    /// What is to come after so many octets; `None` if they are too many.
    pub(crate) const fn without(self, octets: usize) -> Option<Self> {
        match self {
            Self::Sized(left) => match left.checked_sub(octets as u64) {
                Some(left) => Some(Self::Sized(left)),
                None => None,
            },
            Self::Chunked | Self::Close => Some(self),
        }
    }
}

/// Octets that wait to be written: small ones gathered in front, then content as it came, then what ends it.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    front: Vec<u8>,
    front_written: usize,
    content: Bytes,
    end: &'static [u8],
    is_unflushed: bool,
    written: u64,
}

impl Outgoing {
    /// Where the head of a message is to be written, behind what waits there; while there is room for content.
    pub(crate) const fn front(&mut self) -> &mut Vec<u8> {
        &mut self.front
    }

    /// Whether there is room for content.
    pub(crate) const fn has_room(&self) -> bool {
        self.is_all_in_front() && self.front.len() < FRONT_BYTES_MAX
    }

    /// Whether nothing waits.
    pub(crate) const fn is_empty(&self) -> bool {
        self.front.is_empty() && self.is_all_in_front()
    }

    /// Whether all that there was has left.
    pub(crate) const fn is_settled(&self) -> bool {
        self.is_empty() && !self.is_unflushed
    }

    const fn is_all_in_front(&self) -> bool {
        self.content.is_empty() && self.end.is_empty()
    }

    /// How many octets have been written so far: it has moved where this number has.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Forgets what waits.
    pub(crate) fn clear(&mut self) {
        *self = Self { written: self.written, ..Self::default() };
    }

    /// The same, with room for a head.
    pub(crate) fn front_for_head(&mut self) -> &mut Vec<u8> {
        if self.front.capacity() == 0 {
            self.front = shelf::take_room();
        }
        self.front.reserve(HEAD_BYTES_USUAL);
        &mut self.front
    }

    /// Puts back the room that is not needed while nothing waits in it.
    pub(crate) fn rest(&mut self) {
        if self.front.is_empty() {
            shelf::put_back_room(std::mem::take(&mut self.front));
        }
    }

    /// Adds content; there must be room for it.
    pub(crate) fn put(&mut self, framing: Framing, content: Bytes) {
        if content.is_empty() {
            return;
        }
        if self.front.capacity() == 0 {
            self.front = shelf::take_room();
        }
        let is_chunk = framing == Framing::Chunked;
        if is_chunk {
            // Writing to memory does not fail.
            drop(write!(self.front, "{:x}\r\n", content.len()));
        }
        let end: &[u8] = if is_chunk { b"\r\n" } else { b"" };
        if content.len() <= COPIED_BYTES_MAX {
            self.front.extend_from_slice(&content);
            self.front.extend_from_slice(end);
        } else {
            self.content = content;
            self.end = end;
        }
    }

    /// Ends chunked content, with fields if there are any (RFC 9112 7.1.2).
    pub(crate) fn put_last_chunk(&mut self, trailers: Option<&HeaderMap>) {
        if !self.is_all_in_front() {
            if trailers.is_none() {
                // What ends the content also ends the body then.
                self.end = b"\r\n0\r\n\r\n";
                return;
            }
            self.front.extend_from_slice(&std::mem::take(&mut self.content));
            self.front.extend_from_slice(std::mem::take(&mut self.end));
        }
        self.front.extend_from_slice(b"0\r\n");
        if let Some(trailers) = trailers {
            head::put_fields(&mut self.front, trailers);
        }
        self.front.extend_from_slice(b"\r\n");
    }

    /// Writes all that waits. After an error nothing more can be written.
    pub(crate) fn poll_write<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let front = self.front.get(self.front_written..).unwrap_or_default();
            let count = if self.is_all_in_front() {
                ready!(Pin::new(&mut *io).poll_write(context, front))?
            } else if io.is_write_vectored() {
                let slices = [front, &self.content, self.end].map(IoSlice::new);
                ready!(Pin::new(&mut *io).poll_write_vectored(context, &slices))?
            } else {
                let first = [front, &self.content, self.end].into_iter().find(|slice| !slice.is_empty());
                ready!(Pin::new(&mut *io).poll_write(context, first.unwrap_or_default()))?
            };
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(count);
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            ready!(Pin::new(io).poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, count: usize) {
        self.written += count as u64;
        let from_front = count.min(self.front.len() - self.front_written);
        self.front_written += from_front;
        if self.front_written == self.front.len() {
            self.front_written = 0;
            self.front.clear();
            if self.front.capacity() > ROOM_BYTES_MAX {
                self.front = Vec::new();
            }
        }
        let from_content = (count - from_front).min(self.content.len());
        self.content.advance(from_content);
        let from_end = count - from_front - from_content;
        self.end = self.end.get(from_end..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
