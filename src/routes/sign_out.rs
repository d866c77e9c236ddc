//! Signing out: `GET` asks, `POST` does it, and may go on to the identity provider.
//!
//! Separate because every path that ends a session takes the cookie from the browser and the record from the
//! store (T-E1), whatever state either is in.

use http::{Request, Response, StatusCode};

use crate::pages::{ConfirmSignOut, Fault, Notice, ProviderSession};
use crate::proxy::{Body, Source};
use crate::routes::Call;
use crate::routes::cookies::Kind;
use crate::routes::form::Form;
use crate::routes::reply;
use crate::sign_on::{AtProvider, Extent, Farewell};

impl Call {
    /// `GET /.anteroom/sign-out`.
    pub(super) async fn sign_out_page(&self) -> Response<Body> {
        match self.visitor().await {
            Ok(Some(visitor)) => {
                let user = visitor.user();
                let return_path = self.return_path();
                let view = ConfirmSignOut { email: user.email.as_str(), return_to: return_path.as_str() };
                // Where the form's answer goes on to the provider, browsers hold that against the page.
                reply::page_leading_to(StatusCode::OK, view.render(self.brand()), self.login_targets())
            }
            Ok(None) => self.signed_out(&self.provider_session()),
            Err(error) => self.unavailable(&error),
        }
    }

    /// `POST /.anteroom/sign-out`.
    pub(super) async fn sign_out(&self, request: Request<Source>) -> Response<Body> {
        if !self.is_own_form() {
            return self.fault(&Fault::ForeignForm);
        }
        // The button alone sends nothing.
        let form = if http_body::Body::is_end_stream(request.body()) {
            Ok(Form::default())
        } else {
            Form::read(request, FORM_BYTES_MAX).await
        };
        let extent = match form {
            Ok(form) if form.field("everywhere").is_some() => Extent::Everywhere,
            Ok(_) => Extent::Here,
            Err(problem) => return self.bad_form(problem),
        };
        let outcome = match self.visitor().await {
            Ok(Some(visitor)) => {
                let request_id = self.request_id.clone();
                self.off_core(
                    |sign_on| async move { sign_on.sign_out_of(&visitor, extent, &request_id).await },
                )
                .await
            }
            Ok(None) => Ok(Farewell::Here),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Farewell::Here) => self.signed_out(&ProviderSession::Open),
            Ok(Farewell::Offered(url)) => self.signed_out(&ProviderSession::CanBeEnded { url: url.as_str() }),
            Ok(Farewell::Onward(url)) => self.without_session(reply::redirect(url.as_str())),
            Err(error) => self.unavailable(&error),
        }
    }

    /// What is known of the provider's session when the browser comes back from there.
    fn provider_session(&self) -> ProviderSession<'static> {
        match self.query("provider").and_then(|farewell| self.shared.sign_on.at_provider(&farewell)) {
            Some(AtProvider::Ended) => ProviderSession::Ended,
            Some(AtProvider::Unsure) => ProviderSession::Unsure,
            None => ProviderSession::Open,
        }
    }

    fn signed_out(&self, provider: &ProviderSession<'_>) -> Response<Body> {
        self.without_session(self.notice(StatusCode::OK, &Notice::SignedOut { provider: *provider }))
    }

    fn without_session(&self, response: Response<Body>) -> Response<Body> {
        reply::with_cookie(response, self.settings.transport.clear(Kind::Session))
    }
}

/// One word.
const FORM_BYTES_MAX: usize = 1024;
