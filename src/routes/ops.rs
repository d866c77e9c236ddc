//! The ops listener: is it alive, is it ready, what does it count. Never on the public listener.
//!
//! Separate because it is answered without any of the rest: a probe must get an answer while the rest is in
//! trouble.
//!
//! | path | answer |
//! |---|---|
//! | `/livez` | `200` while the process answers |
//! | `/startupz` | `200` once everything was started |
//! | `/readyz` | `200` while requests should be sent here, otherwise `503` with the reasons |
//! | `/metrics` | counts in the `OpenMetrics` text format |

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::json;

use crate::proxy::Body;

/// What the probes ask.
pub trait Probed: Send + Sync {
    /// Why no requests should be sent here; nothing if they should.
    fn reasons_not_ready(&self) -> Vec<&'static str>;
    /// What does not work although requests should be sent here.
    fn degraded(&self) -> Vec<String>;
    /// All counts, as text.
    fn metrics(&self) -> String;
}

/// The routes of the ops listener.
#[derive(Clone)]
pub struct Ops {
    probed: Arc<dyn Probed>,
}

impl std::fmt::Debug for Ops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ops").finish_non_exhaustive()
    }
}

impl Ops {
    /// Routes that answer for a process which has started.
    #[must_use]
    pub const fn new(probed: Arc<dyn Probed>) -> Self {
        Self { probed }
    }

    /// Answers a request.
    #[must_use]
    pub fn handle<B>(&self, request: &Request<B>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned());
        }
        match request.uri().path() {
            "/livez" | "/startupz" => answer(StatusCode::OK, TEXT, "ok\n".to_owned()),
            "/readyz" => {
                let reasons = self.probed.reasons_not_ready();
                let status =
                    if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                let degraded = self.probed.degraded();
                let document =
                    json!({ "ready": reasons.is_empty(), "reasons": reasons, "degraded": degraded });
                answer(status, "application/json", document.to_string())
            }
            "/metrics" => answer(StatusCode::OK, OPEN_METRICS, self.probed.metrics()),
            _ => answer(StatusCode::NOT_FOUND, TEXT, "/livez /readyz /startupz /metrics\n".to_owned()),
        }
    }
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
