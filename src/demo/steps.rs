//! The lines that the tour prints: what was done, whether it went well, how long it took.
//!
//! Separate so that the story reads as a story.

use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::Context;

/// A list of steps that is printed while it grows.
pub(crate) struct Steps<'a> {
    out: &'a mut (dyn Write + Send),
}

impl<'a> Steps<'a> {
    /// An empty list.
    pub(crate) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out }
    }

    /// Does something and prints how it went. If it failed, so has the story.
    pub(crate) async fn step<T>(
        &mut self,
        text: &str,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let started_at = Instant::now();
        let done = work.await;
        match done {
            Ok(value) => {
                self.done(started_at.elapsed(), text)?;
                Ok(value)
            }
            Err(error) => {
                self.line("✗", started_at.elapsed(), text)?;
                Err(error).with_context(|| format!("this did not happen: {text}"))
            }
        }
    }

    /// Prints something that took a time of its own.
    pub(crate) fn done(&mut self, took: Duration, text: &str) -> anyhow::Result<()> {
        self.line("✓", took, text)
    }

    /// Prints something that is no step.
    pub(crate) fn note(&mut self, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "  ·            {text}")?)
    }

    fn line(&mut self, mark: &str, took: Duration, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "  {mark} {:>6} ms  {text}", took.as_millis())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_step_has_a_line_and_a_failed_one_says_what_did_not_happen() {
        let mut printed = Vec::new();
        let mut steps = Steps::new(&mut printed);
        assert_eq!(steps.step("the sun rises", async { Ok(7) }).await.unwrap(), 7);
        let failed = async { anyhow::bail!("clouds") };
        let error: anyhow::Error = steps.step::<()>("it shines", failed).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "this did not happen: it shines: clouds");
        let printed = String::from_utf8(printed).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines.len(), 2, "{printed}");
        assert!(lines[0].starts_with("  ✓ ") && lines[0].ends_with(" ms  the sun rises"), "{printed}");
        assert!(lines[1].starts_with("  ✗ ") && lines[1].ends_with(" ms  it shines"), "{printed}");
    }
}
