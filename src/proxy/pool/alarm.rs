//! What calls when something happens to a connection that nobody uses.
//!
//! Separate because one watcher looks after all unused connections of a pool, so that one that is closed from the other
//! side is let go at once and costs no task.

use std::sync::Arc;
use std::task::Wake;

use tokio::sync::Notify;

/// Rings for the watcher.
#[derive(Debug, Default)]
pub(super) struct Alarm(Notify);

impl Alarm {
    /// Waits until something has happened.
    pub(super) async fn rung(&self) {
        self.0.notified().await;
    }

    /// Rings now.
    pub(super) fn ring(&self) {
        self.0.notify_one();
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring();
    }
}
