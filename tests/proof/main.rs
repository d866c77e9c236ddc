//! The verifier against others: what xmlsec1 says of the same messages, what lxml makes of the same elements, and
//! what a fuzzer might send.
//!
//! Separate from the stories in `tests/it` because it knows no server and no browser, and is built in seconds.

#![expect(clippy::panic, reason = "a test fails by panicking, wherever it does")]
#![expect(
    clippy::type_complexity,
    reason = "what the provider of the tests rewrites is written in one place"
)]

mod canonical;
mod chance;
mod differential;
mod fuzz;
mod mutation;

#[path = "../../fuzz/checks.rs"]
mod checks;
#[expect(dead_code, reason = "the stories use more of it")]
#[path = "../it/idp.rs"]
mod idp;
