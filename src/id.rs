//! Identifiers: the ones we make (random, opaque) and the ones operators choose (short names).
//!
//! Separate so that an organization's id can never be passed where a property's is meant, and so that
//! randomness has one source that tests can seed.

use std::fmt;

use smol_str::{SmolStr, format_smolstr};

/// Where unpredictable octets come from.
pub trait Randomness: Send + Sync + fmt::Debug {
    /// Fills the buffer with octets that nobody else can predict.
    fn fill(&self, buffer: &mut [u8]);
}

/// The operating system's generator, through aws-lc.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    fn fill(&self, buffer: &mut [u8]) {
        aws_lc_rs::rand::fill(buffer).expect("the system's random generator works, or nothing is safe");
    }
}

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 letters, digits, dots, hyphens or underscores, beginning with a letter or digit")]
pub struct Error;

macro_rules! chosen_id {
    ($(#[$doc:meta])* $name:ident($text:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name($text);

        impl $name {
            /// Reads an identifier: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit.
            pub fn parse(text: &str) -> Result<Self, Error> {
                let first_fits = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
                let all_fit =
                    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
                if first_fits && all_fit && text.len() <= 64 { Ok(Self(text.into())) } else { Err(Error) }
            }

            /// The identifier as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

macro_rules! made_id {
    ($(#[$doc:meta])* $name:ident($text:ty), $prefix:literal) => {
        chosen_id!($(#[$doc])* $name($text));

        impl $name {
            /// Makes a new identifier of 128 random bits.
            #[must_use]
            pub fn random(randomness: &dyn Randomness) -> Self {
                Self(format!("{}{}", $prefix, random_hex(randomness)).into())
            }
        }
    };
}

chosen_id!(
    /// A customer, as the operator named it.
    OrganizationId(SmolStr)
);
chosen_id!(
    /// A site of an organization, as the operator named it.
    PropertyId(SmolStr)
);
chosen_id!(
    /// One identity provider of an organization. A connection declared in the configuration file has its
    /// organization's id.
    ConnectionId(SmolStr)
);
made_id!(
    /// A user: the `sub` of the identity header, never reused and never an e-mail address.
    UserId(SmolStr),
    "u_"
);
made_id!(
    /// The public name of a session (`sid`), for lists and logs; it opens nothing.
    SessionName(Box<str>),
    "s_"
);

chosen_id!(
    /// A New User request, short enough to be read out on the telephone.
    AccessRequestId(SmolStr)
);

impl AccessRequestId {
    /// Makes a new identifier: `R-` and a [`reference()`].
    #[must_use]
    pub fn random(randomness: &dyn Randomness) -> Self {
        Self(format_smolstr!("R-{}", reference(randomness)))
    }
}

/// A short reference that a visitor can read out to support: 10 characters without look-alikes.
#[must_use]
pub fn reference(randomness: &dyn Randomness) -> String {
    const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
    let mut octets = [0_u8; 10];
    randomness.fill(&mut octets);
    octets.iter().filter_map(|octet| ALPHABET.get(usize::from(octet % 32))).map(|b| char::from(*b)).collect()
}

/// Octets in hexadecimal, two lower-case digits each.
#[must_use]
pub fn hex(octets: &[u8]) -> String {
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// 128 random bits in hexadecimal.
#[must_use]
pub fn random_hex(randomness: &dyn Randomness) -> String {
    let mut octets = [0_u8; 16];
    randomness.fill(&mut octets);
    format!("{:032x}", u128::from_be_bytes(octets))
}
