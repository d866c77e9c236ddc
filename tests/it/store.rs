//! The store: one contract, run over each database that stands behind it, and what only SQLite has.
//!
//! Separate by subject; `conformance` lists the contract's tests once for all databases.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the whole of it is test, also what clippy does not know as such"
)]

mod access;
mod audit;
pub(crate) mod conformance;
mod directory;
mod durability;
mod import;
mod log;
mod organizations;
mod outbox;
mod posts;
mod requests;
mod sessions;
mod sign_on;
mod sqlite;
mod waiting;
