//! Who moves the octets of a connection of HTTP/1.1.
//!
//! Separate because it decides how much a request costs: with a task for each connection, every request wakes that task
//! and is woken by it several times. Here a connection is *carried* by the task of the request that uses it, which
//! polls it where it would wait; nobody has to be woken but by the socket. A task of its own it gets only where it has
//! to go on while nobody polls: an upload that outlives the head of its response, a tunnel.
//!
//! Unused connections are looked after by one watcher for the whole pool ([`Alarm`]), so that one that is closed from
//! the other side, or whose time is over, is let go at once.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// What moves a connection's octets. Dropping it ends the connection.
pub(super) struct Driver(State);

enum State {
    /// Whoever holds it.
    Carried(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// A task.
    Task(AbortHandle),
    /// Nobody any more: the connection is over.
    Over,
}

impl Driver {
    /// For a connection, which is this future; it begins carried.
    pub(super) fn new(connection: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(State::Carried(Box::pin(connection)))
    }

    /// Whether the connection moves only when it is polled.
    pub(super) const fn is_carried(&self) -> bool {
        matches!(self.0, State::Carried(_))
    }

    /// Whether the connection is known to be over.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.0, State::Over)
    }

    /// Moves what can be moved now, if it is carried; `context` is woken when there is more to do.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) {
        if let State::Carried(connection) = &mut self.0
            && connection.as_mut().poll(context).is_ready()
        {
            self.0 = State::Over;
        }
    }

    /// Gives it a task of its own.
    pub(super) fn detach(&mut self) {
        self.0 = match std::mem::replace(&mut self.0, State::Over) {
            State::Carried(connection) => State::Task(tokio::spawn(connection).abort_handle()),
            other => other,
        };
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if let State::Task(task) = &self.0 {
            task.abort();
        }
    }
}

impl std::fmt::Debug for Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.0 {
            State::Carried(_) => "Carried",
            State::Task(_) => "Task",
            State::Over => "Over",
        })
    }
}

/// Rings when something happens to a connection that nobody uses.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    bell: Notify,
    is_muted: AtomicBool,
}

impl Alarm {
    /// Waits until something has happened.
    pub(super) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// Rings now.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Does something to an unused connection that is about to be used, which is not worth a look.
    pub(super) fn muted<T>(&self, act: impl FnOnce() -> T) -> T {
        self.is_muted.store(true, Ordering::Relaxed);
        let done = act();
        self.is_muted.store(false, Ordering::Relaxed);
        done
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // All of it happens on one core: what rings while it is muted is the act itself.
        if !self.is_muted.load(Ordering::Relaxed) {
            self.ring();
        }
    }
}
