//! Forms that wait for a person to sign on again, as the store keeps them.
//!
//! Separate as one subject of the store.

use jiff::Timestamp;

use crate::id::UserId;

/// A form of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPost {
    /// SHA-256 of the token that it is found by.
    pub token_hash: [u8; 32],
    /// Whose it is.
    pub user: UserId,
    /// All of it, sealed by the caller.
    pub sealed: Vec<u8>,
    /// When it was left.
    pub held_at: Timestamp,
    /// From when on nobody gets it any more.
    pub expires_at: Timestamp,
}

/// Forms of one person that are kept; the oldest give way.
pub const POSTS_OF_ONE_MAX: u32 = 5;

/// Forms that are kept in all; the oldest give way.
pub const POSTS_MAX: u32 = 500;
