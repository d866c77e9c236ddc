//! Forms that wait for a person to sign on again, as the store keeps them.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::id::UserId;
use crate::session::SessionHash;
use crate::store::Result;

/// Keeping forms until their owners have signed on again.
#[async_trait]
pub trait Posts {
    /// Whose session it is, or was: of one that time has ended, for a day after; `None` for one that was ended by
    /// anybody's wish.
    async fn session_owner(&self, hash: &SessionHash) -> Result<Option<UserId>>;
    /// Keeps a form. Of more than [`POSTS_OF_ONE_MAX`] of one user, and of more than [`POSTS_MAX`] in all, the oldest go.
    async fn hold_post(&self, post: &HeldPost) -> Result<()>;
    /// Looks at a form that is kept.
    async fn held_post(&self, token_hash: &[u8; 32], now: Timestamp) -> Result<Option<HeldPost>>;
    /// Takes a user's form out, once; `None`, and nothing changed, if it is another's.
    async fn take_post(
        &self,
        token_hash: &[u8; 32],
        user: &UserId,
        now: Timestamp,
    ) -> Result<Option<HeldPost>>;
}

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
