//! The tests that drive Anteroom from outside: one binary, a module for each concern.
//!
//! Separate from the unit tests in `src` because they know the surface alone, so that the inside can change.

mod attacks;
mod canonical_form;
mod cli;
mod config;
mod demo;
mod idp;
mod pages;
mod proxy;
mod saml;
mod store;
mod upstream;
