//! A connection of HTTP/1.1 with a client: requests one after another, each answered before the next is looked at.
//!
//! Separate because it is where octets become requests and responses become octets (RFC 9112). It reads no further than
//! somebody waits for, writes what belongs together at once, and while nothing goes on it holds no buffer.
//!
//! Rules: what can be read in two ways ends in a refusal, and the connection with it; so does every exchange after which
//! it is not certain where the next request begins (R-25, T-G1). By when something must have happened is the business of
//! `watch` and of whoever polls this.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use http_body::{Body as _, Frame};
use jiff::fmt::rfc2822::DateTimePrinter;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::connection::FAREWELL;
use super::refusal::Refusal;
use super::watch::{Tracked, Watch};
use crate::clock::Clock;
use crate::http1::Malformed;
use crate::http1::content::{Content, Part};
use crate::http1::fields::Known;
use crate::http1::head::{self, RequestHead, Search};
use crate::http1::inbox::{self, READ_BYTES_MIN, ROOM_BYTES_MIN};
use crate::http1::outgoing::{Framing, Outgoing};
use crate::http1::pipe::{Broken, Giver, Wish, pipe};
use crate::proxy::{Interim, Observe as _, Source, Upgrade, Upgraded};

/// The largest head of a request.
pub(super) const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How much is read while nobody wants it, only to see whether the client is there.
const AHEAD_BYTES_MAX: usize = 8 * 1024;
/// How much of a body that nobody wanted is passed over, so that the connection or at least the answer survives it.
const UNWANTED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Buffers that a core keeps for the next ones who need them.
const BUFFERS_KEPT: usize = 64;

/// What the connections of one core share.
#[derive(Debug, Clone)]
pub(super) struct Sundries(Rc<Shelf>);

#[derive(Debug)]
struct Shelf {
    /// Buffers to read into, and room to write in, that nobody uses.
    buffers: RefCell<Vec<BytesMut>>,
    rooms: RefCell<Vec<Vec<u8>>>,
    clock: Arc<dyn Clock>,
    /// The second that was written down last, and how it is written in a head.
    today: RefCell<(i64, String)>,
}

impl Sundries {
    /// Nothing yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Rc::new(Shelf {
            buffers: RefCell::default(),
            rooms: RefCell::default(),
            clock,
            today: RefCell::default(),
        }))
    }

    fn take_buffer(&self) -> BytesMut {
        self.0.buffers.borrow_mut().pop().unwrap_or_else(|| BytesMut::with_capacity(READ_BYTES_MIN))
    }

    fn take_room(&self) -> Vec<u8> {
        self.0.rooms.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(HEAD_BYTES_USUAL))
    }

    fn put_back(&self, buffer: BytesMut, room: Vec<u8>) {
        let mut buffers = self.0.buffers.borrow_mut();
        if buffer.capacity() >= ROOM_BYTES_MIN && buffers.len() < BUFFERS_KEPT {
            buffers.push(buffer);
        }
        let mut rooms = self.0.rooms.borrow_mut();
        if room.capacity() >= HEAD_BYTES_USUAL && rooms.len() < BUFFERS_KEPT {
            rooms.push(room);
        }
    }

    /// Adds when a response was made (RFC 9110 6.6.1).
    fn put_date(&self, out: &mut Vec<u8>) {
        let now = self.0.clock.now();
        let mut today = self.0.today.borrow_mut();
        if today.0 != now.as_second() {
            let printer = DateTimePrinter::new();
            // Fails for years with more than four digits.
            let text = printer.timestamp_to_rfc9110_string(&now).unwrap_or_default();
            *today = (now.as_second(), text);
        }
        head::put_field(out, &DATE, today.1.as_bytes());
    }
}

/// A connection with its state.
pub(super) struct Conversation<IO> {
    io: IO,
    watch: Arc<Watch>,
    sundries: Sundries,
    inbox: BytesMut,
    read_bytes: usize,
    search: Search,
    outgoing: Outgoing,
    interim: Interim,
}

/// A request as it came in, without a name.
pub(super) struct Asked {
    pub(super) head: RequestHead,
    pub(super) body: Source,
    /// Where the connection goes if it is upgraded; there only if that is asked for.
    pub(super) upgrade: Option<Upgrade>,
}

/// What comes next on a connection.
#[expect(clippy::large_enum_variant, reason = "nearly all are requests, and a box is an allocation for each")]
enum Next {
    Request(RequestHead, Content),
    Refused(Malformed),
    /// Nothing any more.
    End,
}

/// How an exchange has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Another request may follow.
    GoesOn,
    /// The connection ends in good order.
    Ends,
    /// The same, with something unread that the client has sent or may be sending.
    EndsUnread,
    /// It ends at once: the client is gone, or must see that its response is not whole.
    Breaks,
    /// It is no HTTP any more.
    Switches,
}

/// What of a request matters for its response.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Terms {
    is_head: bool,
    is_old: bool,
    takes_trailers: bool,
    /// Whether the client would send another one.
    goes_on: bool,
}

/// One request and its response, as far as they have come.
struct Exchange {
    terms: Terms,
    content: Content,
    giver: Option<Giver>,
    /// Whether the client waits to be told to go on.
    awaits_continue: bool,
    /// Whether nothing more can be read.
    is_deaf: bool,
    has_begun: bool,
    body: Option<Tracked>,
    /// The body that has come to its end: as long as it is there, the exchange counts as going on.
    spent: Option<Tracked>,
    framing: Framing,
    trailers: Option<HeaderValue>,
    after: After,
}

impl<IO: AsyncRead + AsyncWrite + Send + Unpin + 'static> Conversation<IO> {
    pub(super) fn new(io: IO, watch: Arc<Watch>, sundries: Sundries) -> Self {
        Self {
            io,
            watch,
            sundries,
            inbox: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
            search: Search::default(),
            outgoing: Outgoing::default(),
            interim: Interim::default(),
        }
    }

    /// Answers one request after another until the connection ends.
    pub(super) async fn serve<S, F>(
        mut self,
        mut service: S,
        mut refuse: impl FnMut(Refusal) -> Response<Tracked>,
    ) where
        S: FnMut(Asked) -> F,
        F: Future<Output = Response<Tracked>>,
    {
        loop {
            let after = match poll_fn(|context| self.poll_next(context)).await {
                Next::End => After::Ends,
                Next::Refused(why) => self.refuse(why, &mut refuse).await,
                Next::Request(head, content) => {
                    let (request, exchange, switch) = Exchange::begin(head, content, &self.interim);
                    let after = self.exchange(exchange, service(request)).await;
                    if after == After::Switches
                        && let Some(switch) = switch
                    {
                        let octets = self.inbox.split().freeze();
                        let upgraded = Upgraded::new(self.io, octets, self.watch);
                        // Whoever wanted it may be gone; then it is closed.
                        drop(switch.send(upgraded));
                        return;
                    }
                    after
                }
            };
            match after {
                After::GoesOn => {}
                After::Ends if self.inbox.is_empty() => {
                    drop(self.io.shutdown().await);
                    return;
                }
                After::Ends | After::EndsUnread | After::Switches => return self.part().await,
                After::Breaks => return,
            }
        }
    }

    /// Waits for the head of a request.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        loop {
            if self.watch.is_overdue() || (self.watch.is_closing() && self.inbox.is_empty()) {
                return Poll::Ready(Next::End);
            }
            if let Some(extent) = self.search.go_on(&self.inbox) {
                if extent.octets > HEAD_BYTES_MAX {
                    return Poll::Ready(Next::Refused(Malformed::TooLarge));
                }
                let head = self.inbox.split_to(extent.octets);
                // Empty lines before a request are passed over (RFC 9112 2.2).
                if head == b"\r\n"[..] {
                    continue;
                }
                return Poll::Ready(match head::parse_request(head, extent) {
                    Ok(head) => match Content::of_request(head.version, &head.fields) {
                        Ok(body) => Next::Request(head, body),
                        Err(why) => Next::Refused(why),
                    },
                    Err(why) => Next::Refused(why),
                });
            }
            if self.inbox.len() >= HEAD_BYTES_MAX {
                return Poll::Ready(Next::Refused(Malformed::TooLarge));
            }
            match self.poll_read(context) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::End),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => {
                    if self.inbox.is_empty() {
                        self.sundries.put_back(std::mem::take(&mut self.inbox), self.outgoing.take_room());
                        self.read_bytes = READ_BYTES_MIN;
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.inbox.capacity() == 0 {
            self.inbox = self.sundries.take_buffer();
        }
        let Self { io, inbox, read_bytes, .. } = self;
        let count = ready!(inbox::poll_read(inbox, read_bytes, io, context))?;
        if count > 0 {
            self.watch.read();
        }
        Poll::Ready(Ok(count))
    }

    /// Answers what is no request.
    async fn refuse(
        &mut self,
        why: Malformed,
        refuse: &mut impl FnMut(Refusal) -> Response<Tracked>,
    ) -> After {
        let refusal = if why == Malformed::TooLarge { Refusal::FieldsTooLarge } else { Refusal::Ambiguous };
        tracing::debug!(%why, ?refusal, "what came is no request");
        let terms = Terms { is_head: false, is_old: false, takes_trailers: false, goes_on: false };
        let mut exchange = Exchange::of(terms, Content::NONE);
        exchange.is_deaf = true;
        self.exchange(exchange, std::future::ready(refuse(refusal))).await
    }

    /// Has a request answered.
    async fn exchange(
        &mut self,
        mut exchange: Exchange,
        answering: impl Future<Output = Response<Tracked>>,
    ) -> After {
        let mut answering = pin!(answering);
        poll_fn(|context| {
            loop {
                if !exchange.has_begun {
                    let answer = answering.as_mut().poll(context);
                    self.pass_interim();
                    if let Poll::Ready(response) = answer {
                        self.begin_response(&mut exchange, response);
                    }
                }
                let Ok(is_fed) = self.feed(&mut exchange, context) else {
                    return Poll::Ready(After::Breaks);
                };
                if let Poll::Ready(after) = self.poll_respond(&mut exchange, context) {
                    return Poll::Ready(after);
                }
                if !is_fed {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Reads what is wanted of the request's body; an error if the client is gone. Says whether something was handed on.
    fn feed(&mut self, exchange: &mut Exchange, context: &mut Context<'_>) -> Result<bool, Gone> {
        loop {
            let wish = exchange.giver.as_ref().map_or(Wish::Never, |giver| giver.wish(context));
            match (wish, &exchange.giver) {
                (Wish::Now, Some(giver)) => {
                    if exchange.awaits_continue && !exchange.has_begun {
                        self.outgoing.front().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
                    }
                    exchange.awaits_continue = false;
                    match exchange.content.take(&mut self.inbox) {
                        Ok(Part::Data(data)) => giver.give(Frame::data(data), exchange.content.is_over()),
                        Ok(Part::Trailers(trailers)) => giver.give(Frame::trailers(trailers), true),
                        Ok(Part::End) => giver.end(),
                        Ok(Part::More) => match self.poll_read(context) {
                            Poll::Ready(Ok(0) | Err(_)) => exchange.break_upload(Broken::Closed),
                            Poll::Ready(Ok(_)) => continue,
                            Poll::Pending => return Ok(false),
                        },
                        Err(why) => exchange.break_upload(Broken::Malformed(why)),
                    }
                    if exchange.content.is_over() {
                        exchange.giver = None;
                    }
                    return Ok(true);
                }
                (Wish::Later, Some(_)) => return Ok(false),
                _ => {
                    exchange.giver = None;
                    if exchange.is_deaf || self.inbox.len() >= AHEAD_BYTES_MAX {
                        return Ok(false);
                    }
                    match self.poll_read(context) {
                        // Nobody waits for the response any more.
                        Poll::Ready(Ok(0) | Err(_)) => return Err(Gone),
                        Poll::Ready(Ok(_)) => {}
                        Poll::Pending => return Ok(false),
                    }
                }
            }
        }
    }

    /// Writes down what the application has said ahead of its response.
    fn pass_interim(&mut self) {
        for (status, fields) in self.interim.take() {
            let out = self.outgoing.front();
            head::put_status_line(out, Version::HTTP_11, status);
            fields.put_where(out, |_| true);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Writes down the head of a response.
    fn begin_response(&mut self, exchange: &mut Exchange, response: Response<Tracked>) {
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status, &parts.headers);
        let terms = exchange.terms;
        let is_switch = status == StatusCode::SWITCHING_PROTOCOLS;
        let is_bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let has_content = !(terms.is_head || is_bare || status.is_informational());

        let passed = body.fields();
        let said = match passed {
            Some(fields) => fields.text(Known::ContentLength),
            None => headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()),
        };
        let said = said.and_then(|length| length.parse().ok());
        let real = body.size_hint().exact();
        exchange.framing = match real.or(said) {
            _ if !has_content => Framing::Sized(0),
            Some(length) => Framing::Sized(length),
            None if terms.is_old => Framing::Close,
            None => Framing::Chunked,
        };
        let is_closing = headers.get(CONNECTION).is_some_and(|one| one == "close");
        let goes_on =
            terms.goes_on && !is_closing && exchange.framing != Framing::Close && !self.watch.is_closing();
        let is_unwanted = exchange.giver.as_ref().is_none_or(Giver::is_unwanted);
        let goes_on = goes_on && (!is_unwanted || self.pass_over(&mut exchange.content));
        exchange.after = match goes_on {
            _ if is_switch => After::Switches,
            true => After::GoesOn,
            false => After::Ends,
        };

        if self.outgoing.front().capacity() == 0 {
            *self.outgoing.front() = self.sundries.take_room();
        }
        let out = self.outgoing.front();
        out.reserve(HEAD_BYTES_USUAL);
        head::put_status_line(out, if terms.is_old { Version::HTTP_10 } else { Version::HTTP_11 }, status);
        for (name, value) in headers {
            let is_ours = *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
            if !(is_ours || (*name == CONNECTION && !is_switch)) {
                head::put_field(out, name, value.as_bytes());
            }
        }
        if let Some(fields) = passed {
            fields.put_where(out, |field| field.known != Known::ContentLength);
        }
        let length = match exchange.framing {
            Framing::Sized(length) if has_content => Some(length),
            _ if terms.is_head => said.or_else(|| real.filter(|length| *length > 0)),
            _ if status == StatusCode::NOT_MODIFIED => said,
            _ => None,
        };
        if let Some(length) = length {
            head::put_length(out, length);
        }
        if exchange.framing == Framing::Chunked {
            head::put_field(out, &TRANSFER_ENCODING, b"chunked");
        }
        match exchange.after {
            After::Ends | After::EndsUnread | After::Breaks => {
                head::put_field(out, &CONNECTION, b"close");
            }
            After::GoesOn if terms.is_old => head::put_field(out, &CONNECTION, b"keep-alive"),
            After::GoesOn | After::Switches => {}
        }
        if !passed.is_some_and(|fields| fields.has(Known::Date)) && !headers.contains_key(DATE) {
            self.sundries.put_date(out);
        }
        out.extend_from_slice(b"\r\n");

        exchange.has_begun = true;
        exchange.trailers = headers.get(TRAILER).filter(|_| terms.takes_trailers).cloned();
        if has_content && !body.is_end_stream() {
            exchange.body = Some(body);
        } else {
            exchange.spent = Some(body);
        }
    }

    /// Sends what there is of the response; ready when nothing more comes.
    fn poll_respond(&mut self, exchange: &mut Exchange, context: &mut Context<'_>) -> Poll<After> {
        loop {
            let is_waiting = self.gather(exchange, context).is_pending();
            let before = self.outgoing.written();
            let written = self.outgoing.poll_write(&mut self.io, context);
            // Under TLS the last octets may have been taken and not have left.
            if self.outgoing.written() > before || matches!(written, Poll::Ready(Ok(()))) {
                self.watch.wrote();
            }
            match written {
                Poll::Ready(Ok(())) if !exchange.has_begun || (is_waiting && exchange.body.is_some()) => {
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if exchange.body.is_none() => return Poll::Ready(self.end(exchange)),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(After::Breaks),
                Poll::Pending => {
                    self.watch.write_blocked();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Takes from the response's body what there is room for. Pending: it has nothing at the moment.
    fn gather(&mut self, exchange: &mut Exchange, context: &mut Context<'_>) -> Poll<()> {
        while let Some(body) = &mut exchange.body
            && self.outgoing.has_room()
        {
            let is_whole = match ready!(Pin::new(&mut *body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let left = exchange.framing.without(data.len());
                        if let Some(left) = left {
                            self.outgoing.put(exchange.framing, data);
                            exchange.framing = left;
                        }
                        if left.is_some() && !body.is_end_stream() {
                            continue;
                        }
                        left.is_some() && self.end_content(exchange.framing, None)
                    }
                    Err(frame) => {
                        let trailers = frame.into_trailers().unwrap_or_default();
                        let trailers = head::trailers_to_send(trailers, exchange.trailers.as_ref());
                        self.end_content(exchange.framing, Some(&trailers))
                    }
                },
                Some(Err(_)) => false,
                None => self.end_content(exchange.framing, None),
            };
            exchange.spent = exchange.body.take();
            if !is_whole {
                exchange.after = After::Breaks;
            }
        }
        Poll::Ready(())
    }

    /// Ends the response; `false` if it is not as long as was said.
    fn end_content(&mut self, left: Framing, trailers: Option<&HeaderMap>) -> bool {
        match left {
            Framing::Chunked => self.outgoing.put_last_chunk(trailers),
            Framing::Sized(0) | Framing::Close => {}
            Framing::Sized(_) => return false,
        }
        true
    }

    /// What follows when the response has been sent: nothing, if it is not certain where the next request begins.
    fn end(&mut self, exchange: &mut Exchange) -> After {
        exchange.giver = None;
        let is_read = self.pass_over(&mut exchange.content) && !exchange.is_deaf;
        match exchange.after {
            After::GoesOn | After::Ends if !is_read => After::EndsUnread,
            after => after,
        }
    }

    /// Passes over what is here of a body that nobody wants; says whether that was all of it.
    fn pass_over(&mut self, content: &mut Content) -> bool {
        while !content.is_over() {
            match content.take(&mut self.inbox) {
                Ok(Part::Data(_) | Part::Trailers(_) | Part::End) => {}
                Ok(Part::More) | Err(_) => return false,
            }
        }
        true
    }

    /// Says goodbye, and takes what the client still sends for a moment: a connection that is closed with something
    /// unread is reset, and the last response with it.
    async fn part(mut self) {
        let parting = async {
            if self.io.shutdown().await.is_err() {
                return;
            }
            let mut passed = self.inbox.len();
            while passed < UNWANTED_BYTES_MAX {
                self.inbox.clear();
                match poll_fn(|context| self.poll_read(context)).await {
                    Ok(0) | Err(_) => return,
                    Ok(count) => passed += count,
                }
            }
        };
        drop(timeout(FAREWELL, parting).await);
    }
}

/// The client has closed its side.
struct Gone;

impl Exchange {
    /// Begins with a request: what is given to whoever answers it, and where its connection goes if it is upgraded.
    fn begin(
        head: RequestHead,
        content: Content,
        interim: &Interim,
    ) -> (Asked, Self, Option<tokio::sync::oneshot::Sender<Upgraded>>) {
        let fields = &head.fields;
        let is_old = head.version == Version::HTTP_10;
        let terms = Terms {
            is_head: head.method == Method::HEAD,
            is_old,
            takes_trailers: fields.says(Known::Te, b"trailers"),
            goes_on: if is_old {
                fields.says(Known::Connection, b"keep-alive")
            } else {
                !fields.says(Known::Connection, b"close")
            },
        };
        let expects = fields.get(Known::Expect);
        let awaits_continue = !is_old && expects.is_some_and(|one| one.eq_ignore_ascii_case(b"100-continue"));
        let mut exchange = Self::of(terms, content);
        let body = if exchange.content.is_over() {
            Source::from(Bytes::new())
        } else {
            let (giver, taker) = pipe(exchange.content.octets_left());
            exchange.giver = Some(giver);
            exchange.awaits_continue = awaits_continue;
            Source::from(taker)
        };
        let body = if is_old { body } else { body.with_interim(interim.clone()) };
        let (upgrade, switch) = fields.has(Known::Upgrade).then(Upgrade::new).unzip();
        (Asked { head, body, upgrade }, exchange, switch)
    }

    const fn of(terms: Terms, content: Content) -> Self {
        Self {
            terms,
            content,
            giver: None,
            awaits_continue: false,
            is_deaf: false,
            has_begun: false,
            body: None,
            spent: None,
            framing: Framing::Sized(0),
            trailers: None,
            after: After::Ends,
        }
    }

    /// What is left of the request's body will never come, or cannot be found.
    fn break_upload(&mut self, why: Broken) {
        if let Some(giver) = self.giver.take() {
            giver.fail(why);
        }
        self.is_deaf = true;
        self.terms.goes_on = false;
        if self.after == After::GoesOn {
            self.after = After::Ends;
        }
    }
}

/// Room for most heads of responses.
const HEAD_BYTES_USUAL: usize = 2 * 1024;
