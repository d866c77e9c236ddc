//! How a mail leaves: the seam between the courier and the network.
//!
//! Separate so that tests can stand in for a mail server, and so that a failure says what it means for the next
//! try.

use std::fmt;

use async_trait::async_trait;

use super::Mail;

/// Takes a mail over, or says why not.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Returns `Ok` once somebody else has promised to deliver the mail. Ends by itself well within two minutes.
    async fn send(&self, mail: &Mail) -> Result<(), Failure>;
}

/// Why a mail was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What it means for the next try.
    pub kind: FailureKind,
    /// The server's code, if it answered.
    pub code: Option<u16>,
    /// For the support team; may name the recipient, and is not for the log.
    pub text: String,
}

/// What a failure means for the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The server cannot be reached or will not talk to us: any other mail would fare the same.
    Unavailable,
    /// Not now.
    Deferred,
    /// Not this mail.
    Rejected,
    /// We stopped in the middle.
    Interrupted,
}

impl FailureKind {
    /// The kind's name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Deferred => "deferred",
            Self::Rejected => "rejected",
            Self::Interrupted => "interrupted",
        }
    }
}

impl Failure {
    /// A failure without an answer of the server.
    #[must_use]
    pub fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, code: None, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
