//! The heads of an HTTP/2 connection on their way to the library, and what it would keep to itself.
//!
//! Separate because it is the one place that changes what the library is given: it cuts off the fragment of a target
//! without a word, and answers lists of fields that are too large by itself. So a head with a fragment gets a
//! further field that says so, and whoever answers requests refuses it; and lists that the library would answer never
//! reach it.
//!
//! Rules: a head that is sound is handed on as it came, from where it came. One that has not come whole is kept until it has.

use std::borrow::Cow;

use bytes::{BufMut as _, BytesMut};
use tokio::io::ReadBuf;

use super::fields::Fields;
use super::frames::{self, Frame, PREFACE_BYTES};

/// The field that says that the target had a fragment, and its value. Who sends it speaks of himself, and is refused.
pub(in crate::server) const FLAW: &str = "anteroom-flaw";
const FRAGMENT: &str = "fragment";

/// The largest head that is looked at, packed or not: what comes beyond it ends the connection.
pub(in crate::server) const LIST_BYTES_MAX: u32 = 256 * 1024;
const BYTES_MAX: usize = LIST_BYTES_MAX as usize;
/// And how many frames it may have: a client that fills them needs 16.
const FRAMES_MAX: usize = 20;

/// A head is too large to be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

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
    /// Whether nothing is looked at any more: the library will say why.
    is_off: bool,
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
            is_off: false,
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
    pub(super) fn pass(&mut self, octets: &[u8]) -> Result<usize, TooLarge> {
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
    fn clear(&mut self) -> Result<(), TooLarge> {
        loop {
            if let Some(extent) = self.flawed.take() {
                let head = self.kept.split_to(extent.end);
                mark(&head, extent, &mut self.cleared);
            }
            let kept = std::mem::take(&mut self.kept);
            let looked = self.look(&kept);
            self.kept = kept;
            self.cleared.unsplit(self.kept.split_to(looked?));
            if self.flawed.is_none() {
                return Ok(());
            }
        }
    }

    /// Looks at octets that begin where a frame, or what is left of one, begins, and says how many can be handed on.
    fn look(&mut self, octets: &[u8]) -> Result<usize, TooLarge> {
        let mut at = 0;
        loop {
            if self.is_off {
                return Ok(octets.len());
            }
            let rest = octets.get(at..).unwrap_or_default();
            let passed = self.left.min(rest.len());
            (self.left, at) = (self.left - passed, at + passed);
            let rest = rest.get(passed..).unwrap_or_default();
            let Some(frame) = Frame::of(rest) else { return Ok(at) };
            if !frame.begins_fields() {
                self.left = frame.bytes();
                continue;
            }
            let Some(extent) = self.extent(rest)? else { return Ok(at) };
            let frames = rest.get(..extent.end).unwrap_or_default();
            match block_of(frames).and_then(|block| self.fields.read(&block).ok()) {
                Some(sight) if sight.list_bytes >= BYTES_MAX => return Err(TooLarge),
                Some(sight) if sight.has_fragment => {
                    self.flawed = Some(extent);
                    return Ok(at);
                }
                Some(_) => at += extent.end,
                None => self.is_off = true,
            }
        }
    }

    /// Where the head ends that these octets begin with; `None` if it has not come whole.
    fn extent(&mut self, octets: &[u8]) -> Result<Option<Extent>, TooLarge> {
        loop {
            let begin = self.looked;
            let Some(frame) = octets.get(begin..).and_then(Frame::of) else { return Ok(None) };
            let end = begin + frame.bytes();
            if end > BYTES_MAX {
                return Err(TooLarge);
            }
            if end > octets.len() {
                return Ok(None);
            }
            // Anything but a continuation in between is an error.
            if frame.ends_fields() || (begin > 0 && !frame.continues_fields()) {
                (self.looked, self.frames) = (0, 0);
                return Ok(Some(Extent { last: begin, end }));
            }
            (self.looked, self.frames) = (end, self.frames + 1);
            if self.frames == FRAMES_MAX {
                return Err(TooLarge);
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
        if !is_first && (!frame.continues_fields() || frame.stream != first.stream) {
            return None;
        }
        let (this, next) = rest.split_at_checked(frame.bytes())?;
        let fields = frame.fields(this.get(frames::HEAD_BYTES..)?)?;
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
fn mark(frames: &[u8], extent: Extent, out: &mut BytesMut) {
    const FLAGS: usize = 4;
    let begin = out.len();
    out.extend_from_slice(frames);
    if let Some(flags) = out.get_mut(begin + extent.last + FLAGS) {
        *flags &= !frames::END_HEADERS;
    }
    let stream = Frame::of(frames).map_or([0; 4], |frame| frame.stream);
    let mut payload = vec![0];
    for string in [FLAW, FRAGMENT] {
        // Both are short.
        payload.push(u8::try_from(string.len()).unwrap_or(0));
        payload.extend_from_slice(string.as_bytes());
    }
    out.put_uint(payload.len() as u64, 3);
    out.put_u8(frames::CONTINUATION);
    out.put_u8(frames::END_HEADERS);
    out.extend_from_slice(&stream);
    out.extend_from_slice(&payload);
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
    fn through(octets: &[u8], size: usize) -> Result<Vec<u8>, TooLarge> {
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
        let mut last =
            frame(frames::CONTINUATION, if is_marked { 0 } else { frames::END_HEADERS }, &path[4..]);
        if is_marked {
            last.extend(frame(
                frames::CONTINUATION,
                frames::END_HEADERS,
                b"\x00\x0danteroom-flaw\x08fragment",
            ));
        }
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

    #[test]
    fn what_is_malformed_is_handed_on_for_the_library_to_say_so() {
        let sound = frame(HEADERS, frames::END_HEADERS, b"\x82");
        for malformed in [
            frame(HEADERS, frames::END_HEADERS, b"\x80"),
            frame(HEADERS, frames::END_HEADERS | 8, b"\x07\x82"),
            [frame(HEADERS, 0, b"\x82"), frame(0, 0, b"x")].concat(),
            [frame(HEADERS, 0, b"\x82"), sound.clone()].concat(),
            frame(frames::CONTINUATION, frames::END_HEADERS, b"\x82"),
        ] {
            let octets = [sound.clone(), malformed, sound.clone()].concat();
            for size in [1, 10, 1_000] {
                assert_eq!(through(&octets, size).as_ref(), Ok(&octets), "pieces of {size}");
            }
        }
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
