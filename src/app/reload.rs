//! Reloading: `SIGHUP`, or a file of the configuration that has changed.
//!
//! Separate because it is all or nothing: everything new is made ready first, and only then put in place. What
//! is going on keeps the settings that it began with.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config, Digest, Environment, Problems, Watch};
use crate::mail::Courier;
use crate::routes::Shared;
use crate::secret::MacKey;
use crate::server::Certificates;
use crate::store::{self, AuditEvent, Store};

use super::watch::Watched;
use super::{Sources, declare, log_notes, settings};

/// Puts a new configuration in the place of the old.
#[derive(Debug)]
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) environment: Environment,
    pub(super) sources: Sources,
    pub(super) shared: Arc<Shared>,
    pub(super) certificates: Option<Arc<Certificates>>,
    pub(super) courier: Arc<Courier>,
    pub(super) watched: Arc<Watched>,
    pub(super) config: Mutex<Config>,
    pub(super) key: MacKey,
}

impl Reloader {
    /// Reads everything again. On an error the old configuration stays, and the log says why.
    pub(super) async fn reload(&self) -> anyhow::Result<()> {
        let outcome = self.replace().await;
        if let Err(error) = &outcome {
            self.tell_refusal(error).await;
        }
        self.watched.reloaded(outcome.is_ok());
        match &outcome {
            Ok(()) => tracing::info!("the configuration was reloaded"),
            Err(error) => tracing::error!(error = format!("{error:#}"), "the old configuration stays"),
        }
        outcome
    }

    /// Reads everything again for whoever can do nothing about an error; the log has it.
    pub(super) async fn reload_or_stay(&self) {
        self.reload().await.unwrap_or_default();
    }

    /// Reloads whenever a file changes.
    pub(super) async fn follow(self: Arc<Self>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut watch = Watch::new(self.config.lock().await.files.clone());
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = watch.changed() => {
                    // The files of a refused configuration are watched all the same.
                    let files = match config::load(&self.path, &self.environment, self.sources.clock.now()) {
                        Ok(config) => config.files,
                        Err(problems) => problems.files,
                    };
                    self.reload_or_stay().await;
                    watch.follow(files);
                }
            }
        }
    }

    async fn replace(&self) -> anyhow::Result<()> {
        let mut current = self.config.lock().await;
        let newer = config::load(&self.path, &self.environment, self.sources.clock.now())?;
        let fixed = current.needs_restart(&newer);
        if !fixed.is_empty() {
            bail!("{} can only be changed by a restart", fixed.join(", "));
        }
        log_notes(&newer);
        let tallies = self.shared.settings.load().proxy.tallies.clone();
        let routes = settings::routes(&newer, tallies)?;
        let sign_on = settings::sign_on(&newer);
        let mail = settings::mail(&newer)?;
        let declared = declare(&*self.shared.store, &newer, &*self.sources.clock).await;
        declared.context("cannot write to the store")?;
        if let Some(certificates) = &self.certificates {
            certificates.replace(&settings::key_pairs(&newer.listen.tls)).context("listen.tls")?;
        }
        let sections = current.digest.changed_sections(&newer.digest);
        let (now, kept_in) = (self.sources.clock.now(), (&*self.shared.store, &self.key));
        let written = write_down("configuration.reloaded", &newer, kept_in, now, &sections);
        written.await.context("cannot write to the store")?;
        self.shared.sign_on.reload(sign_on);
        self.shared.federation.reload(settings::federation(&newer));
        self.shared.admin.reload(settings::admin(&newer));
        self.shared.settings.store(Arc::new(routes));
        self.courier.reload(mail);
        *current = newer;
        Ok(())
    }

    /// Writes down that a configuration was refused. Its values stay out of it: what is wrong stands in the log.
    async fn tell_refusal(&self, error: &anyhow::Error) {
        let problems = error.downcast_ref::<Problems>().map(|problems| &problems.list);
        let keys: Vec<_> = problems.into_iter().flatten().map(|problem| &problem.key).collect();
        let event = AuditEvent {
            details: json!({"keys": keys}),
            reason: Some("invalid".to_owned()),
            ..AuditEvent::of_anteroom(self.sources.clock.now(), "configuration.refused")
        };
        if let Err(error) = self.shared.store.audit(event).await {
            tracing::warn!(error = %error, "the refused configuration was not written down");
        }
    }
}

/// Writes down that a configuration is in force, and which values it has that the one before had not.
pub(super) async fn write_down(
    action: &'static str,
    config: &Config,
    (store, key): (&dyn Store, &MacKey),
    now: Timestamp,
    sections: &[&str],
) -> store::Result<()> {
    let kept = config.digest.kept(key);
    // With the first one there is nothing to compare.
    let before = store.configuration().await?.unwrap_or_else(|| kept.clone());
    let (changes, left_out) = Digest::changes(&before, &kept);
    let event = AuditEvent {
        details: json!({
            "sha256": config.digest.file_hex(),
            "sections_changed": sections,
            "changes": changes,
            "changes_left_out": left_out,
        }),
        ..AuditEvent::of_anteroom(now, action)
    };
    store.keep_configuration(&kept, event).await
}

/// What the marks of secret values are made under.
pub(super) const KEY_PURPOSE: &str = "configuration";
