//! A connection of HTTP/1.1 with a client: requests one after another, each answered before the next is looked at.
//!
//! Separate because it is where octets become requests and responses become octets (RFC 9112). It reads no further than
//! somebody waits for, writes what belongs together at once, and while nothing goes on it holds no buffer.
//!
//! Rules: what can be read in two ways ends in a refusal, and the connection with it; so does every exchange after which
//! it is not certain where the next request begins (R-25, T-G1). By when something must have happened is the business of
//! `watch` and of whoever polls this.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::header::{CONNECTION, DATE, TRAILER};
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::{Body as _, Frame};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use super::connection::{PARTING_IDLE, PARTING_MAX};
use super::date::Dates;
use super::exchange::{After, Asked, Exchange, Length, Terms};
use super::refusal::Refusal;
use super::socket::{Ending, Lasting};
use super::watch::{Tracked, Watch};
use crate::http1::Malformed;
use crate::http1::content::{Content, Part};
use crate::http1::fields::Known;
use crate::http1::head::{self, RequestHead, Search};
use crate::http1::inbox::{self, READ_BYTES_MIN};
use crate::http1::outgoing::{Framing, Outgoing};
use crate::http1::pipe::{Broken, Giver, Wish};
use crate::proxy::{Interim, Observe as _, Upgraded};

/// The largest head of a request.
pub(super) const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How much is read while nobody wants it, only to see whether the client is there.
const AHEAD_BYTES_MAX: usize = 8 * 1024;
/// How much of a body that nobody wanted is passed over, so that the connection or at least the answer survives it.
const UNWANTED_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A connection with its state.
pub(super) struct Conversation<IO> {
    io: IO,
    watch: Arc<Watch>,
    dates: Dates,
    inbox: BytesMut,
    read_bytes: usize,
    search: Search,
    outgoing: Outgoing,
    interim: Interim,
}

/// What comes next on a connection.
#[expect(clippy::large_enum_variant, reason = "nearly all are requests, and a box is an allocation for each")]
enum Next {
    Request(RequestHead, Content),
    Refused(Malformed),
    /// Nothing any more.
    End,
    /// Nothing that would be answered, though the client may be sending it.
    Over,
}

/// Why no request is answered any more.
enum End {
    /// What came is none.
    Refused(Malformed),
    /// None is to come.
    Over(After),
}

impl<IO: AsyncRead + AsyncWrite + Lasting + Send + Unpin + 'static> Conversation<IO> {
    pub(super) fn new(io: IO, watch: Arc<Watch>, dates: Dates) -> Self {
        Self {
            io,
            watch,
            dates,
            inbox: BytesMut::new(),
            read_bytes: READ_BYTES_MIN,
            search: Search::default(),
            outgoing: Outgoing::default(),
            interim: Interim::default(),
        }
    }

    /// Answers one request after another until the connection ends.
    ///
    /// What is rare takes no room here, and what is moved into here is moved once: there are as many of these as connections.
    pub(super) fn serve<S, F>(
        mut self,
        mut service: S,
        mut refuse: impl FnMut(Refusal) -> Response<Tracked>,
    ) -> impl Future<Output = ()>
    where
        S: FnMut(Asked) -> F,
        F: Future<Output = Response<Tracked>>,
    {
        async move {
            let (mut exchange, mut switch) = (Exchange::NONE, None);
            // A request needs much room, and most connections have none most of the time; once there was one there are more.
            let mut answering: Option<Pin<Box<Option<F>>>> = None;
            loop {
                let end = match poll_fn(|context| self.poll_next(context)).await {
                    Next::Request(head, content) => {
                        let (request, way) = exchange.begin(head, content, &self.interim);
                        switch = way;
                        let answer = Some(service(request));
                        match &mut answering {
                            Some(room) => room.set(answer),
                            None => answering = Some(Box::pin(answer)),
                        }
                        None
                    }
                    Next::Refused(why) => Some(End::Refused(why)),
                    Next::End => Some(End::Over(After::Ends)),
                    Next::Over => Some(End::Over(After::EndsUnread)),
                };
                let after = match (end, &mut answering) {
                    (None, Some(answering)) => self.exchange(&mut exchange, answering.as_mut()).await,
                    (None, None) => After::Ends,
                    (Some(End::Over(after)), _) => after,
                    (Some(End::Refused(why)), _) => Box::pin(self.refuse(why, &mut refuse)).await,
                };
                exchange = Exchange::NONE;
                let way = switch.take();
                if after == After::Switches
                    && let Some(switch) = way
                {
                    let octets = self.inbox.split().freeze();
                    let upgraded = Upgraded::new(self.io, octets, self.watch);
                    // Whoever wanted it may be gone; then it is closed.
                    drop(switch.send(upgraded));
                    return;
                }
                match after {
                    // What is here of the next head has begun to come.
                    After::GoesOn if !self.inbox.is_empty() => self.watch.read(),
                    After::GoesOn => {}
                    After::Ends if self.inbox.is_empty() => {
                        drop(self.io.shutdown().await);
                        return;
                    }
                    After::Ends | After::EndsUnread | After::Switches => return Box::pin(self.part()).await,
                    After::Breaks => return,
                }
            }
        }
    }

    /// Waits for the head of a request.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        loop {
            if self.watch.is_overdue() {
                return Poll::Ready(Next::End);
            }
            if self.watch.is_closing() && self.inbox.is_empty() {
                return Poll::Ready(Next::Over);
            }
            if let Some(extent) = self.search.go_on(&self.inbox) {
                if extent.octets > HEAD_BYTES_MAX {
                    return Poll::Ready(Next::Refused(Malformed::TooLarge));
                }
                let head = inbox::take_head(&mut self.inbox, extent.octets);
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
                    inbox::rest(&mut self.inbox, &mut self.read_bytes);
                    self.outgoing.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
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
        let mut exchange = Exchange { terms, is_deaf: true, ..Exchange::NONE };
        self.exchange(&mut exchange, pin!(Some(std::future::ready(refuse(refusal))))).await
    }

    /// Has a request answered.
    fn exchange(
        &mut self,
        exchange: &mut Exchange,
        mut answering: Pin<&mut Option<impl Future<Output = Response<Tracked>>>>,
    ) -> impl Future<Output = After> {
        poll_fn(move |context| {
            loop {
                if let Some(answer) = answering.as_mut().as_pin_mut() {
                    let answer = answer.poll(context);
                    self.pass_interim();
                    if let Poll::Ready(response) = answer {
                        // What it took is not kept for as long as the response lasts.
                        answering.set(None);
                        self.begin_response(exchange, response);
                    }
                }
                let Ok(is_fed) = self.feed(exchange, context) else {
                    answering.set(None);
                    return Poll::Ready(After::Breaks);
                };
                if let Poll::Ready(after) = self.poll_respond(exchange, context) {
                    answering.set(None);
                    return Poll::Ready(after);
                }
                if !is_fed {
                    return Poll::Pending;
                }
            }
        })
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
                    exchange.departure.read();
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
                (Wish::Later, Some(_)) => return self.ask_after(exchange, context),
                _ => {
                    exchange.giver = None;
                    if exchange.is_deaf {
                        return Ok(false);
                    }
                    if self.inbox.len() >= AHEAD_BYTES_MAX {
                        return self.ask_after(exchange, context);
                    }
                    match self.poll_read(context) {
                        // Nobody waits for the response any more.
                        Poll::Ready(Ok(0) | Err(_)) => return Err(Gone),
                        Poll::Ready(Ok(_)) => {}
                        Poll::Pending => {
                            inbox::rest(&mut self.inbox, &mut self.read_bytes);
                            return Ok(false);
                        }
                    }
                }
            }
        }
    }

    /// Looks whether the client is there of which nothing is read; an error if it is gone.
    fn ask_after(&self, exchange: &mut Exchange, context: &mut Context<'_>) -> Result<bool, Gone> {
        if exchange.departure.poll(&self.io, context).is_ready() { Err(Gone) } else { Ok(false) }
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
        let (parts, mut body) = response.into_parts();
        // They are not kept for as long as the body lasts.
        let passed = body.take_fields();
        let passed = passed.as_ref();
        let length = Length::of(&parts, passed, &body, exchange.terms);
        exchange.framing = length.framing(exchange.terms);
        let is_closing = parts.headers.get(CONNECTION).is_some_and(|one| one == "close");
        let goes_on = exchange.terms.goes_on
            && !is_closing
            && exchange.framing != Framing::Close
            && !self.watch.is_closing();
        let is_unwanted = exchange.giver.as_ref().is_none_or(Giver::is_unwanted);
        let goes_on = goes_on && (!is_unwanted || self.pass_over(&mut exchange.content));
        exchange.after = match goes_on {
            _ if parts.status == StatusCode::SWITCHING_PROTOCOLS => After::Switches,
            true => After::GoesOn,
            false => After::Ends,
        };

        let out = self.outgoing.front_for_head();
        exchange.put_head(out, &parts, passed, &length);
        if !passed.is_some_and(|fields| fields.has(Known::Date)) && !parts.headers.contains_key(DATE) {
            self.dates.put(out);
        }
        out.extend_from_slice(b"\r\n");

        exchange.has_begun = true;
        let trailers = parts.headers.get(TRAILER).filter(|_| exchange.terms.takes_trailers);
        exchange.trailers = trailers.cloned().map(Box::new);
        if exchange.framing == Framing::Close {
            self.io.ends(Ending::CutOff);
        }
        exchange.is_spent = !length.has_content || body.is_end_stream();
        exchange.body = Some(body);
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
                Poll::Ready(Ok(())) if !exchange.has_begun || (is_waiting && exchange.has_content()) => {
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) if !exchange.has_content() => return Poll::Ready(self.end(exchange)),
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
        while !exchange.is_spent
            && let Some(body) = &mut exchange.body
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
                        let trailers = head::trailers_to_send(trailers, exchange.trailers.as_deref());
                        self.end_content(exchange.framing, Some(&trailers))
                    }
                },
                Some(Err(_)) => false,
                None => self.end_content(exchange.framing, None),
            };
            exchange.is_spent = true;
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
        if exchange.framing == Framing::Close && exchange.after != After::Breaks {
            self.io.ends(Ending::InOrder);
        }
        let is_read = self.pass_over(&mut exchange.content) && !exchange.is_deaf;
        match exchange.after {
            After::GoesOn | After::Ends if !is_read => After::EndsUnread,
            // The next request may be on its way already.
            After::Ends if exchange.terms.goes_on => After::EndsUnread,
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

    /// Says goodbye, and takes what the client still sends until it does the same: a connection that is closed with
    /// something unread is reset, and the last response with it.
    async fn part(mut self) {
        let parting = async {
            if self.io.shutdown().await.is_err() {
                return;
            }
            let mut passed = self.inbox.len();
            while passed < UNWANTED_BYTES_MAX {
                self.inbox.clear();
                match timeout(PARTING_IDLE, poll_fn(|context| self.poll_read(context))).await {
                    Ok(Ok(count)) if count > 0 => passed += count,
                    _ => return,
                }
            }
        };
        drop(timeout(PARTING_MAX, parting).await);
    }
}

/// The client has closed its side.
struct Gone;
