//! The pages that people work on, the Manage page and the support console: who may open them, and what goes wrong.
//!
//! Separate because they have one way in and one way out: a live session, a form of our own, a use case on the
//! control runtime, and then a page, or another one that says what was done.
//!
//! Rules: whoever may not open a page learns nothing from it, not even whether something exists; what a use case
//! refuses is told in its own words; after every change all nodes look for it at once.

use std::sync::Arc;

use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use serde_json::Map;

use crate::admin::{self, Actor, Admin, Refused};
use crate::directory::{Account, Property, Role, Scope, Standing};
use crate::pages::support::{Agent, Refusal};
use crate::pages::{ALL_PROPERTIES, Brand, Fault, Field, Moment};
use crate::proxy::{Body, Source};
use crate::routes::form::{Files, Form, Shape};
use crate::routes::negotiation::Audience;
use crate::routes::reply::{self, Decision};
use crate::routes::sign_in::{sign_in_path, waiting_room_path};
use crate::routes::table::{Manage, OrganizationDeed, Place, RequestDeed, Support};
use crate::routes::{Call, Settings, Shared};
use crate::sign_on::Visitor;
use crate::store;
use crate::target::ReturnPath;

/// Everything that the handler of a page has to work with.
pub(super) struct Desk {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: Arc<Settings>,
    /// Who works here.
    pub(super) account: Account,
    /// The same, for the use cases.
    pub(super) actor: Actor,
    /// What was posted; nothing on a page that was opened.
    pub(super) form: Form,
    pub(super) query: Query,
    pub(super) method: Method,
    pub(super) now: Timestamp,
}

/// The parameters of an address.
pub(super) struct Query(Vec<(String, String)>);

/// What a handler answers.
pub(super) enum Reply {
    /// A page.
    Page(StatusCode, String),
    /// A page of which a form leads to an identity provider.
    PageToProvider(StatusCode, String),
    /// Another page, by an address that we have made.
    See(String),
}

/// What handlers return; a refusal is told on a page of its own.
pub(super) type Handled = admin::Result<Reply>;

impl Query {
    fn of(query: Option<&str>) -> Self {
        let pairs = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// The first value of a parameter, if it is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

impl Call {
    /// A page that people work on, opened or posted to.
    pub(super) async fn work(&self, place: Place, request: Request<Source>) -> Response<Body> {
        let is_post = self.method == Method::POST;
        if is_post && !self.is_own_form() {
            return self.fault(&Fault::ForeignForm);
        }
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => self.shared.sign_on.again(&visitor),
            Ok(None) => return self.sign_on_to(&place),
            Err(error) => return self.unavailable(&error),
        };
        if let Some(refusal) = self.refuse_entry(&place, &visitor) {
            return refusal;
        }
        let read = if is_post { Form::read_as(request, place.shape()).await } else { Ok(Form::default()) };
        let form = match read {
            Ok(form) => form,
            Err(problem) => return self.bad_form(problem),
        };
        // Whoever sends slowly may have lost the right meanwhile.
        Box::pin(self.shared.sign_on.caught_up()).await;
        let visitor = self.shared.sign_on.again(&visitor);
        if visitor.live().ended().is_over() {
            return self.sign_on_to(&place);
        }
        if let Some(refusal) = self.refuse_entry(&place, &visitor) {
            return refusal;
        }
        let account = visitor.live().state(visitor.now()).account.clone();
        let desk = Desk {
            shared: Arc::clone(&self.shared),
            settings: Arc::clone(&self.settings),
            actor: Actor::person(&account.user, &self.request_id),
            query: Query::of(self.uri.query()),
            method: self.method.clone(),
            now: visitor.now(),
            account,
            form,
        };
        let user = desk.account.user.id.clone();
        let work = async move { desk.answer(place).await };
        let (reply, code) = self
            .shared
            .control
            .spawn(work)
            .await
            .unwrap_or_else(|error| (Err(store::Error::Unavailable(Box::new(error))), None));
        if is_post {
            self.shared.sign_on.nudge();
            self.shared.courier.nudge();
        }
        match reply {
            Ok(reply) => reply::decided(self.response(reply), Decision::Own, Some(user), code),
            Err(error) => self.unavailable(&error),
        }
    }

    fn response(&self, reply: Reply) -> Response<Body> {
        match reply {
            Reply::Page(status, html) => reply::page(status, html),
            Reply::PageToProvider(status, html) => reply::page_leading_to(status, html, self.login_targets()),
            Reply::See(address) => reply::redirect(&address),
        }
    }

    /// Nobody is signed on: people come back after it, programs are told so.
    fn sign_on_to(&self, place: &Place) -> Response<Body> {
        if self.audience == Audience::Program {
            return self.nobody();
        }
        reply::redirect(&sign_in_path(&self.page_to_open(place)))
    }

    /// The page itself, or the one that stands before a form that was sent.
    fn page_to_open(&self, place: &Place) -> ReturnPath {
        let path = match (&self.method, place) {
            (&Method::POST, Place::Manage(_)) => "/.anteroom/manage",
            (&Method::POST, Place::Support(_)) => "/.anteroom/support",
            _ => self.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
        };
        ReturnPath::parse(path).unwrap_or_else(|_| ReturnPath::root())
    }

    /// The answer to a visitor who may not open the page.
    fn refuse_entry(&self, place: &Place, visitor: &Visitor) -> Option<Response<Body>> {
        let user = visitor.user();
        match (place, visitor.standing()) {
            (_, Standing::Disabled) => Some(self.sign_on_to(place)),
            (Place::Support(_), _) if user.role == Role::Support => None,
            (Place::Manage(_), Standing::Admitted(_)) => None,
            (Place::Manage(_), Standing::Waiting) if self.audience == Audience::Person => {
                Some(reply::redirect(&waiting_room_path(&self.page_to_open(place))))
            }
            (_, _) if self.audience == Audience::Program => {
                Some(reply::problem(StatusCode::FORBIDDEN, FORBIDDEN, &self.request_id, Map::new()))
            }
            (_, _) => {
                let view = Refusal::NotAnAgent { email: user.email.as_str().to_owned() };
                let page = reply::page(StatusCode::FORBIDDEN, view.render(self.brand()));
                Some(reply::decided(page, Decision::Refused, Some(user.id), Some(FORBIDDEN)))
            }
        }
    }
}

impl Place {
    /// What the form of a page may be like.
    const fn shape(&self) -> Shape {
        match self {
            Self::Support(Support::RequestDo(_, RequestDeed::Approve)) => {
                Shape { bytes_max: 256 * 1024, boxes: Some("property"), files: Files::Refused }
            }
            Self::Support(
                Support::OrganizationPreview | Support::OrganizationDo(_, OrganizationDeed::MetadataPreview),
            ) => Shape { bytes_max: METADATA_BYTES_MAX, boxes: None, files: Files::Allowed },
            // What was uploaded for the preview is carried along in a field, with its escapes.
            Self::Support(
                Support::Organizations | Support::OrganizationDo(_, OrganizationDeed::Metadata),
            ) => Shape { bytes_max: 3 * METADATA_BYTES_MAX, boxes: None, files: Files::Allowed },
            Self::Support(Support::OrganizationDo(_, OrganizationDeed::ImportProperties)) => {
                Shape { bytes_max: TABLE_BYTES_MAX, boxes: None, files: Files::Allowed }
            }
            Self::Manage(_) | Self::Support(_) => Shape::plain(FORM_BYTES_MAX),
        }
    }
}

impl Desk {
    /// Answers, and says in which code a refusal goes into the log.
    async fn answer(&self, place: Place) -> (store::Result<Reply>, Option<&'static str>) {
        let handled = match &place {
            Place::Manage(manage) => self.manage(manage).await,
            Place::Support(support) => self.support(support).await,
        };
        match handled {
            Ok(reply) => (Ok(reply), None),
            Err(admin::Error::Store(error)) => (Err(error), None),
            Err(admin::Error::Refused(refused)) => (Ok(self.refusal(&place, &refused)), Some(refused.code())),
        }
    }

    /// A refusal for which the handler has no page of its own.
    fn refusal(&self, place: &Place, refused: &Refused) -> Reply {
        match place {
            Place::Support(support) => self.support_refusal(support, refused),
            Place::Manage(Manage::Page | Manage::Answer(_)) => {
                Reply::Page(status_of(refused), Fault::NotFound.render(self.brand()))
            }
        }
    }

    pub(super) fn admin(&self) -> &Admin {
        &self.shared.admin
    }

    pub(super) fn brand(&self) -> &Brand {
        &self.settings.brand
    }

    pub(super) fn moment(&self, at: Timestamp) -> Moment {
        Moment::new(at, self.now)
    }

    /// Who works at the console, for its pages.
    pub(super) fn agent(&self) -> Agent {
        let user = &self.account.user;
        let name = user.name.as_ref().map_or(user.email.as_str(), |name| name.as_str());
        Agent { name: name.to_owned() }
    }

    /// A field as it was typed, with what is wrong with it.
    pub(super) fn typed(&self, name: &str, refused: Option<&Refused>) -> Field {
        Field { value: self.form.text(name).to_owned(), problem: problem_of(refused, name) }
    }
}

/// Runs a use case on the control runtime. One that panics is a store that did not answer.
pub(super) async fn on_control<T: Send + 'static>(
    shared: &Shared,
    work: impl Future<Output = admin::Result<T>> + Send + 'static,
) -> admin::Result<T> {
    let ended = shared.control.spawn(work).await;
    ended.unwrap_or_else(|error| Err(store::Error::Unavailable(Box::new(error)).into()))
}

/// What is wrong with a field.
pub(super) fn problem_of(refused: Option<&Refused>, field: &str) -> Option<String> {
    let problem = refused?.fields().iter().find(|problem| problem.field == field)?;
    Some(sentence(&problem.message))
}

/// A text of the log as a sentence for people.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let mut sentence: String = chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect();
    if !sentence.ends_with(['.', '!', '?', ':']) {
        sentence.push('.');
    }
    sentence
}

/// A scope as people name it.
pub(super) fn scope_name(scope: &Scope, properties: &[Property]) -> String {
    match scope {
        Scope::AllProperties => ALL_PROPERTIES.to_owned(),
        Scope::Property(id) => {
            let known = properties.iter().find(|property| property.id == *id);
            known.map_or(id.as_str(), |property| property.name.as_str()).to_owned()
        }
    }
}

/// The status of the page that tells of a refusal.
pub(super) const fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::NoSuchUser { .. }
        | Refused::NoSuchUserId { .. }
        | Refused::NoSuchOrganization { .. }
        | Refused::UnknownProperty { .. }
        | Refused::NoSuchRequest { .. } => StatusCode::NOT_FOUND,
        Refused::Stale(_)
        | Refused::Decided { .. }
        | Refused::TakenByAnother { .. }
        | Refused::NothingAsked { .. }
        | Refused::NothingProposed { .. }
        | Refused::NoSuchConflict { .. } => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

const FORBIDDEN: &str = "forbidden";

/// A note of 2,000 characters with its escapes, and a few short fields.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// Ten times what Entra's metadata has.
const METADATA_BYTES_MAX: usize = 1024 * 1024;

/// As much as an import takes, and the frame around it.
const TABLE_BYTES_MAX: usize = admin::TABLE_BYTES_MAX + 4 * 1024;
