//! A connection, or a stream of one, in the hands of one request.
//!
//! Separate because what must happen when the request is over happens here, whichever way it ended: kept, closed,
//! counted, and said to the upstream's health.

use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;

use crate::proxy::Failure;
use crate::proxy::message::{Progress, RequestBody};
use crate::proxy::upstream::{Sign, Slot};

use super::parked::Parked;
use super::streams::{self, Channel};
use super::{Pool, Spare};

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
    Alone(Parked),
    /// A stream of one of HTTP/2.
    Stream { channel: Arc<Channel>, silence: Duration },
    /// None any more.
    Nothing,
}

/// What became of a request that got no response.
pub(in crate::proxy) struct Lost {
    pub(in crate::proxy) failure: Failure,
    /// The request, if not a byte of it was sent.
    unsent: Option<Request<RequestBody>>,
    /// Whether the upstream has said that it did nothing with it.
    is_unprocessed: bool,
}

/// What can be done about a lost request.
pub(in crate::proxy) enum Next {
    /// It was never sent, or never looked at: send it, it is the first time.
    Send(Request<RequestBody>, Failure),
    /// Send it a second time.
    Repeat(Request<RequestBody>, Failure),
    /// Nothing.
    Fail(Failure),
}

impl Lost {
    /// What can be done, with a copy of a request that may be repeated.
    pub(in crate::proxy) fn next(self: Box<Self>, spare: Option<Spare>) -> Next {
        if let Some(request) = self.unsent {
            return Next::Send(request, self.failure);
        }
        match spare {
            Some(spare) if self.is_unprocessed => Next::Send(spare.request, self.failure),
            Some(spare) if spare.may_repeat && matches!(self.failure, Failure::Reset(_)) => {
                Next::Repeat(spare.request, self.failure)
            }
            _ => Next::Fail(self.failure),
        }
    }
}

impl Connection {
    pub(super) fn alone(pool: &Arc<Pool>, site: usize, parked: Parked, is_reused: bool) -> Self {
        Self::new(pool, site, Held::Alone(parked), is_reused)
    }

    /// The stream must have been taken from the channel.
    pub(super) fn stream(pool: &Arc<Pool>, site: usize, channel: Arc<Channel>, is_reused: bool) -> Self {
        let silence = pool.timeouts.idle;
        Self::new(pool, site, Held::Stream { channel, silence }, is_reused)
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

    /// Whether a request without a body should be copied before it is sent, in case it has to be sent again.
    pub(in crate::proxy) fn may_lose(&self) -> bool {
        self.is_reused || self.pool.has_several() || matches!(self.held, Held::Stream { .. })
    }

    /// Sends a request and waits for the head of the response.
    pub(in crate::proxy) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Box<Lost>> {
        self.upload = request.body().progress();
        let limit = self.pool.timeouts.first_byte;
        let sent = match &mut self.held {
            Held::Alone(parked) => {
                if request.version() == Version::HTTP_2 {
                    streams::to_http1(&mut request);
                }
                parked.line.expect_bytes_every(limit);
                Some(parked.send(request, &self.pool.alarm).await)
            }
            Held::Stream { channel, .. } => channel.send(request, limit).await,
            Held::Nothing => {
                let failure = Failure::NoUpstream;
                return Err(Box::new(Lost { failure, unsent: Some(request), is_unprocessed: false }));
            }
        };
        match sent {
            Some(Ok(response)) => {
                self.pool.note(self.site, sign_of(response.status()));
                if let Some(upload) = &self.upload {
                    upload.answered();
                }
                // The rest of an upload must not wait for whoever takes the response, and a tunnel begins once the
                // connection has come to the end of HTTP.
                let is_uploading = self.upload.as_ref().is_some_and(|upload| !upload.is_finished());
                if let Held::Alone(parked) = &mut self.held
                    && (is_uploading || response.status() == StatusCode::SWITCHING_PROTOCOLS)
                {
                    parked.driver.detach();
                }
                Ok(response)
            }
            Some(Err(mut error)) => {
                let unsent = error.take_message();
                let error = error.into_error();
                let is_unprocessed = streams::is_unprocessed(&error);
                let failure = self.failure(error);
                self.pool.failed(self.site, &failure);
                // What is reused may have been closed in good order a moment ago: that is no sign of illness.
                let died = matches!(failure, Failure::Reset(_)) && !(self.is_reused || is_unprocessed);
                if died {
                    self.pool.note(self.site, Sign::Died);
                }
                Err(Box::new(Lost { failure, unsent, is_unprocessed }))
            }
            None => {
                self.pool.failed(self.site, &Failure::Timeout);
                Err(Box::new(Lost { failure: Failure::Timeout, unsent: None, is_unprocessed: false }))
            }
        }
    }

    /// Whether the connection moves only when [`Connection::drive`] is called.
    pub(in crate::proxy) const fn is_carried(&self) -> bool {
        matches!(&self.held, Held::Alone(parked) if parked.driver.is_carried())
    }

    /// Moves what can be moved now; `context` is woken when there is more to do.
    pub(in crate::proxy) fn drive(&mut self, context: &mut Context<'_>) {
        if let Held::Alone(parked) = &mut self.held {
            parked.driver.poll(context);
        }
    }

    /// The head of the response is there; from now on silence may last this long.
    pub(in crate::proxy) fn head_arrived(&mut self, limit: Duration) {
        match &mut self.held {
            Held::Alone(parked) => parked.line.expect_bytes_every(limit),
            Held::Stream { silence, .. } => *silence = limit,
            Held::Nothing => {}
        }
    }

    /// How long the body of the response may be silent, where nobody else keeps an eye on that.
    pub(in crate::proxy) const fn silence(&self) -> Option<Duration> {
        match &self.held {
            Held::Stream { silence, .. } => Some(*silence),
            Held::Alone(_) | Held::Nothing => None,
        }
    }

    /// Keeps the connection for another request, if its state is certain; otherwise closes it.
    pub(in crate::proxy) fn park(mut self) {
        if !self.upload.as_ref().is_none_or(|upload| upload.is_finished()) {
            return;
        }
        match std::mem::replace(&mut self.held, Held::Nothing) {
            Held::Alone(parked) => self.pool.keep(self.site, parked),
            stream @ Held::Stream { .. } => self.held = stream,
            Held::Nothing => {}
        }
    }

    fn failure(&self, error: hyper::Error) -> Failure {
        let upload = self.upload.as_ref();
        let is_expired = match &self.held {
            Held::Alone(parked) => parked.line.is_expired(),
            Held::Stream { .. } | Held::Nothing => error.is_timeout(),
        };
        if is_expired {
            Failure::Timeout
        } else if error.is_parse() || error.is_parse_too_large() {
            Failure::BadResponse(Some(error))
        } else if upload.is_some_and(|upload| upload.is_stalled()) {
            Failure::RequestStalled
        } else if error.is_user() || upload.is_some_and(|upload| upload.is_broken()) {
            Failure::RequestBroken(error)
        } else if streams::is_nonsense(&error) {
            Failure::BadResponse(Some(error))
        } else {
            Failure::Reset(error)
        }
    }
}

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
            Held::Alone(_) | Held::Nothing => {}
        }
    }
}
