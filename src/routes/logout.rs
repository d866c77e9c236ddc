//! Single logout: what identity providers send the browser with, by `GET` (HTTP-Redirect) or `POST`.
//!
//! Separate from the assertion consumer service because both bindings and both kinds of message arrive at one
//! address. No cookie counts here: the browser may be in a frame of the provider's page, where it sends none.

use http::{Method, Request, Response, StatusCode};

use crate::pages::{Notice, Onward as OnwardPage};
use crate::proxy::{Body, Source};
use crate::routes::Call;
use crate::routes::form::Form;
use crate::routes::reply::{self, Decision};
use crate::saml::logout::{self, Onward};
use crate::sign_on::LogoutEnd;

impl Call {
    /// `GET` and `POST /saml2/logout` (SAML Bindings 3.4, 3.5).
    pub(super) async fn log_out(&self, request: Request<Source>) -> Response<Body> {
        let message = if self.method == Method::POST {
            match Form::read(request, FORM_BYTES_MAX).await {
                Ok(form) => logout::Incoming::from_form(
                    form.field("SAMLRequest"),
                    form.field("SAMLResponse"),
                    form.field("RelayState"),
                ),
                Err(problem) => return self.bad_form(problem),
            }
        } else {
            logout::Incoming::from_query(self.uri.query().unwrap_or_default())
        };
        let request_id = self.request_id.clone();
        let end = self.off_core(|sign_on| async move { sign_on.log_out(message, &request_id).await }).await;
        let sites = &self.settings.sites;
        match end {
            Ok(LogoutEnd::Answered(Some(Onward::Redirect(url)))) => reply::redirect(url.as_str()),
            Ok(LogoutEnd::Answered(Some(Onward::Post { url, response, relay_state }))) => {
                let relay_state = relay_state.as_deref();
                let view = OnwardPage { address: url.as_str(), response: &response, relay_state };
                reply::page_leading_to(StatusCode::OK, view.render(self.brand()), self.login_targets())
            }
            Ok(LogoutEnd::Answered(None)) => self.notice(StatusCode::OK, &Notice::EndedByProvider),
            Ok(LogoutEnd::Back(at_provider)) => {
                let farewell = self.shared.sign_on.farewell(at_provider);
                reply::redirect(&sites.app_address(&format!("/.anteroom/sign-out?provider={farewell}")))
            }
            Ok(LogoutEnd::Refused { reference, reason }) => {
                let sign_out_url = sites.app_address("/.anteroom/sign-out");
                let notice = Notice::LogoutRefused { reference: &reference, sign_out_url: &sign_out_url };
                let page = self.notice(StatusCode::FORBIDDEN, &notice);
                reply::decided(page, Decision::Refused, None, Some(reason))
            }
            Err(error) => self.unavailable(&error),
        }
    }
}

/// A message of 64 KiB, in base64, with its escapes.
const FORM_BYTES_MAX: usize = 256 * 1024;
