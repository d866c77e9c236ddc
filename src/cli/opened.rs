//! What most commands begin with: the configuration, and the store that it names.
//!
//! Separate so that no command touches the store before the configuration has been found valid.

use std::path::Path;
use std::sync::Arc;

use super::failure::Failure;
use crate::admin::Admin;
use crate::app::{declare, settings};
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, Environment, check, secret_file};
use crate::federation::Federation;
use crate::id::SystemRandomness;
use crate::keys::{self, Keys};
use crate::secret::SealKey;
use crate::sign_on::SignOn;
use crate::store::{self, Store};

/// The parts that commands work with.
pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) admin: Admin,
}

impl Opened {
    /// Opens the store of a configuration and makes the declared organizations known to it.
    pub(super) async fn open(path: &Path) -> Result<Self, Failure> {
        let config = load(path)?;
        let settings = store::Settings::Sqlite { path: config.store.database.clone() };
        let store = store::open(&settings).await?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        declare(&*store, &config, &*clock).await?;
        let admin = Admin::new(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::new(SystemRandomness),
            settings::admin(&config),
        );
        Ok(Self { config, store, clock, admin })
    }

    /// The sign-on as a server has it, to try connections out.
    pub(super) async fn sign_on(&self) -> Result<SignOn, Failure> {
        let secret = secret_file::load_or_create(&self.config.store.secret_file, &SystemRandomness)?;
        let seal = secret.seal_key(keys::SEAL_PURPOSE);
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let keys = Keys::load(Arc::clone(&store), seal, Arc::clone(&clock), self.config.identity.algorithm);
        let parts = (clock, Arc::new(SystemRandomness) as _);
        let sign_on =
            SignOn::new(settings::sign_on(&self.config), store, Arc::new(keys.await?), &secret, parts);
        sign_on.refresh_organizations().await?;
        Ok(sign_on)
    }

    /// Who fetches metadata.
    pub(super) fn federation(&self) -> Federation {
        let time_and_chance = (Arc::clone(&self.clock), Arc::new(SystemRandomness) as _);
        Federation::new(Arc::clone(&self.store), time_and_chance, settings::federation(&self.config))
    }

    /// The key for a purpose, from the secret that this cluster shares.
    pub(super) fn seal_key(&self, purpose: &'static str) -> Result<SealKey, Failure> {
        let secret = secret_file::load_or_create(&self.config.store.secret_file, &SystemRandomness)?;
        Ok(secret.seal_key(purpose))
    }
}

/// Reads the configuration.
pub(super) fn load(path: &Path) -> Result<Config, Failure> {
    let now = SystemClock.now();
    let environment = Environment::of_process();
    config::load(path, &environment, now)
        .map_err(|_| Failure::of_configuration(&check::report(path, &environment, now)))
}
