//! The counts, as text that Prometheus reads.
//!
//! Separate so that every name and label is in one place.
//!
//! Rules: labels come from our own code (`&'static str`) or name organizations, never from a request, so their number
//! is bounded; a
//! count on the hot path is a look-up and an atomic addition.

mod border;

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use border::Border;

pub use border::Upstream;

/// Everything that is counted. Clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

/// The counts of requests that one core adds to.
#[derive(Debug)]
pub struct CoreMetrics {
    metrics: Metrics,
    /// A handful: decisions times classes of status.
    counted: RefCell<Vec<Counted>>,
}

/// What a kind of request is counted by.
#[derive(Debug)]
struct Counted {
    labels: RequestLabels,
    requests: Counter,
    durations: Histogram,
}

impl CoreMetrics {
    /// A request has been answered.
    pub fn request(&self, decision: &'static str, status: u16, duration: Duration) {
        let labels = RequestLabels { decision, status: class_of(status) };
        let mut counted = self.counted.borrow_mut();
        let place = counted.iter().position(|counted| counted.labels == labels).unwrap_or_else(|| {
            let all = &self.metrics.0;
            let requests = all.requests.get_or_create(&labels).clone();
            let durations = all.durations.get_or_create(&DecisionLabel { decision }).clone();
            counted.push(Counted { labels, requests, durations });
            counted.len() - 1
        });
        if let Some(counted) = counted.get(place) {
            counted.requests.inc();
            counted.durations.observe(duration.as_secs_f64());
        }
    }

    /// The counts of everybody.
    #[must_use]
    pub const fn all(&self) -> &Metrics {
        &self.metrics
    }
}

/// What is known only at the moment of asking.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// Sessions in the memory of this node.
    pub sessions_live: u64,
    /// Waiting Room pages that are open on this node.
    pub waiting_rooms_open: u64,
    /// Mails that this node has delivered.
    pub mail_sent: u64,
    /// Tries of this node to deliver a mail that failed.
    pub mail_failed: u64,
    /// Messages in the outbox.
    pub mail_waiting: u64,
    /// Lines of the log that were dropped.
    pub log_lines_lost: u64,
    /// For how long the change feed has told nothing, not even that nothing has changed.
    pub feed_silence: Duration,
    /// How it stands with the identity provider of each organization.
    pub providers: Vec<Provider>,
    /// How it stands with each upstream.
    pub upstreams: Vec<Upstream>,
    /// Connections that were not served, by reason.
    pub connections_turned_away: Vec<(&'static str, u64)>,
}

/// How it stands with the identity provider of an organization.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provider {
    /// The organization, which operators have named.
    pub organization: String,
    /// Whether there is metadata that has not expired.
    pub is_ready: bool,
    /// Seconds until the last of its certificates expires; negative afterwards.
    pub certificate_expires_in: Option<f64>,
    /// How many times in a row its metadata could not be fetched, if it is fetched.
    pub metadata_failures: Option<u32>,
    /// Whether metadata of another entity ID waits to be accepted.
    pub is_held: bool,
}

struct Inner {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<DecisionLabel, Histogram, fn() -> Histogram>,
    sign_ons: Family<SignOnLabels, Counter>,
    upstream_failures: Family<CodeLabel, Counter>,
    waiting_rooms: Gauge<i64, AtomicI64>,
    sessions: Gauge<i64, AtomicI64>,
    mail_sent: Counter,
    mail_failed: Counter,
    mail_waiting: Gauge<i64, AtomicI64>,
    log_lines_lost: Counter,
    feed_silence: Gauge<f64, AtomicU64>,
    feed_hearing: Gauge<i64, AtomicI64>,
    reload_success: Gauge<i64, AtomicI64>,
    border: Border,
    certificate_expires: Family<OrganizationLabel, Gauge<f64, AtomicU64>>,
    metadata_ready: Family<OrganizationLabel, Gauge<i64, AtomicI64>>,
    metadata_failures: Family<OrganizationLabel, Gauge<i64, AtomicI64>>,
    metadata_held: Family<OrganizationLabel, Gauge<i64, AtomicI64>>,
}

/// An organization, of which there are as many as operators have made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OrganizationLabel {
    organization: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    decision: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabel {
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignOnLabels {
    outcome: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

impl Metrics {
    /// All counts at zero; the configuration of the start counts as loaded.
    #[must_use]
    pub fn new() -> Self {
        let mut inner = Inner {
            registry: Registry::with_prefix("anteroom"),
            requests: Family::default(),
            durations: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            sign_ons: Family::default(),
            upstream_failures: Family::default(),
            waiting_rooms: Gauge::default(),
            sessions: Gauge::default(),
            mail_sent: Counter::default(),
            mail_failed: Counter::default(),
            mail_waiting: Gauge::default(),
            log_lines_lost: Counter::default(),
            feed_silence: Gauge::default(),
            feed_hearing: Gauge::default(),
            reload_success: Gauge::default(),
            border: Border::default(),
            certificate_expires: Family::default(),
            metadata_ready: Family::default(),
            metadata_failures: Family::default(),
            metadata_held: Family::default(),
        };
        inner.reload_success.set(1);
        inner.register();
        inner.register_providers();
        inner.border.register(&mut inner.registry);
        Self(Arc::new(inner))
    }

    /// The counts of requests for one core, which looks each of them up once.
    #[must_use]
    pub fn core(&self) -> CoreMetrics {
        CoreMetrics { metrics: self.clone(), counted: RefCell::default() }
    }

    /// A sign-on has come to an end: well, or for a reason.
    pub fn signed_on(&self, outcome: &'static str, reason: &'static str) {
        self.0.sign_ons.get_or_create(&SignOnLabels { outcome, reason }).inc();
    }

    /// The application could not be asked, or did not answer.
    pub fn upstream_failed(&self, code: &'static str) {
        self.0.upstream_failures.get_or_create(&CodeLabel { code }).inc();
    }

    /// The configuration was read again.
    pub fn config_reloaded(&self, succeeded: bool) {
        self.0.reload_success.set(i64::from(succeeded));
    }

    /// The counts as text.
    #[must_use]
    pub fn encode(&self, moment: &Moment) -> String {
        let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.0.sessions.set(whole(moment.sessions_live));
        self.0.waiting_rooms.set(whole(moment.waiting_rooms_open));
        // Counted by the courier, which knows no metrics; both only grow.
        self.0.mail_sent.inner().store(moment.mail_sent, Ordering::Relaxed);
        self.0.mail_failed.inner().store(moment.mail_failed, Ordering::Relaxed);
        self.0.mail_waiting.set(whole(moment.mail_waiting));
        self.0.log_lines_lost.inner().store(moment.log_lines_lost, Ordering::Relaxed);
        self.0.feed_silence.set(moment.feed_silence.as_secs_f64());
        self.0.feed_hearing.set(i64::from(moment.feed_silence <= Self::FEED_SILENCE_MAX));
        self.0.set_providers(&moment.providers);
        self.0.border.set(&moment.upstreams, &moment.connections_turned_away);
        let mut text = String::new();
        // Writing to a string fails only if a metric's own encoding does; what is there is still true.
        if text::encode(&mut text, &self.0.registry).is_err() {
            tracing::error!("some metrics could not be written");
        }
        text
    }

    /// A node that has heard nothing for this long (a few polls of the feed) does not hear changes.
    pub const FEED_SILENCE_MAX: Duration = Duration::from_secs(5);
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(…)")
    }
}

impl Inner {
    /// Organizations that are gone are gone from here, too.
    fn set_providers(&self, providers: &[Provider]) {
        self.certificate_expires.clear();
        self.metadata_ready.clear();
        self.metadata_failures.clear();
        self.metadata_held.clear();
        for provider in providers {
            let label = OrganizationLabel { organization: provider.organization.clone() };
            if let Some(seconds) = provider.certificate_expires_in {
                self.certificate_expires.get_or_create(&label).set(seconds);
            }
            self.metadata_ready.get_or_create(&label).set(i64::from(provider.is_ready));
            if let Some(failures) = provider.metadata_failures {
                self.metadata_failures.get_or_create(&label).set(i64::from(failures));
                self.metadata_held.get_or_create(&label).set(i64::from(provider.is_held));
            }
        }
    }

    fn register_providers(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "saml_certificate_expires",
            "Time until the last signing certificate of the identity provider expires",
            Unit::Seconds,
            self.certificate_expires.clone(),
        );
        registry.register(
            "saml_metadata_ready",
            "1 while there is metadata of the identity provider that has not expired, otherwise 0",
            self.metadata_ready.clone(),
        );
        registry.register(
            "saml_metadata_failures",
            "How many times in a row the metadata could not be fetched",
            self.metadata_failures.clone(),
        );
        registry.register(
            "saml_metadata_held",
            "1 while metadata of another entity ID waits to be accepted, otherwise 0",
            self.metadata_held.clone(),
        );
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The program", build);
        registry.register("requests", "Requests answered on the public listener", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time to the head of the response",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register("sign_ons", "Sign-ons that came to an end", self.sign_ons.clone());
        registry.register(
            "upstream_failures",
            "Requests that the application did not answer",
            self.upstream_failures.clone(),
        );
        registry.register(
            "waiting_rooms_open",
            "Waiting Room pages open on this node",
            self.waiting_rooms.clone(),
        );
        registry.register("sessions_live", "Sessions in the memory of this node", self.sessions.clone());
        registry.register("mail_sent", "Mails delivered by this node", self.mail_sent.clone());
        registry.register("mail_failed", "Tries to deliver a mail that failed", self.mail_failed.clone());
        registry.register("mail_waiting", "Messages in the outbox", self.mail_waiting.clone());
        registry.register(
            "log_lines_lost",
            "Lines of the log that were dropped because nobody took them",
            self.log_lines_lost.clone(),
        );
        registry.register_with_unit(
            "change_feed_silence",
            "Time since the change feed was last heard",
            Unit::Seconds,
            self.feed_silence.clone(),
        );
        registry.register(
            "change_feed_hearing",
            "1 while this node hears changes, otherwise 0",
            self.feed_hearing.clone(),
        );
        registry.register(
            "config_last_reload_success",
            "1 if the configuration in force is the one in the file, 0 after a reload that was refused",
            self.reload_success.clone(),
        );
    }
}

const fn class_of(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// From an answer out of memory to an application that is nearly given up on.
const DURATION_BUCKETS: [f64; 10] = [0.000_5, 0.002, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    fn a_moment() -> Moment {
        Moment {
            sessions_live: 7,
            waiting_rooms_open: 3,
            mail_sent: 5,
            mail_failed: 2,
            mail_waiting: 4,
            log_lines_lost: 6,
            feed_silence: Duration::from_millis(1500),
            providers: vec![Provider {
                organization: "contoso".to_owned(),
                is_ready: true,
                certificate_expires_in: Some(-2.5),
                metadata_failures: Some(3),
                is_held: true,
            }],
            upstreams: vec![Upstream {
                upstream: "http://a.b:80".to_owned(),
                requests: 9,
                failures: vec![("upstream_reset", 2)],
                connections: 8,
                is_ejected: true,
            }],
            connections_turned_away: vec![("full", 0), ("memory", 10)],
        }
    }

    #[test]
    fn what_happens_is_counted() {
        let metrics = Metrics::new();
        let core = metrics.core();
        core.request("forwarded", 204, Duration::from_millis(3));
        metrics.core().request("forwarded", 200, Duration::from_millis(3));
        core.request("failed", 502, Duration::from_secs(2));
        metrics.signed_on("refused", "wrong_audience");
        metrics.upstream_failed("upstream_refused");
        let text = metrics.encode(&a_moment());
        for line in [
            "anteroom_build_info{version=\"0.1.0\"} 1",
            "anteroom_requests_total{decision=\"forwarded\",status=\"2xx\"} 2",
            "anteroom_requests_total{decision=\"failed\",status=\"5xx\"} 1",
            "anteroom_request_duration_seconds_bucket{le=\"0.01\",decision=\"forwarded\"} 2",
            "anteroom_sign_ons_total{outcome=\"refused\",reason=\"wrong_audience\"} 1",
            "anteroom_upstream_failures_total{code=\"upstream_refused\"} 1",
            "anteroom_waiting_rooms_open 3",
            "anteroom_sessions_live 7",
            "anteroom_mail_sent_total 5",
            "anteroom_mail_failed_total 2",
            "anteroom_mail_waiting 4",
            "anteroom_log_lines_lost_total 6",
            "anteroom_change_feed_silence_seconds 1.5",
            "anteroom_change_feed_hearing 1",
            "anteroom_config_last_reload_success 1",
            "anteroom_saml_certificate_expires_seconds{organization=\"contoso\"} -2.5",
            "anteroom_saml_metadata_ready{organization=\"contoso\"} 1",
            "anteroom_saml_metadata_failures{organization=\"contoso\"} 3",
            "anteroom_saml_metadata_held{organization=\"contoso\"} 1",
            "anteroom_upstream_requests_total{upstream=\"http://a.b:80\"} 9",
            "anteroom_upstream_requests_failed_total{upstream=\"http://a.b:80\",code=\"upstream_reset\"} 2",
            "anteroom_upstream_connections{upstream=\"http://a.b:80\"} 8",
            "anteroom_upstream_ejected{upstream=\"http://a.b:80\"} 1",
            "anteroom_connections_turned_away_total{reason=\"full\"} 0",
            "anteroom_connections_turned_away_total{reason=\"memory\"} 10",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
        metrics.config_reloaded(false);
        let text = metrics.encode(&Moment { feed_silence: Duration::from_secs(6), ..Moment::default() });
        for line in [
            "anteroom_waiting_rooms_open 0",
            "anteroom_change_feed_hearing 0",
            "anteroom_config_last_reload_success 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
        }
    }
}
