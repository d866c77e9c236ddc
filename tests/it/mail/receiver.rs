//! A mail server of strangers: aiosmtpd, in a process of its own, which prints each mail that it has taken over.
//!
//! Separate because it needs Python; `scripts/test` installs aiosmtpd into an environment of its own.

use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// The mail server.
pub(crate) struct Receiver {
    pub(crate) running: Running,
    pub(crate) mails: Mails,
    pub(crate) port: u16,
}

/// Its process, until it is dropped.
pub(crate) struct Running {
    program: Child,
    /// It ends when this does.
    _stdin: ChildStdin,
}

/// The mails that it takes over, as Python has read them.
pub(crate) struct Mails(Lines<BufReader<ChildStdout>>);

impl Receiver {
    /// Starts it, with a certificate, its key, a user and a password if it is to want them.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
        let python = target.join("pyjwt/bin/python");
        assert!(python.exists(), "{} is missing: scripts/test makes it", python.display());
        let mut program = Command::new(python)
            .arg(root.join("tests/peers/receive_mail.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let mut lines = BufReader::new(program.stdout.take().expect("it is piped")).lines();
        let port = lines.next().expect("a line").expect("text").parse().expect("a port");
        let running = Running { _stdin: program.stdin.take().expect("it is piped"), program };
        Self { running, mails: Mails(lines), port }
    }
}

impl Iterator for Mails {
    type Item = Value;

    /// The next mail; `None` when the server has ended.
    fn next(&mut self) -> Option<Value> {
        let line = self.0.next()?.expect("it prints text");
        Some(serde_json::from_str(&line).expect("it prints JSON"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.program.kill().unwrap_or_default();
        self.program.wait().map(drop).unwrap_or_default();
    }
}
