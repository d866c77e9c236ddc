//! The identity provider of the tests, as benchmarks use it.
//!
//! Separate so that it is excused from the lints of this folder in one place.

#[path = "../../tests/it/idp.rs"]
#[expect(
    dead_code,
    clippy::panic,
    clippy::type_complexity,
    reason = "the tests use all of it, and have lints of their own"
)]
pub(crate) mod idp;
