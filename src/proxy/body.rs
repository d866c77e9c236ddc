//! The body of every response, ours or the application's.
//!
//! Separate so that all layers above speak of one type: bytes in hand cost no box, a forwarded body passes
//! through as it comes, and anything else is boxed. Who wants to know how a response ended becomes its witness.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

use crate::http1::fields::Fields;

use super::response_body::ResponseBody;
use super::trace::Trace;

/// Why a body broke off; only ever logged.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How a body ended, and who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was taken to its end.
    Complete,
    /// Nobody wanted the rest: most often the client is gone.
    Client,
    /// The application broke off.
    Upstream,
    /// The session ended.
    Session,
}

/// Learns how the body of a response has ended.
pub trait Witness: Send {
    /// The body is over after so many bytes of content.
    fn ended(&mut self, end: End, bytes: u64);
}

/// The body of a response.
#[derive(Default)]
pub struct Body {
    kind: Kind,
    watched: Option<Watched>,
}

/// What is seen of a body for its witness, who is told when it is dropped.
struct Watched {
    witness: Box<dyn Witness>,
    end: End,
    bytes: u64,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.witness.ended(self.end, self.bytes);
    }
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Forwarded(Box<ResponseBody>),
    Boxed(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// No content.
    #[must_use]
    pub const fn empty() -> Self {
        Self::of(Kind::Empty)
    }

    /// Content that is all there.
    #[must_use]
    pub fn full(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        if content.is_empty() { Self::empty() } else { Self::of(Kind::Full(content)) }
    }

    /// Any other body, such as an event stream.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self::of(Kind::Boxed(body.map_err(Into::into).boxed_unsync()))
    }

    /// It is moved from hand to hand, and so is the head that it carries.
    pub(super) fn forwarded(body: ResponseBody) -> Self {
        Self::of(Kind::Forwarded(Box::new(body)))
    }

    const fn of(kind: Kind) -> Self {
        Self { kind, watched: None }
    }

    /// The same body with a witness, who is told once: when the body has been dropped.
    #[must_use]
    pub fn witnessed(mut self, witness: Box<dyn Witness>) -> Self {
        let end = if self.kind.is_end_stream() { End::Complete } else { End::Client };
        self.watched = Some(Watched { witness, end, bytes: 0 });
        self
    }

    /// Takes the application's fields that pass: those of a forwarded response come with its body, and go out behind those
    /// of the response itself.
    pub(crate) fn take_fields(&mut self) -> Option<Fields> {
        match &mut self.kind {
            Kind::Forwarded(body) => Some(body.take_fields()),
            Kind::Empty | Kind::Full(_) | Kind::Boxed(_) => None,
        }
    }

    /// How it came from the application, if it did.
    #[must_use]
    pub fn trace(&self) -> Option<&Trace> {
        match &self.kind {
            Kind::Forwarded(body) => Some(body.trace()),
            Kind::Empty | Kind::Full(_) | Kind::Boxed(_) => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = self.kind.poll_frame(context);
        let Self { kind, watched: Some(watched) } = &mut *self else { return frame };
        match &frame {
            Poll::Ready(Some(Ok(frame))) => {
                watched.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                if kind.is_end_stream() {
                    watched.end = End::Complete;
                }
            }
            Poll::Ready(Some(Err(_))) => watched.end = kind.broken_by(),
            Poll::Ready(None) if watched.end == End::Client => watched.end = End::Complete,
            Poll::Ready(None) | Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.kind.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(content) => SizeHint::with_exact(content.len() as u64),
            Kind::Forwarded(body) => body.size_hint(),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}

impl Kind {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Forwarded(body) => body.poll_frame(context),
            Self::Boxed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Forwarded(body) => body.is_end_stream(),
            Self::Boxed(body) => body.is_end_stream(),
        }
    }

    fn broken_by(&self) -> End {
        match self {
            Self::Forwarded(body) => body.broken_by(),
            Self::Empty | Self::Full(_) | Self::Boxed(_) => End::Upstream,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            Kind::Empty => "Body::Empty",
            Kind::Full(_) => "Body::Full",
            Kind::Forwarded(_) => "Body::Forwarded",
            Kind::Boxed(_) => "Body::Boxed",
        })
    }
}

impl From<Bytes> for Body {
    fn from(content: Bytes) -> Self {
        Self::full(content)
    }
}

impl From<&'static str> for Body {
    fn from(content: &'static str) -> Self {
        Self::full(content)
    }
}

impl From<String> for Body {
    fn from(content: String) -> Self {
        Self::full(content)
    }
}

impl From<Vec<u8>> for Body {
    fn from(content: Vec<u8>) -> Self {
        Self::full(content)
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}
