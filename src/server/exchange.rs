//! One request of HTTP/1.1 and its response, as far as they have come.
//!
//! Separate because what the one says decides how the other is framed (RFC 9112 6) and whether another request may follow:
//! that can be told without a connection.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderValue, Method, StatusCode, Version};
use http_body::Body as _;

use super::socket::Departure;
use super::watch::Tracked;
use crate::http1::content::{Content, length_of};
use crate::http1::fields::{Fields, Known};
use crate::http1::head::{self, RequestHead};
use crate::http1::outgoing::Framing;
use crate::http1::pipe::{Broken, Giver, pipe};
use crate::proxy::{Interim, Source, Upgrade, Upgraded};

/// A request as it came in, without a name.
pub(super) struct Asked {
    pub(super) head: RequestHead,
    pub(super) body: Source,
    /// Where the connection goes if it is upgraded; there only if that is asked for.
    pub(super) upgrade: Option<Upgrade>,
    /// Whether more was asked for than the head says.
    pub(super) is_cut: bool,
}

/// How an exchange has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
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
pub(super) struct Terms {
    pub(super) is_head: bool,
    pub(super) is_old: bool,
    pub(super) takes_trailers: bool,
    /// Whether the client would send another one.
    pub(super) goes_on: bool,
}

/// One request and its response, as far as they have come.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Exchange {
    pub(super) terms: Terms,
    pub(super) content: Content,
    pub(super) giver: Option<Giver>,
    /// Whether the client waits to be told to go on.
    pub(super) awaits_continue: bool,
    /// Whether nothing more can be read.
    pub(super) is_deaf: bool,
    /// Of a client whose body is not wanted at the moment.
    pub(super) departure: Departure,
    pub(super) has_begun: bool,
    /// The body of the response: as long as it is there, the exchange counts as going on.
    pub(super) body: Option<Tracked>,
    /// Whether that has come to its end.
    pub(super) is_spent: bool,
    pub(super) framing: Framing,
    pub(super) trailers: Option<Box<HeaderValue>>,
    pub(super) after: After,
}

/// How long a response is.
pub(super) struct Length {
    /// Whether there is any content (RFC 9110 6.4.1).
    pub(super) has_content: bool,
    /// What its head says.
    said: Option<u64>,
    /// Whether that is said once, among the fields that pass, as we would say it.
    is_plain: bool,
    /// What its body says.
    real: Option<u64>,
}

impl Length {
    pub(super) fn of(parts: &Parts, passed: Option<&Fields>, body: &Tracked, terms: Terms) -> Self {
        let is_bare = matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let (text, is_plain) = match passed {
            Some(fields) => {
                let mut lengths = fields.all(Known::ContentLength);
                let text = lengths.next();
                (text, text.is_some_and(is_plain) && lengths.next().is_none())
            }
            None => (parts.headers.get(CONTENT_LENGTH).map(HeaderValue::as_bytes), false),
        };
        let said = text.and_then(length_of);
        Self {
            has_content: !(terms.is_head || is_bare || parts.status.is_informational()),
            said,
            is_plain: is_plain && said.is_some(),
            real: body.size_hint().exact(),
        }
    }

    pub(super) fn framing(&self, terms: Terms) -> Framing {
        match self.real.or(self.said) {
            _ if !self.has_content => Framing::Sized(0),
            Some(length) => Framing::Sized(length),
            None if terms.is_old => Framing::Close,
            None => Framing::Chunked,
        }
    }

    /// What the head is to say.
    fn to_say(&self, status: StatusCode, terms: Terms) -> Option<u64> {
        match self.real.or(self.said) {
            length if self.has_content => length,
            _ if terms.is_head => self.said.or_else(|| self.real.filter(|length| *length > 0)),
            _ if status == StatusCode::NOT_MODIFIED => self.said,
            _ => None,
        }
    }
}

/// Whether a length, if it is one, is written as we would write it.
fn is_plain(length: &[u8]) -> bool {
    length.len() == 1 || length.first() != Some(&b'0')
}

impl Exchange {
    /// None.
    pub(super) const NONE: Self = Self {
        terms: Terms { is_head: false, is_old: false, takes_trailers: false, goes_on: false },
        content: Content::NONE,
        giver: None,
        awaits_continue: false,
        is_deaf: false,
        departure: Departure::Unasked,
        has_begun: false,
        body: None,
        is_spent: false,
        framing: Framing::Sized(0),
        trailers: None,
        after: After::Ends,
    };

    /// Begins with a request: what is given to whoever answers it, and where its connection goes if it is upgraded.
    pub(super) fn begin(
        &mut self,
        head: RequestHead,
        content: Content,
        interim: &Interim,
    ) -> (Asked, Option<tokio::sync::oneshot::Sender<Upgraded>>) {
        let fields = &head.fields;
        let is_old = head.version == Version::HTTP_10;
        self.terms = Terms {
            is_head: head.method == Method::HEAD,
            is_old,
            takes_trailers: fields.says(Known::Te, b"trailers"),
            goes_on: !fields.says(Known::Connection, b"close")
                && (!is_old || fields.says(Known::Connection, b"keep-alive")),
        };
        let body = if content.is_over() {
            Source::from(Bytes::new())
        } else {
            let (giver, taker) = pipe(content.octets_left());
            self.giver = Some(giver);
            let expects = fields.get(Known::Expect);
            let awaits = expects.is_some_and(|one| one.eq_ignore_ascii_case(b"100-continue"));
            self.awaits_continue = awaits && !is_old;
            Source::from(taker)
        };
        self.content = content;
        let body = if is_old { body } else { body.with_interim(interim.clone()) };
        let (upgrade, switch) = fields.has(Known::Upgrade).then(Upgrade::new).unzip();
        (Asked { head, body, upgrade, is_cut: false }, switch)
    }

    /// Whether some of the response's body may still come.
    pub(super) const fn has_content(&self) -> bool {
        self.body.is_some() && !self.is_spent
    }

    /// Writes the head of the response but for its date and its end.
    pub(super) fn put_head(
        &self,
        out: &mut Vec<u8>,
        parts: &Parts,
        passed: Option<&Fields>,
        length: &Length,
    ) {
        let (status, terms) = (parts.status, self.terms);
        head::put_status_line(out, if terms.is_old { Version::HTTP_10 } else { Version::HTTP_11 }, status);
        for (name, value) in &parts.headers {
            let is_ours = *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING;
            if !(is_ours || (*name == CONNECTION && self.after != After::Switches)) {
                head::put_field(out, name, value.as_bytes());
            }
        }
        let is_said = length.is_plain && length.to_say(status, terms) == length.said;
        if let Some(fields) = passed {
            fields.put_where(out, |field| is_said || field.known != Known::ContentLength);
        }
        if let Some(length) = length.to_say(status, terms).filter(|_| !is_said) {
            head::put_length(out, length);
        }
        if self.framing == Framing::Chunked {
            head::put_field(out, &TRANSFER_ENCODING, b"chunked");
        }
        match self.after {
            After::Ends | After::EndsUnread | After::Breaks => head::put_field(out, &CONNECTION, b"close"),
            After::GoesOn if terms.is_old => head::put_field(out, &CONNECTION, b"keep-alive"),
            After::GoesOn | After::Switches => {}
        }
    }

    /// What is left of the request's body will never come, or cannot be found.
    pub(super) fn break_upload(&mut self, why: Broken) {
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
