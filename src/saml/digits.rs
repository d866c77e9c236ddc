//! Strict base64, as SAML and XML Signature write octets.
//!
//! Separate because everything that is decoded must be decoded alike: white space is skipped, where
//! `xs:base64Binary` and the form field allow it (SAML Bindings 3.5.4), and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::xml::{any, is_space};

/// The octets that a text stands for; `None` if it is anything but base64 with its padding.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let decoded = if any(text, is_space) {
        STANDARD.decode(text.bytes().filter(|byte| !is_space(*byte)).collect::<Vec<u8>>())
    } else {
        STANDARD.decode(text)
    };
    decoded.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
