//! Anteroom, an authenticating reverse proxy: SAML sign-on in front, a signed identity behind.
//!
//! This file is the map. Modules stand bottom to top; a module imports only from rows below its own
//! (`tests/architecture.rs` enforces it), and nothing is re-exported here: `saml::Response` has one name.

// Leaf values.
pub mod clock;
pub mod email;
mod http1;
pub mod id;
mod monotonic;
pub mod secret;
pub mod target;

// Pure protocol.
pub mod directory;
pub mod identity;
pub mod saml;
pub mod session;

// State.
pub mod store;

// On the store alone.
pub mod federation;
pub mod keys;
pub mod mail;

// Use cases.
pub mod admin;
pub mod sign_on;

// Towards the visitor and the application.
pub mod pages;
pub mod proxy;
pub mod routes;

// Towards the network.
pub mod server;

// What operators see.
pub mod config;
pub mod telemetry;

// All of it together.
pub mod app;

// The product on show.
pub mod demo;

// The commands.
pub mod cli;
