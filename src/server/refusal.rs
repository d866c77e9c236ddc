//! Answers of the server itself, to requests that nobody else gets to see.
//!
//! Separate because they are made where nothing is known of pages or brands: one line for a person, and for
//! programs the stable code and the name of the request in headers.

use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode, Version};

use crate::proxy::{Body, RequestId};

/// Why a request is refused before it is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Two servers could read it in two ways.
    Ambiguous,
    /// `CONNECT` or `TRACE`.
    Method,
    /// A method that is not written as methods are.
    UnknownMethod,
    /// Too many fields, or one too large.
    FieldsTooLarge,
    /// For another host than TLS was begun for (RFC 9110 15.5.20).
    Misdirected,
    /// There is no room for the connection.
    Overloaded,
    /// It was handled, and that failed by a panic.
    Panicked,
}

/// How long somebody should wait before trying again when there is no room, in seconds.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

pub(super) const ERROR_CODE: HeaderName = HeaderName::from_static("x-anteroom-error");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl Refusal {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Ambiguous => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownMethod => StatusCode::NOT_IMPLEMENTED,
            Self::FieldsTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The code for machines; it never changes for the same cause.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Ambiguous => "bad_request",
            Self::Method => "method_not_allowed",
            Self::UnknownMethod => "method_unknown",
            Self::FieldsTooLarge => "headers_too_large",
            Self::Misdirected => "misdirected",
            Self::Overloaded => "overloaded",
            Self::Panicked => "internal_error",
        }
    }

    /// The answer; `request_id` is the name that the request goes by.
    pub(super) fn answer(self, request_id: &RequestId) -> Response<Body> {
        let (status, code) = (self.status(), self.code());
        let mut response = Response::new(Body::from(self.text()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(ERROR_CODE, HeaderValue::from_static(code));
        if self == Self::Overloaded {
            headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS);
        }
        if let Ok(id) = HeaderValue::from_str(request_id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        response
    }

    /// One line for a person.
    fn text(self) -> String {
        let status = self.status();
        let reason = status.canonical_reason().unwrap_or("refused");
        format!("{} {reason} ({})\n", status.as_u16(), self.code())
    }
}

/// Ends the connection after the response; in HTTP/2, streams are apart and nothing can follow.
pub(super) fn closing(mut response: Response<Body>, version: Version) -> Response<Body> {
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
