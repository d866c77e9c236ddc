//! What is written down of one request.
//!
//! Separate because it lives as long as the response: begun with the request, told what was decided when the head of the
//! response goes out, and written when the body is over or nobody waits for it any more.
//!
//! Rules: one line for each request, whatever becomes of it; never its query, which may hold what is nobody's business
//! (T-G10), a cookie or a token.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response, StatusCode};
use tokio::time::Instant;

use crate::http1::fields::Known;
use crate::id::{SessionName, UserId};
use crate::proxy::{Body, End, Handshake, Head, Peer, Request, Trace, Witness};
use crate::routes::{Decision, Outcome};
use crate::server::Refused;
use crate::telemetry::{CoreLog, Line};

/// One line of the access log, R-46. It is written when it is dropped.
pub(super) struct Entry {
    log: Option<CoreLog>,
    begun_at: Instant,
    asked: Option<Asked>,
    answered: Option<Answered>,
}

/// What was asked for; known only where it is written down.
struct Asked {
    head: Arc<Head>,
    client: IpAddr,
    handshake: Option<Handshake>,
}

/// What came of it.
struct Answered {
    status: StatusCode,
    outcome: Option<Outcome>,
    trace: Option<Trace>,
    head: Duration,
    end: End,
    bytes: u64,
}

impl Entry {
    /// Begins with a request.
    pub(super) fn begin(request: &Request, peer: &Peer, log: Option<CoreLog>) -> Self {
        let asked = log.is_some().then(|| Asked {
            head: Arc::clone(request.head()),
            client: peer.client_address(request.fields()),
            handshake: peer.handshake,
        });
        Self { log, begun_at: Instant::now(), asked, answered: None }
    }

    /// How long ago the request came.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun_at.elapsed()
    }

    /// Takes over what there is to know of the response, and waits for its end.
    pub(super) fn answered(mut self, response: &mut Response<Body>) {
        if self.log.is_none() {
            return;
        }
        let body = std::mem::take(response.body_mut());
        let mut outcome = response.extensions_mut().remove::<Outcome>();
        let failed = outcome.as_mut().and_then(|outcome| outcome.trace.take());
        self.answered = Some(Answered {
            status: response.status(),
            outcome,
            trace: body.trace().cloned().or_else(|| failed.map(|trace| *trace)),
            head: self.elapsed(),
            end: End::Client,
            bytes: 0,
        });
        *response.body_mut() = body.witnessed(Box::new(self));
    }

    fn fill(&self, asked: &Asked, line: &mut Line<'_>) {
        let head = &asked.head;
        line.text("request_id", head.id().as_str());
        line.address("client", asked.client);
        line.text("method", head.method().as_str());
        line.text_if("host", head.uri().host().or_else(|| head.fields().text(Known::Host)));
        line.text("path", head.uri().path());
        if let Some(handshake) = &asked.handshake {
            line.text("tls", handshake.version());
            line.text("cipher", handshake.cipher());
            line.micros("handshake_us", handshake.took);
        }
        match &self.answered {
            Some(answered) => answered.fill(self, asked, line),
            None => self.fill_unanswered(line),
        }
    }

    /// Nobody waited for the response, or the answer was a panic.
    fn fill_unanswered(&self, line: &mut Line<'_>) {
        let is_panic = std::thread::panicking();
        line.number("status", if is_panic { 500 } else { CLIENT_CLOSED_REQUEST });
        line.text("decision", "failed");
        line.text("code", if is_panic { "panic" } else { "client_closed" });
        line.micros("total_us", self.elapsed());
        line.text_if("closed_by", (!is_panic).then_some("client"));
    }
}

impl Answered {
    fn fill(&self, entry: &Entry, asked: &Asked, line: &mut Line<'_>) {
        line.number("status", self.status.as_u16().into());
        line.text("decision", self.outcome.as_ref().map_or("failed", |outcome| outcome.decision.as_str()));
        if let Some(outcome) = &self.outcome {
            fill_person(outcome, line);
            line.text_if("code", outcome.code);
            if let Some(rule) = &outcome.rule {
                line.pair("rule", rule.key, rule.path.as_str());
            }
        }
        if let Some(trace) = &self.trace {
            line.text("upstream", &trace.upstream);
            line.number("retries", trace.retries.into());
            line.micros("gate_us", trace.given_at.saturating_duration_since(entry.begun_at));
            if let Some(connect) = trace.connect {
                line.micros("connect_us", connect);
            }
        }
        line.number("bytes", self.bytes);
        line.micros("duration_us", self.head);
        line.micros("total_us", entry.elapsed());
        let closed_by = match self.end {
            End::Complete => None,
            // A response to HEAD has a body that nobody takes.
            End::Client if *asked.head.method() == Method::HEAD => None,
            End::Client => Some("client"),
            End::Upstream => Some("upstream"),
            End::Session => Some("session"),
        };
        line.text_if("closed_by", closed_by);
    }
}

/// What there is to say of a request that was refused before anybody could read it.
pub(super) fn fill_refused(refused: &Refused<'_>, line: &mut Line<'_>) {
    line.text("request_id", refused.request_id.as_str());
    line.address("client", refused.client);
    line.number("status", refused.status.as_u16().into());
    line.text("decision", Decision::Refused.as_str());
    line.text("code", refused.code);
}

fn fill_person(outcome: &Outcome, line: &mut Line<'_>) {
    let Some(visitor) = &outcome.visitor else {
        line.text_if("user", outcome.user.as_ref().map(UserId::as_str));
        return;
    };
    let session = visitor.live().session();
    line.text("organization", visitor.live().state(visitor.now()).account.user.organization.as_str());
    line.text("user", session.user.as_str());
    line.text("session", SessionName::as_str(&session.name));
}

impl Witness for Entry {
    fn ended(&mut self, end: End, bytes: u64) {
        if let Some(answered) = &mut self.answered {
            answered.end = end;
            answered.bytes = bytes;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let (Some(log), Some(asked)) = (&self.log, &self.asked) {
            log.write(|line| self.fill(asked, line));
        }
    }
}

/// What nginx writes for a client that did not wait; no such status is ever sent.
const CLIENT_CLOSED_REQUEST: u64 = 499;
