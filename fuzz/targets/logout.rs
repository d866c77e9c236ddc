//! A fuzz target: see the function of its name in `checks.rs`.
//!
//! Separate because each target is a program of its own.

#![no_main]

#[path = "../checks.rs"]
#[allow(dead_code, reason = "each target runs one of them")]
mod checks;
#[path = "../../tests/it/idp.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod idp;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::logout(data));
