//! What the outside says by signals.
//!
//! Separate because signals must be listened to before anybody is told that Anteroom is there.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that Anteroom listens to. From the moment that this exists none of them ends the process by itself, so
/// it is made before anybody is told that Anteroom is there.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    /// `SIGTERM`: balancers are to notice before it ends.
    Terminate,
    /// `SIGINT`: somebody sits in front of it and waits.
    Interrupt,
    /// `SIGHUP`: read the configuration again.
    Reload,
}

impl Signals {
    /// Listens from now on; what comes before it is waited for is not lost.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Word {
        tokio::select! {
            _ = self.terminate.recv() => Word::Terminate,
            _ = self.interrupt.recv() => Word::Interrupt,
            _ = self.hang_up.recv() => Word::Reload,
        }
    }

    /// Waits for one that says to stop.
    pub(super) async fn word_to_stop(&mut self) {
        while self.next().await == Word::Reload {}
    }
}
