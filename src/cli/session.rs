//! `anteroom session …`: who is signed on.
//!
//! Separate, as every group of commands has a file with its arguments and what they do.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::answer::{Answer, moment};
use super::opened::Opened;
use super::{Failure, Format};
use crate::admin::Actor;
use crate::email::EmailAddress;
use crate::id::SessionName;
use crate::store::SessionView;

/// List and end sessions.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    pub(super) format: Format,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List sessions that are alive, newest first.
    List {
        /// Only those of this user.
        #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
        user: Option<EmailAddress>,
    },
    /// End one session, or all of a user.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Revoke {
    /// The session's public name (sid).
    #[arg(value_parser = SessionName::parse)]
    sid: Option<SessionName>,
    /// End all sessions of this user.
    #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
    user: Option<EmailAddress>,
}

impl Arguments {
    pub(super) async fn run(self, opened: &Opened) -> Result<Answer, Failure> {
        let admin = &opened.admin;
        match self.action {
            Action::List { user } => {
                let views = admin.sessions(user.as_ref(), opened.config.session).await?;
                let rows: Vec<_> = views.iter().map(row).collect();
                let columns = ["sid", "email", "organization", "created_at", "last_seen_at", "ends_at"];
                Ok(Answer::list(columns, &rows, views.iter().map(object).collect()))
            }
            Action::Revoke(Revoke { sid, user }) => {
                if let Some(email) = user {
                    let count = admin.revoke_sessions_of(&email, &Actor::command()).await?;
                    let json = json!({"user": email.as_str(), "revoked": count});
                    return Ok(Answer::change(
                        "revoked",
                        count > 0,
                        &format!("{count} sessions of {email}"),
                        json,
                    ));
                }
                let sid = sid.ok_or_else(|| Failure::usage("name a session, or a user with --user"))?;
                admin.revoke_session(&sid, &Actor::command()).await?;
                let json = json!({"sid": sid.as_str(), "revoked": 1});
                Ok(Answer::change("revoked", true, sid.as_str(), json))
            }
        }
    }
}

fn row(SessionView { session, account }: &SessionView) -> [String; 6] {
    [
        session.name.to_string(),
        account.user.email.to_string(),
        account.user.organization.to_string(),
        moment(session.created_at),
        moment(session.last_seen_at),
        moment(session.ends_at),
    ]
}

fn object(SessionView { session, account }: &SessionView) -> Value {
    json!({
        "sid": session.name.as_str(),
        "user": session.user.as_str(),
        "email": account.user.email.as_str(),
        "organization": account.user.organization.as_str(),
        "created_at": session.created_at.to_string(),
        "last_seen_at": session.last_seen_at.to_string(),
        "ends_at": session.ends_at.to_string(),
    })
}
