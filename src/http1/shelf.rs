//! Room for octets that nobody uses at the moment, shared by the connections of a core.
//!
//! Separate because a connection that waits holds none: what is read or written next goes to where something was read or
//! written a moment ago, which the processor still has at hand, and thousands of waiting connections take no memory for it.

use std::cell::RefCell;

use bytes::{Buf as _, BytesMut};

use super::inbox::{READ_BYTES_MIN, ROOM_BYTES_MIN};

/// As many of each are kept.
const KEPT_MAX: usize = 64;
/// Room for most heads.
pub(crate) const HEAD_BYTES_USUAL: usize = 2 * 1024;
/// Heads of requests that lie in one piece of memory, which lasts as long as one of them does.
const PAGE_BYTES: usize = READ_BYTES_MIN;

thread_local! {
    /// What is left of the piece that heads are put in at the moment.
    static PAGE: RefCell<BytesMut> = RefCell::new(BytesMut::new());
    static BUFFERS: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
    static ROOMS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer to read into.
pub(crate) fn take_buffer() -> BytesMut {
    let mut buffer = BUFFERS.take_last().unwrap_or_else(|| BytesMut::with_capacity(READ_BYTES_MIN));
    // From its begin again, if nobody holds on to what was in it.
    if !buffer.try_reclaim(READ_BYTES_MIN) && buffer.capacity() < ROOM_BYTES_MIN {
        buffer = BytesMut::with_capacity(READ_BYTES_MIN);
    }
    buffer
}

/// Takes a buffer that is empty.
pub(crate) fn put_back_buffer(buffer: BytesMut) {
    if buffer.is_empty() && buffer.capacity() >= ROOM_BYTES_MIN {
        BUFFERS.keep(buffer);
    }
}

/// Takes a head that is kept for as long as its request lasts out of what has come in: most of them to where they lie side by
/// side, so that what they were read into can be read into again.
pub(super) fn take_head(octets: &mut BytesMut, length: usize) -> BytesMut {
    let Some(head) = octets.get(..length).filter(|_| length <= HEAD_BYTES_USUAL) else {
        return octets.split_to(length.min(octets.len()));
    };
    let head = PAGE.with_borrow_mut(|page| {
        // From its begin again, if none of them is there any more.
        if !page.try_reclaim(PAGE_BYTES) && page.capacity() < length {
            *page = BytesMut::with_capacity(PAGE_BYTES);
        }
        page.extend_from_slice(head);
        page.split()
    });
    if octets.len() == length {
        octets.clear();
    } else {
        octets.advance(length);
    }
    head
}

/// Room to write a head in.
pub(crate) fn take_room() -> Vec<u8> {
    ROOMS.take_last().unwrap_or_else(|| Vec::with_capacity(HEAD_BYTES_USUAL))
}

/// Takes room in which nothing is.
pub(crate) fn put_back_room(room: Vec<u8>) {
    if room.is_empty() && room.capacity() >= HEAD_BYTES_USUAL {
        ROOMS.keep(room);
    }
}

/// What a shelf does.
trait Shelf<T> {
    fn take_last(&'static self) -> Option<T>;
    fn keep(&'static self, one: T);
}

impl<T> Shelf<T> for std::thread::LocalKey<RefCell<Vec<T>>> {
    fn take_last(&'static self) -> Option<T> {
        self.with_borrow_mut(Vec::pop)
    }

    fn keep(&'static self, one: T) {
        self.with_borrow_mut(|shelf| {
            if shelf.len() < KEPT_MAX {
                shelf.push(one);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_back_last_is_taken_first_and_begins_anew() {
        let mut buffer = take_buffer();
        buffer.extend_from_slice(&[7; 1000]);
        let (at, held) = (buffer.as_ptr(), buffer.split().freeze());
        put_back_buffer(buffer);
        let other = take_buffer();
        assert_eq!(other.capacity(), READ_BYTES_MIN - 1000, "somebody holds on to what was in it");
        assert_ne!(other.as_ptr(), at);
        put_back_buffer(other);
        drop(held);
        let again = take_buffer();
        assert_eq!((again.capacity(), again.as_ptr()), (READ_BYTES_MIN, at));
    }

    #[test]
    fn heads_lie_side_by_side_and_hold_on_to_nothing_else() {
        let head = [b'h'; 300];
        let mut octets = BytesMut::with_capacity(READ_BYTES_MIN);
        let at = octets.as_ptr();
        let mut take = |behind: &[u8]| {
            octets.extend_from_slice(&[&head, behind].concat());
            let taken = take_head(&mut octets, head.len());
            assert_eq!((&taken[..], &octets[..]), (&head[..], behind));
            octets.clear();
            taken
        };
        let (first, second) = (take(b""), take(b""));
        assert_eq!(second.as_ptr(), first.as_ptr().wrapping_add(head.len()), "side by side");
        drop(take(b"and more"));
        let many: Vec<_> = (0..PAGE_BYTES / head.len()).map(|_| take(b"")).collect();
        assert_ne!(many.last().unwrap().as_ptr(), first.as_ptr());
        assert!(octets.try_reclaim(READ_BYTES_MIN), "nobody holds on to what they were read into");
        assert_eq!(octets.as_ptr(), at);
        assert_eq!((&first[..], &second[..]), (&head[..], &head[..]), "each is as it was");
    }

    #[test]
    fn a_large_head_stays_where_it_is() {
        let mut octets = BytesMut::from(&[b'h'; HEAD_BYTES_USUAL + 3][..]);
        let at = octets.as_ptr();
        assert_eq!(take_head(&mut octets, HEAD_BYTES_USUAL + 1).as_ptr(), at);
        assert_eq!(octets, b"hh"[..]);
        assert_eq!(take_head(&mut octets, 3), b"hh"[..], "no more than there is");
    }

    #[test]
    fn neither_what_is_full_nor_too_many_are_kept() {
        put_back_buffer(BytesMut::from(&b"something"[..]));
        put_back_buffer(BytesMut::with_capacity(10));
        put_back_room(b"something".to_vec());
        put_back_room(Vec::with_capacity(10));
        assert!(BUFFERS.with_borrow(Vec::is_empty) && ROOMS.with_borrow(Vec::is_empty));
        for _ in 0..=KEPT_MAX {
            put_back_buffer(BytesMut::with_capacity(READ_BYTES_MIN));
            put_back_room(Vec::with_capacity(HEAD_BYTES_USUAL));
        }
        assert_eq!((BUFFERS.with_borrow(Vec::len), ROOMS.with_borrow(Vec::len)), (KEPT_MAX, KEPT_MAX));
    }
}
