//! A connection, or a stream of one, in the hands of one request.
//!
//! Separate because what must happen when the request is over happens here, whichever way it ended: kept, closed,
//! counted, and said to the upstream's health.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::http1::fields::Fields;
use crate::http1::head::ResponseHead;
use crate::http1::{FIELDS_MAX, Malformed};
use crate::proxy::request::Prepared;
use crate::proxy::request_body::{Progress, RequestBody, State};
use crate::proxy::upstream::{Sign, Slot};
use crate::proxy::{BoxError, Failure};

use super::Pool;
use super::line::{Cause, Line, Switched};
use super::relay::Relay;
use super::streams::{self, Channel};

/// A connection in use. Dropping it closes it, or resets its stream; [`Connection::park`] keeps it.
pub(in crate::proxy) struct Connection {
    held: Held,
    pool: Arc<Pool>,
    site: usize,
    is_reused: bool,
    upload: Option<Arc<Progress>>,
    slot: Option<Slot>,
}

enum Held {
    /// One of HTTP/1.1, for this request alone.
    Alone(Box<Line>),
    /// The same, while the request is still being sent.
    Relayed(Relay),
    /// A stream of one of HTTP/2.
    Stream { channel: Arc<Channel>, silence: Duration, incoming: Option<Incoming> },
    /// None any more.
    Nothing,
}

/// Why a request got no response.
#[derive(Debug)]
pub(in crate::proxy) struct Lost {
    pub(in crate::proxy) failure: Failure,
    /// Whether the request can be sent once more.
    is_whole: bool,
    /// Whether the upstream cannot have acted on it: not an octet was sent, or it has said so.
    is_unprocessed: bool,
}

/// What can be done about a lost request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::proxy) enum Next {
    /// It was never sent, or never looked at: send it, it is the first time.
    Send,
    /// Send it a second time.
    Repeat,
    /// Nothing.
    Fail,
}

impl Lost {
    /// What can be done; `may_repeat` says whether sending it twice does no harm.
    pub(in crate::proxy) const fn next(&self, may_repeat: bool) -> Next {
        match self {
            Self { is_whole: false, .. } => Next::Fail,
            Self { is_unprocessed: true, .. } => Next::Send,
            Self { failure: Failure::Reset(_), .. } if may_repeat => Next::Repeat,
            Self { .. } => Next::Fail,
        }
    }
}

impl Connection {
    pub(super) fn alone(pool: &Arc<Pool>, site: usize, line: Box<Line>, is_reused: bool) -> Self {
        Self::new(pool, site, Held::Alone(line), is_reused)
    }

    /// The stream must have been taken from the channel.
    pub(super) fn stream(pool: &Arc<Pool>, site: usize, channel: Arc<Channel>, is_reused: bool) -> Self {
        let silence = pool.timeouts.idle;
        Self::new(pool, site, Held::Stream { channel, silence, incoming: None }, is_reused)
    }

    fn new(pool: &Arc<Pool>, site: usize, held: Held, is_reused: bool) -> Self {
        pool.began(site);
        Self { held, pool: Arc::clone(pool), site, is_reused, upload: None, slot: None }
    }

    pub(super) fn with_slot(mut self, slot: Option<Slot>) -> Self {
        self.slot = slot;
        self
    }

    /// Whether it has carried a request before: then it may just be closing.
    pub(in crate::proxy) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Where it leads, for the log: host and port.
    pub(in crate::proxy) fn upstream(&self) -> Arc<str> {
        self.pool.name(self.site)
    }

    /// Which upstream it leads to.
    pub(in crate::proxy) const fn site(&self) -> usize {
        self.site
    }

    /// Sends a request and waits for the head of the response.
    pub(in crate::proxy) fn send(
        &mut self,
        request: &mut Prepared<'_>,
    ) -> impl Future<Output = Result<ResponseHead, Lost>> {
        async move {
            self.upload = request.body.progress();
            let sent = match &mut self.held {
                Held::Stream { .. } => Box::pin(self.send_on_stream(request)).await,
                _ => self.send_on_line(request).await,
            };
            match &sent {
                Ok(response) => {
                    self.pool.note(self.site, sign_of(response.status));
                    if let Some(upload) = &self.upload {
                        upload.answered();
                    }
                }
                Err(lost) => {
                    self.pool.failed(self.site, &lost.failure);
                    // What is reused may have been closed in good order a moment ago: that is no sign of illness.
                    let died = matches!(lost.failure, Failure::Reset(_));
                    if died && !(self.is_reused || lost.is_unprocessed) {
                        self.pool.note(self.site, Sign::Died);
                    }
                }
            }
            sent
        }
    }

    fn send_on_line(
        &mut self,
        request: &mut Prepared<'_>,
    ) -> impl Future<Output = Result<ResponseHead, Lost>> {
        async move {
            let Held::Alone(line) = &mut self.held else { return Err(NO_CONNECTION) };
            let limit = request.first_byte;
            match line.send(request, self.is_reused, limit).await {
                Ok(response) => {
                    line.expect_octets_every(self.pool.timeouts.between_bytes(&response.fields));
                    self.relay_upload(request);
                    Ok(response)
                }
                Err(cause) => {
                    let is_unprocessed = matches!(cause, Cause::Unsent(_));
                    // Without a body there is nothing of it that could have been sent already.
                    let is_whole = is_unprocessed || request.body.is_none();
                    Err(Lost { failure: self.failure(cause), is_whole, is_unprocessed })
                }
            }
        }
    }

    /// Sends what is left of a request, if there is anything, while the response is taken.
    fn relay_upload(&mut self, request: &mut Prepared<'_>) {
        let Held::Alone(line) = &self.held else { return };
        if line.is_sent() {
            return;
        }
        if let Held::Alone(line) = std::mem::replace(&mut self.held, Held::Nothing) {
            let body = std::mem::replace(&mut request.body, RequestBody::none());
            self.held = Held::Relayed(Relay::begin(line, body));
        }
    }

    async fn send_on_stream(&mut self, request: &mut Prepared<'_>) -> Result<ResponseHead, Lost> {
        let Held::Stream { channel, incoming, .. } = &mut self.held else { return Err(NO_CONNECTION) };
        let is_alone = request.body.is_none();
        let limit = request.first_byte;
        match channel.send(request, limit).await {
            Some(Ok(response)) => {
                let (parts, body) = response.into_parts();
                let fields = Fields::from(&parts.headers);
                let is_large = fields.len() > FIELDS_MAX || streams::is_too_large(&parts.headers);
                if is_large || fields.len() != parts.headers.len() {
                    let why = if is_large { Malformed::TooLarge } else { Malformed::Field };
                    let failure = Failure::BadResponse(Some(why.into()));
                    return Err(Lost { failure, is_whole: false, is_unprocessed: false });
                }
                *incoming = Some(body);
                Ok(ResponseHead { status: parts.status, version: parts.version, fields })
            }
            Some(Err(mut error)) => {
                let unsent = error.take_message();
                let error = error.into_error();
                let is_unprocessed = unsent.is_some() || streams::is_unprocessed(&error);
                let is_whole = is_alone || unsent.is_some();
                if let Some(unsent) = unsent {
                    request.body = unsent.into_body();
                }
                Err(Lost { failure: self.stream_failure(error), is_whole, is_unprocessed })
            }
            None => Err(Lost { failure: Failure::Timeout, is_whole: false, is_unprocessed: false }),
        }
    }

    /// The next frame of the response's body.
    pub(in crate::proxy) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.held {
            Held::Alone(line) => line.poll_frame(context),
            Held::Relayed(relay) => {
                let (frame, line) = ready!(relay.poll_frame(context));
                if let Some(line) = line {
                    self.held = Held::Alone(line);
                }
                Poll::Ready(frame)
            }
            Held::Stream { incoming: Some(incoming), .. } => {
                let frame = ready!(Pin::new(incoming).poll_frame(context));
                Poll::Ready(frame.map(|frame| streams::taken(frame?)))
            }
            Held::Stream { .. } | Held::Nothing => Poll::Ready(None),
        }
    }

    /// Whether all of the response has been taken.
    pub(in crate::proxy) fn is_received(&self) -> bool {
        match &self.held {
            Held::Alone(line) => line.is_received(),
            Held::Relayed(relay) => relay.is_received(),
            Held::Stream { incoming, .. } => incoming.as_ref().is_none_or(Body::is_end_stream),
            Held::Nothing => true,
        }
    }

    /// How much of the response's body is still to be taken.
    pub(in crate::proxy) fn size_hint(&self) -> SizeHint {
        match &self.held {
            Held::Alone(line) => line.size_hint(),
            Held::Relayed(relay) => relay.size_hint(),
            Held::Stream { incoming: Some(incoming), .. } => incoming.size_hint(),
            Held::Stream { .. } | Held::Nothing => SizeHint::with_exact(0),
        }
    }

    /// The octets of a connection that has switched protocols.
    pub(in crate::proxy) fn take_switched(&mut self) -> Option<Switched> {
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Alone(line) => Some(line.into_switched()),
            other => {
                self.held = other;
                None
            }
        }
    }

    /// The head of the response is there; from now on silence may last this long.
    pub(in crate::proxy) fn head_arrived(&mut self, limit: Duration) {
        match &mut self.held {
            Held::Stream { silence, .. } => *silence = limit,
            // It is known to the line already.
            Held::Alone(_) | Held::Relayed(_) | Held::Nothing => {}
        }
    }

    /// How long the body of the response may be silent, where nobody else keeps an eye on that.
    pub(in crate::proxy) const fn silence(&self) -> Option<Duration> {
        match &self.held {
            Held::Stream { silence, .. } => Some(*silence),
            Held::Alone(_) | Held::Relayed(_) | Held::Nothing => None,
        }
    }

    /// Keeps the connection for another request, if its state is certain; otherwise closes it.
    pub(in crate::proxy) fn park(mut self) {
        if !self.upload.as_ref().is_none_or(|upload| upload.state() == State::Finished) {
            return;
        }
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Alone(line) => self.pool.keep(self.site, line),
            stream @ Held::Stream { .. } => self.held = stream,
            Held::Relayed(_) | Held::Nothing => {}
        }
    }

    fn failure(&self, cause: Cause) -> Failure {
        match cause {
            Cause::Silent => Failure::Timeout,
            Cause::Malformed(why) => Failure::BadResponse(Some(why)),
            Cause::Upload(why) => self.upload_failure(why),
            Cause::Unsent(why) | Cause::Closed(why) => Failure::Reset(why),
        }
    }

    fn upload_failure(&self, why: BoxError) -> Failure {
        match self.upload.as_ref().map(|upload| upload.state()) {
            Some(State::Stalled) => Failure::RequestStalled,
            Some(State::TooLarge) => Failure::BodyTooLarge,
            _ => Failure::RequestBroken(why),
        }
    }

    fn stream_failure(&self, error: hyper::Error) -> Failure {
        let upload = self.upload.as_ref();
        let is_uploads = error.is_user() || upload.is_some_and(|one| one.state().is_failure());
        if error.is_timeout() {
            Failure::Timeout
        } else if is_uploads {
            self.upload_failure(error.into())
        } else if streams::is_nonsense(&error) {
            Failure::BadResponse(Some(error.into()))
        } else {
            Failure::Reset(error.into())
        }
    }
}

/// Nobody sends a request twice on the same connection.
const NO_CONNECTION: Lost = Lost { failure: Failure::NoUpstream, is_whole: false, is_unprocessed: true };

/// What a response says of the upstream's health.
const fn sign_of(status: StatusCode) -> Sign {
    match status {
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => {
            Sign::Excused
        }
        _ => Sign::Answered,
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.pool.ended(self.site);
        match &self.held {
            Held::Stream { channel, .. } => channel.give_back(),
            Held::Alone(_) | Held::Relayed(_) | Held::Nothing => {}
        }
    }
}
