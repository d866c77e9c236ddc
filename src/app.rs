//! The composition root: configuration -> parts -> run -> drain.
//!
//! Separate because it is the one file that knows everyone. Nothing is decided here that a part could decide.

mod entry;
mod memory;
mod reload;
mod retention;
mod service_manager;
pub(crate) mod settings;
mod signals;
mod watch;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::admin::Admin;
use crate::clock::{Clock, SystemClock};
use crate::config::organization::Metadata;
use crate::config::{self, Config, Environment, secret_file};
use crate::directory::Organization;
use crate::federation::Federation;
use crate::id::{Randomness, SystemRandomness};
use crate::keys::Keys;
use crate::mail::{self, Courier};
use crate::proxy::Tallies;
use crate::routes::limits::Counts;
use crate::routes::ops::Ops;
use crate::routes::{OpenPages, Routes, Shared};
use crate::secret::MacKey;
use crate::server::{Certificates, Server};
use crate::sign_on::SignOn;
use crate::store::{self, AuditEvent, ChangeSeq, DeclaredMetadata};
use crate::telemetry::AccessLog;

use memory::Memory;
use reload::Reloader;
use service_manager::State;
pub(crate) use signals::Signals;
use signals::Word;
use watch::{Front, Probes, Watched};

/// Where time and chance come from and where requests are written down, for tests to choose.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Unpredictable octets.
    pub randomness: Arc<dyn Randomness>,
    /// A line for every request; none by default.
    pub access_log: AccessLog,
}

impl Default for Sources {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            randomness: Arc::new(SystemRandomness),
            access_log: AccessLog::default(),
        }
    }
}

/// Anteroom, running in this process.
#[derive(Debug)]
pub struct Running {
    public: Vec<SocketAddr>,
    ops: Vec<SocketAddr>,
    ends: Ends,
    store: Arc<dyn store::Store>,
    reloader: Arc<Reloader>,
    tasks: JoinSet<anyhow::Result<()>>,
}

/// The steps to the end, in their order.
#[derive(Debug, Clone, Default)]
struct Ends {
    /// Probes fail, clients are told that their connections end; everything else goes on.
    draining: CancellationToken,
    /// Nobody new comes in, streams end, requests are finished.
    stop: CancellationToken,
    /// Nobody is served any more, who could lose access.
    served: CancellationToken,
    /// Probes are answered no more.
    last: CancellationToken,
}

/// Starts Anteroom with a configuration file, on the multi-threaded runtime of the caller, which does the work
/// with the store and with signatures; forwarding gets cores of its own.
pub async fn start(
    path: PathBuf,
    environment: Environment,
    config: Config,
    sources: Sources,
) -> anyhow::Result<Running> {
    start_on(&[], (path, environment), config, sources).await
}

/// The same on sockets that listen already, the first for people and the second for probes; without them on those of
/// the configuration.
async fn start_on(
    inherited: &[Arc<TcpListener>],
    (path, environment): (PathBuf, Environment),
    config: Config,
    sources: Sources,
) -> anyhow::Result<Running> {
    log_notes(&config);
    let ends = Ends::default();
    let stop = ends.stop.clone();
    let (shared, key, since) = Box::pin(open(&config, &sources, stop.clone())).await?;
    let shared = Arc::new(shared);
    let (sign_on, courier) = (Arc::clone(&shared.sign_on), Arc::clone(&shared.courier));
    let store = Arc::clone(&shared.store);
    let certificates = match config.listen.tls.as_slice() {
        [] => None,
        pairs => Some(Certificates::new(&settings::key_pairs(pairs)).context("cannot use listen.tls")?),
    };
    let mut public = settings::public_listener(&config, certificates.clone(), inherited, &sources);
    public.draining = ends.draining.clone();
    let (gauge, turned_away) = (public.gauge.clone(), public.turned_away.clone());
    let public = Server::bind(public)?;
    let ops = Server::bind(settings::ops_listener(&config, inherited, &sources))?;
    let seen = (gauge.clone(), turned_away, ends.draining.clone());
    let watched =
        Arc::new(Watched::new(Arc::clone(&shared), Arc::clone(&courier), sources.access_log.clone(), seen));
    let clock = Arc::clone(&sources.clock);
    let memory = Memory::new(config.listen.room.memory_max, gauge, Arc::clone(&sign_on));
    let (public_addresses, ops_addresses) = (public.addresses().to_vec(), ops.addresses().to_vec());
    let reloader = Arc::new(Reloader {
        path,
        environment,
        sources,
        shared: Arc::clone(&shared),
        certificates,
        courier: Arc::clone(&courier),
        watched: Arc::clone(&watched),
        config: tokio::sync::Mutex::new(config),
        key,
    });

    let mut tasks = JoinSet::new();
    let front = (shared, Arc::clone(&watched));
    let make = move || Front::new(Routes::new(Arc::clone(&front.0)), &front.1, Arc::clone(&clock));
    let public = public.start(make, stop.clone()).await?;
    let served = ends.served.clone().drop_guard();
    tasks.spawn(async move {
        let _served = served;
        Ok(public.ended().await?)
    });
    let probes = Probes(Ops::new(Arc::clone(&watched) as _));
    let ops = ops.start(move || probes.clone(), ends.last.clone()).await?;
    tasks.spawn(async move { Ok(ops.ended().await?) });
    tasks.spawn(memory.follow(stop.clone()));
    let served = ends.served.clone();
    tasks.spawn(async move { Ok(sign_on.follow(since, &served).await?) });
    let stopped = stop.clone();
    tasks.spawn(async move {
        courier.follow(&stopped).await;
        Ok(())
    });
    let (federation, stopped) = (Arc::clone(&reloader.shared.federation), stop.clone());
    tasks.spawn(async move {
        federation.follow(&stopped).await;
        Ok(())
    });
    tasks.spawn(Arc::clone(&reloader).follow(stop.clone()));
    tasks.spawn(retention::keep(Arc::clone(&reloader), stop.clone()));
    tracing::info!(public = ?public_addresses, ops = ?ops_addresses, "serving");
    Ok(Running { public: public_addresses, ops: ops_addresses, ends, store, reloader, tasks })
}

/// Opens the store and puts the use cases together. Beside them: the key of configurations, and up to where the changes
/// in the store are known.
async fn open(
    config: &Config,
    sources: &Sources,
    closing: CancellationToken,
) -> anyhow::Result<(Shared, MacKey, ChangeSeq)> {
    let (clock, randomness) = (&sources.clock, &sources.randomness);
    let secret = secret_file::load_or_create(&config.store.secret_file, &**randomness)?;
    let database = store::Settings::Sqlite { path: config.store.database.clone() };
    let store = store::open(&database).await.context("cannot open the store")?;
    // Before anything is read that is kept, so that no change to it is missed.
    let since = store.change_head().await.context("cannot read the store")?;
    declare(&*store, config, &**clock).await.context("cannot write to the store")?;
    let key = secret.mac_key(reload::KEY_PURPOSE);
    reload::write_down("configuration.started", config, (&*store, &key), clock.now(), &[])
        .await
        .context("cannot write to the store")?;
    let seal = secret.seal_key("identity keys");
    let keys = Keys::load(Arc::clone(&store), seal, Arc::clone(clock), config.identity.algorithm);
    let keys = Arc::new(keys.await.context("cannot use the identity keys")?);
    let time_and_chance = || (Arc::clone(clock), Arc::clone(randomness));
    let sign_on = SignOn::new(
        settings::sign_on(config),
        Arc::clone(&store),
        Arc::clone(&keys),
        &secret,
        time_and_chance(),
    );
    let federation = Federation::new(Arc::clone(&store), time_and_chance(), settings::federation(config));
    let federation = Arc::new(federation);
    let sign_on = sign_on.with_federation(Arc::clone(&federation));
    sign_on.refresh_organizations().await.context("cannot read the store")?;
    let (clock, randomness) = time_and_chance();
    let admin = Admin::new(Arc::clone(&store), clock, randomness, settings::admin(config));
    let (clock, randomness) = time_and_chance();
    let parts = mail::Parts { store: Arc::clone(&store), clock, randomness };
    let shared = Shared {
        sign_on: Arc::new(sign_on),
        federation,
        admin: Arc::new(admin),
        courier: Arc::new(Courier::new(parts, settings::mail(config)?)),
        keys,
        store,
        settings: ArcSwap::from_pointee(settings::routes(config, Tallies::default())?),
        control: Handle::current(),
        closing,
        open_pages: OpenPages::default(),
        counts: Counts::new(Arc::clone(&sources.clock)),
    };
    Ok((shared, key, since))
}

impl Running {
    /// Where visitors are answered.
    #[must_use]
    pub fn public_addresses(&self) -> &[SocketAddr] {
        &self.public
    }

    /// Where probes are answered.
    #[must_use]
    pub fn ops_addresses(&self) -> &[SocketAddr] {
        &self.ops
    }

    /// Reads the configuration again: all of it comes into force, or nothing does.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.reloader.reload().await
    }

    /// Finishes what is going on, writes down what has to be, and ends.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.end();
        self.finished().await
    }

    fn end(&self) {
        self.ends.draining.cancel();
        self.ends.stop.cancel();
    }

    /// Waits for all tasks and closes the store after them; the first failure counts. Probes are answered until
    /// all others have ended.
    async fn finished(&mut self) -> anyhow::Result<()> {
        let mut outcome = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.context("a part of Anteroom failed").and_then(|ended| ended);
            outcome = outcome.and(ended);
            self.end();
            if self.tasks.len() <= 1 {
                self.ends.last.cancel();
            }
        }
        self.store.close().await;
        outcome
    }

    /// Serves until a signal says to stop; a second one ends at once. `SIGHUP` reloads.
    pub(crate) async fn until_signalled(mut self, mut signals: Signals) -> anyhow::Result<()> {
        service_manager::tell(State::Ready);
        let word = loop {
            tokio::select! {
                word = signals.next() => match word {
                    Word::Reload => {
                        service_manager::tell(State::Reloading);
                        self.reloader.reload_or_stay().await;
                        service_manager::tell(State::Ready);
                    }
                    word => break word,
                },
                // A part that ends by itself takes the others along.
                finished = self.finished() => return finished,
            }
        };
        service_manager::tell(State::Stopping);
        self.ends.draining.cancel();
        if word == Word::Terminate {
            let pre_drain = self.reloader.config.lock().await.listen.room.pre_drain;
            tracing::info!(?pre_drain, "about to drain: not ready any more; a second signal ends at once");
            tokio::select! {
                () = tokio::time::sleep(pre_drain) => {}
                () = signals.word_to_stop() => return Ok(()),
                finished = self.finished() => return finished,
            }
        }
        tracing::info!("draining; a second signal ends at once");
        self.end();
        tokio::select! {
            finished = self.finished() => finished,
            () = signals.word_to_stop() => Ok(()),
        }
    }
}

/// `anteroom serve`: runs until it is told to stop. The problems of a configuration are the caller's to show.
pub async fn serve(
    inherited: Vec<Arc<TcpListener>>,
    path: PathBuf,
    environment: Environment,
    config: Config,
    access_log: AccessLog,
) -> anyhow::Result<()> {
    let signals = Signals::listen()?;
    let sources = Sources { access_log, ..Sources::default() };
    let running = start_on(&inherited, (path, environment), config, sources).await?;
    drop(inherited);
    running.until_signalled(signals).await
}

/// Loads a configuration for [`start`].
pub fn load(path: &std::path::Path, environment: &Environment) -> Result<Config, config::Problems> {
    config::load(path, environment, SystemClock.now())
}

/// Logs what is valid, but probably not meant.
fn log_notes(config: &Config) {
    for note in &config.notes {
        tracing::warn!("{note}");
    }
}

/// Makes the configured organizations known to the store, for users and properties to refer to, and where their
/// metadata is fetched.
pub(crate) async fn declare(
    store: &dyn store::Store,
    config: &Config,
    clock: &dyn Clock,
) -> store::Result<()> {
    let event = AuditEvent::of_anteroom(clock.now(), "organizations.declared");
    let organizations: Vec<Organization> =
        config.organizations.iter().map(|declared| declared.organization.clone()).collect();
    store.declare_organizations(&organizations, event).await?;
    let fetched = config.organizations.iter().filter_map(|declared| match &declared.metadata {
        Metadata::File { .. } => None,
        Metadata::Url(url) => Some(DeclaredMetadata {
            organization: declared.organization.id.clone(),
            url: url.clone(),
            entity_id: declared.entity_id.clone(),
            options: (*declared.options).clone(),
        }),
    });
    let event = AuditEvent::of_anteroom(clock.now(), "organizations.metadata_declared");
    store.declare_metadata(&fetched.collect::<Vec<_>>(), event).await
}
