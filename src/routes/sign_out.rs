//! Signing out: `GET` asks, `POST` does it.
//!
//! Separate because every path that ends a session takes the cookie from the browser and the record from the
//! store (T-E1), whatever state either is in.

use http::{Response, StatusCode};

use crate::pages::{ConfirmSignOut, Fault, Notice};
use crate::proxy::Body;
use crate::routes::Call;
use crate::routes::cookies::Kind;
use crate::routes::reply;

impl Call {
    /// `GET /.anteroom/sign-out`.
    pub(super) async fn sign_out_page(&self) -> Response<Body> {
        match self.visitor().await {
            Ok(Some(visitor)) => {
                let user = visitor.user();
                let return_path = self.return_path();
                let view = ConfirmSignOut { email: user.email.as_str(), return_to: return_path.as_str() };
                reply::page(StatusCode::OK, view.render(self.brand()))
            }
            Ok(None) => self.signed_out(),
            Err(error) => self.unavailable(&error),
        }
    }

    /// `POST /.anteroom/sign-out`.
    pub(super) async fn sign_out(&self) -> Response<Body> {
        if !self.is_own_form() {
            return self.fault(&Fault::ForeignForm);
        }
        let outcome = match self.visitor().await {
            Ok(Some(visitor)) => {
                let request_id = self.request_id.clone();
                self.off_core(|sign_on| async move { sign_on.sign_out(&visitor, &request_id).await }).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => self.signed_out(),
            Err(error) => self.unavailable(&error),
        }
    }

    fn signed_out(&self) -> Response<Body> {
        let page = self.notice(StatusCode::OK, &Notice::SignedOut);
        reply::with_cookie(page, self.settings.transport.clear(Kind::Session))
    }
}
