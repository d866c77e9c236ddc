//! The mailbox of everybody at Contoso.
//!
//! Separate because it stands for a mail server, which is none of Anteroom's business. Anteroom sends no mail yet,
//! and this page says so rather than show messages that nobody sent.

use askama::Template;
use async_trait::async_trait;
use http::{Request, StatusCode};
use hyper::body::Incoming;

use crate::demo::listener::{Reply, Site, html, with_type};

/// The page, at `/`.
#[derive(Debug, Template)]
#[template(path = "demo/mailbox.html")]
pub(crate) struct Mailbox;

#[async_trait]
impl Site for Mailbox {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        if request.uri().path() == "/" {
            html(StatusCode::OK, self.render().expect("rendering to memory does not fail"))
        } else {
            with_type(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "The mailbox is at /.")
        }
    }
}
