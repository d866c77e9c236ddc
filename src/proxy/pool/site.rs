//! One upstream's connections.
//!
//! Separate because which of them may carry another request is one question, and which upstream gets it is another.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::monotonic;
use crate::proxy::Failure;
use crate::proxy::tally::Tally;
use crate::proxy::upstream::Member;

use super::line::Line;
use super::streams::Channel;

/// One upstream and its connections: those of HTTP/1.1 that are unused, the latest used last, and all of HTTP/2.
#[derive(Debug)]
pub(super) struct Site {
    #[expect(clippy::vec_box, reason = "a connection is moved from hand to hand")]
    parked: Mutex<Vec<Box<Line>>>,
    channels: Mutex<Vec<Arc<Channel>>>,
    pub(super) in_flight: AtomicUsize,
    /// Held while a connection of HTTP/2 is opened, so that those who come meanwhile share it, or its failure.
    pub(super) opening: tokio::sync::Mutex<Option<(Instant, Failure)>>,
    /// The upstream was offered HTTP/2 and chose HTTP/1.1.
    pub(super) declined: AtomicBool,
    pub(super) tally: Arc<Tally>,
}

impl Site {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self {
            parked: Mutex::default(),
            channels: Mutex::default(),
            in_flight: AtomicUsize::default(),
            opening: tokio::sync::Mutex::default(),
            declined: AtomicBool::default(),
            tally,
        }
    }

    #[expect(clippy::vec_box, reason = "a connection is moved from hand to hand")]
    pub(super) fn parked(&self) -> MutexGuard<'_, Vec<Box<Line>>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn channels(&self) -> MutexGuard<'_, Vec<Arc<Channel>>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An unused connection that was in use so short a time ago.
    pub(super) fn unpark(&self, member: &Member, fresh: Duration, idle: Duration) -> Option<Box<Line>> {
        let mut parked = self.parked();
        while let Some(last) = parked.last() {
            let age = monotonic::now() - last.since;
            let is_good = member.is_current(last.seen);
            if is_good && age < fresh {
                return parked.pop();
            }
            if is_good && age < idle {
                // Good for another request; those below it are older still.
                return None;
            }
            parked.pop();
        }
        None
    }

    /// A stream of a connection that is open.
    pub(super) fn channel(&self, member: &Member) -> Option<Arc<Channel>> {
        let mut channels = self.channels();
        // One that leads elsewhere goes on until its last stream is over.
        channels.retain(|channel| !channel.is_closed() && member.is_current(channel.seen));
        channels.iter().find(|channel| channel.take()).map(Arc::clone)
    }
}
