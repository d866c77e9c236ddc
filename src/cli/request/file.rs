//! `anteroom request file` and `anteroom request answer`: what requesters do on the Manage page.
//!
//! Separate because an operator does it in the place of somebody, whose rights count.

use clap::Args;
use serde_json::json;

use super::{changed, object};
use crate::admin::{Actor, Admin, Filed, RequestForm};
use crate::cli::Failure;
use crate::cli::answer::Answer;
use crate::email::EmailAddress;
use crate::id::AccessRequestId;

#[derive(Debug, Args)]
pub(super) struct File {
    /// The new user's address.
    email: String,
    /// Who asks: a user who may ask for access there.
    #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
    requester: EmailAddress,
    /// The property's id, or '*' for all of the organization.
    #[arg(long)]
    property: String,
    /// The level.
    #[arg(long)]
    level: String,
    /// The new user's name.
    #[arg(long, default_value = "")]
    name: String,
    /// A note to support.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
}

#[derive(Debug, Args)]
pub(super) struct Reply {
    /// The request's id.
    #[arg(value_parser = AccessRequestId::parse)]
    id: AccessRequestId,
    /// The answer.
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// Whose answer it is; otherwise that of whoever filed the request.
    #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
    requester: Option<EmailAddress>,
}

impl File {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let account = admin.user(&self.requester).await?;
        let form = RequestForm {
            property: &self.property,
            email: &self.email,
            name: &self.name,
            level: &self.level,
            note: &self.note,
        };
        match admin.file_request(&account, &form, &Actor::command()).await? {
            Filed::Filed(request) => Ok(changed("filed", &request)),
            Filed::Merged(request) => Ok(changed("merged", &request)),
            Filed::AlreadyHasAccess { email, level } => {
                let json = json!({"email": email.as_str(), "level": level.as_str()});
                Ok(Answer::change("filed", false, &format!("{email} has {level} there already"), json))
            }
        }
    }
}

impl Reply {
    pub(super) async fn run(self, admin: &Admin) -> Result<Answer, Failure> {
        let seen = admin.request(&self.id).await?.request;
        let account = match &self.requester {
            Some(email) => admin.user(email).await?,
            None => admin.user_by_id(&seen.requester().user).await?,
        };
        let actor = Actor::command();
        let answered = admin.answer_request(&account, &self.id, seen.version, &self.text, &actor).await?;
        Ok(Answer::change("answered", true, answered.id.as_str(), object(&answered)))
    }
}
