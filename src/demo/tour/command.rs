//! The commands of the tour: this very program, as an operator would type it, in a process of its own.
//!
//! Separate because a change that a command makes has to find its way from one process to another.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use crate::demo::steps::Steps;
use crate::demo::tour::{EFFECT_TIME_MAX, Tour};

impl Tour<'_> {
    /// Runs a command while something waits for its effect; gives what came of it and the time from the end of
    /// the command on, zero if the effect was first.
    pub(super) async fn run_and_await<T: Send + 'static>(
        &self,
        steps: &mut Steps<'_>,
        text: &str,
        arguments: &[&str],
        effect: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<(T, Duration)> {
        let effect = tokio::spawn(async { effect.await.map(|effect| (effect, Instant::now())) });
        steps.step(text, self.run(arguments)).await?;
        let ended_at = Instant::now();
        let (effect, took_effect_at) = effect.await?.context("the change has no effect")?;
        let took = took_effect_at.saturating_duration_since(ended_at);
        ensure!(took <= EFFECT_TIME_MAX, "the change took effect after {} ms only", took.as_millis());
        Ok((effect, took))
    }

    /// Runs a command of this very program, in a process of its own.
    async fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let program = std::env::current_exe().context("the program does not know where it is")?;
        let mut command = Command::new(program);
        command.args(arguments).arg("--config").arg(self.config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("ANTEROOM_") {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().context("the command cannot be started")?;
        let started_at = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if started_at.elapsed() > COMMAND_TIMEOUT {
                child.kill()?;
                bail!("the command took longer than {} s", COMMAND_TIMEOUT.as_secs());
            }
            tokio::time::sleep(COMMAND_POLL).await;
        };
        let mut errors = String::new();
        if let Some(stderr) = child.stderr.take() {
            stderr.take(ERRORS_OCTETS_MAX).read_to_string(&mut errors)?;
        }
        ensure!(status.success(), "{status}: {}", errors.trim());
        Ok(())
    }
}

const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// How exactly the end of a command is known.
const COMMAND_POLL: Duration = Duration::from_millis(2);
const ERRORS_OCTETS_MAX: u64 = 16 * 1024;
