//! A request as it came in.
//!
//! Separate because everybody who decides on a request, forwards it or writes it down looks at one and the same head, which
//! nobody changes: what is set anew is set in the request that goes out.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Uri, Version};

use crate::http1::fields::Fields;
use crate::http1::head::RequestHead;

use super::peer::{REQUEST_ID, RequestId};
use super::source::Source;
use super::upgrade::Upgrade;

/// A request with its body, which is still to come. It takes little room, because it is moved from hand to hand, and
/// each of them that may have to wait keeps room for it.
#[derive(Debug)]
pub struct Request {
    head: Arc<Head>,
    rest: Box<Rest>,
}

#[derive(Debug)]
struct Rest {
    body: Source,
    /// Where the client's connection comes from, if it asks for an upgrade.
    upgrade: Option<Upgrade>,
}

/// The head of a request, and the name that it goes by.
#[derive(Debug)]
pub(crate) struct Head {
    start: RequestHead,
    id: RequestId,
}

impl Head {
    pub(crate) const fn method(&self) -> &Method {
        &self.start.method
    }

    pub(crate) const fn uri(&self) -> &Uri {
        &self.start.uri
    }

    /// As they came; a name that came with them counts for nothing beside [`Self::id`].
    pub(crate) const fn fields(&self) -> &Fields {
        &self.start.fields
    }

    pub(crate) const fn id(&self) -> &RequestId {
        &self.id
    }
}

impl Request {
    /// Gives a request its name.
    pub(crate) fn new(start: RequestHead, id: RequestId, body: Source, upgrade: Option<Upgrade>) -> Self {
        Self { head: Arc::new(Head { start, id }), rest: Box::new(Rest { body, upgrade }) }
    }

    /// The same request with a body that is all here.
    pub(crate) fn with_kept(head: Arc<Head>, body: Bytes) -> Self {
        Self { head, rest: Box::new(Rest { body: Source::from(body), upgrade: None }) }
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The target in whatever form it was sent, without a fragment.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        self.head.uri()
    }

    /// Which HTTP the client speaks.
    #[must_use]
    pub fn version(&self) -> Version {
        self.head.start.version
    }

    pub(crate) const fn head(&self) -> &Arc<Head> {
        &self.head
    }

    pub(crate) fn fields(&self) -> &Fields {
        self.head.fields()
    }

    pub(crate) const fn body(&self) -> &Source {
        &self.rest.body
    }

    pub(crate) fn into_body(self) -> Source {
        self.rest.body
    }

    /// What there is to write down, and what is to be sent.
    pub(super) fn into_parts(self) -> (Arc<Head>, Source) {
        (self.head, self.rest.body)
    }

    /// Whether it asks for a WebSocket in a stream of HTTP/2, which any success would open (RFC 8441 5).
    #[must_use]
    pub fn asks_for_socket_in_stream(&self) -> bool {
        self.rest.upgrade.as_ref().is_some_and(Upgrade::is_of_stream)
    }

    /// Where the client's connection comes from, if it asks for an upgrade.
    pub(super) fn take_upgrade(&mut self) -> Option<Upgrade> {
        self.rest.upgrade.take()
    }

    /// The same request as HTTP libraries have it, named in `X-Request-Id`.
    #[must_use]
    pub fn into_http(self) -> http::Request<Source> {
        let Head { start, id } = &*self.head;
        let mut request = http::Request::new(self.rest.body);
        *request.method_mut() = start.method.clone();
        *request.uri_mut() = start.uri.clone();
        *request.version_mut() = start.version;
        let mut headers = start.fields.to_map();
        if let Ok(id) = HeaderValue::from_str(id.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        *request.headers_mut() = headers;
        request
    }
}

impl<B: Into<Source>> From<http::Request<B>> for Request {
    /// A request of our own making, which goes by the name in its `X-Request-Id`.
    fn from(request: http::Request<B>) -> Self {
        let id = RequestId::of(request.headers());
        let (parts, body) = request.into_parts();
        Self::new(RequestHead::from(&parts), id, body.into(), None)
    }
}
