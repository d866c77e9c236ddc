//! The store: one contract, run over each database that stands behind it, and what only SQLite has.
//!
//! Separate by subject; `conformance` lists the contract's tests once for all databases.

mod access;
mod conformance;
mod directory;
mod durability;
mod import;
mod log;
mod sessions;
mod sign_on;
mod sqlite;
