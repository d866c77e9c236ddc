//! The change feed, which every node follows.
//!
//! Separate as one subject of the contract.

use async_trait::async_trait;

use crate::id::UserId;
use crate::store::Result;

/// Reading the change feed; it is written by every other operation.
#[async_trait]
pub trait ChangeFeed {
    /// The newest position in the change feed.
    async fn change_head(&self) -> Result<ChangeSeq>;
    /// Changes after a position, oldest first, with the position of the last one. Fewer than [`CHANGES_AT_ONCE`] are all
    /// that there were. After a position that the feed no longer reaches back to, everything counts as changed: all users
    /// once.
    async fn changes_after(&self, seq: ChangeSeq) -> Result<(ChangeSeq, Vec<Change>)>;
}

/// How many changes are told at once, if there are so many.
pub const CHANGES_AT_ONCE: usize = 1_000;

/// A position in the change feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeSeq(pub i64);

/// What has changed. Caches drop what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A user's access, state or profile, or one of the user's sessions ended.
    User(UserId),
    /// Organizations, domains or properties.
    Directory,
    /// The keys of the identity header.
    Keys,
}
