//! Feeds octets to the metadata reader.
//!
//! Separate from the package because it needs a fuzzing engine.
//!
//! Rules: nothing panics; whatever is accepted has a signing certificate and a safe address.

#![no_main]

use anteroom::saml::metadata;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let now = "2026-06-15T10:30:00Z".parse().expect("a time");
    match metadata::parse(data, now) {
        Ok(provider) => {
            assert!(!provider.certificates().is_empty());
            assert!(matches!(provider.sso_url().scheme(), "https" | "http"));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
