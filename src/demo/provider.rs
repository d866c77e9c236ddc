//! An identity provider shaped as Microsoft Entra ID, without passwords: whoever is clicked is signed on.
//!
//! Separate because it is the other party of every sign-on and shares no code with the side that verifies.
//!
//! | path | what |
//! |---|---|
//! | `GET /TENANT/saml2` | a request by HTTP-Redirect: asks who it is, or with a `login_hint`, whether it is them |
//! | `POST /TENANT/saml2` | the same by HTTP-POST; with `account`, the answer: a page that posts itself |
//! | `GET /TENANT/federationmetadata/2007-06/federationmetadata.xml` | the Federation Metadata |

mod key;
mod metadata;
mod request;
mod response;

use std::net::SocketAddr;
use std::sync::Arc;

use askama::Template;
use async_trait::async_trait;
use http::{Method, StatusCode};
use hyper::body::Incoming;

use crate::clock::Clock;
use crate::demo::listener::{Reply, Site, field, form_of, html, with_type};
use crate::demo::people::{EVERYBODY, Person};
use crate::demo::provider::key::Key;
use crate::demo::provider::request::{Refused, Request};
use crate::demo::provider::response::Answer;
use crate::id::{Randomness, SystemRandomness, random_hex};

pub(crate) use request::Registration;

/// The demo's tenant.
const TENANT: &str = "8f2d5c10-7b3e-4d69-9c51-3a0be7c4d2f6";

/// Where the Federation Metadata is.
pub(crate) const METADATA_PATH: &str =
    "/8f2d5c10-7b3e-4d69-9c51-3a0be7c4d2f6/federationmetadata/2007-06/federationmetadata.xml";

/// The identity provider.
pub(crate) struct Provider {
    sso_url: String,
    metadata: String,
    registration: Registration,
    key: Key,
    clock: Arc<dyn Clock>,
}

impl Provider {
    /// A provider with a new key, for one registered application.
    pub(crate) fn new(
        address: SocketAddr,
        registration: Registration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let key = Key::generate(clock.now())?;
        let sso_url = format!("http://{address}{SSO_PATH}");
        let metadata = metadata::document(TENANT, &sso_url, &fresh_id(), &key)?;
        Ok(Self { sso_url, metadata, registration, key, clock })
    }

    /// The Federation Metadata, as a customer would send it.
    pub(crate) fn metadata(&self) -> &str {
        &self.metadata
    }

    fn start(&self, query: &str) -> Reply {
        let fields: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        match Request::read_deflated(field(&fields, "SAMLRequest").unwrap_or_default(), &self.registration) {
            Ok(request) => self.ask(&request, &fields),
            Err(refused) => refuse(refused),
        }
    }

    fn proceed(&self, fields: &[(String, String)]) -> Reply {
        let request =
            match Request::read_plain(field(fields, "SAMLRequest").unwrap_or_default(), &self.registration) {
                Ok(request) => request,
                Err(refused) => return refuse(refused),
            };
        match field(fields, "account").and_then(Person::by_email) {
            Some(person) => self.answer_with(&request, person, field(fields, "RelayState")),
            None => self.ask(&request, fields),
        }
    }

    fn ask(&self, request: &Request, fields: &[(String, String)]) -> Reply {
        page(
            StatusCode::OK,
            &AskPage {
                sso_url: &self.sso_url,
                request: &request.to_field(),
                relay_state: field(fields, "RelayState"),
                hinted: field(fields, "login_hint").and_then(Person::by_email),
                everybody: &EVERYBODY,
            },
        )
    }

    fn answer_with(&self, request: &Request, person: &Person, relay_state: Option<&str>) -> Reply {
        let answer = Answer {
            person,
            tenant: TENANT,
            in_response_to: &request.id,
            registration: &self.registration,
            response_id: fresh_id(),
            assertion_id: fresh_id(),
            now: self.clock.now(),
        };
        match answer.to_field(&self.key) {
            Ok(response) => page(
                StatusCode::OK,
                &AnswerPage { reply_url: &self.registration.reply_url, response: &response, relay_state },
            ),
            Err(error) => with_type(StatusCode::INTERNAL_SERVER_ERROR, TEXT, error.to_string()),
        }
    }
}

#[async_trait]
impl Site for Provider {
    async fn answer(&self, request: http::Request<Incoming>) -> Reply {
        let path = request.uri().path().to_ascii_lowercase();
        match (request.method(), path.as_str()) {
            (&Method::GET, SSO_PATH) => self.start(request.uri().query().unwrap_or_default()),
            (&Method::POST, SSO_PATH) => match form_of(request).await {
                Some(fields) => self.proceed(&fields),
                None => refuse(Refused::Malformed),
            },
            (&Method::GET, METADATA_PATH) => {
                with_type(StatusCode::OK, "application/samlmetadata+xml", self.metadata.clone())
            }
            (_, SSO_PATH) => with_type(StatusCode::METHOD_NOT_ALLOWED, TEXT, "Only GET and POST."),
            _ => with_type(StatusCode::NOT_FOUND, TEXT, "There is no such page here, or no such tenant."),
        }
    }
}

fn refuse(refused: Refused) -> Reply {
    page(StatusCode::BAD_REQUEST, &RefusedPage { reason: refused.to_string() })
}

fn page(status: StatusCode, template: &impl Template) -> Reply {
    html(status, template.render().expect("rendering to memory does not fail"))
}

/// An XML ID: no digit first.
fn fresh_id() -> String {
    let randomness: &dyn Randomness = &SystemRandomness;
    format!("_{}", random_hex(randomness))
}

#[derive(Template)]
#[template(path = "demo/provider_ask.html")]
struct AskPage<'a> {
    sso_url: &'a str,
    request: &'a str,
    relay_state: Option<&'a str>,
    hinted: Option<&'static Person>,
    everybody: &'a [&'static Person],
}

#[derive(Template)]
#[template(path = "demo/provider_answer.html")]
struct AnswerPage<'a> {
    reply_url: &'a str,
    response: &'a str,
    relay_state: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "demo/provider_refused.html")]
struct RefusedPage {
    reason: String,
}

const SSO_PATH: &str = "/8f2d5c10-7b3e-4d69-9c51-3a0be7c4d2f6/saml2";
const TEXT: &str = "text/plain; charset=utf-8";

#[cfg(test)]
mod tests;
