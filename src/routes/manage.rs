//! The Manage page: the New User form, the visitor's own requests, and who of the organization waits.
//!
//! Separate because it is for the application's own users: what support sees is not seen here.

use http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::admin::{self, Filed, Refused, RequestForm, RequestOptions, RequestView, WaitingPerson};
use crate::directory::request::{self, EventKind, Request};
use crate::directory::{DisplayName, Level};
use crate::id::AccessRequestId;
use crate::pages::{
    self, ALL_PROPERTIES, Field, HistoryLine, ManageBanner, MayNotRequest, NewUserForm, OwnRequest, Select,
    SelectItem,
};
use crate::routes::table::Manage;
use crate::routes::work::{Desk, Handled, Reply, problem_of, sentence, status_of};
use crate::store;

/// What a page shows that was not there when it was opened.
#[derive(Default)]
struct News<'a> {
    banner: Option<ManageBanner>,
    /// What is wrong with the New User form.
    form: Option<&'a Refused>,
    /// The answer to a question that was not taken, and what is wrong with it.
    answer: Option<(&'a AccessRequestId, &'a Refused)>,
}

impl Desk {
    /// `/.anteroom/manage` and below.
    pub(super) async fn manage(&self, manage: &Manage) -> Handled {
        match manage {
            Manage::Page if self.is_post() => self.file_request().await,
            Manage::Page => {
                let banner = self.manage_done().await?;
                self.manage_page(StatusCode::OK, News { banner, ..News::default() }).await
            }
            Manage::Answer(id) => self.answer_question(id).await,
        }
    }

    async fn file_request(&self) -> Handled {
        let form = RequestForm {
            property: self.form.text("property"),
            email: self.form.text("email"),
            name: self.form.text("name"),
            level: self.form.text("level"),
            note: self.form.text("note"),
        };
        match self.admin().file_request(&self.account, &form, &self.actor).await {
            Ok(Filed::Filed(request)) => Ok(done("filed", &request)),
            Ok(Filed::Merged(request)) => Ok(done("merged", &request)),
            Ok(Filed::AlreadyHasAccess { email, level }) => {
                let options = self.admin().request_options(&self.account).await?;
                let property =
                    options.map_or_else(String::new, |options| property_name(&options, form.property));
                let (person, level) = (email.as_str().to_owned(), level.as_str().to_owned());
                let banner = Some(ManageBanner::HasAccess { person, level, property });
                self.manage_page(StatusCode::UNPROCESSABLE_ENTITY, News { banner, ..News::default() }).await
            }
            Err(admin::Error::Refused(Refused::MayNotRequest)) => self.may_not_request().await,
            Err(admin::Error::Refused(refused)) => {
                let is_of_fields = !refused.fields().is_empty();
                let banner = (!is_of_fields).then(|| ManageBanner::Refused(sentence(&refused.to_string())));
                let news = News { banner, form: Some(&refused), ..News::default() };
                self.manage_page(status_of(&refused), news).await
            }
            Err(error) => Err(error),
        }
    }

    async fn answer_question(&self, id: &AccessRequestId) -> Handled {
        let version = self.form.text("version").parse().unwrap_or_default();
        let text = self.form.text("text");
        let answered = self.admin().answer_request(&self.account, id, version, text, &self.actor).await;
        let refused = match answered {
            Ok(request) => return Ok(done("answered", &request)),
            Err(admin::Error::Refused(refused @ Refused::NoSuchRequest { .. })) => return Err(refused.into()),
            Err(admin::Error::Refused(refused)) => refused,
            Err(error) => return Err(error),
        };
        let banner = if refused.fields().is_empty() {
            let request = self.admin().request(id).await?.request;
            Some(ManageBanner::Stale { person: person_of(&request), state: request.state })
        } else {
            None
        };
        let news = News { banner, answer: Some((id, &refused)), ..News::default() };
        self.manage_page(status_of(&refused), news).await
    }

    /// What the redirect after a form says; only of the visitor's own requests.
    async fn manage_done(&self) -> admin::Result<Option<ManageBanner>> {
        let id = self.query.get("request").and_then(|id| AccessRequestId::parse(id).ok());
        let (Some(code), Some(id)) = (self.query.get("done"), id) else { return Ok(None) };
        let found = self.admin().own_request(&self.account.user.id, &id).await?;
        let Some(request) = found else { return Ok(None) };
        let (person, id) = (person_of(&request), request.id.as_str().to_owned());
        Ok(match code {
            "filed" => Some(ManageBanner::Filed { person, id }),
            "merged" => {
                let first = Some(request.requester()).filter(|first| first.user != self.account.user.id);
                let first = first.map(|first| named(first.name.as_ref(), first.email.as_str()));
                Some(ManageBanner::Merged { person, id, first })
            }
            "answered" => Some(ManageBanner::Answered { person }),
            _ => None,
        })
    }

    async fn manage_page(&self, status: StatusCode, news: News<'_>) -> Handled {
        let Some(options) = self.admin().request_options(&self.account).await? else {
            return self.may_not_request().await;
        };
        let page = self.page();
        let own = self.admin().own_requests(&self.account.user.id, page - 1).await?;
        let waiting = self.admin().waiting_people(&self.account).await?;
        let user = &self.account.user;
        let view = pages::Manage {
            visitor: named(user.name.as_ref(), user.email.as_str()),
            organization_name: options.organization.name.as_str().to_owned(),
            form: self.new_user_form(&options, news.form),
            requests: own.views.into_iter().map(|view| self.own_request(view, news.answer)).collect(),
            older_url: own.has_more.then(|| format!("/.anteroom/manage?page={}#requests", page + 1)),
            waiting: waiting.iter().map(|person| self.waiting_person(person, &options)).collect(),
            banner: news.banner,
        };
        Ok(Reply::Page(status, view.render(self.brand())))
    }

    /// The page of the visitor's own requests, from 1; what comes after a form is always on the first.
    fn page(&self) -> u32 {
        let page = self.query.get("page").filter(|_| !self.is_post()).and_then(|page| page.parse().ok());
        page.unwrap_or(1).clamp(1, PAGES_MAX)
    }

    async fn may_not_request(&self) -> Handled {
        let user = &self.account.user;
        let levels = self.admin().settings().may_request.clone();
        let managers = managers_of(&*self.shared.store, user, &levels, self.now).await?;
        let view = MayNotRequest { email: user.email.as_str().to_owned(), managers };
        Ok(Reply::Page(StatusCode::FORBIDDEN, view.render(self.brand())))
    }

    /// The form with what was typed, or what the address asks for.
    fn new_user_form(&self, options: &RequestOptions, refused: Option<&Refused>) -> NewUserForm {
        let typed = |name: &str| {
            let value = if self.is_post() { self.form.field(name) } else { self.query.get(name) };
            Field { value: value.unwrap_or_default().to_owned(), problem: problem_of(refused, name) }
        };
        let all = (!options.all_properties.is_empty()).then_some(("*", ALL_PROPERTIES));
        let each = options.properties.iter();
        let each = each.map(|option| (option.property.id.as_str(), option.property.name.as_str()));
        let levels = options.levels.iter().map(|level| (level.as_str(), level.as_str()));
        NewUserForm {
            property: select(each.chain(all), typed("property")),
            level: select(levels, typed("level")),
            email: typed("email"),
            name: typed("name"),
            note: typed("note"),
        }
    }

    fn own_request(&self, view: RequestView, answer: Option<(&AccessRequestId, &Refused)>) -> OwnRequest {
        let RequestView { request, history, property } = view;
        let answer = answer.filter(|(id, _)| **id == request.id);
        OwnRequest {
            version: request.version,
            name: request.wanted.name.as_ref().map(|name| name.as_str().to_owned()),
            email: request.wanted.email.as_str().to_owned(),
            property: property.map_or_else(
                || scope_without_property(&request),
                |property| property.name.as_str().to_owned(),
            ),
            level: request.wanted.level.as_str().to_owned(),
            state: request.state,
            reason: request.reason.as_ref().map(|reason| reason.as_str().to_owned()),
            filed: self.moment(request.created_at),
            history: history.into_iter().map(|event| self.own_history(event)).collect(),
            answer: answer.map_or_else(Field::default, |(_, refused)| Field {
                value: self.form.text("text").to_owned(),
                problem: problem_of(Some(refused), "answer"),
            }),
            id: request.id.as_str().to_owned(),
        }
    }

    /// Requesters see that support did something, not who of support.
    fn own_history(&self, event: request::Event) -> HistoryLine {
        let actor = match event.kind {
            EventKind::Filed | EventKind::Merged | EventKind::Answered => event.actor,
            EventKind::Taken
            | EventKind::Asked
            | EventKind::Proposed
            | EventKind::Approved
            | EventKind::Denied => "Support".to_owned(),
        };
        HistoryLine {
            at: self.moment(event.at),
            actor,
            kind: event.kind,
            text: event.text.map(|text| text.as_str().to_owned()),
        }
    }

    fn waiting_person(&self, person: &WaitingPerson, options: &RequestOptions) -> pages::WaitingPerson {
        let user = &person.account.user;
        let offered = person
            .property
            .as_ref()
            .filter(|property| options.properties.iter().any(|option| option.property.id == property.id));
        let said = person.workplace.as_ref().and_then(|workplace| workplace.text.as_ref());
        let places = [person.property.as_ref().map(|property| &property.name), said];
        let places: Vec<_> = places.into_iter().flatten().map(DisplayName::as_str).collect();
        pages::WaitingPerson {
            email: user.email.as_str().to_owned(),
            name: user.name.as_ref().map(|name| name.as_str().to_owned()),
            workplace: (!places.is_empty()).then(|| places.join(", ")),
            property_id: offered.map(|property| property.id.as_str().to_owned()),
            since: self.moment(user.last_sign_on_at.unwrap_or(user.created_at)),
            is_asked_for: !person.open_requests.is_empty(),
        }
    }

    pub(super) fn is_post(&self) -> bool {
        self.method == Method::POST
    }
}

/// Names of people of an organization who may ask for others to be let in.
pub(super) async fn managers_of(
    store: &dyn store::Store,
    user: &crate::directory::User,
    levels: &[Level],
    now: jiff::Timestamp,
) -> store::Result<Vec<String>> {
    let managers = store.holders(&user.organization, levels, None, now, MANAGERS_MAX).await?;
    let names = managers.iter().map(|account| &account.user);
    Ok(names.map(|user| named(user.name.as_ref(), user.email.as_str())).collect())
}

/// Back to the page, which then says what was done.
fn done(code: &str, request: &Request) -> Reply {
    let id = utf8_percent_encode(request.id.as_str(), NON_ALPHANUMERIC);
    Reply::See(format!("/.anteroom/manage?done={code}&request={id}"))
}

fn person_of(request: &Request) -> String {
    named(request.wanted.name.as_ref(), request.wanted.email.as_str())
}

/// A field with items, of which the one is chosen that was typed.
pub(super) fn select<'a>(items: impl Iterator<Item = (&'a str, &'a str)>, typed: Field) -> Select {
    let items = items.map(|(value, label)| SelectItem::new(value, label, Some(&typed.value)));
    Select { items: items.collect(), problem: typed.problem }
}

/// The name, or else the address.
pub(super) fn named(name: Option<&DisplayName>, email: &str) -> String {
    name.map_or(email, DisplayName::as_str).to_owned()
}

fn property_name(options: &RequestOptions, typed: &str) -> String {
    let typed = typed.trim();
    let found = options.properties.iter().find(|option| option.property.id.as_str() == typed);
    found.map_or(ALL_PROPERTIES, |option| option.property.name.as_str()).to_owned()
}

fn scope_without_property(request: &Request) -> String {
    crate::routes::work::scope_name(&request.wanted.scope, &[])
}

/// Nobody reads on for so long.
const PAGES_MAX: u32 = 10_000;

/// Names on a page of whom to ask.
const MANAGERS_MAX: u32 = 5;
