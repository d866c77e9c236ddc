//! The guard of the memory: how much there is, how much we take, and what follows.
//!
//! Separate because it is the one thing that is looked at and not told: about once a second, from what the kernel says.
//!
//! Counted is what the process has resident, not the control group's own count, in which the kernel's cache of our
//! files stands as well.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::server::{Gauge, Pressure};
use crate::sign_on::SignOn;

/// How often is looked.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Sessions that nobody has used for so long are forgotten when memory is short.
const IDLE: Duration = Duration::from_mins(1);

/// From which part of all memory on it is short, and very short; in hundredths.
const HIGH: u64 = 85;
const CRITICAL: u64 = 95;

/// Looks after the memory.
#[derive(Debug)]
pub(super) struct Memory {
    max: Option<u64>,
    gauge: Gauge,
    sign_on: Arc<SignOn>,
}

impl Memory {
    /// With so many bytes, or as many as the control group may have.
    pub(super) fn new(configured: Option<u64>, gauge: Gauge, sign_on: Arc<SignOn>) -> Self {
        Self { max: configured.or_else(limit_of_group), gauge, sign_on }
    }

    /// Looks until told to stop.
    pub(super) async fn follow(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Some(max) = self.max else {
            stop.cancelled().await;
            return Ok(());
        };
        tracing::info!(bytes = max, "memory is guarded");
        loop {
            self.look(max);
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOKED_EVERY) => {}
            }
        }
    }

    fn look(&self, max: u64) {
        let Some(taken) = resident() else { return };
        let (before, now) = (self.gauge.shown(), pressure(taken, max));
        if now != before {
            tracing::warn!(pressure = ?now, taken, max, "memory pressure has changed");
        }
        if now != Pressure::None {
            self.sign_on.forget_idle(IDLE);
        }
        self.gauge.show(now);
    }
}

fn pressure(taken: u64, max: u64) -> Pressure {
    let hundredths = taken.saturating_mul(100) / max.max(1);
    if hundredths >= CRITICAL {
        Pressure::Critical
    } else if hundredths >= HIGH {
        Pressure::High
    } else {
        Pressure::None
    }
}

/// What this process has resident, in bytes.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    resident_in(&status)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The limit of our control group or of one above it, whichever is lowest (cgroup v2).
fn limit_of_group() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let mut folder = PathBuf::from("/sys/fs/cgroup").join(path);
    let mut lowest = None;
    while folder.starts_with("/sys/fs/cgroup") {
        let limit = fs::read_to_string(folder.join("memory.max")).ok();
        let limit = limit.and_then(|limit| limit.trim().parse::<u64>().ok());
        lowest = match (lowest, limit) {
            (Some(one), Some(other)) => Some(u64::min(one, other)),
            (one, other) => one.or(other),
        };
        folder.pop();
    }
    lowest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_rises_at_85_and_95_hundredths() {
        for (taken, wanted) in [
            (0, Pressure::None),
            (849, Pressure::None),
            (850, Pressure::High),
            (949, Pressure::High),
            (950, Pressure::Critical),
            (2000, Pressure::Critical),
        ] {
            assert_eq!(pressure(taken, 1000), wanted, "{taken}");
        }
    }

    #[test]
    fn the_kernel_says_how_much_is_resident() {
        assert_eq!(resident_in("Name:\tx\nVmRSS:\t  1234 kB\nVmData: 5 kB\n"), Some(1234 * 1024));
        assert_eq!(resident_in("Name:\tx\n"), None);
        assert!(resident().is_some_and(|bytes| bytes > 1 << 20));
    }
}
