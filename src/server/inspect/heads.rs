//! The heads of an HTTP/2 connection on their way to the library, and what it would keep to itself.
//!
//! Separate because it is the one place that changes what the library is given: it cuts off the fragment of a target
//! without a word, and answers lists of fields that are too large by itself. So a head with a fragment gets a
//! further field that says so, and whoever answers requests refuses it; and lists that the library would answer never
//! reach it.
//!
//! Rules: a head that is sound is handed on as it came, from where it came. One that has not come whole is kept until it has.
//! What is malformed ends the connection here: were it left to the library, the two could differ in what they make of what
//! follows, and the one that is asked to look would be the one that is wrong.

use std::borrow::Cow;

use bytes::{BufMut as _, BytesMut};
use tokio::io::ReadBuf;

use super::fields::Fields;
use super::frames::{self, Frame, HEAD_BYTES, PREFACE_BYTES, Reason};

/// The field that says that the target had a fragment, and its value. Who sends it speaks of himself, and is refused; in trailers
/// it is removed like all names that begin so.
pub(in crate::server) const FLAW: &str = "x-anteroom-flaw";
const FRAGMENT: &str = "fragment";

/// The largest head that is looked at, packed or not: what comes beyond it ends the connection.
pub(in crate::server) const LIST_BYTES_MAX: u32 = 256 * 1024;
const BYTES_MAX: usize = LIST_BYTES_MAX as usize;
/// And how many frames it may have: a client that fills them needs 16.
const FRAMES_MAX: usize = 20;

/// The largest payload of a frame, as long as nobody says otherwise (RFC 9113 6.5.2).
const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// Heads on their way.
#[derive(Debug)]
pub(super) struct Heads {
    fields: Fields,
    /// Octets of other frames that come before anything is looked at again.
    left: usize,
    /// What has come and is not handed on: it begins with a frame.
    kept: BytesMut,
    /// How much of that are whole frames of a head that is not whole, and how many.
    looked: usize,
    frames: usize,
    /// The head that comes first of what is kept, if it has a flaw.
    flawed: Option<Extent>,
    /// What may be handed on.
    cleared: BytesMut,
}

/// Where the frames of a head end, and where the last one begins.
#[derive(Debug, Clone, Copy)]
struct Extent {
    last: usize,
    end: usize,
}

impl Heads {
    /// Those of a client, which says something else first.
    pub(super) fn after_preface() -> Self {
        Self {
            fields: Fields::new(),
            left: PREFACE_BYTES,
            kept: BytesMut::new(),
            looked: 0,
            frames: 0,
            flawed: None,
            cleared: BytesMut::new(),
        }
    }

    /// Hands on what was kept back and may go on; `false` if there is nothing.
    pub(super) fn give(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let count = self.cleared.len().min(buffer.remaining());
        buffer.put_slice(&self.cleared.split_to(count));
        if self.cleared.is_empty() && self.kept.is_empty() {
            (self.cleared, self.kept) = (BytesMut::new(), BytesMut::new());
        }
        count > 0
    }

    /// Looks at what has come, and says how much of it can be handed on from where it is; the rest is kept.
    pub(super) fn pass(&mut self, octets: &[u8]) -> Result<usize, Reason> {
        if !self.kept.is_empty() || !self.cleared.is_empty() {
            self.kept.extend_from_slice(octets);
            self.clear()?;
            return Ok(0);
        }
        let passed = self.look(octets)?;
        if let Some(kept) = octets.get(passed..).filter(|kept| !kept.is_empty()) {
            self.kept.extend_from_slice(kept);
            self.clear()?;
        }
        Ok(passed)
    }

    /// Clears what can be cleared of what is kept.
    fn clear(&mut self) -> Result<(), Reason> {
        loop {
            if let Some(extent) = self.flawed.take() {
                let head = self.kept.split_to(extent.end);
                mark(&head, extent, &mut self.cleared);
            }
            let kept = std::mem::take(&mut self.kept);
            let looked = self.look(&kept);
            self.kept = kept;
            // Copied, as two names of the same octets would have them copied whenever they grow.
            self.cleared.extend_from_slice(&self.kept.split_to(looked?));
            if self.flawed.is_none() {
                return Ok(());
            }
        }
    }

    /// Looks at octets that begin where a frame, or what is left of one, begins, and says how many can be handed on.
    fn look(&mut self, octets: &[u8]) -> Result<usize, Reason> {
        let mut at = 0;
        loop {
            let rest = octets.get(at..).unwrap_or_default();
            let passed = self.left.min(rest.len());
            (self.left, at) = (self.left - passed, at + passed);
            let rest = rest.get(passed..).unwrap_or_default();
            let Some(frame) = Frame::of(rest) else { return Ok(at) };
            if frame.is_promise() {
                return Err(Reason::ProtocolError);
            }
            if !frame.begins_fields() {
                self.left = frame.bytes();
                continue;
            }
            let Some(extent) = self.extent(rest)? else { return Ok(at) };
            let frames = rest.get(..extent.end).unwrap_or_default();
            match block_of(frames).and_then(|block| self.fields.read(&block).ok()) {
                Some(sight) if sight.list_bytes >= BYTES_MAX => return Err(Reason::EnhanceYourCalm),
                Some(sight) if sight.has_fragment => {
                    self.flawed = Some(extent);
                    return Ok(at);
                }
                Some(_) => at += extent.end,
                None => return Err(Reason::ProtocolError),
            }
        }
    }

    /// Where the head ends that these octets begin with; `None` if it has not come whole.
    fn extent(&mut self, octets: &[u8]) -> Result<Option<Extent>, Reason> {
        loop {
            let begin = self.looked;
            let Some(frame) = octets.get(begin..).and_then(Frame::of) else { return Ok(None) };
            let end = begin + frame.bytes();
            // Nothing comes in between (RFC 9113 6.10).
            if begin > 0 && !frame.continues_fields() {
                return Err(Reason::ProtocolError);
            }
            if end > BYTES_MAX {
                return Err(Reason::EnhanceYourCalm);
            }
            if end > octets.len() {
                return Ok(None);
            }
            if frame.ends_fields() {
                (self.looked, self.frames) = (0, 0);
                return Ok(Some(Extent { last: begin, end }));
            }
            (self.looked, self.frames) = (end, self.frames + 1);
            if self.frames == FRAMES_MAX {
                return Err(Reason::EnhanceYourCalm);
            }
        }
    }
}

/// The fields of a head, put together out of its frames (RFC 9113 4.3); `None` if it is malformed.
fn block_of(frames: &[u8]) -> Option<Cow<'_, [u8]>> {
    let first = Frame::of(frames)?;
    let (mut block, mut rest) = (Cow::Borrowed(Default::default()), frames);
    while let Some(frame) = Frame::of(rest) {
        let is_first = rest.len() == frames.len();
        if frame.stream != first.stream {
            return None;
        }
        let (this, next) = rest.split_at_checked(frame.bytes())?;
        let payload = this.get(HEAD_BYTES..)?;
        let fields = payload.get(frame.fields(payload)?)?;
        if is_first {
            block = Cow::Borrowed(fields);
        } else {
            block.to_mut().extend_from_slice(fields);
        }
        rest = next;
    }
    Some(block)
}

/// Puts down the frames of a head with one field more: not by number and not to be kept, so that the tables of both sides stay
/// the same (RFC 7541 6.2.2).
fn mark(head: &[u8], extent: Extent, out: &mut BytesMut) {
    let mut field = vec![0];
    for string in [FLAW, FRAGMENT] {
        // Both are short.
        field.push(u8::try_from(string.len()).unwrap_or(0));
        field.extend_from_slice(string.as_bytes());
    }
    let (before, last) = head.split_at_checked(extent.last).unwrap_or((head, &[]));
    let Some((frame, payload)) = Frame::of(last).zip(last.get(HEAD_BYTES..)) else { return };
    out.extend_from_slice(before);
    let begin = out.len();
    out.extend_from_slice(last);
    if payload.len() + field.len() <= PAYLOAD_BYTES_MAX {
        let end = frame.fields(payload).map_or(payload.len(), |fields| fields.end);
        out.truncate(begin + HEAD_BYTES + end);
        out.extend_from_slice(&field);
        out.extend_from_slice(payload.get(end..).unwrap_or_default());
        put_length(out, begin, payload.len() + field.len());
    } else {
        // A frame of its own.
        if let Some(flags) = out.get_mut(begin + FLAGS) {
            *flags &= !frames::END_HEADERS;
        }
        let begin = out.len();
        out.extend_from_slice(&[0, 0, 0, frames::CONTINUATION, frames::END_HEADERS]);
        out.put_u32(frame.stream);
        out.extend_from_slice(&field);
        put_length(out, begin, field.len());
    }
}

/// Where in the head of a frame its flags are.
const FLAGS: usize = 4;

/// Says how long the payload of a frame is that begins there.
fn put_length(out: &mut BytesMut, begin: usize, length: usize) {
    let [.., high, middle, low] = length.to_be_bytes();
    if let Some(place) = out.get_mut(begin..begin + 3) {
        place.copy_from_slice(&[high, middle, low]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: u8 = 1;
    const END_STREAM: u8 = 1;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        [&head, payload].concat()
    }

    /// What is handed on of octets that come in pieces of that size.
    fn through(octets: &[u8], size: usize) -> Result<Vec<u8>, Reason> {
        let mut heads = Heads { left: 0, ..Heads::after_preface() };
        let (mut out, mut room) = (Vec::new(), [0; 7]);
        for piece in octets.chunks(size) {
            let passed = heads.pass(piece)?;
            out.extend_from_slice(&piece[..passed]);
            let mut buffer = ReadBuf::new(&mut room);
            while heads.give(&mut buffer) {
                out.extend_from_slice(buffer.filled());
                buffer.clear();
            }
        }
        Ok(out)
    }

    /// Frames of a connection on which everything is sound, but for the second head if that is wished.
    fn connection(target: [u8; 4], is_marked: bool) -> Vec<u8> {
        let path = [&b"\x44\x04"[..], &target].concat();
        let padded = [b"\x03\x00\x00\x00\x00\x10", &path[..2], b"xyz"].concat();
        let mark: &[u8] = if is_marked { b"\x00\x0fx-anteroom-flaw\x08fragment" } else { b"" };
        let last = frame(frames::CONTINUATION, frames::END_HEADERS, &[&path[4..], mark].concat());
        [
            frame(4, 0, &[0; 12]),
            frame(HEADERS, END_STREAM | frames::END_HEADERS, b"\x82\x86\x84\x41\x0fwww.example.com"),
            frame(0, 0, &[b'#'; 300]),
            frame(HEADERS, 0x28, &padded),
            frame(frames::CONTINUATION, 0, &path[2..4]),
            last,
            frame(0, END_STREAM, b""),
            frame(HEADERS, END_STREAM | frames::END_HEADERS, b"\x82\x86\x84\xbf"),
        ]
        .concat()
    }

    /// Sound heads arrive as they were sent, and of others just the one field is added, however the octets are cut.
    #[test]
    fn a_fragment_is_told_behind_the_head() {
        for size in [1, 2, 5, 9, 10, 33, 1_000] {
            for (target, is_marked) in [(*b"/abc", false), (*b"/a#c", true)] {
                let wanted = connection(target, is_marked);
                assert_eq!(
                    through(&connection(target, false), size),
                    Ok(wanted),
                    "{target:?}, pieces of {size}"
                );
            }
        }
    }

    /// Where the library ends a stream alone, or nothing at all, it may know other fields by number than we do.
    #[test]
    fn what_is_malformed_ends_the_connection() {
        let sound = frame(HEADERS, frames::END_HEADERS, b"\x82");
        let on_stream = |stream: [u8; 4], mut frame: Vec<u8>| {
            frame[5..9].copy_from_slice(&stream);
            frame
        };
        let continuation = frame(frames::CONTINUATION, frames::END_HEADERS, b"\x82");
        let begun = frame(HEADERS, 0, b"\x82");
        for (octets, is_sound) in [
            (sound.clone(), true),
            (frame(HEADERS, frames::END_HEADERS, b"\x80"), false),
            (frame(HEADERS, frames::END_HEADERS | 8, b"\x07\x82"), false),
            (frame(HEADERS, frames::END_HEADERS | 8, b""), false),
            (frame(HEADERS, frames::END_HEADERS, b"\x40\x00\x01z"), false),
            ([begun.clone(), frame(0, 0, b"x")].concat(), false),
            ([begun.clone(), sound.clone()].concat(), false),
            ([begun.clone(), on_stream([0, 0, 0, 3], continuation.clone())].concat(), false),
            ([begun, on_stream([0x80, 0, 0, 1], continuation)].concat(), true),
            (frame(HEADERS, frames::END_HEADERS | 0x20, b"\x00\x00\x00\x03\x10\x82"), true),
            (frame(HEADERS, frames::END_HEADERS | 0x20, b"\x80\x00\x00\x01\x10\x82"), false),
            (frame(HEADERS, frames::END_HEADERS | 0x20, b"\x00\x00"), false),
            (frame(5, frames::END_HEADERS, b"\x00\x00\x00\x02\x82"), false),
        ] {
            for size in [1, 10, 1_000] {
                let passed = through(&[sound.clone(), octets.clone(), sound.clone()].concat(), size);
                let wanted = if is_sound { None } else { Some(Reason::ProtocolError) };
                assert_eq!(passed.err(), wanted, "{octets:x?}, pieces of {size}");
            }
        }
    }

    /// A frame that is full gets another one behind it.
    #[test]
    fn a_mark_has_room_behind_a_full_frame() {
        for (bytes, frames) in
            [(PAYLOAD_BYTES_MAX - 26, 1), (PAYLOAD_BYTES_MAX - 25, 2), (PAYLOAD_BYTES_MAX, 2)]
        {
            // A name of one octet, and a value that is not packed.
            let field = |value: usize| {
                let [low, high] =
                    [(value - 127) & 0x7f | 0x80, (value - 127) >> 7].map(|it| u8::try_from(it).unwrap());
                [&[0x10, 1, b'x', 0x7f, low, high][..], &vec![b'y'; value]].concat()
            };
            let path = b"\x44\x04/a#c";
            let octets = [&path[..], &field(bytes - path.len() - 6)].concat();
            assert_eq!(octets.len(), bytes);
            let octets = frame(HEADERS, frames::END_HEADERS, &octets);
            let out = through(&octets, 1_000).unwrap();
            let sight = Fields::new().read(&block_of(&out).unwrap()).unwrap();
            assert!(sight.has_fragment && out.ends_with(b"anteroom-flaw\x08fragment"));
            assert_eq!(out.len(), octets.len() + 26 + (frames - 1) * HEAD_BYTES, "{bytes}");
            let first = Frame::of(&out).unwrap();
            assert_eq!(
                (first.ends_fields(), first.bytes() == out.len()),
                (frames == 1, frames == 1),
                "{bytes}"
            );
        }
    }

    /// What is kept does not grow by being copied each time.
    #[test]
    fn octets_that_come_one_by_one_are_not_copied_again_and_again() {
        let octets = frame(HEADERS, frames::END_HEADERS, &[0x82; 9_000]);
        let mut heads = Heads { left: 0, ..Heads::after_preface() };
        let mut places = std::collections::BTreeSet::new();
        for octet in octets.chunks(1).take(octets.len() - 1) {
            assert_eq!(heads.pass(octet), Ok(0));
            places.insert(heads.kept.capacity());
        }
        assert!(places.len() < 30, "it has grown {} times", places.len());
    }

    /// Whatever comes, it goes on the same however it is cut, and as it came where nothing is said of it.
    #[test]
    fn pieces_make_no_difference() {
        let mut state = 0x9e37_79b9_u64;
        let mut random = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % limit
        };
        let (mut marked, mut kept) = (0, 0);
        for _ in 0..20_000 {
            let targets = [*b"/abc", *b"/a#c", *b"/a?b"];
            let heads = (0..=random(3)).map(|_| connection(targets[random(3)], false));
            let mut octets = heads.collect::<Vec<_>>().concat();
            for _ in 0..random(4) {
                let place = random(octets.len());
                octets[place] = [0, 1, 4, 9, 0x24, 0x44, 0xbe, 0xff][random(8)];
            }
            octets.truncate(octets.len() - random(2) * random(octets.len() / 2));
            let whole = through(&octets, octets.len());
            let size = 1 + random(60);
            assert_eq!(through(&octets, size), whole, "pieces of {size}: {octets:x?}");
            if let Ok(out) = whole {
                let is_marked = out.windows(FLAW.len()).any(|text| text == FLAW.as_bytes());
                assert!(is_marked || octets.starts_with(&out), "{octets:x?} became {out:x?}");
                marked += usize::from(is_marked);
                kept += usize::from(out.len() < octets.len());
            }
        }
        assert!(marked > 1_000 && kept > 1_000, "{marked} marked, {kept} kept");
    }

    /// Nothing is lost count of, whatever a client keeps in its table and forgets again.
    #[tokio::test]
    async fn what_a_client_packs_is_counted() {
        const REQUESTS: usize = 90;
        let (client, mut server) = tokio::io::duplex(4 * 1024 * 1024);
        let (mut sender, connection) = h2::client::handshake(client).await.unwrap();
        let sending = tokio::spawn(connection);
        let (mut wanted, mut answers) = (Vec::new(), Vec::new());
        for number in 0..REQUESTS {
            let target = format!("/orders/{number}?page={}&q={}", number % 3, "a~".repeat(number % 40));
            let mut request = http::Request::get(format!("https://app.example.com{target}"));
            let mut bytes =
                [7 + 3, 7 + 5, 10 + 15, 5 + target.len()].map(|bytes| bytes + 32).iter().sum::<usize>();
            for field in 0..number % 17 {
                let name = format!("x-{}", (number * 7 + field * 3) % 23);
                let value =
                    format!("{{{}\u{1}}}", "Zz|9".repeat((number * 5 + field) % 60)).replace('\u{1}', "\t");
                bytes += name.len() + value.len() + 32;
                request = request.header(name, value);
            }
            wanted.push(bytes);
            let (answer, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
            answers.push(answer);
        }
        // Everything has been written when the connection waits for what is said to it.
        let mut octets = Vec::new();
        let (mut fields, mut counted) = (Fields::new(), Vec::new());
        let mut at = PREFACE_BYTES;
        while counted.len() < REQUESTS {
            tokio::io::AsyncReadExt::read_buf(&mut server, &mut octets).await.unwrap();
            while let Some(frame) = octets.get(at..).and_then(Frame::of)
                && octets.len() >= at + frame.bytes()
            {
                let frames = &octets[at..at + frame.bytes()];
                at += frame.bytes();
                if frame.begins_fields() {
                    assert!(frame.ends_fields());
                    counted.push(fields.read(&block_of(frames).unwrap()).unwrap().list_bytes);
                }
            }
        }
        sending.abort();
        assert_eq!(counted, wanted);
    }

    #[test]
    fn a_head_has_a_size_packed_or_not() {
        let in_frames = |count: usize| {
            let more = frame(frames::CONTINUATION, 0, b"\x82").repeat(count - 1);
            [frame(HEADERS, 0, b"\x82"), more].concat()
        };
        let begin = [b"\x40\x01x\x7f\xa1\x1e".as_slice(), &[b'y'; 4_000]].concat();
        for (octets, is_sound) in [
            (frame(HEADERS, frames::END_HEADERS, &[&begin[..], &[0xbe; 62]].concat()), true),
            (frame(HEADERS, frames::END_HEADERS, &[&begin[..], &[0xbe; 70]].concat()), false),
            (frame(HEADERS, 0, &vec![0; 200_000]), true),
            (
                [frame(HEADERS, 0, &vec![0; 200_000]), frame(frames::CONTINUATION, 0, &vec![0; 70_000])]
                    .concat(),
                false,
            ),
            (frame(0, 0, &vec![0; 400_000]), true),
            (in_frames(19), true),
            (in_frames(20), false),
        ] {
            for size in [1_000, octets.len()] {
                assert_eq!(through(&octets, size).is_ok(), is_sound, "{} octets", octets.len());
            }
        }
    }
}
