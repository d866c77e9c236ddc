//! The Waiting Room: where things stand for somebody who is not let in yet, and where they work.
//!
//! Separate because it is the one page of somebody who may do nothing else: it shows their own state alone. What
//! keeps an open page true stands in `events`.

mod events;

use std::sync::Arc;

use http::{Request, Response, StatusCode};

use crate::admin::{self, Actor, Progress, Refused, RoomView};
use crate::directory::request::State;
use crate::directory::{Account, Note, Role, Scope, Standing, Workplace};
use crate::pages::{
    Fault, Field, Moment, Select, SelectItem, Told, WaitingRoom, WaitingState, WorkplaceForm,
};
use crate::proxy::{Body, Source};
use crate::routes::form::Form;
use crate::routes::manage::managers_of;
use crate::routes::negotiation::Audience;
use crate::routes::reply::{self, Decision};
use crate::routes::sign_in::{return_path_of, sign_in_path, waiting_room_path};
use crate::routes::work::{on_control, problem_of, scope_name};
use crate::routes::{Call, Shared};
use crate::sign_on::Visitor;
use crate::store::RequestFilter;
use crate::target::ReturnPath;

pub use events::OpenPages;

/// What the page is made from.
struct Room {
    view: RoomView,
    /// Whether the person was let in before.
    is_ended: bool,
    /// Whom to ask.
    managers: Vec<String>,
    /// How many were told where the person works.
    managers_told: usize,
}

impl Call {
    /// `GET /.anteroom/waiting-room`.
    pub(super) async fn waiting_room(&self) -> Response<Body> {
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => self.shared.sign_on.again(&visitor),
            Ok(None) => return reply::redirect(&sign_in_path(&self.return_path())),
            Err(error) => return self.unavailable(&error),
        };
        let return_path = self.wanted(&visitor);
        match visitor.standing() {
            Standing::Waiting => {}
            Standing::Admitted(_) => return reply::redirect(return_path.as_str()),
            // Shut out this very moment; the session is about to end.
            Standing::Disabled => return reply::redirect(&sign_in_path(&return_path)),
        }
        self.waiting_room_page(&visitor, &return_path, None).await
    }

    /// `POST /.anteroom/waiting-room`: where the visitor works.
    pub(super) async fn say_workplace(&self, request: Request<Source>) -> Response<Body> {
        if !self.is_own_form() {
            return self.fault(&Fault::ForeignForm);
        }
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => self.shared.sign_on.again(&visitor),
            Ok(None) if self.audience == Audience::Program => return self.nobody(),
            Ok(None) => return reply::redirect(&sign_in_path(&ReturnPath::root())),
            Err(error) => return self.unavailable(&error),
        };
        let form = match Form::read(request, FORM_BYTES_MAX).await {
            Ok(form) => form,
            Err(problem) => return self.bad_form(problem),
        };
        let return_path = return_path_of(&form);
        let visitor = self.shared.sign_on.again(&visitor);
        if visitor.live().ended().is_over() {
            return match self.audience {
                Audience::Program => self.nobody(),
                Audience::Person => reply::redirect(&sign_in_path(&return_path)),
            };
        }
        if !matches!(visitor.standing(), Standing::Waiting) {
            return reply::redirect(return_path.as_str());
        }
        let said = (form.text("property").to_owned(), form.text("text").to_owned());
        let (admin, account) = (Arc::clone(&self.shared.admin), account_of(&visitor));
        let actor = Actor::person(&account.user, &self.request_id);
        let work = async move { admin.say_workplace(&account, (&said.0, &said.1), &actor).await };
        match on_control(&self.shared, work).await {
            Ok(_) => {
                self.shared.courier.nudge();
                reply::redirect(&waiting_room_path(&return_path))
            }
            Err(admin::Error::Store(error)) => self.unavailable(&error),
            Err(admin::Error::Refused(refused)) => {
                self.waiting_room_page(&visitor, &return_path, Some((&form, &refused))).await
            }
        }
    }

    /// The page; with what was typed and why it was not taken, if so.
    async fn waiting_room_page(
        &self,
        visitor: &Visitor,
        return_path: &ReturnPath,
        refused: Option<(&Form, &Refused)>,
    ) -> Response<Body> {
        let account = account_of(visitor);
        let room = match on_control(
            &self.shared,
            Room::of(Arc::clone(&self.shared), account.clone(), visitor.now()),
        )
        .await
        {
            Ok(room) => room,
            Err(admin::Error::Store(error)) => return self.unavailable(&error),
            // The organization has been removed this very moment.
            Err(admin::Error::Refused(_)) => return self.bad_request(),
        };
        let user = &account.user;
        let connections = self.shared.sign_on.connections();
        let connection = connections.by_id(&visitor.live().session().connection);
        let organization = connection.map_or(user.organization.as_str(), |c| c.organization.name.as_str());
        let page_path = waiting_room_path(return_path);
        let events_path = page_path.replacen("waiting-room?", "waiting-room/events?", 1);
        let events_url = format!("{events_path}&told={}", events::told_of(&room.view.progress));
        let moment = |at| Moment::new(at, visitor.now());
        let view = WaitingRoom {
            email: user.email.as_str(),
            name: user.name.as_ref().map(crate::directory::DisplayName::as_str),
            organization_name: organization,
            managers: room.managers.iter().map(String::as_str).collect(),
            events_url: &events_url,
            return_to: return_path.as_str(),
            state: waiting_state(&room, moment),
            told: room.view.workplace.as_ref().map(|workplace| Told {
                workplace: place_of(workplace, &room.view),
                at: moment(workplace.at),
                managers: room.managers_told,
            }),
            workplace: workplace_form(&room.view, refused),
            is_saying: self.query("say").is_some(),
            is_agent: user.role == Role::Support,
        };
        let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        let page = reply::page(status, view.render(self.brand()));
        let code = refused.map(|(_, refused)| refused.code());
        reply::decided(page, Decision::WaitingRoom, Some(user.id.clone()), code)
    }

    /// The path that this tab asked for, else the one asked for last in this session.
    fn wanted(&self, visitor: &Visitor) -> ReturnPath {
        self.query("return_to")
            .and_then(|text| ReturnPath::parse(&text).ok())
            .unwrap_or_else(|| visitor.live().wanted())
    }
}

impl Room {
    async fn of(shared: Arc<Shared>, account: Account, now: jiff::Timestamp) -> admin::Result<Self> {
        let (admin, store, user) = (&shared.admin, &*shared.store, &account.user);
        let levels = admin.settings().may_request.clone();
        let view = admin.waiting_room(&account).await?;
        let is_ended = view.progress == Progress::NotRequested && {
            let newest = RequestFilter {
                organization: Some(user.organization.clone()),
                email: Some(user.email.clone()),
                newest_first: true,
                limit: 1,
                ..RequestFilter::default()
            };
            store.requests(&newest).await?.first().is_some_and(|request| request.state == State::Approved)
        };
        let managers_told = match &view.workplace {
            None => 0,
            Some(workplace) => {
                let property = workplace.property.as_ref();
                let told = store.holders(&user.organization, &levels, property, now, MANAGERS_TOLD_MAX);
                told.await?.len()
            }
        };
        Ok(Self { managers: managers_of(store, user, &levels, now).await?, view, is_ended, managers_told })
    }
}

/// The account behind a session, as memory has it.
fn account_of(visitor: &Visitor) -> Account {
    visitor.live().state(visitor.now()).account.clone()
}

fn waiting_state(room: &Room, moment: impl Fn(jiff::Timestamp) -> Moment) -> WaitingState {
    let text = |note: Option<Note>| note.map(|note| note.as_str().to_owned()).unwrap_or_default();
    match room.view.progress.clone() {
        Progress::NotRequested if room.is_ended => WaitingState::Ended,
        Progress::NotRequested => WaitingState::NoRequest,
        Progress::Received(asked) => {
            WaitingState::Received { property: asked.property, filed: moment(asked.since) }
        }
        Progress::InWork(asked) => {
            WaitingState::InWork { property: asked.property, filed: moment(asked.since) }
        }
        Progress::NeedsInfo { asked, question } => {
            WaitingState::NeedsInfo { property: asked.property, question: text(question) }
        }
        Progress::Denied { asked, reason, at } => {
            WaitingState::Denied { property: asked.property, reason: text(reason), at: moment(at) }
        }
    }
}

/// A workplace as people name it.
fn place_of(workplace: &Workplace, view: &RoomView) -> String {
    let property = workplace.property.clone().map(|id| scope_name(&Scope::Property(id), &view.properties));
    let text = workplace.text.as_ref().map(|text| text.as_str().to_owned());
    [property, text].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The form with what was typed, or what was said before.
fn workplace_form(view: &RoomView, refused: Option<(&Form, &Refused)>) -> WorkplaceForm {
    let said = view.workplace.as_ref();
    let (property, text) = match refused {
        Some((form, _)) => (form.text("property"), form.text("text")),
        None => (
            said.and_then(|said| said.property.as_ref()).map_or("", |property| property.as_str()),
            said.and_then(|said| said.text.as_ref()).map_or("", |text| text.as_str()),
        ),
    };
    let refused = refused.map(|(_, refused)| refused);
    let items = view.properties.iter();
    let items = items.map(|one| SelectItem::new(one.id.as_str(), one.name.as_str(), Some(property)));
    WorkplaceForm {
        property: Select { items: items.collect(), problem: problem_of(refused, "property") },
        text: Field { value: text.to_owned(), problem: problem_of(refused, "text") },
    }
}

/// A property, a line of text and a return path.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// As many as `admin` tells.
const MANAGERS_TOLD_MAX: u32 = 10;
