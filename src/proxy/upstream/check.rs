//! Asking upstreams whether they are well, when nobody else does.
//!
//! Separate because it is traffic of our own: a plain request with no identity, on a connection of its own each
//! time, which shows that new ones can be made. One task for each upstream, whatever the number of cores.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::dial::{Dialled, Inside, Wire};
use super::{Group, Member};
use crate::proxy::{Check, Failure, Settings, Timeouts};

/// Failures in a row that make an upstream unwell, and answers in a row that make it well again.
const FAILURES: u32 = 3;
const ANSWERS: u32 = 2;
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Begins to ask; ends with the group or with the process.
pub(super) fn begin(group: &Arc<Group>, check: &Check, settings: &Settings, closing: &CancellationToken) {
    let question = Arc::new(Question {
        check: check.clone(),
        fields: fields(settings, "health check"),
        timeouts: settings.timeouts,
    });
    for place in 0..group.members.len() {
        let (group, question, closing) = (Arc::downgrade(group), Arc::clone(&question), closing.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = closing.cancelled() => {}
                () = question.ask_on(group, place) => {}
            }
        });
    }
}

/// Asks one of the upstreams for a path, as nobody of whom anything is known sends a request, with these fields: what does it
/// answer? Fails as a request would.
pub async fn ask_directly(
    settings: &Settings,
    place: usize,
    path: &PathAndQuery,
    more: HeaderMap,
) -> Result<StatusCode, Failure> {
    let upstream = settings.upstreams.get(place).ok_or(Failure::NoUpstream)?;
    let mut all = fields(settings, "check");
    all.extend(more);
    let check = Check { path: path.clone(), every: settings.timeouts.first_byte };
    let question = Question { check, fields: all, timeouts: settings.timeouts };
    let member = Member::new(upstream, settings);
    let answered = timeout(settings.timeouts.first_byte, question.ask(&member, 0)).await;
    answered.unwrap_or(Err(Failure::Timeout))
}

/// What every question says: whom it is for, and who asks and why.
fn fields(settings: &Settings, why: &str) -> HeaderMap {
    let agent = format!("Anteroom/{} ({why})", env!("CARGO_PKG_VERSION"));
    let mut fields = HeaderMap::new();
    fields.insert(HOST, settings.public_url.host().clone());
    fields.insert(USER_AGENT, HeaderValue::try_from(agent).unwrap_or(HeaderValue::from_static("Anteroom")));
    fields
}

struct Question {
    check: Check,
    fields: HeaderMap,
    timeouts: Timeouts,
}

impl Question {
    async fn ask_on(&self, group: Weak<Group>, place: usize) {
        let (mut failures, mut answers) = (0_u32, 0_u32);
        let mut turn = 0_usize;
        while let Some(group) = group.upgrade() {
            let Some(member) = group.member(place) else { return };
            turn = turn.wrapping_add(1);
            let outcome = timeout(PATIENCE.min(self.check.every), self.ask(member, turn)).await;
            let wrong = match outcome {
                Ok(Ok(status)) if status.is_success() || status.is_redirection() => None,
                Ok(Ok(status)) => Some(format!("status {}", status.as_u16())),
                Ok(Err(failure)) => Some(failure.code().to_owned()),
                Err(_) => Some("no answer".to_owned()),
            };
            match wrong {
                None => {
                    (failures, answers) = (0, answers.saturating_add(1));
                    if answers >= ANSWERS && member.health.checked(false) {
                        tracing::info!(upstream = %member.upstream, "upstream is well again");
                    }
                }
                Some(why) => {
                    (failures, answers) = (failures.saturating_add(1), 0);
                    if failures >= FAILURES && member.health.checked(true) {
                        tracing::warn!(upstream = %member.upstream, why, "upstream is unwell and is asked last");
                    }
                }
            }
            drop(group);
            sleep(self.check.every).await;
        }
    }

    async fn ask(&self, member: &Member, turn: usize) -> Result<StatusCode, Failure> {
        let Dialled { wire, has_streams, .. } = member.dial(&self.timeouts, turn, Inside::Any).await?;
        match (wire, has_streams) {
            (Wire::Clear(stream), false) => self.ask_http1(stream).await,
            (Wire::Tls(stream), false) => self.ask_http1(*stream).await,
            (Wire::Clear(stream), true) => self.ask_http2(stream, "http").await,
            (Wire::Tls(stream), true) => self.ask_http2(*stream, "https").await,
        }
    }

    async fn ask_http1<IO>(&self, stream: IO) -> Result<StatusCode, Failure>
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(Failure::reset)?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = Uri::from(self.check.path.clone());
        *request.headers_mut() = self.fields.clone();
        let task = OneQuestion(tokio::spawn(async move { drop(connection.await) }).abort_handle());
        let response = sender.send_request(request).await;
        drop(task);
        Ok(response.map_err(Failure::reset)?.status())
    }

    async fn ask_http2<IO>(&self, stream: IO, scheme: &str) -> Result<StatusCode, Failure>
    where
        IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(Failure::reset)?;
        let mut fields = self.fields.clone();
        let host = fields.remove(HOST);
        let uri =
            Uri::builder().scheme(scheme).authority(host.as_ref().map_or(&b""[..], HeaderValue::as_bytes));
        let uri =
            uri.path_and_query(self.check.path.clone()).build().map_err(|_| Failure::BadResponse(None))?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = fields;
        *request.version_mut() = Version::HTTP_2;
        let task = OneQuestion(tokio::spawn(async move { drop(connection.await) }).abort_handle());
        let response = sender.send_request(request).await;
        drop(task);
        Ok(response.map_err(Failure::reset)?.status())
    }
}

/// A connection that ends when its question is answered, or nobody waits for that any more.
struct OneQuestion(AbortHandle);

impl Drop for OneQuestion {
    fn drop(&mut self) {
        self.0.abort();
    }
}
