//! The commands.
//!
//! Separate so that `main` is one line and tests can hand in arguments and read what is printed.
//!
//! Rules: one file for each group of commands, one match here. Every command takes `--config`; all but those that
//! keep running print a table for people and, with `--json`, JSON for programs. The exit code is 0 when it is
//! done (or was done already), 1 when it was refused or failed and nothing has changed, 2 when the command line
//! or the configuration is wrong. A command opens the store itself; running servers notice by the change feed.

mod answer;
mod audit;
mod demo;
mod explain;
mod failure;
mod health;
mod keys;
mod mail;
mod opened;
mod organization;
mod property;
mod request;
mod serve;
mod session;
mod setup;
mod upstreams;
mod user;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::answer::Answer;
use self::failure::Failure;
use self::opened::Opened;
use crate::admin::TABLE_BYTES_MAX;

/// An authenticating reverse proxy: SAML sign-on in front, a signed identity behind.
#[derive(Debug, Parser)]
#[command(name = "anteroom", version)]
struct Arguments {
    /// The configuration file; otherwise that of `$ANTEROOM_CONFIG`, else anteroom.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Anteroom until it is told to stop.
    Serve,
    Demo(demo::Arguments),
    Check(setup::Check),
    /// Write a commented configuration file to begin with.
    Init(Format),
    User(user::Arguments),
    Property(property::Arguments),
    Organization(organization::Arguments),
    Request(request::Arguments),
    Session(session::Arguments),
    Keys(keys::Arguments),
    Audit(audit::Arguments),
    Mail(mail::Arguments),
    Explain(explain::Arguments),
    /// Ask the running server whether it is ready (for the health check of a container).
    Health(Format),
}

/// How a command answers.
#[derive(Debug, Clone, Copy, Args)]
struct Format {
    /// Print JSON for programs; errors too, on the standard error.
    #[arg(long, global = true)]
    json: bool,
}

/// Runs the command of this process's arguments.
#[must_use]
pub fn run() -> ExitCode {
    // Not locked: what keeps running logs from other threads.
    run_with(std::env::args_os(), &mut io::stdout(), &mut io::stderr())
}

/// Runs the command of some arguments, the program's name first.
pub fn run_with(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> ExitCode {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let (json, done) = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => (arguments.command.format().json, arguments.run(out, errors)),
        // Asking for help or the version.
        Err(error) if !error.use_stderr() => return printed(write!(out, "{}", error.render())),
        Err(error) => (wants_json, Err(Failure::from(error))),
    };
    match done {
        Ok(answer) => match printed(answer.print(json, out, errors)) {
            ExitCode::SUCCESS if answer.is_negative() => ExitCode::FAILURE,
            code => code,
        },
        Err(failure) => {
            // If nobody reads it, the exit code says it all the same.
            failure.print(json, out, errors).ok();
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Arguments {
    fn run(self, out: &mut dyn Write, errors: &mut dyn Write) -> Result<Answer, Failure> {
        let config = self.config.unwrap_or_else(default_config);
        match self.command {
            Command::Serve => serve::run(&config),
            Command::Demo(demo) => demo.run(),
            Command::Check(check) => check.run(&config),
            Command::Init(_) => setup::init(&config),
            Command::Health(_) => block_on(async { health::run(opened::load(&config)?.listen.ops).await }),
            Command::User(user) => in_store(&config, async |opened| user.run(opened).await),
            Command::Property(property) => {
                in_store(&config, async |opened| property.run(&opened.admin).await)
            }
            Command::Organization(organization) => {
                in_store(&config, async |opened| Box::pin(organization.run(opened, errors)).await)
            }
            Command::Request(request) => in_store(&config, async |opened| request.run(&opened.admin).await),
            Command::Session(session) => in_store(&config, async |opened| session.run(opened).await),
            Command::Keys(keys) => in_store(&config, async |opened| keys.run(opened).await),
            Command::Audit(audit) => in_store(&config, async |opened| audit.run(&opened.admin, out).await),
            Command::Explain(explain) => explain.run(&config),
            Command::Mail(mail) => in_store(&config, async |opened| mail.run(opened).await),
        }
    }
}

impl Command {
    const fn format(&self) -> Format {
        match self {
            Self::Serve | Self::Demo(_) => Format { json: false },
            Self::Check(check) => check.format,
            Self::Init(format) | Self::Health(format) => *format,
            Self::User(arguments) => arguments.format,
            Self::Property(arguments) => arguments.format,
            Self::Organization(arguments) => arguments.format,
            Self::Request(arguments) => arguments.format,
            Self::Session(arguments) => arguments.format,
            Self::Keys(arguments) => arguments.format,
            Self::Audit(arguments) => arguments.format,
            Self::Mail(arguments) => arguments.format,
            Self::Explain(arguments) => arguments.format,
        }
    }
}

/// Does something in the store of a configuration, and closes it properly.
fn in_store(
    config: &Path,
    work: impl AsyncFnOnce(&Opened) -> Result<Answer, Failure>,
) -> Result<Answer, Failure> {
    block_on(async {
        let opened = Opened::open(config).await?;
        let done = work(&opened).await;
        opened.store.close().await;
        done
    })
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::of_system(&error))?.block_on(work)
}

fn default_config() -> PathBuf {
    std::env::var_os("ANTEROOM_CONFIG").map_or_else(|| PathBuf::from("anteroom.toml"), PathBuf::from)
}

/// A reader who has gone away wants no more, and that is not a failure.
fn printed(written: io::Result<()>) -> ExitCode {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}

/// Reads a table for an import, no more than can be used; `-` is the standard input.
fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let limit = u64::try_from(TABLE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    read_at_most(limit, path)
}

/// Reads the beginning of a file; `-` is the standard input.
fn read_at_most(octets_max: u64, path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| {
        Failure::new("unreadable_file", format!("{} cannot be read: {error}", path.display()))
    };
    let source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut octets = Vec::new();
    source.take(octets_max).read_to_end(&mut octets).map_err(failed)?;
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }
}
