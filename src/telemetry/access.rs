//! The access log: a line for every request, written without `tracing`.
//!
//! Separate because it is on the hot path: a line is put together in place, octet by octet, on the shelf of the core
//! that answers (`spool`). What is in a line is the business of `app`; how it is written, and that nothing in it can
//! pretend to be something else, is decided here.

use std::cell::Cell;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::Offset;

use crate::clock::Clock;

use super::log::{Format, is_unsafe};
use super::spool::{Shelf, Spool, Urgency};

/// Where requests are written down, or not.
#[derive(Debug, Clone, Default)]
pub struct AccessLog(Option<Book>);

#[derive(Debug, Clone)]
struct Book {
    spool: Spool,
    format: Format,
}

impl AccessLog {
    /// A log of its own, written to `sink`.
    pub fn to(sink: impl Write + Send + 'static, format: Format) -> io::Result<Self> {
        Ok(Self::on(Spool::start(sink)?, format))
    }

    pub(super) const fn on(spool: Spool, format: Format) -> Self {
        Self(Some(Book { spool, format }))
    }

    /// The part of one core; `None` where nothing is written down.
    #[must_use]
    pub fn core(&self, clock: Arc<dyn Clock>) -> Option<CoreLog> {
        let Book { spool, format } = self.0.as_ref()?;
        Some(CoreLog(Arc::new(Desk { shelf: spool.shelf(Urgency::InBatches), format: *format, clock })))
    }

    /// How many lines were dropped, because nobody took them or they could not be written.
    #[must_use]
    pub fn lines_lost(&self) -> u64 {
        self.0.as_ref().map_or(0, |book| book.spool.lost())
    }

    /// Waits until every line is written that there is now, at most this long. Says whether it is.
    #[must_use]
    pub fn flush(&self, patience: Duration) -> bool {
        self.0.as_ref().is_none_or(|book| book.spool.flush(patience))
    }
}

/// The access log of one core. Clones are the same.
#[derive(Debug, Clone)]
pub struct CoreLog(Arc<Desk>);

#[derive(Debug)]
struct Desk {
    shelf: Arc<Shelf>,
    format: Format,
    clock: Arc<dyn Clock>,
}

impl CoreLog {
    /// Writes one line with the fields that `write` adds to it.
    pub fn write(&self, write: impl FnOnce(&mut Line<'_>)) {
        let Desk { shelf, format, clock } = &*self.0;
        let now = clock.now();
        shelf.put(|out| {
            out.reserve(LINE_BYTES);
            let json = *format == Format::Json;
            out.extend_from_slice(if json { b"{\"timestamp\":\"" } else { b"" });
            push_timestamp(out, now);
            let level: &[u8] =
                if json { b"\",\"level\":\"INFO\",\"target\":\"access\"" } else { b"  INFO access:" };
            out.extend_from_slice(level);
            write(&mut Line { out, format: *format });
            out.extend_from_slice(if json { b"}\n" } else { b"\n" });
        });
    }
}

/// The name of a field, as it stands in a line; made by [`name!`].
#[derive(Debug, Clone, Copy)]
pub struct Name {
    /// `,"name":`, and the quote before a text
    pub(crate) json: [&'static str; 2],
    /// ` name=`, and the same
    pub(crate) text: [&'static str; 2],
}

/// The name of a field of a line, put together when this is compiled.
macro_rules! name {
    ($name:literal) => {
        $crate::telemetry::Name {
            json: [concat!(",\"", $name, "\":"), concat!(",\"", $name, "\":\"")],
            text: [concat!(" ", $name, "="), concat!(" ", $name, "=\"")],
        }
    };
}
pub(crate) use name;

/// A line that is being written.
#[derive(Debug)]
pub struct Line<'a> {
    out: &'a mut Vec<u8>,
    format: Format,
}

impl Line<'_> {
    /// Adds a text, whatever is in it.
    pub fn text(&mut self, name: Name, value: impl AsRef<[u8]>) {
        self.open(name);
        push_escaped(self.out, value.as_ref());
        self.out.push(b'"');
    }

    /// Adds a text if there is one.
    pub fn text_if(&mut self, name: Name, value: Option<impl AsRef<[u8]>>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    /// Adds a word of our own, in which nothing has to be escaped.
    pub fn word(&mut self, name: Name, value: &'static str) {
        self.open(name);
        self.out.extend_from_slice(value.as_bytes());
        self.out.push(b'"');
    }

    /// Adds two texts as one, a space between them.
    pub fn pair(&mut self, name: Name, first: &str, second: &str) {
        self.open(name);
        push_escaped(self.out, first.as_bytes());
        self.out.push(b' ');
        push_escaped(self.out, second.as_bytes());
        self.out.push(b'"');
    }

    /// Adds a number.
    pub fn number(&mut self, name: Name, value: u64) {
        let [name, _] = self.as_written(name);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    /// Adds a duration, in whole microseconds.
    pub fn micros(&mut self, name: Name, value: Duration) {
        let seconds = value.as_secs().saturating_mul(1_000_000);
        self.number(name, seconds.saturating_add(value.subsec_micros().into()));
    }

    /// Adds an address.
    pub fn address(&mut self, name: Name, value: IpAddr) {
        self.open(name);
        match value {
            IpAddr::V4(address) => {
                for (place, octet) in address.octets().into_iter().enumerate() {
                    if place > 0 {
                        self.out.push(b'.');
                    }
                    self.out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            // Hexadecimal digits, colons and dots; writing to memory does not fail.
            IpAddr::V6(address) => drop(write!(self.out, "{address}")),
        }
        self.out.push(b'"');
    }

    /// Begins a text.
    fn open(&mut self, name: Name) {
        let [_, name] = self.as_written(name);
        self.out.extend_from_slice(name.as_bytes());
    }

    fn as_written(&self, name: Name) -> [&'static str; 2] {
        if self.format == Format::Json { name.json } else { name.text }
    }
}

/// The text within quotes, as JSON has it (RFC 8259 7); what could forge a line or move a cursor is escaped too, and what
/// is no text is replaced.
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let is_plain = |octet: u8| matches!(octet, b' '..=b'~') && octet != b'"' && octet != b'\\';
    // To look at all of them is quicker than to stop at the first that is not plain.
    if text.iter().fold(true, |all, octet| all & is_plain(*octet)) {
        out.extend_from_slice(text);
        return;
    }
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '"' | '\\' => out.extend_from_slice(&[b'\\', u8::try_from(c).unwrap_or(b'"')]),
            // All of them are in the basic plane.
            _ if is_unsafe(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

/// `2026-11-26T01:02:03.004005Z`.
fn push_timestamp(out: &mut Vec<u8>, at: Timestamp) {
    let second = at.as_second();
    let (mut known, mut text) = LAST_SECOND.get();
    if known != second {
        (known, text) = (second, second_of(at));
        LAST_SECOND.set((known, text));
    }
    out.extend_from_slice(&text);
    push_padded(out, u64::try_from(at.subsec_microsecond()).unwrap_or_default(), 6);
    out.push(b'Z');
}

/// As many octets as a time has up to its second, with the dot.
const SECOND_BYTES: usize = b"2026-11-26T01:02:03.".len();

thread_local! {
    /// The second that was written last, of which there are thousands of lines.
    static LAST_SECOND: Cell<(i64, [u8; SECOND_BYTES])> = const { Cell::new((i64::MIN, [0; SECOND_BYTES])) };
}

fn second_of(at: Timestamp) -> [u8; SECOND_BYTES] {
    let civil = Offset::UTC.to_datetime(at);
    let mut text = Vec::with_capacity(SECOND_BYTES);
    push_padded(&mut text, u64::try_from(civil.year()).unwrap_or_default(), 4);
    for (mark, value) in [
        (b'-', civil.month()),
        (b'-', civil.day()),
        (b'T', civil.hour()),
        (b':', civil.minute()),
        (b':', civil.second()),
    ] {
        text.push(mark);
        push_padded(&mut text, u64::try_from(value).unwrap_or_default(), 2);
    }
    text.push(b'.');
    // Years have four digits for a long time to come.
    text.try_into().unwrap_or([b'0'; SECOND_BYTES])
}

/// A number with at least so many digits.
fn push_padded(out: &mut Vec<u8>, mut number: u64, digits_min: usize) {
    // 2^64 has twenty digits.
    let mut digits = [b'0'; 20];
    let mut count = 0;
    for place in digits.iter_mut().rev() {
        if number == 0 && count >= digits_min {
            break;
        }
        *place = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        count += 1;
    }
    out.extend_from_slice(digits.get(digits.len() - count..).unwrap_or_default());
}

/// About as long as a line is.
const LINE_BYTES: usize = 1024;

#[cfg(test)]
mod tests;
