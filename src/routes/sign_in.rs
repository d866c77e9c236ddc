//! The sign-on page: the address, the identity provider, and the way back.
//!
//! Separate because it is the first half of the story that every visitor walks through; what it decides is in
//! `sign_on`.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::email::EmailAddress;
use crate::id::ConnectionId;
use crate::pages::{Choice, Fault, Notice, SignIn};
use crate::proxy::{Body, Source};
use crate::routes::Call;
use crate::routes::cookies::Kind;
use crate::routes::form::{Form, Problem};
use crate::routes::reply;
use crate::session::SessionId;
use crate::sign_on::connections::{Connection, Domain};
use crate::sign_on::{Completion, SignedOn};
use crate::target::ReturnPath;

/// The address of the sign-on page that leads to a path.
pub(super) fn sign_in_path(return_path: &ReturnPath) -> String {
    format!("/.anteroom/sign-in?return_to={}", utf8_percent_encode(return_path.as_str(), QUERY_VALUE))
}

/// The address of the Waiting Room that opens on a path.
pub(super) fn waiting_room_path(return_path: &ReturnPath) -> String {
    format!("/.anteroom/waiting-room?return_to={}", utf8_percent_encode(return_path.as_str(), QUERY_VALUE))
}

impl Call {
    /// `GET /.anteroom/sign-in`: asks for the address, or offers the button for the one remembered.
    pub(super) async fn sign_in_page(&self) -> Response<Body> {
        let return_path = self.return_path();
        match self.visitor().await {
            Ok(Some(_)) => return reply::redirect(return_path.as_str()),
            Ok(None) => {}
            Err(error) => return self.unavailable(&error),
        }
        let remembered = self.settings.transport.email(&self.headers);
        let view = match &remembered {
            Some(email) if self.query("another").is_none() => self.way_on(email, &return_path),
            _ => None,
        };
        let email = remembered.as_ref().map(EmailAddress::as_str);
        view.unwrap_or_else(|| self.ask(&return_path, email, None))
    }

    /// `POST /.anteroom/sign-in`: from the address to the identity providers of its domain.
    pub(super) async fn choose_provider(&self, request: Request<Source>) -> Response<Body> {
        let form = match self.own_form(request, FORM_BYTES_MAX).await {
            Ok(form) => form,
            Err(refused) => return refused,
        };
        let return_path = return_path_of(&form);
        let typed = form.field("email").unwrap_or_default().trim();
        let Ok(email) = EmailAddress::parse(typed) else {
            let problem = "Please enter your full work e-mail address, like name@company.com.";
            return self.ask(&return_path, Some(typed), Some(problem));
        };
        if let Some(refusal) = self.limited_by_email(&email) {
            return refusal;
        }
        match self.way_on(&email, &return_path) {
            Some(page) => reply::with_cookie(page, self.settings.transport.set_email(&email)),
            None => self.unknown_domain(&return_path, &email),
        }
    }

    /// `POST /.anteroom/sign-in/start`: on to the identity provider.
    pub(super) async fn start_login(&self, request: Request<Source>) -> Response<Body> {
        let form = match self.own_form(request, FORM_BYTES_MAX).await {
            Ok(form) => form,
            Err(refused) => return refused,
        };
        let return_path = return_path_of(&form);
        let email = form.field("email").and_then(|text| EmailAddress::parse(text.trim()).ok());
        let connection = form.field("connection").and_then(|text| ConnectionId::parse(text).ok());
        if let Some(refusal) = connection.as_ref().and_then(|id| self.limited_by_organization(id)) {
            return refusal;
        }
        let transport = self.settings.transport;
        let tabs = self.shared.sign_on.open_tabs(transport.read(&self.headers, Kind::Tabs));
        let begun = connection.and_then(|connection| {
            self.shared.sign_on.begin(&connection, email.as_ref(), &return_path, tabs)
        });
        let Some(begun) = begun else {
            return self.ask(&return_path, None, Some("Please enter your e-mail address again."));
        };
        let sealed = self.shared.sign_on.seal_tabs(&begun.tabs);
        let response = reply::redirect(begun.redirect_url.as_str());
        reply::with_cookie(response, transport.set_tabs(sealed.as_deref()))
    }

    /// `GET /.anteroom/sign-in/complete`: the browser comes back from the login host, with a one-time code or
    /// with the ID of a request that was answered too late.
    pub(super) async fn complete_login(&self) -> Response<Body> {
        let transport = self.settings.transport;
        let tabs = self.shared.sign_on.open_tabs(transport.read(&self.headers, Kind::Tabs));
        if let Some(late) = self.query("late") {
            return reply::redirect(&sign_in_path(&tabs.return_path(&late).unwrap_or_else(ReturnPath::root)));
        }
        let code = self.query("code").unwrap_or_default();
        let previous = transport.read(&self.headers, Kind::Session).and_then(SessionId::parse);
        let request_id = self.request_id.clone();
        let completion = self
            .off_core(
                |sign_on| async move { sign_on.complete(&code, tabs, previous.as_ref(), &request_id).await },
            )
            .await;
        match completion {
            Ok(Completion::SignedOn(signed_on)) => self.signed_on(&signed_on),
            Ok(Completion::Restart { return_path }) => reply::redirect(&sign_in_path(&return_path)),
            Ok(Completion::OtherBrowser { reference }) => {
                reply::sign_on_refused(self.refused_here(&reference, OTHER_BROWSER), "other_browser")
            }
            Ok(Completion::NotProvisioned { reference }) => {
                reply::sign_on_refused(self.refused_here(&reference, NOT_PROVISIONED), "subject_not_stable")
            }
            Ok(Completion::Conflict { reference }) => {
                let page = self.notice(StatusCode::FORBIDDEN, &Notice::Conflict { reference: &reference });
                reply::sign_on_refused(page, "subject_conflict")
            }
            Ok(Completion::Disabled { email, reference }) => {
                let notice = Notice::Disabled { email: email.as_str(), reference: &reference };
                let page = self.notice(StatusCode::FORBIDDEN, &notice);
                let page = reply::with_cookie(page, transport.clear(Kind::Session));
                reply::sign_on_refused(page, "user_disabled")
            }
            Err(error) => self.unavailable(&error),
        }
    }

    fn signed_on(&self, signed_on: &SignedOn) -> Response<Body> {
        self.shared.sign_on.nudge();
        let transport = self.settings.transport;
        let sealed = self.shared.sign_on.seal_tabs(&signed_on.tabs);
        let response = reply::redirect(signed_on.return_path.as_str());
        let response = reply::with_cookie(response, transport.set_session(&signed_on.session_id));
        let response = reply::with_cookie(response, transport.set_tabs(sealed.as_deref()));
        let response = reply::with_cookie(response, transport.set_email(&signed_on.email));
        reply::sign_on_completed(response)
    }

    fn refused_here(&self, reference: &str, (headline, advice): (&str, &str)) -> Response<Body> {
        let notice = Notice::Refused { reference, headline, advice, restart_url: "/.anteroom/sign-in" };
        self.notice(StatusCode::FORBIDDEN, &notice)
    }

    pub(super) fn notice(&self, status: StatusCode, notice: &Notice<'_>) -> Response<Body> {
        reply::page(status, notice.render(self.brand()))
    }

    /// A form that a page of ours has sent; `Err` is the answer to any other.
    pub(super) async fn own_form(
        &self,
        request: Request<Source>,
        octets_max: usize,
    ) -> Result<Form, Response<Body>> {
        if !self.is_own_form() {
            return Err(self.fault(&Fault::ForeignForm));
        }
        Form::read(request, octets_max).await.map_err(|problem| self.bad_form(problem))
    }

    pub(super) fn bad_form(&self, problem: Problem) -> Response<Body> {
        match problem {
            Problem::Type => self.unsupported_type(),
            Problem::Size => self.fault(&Fault::TooLarge),
            Problem::Content => self.bad_request(),
        }
    }

    /// Where the visitor wanted to go, from the query; the front page if that is no place to go.
    pub(super) fn return_path(&self) -> ReturnPath {
        self.query("return_to")
            .and_then(|text| ReturnPath::parse(&text).ok())
            .unwrap_or_else(ReturnPath::root)
    }

    fn ask(&self, return_path: &ReturnPath, email: Option<&str>, problem: Option<&str>) -> Response<Body> {
        let view = SignIn::Ask {
            return_to: return_path.as_str(),
            email,
            problem,
            other_url: self.settings.other_url.as_deref(),
        };
        let status = if problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        reply::page_leading_to(status, view.render(self.brand()), self.login_targets())
    }

    /// The page that leads on from an address; `None` if nobody signs on with that domain.
    fn way_on(&self, email: &EmailAddress, return_path: &ReturnPath) -> Option<Response<Body>> {
        match self.shared.sign_on.way_of(email.domain()) {
            Domain::Open(connections) => Some(self.choices(&connections, email, return_path)),
            Domain::Paused => {
                let another = format!("{}&another=1", sign_in_path(return_path));
                Some(self.notice(StatusCode::OK, &Notice::Paused { reference: None, restart_url: &another }))
            }
            Domain::NotReady => {
                let another = format!("{}&another=1", sign_in_path(return_path));
                Some(self.notice(StatusCode::OK, &Notice::NotReady { restart_url: &another }))
            }
            Domain::Unknown => None,
        }
    }

    /// The page with the buttons.
    fn choices(
        &self,
        connections: &[Arc<Connection>],
        email: &EmailAddress,
        return_path: &ReturnPath,
    ) -> Response<Body> {
        let labels: Vec<_> = connections.iter().map(|connection| connection.button_label()).collect();
        let choices = connections.iter().zip(&labels).map(|(connection, label)| Choice {
            connection_id: connection.id.as_str(),
            organization_name: connection.organization.name.as_str(),
            button_label: label,
        });
        let view = SignIn::Continue {
            return_to: return_path.as_str(),
            email: email.as_str(),
            choices: choices.collect(),
        };
        reply::page_leading_to(StatusCode::OK, view.render(self.brand()), self.login_targets())
    }

    fn unknown_domain(&self, return_path: &ReturnPath, email: &EmailAddress) -> Response<Body> {
        let view = SignIn::UnknownDomain {
            return_to: return_path.as_str(),
            email: email.as_str(),
            other_url: self.settings.other_url.as_deref(),
        };
        reply::page_leading_to(StatusCode::OK, view.render(self.brand()), self.login_targets())
    }
}

pub(super) fn return_path_of(form: &Form) -> ReturnPath {
    form.field("return_to").and_then(|text| ReturnPath::parse(text).ok()).unwrap_or_else(ReturnPath::root)
}

const OTHER_BROWSER: (&str, &str) = (
    "This sign-in was started in another browser",
    "Please start again here, and finish in the same browser window.",
);

const NOT_PROVISIONED: (&str, &str) = (
    "We could not set up an account for you",
    "Your company's sign-on does not tell us who you are in a lasting way. Please contact support.",
);

/// An address, a connection and a return path.
const FORM_BYTES_MAX: usize = 16 * 1024;

/// What stands for itself in a query value.
const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
