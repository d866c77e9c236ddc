//! The log: one line an event on standard error, JSON for programs, plain text for people.
//!
//! Separate from what is logged. Libraries are held to warnings, because some of them would show headers and
//! statements when asked to say more. Events and the access log leave by one door (`spool`), so that their lines never
//! mix and nobody waits for whoever reads them.

use std::io::{self, IsTerminal as _, Write};
use std::panic;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::access::AccessLog;
use super::spool::{Shelf, Spool, Urgency};

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `ANTEROOM_LOG` is neither a level nor a filter.
    #[error("ANTEROOM_LOG: {text:?} is no level — write error, warn, info, debug or trace")]
    Level {
        /// What it is.
        text: String,
    },
    /// `ANTEROOM_LOG_FORMAT` is no format.
    #[error("ANTEROOM_LOG_FORMAT: {text:?} is no format — write json or text")]
    Format {
        /// What it is.
        text: String,
    },
    /// `ANTEROOM_ACCESS_LOG` is neither on nor off.
    #[error("ANTEROOM_ACCESS_LOG: {text:?} — write on or off")]
    Access {
        /// What it is.
        text: String,
    },
    /// Somebody was first.
    #[error("the log has been set up already")]
    Twice,
    /// The thread that writes cannot be started.
    #[error("the log cannot be started")]
    Thread(#[source] io::Error),
}

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One line of text.
    Text,
}

/// How much is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    filter: String,
    format: Format,
    has_access: bool,
}

/// The log of this process at work. What is still to be written is written when it is dropped.
#[derive(Debug)]
pub struct Started {
    spool: Spool,
    access: AccessLog,
}

impl Started {
    /// Where requests are written down.
    #[must_use]
    pub const fn access(&self) -> &AccessLog {
        &self.access
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.spool.close(LAST_PATIENCE);
    }
}

impl Log {
    /// Reads the values of `ANTEROOM_LOG`, `ANTEROOM_LOG_FORMAT` and `ANTEROOM_ACCESS_LOG`. By default: `info`, as text
    /// on a terminal and as JSON elsewhere, with a line for every request.
    ///
    /// A level is that of Anteroom's own events. A whole filter (`info,hyper=debug`, as `tracing-subscriber`
    /// has it) is for developers: what libraries say may hold what visitors sent.
    pub fn parse(level: Option<&str>, format: Option<&str>, access: Option<&str>) -> Result<Self, Error> {
        let level = level.unwrap_or("info");
        let filter = match level.to_ascii_lowercase().as_str() {
            own @ ("error" | "warn" | "info" | "debug" | "trace" | "off") => {
                let others = if matches!(own, "error" | "off") { own } else { "warn" };
                format!("{others},anteroom={own},access={own}")
            }
            _ if level.contains('=') && EnvFilter::try_new(level).is_ok() => level.to_owned(),
            _ => return Err(Error::Level { text: level.to_owned() }),
        };
        let format = match format {
            Some("json") => Format::Json,
            Some("text") => Format::Text,
            Some(other) => return Err(Error::Format { text: other.to_owned() }),
            None if io::stderr().is_terminal() => Format::Text,
            None => Format::Json,
        };
        let has_access = match access {
            None | Some("on") => true,
            Some("off") => false,
            Some(other) => return Err(Error::Access { text: other.to_owned() }),
        };
        Ok(Self { filter, format, has_access })
    }

    /// Writes the events of this process to standard error from now on, panics among them.
    pub fn start(self) -> Result<Started, Error> {
        let spool = Spool::start(io::stderr()).map_err(Error::Thread)?;
        let (format, has_access) = (self.format, self.has_access);
        let subscriber = self.subscriber(OnShelf(spool.shelf(Urgency::AtOnce)));
        tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::Twice)?;
        let last_words = spool.clone();
        panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let message = panic.payload_as_str().unwrap_or("no message");
            tracing::error!(place, message, "a part of Anteroom panicked");
            last_words.flush(PANIC_PATIENCE);
        }));
        // Requests are events of the level `info`: who asked for less, or for other targets, gets none.
        let is_wanted = has_access && tracing::enabled!(target: "access", tracing::Level::INFO);
        let access = if is_wanted { AccessLog::on(spool.clone(), format) } else { AccessLog::default() };
        Ok(Started { spool, access })
    }

    fn subscriber<W>(self, writer: W) -> Box<dyn Subscriber + Send + Sync>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(self.filter))
            .with_ansi(false)
            .with_writer(OneLine(writer));
        match self.format {
            Format::Json => Box::new(builder.json().flatten_event(true).with_current_span(false).finish()),
            Format::Text => Box::new(builder.finish()),
        }
    }
}

/// How long the end of the process may be held up by what is still to be written.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// The same after a panic, which most often ends one request only.
const PANIC_PATIENCE: Duration = Duration::from_millis(200);

/// Puts each event on a shelf, from which it is written at once by another thread.
struct OnShelf(Arc<Shelf>);

impl<'w> MakeWriter<'w> for OnShelf {
    type Writer = ToShelf<'w>;

    fn make_writer(&'w self) -> Self::Writer {
        ToShelf(&self.0)
    }
}

struct ToShelf<'w>(&'w Shelf);

impl Write for ToShelf<'_> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.put(|lines| lines.extend_from_slice(event));
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes each event on one line without control characters, whatever is in it.
struct OneLine<W>(W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for OneLine<W> {
    type Writer = OneLine<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole event, as the formatter hands it over.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        if line.chars().any(is_unsafe) {
            let mut escaped = String::with_capacity(line.len() + 16);
            for c in line.chars() {
                if is_unsafe(c) {
                    // As JSON has it; all of them are in the basic plane.
                    escaped.extend(format!("\\u{:04x}", u32::from(c)).chars());
                } else {
                    escaped.push(c);
                }
            }
            escaped.push('\n');
            self.0.write_all(escaped.as_bytes())?;
        } else {
            self.0.write_all(event)?;
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Control characters, and the marks that reorder or break lines.
pub(super) fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is written in that format at that level.
    fn written(level: &str, format: &str, events: impl FnOnce()) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let log = Log::parse(Some(level), Some(format), None).unwrap();
        tracing::subscriber::with_default(log.subscriber(move || writer.clone()), events);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    const HOSTILE: &str = "/a\n{\"level\":\"ERROR\"}\r\x1b[31m\u{9b}31m\u{202e}\u{2028}é";

    #[test]
    fn nothing_from_outside_can_forge_a_line_or_move_the_cursor() {
        for format in ["json", "text"] {
            let log = written("info", format, || {
                tracing::info!(path = %HOSTILE, also = HOSTILE, debug = ?HOSTILE, "asked for {HOSTILE}");
            });
            assert_eq!(log.matches('\n').count(), 1, "{format}: {log:?}");
            let line = log.strip_suffix('\n').unwrap();
            let plain = |c: char| !c.is_control() && !['\u{202e}', '\u{2028}'].contains(&c);
            assert!(line.chars().all(plain), "{format}: {log:?}");
            assert!(log.contains('é') && log.contains("asked for"), "the rest can be read: {log}");
        }
    }

    #[test]
    fn json_lines_are_json_with_the_fields_at_the_top() {
        let log = written("info", "json", || {
            tracing::info!(target: "access", path = %HOSTILE, status = 200, "request");
        });
        let line: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!(line["path"], HOSTILE);
        assert_eq!(line["status"], 200);
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "request");
        assert!(line["timestamp"].is_string());
    }

    #[test]
    fn a_level_is_that_of_our_own_events() {
        let events = || {
            tracing::debug!(target: "anteroom::store", "ours");
            tracing::info!(target: "access", "a request");
            tracing::info!(target: "hyper::proto", "a header");
            tracing::warn!(target: "sqlx::query", "slow");
        };
        for (level, expected) in [
            ("trace", vec!["ours", "a request", "slow"]),
            ("DEBUG", vec!["ours", "a request", "slow"]),
            ("info", vec!["a request", "slow"]),
            ("warn", vec!["slow"]),
            ("error", vec![]),
            ("off", vec![]),
            ("off,hyper=info", vec!["a header"]),
        ] {
            let log = written(level, "text", events);
            for word in ["ours", "a request", "a header", "slow"] {
                assert_eq!(log.contains(word), expected.contains(&word), "{level}: {word} in {log}");
            }
        }
    }

    #[test]
    fn what_is_no_level_or_format_is_refused() {
        for level in ["", "verbose", "info,", "a=b=c", "anteroom=loud"] {
            assert!(matches!(Log::parse(Some(level), None, None), Err(Error::Level { .. })), "{level:?}");
        }
        for format in ["", "JSON", "pretty"] {
            assert!(matches!(Log::parse(None, Some(format), None), Err(Error::Format { .. })), "{format:?}");
        }
        for access in ["", "OFF", "false"] {
            assert!(matches!(Log::parse(None, None, Some(access)), Err(Error::Access { .. })), "{access:?}");
        }
    }
}
