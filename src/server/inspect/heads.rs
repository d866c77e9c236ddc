//! The heads of HTTP/1 requests as they stand on the wire.
//!
//! Separate because it follows a connection on its own from request to request, also where several come at once:
//! it must know where each body ends, and knows that by the same rules as the HTTP library (RFC 9112 6).
//!
//! Looked for: a line that ends with a line feed alone (RFC 9112 2.2), a body with two lengths or two framings
//! (6.1, 6.3), a fragment in the target (3.2). What is malformed otherwise, the library refuses itself.

use memchr::memchr;

/// The longest part of a line that matters: a name, and a number behind it.
const LINE_BYTES_KEPT: usize = 64;

/// The longest line that says how long a body is, and the most digits of a chunk's size. Nobody writes longer ones but
/// to be misread: with zeros or blanks in front, the number would lie beyond what is kept.
const LENGTH_LINE_BYTES_MAX: usize = 48;
const SIZE_DIGITS_MAX: usize = 16;

/// Where in a connection one is.
#[derive(Debug, Default)]
pub(super) struct Heads {
    place: Place,
    /// The begin of a line whose end has not come yet, as much as matters.
    partial: Vec<u8>,
    /// Its last octet so far.
    last: u8,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// Before a request line.
    #[default]
    Start,
    /// In the fields of a request.
    Fields,
    /// In octets that are passed over.
    Skip(u64, Then),
    /// Before the size of a chunk.
    Size,
    /// In the trailers.
    Trailers,
    /// Lost: the library refuses what has come.
    Lost,
}

/// What follows what is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Start,
    Size,
}

/// What the fields of a request say of its body.
#[derive(Debug, Clone, Copy, Default)]
struct Framing {
    lengths: u32,
    length: u64,
    codings: u32,
}

impl Heads {
    /// Goes on over these octets; `false` if they are ambiguous.
    pub(super) fn feed(&mut self, mut octets: &[u8]) -> bool {
        let mut sound = true;
        while !octets.is_empty() && self.place != Place::Lost {
            if let Place::Skip(left, then) = self.place {
                let passed = usize::try_from(left).unwrap_or(usize::MAX).min(octets.len());
                octets = octets.get(passed..).unwrap_or_default();
                let left = left - passed as u64;
                self.place = match (left, then) {
                    (0, Then::Start) => Place::Start,
                    (0, Then::Size) => Place::Size,
                    _ => Place::Skip(left, then),
                };
                continue;
            }
            let Some(end) = memchr(b'\n', octets) else {
                self.keep(octets);
                break;
            };
            let (line, rest) = octets.split_at(end);
            octets = rest.get(1..).unwrap_or_default();
            if self.partial.is_empty() && self.last == 0 {
                sound &= self.line(line, line.last() == Some(&b'\r'));
            } else {
                self.keep(line);
                let line = std::mem::take(&mut self.partial);
                let ends_well = std::mem::take(&mut self.last) == b'\r';
                sound &= self.line(&line, ends_well);
            }
        }
        sound
    }

    fn keep(&mut self, octets: &[u8]) {
        let room = LINE_BYTES_KEPT.saturating_sub(self.partial.len());
        // A fragment would stand behind what is kept.
        let is_noted = self.partial.first() == Some(&b'#');
        if self.place == Place::Start && !is_noted && memchr(b'#', octets).is_some() {
            self.partial.insert(0, b'#');
        }
        self.partial.extend(octets.iter().take(room));
        self.last = octets.last().copied().unwrap_or(self.last);
    }

    /// Takes a line without its line feed; `false` if it is ambiguous.
    fn line(&mut self, line: &[u8], ends_well: bool) -> bool {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        match self.place {
            // Empty lines before a request are passed over (RFC 9112 2.2).
            Place::Start if text.is_empty() => {}
            Place::Start => {
                self.framing = Framing::default();
                self.place = Place::Fields;
                return ends_well && memchr(b'#', text).is_none();
            }
            Place::Fields if text.is_empty() => return self.head_ended() && ends_well,
            Place::Fields => self.framing.field(text),
            Place::Size => {
                let digits = text.iter().take_while(|octet| octet.is_ascii_hexdigit()).count();
                self.place = match text.get(..digits).and_then(chunk_size) {
                    Some(0) => Place::Trailers,
                    // The data ends with a line end of its own.
                    Some(size) => Place::Skip(size.saturating_add(2), Then::Size),
                    None => Place::Lost,
                };
                return ends_well && digits <= SIZE_DIGITS_MAX;
            }
            Place::Trailers if text.is_empty() => self.place = Place::Start,
            Place::Trailers | Place::Skip(..) | Place::Lost => {}
        }
        ends_well
    }

    fn head_ended(&mut self) -> bool {
        let Framing { lengths, length, codings } = self.framing;
        self.place = if codings > 0 {
            Place::Size
        } else if length > 0 {
            Place::Skip(length, Then::Start)
        } else {
            Place::Start
        };
        lengths + codings < 2
    }
}

impl Framing {
    fn field(&mut self, line: &[u8]) {
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return;
        }
        if let Some(value) = value_of(line, b"content-length:") {
            // A line that is too long counts as two, as it may be read in two ways.
            self.lengths += if line.len() > LENGTH_LINE_BYTES_MAX { 2 } else { 1 };
            self.length = str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0);
        } else if value_of(line, b"transfer-encoding:").is_some() {
            self.codings += 1;
        }
    }
}

fn value_of<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

fn chunk_size(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the octets pass, cut in pieces of every size.
    fn check(octets: &str, wanted: bool) {
        for size in 1..=octets.len() {
            let mut heads = Heads::default();
            let sounds: Vec<bool> = octets.as_bytes().chunks(size).map(|piece| heads.feed(piece)).collect();
            let sound = !sounds.contains(&false);
            assert_eq!(sound, wanted, "{octets:?} in pieces of {size}");
        }
    }

    #[test]
    fn sound_requests_pass_one_after_another() {
        let long = "y".repeat(300);
        check(
            &format!(
                "\r\nGET /a?b HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n\
                 POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\n\n#\n\n\
                 POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\n\n#\n\r\nA\r\n0123456789\r\n0\r\nA: #\r\n\r\n\
                 GET / HTTP/1.1\r\n\r\n"
            ),
            true,
        );
    }

    #[test]
    fn ambiguous_requests_do_not_pass_wherever_they_stand() {
        let bad = [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\nX: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
            "POST / HTTP/1.1\r\nCONTENT-LENGTH: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        ];
        let before = [
            "",
            "GET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\n\r\n",
        ];
        for bad in bad {
            for before in before {
                check(&format!("{before}{bad}"), false);
            }
        }
        let zeros = "0".repeat(70);
        for long in [
            format!("GET /{}#x HTTP/1.1\r\n\r\n", "y".repeat(200)),
            format!("POST / HTTP/1.1\r\nContent-Length: {zeros}5\r\n\r\n12345"),
            format!("POST / HTTP/1.1\r\nContent-Length: {}5\r\n\r\n12345", " ".repeat(70)),
            format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{zeros}1\r\na\r\n0\r\n\r\n"),
        ] {
            check(&long, false);
        }
    }
}
