//! E-mail: what is told to whom, in which words, and how it gets delivered.
//!
//! Separate because nobody waits for mail: a message is promised in the transaction of the change that it tells of
//! (`store::NewMessage`), and delivered later, again and again until it is done.

mod notice;

pub use notice::{Access, Notice, Request};
