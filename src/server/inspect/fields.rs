//! The fields of a head of HTTP/2, as far as somebody beside the library must know them (RFC 7541).
//!
//! Separate because it is a table and a way to read it, whatever is read out of it: how large the list is, and whether the
//! target has a fragment. Nothing of the fields themselves is kept.
//!
//! Rules: what is malformed ends the connection, also where the library would only end a stream: it may not have taken into
//! its table what was taken into this one.

use std::collections::VecDeque;

use super::huffman::Unpacked;

/// What a field counts beside its name and its value (RFC 7541 4.1, RFC 9113 6.5.2).
const FIELD_BYTES: usize = 32;
/// The largest table that is kept: what holds as long as nobody says otherwise (RFC 9113 6.5.2).
const TABLE_BYTES_MAX: usize = 4096;

/// The lengths of the names and values that everybody knows (RFC 7541 A).
const STATIC: [(usize, usize); 61] = [
    (10, 0),
    (7, 3),
    (7, 4),
    (5, 1),
    (5, 11),
    (7, 4),
    (7, 5),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (7, 3),
    (14, 0),
    (15, 13),
    (15, 0),
    (13, 0),
    (6, 0),
    (27, 0),
    (3, 0),
    (5, 0),
    (13, 0),
    (13, 0),
    (19, 0),
    (16, 0),
    (16, 0),
    (14, 0),
    (16, 0),
    (13, 0),
    (12, 0),
    (6, 0),
    (4, 0),
    (4, 0),
    (6, 0),
    (7, 0),
    (4, 0),
    (4, 0),
    (8, 0),
    (17, 0),
    (13, 0),
    (8, 0),
    (19, 0),
    (13, 0),
    (4, 0),
    (8, 0),
    (12, 0),
    (18, 0),
    (19, 0),
    (5, 0),
    (7, 0),
    (7, 0),
    (11, 0),
    (6, 0),
    (10, 0),
    (25, 0),
    (17, 0),
    (10, 0),
    (4, 0),
    (3, 0),
    (16, 0),
];
/// The places of `:path` among them.
const PATHS: [usize; 2] = [4, 5];

/// What is seen of the fields of one head.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sight {
    /// Their size, as in RFC 9113 6.5.2.
    pub(super) list_bytes: usize,
    /// Whether the target has a fragment.
    pub(super) has_fragment: bool,
}

/// It is no list of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// What is known of a field.
#[derive(Debug, Clone, Copy)]
struct Field {
    name_bytes: usize,
    value_bytes: usize,
    is_path: bool,
    has_fragment: bool,
}

impl Field {
    const fn bytes(self) -> usize {
        self.name_bytes + self.value_bytes + FIELD_BYTES
    }
}

/// The fields that were said and may be said again by number, the last one first.
#[derive(Debug)]
pub(super) struct Fields {
    table: VecDeque<Field>,
    bytes: usize,
    bytes_max: usize,
}

impl Fields {
    pub(super) const fn new() -> Self {
        Self { table: VecDeque::new(), bytes: 0, bytes_max: TABLE_BYTES_MAX }
    }

    /// Reads the fields of a head, all of them.
    pub(super) fn read(&mut self, block: &[u8]) -> Result<Sight, Malformed> {
        let (mut rest, mut sight) = (Rest(block), Sight::default());
        while let Some(first) = rest.0.first() {
            let field = match first {
                0x80.. => self.known(rest.number(7)?)?,
                0x40.. => {
                    let field = self.literal(&mut rest, 6)?;
                    self.keep(field);
                    field
                }
                0x20.. => {
                    self.resize(rest.number(5)?)?;
                    continue;
                }
                _ => self.literal(&mut rest, 4)?,
            };
            sight.list_bytes += field.bytes();
            sight.has_fragment |= field.has_fragment;
        }
        Ok(sight)
    }

    /// A field that was said before, or that everybody knows (RFC 7541 2.3.3, 6.1).
    fn known(&self, number: usize) -> Result<Field, Malformed> {
        let place = number.checked_sub(1).ok_or(Malformed)?;
        match STATIC.get(place) {
            Some((name_bytes, value_bytes)) => Ok(Field {
                name_bytes: *name_bytes,
                value_bytes: *value_bytes,
                is_path: PATHS.contains(&number),
                has_fragment: false,
            }),
            None => self.table.get(place - STATIC.len()).copied().ok_or(Malformed),
        }
    }

    /// A field of which at least the value is said (RFC 7541 6.2).
    fn literal(&self, rest: &mut Rest<'_>, prefix: u32) -> Result<Field, Malformed> {
        let (name_bytes, is_path) = match rest.number(prefix)? {
            0 => {
                const PATH: &[u8] = b":path";
                let (mut bytes, mut is_path) = (0, true);
                rest.string(|octet| {
                    is_path &= PATH.get(bytes) == Some(&octet);
                    bytes += 1;
                })?;
                // The library waits for more where there is none.
                if bytes == 0 {
                    return Err(Malformed);
                }
                (bytes, is_path && bytes == PATH.len())
            }
            number => {
                let field = self.known(number)?;
                (field.name_bytes, field.is_path)
            }
        };
        let (mut value_bytes, mut has_fragment) = (0, false);
        rest.string(|octet| {
            has_fragment |= octet == b'#';
            value_bytes += 1;
        })?;
        Ok(Field { name_bytes, value_bytes, is_path, has_fragment: is_path && has_fragment })
    }

    /// Keeps a field, and forgets the oldest ones to have room for it (RFC 7541 4.4).
    fn keep(&mut self, field: Field) {
        self.bytes += field.bytes();
        self.table.push_front(field);
        self.forget();
    }

    /// A client wants a smaller table, or a larger one again (RFC 7541 6.3).
    fn resize(&mut self, bytes_max: usize) -> Result<(), Malformed> {
        if bytes_max > TABLE_BYTES_MAX {
            return Err(Malformed);
        }
        self.bytes_max = bytes_max;
        self.forget();
        Ok(())
    }

    fn forget(&mut self) {
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.table.pop_back()
        {
            self.bytes -= oldest.bytes();
        }
    }
}

/// What is to be read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn octet(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.0.split_first().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    /// A number whose first octet has so many bits for it (RFC 7541 5.1).
    fn number(&mut self, prefix: u32) -> Result<usize, Malformed> {
        /// More than any size that is possible here.
        const SHIFT_MAX: u32 = 21;
        let most = (1 << prefix) - 1;
        let mut number = usize::from(self.octet()?) & most;
        if number < most {
            return Ok(number);
        }
        for shift in (0..=SHIFT_MAX).step_by(7) {
            let octet = usize::from(self.octet()?);
            number += (octet & 0x7f) << shift;
            if octet < 0x80 {
                return Ok(number);
            }
        }
        Err(Malformed)
    }

    /// A string, octet by octet (RFC 7541 5.2).
    fn string(&mut self, mut tell: impl FnMut(u8)) -> Result<(), Malformed> {
        let is_packed = self.0.first().is_some_and(|first| *first >= 0x80);
        let length = self.number(7)?;
        let (string, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        if is_packed {
            for octet in Unpacked::new(string) {
                tell(octet.map_err(|_| Malformed)?);
            }
        } else {
            string.iter().copied().for_each(tell);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of RFC 7541 C.3 and C.4: of lists, and of the table after them.
    #[test]
    fn the_examples_are_counted() {
        let plain: [&[u8]; 3] = [
            b"\x82\x86\x84\x41\x0fwww.example.com",
            b"\x82\x86\x84\xbe\x58\x08no-cache",
            b"\x82\x87\x85\xbf\x40\x0acustom-key\x0ccustom-value",
        ];
        let packed: [&[u8]; 3] = [
            b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff",
            b"\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf",
            b"\x82\x87\x85\xbf\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf",
        ];
        for blocks in [plain, packed] {
            let mut fields = Fields::new();
            let counted = blocks.map(|block| (fields.read(block).unwrap().list_bytes, fields.bytes));
            assert_eq!(counted, [(180, 57), (233, 110), (245, 164)]);
        }
    }

    /// Wherever the target stands, and however it is written.
    #[test]
    fn a_fragment_is_seen() {
        let mut fields = Fields::new();
        for (block, has_fragment) in [
            (&b"\x44\x04/a#b"[..], true),
            (b"\xbe", true),
            (b"\x44\x03/ab", false),
            (b"\xbf\xbe", true),
            (b"\x04\x04/a#b", true),
            (b"\x05\x04/a#b", true),
            (b"\x10\x05:path\x04/a#b", true),
            (b"\x10\x05:patH\x04/a#b", false),
            (b"\x10\x04:pat\x04/a#b", false),
            // `:path` and `/a#b`, packed.
            (b"\x10\x84\xb9\x58\xd3\x3f\x84\x60\xff\xf4\x7f", true),
            (b"\x5a\x04/a#b", false),
            (b"\xbe", false),
        ] {
            assert_eq!(fields.read(block).map(|sight| sight.has_fragment), Ok(has_fragment), "{block:x?}");
        }
    }

    #[test]
    fn what_is_malformed_is_no_list() {
        for block in [
            &b"\x80"[..],
            b"\xbe",
            b"\x44",
            b"\x44\x05/a",
            b"\x44\x7f\xff\xff\xff\xff\xff\x01/",
            b"\x44\x81\xff",
            b"\x40\x00\x01z",
            b"\x3f\xff\xff\x03",
        ] {
            assert_eq!(Fields::new().read(block), Err(Malformed), "{block:x?}");
        }
    }

    /// The table of whoever wants none is empty.
    #[test]
    fn a_table_can_be_resized() {
        let mut fields = Fields::new();
        fields.read(b"\x44\x04/a#b").unwrap();
        fields.read(b"\xbe").unwrap();
        fields.read(b"\x20\x44\x04/a#b").unwrap();
        assert_eq!(fields.read(b"\xbe"), Err(Malformed));
        fields.read(b"\x3f\xe1\x1f\x44\x04/a#b\xbe").unwrap();
    }
}
