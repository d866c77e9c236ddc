//! The tests that drive Anteroom from outside: one binary, a module for each concern.
//!
//! Separate from the unit tests in `src` because they know the surface alone, so that the inside can change.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking, wherever it does")]
#![expect(
    clippy::assigning_clones,
    clippy::type_complexity,
    clippy::too_many_lines,
    reason = "a story is told in one place, and not for speed"
)]

mod access_log;
mod admin;
mod app;
mod application;
#[path = "../attacks/catalogue.rs"]
mod attacks;
mod browser;
mod browserless;
mod canonical_form;
mod cli;
mod config;
mod demo;
mod diagnosis;
mod federation;
mod forward_auth;
mod gate;
mod idp;
mod jose;
mod lifecycle;
mod looks;
mod mail;
mod operation;
mod own_keys;
mod pages;
mod provisioning;
mod proxy;
mod reload;
mod saml;
mod sign_on;
mod simplesamlphp;
mod smtp;
mod soak;
mod store;
mod upstream;

/// Counts what is allocated, for the tests of what something costs.
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;
