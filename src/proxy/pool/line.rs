//! A connection of HTTP/1.1: one request at a time, kept in between.
//!
//! Separate because it is where a request becomes octets and octets become a response. It has no task of its own: whoever
//! uses it polls it where it would wait, so that nobody has to be woken but by the socket, and what belongs together
//! leaves together. What has to go on while nobody polls gets a task in `relay`.
//!
//! Rules: a connection carries another request only if the last exchange came to its end in good order on both sides,
//! and nothing has come that nobody asked for. A request of which not an octet was sent can be sent elsewhere.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::TRANSFER_ENCODING;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use http_body::{Body as _, Frame, SizeHint};
use tokio::io::{AsyncRead as _, ReadBuf};

use crate::http1::Malformed;
use crate::http1::content::{Content, Part};
use crate::http1::fields::Known;
use crate::http1::head::{self, ResponseHead, Search};
use crate::http1::inbox::{self, READ_BYTES_MIN};
use crate::http1::outgoing::{Framing, Outgoing};
use crate::monotonic::{self, Moment};
use crate::proxy::request::Prepared;
use crate::proxy::request_body::RequestBody;
use crate::proxy::tally::Open;
use crate::proxy::upstream::{Seen, Wire};
use crate::proxy::{BoxError, Timeouts};

use super::patience::Patience;

/// The largest head of a response.
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Responses of another kind before the one that counts (RFC 9110 15.2).
const INTERIM_MAX: usize = 16;
/// A connection with its state.
#[derive(Debug)]
pub(super) struct Line {
    wire: Wire,
    patience: Patience,
    inbox: BytesMut,
    read_bytes: usize,
    outgoing: Outgoing,
    search: Search,
    /// What of the request's body is still to be sent.
    upload: Upload,
    /// What of the response's body is still to come.
    content: Content,
    /// The trailers that were announced.
    announced: Option<HeaderValue>,
    interim_left: usize,
    /// Whether both sides will go on after this exchange.
    is_kept: bool,
    /// Since when it is unused.
    pub(super) since: Moment,
    pub(super) seen: Seen,
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upload {
    /// There is more.
    Goes(Framing),
    /// It was sent to its end.
    Over,
    /// The other side takes nothing any more; it may have said why.
    Refused,
}

/// Why an exchange has come to nothing.
#[derive(Debug)]
pub(super) enum Cause {
    /// Not an octet of the request was sent.
    Unsent(BoxError),
    /// The connection was closed or broken.
    Closed(BoxError),
    /// What came is no response.
    Malformed(BoxError),
    /// It was silent for too long.
    Silent,
    /// The request's body broke off.
    Upload(BoxError),
}

/// What was found on the way.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the upstream closed the connection")]
    Closed,
    #[error("the upstream answered before it was asked")]
    Unasked,
    #[error("the upstream fell silent")]
    Silent,
    #[error("the request body is not as long as was said")]
    WrongLength,
    #[error("the upstream keeps answering with interim responses")]
    Endless,
}

/// What has become of a connection that is no HTTP any more.
#[derive(Debug)]
pub(in crate::proxy) struct Switched {
    pub(in crate::proxy) wire: Wire,
    /// What has come already.
    pub(in crate::proxy) octets: Bytes,
    /// It goes with the socket.
    pub(in crate::proxy) open: Open,
}

impl Line {
    /// Begins on a new connection.
    pub(super) fn new(wire: Wire, (seen, open): (Seen, Open), timeouts: &Timeouts) -> Self {
        Self {
            wire,
            patience: Patience::new(timeouts.pool_idle),
            inbox: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
            outgoing: Outgoing::default(),
            search: Search::default(),
            upload: Upload::Over,
            content: Content::NONE,
            announced: None,
            interim_left: 0,
            is_kept: true,
            since: monotonic::now(),
            seen,
            open,
        }
    }

    /// Sends a request and waits for the head of the response; silence may last as long as `limit`. What of its body is
    /// not sent by then is left in it.
    pub(super) fn send(
        &mut self,
        request: &mut Prepared<'_>,
        is_reused: bool,
        limit: Duration,
    ) -> impl Future<Output = Result<ResponseHead, Cause>> {
        self.patience.begin(limit);
        async move {
            // What was closed while it was unused gets no request.
            if is_reused && let Some(why) = self.disturbed().await {
                return Err(Cause::Unsent(why));
            }
            self.write_head(request);
            poll_fn(|context| self.poll_exchange(context, request)).await
        }
    }

    /// Silence may last this long from now on.
    pub(super) fn expect_octets_every(&mut self, limit: Duration) {
        self.patience.begin(limit);
    }

    /// Whether all of the request has been sent, or nothing more can be.
    pub(super) fn is_sent(&self) -> bool {
        self.upload == Upload::Refused || (self.upload == Upload::Over && self.outgoing.is_settled())
    }

    /// Whether all of the response has been taken.
    pub(super) const fn is_received(&self) -> bool {
        self.content.is_over()
    }

    /// How much of the response's body is still to be taken, if that has been said.
    pub(super) fn size_hint(&self) -> SizeHint {
        self.content.octets_left().map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// Whether another request may follow.
    pub(super) fn is_reusable(&self) -> bool {
        self.is_kept
            && self.is_received()
            && self.inbox.is_empty()
            && self.upload == Upload::Over
            && self.outgoing.is_settled()
    }

    /// Begins to be unused, for so long at most. Its timer may still call whoever used it last, for nothing.
    pub(super) fn rest(&mut self, idle: Duration) {
        self.patience.begin(idle);
        self.since = monotonic::now();
        self.put_back();
    }

    /// Puts back what is not needed while nothing comes.
    fn put_back(&mut self) {
        inbox::rest(&mut self.inbox, &mut self.read_bytes);
        self.outgoing.rest();
    }

    /// What has happened to it while it was unused, if anything has.
    async fn disturbed(&mut self) -> Option<BoxError> {
        if !self.inbox.is_empty() {
            return Some(Broken::Unasked.into());
        }
        match self.wire.try_read_octet() {
            Some(Ok(0)) => Some(Broken::Closed.into()),
            Some(Ok(_)) => Some(Broken::Unasked.into()),
            Some(Err(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            Some(Err(error)) => Some(error.into()),
            None => {
                let look = poll_fn(|context| Poll::Ready(self.poll_disturbed(context)));
                // Not even a task that has done much may take one for sound that it has not looked at.
                match Box::pin(tokio::task::unconstrained(look)).await {
                    Poll::Ready(why) => Some(why),
                    Poll::Pending => None,
                }
            }
        }
    }

    /// Ready if something has happened to it while it is unused: then it is of no more use. `context` is woken when
    /// something does, but not when it has been unused for too long.
    pub(super) fn poll_disturbed(&mut self, context: &mut Context<'_>) -> Poll<BoxError> {
        if !self.inbox.is_empty() {
            return Poll::Ready(Broken::Unasked.into());
        }
        let mut octet = [0];
        let mut buffer = ReadBuf::new(&mut octet);
        match Pin::new(&mut self.wire).poll_read(context, &mut buffer) {
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => Poll::Ready(Broken::Closed.into()),
            Poll::Ready(Ok(())) => Poll::Ready(Broken::Unasked.into()),
            Poll::Ready(Err(error)) => Poll::Ready(error.into()),
            Poll::Pending if self.patience.is_over() => Poll::Ready(Broken::Silent.into()),
            Poll::Pending => Poll::Pending,
        }
    }

    /// What is left of it when it has switched protocols.
    pub(super) fn into_switched(self) -> Switched {
        Switched { wire: self.wire, octets: self.inbox.freeze(), open: self.open }
    }

    fn write_head(&mut self, request: &Prepared<'_>) {
        self.announced = request.announced();
        let out = self.outgoing.front_for_head();
        head::put_request_line(out, request.method(), request.target().as_str());
        request.write(out, self.announced.as_ref());
        self.upload = if request.body.is_none() {
            if matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH) {
                head::put_length(out, 0);
            }
            Upload::Over
        } else if let Some(length) = request.body.size_hint().exact() {
            head::put_length(out, length);
            Upload::Goes(Framing::Sized(length))
        } else {
            head::put_field(out, &TRANSFER_ENCODING, b"chunked");
            Upload::Goes(Framing::Chunked)
        };
        out.extend_from_slice(b"\r\n");
        self.interim_left = INTERIM_MAX;
        self.is_kept = true;
    }

    fn poll_exchange(
        &mut self,
        context: &mut Context<'_>,
        request: &mut Prepared<'_>,
    ) -> Poll<Result<ResponseHead, Cause>> {
        loop {
            self.move_upload(context, &mut request.body).map_err(Cause::Upload)?;
            let Poll::Ready(head) = self.poll_head(context, request.method()) else { break };
            let head = head?;
            if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS {
                if request.body.is_withheld() {
                    // It was asked whether it wants the body, and has said something else (RFC 9110 10.1.1).
                    self.refuse_upload();
                }
                return Poll::Ready(Ok(head));
            }
            self.interim_left =
                self.interim_left.checked_sub(1).ok_or_else(|| Cause::Malformed(Broken::Endless.into()))?;
            if head.status == StatusCode::CONTINUE {
                request.body.send_at_once();
            } else if let Some(interim) = &request.interim {
                interim.leave(head);
            }
        }
        if self.patience.poll_over(context) { Poll::Ready(Err(Cause::Silent)) } else { Poll::Pending }
    }

    /// Sends what can be sent now; `context` is woken when there is more to do. An error is the body's, said once.
    pub(super) fn move_upload(
        &mut self,
        context: &mut Context<'_>,
        body: &mut RequestBody,
    ) -> Result<(), BoxError> {
        while self.upload != Upload::Refused {
            let gathered = self.gather(context, body);
            let is_waiting = match gathered {
                Ok(gathered) => gathered.is_pending(),
                Err(why) => {
                    // What was sent of it must never look like the whole of it.
                    self.refuse_upload();
                    return Err(why);
                }
            };
            let before = self.outgoing.written();
            let written = self.outgoing.poll_write(&mut self.wire, context);
            if self.outgoing.written() > before {
                self.patience.moved();
            }
            match written {
                Poll::Ready(Ok(())) if is_waiting || self.upload == Upload::Over => break,
                Poll::Ready(Ok(())) => {}
                Poll::Pending => break,
                // It may have said why.
                Poll::Ready(Err(_)) => self.refuse_upload(),
            }
        }
        Ok(())
    }

    fn refuse_upload(&mut self) {
        self.upload = Upload::Refused;
        self.outgoing.clear();
        self.is_kept = false;
    }

    /// Takes from the body what there is room for. Pending: it has nothing at the moment.
    fn gather(&mut self, context: &mut Context<'_>, body: &mut RequestBody) -> Result<Poll<()>, BoxError> {
        while let Upload::Goes(framing) = self.upload
            && self.outgoing.has_room()
        {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(context) else {
                return Ok(Poll::Pending);
            };
            let Some(frame) = frame.transpose()? else {
                self.end_upload(framing, None)?;
                break;
            };
            match frame.into_data() {
                Ok(data) => {
                    let left = framing.without(data.len()).ok_or(Broken::WrongLength)?;
                    self.outgoing.put(framing, data);
                    self.upload = Upload::Goes(left);
                    if body.is_end_stream() {
                        self.end_upload(left, None)?;
                    }
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let trailers = head::trailers_to_send(trailers, self.announced.as_ref());
                    self.end_upload(framing, Some(&trailers))?;
                }
            }
        }
        Ok(Poll::Ready(()))
    }

    fn end_upload(&mut self, left: Framing, trailers: Option<&HeaderMap>) -> Result<(), Broken> {
        match left {
            Framing::Chunked => self.outgoing.put_last_chunk(trailers),
            Framing::Sized(0) | Framing::Close => {}
            Framing::Sized(_) => return Err(Broken::WrongLength),
        }
        self.upload = Upload::Over;
        Ok(())
    }

    fn poll_head(&mut self, context: &mut Context<'_>, method: &Method) -> Poll<Result<ResponseHead, Cause>> {
        loop {
            let extent = self.search.go_on(&self.inbox);
            if extent.map_or(self.inbox.len(), |extent| extent.octets) > HEAD_BYTES_MAX {
                return Poll::Ready(Err(Cause::Malformed(Malformed::TooLarge.into())));
            }
            if let Some(extent) = extent {
                let octets = self.inbox.split_to(extent.octets);
                let head = head::parse_response(octets, extent);
                return Poll::Ready(
                    head.and_then(|head| self.begin_content(method, head))
                        .map_err(|why| Cause::Malformed(why.into())),
                );
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Cause::Closed(Broken::Closed.into()))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Cause::Closed(error.into()))),
                Poll::Pending => {
                    self.put_back();
                    return Poll::Pending;
                }
            }
        }
    }

    fn begin_content(&mut self, method: &Method, head: ResponseHead) -> Result<ResponseHead, Malformed> {
        self.content = Content::of_response(method, &head)?;
        let says = |option: &[u8]| head.fields.says(Known::Connection, option);
        let is_old = head.version == Version::HTTP_10;
        self.is_kept &= !says(b"close") && (!is_old || says(b"keep-alive"));
        Ok(head)
    }

    /// The next frame of the response's body.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        loop {
            match self.content.take(&mut self.inbox) {
                Ok(Part::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Part::Trailers(trailers)) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Ok(Part::End) => return Poll::Ready(None),
                Ok(Part::More) => {}
                Err(why) => return Poll::Ready(Some(Err(why.into()))),
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(0)) if matches!(self.content, Content::UntilClose) => {
                    self.content = Content::NONE;
                    self.is_kept = false;
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Err(Broken::Closed.into()))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                Poll::Pending if self.patience.poll_over(context) => {
                    return Poll::Ready(Some(Err(Broken::Silent.into())));
                }
                Poll::Pending => {
                    // Where more and more comes it will be needed again.
                    if self.read_bytes == READ_BYTES_MIN {
                        self.put_back();
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Self { wire, inbox, read_bytes, .. } = self;
        let count = ready!(inbox::poll_read(inbox, read_bytes, wire, context))?;
        if count > 0 {
            self.patience.moved();
        }
        Poll::Ready(Ok(count))
    }
}
