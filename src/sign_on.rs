//! The sign-on use cases, free of HTTP, and the gate that every request passes.
//!
//! Separate because what happens here is what the product is trusted for: who is let through, and as whom.

pub mod gate;
