//! The body of a message as it comes in (RFC 9112 6, 7).
//!
//! Separate because whoever is wrong about where a body ends takes the rest of it for the next message: here is the one
//! place that decides.

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Version};
use memchr::memchr;

use super::Malformed;
use super::fields::{Fields, Known};
use super::head::{self, Extent, ResponseHead, Search};

/// The longest line with the size of a chunk, and what all extensions of a body may have together.
const SIZE_LINE_BYTES_MAX: usize = 4 * 1024;
const EXTENSION_BYTES_MAX: usize = 16 * 1024;
/// The most digits of a size: more would be zeros in front, written to be misread.
const SIZE_DIGITS_MAX: usize = 16;
/// The trailers of a body.
const TRAILER_BYTES_MAX: usize = 16 * 1024;

/// What is left of a body.
#[derive(Debug)]
pub(crate) enum Content {
    /// So many octets; none is the end.
    Sized(u64),
    /// Chunks.
    Chunked(Chunks),
    /// Everything until the connection is closed: only a response may end so.
    UntilClose,
}

/// Where in a chunked body one is.
#[derive(Debug)]
pub(crate) struct Chunks {
    place: Place,
    /// What extensions have taken so far.
    extensions: usize,
}

#[derive(Debug)]
enum Place {
    /// Before a size.
    Size,
    /// In a chunk, so many octets from its end.
    Data(u64),
    /// Before the line end behind a chunk.
    DataEnd,
    /// In the trailers.
    Trailers(Search),
    /// Behind all.
    End,
}

/// What comes next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Some of it.
    Data(Bytes),
    /// The fields at its end, at least one.
    Trailers(HeaderMap),
    /// Nothing any more.
    End,
    /// Not known before more octets have come.
    More,
}

impl Content {
    /// No body.
    pub(crate) const NONE: Self = Self::Sized(0);

    /// What follows the head of a request (RFC 9112 6.3): one length, or `chunked` alone.
    pub(crate) fn of_request(version: Version, fields: &Fields) -> Result<Self, Malformed> {
        if !fields.has(Known::TransferEncoding) && !fields.has(Known::ContentLength) {
            return Ok(Self::NONE);
        }
        let (mut codings, mut lengths) =
            (fields.all(Known::TransferEncoding), fields.all(Known::ContentLength));
        match (codings.next(), lengths.next()) {
            (None, Some(length)) if lengths.next().is_none() => {
                length_of(length).map(Self::Sized).ok_or(Malformed::Length)
            }
            (Some(coding), None) if codings.next().is_none() && version == Version::HTTP_11 => {
                if coding.eq_ignore_ascii_case(b"chunked") {
                    Ok(Self::chunked())
                } else {
                    Err(Malformed::Coding)
                }
            }
            _ => Err(Malformed::Length),
        }
    }

    /// What follows the head of the response to a request with this method (RFC 9112 6.3).
    pub(crate) fn of_response(method: &Method, head: &ResponseHead) -> Result<Self, Malformed> {
        let (status, fields) = (head.status, &head.fields);
        let is_bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if *method == Method::HEAD || status.is_informational() || is_bare {
            return Ok(Self::NONE);
        }
        if fields.has(Known::TransferEncoding) {
            if head.version == Version::HTTP_10 {
                return Err(Malformed::Coding);
            }
            // No other was asked for (RFC 9112 7.4), and whoever took its name away would pass on what nobody can read.
            let mut codings = fields.all(Known::TransferEncoding);
            let is_chunked = codings.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"chunked"));
            return if is_chunked && codings.next().is_none() {
                Ok(Self::chunked())
            } else {
                Err(Malformed::Coding)
            };
        }
        // A length may be said several times, as long as it is the same (RFC 9110 8.6), and never as nothing.
        let mut known = None;
        let texts = fields.all(Known::ContentLength).flat_map(|line| line.split(|octet| *octet == b','));
        for text in texts.map(<[u8]>::trim_ascii) {
            let length = length_of(text).ok_or(Malformed::Length)?;
            if known.is_some_and(|known| known != length) {
                return Err(Malformed::Length);
            }
            known = Some(length);
        }
        Ok(known.map_or(Self::UntilClose, Self::Sized))
    }

    const fn chunked() -> Self {
        Self::Chunked(Chunks { place: Place::Size, extensions: 0 })
    }

    /// Whether nothing is left.
    pub(crate) const fn is_over(&self) -> bool {
        matches!(self, Self::Sized(0) | Self::Chunked(Chunks { place: Place::End, .. }))
    }

    /// How much is left, if that has been said.
    pub(crate) const fn octets_left(&self) -> Option<u64> {
        match self {
            Self::Sized(left) => Some(*left),
            Self::Chunked(_) | Self::UntilClose => None,
        }
    }

    /// Takes what comes next out of the octets that have come in.
    pub(crate) fn take(&mut self, inbox: &mut BytesMut) -> Result<Part, Malformed> {
        match self {
            Self::Sized(0) => Ok(Part::End),
            Self::Sized(left) => Ok(take_some(left, inbox)),
            Self::Chunked(chunks) => chunks.take(inbox),
            Self::UntilClose if inbox.is_empty() => Ok(Part::More),
            Self::UntilClose => Ok(Part::Data(inbox.split().freeze())),
        }
    }
}

impl Chunks {
    fn take(&mut self, inbox: &mut BytesMut) -> Result<Part, Malformed> {
        loop {
            match &mut self.place {
                Place::Size => {
                    let Some(size) = self.take_size(inbox)? else { return Ok(Part::More) };
                    self.place =
                        if size == 0 { Place::Trailers(Search::default()) } else { Place::Data(size) };
                }
                Place::Data(left) => {
                    let part = take_some(left, inbox);
                    if *left == 0 {
                        self.place = Place::DataEnd;
                        // What ends there is best known at once.
                        if inbox.starts_with(b"\r\n0\r\n\r\n") {
                            inbox.advance(b"\r\n0\r\n\r\n".len());
                            self.place = Place::End;
                        }
                    }
                    return Ok(part);
                }
                Place::DataEnd => {
                    let Some(end) = inbox.get(..2) else { return Ok(Part::More) };
                    if end != b"\r\n" {
                        return Err(Malformed::Chunk);
                    }
                    inbox.advance(2);
                    self.place = Place::Size;
                }
                Place::Trailers(search) => {
                    let Some(extent) = search.go_on(inbox) else {
                        let is_small = inbox.len() <= TRAILER_BYTES_MAX;
                        return if is_small { Ok(Part::More) } else { Err(Malformed::TooLarge) };
                    };
                    let Extent { octets, lines, .. } = extent;
                    if octets > TRAILER_BYTES_MAX {
                        return Err(Malformed::TooLarge);
                    }
                    let octets = inbox.split_to(octets);
                    self.place = Place::End;
                    let trailers = head::parse_trailers(octets, extent)?;
                    return Ok(if lines == 0 { Part::End } else { Part::Trailers(trailers) });
                }
                Place::End => return Ok(Part::End),
            }
        }
    }

    /// The size of the next chunk, if its line is there.
    fn take_size(&mut self, inbox: &mut BytesMut) -> Result<Option<u64>, Malformed> {
        let Some(end) = memchr(b'\n', inbox) else {
            let is_short = inbox.len() < SIZE_LINE_BYTES_MAX;
            return if is_short { Ok(None) } else { Err(Malformed::Chunk) };
        };
        let line = inbox.get(..end).and_then(|line| line.strip_suffix(b"\r")).ok_or(Malformed::Chunk)?;
        let digits = line.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
        let (digits, extension) = line.split_at(digits);
        self.extensions += extension.len();
        let is_plain = |octet: &u8| matches!(octet, b'\t' | b' '..=b'~' | 0x80..);
        let is_extension = extension.trim_ascii_start().first().is_none_or(|octet| *octet == b';');
        if digits.len() > SIZE_DIGITS_MAX
            || line.len() > SIZE_LINE_BYTES_MAX
            || self.extensions > EXTENSION_BYTES_MAX
            || !is_extension
            || !extension.iter().all(is_plain)
        {
            return Err(Malformed::Chunk);
        }
        let text = str::from_utf8(digits).map_err(|_| Malformed::Chunk)?;
        let size = u64::from_str_radix(text, 16).map_err(|_| Malformed::Chunk)?;
        inbox.advance(end + 1);
        Ok(Some(size))
    }
}

/// Takes as much as there is of what is left.
fn take_some(left: &mut u64, inbox: &mut BytesMut) -> Part {
    if inbox.is_empty() {
        return Part::More;
    }
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(inbox.len());
    *left -= count as u64;
    Part::Data(inbox.split_to(count).freeze())
}

/// Digits and nothing else (RFC 9110 8.6), no more of them than a length can have.
pub(crate) fn length_of(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > LENGTH_DIGITS_MAX {
        return None;
    }
    text.iter().try_fold(0_u64, |length, octet| {
        let digit = octet.is_ascii_digit().then(|| u64::from(octet - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}

/// 2^64 has twenty digits.
const LENGTH_DIGITS_MAX: usize = 20;

#[cfg(test)]
mod tests;
