//! The threads that serve, one for each core, from their start to their end.
//!
//! Separate because nobody may count on a core before it listens, and because the process must not end beside one
//! that runs: the cryptography library ends with the process, and aborts it if it is still asked for randomness.

use std::thread::JoinHandle;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::Front;
use super::doors::Doors;
use super::listener::{self, Listeners};
use super::{Error, Handler, Limits, Settings};

/// Cores that serve. Dropped before their [`end`](Self::ended), they stop where they are, and their connections with
/// them.
#[derive(Debug)]
pub struct Serving {
    news: mpsc::UnboundedReceiver<News>,
    shutdown: CancellationToken,
    abandon: CancellationToken,
    threads: Vec<JoinHandle<()>>,
}

/// What a core tells of itself.
#[derive(Debug)]
enum News {
    Listens,
    Ended(Result<(), Error>),
}

impl Serving {
    /// Starts a core for each set of listeners and waits until all of them listen; if one cannot, none does.
    pub(super) async fn start<H, F>(
        listeners: Vec<Listeners>,
        settings: Settings,
        make: F,
        shutdown: CancellationToken,
    ) -> Result<Self, Error>
    where
        H: Handler,
        F: Fn() -> H + Clone + Send + 'static,
    {
        let doors = Doors::new(&settings.limits, settings.gauge.clone(), settings.turned_away.clone());
        let (told, news) = mpsc::unbounded_channel();
        // One core that fails takes the others along, and nobody else.
        let shutdown = shutdown.child_token();
        let mut serving = Self { news, shutdown, abandon: CancellationToken::new(), threads: Vec::new() };
        let count = listeners.len();
        for (number, listeners) in listeners.into_iter().enumerate() {
            let core = Core {
                listeners,
                settings: settings.clone(),
                doors: doors.clone(),
                shutdown: serving.shutdown.child_token(),
                abandon: serving.abandon.clone(),
                told: told.clone(),
            };
            let make = make.clone();
            let thread = std::thread::Builder::new().name(format!("core-{number}"));
            serving.threads.push(thread.spawn(move || core.run(make)).map_err(Error::Worker)?);
        }
        drop(told);
        for _ in 0..count {
            match serving.news.recv().await {
                Some(News::Listens) => {}
                Some(News::Ended(Err(error))) => return Err(error),
                Some(News::Ended(Ok(()))) | None => return Err(Error::WorkerFailed),
            }
        }
        Ok(serving)
    }

    /// Waits until every core has ended. The first that fails counts, and the others then shut down too.
    pub async fn ended(mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Some(news) = self.news.recv().await {
            if let News::Ended(ended) = news {
                if ended.is_err() {
                    self.shutdown.cancel();
                }
                outcome = outcome.and(ended);
            }
        }
        outcome
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.abandon.cancel();
        for thread in self.threads.drain(..) {
            // Whether it panicked has been told.
            drop(thread.join());
        }
    }
}

/// What one core needs.
struct Core {
    listeners: Listeners,
    settings: Settings,
    doors: Doors,
    shutdown: CancellationToken,
    abandon: CancellationToken,
    told: mpsc::UnboundedSender<News>,
}

impl Core {
    fn run<H: Handler>(self, make: impl Fn() -> H) {
        let mut farewell = Farewell { told: self.told.clone(), ended: Some(Err(Error::WorkerFailed)) };
        let ended = runtime().and_then(|runtime| {
            let abandon = self.abandon.clone();
            let ended = runtime.block_on(async {
                tokio::select! {
                    ended = self.serve(make) => ended,
                    () = abandon.cancelled() => Ok(()),
                }
            });
            // Not to be held up by a name that is still looked up.
            runtime.shutdown_background();
            ended
        });
        farewell.ended = Some(ended);
    }

    async fn serve<H: Handler>(self, make: impl Fn() -> H) -> Result<(), Error> {
        let Limits { last_call, grace, .. } = self.settings.limits;
        let shutdown = self.shutdown;
        let front = Front::new(make(), &self.settings, self.doors.clone(), shutdown.clone());
        let listeners = listener::register(self.listeners).map_err(Error::Worker)?;
        drop(self.told.send(News::Listens));
        let accepting = listener::accept(listeners, &front, &self.doors, last_call);
        let announcing = async {
            tokio::select! {
                () = self.settings.draining.cancelled() => {}
                () = shutdown.cancelled() => {}
            }
            front.announce_end();
            std::future::pending::<()>().await;
        };
        let accepted = tokio::select! {
            accepted = accepting => accepted,
            () = front.make_room(&self.settings.gauge) => Ok(()),
            () = announcing => Ok(()),
        };
        front.announce_end();
        accepted.map_err(Error::Worker)?;
        front.drain(grace).await;
        Ok(())
    }
}

/// Tells how a core ended, also if it panicked.
struct Farewell {
    told: mpsc::UnboundedSender<News>,
    ended: Option<Result<(), Error>>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            // Nobody listens to a core that was abandoned.
            drop(self.told.send(News::Ended(ended)));
        }
    }
}

fn runtime() -> Result<LocalRuntime, Error> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).map_err(Error::Worker)
}
