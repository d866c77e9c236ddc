//! What the connections of one core share: buffers that nobody uses, and the date.
//!
//! Separate because a connection that rests holds no buffer, so that whoever wakes takes one from here.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BytesMut;
use http::header::DATE;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::Clock;
use crate::http1::head;
use crate::http1::inbox::{READ_BYTES_MIN, ROOM_BYTES_MIN};

/// Buffers that a core keeps for the next ones who need them.
const BUFFERS_KEPT: usize = 64;
/// Room for most heads of responses.
pub(super) const HEAD_BYTES_USUAL: usize = 2 * 1024;

/// What the connections of one core share.
#[derive(Debug, Clone)]
pub(super) struct Sundries(Rc<Shelf>);

#[derive(Debug)]
struct Shelf {
    /// Buffers to read into, and room to write in, that nobody uses.
    buffers: RefCell<Vec<BytesMut>>,
    rooms: RefCell<Vec<Vec<u8>>>,
    clock: Arc<dyn Clock>,
    /// The second that was written down last, and how it is written in a head.
    today: RefCell<(i64, String)>,
}

impl Sundries {
    /// Nothing yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Rc::new(Shelf {
            buffers: RefCell::default(),
            rooms: RefCell::default(),
            clock,
            today: RefCell::default(),
        }))
    }

    pub(super) fn take_buffer(&self) -> BytesMut {
        self.0.buffers.borrow_mut().pop().unwrap_or_else(|| BytesMut::with_capacity(READ_BYTES_MIN))
    }

    pub(super) fn take_room(&self) -> Vec<u8> {
        self.0.rooms.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(HEAD_BYTES_USUAL))
    }

    pub(super) fn put_back(&self, buffer: BytesMut, room: Vec<u8>) {
        let mut buffers = self.0.buffers.borrow_mut();
        if buffer.capacity() >= ROOM_BYTES_MIN && buffers.len() < BUFFERS_KEPT {
            buffers.push(buffer);
        }
        let mut rooms = self.0.rooms.borrow_mut();
        if room.capacity() >= HEAD_BYTES_USUAL && rooms.len() < BUFFERS_KEPT {
            rooms.push(room);
        }
    }

    /// Adds when a response was made (RFC 9110 6.6.1).
    pub(super) fn put_date(&self, out: &mut Vec<u8>) {
        let now = self.0.clock.now();
        let mut today = self.0.today.borrow_mut();
        if today.0 != now.as_second() {
            let printer = DateTimePrinter::new();
            // Fails for years with more than four digits.
            let text = printer.timestamp_to_rfc9110_string(&now).unwrap_or_default();
            *today = (now.as_second(), text);
        }
        head::put_field(out, &DATE, today.1.as_bytes());
    }
}
