//! Strings of HPACK as they were before they were packed (RFC 7541 5.2).
//!
//! Separate because it is a code like any other: who reads fields need not know which bits stand for what.

use std::slice::Iter;

/// How many bits stand for each octet, and, last of all, for the end of a string, which is in no string (RFC 7541 B).
///
/// The code is canonical: it follows from these numbers. Codes of one length follow one another in the order of what they
/// stand for, and longer ones follow shorter ones.
const BITS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26, 30,
];

const SYMBOLS: usize = 257;
/// The lengths of codes.
const SHORTEST: usize = 5;
const LONGEST: usize = 30;
/// How many bits are looked at at once.
const WINDOW: u32 = 32;

static CODE: Code = Code::new();

/// The code, by the length of its codes.
struct Code {
    /// Where longer codes begin, as the beginning of a window.
    limits: [u64; LONGEST + 1],
    /// The first code of this length, and the place of what it stands for.
    first: [u64; LONGEST + 1],
    places: [usize; LONGEST + 1],
    /// What codes stand for, in the order of codes.
    symbols: [u16; SYMBOLS],
}

impl Code {
    #[expect(clippy::indexing_slicing, reason = "it is done by the compiler, which would say so")]
    const fn new() -> Self {
        let mut code = Self {
            limits: [0; LONGEST + 1],
            first: [0; LONGEST + 1],
            places: [0; LONGEST + 1],
            symbols: [0; SYMBOLS],
        };
        let (mut next, mut place, mut length) = (0, 0, SHORTEST);
        while length <= LONGEST {
            (code.first[length], code.places[length]) = (next, place);
            let (mut symbol, mut number) = (0, 0);
            while symbol < SYMBOLS {
                if BITS[symbol] as usize == length {
                    code.symbols[place] = number;
                    next += 1;
                    place += 1;
                }
                symbol += 1;
                number += 1;
            }
            code.limits[length] = next << (WINDOW as usize - length);
            next <<= 1;
            length += 1;
        }
        code
    }

    /// What the window begins with, and of how many bits it is.
    fn find(&self, window: u64) -> Option<(u16, u32)> {
        let length = (SHORTEST..=LONGEST)
            .find(|length| self.limits.get(*length).is_some_and(|limit| window < *limit))?;
        let bits = u32::try_from(length).ok()?;
        let nth = (window >> (WINDOW - bits)) - self.first.get(length)?;
        let place = self.places.get(length)? + usize::try_from(nth).ok()?;
        Some((*self.symbols.get(place)?, bits))
    }
}

/// A string is not packed as it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The octets of a packed string, one by one.
pub(super) struct Unpacked<'a> {
    octets: Iter<'a, u8>,
    /// The last bits that were taken, of which so many are to be looked at.
    bits: u64,
    left: u32,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(packed: &'a [u8]) -> Self {
        Self { octets: packed.iter(), bits: 0, left: 0 }
    }
}

impl Iterator for Unpacked<'_> {
    type Item = Result<u8, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.left <= u64::BITS - u8::BITS
            && let Some(octet) = self.octets.next()
        {
            self.bits = self.bits << u8::BITS | u64::from(*octet);
            self.left += u8::BITS;
        }
        // What is missing is read as ones, as which it would be filled up.
        let window = match self.left.checked_sub(WINDOW) {
            Some(more) => self.bits >> more,
            None => {
                self.bits << (WINDOW - self.left) | u64::from(u32::MAX.checked_shr(self.left).unwrap_or(0))
            }
        };
        let window = window & u64::from(u32::MAX);
        if self.left < u8::BITS && window == u64::from(u32::MAX) {
            return None;
        }
        let found = CODE.find(window).filter(|(_, bits)| *bits <= self.left);
        Some(match found.and_then(|(symbol, bits)| Some((u8::try_from(symbol).ok()?, bits))) {
            Some((octet, bits)) => {
                self.left -= bits;
                Ok(octet)
            }
            None => Err(Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8]) -> Result<Vec<u8>, Malformed> {
        Unpacked::new(packed).collect()
    }

    /// The examples of RFC 7541 C.4 and C.6.
    #[test]
    fn the_examples_are_unpacked() {
        for (packed, string) in [
            (&b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"[..], &b"www.example.com"[..]),
            (b"\xa8\xeb\x10\x64\x9c\xbf", b"no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", b"custom-value"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
                b"Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (
                b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3",
                b"https://www.example.com",
            ),
            (b"", b""),
        ] {
            assert_eq!(unpacked(packed).as_deref(), Ok(string));
        }
    }

    /// What fills up the last octet is shorter than one, and of ones; and the end of a string is in no string.
    #[test]
    fn what_is_filled_up_otherwise_is_refused() {
        // `0` is five zeros.
        for (packed, is_sound) in [
            (&b"\x07"[..], true),
            (b"\x06", false),
            (b"\x07\xff", false),
            (b"\xff", false),
            (b"\xff\xff\xff\xff", false),
            (b"\xff\xff\xff\xfc", false),
        ] {
            assert_eq!(unpacked(packed).is_ok(), is_sound, "{packed:x?}");
        }
    }
}
