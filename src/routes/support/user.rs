//! One user: everything that is known, and everything that an agent can change about it.
//!
//! Separate because it is the one page from which access is given and taken without a request.

use http::StatusCode;

use crate::admin::{self, FieldProblem, GrantToMake, Granted, Refused, UserPage, parse_until};
use crate::directory::{Account, Role, Scope};
use crate::email::EmailAddress;
use crate::id::UserId;
use crate::pages::support::{
    Banner, ConflictLine, Done, GrantForm, Question, RequestLine, Section, SessionLine,
};
use crate::pages::{ALL_PROPERTIES, support};
use crate::routes::manage::{named, select};
use crate::routes::support::request::workplace_of;
use crate::routes::support::sign_ons::sign_on_line;
use crate::routes::support::{changed, done};
use crate::routes::table::UserDeed;
use crate::routes::work::{Desk, Handled, Reply, scope_name, sentence, status_of};
use crate::store::{RequestFilter, SessionView};

impl Desk {
    /// `POST /.anteroom/support/users/{id}/…`.
    pub(super) async fn change_user(&self, id: &UserId, deed: UserDeed) -> Handled {
        let account = self.admin().user_by_id(id).await?;
        let page = format!("/.anteroom/support/users/{id}");
        match self.do_to_user(&account, deed, &page).await {
            Err(admin::Error::Refused(refused)) => {
                let is_of_fields = !refused.fields().is_empty();
                let banner = (!is_of_fields).then(|| Banner::Refused(sentence(&refused.to_string())));
                self.user_page(id, status_of(&refused), banner, Some(&refused)).await
            }
            handled => handled,
        }
    }

    async fn do_to_user(&self, account: &Account, deed: UserDeed, page: &str) -> Handled {
        let (admin, actor) = (self.admin(), &self.actor);
        let email = &account.user.email;
        let person = named(account.user.name.as_ref(), email.as_str());
        let ask = |question, deed| self.ask_first(question, (page, deed), Section::Users);
        Ok(match deed {
            UserDeed::Grant => match admin.grant(email, self.grant_to_make()?, actor).await? {
                Granted::Done(outcome) => changed(page, outcome.changed, Done::Granted),
                Granted::Proposed(_) => done(page, Done::GrantProposed),
            },
            UserDeed::Revoke => return self.revoke(account, page).await,
            UserDeed::Disable => match ask(Question::Disable { person }, "disable") {
                Some(question) => question,
                None => changed(page, admin.disable(email, actor).await?.changed, Done::Disabled),
            },
            UserDeed::Enable => changed(page, admin.enable(email, actor).await?.changed, Done::Enabled),
            UserDeed::Role => return self.set_role(email, person, page).await,
            UserDeed::Conflict => return self.settle_conflict(account, person, page).await,
            UserDeed::Unbind => match ask(Question::Unbind { person }, "unbind") {
                Some(question) => question,
                None => changed(page, admin.unbind(email, actor).await?.changed, Done::Unbound),
            },
            UserDeed::SignOut => {
                if let Some(question) = ask(Question::SignOut { person }, "sign-out") {
                    return Ok(question);
                }
                admin.revoke_sessions_of(email, actor).await?;
                done(page, Done::SignedOut)
            }
        })
    }

    fn grant_to_make(&self) -> Result<GrantToMake, Refused> {
        let problem = |field, message| Refused::Fields(vec![FieldProblem { field, message }]);
        let scope = match self.form.text("property").trim() {
            "" => return Err(problem("property", "choose a property".to_owned())),
            text => Scope::parse(text).map_err(|error| problem("property", error.to_string()))?,
        };
        let until = match self.form.text("until").trim() {
            "" => None,
            text => Some(parse_until(text).map_err(|error| problem("until", error.to_string()))?),
        };
        Ok(GrantToMake { scope, level: self.form.text("level").to_owned(), until })
    }

    async fn revoke(&self, account: &Account, page: &str) -> Handled {
        let scope = Scope::parse(self.form.text("scope"));
        let held = scope.ok().and_then(|scope| account.grants.iter().find(|grant| grant.scope == scope));
        let Some(grant) = held else { return Ok(done(page, Done::Unchanged)) };
        let user = &account.user;
        let properties = self.admin().properties(Some(&user.organization)).await?;
        let question = Question::Revoke {
            person: named(user.name.as_ref(), user.email.as_str()),
            access: format!("{}, {}", grant.level, scope_name(&grant.scope, &properties)),
            is_last: account.grants.len() == 1,
        };
        if let Some(question) = self.ask_first(question, (page, "revoke"), Section::Users) {
            return Ok(question);
        }
        let outcome = self.admin().revoke(&user.email, Some(grant.scope.clone()), &self.actor).await?;
        Ok(changed(page, outcome.changed, Done::Revoked))
    }

    async fn set_role(&self, email: &EmailAddress, person: String, page: &str) -> Handled {
        let Some(role) = Role::parse(self.form.text("role")) else { return Ok(done(page, Done::Unchanged)) };
        let question = match role {
            Role::Support => Question::MakeAgent { person },
            Role::Member => Question::MakeMember { person },
        };
        if let Some(question) = self.ask_first(question, (page, "role"), Section::Users) {
            return Ok(question);
        }
        let outcome = self.admin().set_role(email, role, &self.actor).await?;
        Ok(changed(page, outcome.changed, Done::RoleChanged))
    }

    /// Binds the account to who has signed on, or leaves it as it was.
    async fn settle_conflict(&self, account: &Account, person: String, page: &str) -> Handled {
        let reference = self.form.text("reference");
        let conflicts = self.admin().user_page(&account.user.id).await?.person.conflicts;
        let conflict = conflicts.into_iter().find(|conflict| conflict.reference == reference);
        let conflict = conflict.ok_or_else(|| Refused::NoSuchConflict { reference: reference.to_owned() })?;
        if self.form.text("decision") != "bind" {
            self.admin().dismiss_conflict(reference, &self.actor).await?;
            return Ok(done(page, Done::ConflictDismissed));
        }
        let question = Question::Bind { person, subject: conflict.subject.key };
        if let Some(question) = self.ask_first(question, (page, "conflict"), Section::Users) {
            return Ok(question);
        }
        let outcome = self.admin().bind_conflict(reference, &self.actor).await?;
        Ok(changed(page, outcome.changed, Done::ConflictBound))
    }

    /// `GET /.anteroom/support/users/{id}`.
    pub(super) async fn user_page(
        &self,
        id: &UserId,
        status: StatusCode,
        banner: Option<Banner>,
        refused: Option<&Refused>,
    ) -> Handled {
        let page = self.admin().user_page(id).await?;
        let organizations = self.admin().organizations().await?;
        let filed = RequestFilter {
            requester: Some(id.clone()),
            newest_first: true,
            limit: FILED_LISTED_MAX,
            ..RequestFilter::default()
        };
        let filed = self.admin().request_lines(&filed).await?;
        let properties = &page.properties;
        let user = &page.person.account.user;
        let grants = page.person.account.grants.iter().filter(|grant| grant.holds_at(self.now));
        let view = support::UserPage {
            agent: self.agent(),
            banner,
            id: user.id.as_str().to_owned(),
            name: user.name.as_ref().map(|name| name.as_str().to_owned()),
            email: user.email.as_str().to_owned(),
            organization_id: user.organization.as_str().to_owned(),
            organization: page.organization.organization.name.as_str().to_owned(),
            state: user.state,
            role: user.role,
            subject: user.subject.as_ref().map(|subject| subject.key.clone()),
            created: self.moment(user.created_at),
            last_sign_on: user.last_sign_on_at.map(|at| self.moment(at)),
            workplace: workplace_of(&page.person, properties),
            grants: grants.map(|grant| self.grant_line(grant, properties)).collect(),
            grant: self.grant_form(&page, refused),
            conflicts: self.conflict_lines(&page),
            sessions: self.session_lines(&page.person.sessions),
            sign_ons: page
                .person
                .sign_ons
                .iter()
                .map(|entry| sign_on_line(entry, &organizations, self.now))
                .collect(),
            requests: page.requests.iter().map(|request| self.request_line(request, properties)).collect(),
            filed: filed
                .into_iter()
                .map(|line| RequestLine {
                    property: line.property,
                    ..self.request_line(&line.request, properties)
                })
                .collect(),
        };
        Ok(Reply::Page(status, view.render(self.brand())))
    }

    fn grant_form(&self, page: &UserPage, refused: Option<&Refused>) -> GrantForm {
        let settings = self.admin().settings();
        let levels = settings.levels.names().iter().map(|name| (name.as_str(), name.as_str()));
        let open = page.properties.iter().filter(|property| property.retired_at.is_none());
        let properties = open.map(|property| (property.id.as_str(), property.name.as_str()));
        GrantForm {
            property: select(properties.chain([("*", ALL_PROPERTIES)]), self.typed("property", refused)),
            level: select(levels, self.typed("level", refused)),
            until: self.typed("until", refused),
        }
    }

    fn conflict_lines(&self, page: &UserPage) -> Vec<ConflictLine> {
        let line = |conflict: &crate::directory::SubjectConflict| ConflictLine {
            reference: conflict.reference.clone(),
            subject: conflict.subject.key.clone(),
            name: conflict.name.as_ref().map(|name| name.as_str().to_owned()),
            at: self.moment(conflict.at),
        };
        page.person.conflicts.iter().map(line).collect()
    }

    /// The sessions that are alive.
    fn session_lines(&self, sessions: &[SessionView]) -> Vec<SessionLine> {
        let lifetimes = self.shared.sign_on.settings().lifetimes;
        let sessions = sessions.iter().map(|view| &view.session);
        let alive =
            sessions.filter(|session| lifetimes.is_alive(session.ends_at, session.last_seen_at, self.now));
        let line = |session: &crate::session::Session| SessionLine {
            name: session.name.as_str().to_owned(),
            begun: self.moment(session.created_at),
            last_seen: self.moment(session.last_seen_at),
        };
        alive.map(line).collect()
    }
}

/// As many as fit on the page beside everything else.
const FILED_LISTED_MAX: u32 = 50;
