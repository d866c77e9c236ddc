//! The counts of both borders: connections that were not served, and how each upstream fares.
//!
//! Separate because others count them, in atomics of their own (`server::TurnedAway`, `proxy::Tallies`); here they are
//! taken over at the moment of asking.

use std::sync::atomic::{AtomicI64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How it stands with an upstream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upstream {
    /// Its URL, which operators have written.
    pub upstream: String,
    /// Requests that were sent there.
    pub requests: u64,
    /// Requests, and tries to connect, that came to nothing, by the code of why.
    pub failures: Vec<(&'static str, u64)>,
    /// Connections that are open.
    pub connections: u64,
    /// Whether it is asked last, because it fails.
    pub is_ejected: bool,
}

#[derive(Default)]
pub(super) struct Border {
    turned_away: Family<ReasonLabel, Counter>,
    requests: Family<UpstreamLabel, Counter>,
    failures: Family<FailureLabels, Counter>,
    connections: Family<UpstreamLabel, Gauge<i64, AtomicI64>>,
    ejected: Family<UpstreamLabel, Gauge<i64, AtomicI64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UpstreamLabel {
    upstream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    upstream: String,
    code: &'static str,
}

impl Border {
    /// Takes over what was counted; upstreams that are gone are gone from here, too.
    pub(super) fn set(&self, upstreams: &[Upstream], turned_away: &[(&'static str, u64)]) {
        // All of these only grow where they are counted.
        let put = |counter: &Counter, count| counter.inner().store(count, Ordering::Relaxed);
        for (reason, count) in turned_away {
            put(&self.turned_away.get_or_create(&ReasonLabel { reason }), *count);
        }
        self.requests.clear();
        self.failures.clear();
        self.connections.clear();
        self.ejected.clear();
        for one in upstreams {
            let label = UpstreamLabel { upstream: one.upstream.clone() };
            put(&self.requests.get_or_create(&label), one.requests);
            for (code, count) in &one.failures {
                let labels = FailureLabels { upstream: one.upstream.clone(), code };
                put(&self.failures.get_or_create(&labels), *count);
            }
            let connections = i64::try_from(one.connections).unwrap_or(i64::MAX);
            self.connections.get_or_create(&label).set(connections);
            self.ejected.get_or_create(&label).set(i64::from(one.is_ejected));
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "connections_turned_away",
            "Connections that were not served, or closed for want of memory",
            self.turned_away.clone(),
        );
        registry.register(
            "upstream_requests",
            "Requests sent to the upstream, repetitions among them",
            self.requests.clone(),
        );
        registry.register(
            "upstream_requests_failed",
            "Requests to the upstream, and tries to connect, that came to nothing",
            self.failures.clone(),
        );
        registry.register(
            "upstream_connections",
            "Connections to the upstream that are open",
            self.connections.clone(),
        );
        registry.register(
            "upstream_ejected",
            "1 while the upstream is asked last because it fails, otherwise 0",
            self.ejected.clone(),
        );
    }
}
