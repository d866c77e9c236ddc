//! Strict base64, as SAML and XML Signature write octets.
//!
//! Separate because everything that is decoded must be decoded alike: white space is skipped, where
//! `xs:base64Binary` and the form field allow it (SAML Bindings 3.5.4), and nothing else.

use base64_simd::STANDARD;

use super::xml::{any, is_space};

/// The octets that a text stands for; `None` if it is anything but base64 with its padding.
///
/// Messages are decoded before anybody has been asked for a signature, so this is done many octets at a time.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    // Most have no white space in them, and what has is none to the library.
    STANDARD.decode_to_vec(text).ok().or_else(|| {
        let digits = || text.bytes().filter(|byte| !is_space(*byte)).collect::<Vec<u8>>();
        any(text, is_space).then(|| STANDARD.decode_to_vec(digits()).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use proptest::prelude::*;

    use super::decode;

    #[test]
    fn white_space_is_skipped_and_nothing_else() {
        for text in ["TWlh", "TW lh", " T\r\nW\tl h\n"] {
            assert_eq!(decode(text).as_deref(), Some(&b"Mia"[..]), "{text:?}");
        }
        assert_eq!(decode("TWk=").as_deref(), Some(&b"Mi"[..]));
        for text in ["TWk", "TWk==", "TWl=", "TW*h", "TW\u{a0}lh", "TW-h", "TWk=TWk=", "TWlh\0"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }

    proptest! {
        /// Two libraries agree on what is base64, whatever is done to it at its ends and between.
        #[test]
        fn another_library_reads_the_same(
            octets in proptest::collection::vec(any::<u8>(), 0..120),
            changes in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"AQgw+/=_-".to_vec())), 0..3),
            cut in 0_usize..4,
        ) {
            let other = base64::engine::general_purpose::STANDARD;
            let mut text = other.encode(octets);
            for (place, with) in changes {
                if !text.is_empty() {
                    let place = place.index(text.len());
                    text.replace_range(place..=place, &char::from(with).to_string());
                }
            }
            text.truncate(text.len().saturating_sub(cut));
            prop_assert_eq!(decode(&text), other.decode(&text).ok(), "{}", text);
        }
    }
}
