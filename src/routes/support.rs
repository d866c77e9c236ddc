//! The support console: which page is whose, and what all of them share.
//!
//! Separate because it is the one place from which access is given and taken; every page is for agents alone
//! (`work` sees to that before anything here is asked).

mod directory;
mod onboarding;
mod options;
mod outbox;
mod properties;
mod queue;
mod request;
mod sign_ons;
mod trials;
mod user;
mod users;

use http::StatusCode;
use jiff::Timestamp;

use crate::admin::{ApproveForm, Refused, SOON};
use crate::directory::request::Request;
use crate::directory::{Grant, Property};
use crate::id::OrganizationId;
use crate::pages::SelectItem;
use crate::pages::support::{
    Banner, Confirm, Done, Expiry, GrantLine, Question, Refusal, RequestLine, Section,
};
use crate::routes::table::{RequestDeed, Support};
use crate::routes::work::{Desk, Handled, Reply, scope_name, sentence, status_of};

impl Desk {
    /// `/.anteroom/support` and below.
    pub(super) async fn support(&self, page: &Support) -> Handled {
        match page {
            Support::Queue => self.queue().await,
            Support::Request(id) => self.request_page(id, StatusCode::OK, self.done_banner(), None).await,
            Support::RequestDo(id, deed) => self.change_request(id, *deed).await,
            Support::Users => self.users().await,
            Support::User(id) => self.user_page(id, StatusCode::OK, self.done_banner(), None).await,
            Support::UserDo(id, deed) => self.change_user(id, *deed).await,
            Support::Organizations if self.is_post() => self.create_organization().await,
            Support::Organizations => self.organizations().await,
            Support::NewOrganization => Ok(self.new_organization()),
            Support::OrganizationPreview => self.preview_organization().await,
            Support::Organization(id) => {
                self.organization_page(id, StatusCode::OK, self.done_banner(), None).await
            }
            Support::OrganizationDo(id, deed) => self.change_organization(id, *deed).await,
            Support::Trial(id) if self.is_post() => self.begin_trial(id).await,
            Support::Trial(id) => self.trial(id).await,
            Support::PropertyDo(id, property, deed) => self.change_property(id, property, *deed).await,
            Support::SignOns => self.sign_ons().await,
            Support::Mail => self.mailbox().await,
            Support::MailMessage(id) => self.mail_message(*id).await,
        }
    }

    /// A refusal for which the handler has no page of its own.
    pub(super) fn support_refusal(&self, page: &Support, refused: &Refused) -> Reply {
        let (status, agent) = (status_of(refused), self.agent());
        let (section, back_url) = place_of(page);
        let view = if status == StatusCode::NOT_FOUND {
            Refusal::NoSuch { agent, section }
        } else {
            Refusal::Refused { agent, section, sentence: sentence(&refused.to_string()), back_url }
        };
        Reply::Page(status, view.render(self.brand()))
    }

    /// There is no such thing.
    fn no_such(&self, section: Section) -> Reply {
        let view = Refusal::NoSuch { agent: self.agent(), section };
        Reply::Page(StatusCode::NOT_FOUND, view.render(self.brand()))
    }

    /// What the redirect after a form says.
    fn done_banner(&self) -> Option<Banner> {
        self.query.get("done").and_then(Done::parse).map(Banner::Done)
    }

    /// Asks before something that hurts; `None` once it has been confirmed.
    fn ask_first(&self, question: Question, (page, deed): (&str, &str), section: Section) -> Option<Reply> {
        if self.form.is_ticked("confirmed") {
            return None;
        }
        let fields = self.form.texts().filter(|(name, _)| *name != "confirmed");
        let view = Confirm {
            agent: self.agent(),
            section,
            question,
            action: format!("{page}/{deed}"),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            cancel_url: page.to_owned(),
        };
        Some(Reply::Page(StatusCode::OK, view.render(self.brand())))
    }

    /// All organizations, for a filter.
    async fn organization_items(
        &self,
        chosen: Option<&OrganizationId>,
    ) -> crate::admin::Result<Vec<SelectItem>> {
        let all = self.admin().organizations().await?;
        let chosen = chosen.map(OrganizationId::as_str);
        Ok(all.iter().map(|one| SelectItem::new(one.id.as_str(), one.name.as_str(), chosen)).collect())
    }

    fn grant_line(&self, grant: &Grant, properties: &[Property]) -> GrantLine {
        GrantLine {
            scope: grant.scope.as_str().to_owned(),
            property: scope_name(&grant.scope, properties),
            level: grant.level.as_str().to_owned(),
            until: grant.until.map(|until| self.moment(until)),
        }
    }

    fn request_line(&self, request: &Request, properties: &[Property]) -> RequestLine {
        RequestLine {
            id: request.id.as_str().to_owned(),
            property: scope_name(&request.wanted.scope, properties),
            level: request.wanted.level.as_str().to_owned(),
            state: request.state,
            filed: self.moment(request.created_at),
        }
    }

    fn expiry(&self, at: Timestamp) -> Expiry {
        let soon = self.now.saturating_add(SOON).unwrap_or(self.now);
        let moment = self.moment(at);
        if at < self.now {
            Expiry::Past(moment)
        } else if at < soon {
            Expiry::Soon(moment)
        } else {
            Expiry::Fine(moment)
        }
    }

    /// The approval as it was typed.
    fn approval(&self) -> ApproveForm<'_> {
        ApproveForm {
            level: self.form.text("level"),
            properties: self.form.fields("property").collect(),
            until: self.form.text("until"),
            note: self.form.text("note"),
        }
    }
}

/// Back to a page, which then says what was done.
fn done(page: &str, done: Done) -> Reply {
    Reply::See(format!("{page}?done={}", done.as_str()))
}

fn changed(page: &str, changed: bool, what: Done) -> Reply {
    done(page, if changed { what } else { Done::Unchanged })
}

/// Where a page stands in the navigation, and where one goes back to from it.
fn place_of(page: &Support) -> (Section, String) {
    let root = "/.anteroom/support";
    match page {
        Support::Queue => (Section::Requests, root.to_owned()),
        Support::Request(id) | Support::RequestDo(id, _) => {
            (Section::Requests, format!("{root}/requests/{id}"))
        }
        Support::Users => (Section::Users, format!("{root}/users")),
        Support::User(id) | Support::UserDo(id, _) => (Section::Users, format!("{root}/users/{id}")),
        Support::Organizations | Support::NewOrganization | Support::OrganizationPreview => {
            (Section::Organizations, format!("{root}/organizations"))
        }
        Support::Organization(id)
        | Support::OrganizationDo(id, _)
        | Support::Trial(id)
        | Support::PropertyDo(id, _, _) => (Section::Organizations, organization_path(id)),
        Support::SignOns => (Section::SignOns, format!("{root}/sign-ons")),
        Support::Mail | Support::MailMessage(_) => (Section::Mail, format!("{root}/mail")),
    }
}

fn organization_path(id: &OrganizationId) -> String {
    format!("/.anteroom/support/organizations/{id}")
}

impl RequestDeed {
    /// What is told once it is done.
    const fn done(self) -> Done {
        match self {
            Self::Take => Done::RequestTaken,
            Self::Approve | Self::Confirm => Done::RequestApproved,
            Self::Ask => Done::RequestAsked,
            Self::Deny => Done::RequestDenied,
        }
    }
}
