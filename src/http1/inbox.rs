//! Octets that have come in and are not understood yet.
//!
//! Separate because both sides read in the same way: little at first, and more and more while there is more than that; into
//! what lies on the shelf of the core, if they hold nothing.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::shelf;

/// How much is read at once.
pub(crate) const READ_BYTES_MIN: usize = 8 * 1024;
const READ_BYTES_MAX: usize = 128 * 1024;
/// The least room that is worth a read.
pub(crate) const ROOM_BYTES_MIN: usize = 2 * 1024;

/// Reads into `octets`; `read_bytes` is how much at once, and grows with what comes. Nothing read is the end.
pub(crate) fn poll_read<IO: AsyncRead + Unpin>(
    octets: &mut BytesMut,
    read_bytes: &mut usize,
    io: &mut IO,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    if octets.capacity() == 0 && *read_bytes == READ_BYTES_MIN {
        *octets = shelf::take_buffer();
    } else if octets.capacity() - octets.len() < ROOM_BYTES_MIN {
        octets.reserve(*read_bytes);
    }
    let room = octets.capacity() - octets.len();
    let count = ready!(pin!(io.read_buf(octets)).poll(context))?;
    if count == room {
        *read_bytes = (*read_bytes * 2).min(READ_BYTES_MAX);
    }
    Poll::Ready(Ok(count))
}

/// Takes the head of a request, which is kept for as long as that lasts.
pub(crate) fn take_head(octets: &mut BytesMut, length: usize) -> BytesMut {
    shelf::take_head(octets, length)
}

/// Puts back the room for octets while there are none. What has grown is given up with it.
pub(crate) fn rest(octets: &mut BytesMut, read_bytes: &mut usize) {
    if octets.is_empty() {
        let buffer = std::mem::take(octets);
        if *read_bytes == READ_BYTES_MIN {
            shelf::put_back_buffer(buffer);
        }
        *read_bytes = READ_BYTES_MIN;
    }
}
