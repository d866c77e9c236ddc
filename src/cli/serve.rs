//! `anteroom serve`: keeps running.
//!
//! Separate because it logs instead of answering, and is the only command with a runtime of many threads.

use std::path::Path;

use serde_json::json;
use tokio::runtime::Builder;

use super::answer::Answer;
use super::failure::Failure;
use super::opened;
use crate::app;
use crate::config::Environment;
use crate::server::inherited;
use crate::telemetry::{Log, Started};

pub(super) fn run(path: &Path) -> Result<Answer, Failure> {
    let config = opened::load(path)?;
    // Before there are threads, of which the log has one: what the service manager has left in the environment is
    // taken out of it.
    let inherited =
        inherited().map_err(|error| Failure::new("failed", format!("{:#}", anyhow::Error::from(error))))?;
    let log = start_log()?;
    let environment = Environment::of_process();
    let runtime = Builder::new_multi_thread().thread_name("control").enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of_system(&error))?;
    runtime
        .block_on(app::serve(inherited, path.to_owned(), environment, config, log.access().clone()))
        .map_err(|error| Failure::new("failed", format!("{error:#}")))?;
    Ok(Answer::new("stopped".to_owned(), json!({"stopped": true})))
}

fn start_log() -> Result<Started, Failure> {
    let variable = |name| std::env::var(name).ok();
    Log::parse(
        variable("ANTEROOM_LOG").as_deref(),
        variable("ANTEROOM_LOG_FORMAT").as_deref(),
        variable("ANTEROOM_ACCESS_LOG").as_deref(),
    )
    .and_then(Log::start)
    .map_err(|error| Failure::usage(&error.to_string()))
}
