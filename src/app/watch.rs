//! Seeing what goes on: the access log, the counts, and the answers to probes.
//!
//! Separate because it stands around the routes and not in them: they say what was decided, this has it written down.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::mail::Courier;
use crate::proxy::{Body, Peer, Request};
use crate::routes::ops::{Ops, Probed};
use crate::routes::{Answer, Decision, Outcome, Routes, Shared};
use crate::server::{Gauge, Handler, Pressure, Refused, TurnedAway, refuse_success};
use crate::telemetry::{AccessLog, CoreLog, CoreMetrics, Metrics, Moment, Provider, Upstream};

use super::entry::{self, Entry};

/// What is counted and asked for.
#[derive(Debug)]
pub(super) struct Watched {
    shared: Arc<Shared>,
    courier: Arc<Courier>,
    metrics: Metrics,
    access_log: AccessLog,
    gauge: Gauge,
    turned_away: TurnedAway,
    draining: CancellationToken,
}

impl Watched {
    pub(super) fn new(
        shared: Arc<Shared>,
        courier: Arc<Courier>,
        access_log: AccessLog,
        (gauge, turned_away, draining): (Gauge, TurnedAway, CancellationToken),
    ) -> Self {
        Self { shared, courier, metrics: Metrics::new(), access_log, gauge, turned_away, draining }
    }

    pub(super) fn reloaded(&self, succeeded: bool) {
        self.metrics.config_reloaded(succeeded);
    }

    fn upstreams(&self) -> Vec<Upstream> {
        let settings = self.shared.settings.load();
        let proxy = &settings.proxy;
        let unwell = proxy.state.unwell();
        let upstreams = proxy.upstreams.iter().map(|upstream| {
            let counts = proxy.tallies.of(upstream);
            let upstream = upstream.to_string();
            Upstream {
                is_ejected: unwell.contains(&upstream),
                upstream,
                requests: counts.requests,
                failures: counts.failures,
                connections: counts.connections,
            }
        });
        upstreams.collect()
    }
}

/// What the server calls: the routes of one core, with an eye on them.
pub(super) struct Front {
    routes: Routes,
    metrics: CoreMetrics,
    log: Option<CoreLog>,
}

impl Front {
    /// For one core.
    pub(super) fn new(routes: Routes, watched: &Watched, clock: Arc<dyn Clock>) -> Self {
        Self { routes, metrics: watched.metrics.core(), log: watched.access_log.core(clock) }
    }

    fn count(&self, answer: &Answer, took: Duration) {
        let Outcome { decision, code, sign_on, .. } = answer.outcome;
        self.metrics.request(decision.as_str(), answer.response.status().as_u16(), took);
        if let (Decision::Failed, Some(code)) = (decision, code) {
            self.metrics.all().upstream_failed(code);
        }
        if let Some(sign_on) = sign_on {
            self.metrics.all().signed_on(sign_on.as_str(), code.unwrap_or("none"));
        }
    }
}

impl Handler for Front {
    fn handle(&self, request: Request, peer: &Peer) -> impl Future<Output = Response<Body>> {
        async move {
            let entry = Entry::begin(&request, peer, self.log.clone());
            let asks_for_socket = request.asks_for_socket_in_stream();
            let mut answer = self.routes.handle(request, peer).await;
            if asks_for_socket && let Some(code) = refuse_success(&mut answer.response) {
                answer.outcome.code = Some(code);
            }
            let took = entry.elapsed();
            self.count(&answer, took);
            // From here on the entry waits for the end of the body.
            entry.answered(answer, took)
        }
    }

    fn refused(&self, refused: &Refused<'_>) {
        let decision = Decision::Refused.as_str();
        self.metrics.request(decision, refused.status.as_u16(), Duration::ZERO);
        if let Some(log) = &self.log {
            log.write(|line| entry::fill_refused(refused, line));
        }
    }

    async fn finish(&self) {
        self.routes.finish().await;
    }
}

/// What the server of the ops listener calls.
#[derive(Clone)]
pub(super) struct Probes(pub(super) Ops);

impl Handler for Probes {
    async fn handle(&self, request: Request, _peer: &Peer) -> Response<Body> {
        self.0.handle(&request.into_http())
    }
}

impl Probed for Watched {
    fn reasons_not_ready(&self) -> Vec<&'static str> {
        let mut reasons = Vec::new();
        if self.draining.is_cancelled() || self.shared.closing.is_cancelled() {
            reasons.push("draining");
        }
        if self.gauge.shown() != Pressure::None {
            reasons.push("memory is short: no connections are accepted");
        }
        if self.shared.sign_on.silence() > Metrics::FEED_SILENCE_MAX {
            reasons.push("no word from the store: changes are not heard");
        }
        reasons
    }

    fn degraded(&self) -> Vec<String> {
        let health = self.shared.sign_on.provider_health();
        let unready = health.into_iter().filter(|health| !health.is_ready);
        let unready = unready
            .map(|health| format!("nobody of {} can sign on: no usable metadata", health.organization));
        let unwell = self.shared.settings.load().proxy.state.unwell();
        unready
            .chain(unwell.into_iter().map(|upstream| format!("{upstream} is asked last: it fails")))
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
            log_lines_lost: self.access_log.lines_lost(),
            feed_silence: sign_on.silence(),
            upstreams: self.upstreams(),
            connections_turned_away: self.turned_away.counts().to_vec(),
        })
    }
}
