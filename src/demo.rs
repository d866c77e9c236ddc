//! `anteroom demo`: the whole product with everything around it, in one process on loopback.
//!
//! Separate from `app`, of which it is one user: what runs in the demo is what `serve` runs.

mod application;
mod listener;
mod people;
mod provider;
mod visitor;
