//! `anteroom check` and `anteroom init`: before there is a store.
//!
//! Separate because these work on files alone.

use std::path::Path;

use serde_json::json;

use super::answer::Answer;
use super::failure::Failure;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Environment, check, init};

pub(super) fn check(path: &Path) -> Result<Answer, Failure> {
    let report = check::report(path, &Environment::of_process(), SystemClock.now());
    if report.is_ok() {
        Ok(Answer::new(report.to_string(), report.to_json()))
    } else {
        Err(Failure::of_configuration(&report).with_report(report.to_json()))
    }
}

pub(super) fn init(path: &Path) -> Result<Answer, Failure> {
    init::write(path)?;
    let path = path.display();
    let next = format!("{path} is written; fill it in until `anteroom check --config {path}` is content");
    Ok(Answer::new(next, json!({"file": path.to_string()})))
}
