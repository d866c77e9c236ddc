//! E-mail: what is told to whom, in which words, and how it gets delivered.
//!
//! Separate because nobody waits for mail: a message is promised in the transaction of the change that it tells of
//! (`store::NewMessage`), and delivered later, again and again until it is done.
//!
//! | step | where |
//! |---|---|
//! | what happened | [`Notice`], in the outbox |
//! | claim what is due | [`Courier`] |
//! | in words | [`render()`] |
//! | as a mail | [`Mail`] |
//! | on its way | [`Transport`], [`smtp::Smtp`] |
//! | delivered, or when to try again | [`Courier`] |
//!
//! Rules:
//! - A mail has the same `Message-ID`, date and content at every try, so that a receiver can tell a repetition.
//! - What people wrote about themselves is shown, never obeyed: no header, no markup and no link comes from it.
//! - The log has the recipient's domain and no more of a message.

pub mod sender;
pub mod smtp;

mod courier;
mod english;
mod link;
mod message;
mod notice;
mod plain;
mod render;
mod retry;
mod transport;

pub use courier::{Counts, Courier, Parts, Route, Settings};
pub use message::Mail;
pub use notice::{Access, Notice, Request};
pub use render::{Letter, Words, render};
pub use sender::Sender;
pub use transport::{Failure, FailureKind, Transport};
