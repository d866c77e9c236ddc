//! What identity providers talk to: the assertion consumer service and our metadata.
//!
//! Separate because it lives on the login host, where the browser has none of our cookies: nothing here can
//! begin a session, it can only send the browser on to the application's host.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::pages::Notice;
use crate::proxy::{Body, Source};
use crate::routes::Call;
use crate::routes::form::Form;
use crate::routes::reply::{self, Decision};
use crate::secret::sha256;
use crate::sign_on::Answer;

impl Call {
    /// `POST` to the assertion consumer service (SAML Bindings 3.5.4).
    pub(super) async fn consume_assertion(&self, request: Request<Source>) -> Response<Body> {
        let form = match Form::read(request, RESPONSE_FORM_BYTES_MAX).await {
            Ok(form) => form,
            Err(problem) => return self.bad_form(problem),
        };
        let response = match (form.field("SAMLResponse"), form.field("SAMLRequest")) {
            (Some(response), None) => response.to_owned(),
            _ => return self.bad_request(),
        };
        let request_id = self.request_id.clone();
        let answer =
            self.off_core(|sign_on| async move { sign_on.answer(&response, &request_id).await }).await;
        let restart = self.settings.sites.app_address("/.anteroom/sign-in");
        match answer {
            Ok(Answer::Accepted { code }) => self.to_app("code", &code),
            Ok(Answer::Late { request_id }) => self.to_app("late", &request_id),
            Ok(Answer::Unsolicited) => reply::redirect(&format!("{restart}?return_to=%2F")),
            Ok(Answer::Tested { request_id, organization }) => {
                let id = utf8_percent_encode(&request_id, NON_ALPHANUMERIC);
                let path = format!("/.anteroom/support/organizations/{organization}/test?id={id}");
                reply::redirect(&self.settings.sites.app_address(&path))
            }
            Ok(Answer::Refused { reference, reason: reason @ "connection_paused" }) => {
                let notice = Notice::Paused { reference: Some(&reference), restart_url: &restart };
                let page = self.notice(StatusCode::FORBIDDEN, &notice);
                reply::sign_on_refused(page, reason)
            }
            Ok(Answer::Refused { reference, reason }) => {
                let (headline, advice) = words_for(reason);
                let notice =
                    Notice::Refused { reference: &reference, headline, advice, restart_url: &restart };
                let page = self.notice(StatusCode::FORBIDDEN, &notice);
                reply::sign_on_refused(page, reason)
            }
            Ok(Answer::Replayed { reference }) => {
                let notice = Notice::AlreadyUsed { reference: &reference, restart_url: &restart };
                let page = self.notice(StatusCode::FORBIDDEN, &notice);
                reply::sign_on_refused(page, "replayed")
            }
            Ok(Answer::Busy) => self.busy(),
            Err(error) => self.unavailable(&error),
        }
    }

    /// `GET /saml2/metadata` (SAML Metadata 2.4.4).
    pub(super) fn metadata(&self) -> Response<Body> {
        let settings = self.shared.sign_on.settings();
        let document = settings.service_provider.metadata();
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(sha256(document.as_bytes())));
        let is_known = self.headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes());
        let mut response =
            Response::new(if is_known { Body::empty() } else { Body::from(document.to_owned()) });
        *response.status_mut() = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/samlmetadata+xml"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(ETAG, HeaderValue::try_from(etag).expect("base64 is printable"));
        reply::decided(response, Decision::Own, None, None)
    }

    fn to_app(&self, name: &str, value: &str) -> Response<Body> {
        let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
        let path = format!("/.anteroom/sign-in/complete?{name}={value}");
        reply::redirect(&self.settings.sites.app_address(&path))
    }
}

/// What a visitor is told: enough to know whom to ask, nothing that helps to forge.
fn words_for(reason: &str) -> (&'static str, &'static str) {
    match reason {
        "status_not_success" => (
            "Your company's sign-on did not let you through",
            "Please try again. If it happens again, ask your company's IT department to give you access.",
        ),
        "email_domain_not_allowed" | "email_missing" | "email_invalid" | "attribute_value_count" => (
            "Your company's sign-on sent an address that we cannot accept",
            "Please contact support with the reference below, so that your account can be put right.",
        ),
        _ => (
            "We could not check your sign-in",
            "Please try again. If it happens again, contact support with the reference below.",
        ),
    }
}

/// A response of 256 KiB, in base64, with its escapes.
const RESPONSE_FORM_BYTES_MAX: usize = 512 * 1024;
