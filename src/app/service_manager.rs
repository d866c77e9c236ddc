//! What the service manager is told about the state of the process (`sd_notify(3)`, for `Type=notify`).
//!
//! Separate because nobody may be there to be told, and that is no error.

use sd_notify::NotifyState;

/// Where the process stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It serves.
    Ready,
    /// It reads its configuration again; afterwards it is ready again.
    Reloading,
    /// It drains.
    Stopping,
}

/// Tells it, if there is one; what cannot be told is logged, and nothing else comes of it.
pub(super) fn tell(state: State) {
    let told = match state {
        State::Ready => sd_notify::notify(&[NotifyState::Ready]),
        State::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|now| sd_notify::notify(&[NotifyState::Reloading, now])),
        State::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
    };
    if let Err(error) = told {
        tracing::warn!(%error, ?state, "the service manager could not be told");
    }
}
