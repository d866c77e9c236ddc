//! `anteroom keys …`: the keys of the identity header.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, moment, moment_or_dash};
use super::opened::Opened;
use super::{Failure, Format};
use crate::keys::{self, Keys, Listed, Rotation};

/// List and rotate the keys of the identity header.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the published keys.
    List,
    /// Publish the next key, which signs in 24 hours.
    Rotate,
}

impl Arguments {
    pub(super) async fn run(self, opened: &Opened) -> Result<Answer, Failure> {
        match self.action {
            Action::List => {
                let keys = listed(opened).await?;
                let rows: Vec<_> = keys.iter().map(row).collect();
                let columns = ["kid", "algorithm", "state", "created_at", "signs_from", "retires_at"];
                Ok(Answer::list(columns, &rows, keys.iter().map(object).collect()))
            }
            Action::Rotate => {
                let keys = Keys::load(
                    Arc::clone(&opened.store),
                    opened.seal_key(keys::SEAL_PURPOSE)?,
                    Arc::clone(&opened.clock),
                    opened.config.identity.algorithm,
                )
                .await?;
                let (kid, changed) = match keys.rotate("command").await? {
                    Rotation::Published { kid } => (kid, true),
                    Rotation::AlreadyPublished { kid } => (kid, false),
                };
                let listed = listed(opened).await?;
                let key = listed
                    .iter()
                    .find(|key| key.kid == kid)
                    .ok_or_else(|| Failure::from(keys::Error::Contended))?;
                let summary = format!("{kid} ({}) signs from {} UTC", key.algorithm, moment(key.signs_from));
                Ok(Answer::change("published", changed, &summary, object(key)))
            }
        }
    }
}

async fn listed(opened: &Opened) -> Result<Vec<Listed>, Failure> {
    let keys = opened.store.keys().await?;
    Ok(keys::listed(&keys, opened.clock.now()))
}

fn row(key: &Listed) -> [String; 6] {
    [
        key.kid.clone(),
        key.algorithm.clone(),
        key.state.as_str().to_owned(),
        moment(key.created_at),
        moment(key.signs_from),
        moment_or_dash(key.retires_at),
    ]
}

fn object(key: &Listed) -> Value {
    json!({
        "kid": key.kid,
        "algorithm": key.algorithm,
        "state": key.state.as_str(),
        "created_at": key.created_at.to_string(),
        "signs_from": key.signs_from.to_string(),
        "retires_at": key.retires_at.map(|at| at.to_string()),
    })
}
