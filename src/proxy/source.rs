//! The body of a request as it comes from a client, whatever it speaks.
//!
//! Separate because nothing behind it needs to know whether octets come over HTTP/1, over HTTP/2 or out of the store.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::http1::pipe::Taker;

use super::BoxError;
use super::interim::Interim;

/// The body of a request, by where it comes from.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    interim: Option<Interim>,
}

#[derive(Debug)]
enum Kind {
    /// There is none.
    Nothing,
    /// A client of HTTP/1, as it sends.
    Taken(Taker),
    /// A client of HTTP/2.
    Incoming(Box<Incoming>),
    /// It was kept, and is all there.
    Kept(Box<Full<Bytes>>),
}

impl Source {
    const fn of(kind: Kind) -> Self {
        Self { kind, interim: None }
    }

    /// The same, of a client that takes interim responses.
    pub(crate) fn with_interim(self, interim: Interim) -> Self {
        Self { interim: Some(interim), ..self }
    }

    /// Whether all of it is here already.
    pub(super) const fn is_kept(&self) -> bool {
        matches!(self.kind, Kind::Kept(_))
    }

    /// Where interim responses go, if the client takes any.
    pub(super) const fn take_interim(&mut self) -> Option<Interim> {
        self.interim.take()
    }
}

impl From<Incoming> for Source {
    fn from(body: Incoming) -> Self {
        if body.is_end_stream() {
            return Self::of(Kind::Nothing);
        }
        Self::of(Kind::Incoming(Box::new(body)))
    }
}

impl From<Taker> for Source {
    fn from(body: Taker) -> Self {
        Self::of(Kind::Taken(body))
    }
}

impl From<Bytes> for Source {
    fn from(octets: Bytes) -> Self {
        if octets.is_empty() {
            return Self::of(Kind::Nothing);
        }
        Self::of(Kind::Kept(Box::new(Full::new(octets))))
    }
}

impl http_body::Body for Source {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Nothing => Poll::Ready(None),
            Kind::Taken(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Kind::Incoming(body) => Pin::new(&mut **body).poll_frame(context).map_err(Into::into),
            Kind::Kept(body) => Pin::new(&mut **body).poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Nothing => true,
            Kind::Taken(body) => body.is_end_stream(),
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Kept(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Nothing => SizeHint::with_exact(0),
            Kind::Taken(body) => body.size_hint(),
            Kind::Incoming(body) => body.size_hint(),
            Kind::Kept(body) => body.size_hint(),
        }
    }
}
