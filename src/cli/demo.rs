//! `anteroom demo`: shows itself.
//!
//! Separate because it is the only command that needs no configuration and brings its own.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::answer::Answer;
use super::failure::Failure;
use crate::demo;

/// Show Anteroom with an application, an identity provider and three people, all on this machine.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Walk the whole story by itself, print each step with its time, and end.
    #[arg(long)]
    tour: bool,
    /// Anteroom's port, 0 for any free one; otherwise 8080, or any free one if that is taken.
    #[arg(long)]
    port: Option<u16>,
    /// Keep everything in this folder; otherwise in a temporary one that goes away at the end.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl Arguments {
    pub(super) fn run(self) -> Result<Answer, Failure> {
        let options = demo::Options { tour: self.tour, port: self.port, data: self.data };
        match demo::run(options) {
            Ok(closing) => Ok(Answer::new(closing, json!({"done": true}))),
            Err(error) => Err(Failure::new("demo_failed", format!("{error:#}"))),
        }
    }
}
