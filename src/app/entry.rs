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

use crate::http1::fields::Known;
use crate::id::{SessionName, UserId};
use crate::monotonic::{self, Moment};
use crate::proxy::{Body, End, Handshake, Head, Peer, Request, Trace, Witness};
use crate::routes::{Answer, Decision, Outcome};
use crate::server::Refused;
use crate::telemetry::{CoreLog, Line, name};

/// One line of the access log, R-46. It is written when it is dropped.
pub(super) struct Entry {
    log: Option<CoreLog>,
    begun_at: Moment,
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
    outcome: Outcome,
    trace: Option<Trace>,
    head: Duration,
    end: End,
    bytes: u64,
}

impl Entry {
    /// Begins with a request; it is moved from hand to hand.
    pub(super) fn begin(request: &Request, peer: &Peer, log: Option<CoreLog>) -> Box<Self> {
        let asked = log.is_some().then(|| Asked {
            head: Arc::clone(request.head()),
            client: peer.client_address(request.fields()),
            handshake: peer.handshake.take(),
        });
        Box::new(Self { log, begun_at: monotonic::now(), asked, answered: None })
    }

    /// How long ago the request came.
    pub(super) fn elapsed(&self) -> Duration {
        monotonic::now() - self.begun_at
    }

    /// Takes over what there is to know of the response, and waits for its end.
    pub(super) fn answered(mut self: Box<Self>, answer: Answer, took: Duration) -> Response<Body> {
        let Answer { response, mut outcome } = answer;
        if self.log.is_none() {
            return response;
        }
        let (status, failed) = (response.status(), outcome.trace.take());
        response.map(|body| {
            let trace = body.trace().cloned().or_else(|| failed.map(|trace| *trace));
            self.answered = Some(Answered { status, outcome, trace, head: took, end: End::Client, bytes: 0 });
            body.witnessed(self)
        })
    }

    fn fill(&self, asked: &Asked, line: &mut Line<'_>) {
        let head = &asked.head;
        line.text(name!("request_id"), head.id().as_bytes());
        line.address(name!("client"), asked.client);
        line.text(name!("method"), head.method().as_str());
        let host = head.uri().host().map(str::as_bytes);
        line.text_if(name!("host"), host.or_else(|| head.fields().get(Known::Host)));
        line.text(name!("path"), head.uri().path());
        if let Some(handshake) = &asked.handshake {
            line.word(name!("tls"), handshake.version());
            line.word(name!("cipher"), handshake.cipher());
            line.micros(name!("handshake_us"), handshake.took);
        }
        match &self.answered {
            Some(answered) => answered.fill(self, asked, line),
            None => self.fill_unanswered(line),
        }
    }

    /// Nobody waited for the response, or the answer was a panic.
    fn fill_unanswered(&self, line: &mut Line<'_>) {
        let is_panic = std::thread::panicking();
        line.number(name!("status"), if is_panic { 500 } else { CLIENT_CLOSED_REQUEST });
        line.word(name!("decision"), "failed");
        line.word(name!("code"), if is_panic { "panic" } else { "client_closed" });
        line.micros(name!("total_us"), self.elapsed());
        line.text_if(name!("closed_by"), (!is_panic).then_some("client"));
    }
}

impl Answered {
    fn fill(&self, entry: &Entry, asked: &Asked, line: &mut Line<'_>) {
        line.number(name!("status"), self.status.as_u16().into());
        line.word(name!("decision"), self.outcome.decision.as_str());
        fill_person(&self.outcome, line);
        line.text_if(name!("code"), self.outcome.code);
        if let Some(rule) = &self.outcome.rule {
            line.pair(name!("rule"), rule.key, rule.path.as_str());
        }
        if let Some(trace) = &self.trace {
            line.text(name!("upstream"), trace.upstream.as_bytes());
            line.number(name!("retries"), trace.retries.into());
            line.micros(name!("gate_us"), trace.given_at - entry.begun_at);
            if let Some(connect) = trace.connect {
                line.micros(name!("connect_us"), connect);
            }
        }
        line.number(name!("bytes"), self.bytes);
        line.micros(name!("duration_us"), self.head);
        line.micros(name!("total_us"), entry.elapsed());
        let closed_by = match self.end {
            End::Complete => None,
            // A response to HEAD has a body that nobody takes.
            End::Client if *asked.head.method() == Method::HEAD => None,
            End::Client => Some("client"),
            End::Upstream => Some("upstream"),
            End::Session => Some("session"),
        };
        line.text_if(name!("closed_by"), closed_by);
    }
}

/// What there is to say of a request that was refused before anybody could read it.
pub(super) fn fill_refused(refused: &Refused<'_>, line: &mut Line<'_>) {
    line.text(name!("request_id"), refused.request_id.as_bytes());
    line.address(name!("client"), refused.client);
    line.number(name!("status"), refused.status.as_u16().into());
    line.word(name!("decision"), Decision::Refused.as_str());
    line.word(name!("code"), refused.code);
}

fn fill_person(outcome: &Outcome, line: &mut Line<'_>) {
    let Some(visitor) = &outcome.visitor else {
        line.text_if(name!("user"), outcome.user.as_deref().map(UserId::as_str));
        return;
    };
    let session = visitor.live().session();
    line.text(name!("organization"), visitor.live().state(visitor.now()).account.user.organization.as_str());
    line.text(name!("user"), session.user.as_str());
    line.text(name!("session"), SessionName::as_str(&session.name));
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
