//! The frames of an HTTP/2 connection by their first nine octets (RFC 9113 4.1), and how many a client may waste.
//!
//! Separate from the octets' way because it is nothing but counting.

use std::ops::Range;
use std::time::Instant;

/// The octets of a frame's head.
pub(super) const HEAD_BYTES: usize = 9;

/// What a client says before its first frame (RFC 9113 3.4).
pub(super) const PREFACE_BYTES: usize = 24;

/// Frames that cost their sender nothing: at once, and again in each second. A page that is left cancels all its
/// requests at once; nobody goes on like that.
const BURST: u32 = 500;
const EACH_SECOND: u32 = 100;

/// Why a connection ends (RFC 9113 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Reason {
    ProtocolError = 1,
    EnhanceYourCalm = 0xb,
}

impl Reason {
    /// `GOAWAY` for the whole connection (RFC 9113 6.8).
    pub(super) const fn goodbye(self) -> [u8; 17] {
        [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, self as u8]
    }
}

/// The head of one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) payload_bytes: usize,
    kind: u8,
    flags: u8,
    pub(super) stream: u32,
}

/// The number of a stream, whose first bit means nothing (RFC 9113 4.1).
const fn stream_of(octets: [u8; 4]) -> u32 {
    u32::from_be_bytes(octets) & 0x7fff_ffff
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
pub(super) const CONTINUATION: u8 = 9;

/// Flags of frames with fields (RFC 9113 6.2).
pub(super) const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;
const PRIORITY_BYTES: usize = 5;

impl Frame {
    /// The frame that these octets begin with, if its head is all there.
    pub(super) fn of(octets: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, stream @ ..] = *octets.first_chunk::<HEAD_BYTES>()?;
        let payload_bytes = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        Some(Self { payload_bytes, kind, flags, stream: stream_of(stream) })
    }

    /// How long it is with its head.
    pub(super) const fn bytes(self) -> usize {
        HEAD_BYTES + self.payload_bytes
    }

    /// Whether it is the first with the fields of a head, or of trailers.
    pub(super) const fn begins_fields(self) -> bool {
        self.kind == HEADERS
    }

    /// Whether it has more of them.
    pub(super) const fn continues_fields(self) -> bool {
        self.kind == CONTINUATION
    }

    /// Whether it is the last with them.
    pub(super) const fn ends_fields(self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Whether it promises an answer to a request, as no client may.
    pub(super) const fn is_promise(self) -> bool {
        self.kind == PUSH_PROMISE
    }

    /// Where in its payload the fields are; `None` if it is malformed.
    pub(super) fn fields(self, payload: &[u8]) -> Option<Range<usize>> {
        let (mut begin, mut end) = (0, payload.len());
        if !self.begins_fields() {
            return Some(begin..end);
        }
        if self.flags & PADDED != 0 {
            end = end.checked_sub(usize::from(*payload.first()?))?;
            begin = 1;
        }
        if self.flags & PRIORITY != 0 {
            // What depends on itself is malformed (RFC 7540 5.3.1).
            let depends_on = stream_of(*payload.get(begin..)?.first_chunk()?);
            if depends_on == self.stream {
                return None;
            }
            begin += PRIORITY_BYTES;
        }
        (begin <= end).then_some(begin..end)
    }

    /// Whether it is data, of which there is some.
    pub(super) const fn carries_data(self) -> bool {
        self.kind == DATA && self.payload_bytes > 0
    }

    /// Whether it asks for an answer and says nothing else.
    pub(super) const fn is_ping(self) -> bool {
        self.kind == PING
    }

    /// Whether it makes work and does nothing for its sender: resets, settings, pings, priorities, data without data,
    /// kinds that nobody knows. Acknowledgements answer ours, windows follow what we send, and the head of a
    /// request is bounded otherwise.
    pub(super) const fn is_for_free(self) -> bool {
        const SETTINGS: u8 = 4;
        const WINDOW_UPDATE: u8 = 8;
        const ACK_OR_END: u8 = 1;
        match self.kind {
            DATA | CONTINUATION => self.payload_bytes == 0 && self.flags & ACK_OR_END == 0,
            SETTINGS | PING => self.flags & ACK_OR_END == 0,
            HEADERS | WINDOW_UPDATE => false,
            _ => true,
        }
    }
}

/// Where in a stream of frames one is.
#[derive(Debug, Default)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    /// Octets of the head that have been seen.
    seen: usize,
    /// Octets to pass over before the next head.
    left: usize,
}

impl Frames {
    /// Frames of a client, which says something else first.
    pub(super) fn after_preface() -> Self {
        Self { left: PREFACE_BYTES, ..Self::default() }
    }

    /// Whether the last frame is complete and no other has begun.
    pub(super) const fn is_between(&self) -> bool {
        self.left == 0 && self.seen == 0
    }

    /// Goes on over these octets and tells of each frame whose head is complete.
    pub(super) fn walk(&mut self, mut octets: &[u8], mut tell: impl FnMut(Frame)) {
        while !octets.is_empty() {
            let passed = self.left.min(octets.len());
            self.left -= passed;
            octets = octets.get(passed..).unwrap_or_default();
            for octet in octets.iter().take(HEAD_BYTES - self.seen) {
                if let Some(place) = self.head.get_mut(self.seen) {
                    *place = *octet;
                }
                self.seen += 1;
                octets = octets.get(1..).unwrap_or_default();
            }
            if self.seen == HEAD_BYTES {
                self.seen = 0;
                if let Some(frame) = Frame::of(&self.head) {
                    self.left = frame.payload_bytes;
                    tell(frame);
                }
            }
        }
    }
}

/// How many frames may still come for free.
#[derive(Debug)]
pub(super) struct Budget {
    left: u32,
    since: Instant,
}

impl Budget {
    pub(super) fn new() -> Self {
        Self { left: BURST, since: Instant::now() }
    }

    /// Takes one; `false` if there is none left.
    pub(super) fn spend(&mut self) -> bool {
        if self.left == 0 {
            let seconds = u32::try_from(self.since.elapsed().as_secs()).unwrap_or(u32::MAX);
            if seconds > 0 {
                self.left = seconds.saturating_mul(EACH_SECOND).min(BURST);
                self.since = Instant::now();
            }
        }
        self.left.checked_sub(1).is_some_and(|left| {
            self.left = left;
            true
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(payload: usize, kind: u8, flags: u8) -> Vec<u8> {
        let length = u32::try_from(payload).expect("small").to_be_bytes();
        let mut octets = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        octets.resize(HEAD_BYTES + payload, 7);
        octets
    }

    /// The same frames are seen, however the octets are cut.
    #[test]
    fn frames_are_found_in_pieces_of_any_size() {
        let mut octets = vec![b'P'; PREFACE_BYTES];
        for (payload, kind, flags) in
            [(0, 4, 0), (300, 0, 0), (0, 0, 0), (8, 6, 0), (8, 6, 1), (70_000, 0, 1)]
        {
            octets.extend(frame(payload, kind, flags));
        }
        for size in [1, 2, 3, 8, 9, 10, 100, octets.len()] {
            let mut frames = Frames::after_preface();
            let mut seen = Vec::new();
            for piece in octets.chunks(size) {
                frames.walk(piece, |frame| seen.push((frame.payload_bytes, frame.kind, frame.is_for_free())));
            }
            assert!(frames.is_between(), "pieces of {size}");
            let wanted = [
                (0, 4, true),
                (300, 0, false),
                (0, 0, true),
                (8, 6, true),
                (8, 6, false),
                (70_000, 0, false),
            ];
            assert_eq!(seen, wanted, "pieces of {size}");
        }
    }

    #[test]
    fn the_budget_ends() {
        let mut budget = Budget::new();
        assert!((0..BURST).all(|_| budget.spend()));
        assert!(!budget.spend());
    }
}
