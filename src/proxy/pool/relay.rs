//! A response that comes while its request is still being sent.
//!
//! Separate because it is the one case in which a connection needs a task of its own: the rest of an upload must not wait
//! for whoever takes the response, or two sides that both send before they take would wait for each other for ever.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::PollSender;

use crate::proxy::BoxError;
use crate::proxy::request_body::RequestBody;

use super::line::Line;

/// What comes of the response. Dropping it ends the connection.
#[derive(Debug)]
pub(super) struct Relay {
    items: mpsc::Receiver<Item>,
    task: AbortHandle,
    size: SizeHint,
    is_over: bool,
}

/// A frame, or why there is none.
type Part = Result<Frame<Bytes>, BoxError>;

/// A part of the response.
struct Item {
    frame: Option<Part>,
    is_last: bool,
    /// The connection behind the last one, if it may carry another request.
    line: Option<Box<Line>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the connection to the upstream was given up")]
struct Gone;

impl Relay {
    /// Goes on with an exchange whose response has begun.
    pub(super) fn begin(line: Box<Line>, body: RequestBody) -> Self {
        let (sender, items) = mpsc::channel(1);
        let (size, is_over) = (line.size_hint(), line.is_received());
        let task = tokio::spawn(run(line, body, PollSender::new(sender))).abort_handle();
        Self { items, task, size, is_over }
    }

    /// Whether all of the response has been taken.
    pub(super) const fn is_received(&self) -> bool {
        self.is_over
    }

    pub(super) const fn size_hint(&self) -> SizeHint {
        self.size
    }

    /// The next frame of the response, and the connection if it is free again.
    pub(super) fn poll_frame(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<(Option<Part>, Option<Box<Line>>)> {
        let item = ready!(self.items.poll_recv(context));
        let gone = || Item { frame: Some(Err(Gone.into())), is_last: true, line: None };
        let Item { frame, is_last, line } = item.unwrap_or_else(gone);
        self.is_over |= is_last;
        if let (Some(Ok(frame)), Some(left)) = (&frame, self.size.exact()) {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.size = SizeHint::with_exact(left.saturating_sub(length));
        }
        Poll::Ready((frame, line))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(line: Box<Line>, mut body: RequestBody, mut items: PollSender<Item>) {
    let mut line = Some(line);
    let mut broken = None;
    poll_fn(|context| {
        while let Some(here) = &mut line {
            if let Err(cause) = here.move_upload(context, &mut body) {
                broken = Some(cause);
            }
            // Where nobody takes it any more, the connection is closed.
            let Ok(()) = ready!(items.poll_reserve(context)) else { break };
            let frame = match broken.take() {
                Some(why) => Some(Err(why)),
                None => ready!(here.poll_frame(context)),
            };
            let is_last = here.is_received() || !matches!(frame, Some(Ok(_)));
            let line = if is_last { line.take().filter(|line| line.is_reusable()) } else { None };
            if items.send_item(Item { frame, is_last, line }).is_err() {
                break;
            }
        }
        Poll::Ready(())
    })
    .await;
}
