//! The identity provider's own page, which a browser can open and which knows who is in front of it.
//!
//! Separate because only a real browser needs a provider that answers by itself.

use anteroom::clock::{Clock as _, SystemClock};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::app::{MIA, Pending, Person};
use crate::idp::Idp;

/// The page, served until it is dropped.
pub(crate) struct LoginPage {
    pub(crate) idp: Idp,
    accepting: tokio::task::JoinHandle<()>,
}

impl LoginPage {
    pub(crate) async fn start() -> Self {
        Self::serve(Idp::entra(), MIA).await
    }

    /// The page of an identity provider, in front of which somebody is if nobody is named.
    pub(crate) async fn serve(mut idp: Idp, otherwise: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        idp.sso_url = format!("http://idp.localhost:{port}/saml2");
        let answering = idp.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let idp = answering.clone();
                let service = service_fn(move |request| {
                    let page = page_of(&idp, otherwise, &request);
                    async move { Ok::<_, std::convert::Infallible>(page) }
                });
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { idp, accepting }
    }
}

impl Drop for LoginPage {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Posts itself where scripts run, and has a button where they do not. It vouches for whom the login hint names.
fn page_of(idp: &Idp, otherwise: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let html = match request.uri().query() {
        Some(query) if query.contains("SAMLRequest=") => {
            let url = format!("http://idp.localhost/?{query}").parse().expect("a URL");
            let pending = Pending::read(url);
            let hint = pending.parameter("login_hint").unwrap_or_else(|| otherwise.to_owned());
            let Person { email, name, object_id } = Person::with_email(&hint);
            let message = idp.answer(&pending.request, SystemClock.now()).for_user(&email, &name, &object_id);
            format!(
                "<!doctype html><title>Identity provider</title><form method=\"post\" action=\"{}\">\
                 <input type=\"hidden\" name=\"SAMLResponse\" value=\"{}\">\
                 <button autofocus>Continue</button></form><script>document.forms[0].submit()</script>",
                pending.request.acs_url,
                message.to_form(),
            )
        }
        _ => "<!doctype html><title>Nothing</title>".to_owned(),
    };
    let mut response = Response::new(Full::new(html.into()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}
