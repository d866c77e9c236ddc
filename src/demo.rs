//! `anteroom demo`: the whole product with everything around it, in one process on loopback.
//!
//! Separate from `app`, of which it is one user: what stands in front of the demo's application is what `serve`
//! runs, from a configuration file that could be served by hand.
//!
//! | part | where |
//! |---|---|
//! | Anteroom | `http://app.localhost:PORT`, `http://login.localhost:PORT` |
//! | the application behind it | a port of its own |
//! | the identity provider | a port of its own |
//! | the mailbox | a port of its own for its pages, and one for mail |

mod application;
mod folder;
mod listener;
mod mailbox;
mod people;
mod provider;
mod seeds;
mod steps;
mod tour;
mod visitor;

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use url::Url;

use crate::app::{self, Running, Signals, Sources};
use crate::clock::SystemClock;
use crate::config::Environment;
use crate::demo::application::Application;
use crate::demo::folder::{ENTITY_ID, Folder};
use crate::demo::listener::Listener;
use crate::demo::mailbox::{Mailbox, Receiver};
use crate::demo::people::{EVERYBODY, NEW_JOINER};
use crate::demo::provider::{Provider, Registration};
use crate::demo::steps::Steps;
use crate::demo::tour::Tour;
use crate::store;

/// What was asked for on the command line.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Walk the story instead of waiting for somebody who does.
    pub tour: bool,
    /// Anteroom's port, 0 for any; without one 8080, or any if that is taken.
    pub port: Option<u16>,
    /// The folder to keep everything in; without one, a temporary folder.
    pub data: Option<PathBuf>,
}

/// Runs the demo until it is interrupted, or the tour until it is over. Gives the closing words.
pub fn run(options: Options) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let out = &mut std::io::stdout();
    if options.tour { runtime.block_on(walk(options, out)) } else { runtime.block_on(show(options, out)) }
}

async fn show(options: Options, out: &mut (dyn Write + Send)) -> anyhow::Result<String> {
    let signals = Signals::listen()?;
    let Stage { addresses, anteroom, sites, folder } = Stage::set(options).await?;
    write!(out, "{}", Welcome { addresses: &addresses, folder: &folder })?;
    out.flush()?;
    let ended = anteroom.until_signalled(signals).await;
    drop((sites, folder));
    ended.map(|()| "The demo is over.".to_owned())
}

async fn walk(options: Options, out: &mut (dyn Write + Send)) -> anyhow::Result<String> {
    let started_at = Instant::now();
    writeln!(out, "A tour of Anteroom\n")?;
    let text = "Anteroom, an application behind it and an identity provider are up";
    let Stage { addresses, anteroom, sites, folder } =
        Steps::new(out).step(text, Box::pin(Stage::set(options))).await?;
    let tour = Tour { addresses: &addresses, config: &folder.config_path(), is_first: folder.is_new() };
    let walked = tokio::select! {
        walked = tokio::time::timeout(TOUR_TIMEOUT, tour.walk(out)) => {
            walked.context("the tour took longer than a minute").flatten()
        }
        stopped = told_to_stop() => stopped.and_then(|()| Err(anyhow::anyhow!("the tour was interrupted"))),
    };
    let stopped = anteroom.stop().await;
    drop((sites, folder));
    walked.and(stopped)?;
    Ok(format!("\nAll of it happened, in {} ms.", started_at.elapsed().as_millis()))
}

/// Where everything is.
pub(crate) struct Addresses {
    /// Anteroom as the application's visitors see it.
    pub(crate) anteroom: Url,
    /// Anteroom's assertion consumer service.
    pub(crate) login: Url,
    /// Anteroom's listener.
    pub(crate) public: SocketAddr,
    /// The application.
    pub(crate) application: SocketAddr,
    /// The identity provider.
    pub(crate) provider: SocketAddr,
    /// The mailbox's pages.
    pub(crate) mailbox: SocketAddr,
    /// The mailbox's mail server.
    pub(crate) smtp: SocketAddr,
}

/// Everything that runs.
struct Stage {
    addresses: Addresses,
    anteroom: Running,
    /// Ends them when it is dropped.
    sites: JoinSet<()>,
    folder: Folder,
}

impl Stage {
    /// Starts everything.
    async fn set(options: Options) -> anyhow::Result<Self> {
        let folder = Folder::open(options.data)?;
        let (application, provider) = (Listener::bind().await?, Listener::bind().await?);
        let (mailbox, smtp) = (Listener::bind().await?, Listener::bind().await?);
        let public = free_address(options.port)?;
        let port = public.port();
        let addresses = Addresses {
            anteroom: Url::parse(&format!("http://app.localhost:{port}"))?,
            login: Url::parse(&format!("http://login.localhost:{port}/saml2/idpresponse"))?,
            public,
            application: application.address()?,
            provider: provider.address()?,
            mailbox: mailbox.address()?,
            smtp: smtp.address()?,
        };
        let clock = Arc::new(SystemClock);
        let registration =
            Registration { entity_id: ENTITY_ID.to_owned(), reply_url: addresses.login.to_string() };
        let identities = Provider::new(addresses.provider, registration, clock.clone())?;
        folder.write(&addresses, identities.metadata())?;
        let mut sites = JoinSet::new();
        let mails = Arc::new(Mailbox::new(clock.clone()));
        sites.spawn(application.serve(Arc::new(Application::new(addresses.anteroom.clone(), clock))));
        sites.spawn(provider.serve(Arc::new(identities)));
        sites.spawn(Receiver::new(Arc::clone(&mails)).serve(smtp));
        sites.spawn(mailbox.serve(mails));

        // The environment configures another Anteroom, if any.
        let environment = Environment::default();
        let config = app::load(&folder.config_path(), &environment)?;
        let database = store::Settings::Sqlite { path: config.store.database.clone() };
        let rules = app::settings::admin(&config);
        let anteroom = app::start(folder.config_path(), environment, config, Sources::default()).await?;
        seeds::sow(&database, rules).await.context("the people of the demo cannot be made")?;
        Ok(Self { addresses, anteroom, sites, folder })
    }
}

/// A free address of this machine for Anteroom, which opens it itself a moment later.
fn free_address(port: Option<u16>) -> anyhow::Result<SocketAddr> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    let listener = match port {
        Some(port) => bind(port).with_context(|| format!("the port {port} cannot be opened"))?,
        None => bind(PORT_DEFAULT).or_else(|_| bind(0)).context("no loopback port can be opened")?,
    };
    Ok(listener.local_addr()?)
}

/// Waits for Ctrl-C or a polite end from elsewhere.
async fn told_to_stop() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// What is there, and what to try.
struct Welcome<'a> {
    addresses: &'a Addresses,
    folder: &'a Folder,
}

impl fmt::Display for Welcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Addresses { anteroom, application, provider, mailbox, .. } = self.addresses;
        let config = self.folder.config_path();
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("anteroom"));
        writeln!(f, "Anteroom is up, and so is everything around it: the three people of the story are")?;
        for person in EVERYBODY {
            writeln!(f, "    {:<31} {}", person.email, person.part)?;
        }
        let [manager, agent, joiner] = EVERYBODY.map(|person| person.given_name);
        writeln!(
            f,
            "\nWhat to try, in this order, with a private window of the browser for each of them:\n\n\
             \x20 1. {joiner} opens {anteroom}work-orders/1024\n\
             \x20    and is held in the Waiting Room. Say there where {joiner} works, and leave the page open.\n\
             \x20 2. {manager} is told by mail: http://{mailbox}/\n\
             \x20    Its link leads to the Manage page, {anteroom}.anteroom/manage\n\
             \x20    where the New User form is filled in for {joiner}. Send it.\n\
             \x20 3. {agent} works the queue: {anteroom}.anteroom/support\n\
             \x20    Take the request and approve it. {joiner}'s page moves on by itself, and the mailbox says so.\n\
             \x20 4. Take the access away again, in the console or with\n\n\
             \x20    {} user revoke {} --config {}\n",
            program.display(),
            NEW_JOINER.email,
            config.display()
        )?;
        writeln!(f, "    the application, unprotected   http://{application}/")?;
        writeln!(f, "    the provider's metadata        http://{provider}{}", provider::METADATA_PATH)?;
        writeln!(f, "    everything else                {}", self.folder.path().display())?;
        writeln!(f, "\nCtrl-C ends it.")
    }
}

const PORT_DEFAULT: u16 = 8080;
const TOUR_TIMEOUT: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
