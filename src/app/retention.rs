//! How long the audit log and the traces of refused sign-ons are kept.
//!
//! Separate because nobody waits for it: once an hour, what is older than the configuration allows is removed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::store::{self, AuditEvent};

use super::reload::Reloader;

/// Removes old entries of the audit log and old traces until told to stop.
pub(super) async fn keep(reloader: Arc<Reloader>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut hours = tokio::time::interval(EVERY);
    hours.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = hours.tick() => {
                if let Err(error) = purge(&reloader, &stop).await {
                    tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "the audit log was not shortened");
                }
                if let Err(error) = purge_traces(&reloader).await {
                    tracing::warn!(error = %error, cause = ?std::error::Error::source(&error), "old traces were not removed");
                }
            }
        }
    }
}

/// Removes in pieces of bounded size, so that others get their turn in between.
async fn purge(reloader: &Reloader, stop: &CancellationToken) -> store::Result<()> {
    let Some(keep) = reloader.config.lock().await.audit.keep else { return Ok(()) };
    let now = reloader.sources.clock.now();
    let Ok(before) = now.checked_sub(keep) else { return Ok(()) };
    while !stop.is_cancelled() {
        let event = AuditEvent::of_anteroom(now, "audit.purged");
        if reloader.shared.store.purge_audit(before, event).await? == 0 {
            break;
        }
    }
    Ok(())
}

async fn purge_traces(reloader: &Reloader) -> store::Result<()> {
    let keep = reloader.config.lock().await.audit.traces_keep;
    match reloader.sources.clock.now().checked_sub(keep) {
        Ok(before) => reloader.shared.store.purge_traces(before).await.map(drop),
        // Nothing is that old.
        Err(_) => Ok(()),
    }
}

/// Days are what people keep.
const EVERY: Duration = Duration::from_hours(1);
