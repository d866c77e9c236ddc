//! Seeing what goes on: the access log, the counts, and the answers to probes.
//!
//! Separate because it stands around the routes and not in them: they say what was decided, this writes it down.

use std::sync::Arc;
use std::time::Instant;

use http::header::HOST;
use http::{HeaderValue, Method, Request, Response, Uri};
use hyper::body::Incoming;

use crate::mail::Courier;
use crate::proxy::{Body, Peer};
use crate::routes::ops::{Ops, Probed};
use crate::routes::{Decision, Outcome, Routes, Shared};
use crate::server::Handler;
use crate::telemetry::{Metrics, Moment, Provider};

/// What is counted and asked for.
#[derive(Debug)]
pub(super) struct Watched {
    shared: Arc<Shared>,
    courier: Arc<Courier>,
    metrics: Metrics,
}

impl Watched {
    pub(super) const fn new(shared: Arc<Shared>, courier: Arc<Courier>, metrics: Metrics) -> Self {
        Self { shared, courier, metrics }
    }

    pub(super) fn reloaded(&self, succeeded: bool) {
        self.metrics.config_reloaded(succeeded);
    }
}

/// What the server calls: the routes of one core, with an eye on them.
pub(super) struct Front {
    routes: Routes,
    watched: Arc<Watched>,
}

impl Front {
    pub(super) const fn new(routes: Routes, watched: Arc<Watched>) -> Self {
        Self { routes, watched }
    }
}

impl Handler for Front {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let started = Instant::now();
        let entry = Entry::of(&request, &peer);
        let response = self.routes.handle(request, &peer).await;
        entry.write(&response, started, &self.watched.metrics);
        response
    }

    async fn finish(&self) {
        self.routes.finish().await;
    }
}

/// What the server of the ops listener calls.
#[derive(Clone)]
pub(super) struct Probes(pub(super) Ops);

impl Handler for Probes {
    async fn handle(&self, request: Request<Incoming>, _peer: Peer) -> Response<Body> {
        self.0.handle(&request)
    }
}

impl Probed for Watched {
    fn reasons_not_ready(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if self.shared.closing.is_cancelled() {
            reasons.push("draining");
        }
        if self.shared.sign_on.silence() > Metrics::FEED_SILENCE_MAX {
            reasons.push("no word from the store: changes are not heard");
        }
        reasons
    }

    fn degraded(&self) -> Vec<String> {
        let health = self.shared.sign_on.provider_health();
        let unready = health.into_iter().filter(|health| !health.is_ready);
        unready
            .map(|health| format!("nobody of {} can sign on: no usable metadata", health.organization))
            .collect()
    }

    fn metrics(&self) -> String {
        let sign_on = &self.shared.sign_on;
        let mail = self.courier.counts();
        let states = self.shared.federation.states();
        let providers = sign_on.provider_health().into_iter().map(|health| {
            let state = states.iter().find(|state| state.organization == health.organization);
            Provider {
                organization: health.organization.to_string(),
                is_ready: health.is_ready,
                certificate_expires_in: health.expires_in.map(|left| left.as_secs_f64()),
                metadata_failures: state.map(|state| state.failures),
                is_held: state.is_some_and(|state| state.is_held),
            }
        });
        self.metrics.encode(&Moment {
            providers: providers.collect(),
            sessions_live: sign_on.live().count(),
            waiting_rooms_open: self.shared.open_pages.count(),
            mail_sent: mail.sent,
            mail_failed: mail.failed,
            mail_waiting: mail.waiting,
            feed_silence: sign_on.silence(),
        })
    }
}

/// One line of the access log. Never the query, which may hold what is nobody's business (T-G10).
struct Entry {
    request_id: Option<HeaderValue>,
    method: Method,
    host: Option<HeaderValue>,
    uri: Uri,
    client: std::net::IpAddr,
}

impl Entry {
    fn of(request: &Request<Incoming>, peer: &Peer) -> Self {
        Self {
            request_id: request.headers().get("x-request-id").cloned(),
            method: request.method().clone(),
            host: request.headers().get(HOST).cloned(),
            uri: request.uri().clone(),
            client: peer.client_address(request.headers()),
        }
    }

    fn write(&self, response: &Response<Body>, started: Instant, metrics: &Metrics) {
        let outcome = response.extensions().get::<Outcome>();
        let decision = outcome.map_or(Decision::Failed, |outcome| outcome.decision);
        let code = outcome.and_then(|outcome| outcome.code);
        let elapsed = started.elapsed();
        metrics.request(decision.as_str(), response.status().as_u16(), elapsed);
        if let (Decision::Failed, Some(code)) = (decision, code) {
            metrics.upstream_failed(code);
        }
        if let Some(sign_on) = outcome.and_then(|outcome| outcome.sign_on) {
            metrics.signed_on(sign_on.as_str(), code.unwrap_or("none"));
        }
        tracing::info!(
            target: "access",
            request_id = self.request_id.as_ref().and_then(|id| id.to_str().ok()),
            client = %self.client,
            method = %self.method,
            host = self.uri.host().or_else(|| self.host.as_ref()?.to_str().ok()),
            path = self.uri.path(),
            status = response.status().as_u16(),
            decision = decision.as_str(),
            user = outcome.and_then(|outcome| outcome.user.as_ref()).map(crate::id::UserId::as_str),
            code,
            duration_us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        );
    }
}
