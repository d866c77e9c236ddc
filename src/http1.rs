//! The octets of HTTP/1.1 (RFC 9112): heads, bodies, and what is on its way out.
//!
//! Separate because both sides of the proxy speak it, and because nothing may be understood here in two ways: whatever
//! is malformed is refused, never repaired. It knows no socket but as something to write to, no time and no policy.
//!
//! Rules: a head is looked at once it is whole; whoever collects it bounds it. Fields share the octets of their head.

pub(crate) mod content;
pub(crate) mod fields;
pub(crate) mod head;
pub(crate) mod inbox;
pub(crate) mod outgoing;
pub(crate) mod pipe;
pub(crate) mod shelf;

/// Fields of one head, or of the trailers of one message.
pub(crate) const FIELDS_MAX: usize = 100;

/// Why octets are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// A line that does not end with CRLF (RFC 9112 2.2).
    #[error("a line ends with a line feed alone")]
    LineFeed,
    /// The first line.
    #[error("the first line is no request line or status line")]
    StartLine,
    /// Another version than 1.0 or 1.1.
    #[error("the version is not spoken here")]
    Version,
    /// A name that is none, a fold, or a control character in a value.
    #[error("a field is malformed")]
    Field,
    /// More than anybody sends in earnest.
    #[error("the head is too large")]
    TooLarge,
    /// More than one length, one that is none, or one beside a transfer coding (RFC 9112 6.3).
    #[error("the length of the body is ambiguous")]
    Length,
    /// A transfer coding that is not `chunked` (RFC 9112 6.1).
    #[error("the transfer coding is unknown")]
    Coding,
    /// The size of a chunk, or what follows one (RFC 9112 7.1).
    #[error("a chunk is malformed")]
    Chunk,
}
