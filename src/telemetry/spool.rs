//! Lines on their way out: kept in memory, written in batches by a thread of its own.
//!
//! Separate because whoever has something to say must never wait for whoever reads it: a core that answers visitors puts
//! a line on a shelf and goes on. One `write` for each line would be the dearest part of a forwarded request.
//!
//! Rules: a line is written whole, or dropped and counted; lines keep the order of their shelf and never mix with
//! others; nobody but the one thread writes; while nothing is said, the thread sleeps.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Where lines are left to be written. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Spool(Arc<Inner>);

/// How soon the lines of a shelf have to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// With others, at the latest after [`LINGER`].
    InBatches,
    /// Now.
    AtOnce,
}

/// A place for the lines of one writer, most often one core, so that nobody waits for another one's lines.
#[derive(Debug)]
pub(super) struct Shelf {
    lines: Mutex<Vec<u8>>,
    urgency: Urgency,
    spool: Spool,
}

#[derive(Debug, Default)]
struct Inner {
    shelves: Mutex<Vec<Arc<Shelf>>>,
    bell: Mutex<Bell>,
    rung: Condvar,
    written: Condvar,
    lost: AtomicU64,
}

/// What the thread is asked for.
#[derive(Debug, Default)]
struct Bell {
    has_lines: bool,
    at_once: bool,
    flushes_asked: u64,
    flushes_done: u64,
    is_closed: bool,
}

impl Spool {
    /// Starts the thread that writes to `sink`. It ends when the spool is closed.
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let inner = Arc::new(Inner::default());
        let spool = Self(Arc::clone(&inner));
        thread::Builder::new().name("log".to_owned()).spawn(move || inner.run(sink))?;
        Ok(spool)
    }

    /// A new shelf.
    pub(super) fn shelf(&self, urgency: Urgency) -> Arc<Shelf> {
        let added = Arc::new(Shelf { lines: Mutex::default(), urgency, spool: self.clone() });
        let mut shelves = lock(&self.0.shelves);
        // A shelf that nobody else holds has been left; what lies on it has to be written all the same.
        shelves.retain(|other| Arc::strong_count(other) > 1 || !lock(&other.lines).is_empty());
        shelves.push(Arc::clone(&added));
        added
    }

    /// How many lines were dropped, because nobody took them or they could not be written.
    pub(super) fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// Waits until everything is written that lies on a shelf now, at most this long. Says whether it is.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let mut bell = lock(&self.0.bell);
        bell.flushes_asked += 1;
        let mine = bell.flushes_asked;
        self.0.rung.notify_one();
        let waited = self
            .0
            .written
            .wait_timeout_while(bell, patience, |bell| bell.flushes_done < mine && !bell.is_closed);
        let (bell, _) = waited.unwrap_or_else(PoisonError::into_inner);
        bell.flushes_done >= mine
    }

    /// Flushes and ends the thread; what is said from now on is lost.
    pub(super) fn close(&self, patience: Duration) {
        self.flush(patience);
        lock(&self.0.bell).is_closed = true;
        self.0.rung.notify_one();
    }
}

impl Shelf {
    /// Puts down one line, which `write` appends together with its line end.
    pub(super) fn put(&self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut lines = lock(&self.lines);
        let before = lines.len();
        if before >= SHELF_BYTES_MAX {
            drop(lines);
            self.spool.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        write(&mut lines);
        let after = lines.len();
        drop(lines);
        let fills_a_batch = before < BATCH_BYTES && after >= BATCH_BYTES;
        if self.urgency == Urgency::AtOnce || fills_a_batch {
            self.spool.0.ring(Urgency::AtOnce);
        } else if before == 0 {
            self.spool.0.ring(Urgency::InBatches);
        }
    }
}

impl Inner {
    fn ring(&self, urgency: Urgency) {
        let mut bell = lock(&self.bell);
        bell.has_lines = true;
        bell.at_once |= urgency == Urgency::AtOnce;
        drop(bell);
        self.rung.notify_one();
    }

    fn run(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        loop {
            let (asked, is_closed) = self.await_lines();
            let shelves = lock(&self.shelves).clone();
            for shelf in shelves {
                mem::swap(&mut batch, &mut lock(&shelf.lines));
                self.deliver(&mut sink, &batch);
                batch.clear();
                batch.shrink_to(2 * BATCH_BYTES);
            }
            lock(&self.bell).flushes_done = asked;
            self.written.notify_all();
            if is_closed {
                return;
            }
        }
    }

    /// Sleeps until there are lines, and then until there are many, somebody waits, or the time is over. Returns the
    /// flushes that are done with what lies on the shelves now, and whether the spool is closed.
    fn await_lines(&self) -> (u64, bool) {
        let is_wanted = |bell: &Bell| bell.flushes_asked > bell.flushes_done || bell.is_closed;
        let mut bell = lock(&self.bell);
        while !bell.has_lines && !is_wanted(&bell) {
            bell = self.rung.wait(bell).unwrap_or_else(PoisonError::into_inner);
        }
        let until = Instant::now() + LINGER;
        while !bell.at_once && !is_wanted(&bell) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            bell = self.rung.wait_timeout(bell, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        bell.has_lines = false;
        bell.at_once = false;
        (bell.flushes_asked, bell.is_closed)
    }

    /// Writes a batch, or counts the lines that could not be written.
    fn deliver(&self, sink: &mut impl Write, batch: &[u8]) {
        let mut rest = batch;
        while !rest.is_empty() {
            match sink.write(rest) {
                Ok(0) => break,
                Ok(count) => rest = rest.get(count..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Somebody has made standard error non-blocking, and its reader is slow.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
                Err(_) => break,
            }
        }
        let lines = rest.split(|octet| *octet == b'\n').count().saturating_sub(1);
        self.lost.fetch_add(u64::try_from(lines).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a line may lie before it is written.
const LINGER: Duration = Duration::from_millis(100);

/// As much as is worth a `write` of its own.
const BATCH_BYTES: usize = 32 * 1024;

/// What one shelf holds while nobody takes it: some thousand lines.
const SHELF_BYTES_MAX: usize = 1024 * 1024;

/// Before another try where the sink takes nothing.
const FULL_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests;
