//! `[session]`: how long people stay signed on, and what signing out ends.
//!
//! Separate, as every section has a file with its valid form and its rules.

use std::time::Duration;

use crate::session::Lifetimes;
use crate::sign_on::SingleLogout;
use crate::target::PathRule;

use super::reading::{Read, Reading, Told};
use super::{app, file, time};

/// Paths of the application that are special to sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionPaths {
    /// What pages ask for by themselves: it keeps nobody signed on.
    pub polling: Vec<PathRule>,
    /// Whose forms are kept when the session has timed out.
    pub repeat_posts: Vec<PathRule>,
}

/// Reads both lists of paths.
pub(super) fn paths(typed: &file::Session, reading: &mut Reading<'_>) -> Read<SessionPaths> {
    let polling = reading.list("session.polling_paths", typed.polling_paths.as_deref(), app::path_rule);
    let repeat_posts = reading.list("session.repeat_posts", typed.repeat_posts.as_deref(), app::path_rule);
    Ok(SessionPaths { polling: polling?, repeat_posts: repeat_posts? })
}

/// Whether signing out goes on to the identity provider.
pub(super) fn single_logout(typed: &file::Session) -> SingleLogout {
    if typed.single_logout.unwrap_or(true) { SingleLogout::Always } else { SingleLogout::Offered }
}

pub(super) fn read(typed: &file::Session, reading: &mut Reading<'_>) -> Read<Lifetimes> {
    let parse = |text: &str| time::parse(text, Duration::from_secs(1), SESSION_MAX);
    let idle = reading.defaulted("session.idle", typed.idle.as_deref(), parse);
    let lifetime = reading.defaulted("session.lifetime", typed.lifetime.as_deref(), parse);
    let (idle, lifetime) = (idle?, lifetime?);
    if idle > lifetime {
        // The one that was typed is the one to change.
        let (key, other) = if typed.idle.is_some() {
            ("session.idle", "session.lifetime")
        } else {
            ("session.lifetime", "session.idle")
        };
        let (idle, lifetime) = (time::written(idle), time::written(lifetime));
        let message =
            format!("a session would be idle longer (idle {idle}) than it lives (lifetime {lifetime})");
        reading.findings.refuse(key, message, format!("make idle at most lifetime, here or in {other}"));
        return Err(Told);
    }
    Ok(Lifetimes { idle, lifetime })
}

/// Browsers drop cookies after 400 days.
const SESSION_MAX: Duration = Duration::from_hours(400 * 24);
