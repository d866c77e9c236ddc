//! What the HTTP library says by itself, replaced by what we say.
//!
//! Separate because the library answers what it cannot read (no HTTP, a head that is too large) before anybody else
//! sees it: with a status alone, where every error of ours has a code and a name (R-45).
//!
//! Rules: whatever is written while no request is being answered, and after everything of the answers before has been
//! written, can only be the library's own, and is the last that it writes. Nothing is guessed from what octets look like.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use crate::proxy::RequestIds;
use crate::server::refusal::Refusal;
use crate::server::watch::Watch;

/// The answers of one connection of HTTP/1.
#[derive(Debug)]
pub(super) struct Answers {
    names: Arc<RequestIds>,
    /// How many requests had come when everything that was said had been written.
    settled: u32,
    own: Option<Box<Own>>,
}

/// Ours in place of the library's, and how much of it is written.
#[derive(Debug)]
struct Own {
    octets: Vec<u8>,
    written: usize,
}

impl Answers {
    pub(super) const fn new(names: Arc<RequestIds>) -> Self {
        Self { names, settled: 0, own: None }
    }

    /// Everything that was to be written so far has been written.
    pub(super) fn settle(&mut self, watch: &Watch) {
        if watch.is_between() {
            self.settled = watch.requests();
        }
    }

    /// Whether these octets are not to be written, as something else is said in their place.
    pub(super) fn replaces(&mut self, octets: &[u8], watch: &Watch) -> bool {
        if self.own.is_some() {
            return true;
        }
        let is_ours = watch.requests() != self.settled || !watch.is_between();
        let Some(refusal) = refusal_of(octets).filter(|_| !is_ours) else { return false };
        let name = self.names.next();
        tracing::debug!(request_id = ?name, ?refusal, "what came is no request");
        let octets = refusal.octets(name, date_of(octets));
        self.own = Some(Box::new(Own { octets, written: 0 }));
        true
    }

    /// Writes what is said in place of the library's answer, if anything is.
    pub(super) fn poll_say<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(own) = &mut self.own else { return Poll::Ready(Ok(())) };
        let Own { octets, written } = &mut **own;
        while let Some(rest) = octets.get(*written..).filter(|rest| !rest.is_empty()) {
            let count = ready!(Pin::new(&mut *io).poll_write(context, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += count;
        }
        Poll::Ready(Ok(()))
    }
}

/// What the library refuses with this head of a response; `None` if it is none.
fn refusal_of(octets: &[u8]) -> Option<Refusal> {
    let (version, rest) = octets.split_at_checked(b"HTTP/1.x ".len())?;
    if !version.starts_with(b"HTTP/1.") {
        return None;
    }
    Some(if rest.starts_with(b"431") { Refusal::FieldsTooLarge } else { Refusal::Ambiguous })
}

/// The line of the head that says when.
fn date_of(octets: &[u8]) -> Option<&[u8]> {
    octets.split(|octet| *octet == b'\n').find(|line| line.starts_with(b"date: "))?.strip_suffix(b"\r")
}
