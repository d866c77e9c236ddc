//! The documents for programs: who am I, the full identity behind an assertion, discovery and keys.
//!
//! Separate because applications rely on their form; none of them ever holds a secret or a token (T-E8).

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION};
use http::{HeaderValue, Response};
use serde_json::json;

use crate::directory::Standing;
use crate::identity::{self, Discovery};
use crate::proxy::Body;
use crate::routes::Call;
use crate::routes::gate::unauthorized;
use crate::routes::reply;

impl Call {
    /// `GET /.anteroom/session`: for the application's front end. Asking is no use of the session.
    pub(super) async fn session_document(&self) -> Response<Body> {
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => return self.nobody(),
            Err(error) => return self.unavailable(&error),
        };
        let user = visitor.user();
        let session = visitor.live().session();
        let idle = self.shared.sign_on.settings().lifetimes.idle;
        let document = json!({
            "sid": session.name.as_str(),
            "sub": user.id.as_str(),
            "email": user.email.as_str(),
            "name": user.name.as_ref().map(crate::directory::DisplayName::as_str),
            "org": user.organization.as_str(),
            "role": user.role.as_str(),
            "state": match visitor.standing() {
                Standing::Admitted(_) => "active",
                Standing::Waiting => "waiting",
                Standing::Disabled => "disabled",
            },
            "ent_ver": user.access_version,
            "auth_time": session.authenticated_at().as_second(),
            "created_at": session.created_at,
            "ends_at": session.ends_at(),
            "idle_seconds": idle.as_secs(),
            "sign_out_url": self.settings.sites.app_address("/.anteroom/sign-out"),
        });
        reply::json_document(&document, "no-store")
    }

    /// `GET /.anteroom/identity`: the whole identity, for an application that shows the assertion it received
    /// (`Authorization: Bearer …`), or for the browser of a session.
    pub(super) async fn identity_document(&self) -> Response<Body> {
        let bearer = self.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = bearer
            .and_then(|value| value.strip_prefix("Bearer "))
            .or_else(|| self.headers.get(identity::HEADER).and_then(|value| value.to_str().ok()));
        let found = match token.map(str::to_owned) {
            Some(token) => {
                self.off_core(|sign_on| async move { sign_on.identity_behind(&token).await }).await
            }
            None => self.visitor().await.map(|visitor| visitor.map(|visitor| visitor.identity())),
        };
        match found {
            Ok(Some(identity)) => reply::json_document(&identity, "no-store"),
            Ok(None) => self.nobody(),
            Err(error) => self.unavailable(&error),
        }
    }

    /// `GET /.well-known/anteroom`.
    pub(super) fn discovery(&self) -> Response<Body> {
        let settings = self.shared.sign_on.settings();
        let discovery = Discovery::new(&settings.identity, &self.shared.keys.ring().published());
        for_everybody(reply::json_document(&discovery, "public, max-age=300"))
    }

    /// `GET /.well-known/anteroom/jwks.json` (RFC 7517 5).
    pub(super) fn jwks(&self) -> Response<Body> {
        let mut response = reply::json_document(&self.shared.keys.ring().published(), "public, max-age=300");
        response
            .headers_mut()
            .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        for_everybody(response)
    }

    /// Nobody is signed on.
    pub(super) fn nobody(&self) -> Response<Body> {
        let referer = self.headers.get(http::header::REFERER).and_then(|value| value.to_str().ok());
        unauthorized(&self.settings, &self.request_id, referer)
    }
}

/// Public documents may be read by scripts of any site.
fn for_everybody(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
