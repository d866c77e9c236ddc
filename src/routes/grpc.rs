//! Our own answers to gRPC calls.
//!
//! Separate because `server` has such answers, too, and because a gRPC client reads nothing of an HTTP error: it wants status 200 and the outcome in
//! `grpc-status`, in headers that are the whole response ("Trailers-Only").

use http::header::{CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::proxy::Body;
use crate::routes::reply::ERROR_CODE;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Whether a request with this type is a gRPC call, whose client reads no HTTP error.
pub(crate) fn is_call(content_type: Option<&[u8]>) -> bool {
    content_type.is_some_and(|value| value.starts_with(b"application/grpc"))
}

/// Gives an answer of ours the form that a gRPC client understands.
pub(crate) fn answer(response: Response<Body>) -> Response<Body> {
    let (mut parts, _) = response.into_parts();
    let code = parts.headers.get(&ERROR_CODE).cloned();
    let outcome = outcome(parts.status, code.as_ref().map(HeaderValue::as_bytes).unwrap_or_default());
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_SECURITY_POLICY, LOCATION] {
        parts.headers.remove(name);
    }
    parts.status = StatusCode::OK;
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    parts.headers.insert(GRPC_STATUS, HeaderValue::from_static(outcome));
    if let Some(code) = code {
        parts.headers.insert(GRPC_MESSAGE, code);
    }
    Response::from_parts(parts, Body::empty())
}

/// The status of gRPC for one of HTTP, as its HTTP/2 mapping has it; one that the application may have acted on is
/// not said to be `UNAVAILABLE`, which clients take for leave to try again.
const fn outcome(status: StatusCode, code: &[u8]) -> &'static str {
    match (status, code) {
        (StatusCode::GATEWAY_TIMEOUT, b"upstream_timeout") => DEADLINE_EXCEEDED,
        (_, b"upstream_reset" | b"upstream_bad_response") => UNKNOWN,
        (StatusCode::UNAUTHORIZED | StatusCode::SEE_OTHER, _) => UNAUTHENTICATED,
        (StatusCode::FORBIDDEN, _) => PERMISSION_DENIED,
        (StatusCode::NOT_FOUND | StatusCode::NOT_IMPLEMENTED, _) => UNIMPLEMENTED,
        (
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT,
            _,
        ) => UNAVAILABLE,
        (StatusCode::PAYLOAD_TOO_LARGE, _) => RESOURCE_EXHAUSTED,
        (StatusCode::BAD_REQUEST, _) => INTERNAL,
        _ => UNKNOWN,
    }
}

const UNKNOWN: &str = "2";
const DEADLINE_EXCEEDED: &str = "4";
const PERMISSION_DENIED: &str = "7";
const RESOURCE_EXHAUSTED: &str = "8";
const UNIMPLEMENTED: &str = "12";
const INTERNAL: &str = "13";
const UNAVAILABLE: &str = "14";
const UNAUTHENTICATED: &str = "16";
