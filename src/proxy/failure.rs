//! Why a request was not forwarded, each cause with its stable code and status.
//!
//! Separate so that the codes, which operators and dashboards rely on, stand in one table. What the visitor
//! sees is made by `routes`.

use std::io;

use http::StatusCode;

use super::{BoxError, Trace};

/// A request that the application did not answer: why, and how far it came.
#[derive(Debug)]
pub struct Unanswered {
    /// Why.
    pub failure: Failure,
    /// Where it went, if an upstream was chosen.
    pub trace: Option<Box<Trace>>,
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { failure, trace: None }
    }
}

/// Why there is no response from the application.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody to ask: no upstream is configured.
    #[error("no upstream is available")]
    NoUpstream,
    /// Every upstream refused the connection or could not be found.
    #[error("the connection to the upstream failed")]
    ConnectFailed(#[source] io::Error),
    /// The upstream is not who it should be, or TLS with it failed otherwise.
    #[error("the upstream could not be verified, or TLS with it failed")]
    TlsFailed(#[source] io::Error),
    /// Every upstream has as many requests as it may have.
    #[error("every upstream is busy")]
    Overloaded,
    /// A WebSocket for an upstream that is spoken to in HTTP/2 alone.
    #[error("the upstream takes no upgrade to WebSocket over HTTP/2")]
    NoWebSocket,
    /// Every upstream left the connection attempt unanswered.
    #[error("the connection to the upstream timed out")]
    ConnectTimeout,
    /// The upstream took the request and stayed silent.
    #[error("the upstream did not answer in time")]
    Timeout,
    /// The upstream closed the connection instead of answering.
    #[error("the upstream closed the connection")]
    Reset(#[source] BoxError),
    /// The upstream's answer is no valid response, too large, or switches protocols unasked.
    #[error("the upstream sent an invalid response")]
    BadResponse(#[source] Option<BoxError>),
    /// The client broke off in the middle of its request body.
    #[error("the request body broke off")]
    RequestBroken(#[source] BoxError),
    /// The client stopped sending in the middle of its request body, or sent it too slowly.
    #[error("the request body did not arrive in time")]
    RequestStalled,
    /// The body of the request is larger than its path allows.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// A WebSocket of another site's page (T-G8).
    #[error("the origin of the upgrade is not ours")]
    ForeignOrigin,
    /// The session ended before the application answered.
    #[error("the session has ended")]
    SessionEnded,
}

impl Failure {
    /// The connection broke because of this.
    pub(super) fn reset(error: impl Into<BoxError>) -> Self {
        Self::Reset(error.into())
    }

    /// The code for machines; it never changes for the same cause.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoUpstream => "no_upstream",
            Self::ConnectFailed(_) => "upstream_connect_failed",
            Self::TlsFailed(_) => "upstream_tls_failed",
            Self::Overloaded => "upstream_overloaded",
            Self::NoWebSocket => "upstream_no_websocket",
            Self::ConnectTimeout => "upstream_connect_timeout",
            Self::Timeout => "upstream_timeout",
            Self::Reset(_) => "upstream_reset",
            Self::BadResponse(_) => "upstream_bad_response",
            Self::RequestBroken(_) => "request_broken",
            Self::RequestStalled => "request_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::ForeignOrigin => "foreign_origin",
            Self::SessionEnded => "session_ended",
        }
    }

    /// The same failure for another request that was waiting for the same connection.
    pub(super) fn once_more(&self) -> Self {
        match self {
            Self::ConnectTimeout => Self::ConnectTimeout,
            Self::TlsFailed(error) => Self::TlsFailed(error.kind().into()),
            Self::ConnectFailed(error) => Self::ConnectFailed(error.kind().into()),
            _ => Self::ConnectFailed(io::ErrorKind::Other.into()),
        }
    }

    /// The status to answer with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::NoUpstream | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::ConnectFailed(_) | Self::TlsFailed(_) | Self::Reset(_) | Self::BadResponse(_) => {
                StatusCode::BAD_GATEWAY
            }
            Self::NoWebSocket => StatusCode::NOT_IMPLEMENTED,
            Self::ConnectTimeout | Self::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Self::RequestBroken(_) => StatusCode::BAD_REQUEST,
            Self::RequestStalled => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::SessionEnded => StatusCode::UNAUTHORIZED,
        }
    }
}
