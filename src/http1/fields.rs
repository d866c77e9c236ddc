//! The fields of a head, where they were received.
//!
//! Separate because most of them are only looked at: a field stays in the octets of its head, with its name in lower case,
//! and is copied once, into the head that goes out. A map would hash, count and free each of them.
//!
//! Rules: all names and values are valid (RFC 9110 5.1, 5.5). What came is never changed; it can only be left out.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::head::Extent;
use super::{FIELDS_MAX, Malformed};

/// Makes [`Known`] with the names as they stand in heads.
macro_rules! known {
    ($($variant:ident $name:literal,)*) => {
        /// A name that somebody here asks for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Known {
            $(#[doc = stringify!($variant)] $variant,)*
            /// Any other.
            Other,
        }

        impl Known {
            /// All but the last, in their order.
            pub(crate) const ALL: &[(Self, &[u8])] = &[$((Self::$variant, $name),)*];

            /// Finds a name in lower case.
            const fn of(name: &[u8]) -> Self {
                match name {
                    $($name => Self::$variant,)*
                    _ => Self::Other,
                }
            }
        }
    };
}

known! {
    Connection b"connection",
    ContentLength b"content-length",
    ContentType b"content-type",
    Cookie b"cookie",
    Date b"date",
    Expect b"expect",
    Forwarded b"forwarded",
    Host b"host",
    KeepAlive b"keep-alive",
    Origin b"origin",
    ProxyAuthenticate b"proxy-authenticate",
    ProxyConnection b"proxy-connection",
    Referer b"referer",
    SecPurpose b"sec-purpose",
    SetCookie b"set-cookie",
    Te b"te",
    Trailer b"trailer",
    TransferEncoding b"transfer-encoding",
    Upgrade b"upgrade",
    XForwardedFor b"x-forwarded-for",
    XForwardedHost b"x-forwarded-host",
    XForwardedPort b"x-forwarded-port",
    XForwardedProto b"x-forwarded-proto",
    XRealIp b"x-real-ip",
    XRequestId b"x-request-id",
}

impl Known {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// Some of the names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names(u32);

impl Names {
    /// These.
    pub(crate) const fn of(names: &[Known]) -> Self {
        let mut bits = 0;
        let mut rest = names;
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    /// Whether a name is one of them.
    pub(crate) const fn contains(self, name: Known) -> bool {
        self.0 & name.bit() != 0
    }
}

/// The fields of one head, in their order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    octets: Bytes,
    places: Vec<Place>,
    /// A bit for each name that is among them.
    known: u32,
}

/// Where a field lies.
#[derive(Debug, Clone, Copy)]
struct Place {
    known: Known,
    /// Whether it lies there as it would be written, so that it can be copied as it is.
    is_plain: bool,
    name_at: u32,
    name_end: u32,
    value_at: u32,
    value_end: u32,
}

/// One field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Which one it is, if anybody asks.
    pub(crate) known: Known,
    /// In lower case.
    pub(crate) name: &'a [u8],
    /// Without blanks around it.
    pub(crate) value: &'a [u8],
}

/// What the ends of lines may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnds {
    /// CRLF.
    Strict,
    /// Line feeds alone, too: old programs that write a response line by line send them.
    Tolerant,
}

impl Fields {
    /// Reads the lines of a head from this octet on, where one of its lines begins, up to the empty line at its end.
    pub(super) fn parse(
        mut head: BytesMut,
        begin: usize,
        ends: LineEnds,
        extent: &Extent,
    ) -> Result<Self, Malformed> {
        // The first line may be another one.
        if extent.lines > FIELDS_MAX + 1 {
            return Err(Malformed::TooLarge);
        }
        let mut places = Vec::with_capacity(extent.lines);
        let (mut known, mut line_end_octets) = (0, 0);
        let mut at = begin;
        let mut number = usize::from(begin > 0);
        let mut rest = head.get_mut(begin..).unwrap_or_default();
        loop {
            let end = extent.end_of(number).map(|end| end - at);
            let Some(end) = end.or_else(|| memchr(b'\n', rest).map(|end| end + 1)) else { break };
            let Some((line, after)) = rest.split_at_mut_checked(end) else { break };
            (rest, number) = (after, number + 1);
            let length = match line {
                [.., b'\r', b'\n'] => end - 2,
                _ if ends == LineEnds::Tolerant => end - 1,
                _ => return Err(Malformed::LineFeed),
            };
            line_end_octets += end - length;
            if length == 0 {
                break;
            }
            let place = Place::of(line, length, at)?;
            known |= place.known.bit();
            places.push(place);
            at += end;
        }
        if places.len() > FIELDS_MAX {
            return Err(Malformed::TooLarge);
        }
        let fields = Self { octets: head.freeze(), places, known };
        // Where nothing but the ends of lines is a control character, no value has to be looked at by itself.
        let is_clean = controls(fields.octets.get(begin..).unwrap_or_default()) == line_end_octets;
        if is_clean || fields.iter().all(|field| is_value(field.value)) {
            Ok(fields)
        } else {
            Err(Malformed::Field)
        }
    }

    /// The head that they stand in.
    pub(super) const fn octets(&self) -> &Bytes {
        &self.octets
    }

    /// How many there are.
    pub(crate) const fn len(&self) -> usize {
        self.places.len()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Field<'_>> {
        self.places.iter().map(|place| self.field(place))
    }

    /// Whether there is one of this name.
    pub(crate) const fn has(&self, name: Known) -> bool {
        self.known & name.bit() != 0
    }

    /// Whether there is one of these names.
    pub(crate) const fn has_any(&self, names: Names) -> bool {
        self.known & names.0 != 0
    }

    /// The values of a name, in their order.
    pub(crate) fn all(&self, name: Known) -> impl Iterator<Item = &[u8]> + Clone {
        let places = if self.has(name) { self.places.as_slice() } else { &[] };
        places.iter().filter(move |place| place.known == name).map(|place| self.field(place).value)
    }

    /// The first value of a name.
    pub(crate) fn get(&self, name: Known) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The first value of a name, if it is a text.
    pub(crate) fn text(&self, name: Known) -> Option<&str> {
        self.get(name).and_then(|value| str::from_utf8(value).ok())
    }

    /// The members of a list field, in all its lines (RFC 9110 5.6.1).
    pub(crate) fn tokens(&self, name: Known) -> impl Iterator<Item = &[u8]> {
        self.all(name).flat_map(members)
    }

    /// Whether a list field has this member, in whatever case.
    pub(crate) fn says(&self, name: Known, member: &[u8]) -> bool {
        self.has(name) && self.tokens(name).any(|one| one.eq_ignore_ascii_case(member))
    }

    /// Leaves out all fields of which something is not so.
    pub(crate) fn retain(&mut self, mut stays: impl FnMut(Field<'_>) -> bool) {
        let Self { octets, places, known } = self;
        *known = 0;
        places.retain(|place| {
            let stays = stays(place.field(octets));
            if stays {
                *known |= place.known.bit();
            }
            stays
        });
    }

    /// Writes those fields of which something is so.
    pub(crate) fn put_where(&self, out: &mut Vec<u8>, mut goes: impl FnMut(Field<'_>) -> bool) {
        // What lies side by side is copied together.
        let (mut from, mut to) = (0, 0);
        for place in &self.places {
            let field = self.field(place);
            if !goes(field) {
                continue;
            }
            if place.is_plain && place.name_at as usize == to {
                to = place.line_end();
                continue;
            }
            out.extend_from_slice(self.octets.get(from..to).unwrap_or_default());
            (from, to) = (0, 0);
            if place.is_plain {
                (from, to) = (place.name_at as usize, place.line_end());
            } else {
                super::head::put(out, field.name, field.value);
            }
        }
        out.extend_from_slice(self.octets.get(from..to).unwrap_or_default());
    }

    /// The same in a map.
    pub(crate) fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.len() + 1);
        self.add_to(&mut map);
        map
    }

    /// Adds them to those of a map.
    pub(crate) fn add_to(&self, map: &mut HeaderMap) {
        for Field { name, value, .. } in self.iter() {
            let pair =
                (HeaderName::from_bytes(name), HeaderValue::from_maybe_shared(self.octets.slice_ref(value)));
            // All of them are valid.
            if let (Ok(name), Ok(value)) = pair {
                map.append(name, value);
            }
        }
    }

    fn field(&self, place: &Place) -> Field<'_> {
        place.field(&self.octets)
    }
}

impl Place {
    /// Reads one line, without its end so long, which begins so far behind the begin of the head. The name is changed to
    /// lower case; the value has to be looked at.
    fn of(line: &mut [u8], length: usize, at: usize) -> Result<Self, Malformed> {
        let mut name_length = 0;
        for octet in line.iter_mut() {
            if *octet == b':' {
                break;
            }
            // A line end is none either.
            let lower = LOWER.get(usize::from(*octet)).copied().unwrap_or_default();
            if lower == 0 {
                return Err(Malformed::Field);
            }
            *octet = lower;
            name_length += 1;
        }
        let name = line.get(..name_length).unwrap_or_default();
        if name.is_empty() {
            return Err(Malformed::Field);
        }
        let known = Known::of(name);
        let text = line.get(name_length + 1..length).unwrap_or_default();
        let value = trimmed(text);
        let is_plain =
            text.len() == value.len() + 1 && text.first() == Some(&b' ') && line.len() == length + 2;
        let value_at = name_length + 1 + text.iter().take_while(|octet| is_blank(**octet)).count();
        let place = |at: usize| u32::try_from(at).map_err(|_| Malformed::TooLarge);
        Ok(Self {
            known,
            is_plain,
            name_at: place(at)?,
            name_end: place(at + name_length)?,
            value_at: place(at + value_at)?,
            value_end: place(at + value_at + value.len())?,
        })
    }

    fn field<'a>(&self, octets: &'a [u8]) -> Field<'a> {
        let part = |from: u32, to: u32| octets.get(from as usize..to as usize).unwrap_or_default();
        let (name, value) = (part(self.name_at, self.name_end), part(self.value_at, self.value_end));
        Field { known: self.known, name, value }
    }

    /// Where a plain line ends.
    const fn line_end(&self) -> usize {
        self.value_end as usize + b"\r\n".len()
    }
}

impl From<&HeaderMap> for Fields {
    /// As many as there may be, and a few more, so that too many are seen to be too many. One whose name could be read as
    /// none leaves no fields at all: HTTP/2 has names that HTTP/1.1 does not have.
    fn from(map: &HeaderMap) -> Self {
        let mut octets =
            Vec::with_capacity(map.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum());
        let (mut places, mut known) = (Vec::with_capacity(map.len()), 0);
        for (name, value) in map.iter().take(FIELDS_MAX + 2) {
            let at = octets.len();
            super::head::put(&mut octets, name.as_str().as_bytes(), value.as_bytes());
            let line = octets.get_mut(at..).unwrap_or_default();
            let length = line.len().saturating_sub(b"\r\n".len());
            let Ok(place) = Place::of(line, length, at) else { return Self::default() };
            known |= place.known.bit();
            places.push(place);
        }
        Self { octets: octets.into(), places, known }
    }
}

/// The members of a list in one line.
pub(crate) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    line.split(|octet| *octet == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// The pairs of a line of cookies (RFC 6265 4.2.1), with whatever stands around them.
pub(crate) fn pairs(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let (pair, after) = match memchr(b';', line).and_then(|end| line.split_at_checked(end)) {
            Some((pair, after)) => (pair, after.get(1..)),
            None => (line, None),
        };
        rest = after;
        Some(pair)
    })
}

/// Without the blanks around it (RFC 9110 5.6.3), and nothing else: other white space is no white space here.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

const fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Whether it may be a value (RFC 9110 5.5).
fn is_value(value: &[u8]) -> bool {
    !value.iter().any(|octet| is_control(*octet) && *octet != b'\t')
}

const fn is_control(octet: u8) -> bool {
    octet < b' ' || octet == 0x7f
}

/// How many of the octets are control characters.
fn controls(octets: &[u8]) -> usize {
    // In pieces whose count is an octet: so many are counted at a time.
    let pieces = octets.chunks(usize::from(u8::MAX));
    pieces.map(|piece| usize::from(piece.iter().map(|octet| u8::from(is_control(*octet))).sum::<u8>())).sum()
}

/// What may stand in a name (RFC 9110 5.6.2), in lower case; 0 for all else.
#[expect(clippy::indexing_slicing, reason = "it is found out when this is compiled")]
const LOWER: [u8; 256] = {
    let mut table = [0; 256];
    let mut octet = 0_u8;
    loop {
        let is_token = octet.is_ascii_alphanumeric()
            || matches!(
                octet,
                b'!' | b'#'
                    | b'$'
                    | b'%'
                    | b'&'
                    | b'\''
                    | b'*'
                    | b'+'
                    | b'-'
                    | b'.'
                    | b'^'
                    | b'_'
                    | b'`'
                    | b'|'
                    | b'~'
            );
        if is_token {
            table[octet as usize] = octet.to_ascii_lowercase();
        }
        if octet == u8::MAX {
            break table;
        }
        octet += 1;
    }
};

#[cfg(test)]
mod tests;
