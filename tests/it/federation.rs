//! Metadata that is fetched: SAML-ATTACKS 3.I, C9, G4 and G5, and what becomes of it in the life of an identity
//! provider.
//!
//! Separate from the attacks on the reader of metadata, because here a server, a clock and a store take part.
//!
//! Rules: a real server with its own authority; time is moved, not waited for; each fault stands beside the good
//! answer that it differs from.

mod fetching;
mod life;
mod operators;
mod rollover;
mod server;

use std::time::Duration;

use anteroom::clock::{ManualClock, SystemClock};
use serde_json::Value;

use crate::app::{MIA, TestApp, Visitor, Wanted, until};
use crate::browserless::{Page, text_of};
use crate::idp::{Idp, Message, SigningKey};
use server::{MetadataServer, Reply};

use anteroom::clock::Clock as _;

const HOUR: Duration = Duration::from_hours(1);

/// The customer of most tests, whose metadata is fetched.
fn contoso(server: &MetadataServer) -> String {
    format!(
        "\n[[organization]]\nid = \"contoso\"\nname = \"Contoso Residential\"\ndomains = [\"contoso.com\"]\n\
         metadata = \"{}\"\n",
        server.url()
    )
}

/// What is different where metadata is fetched from this machine.
fn wanted(server: &MetadataServer, clock: &ManualClock) -> Wanted {
    let folder = std::env::temp_dir();
    let name = format!(
        "anteroom-authority-{}-{}.pem",
        std::process::id(),
        server.url().replace(['/', ':', '?'], "-")
    );
    let path = folder.join(name);
    std::fs::write(&path, server.authority()).expect("a temporary file");
    Wanted::default()
        .clock(clock)
        .without_files()
        .saml(&format!("metadata_ca = \"{}\"\nmetadata_allow_private = true\n", path.display()))
}

/// Anteroom with that customer.
async fn start(server: &MetadataServer, clock: &ManualClock) -> TestApp {
    wanted(server, clock).more(&contoso(server)).start().await
}

/// A server of that metadata, and an Anteroom that has taken it over.
async fn ready_with(metadata: Vec<u8>, clock: &ManualClock) -> (MetadataServer, TestApp) {
    let server = MetadataServer::with(metadata).await;
    let app = start(&server, clock).await;
    until("it is ready", async || is_ready(&app).await).await;
    (server, app)
}

fn now() -> ManualClock {
    ManualClock::at(SystemClock.now())
}

/// Entra with one key in its metadata.
fn idp_with(key: &'static SigningKey) -> Idp {
    Idp { key, further_keys: Vec::new(), ..Idp::entra() }
}

/// What the sign-on page says to an address.
async fn told(app: &TestApp, email: &str) -> String {
    let mut visitor = app.visitor();
    let page = visitor.visit("/").await;
    text_of(&visitor.type_email(&page, email).await.body)
}

async fn is_ready(app: &TestApp) -> bool {
    told(app, MIA).await.contains("Log In with Microsoft")
}

/// A sign-on with what an identity provider says.
async fn sign_on_by(app: &TestApp, idp: &Idp) -> Page {
    let mut mia = app.visitor();
    let message = message_by(&mut mia, idp).await;
    mia.answer_with(&message).await
}

async fn message_by(mia: &mut Visitor<'_>, idp: &Idp) -> Message {
    let pending = mia.begin("/").await;
    let person = mia.person.clone();
    idp.answer(&pending.request, mia.app.now()).for_user(&person.email, &person.name, &person.object_id)
}

/// An organization as `organization list` tells it.
async fn listed(app: &TestApp) -> Value {
    let list: Value =
        serde_json::from_str(&app.command(&["organization", "list", "--json"]).await).expect("JSON");
    list[0].clone()
}

/// A page of the ops listener.
async fn ops(app: &TestApp, path: &str) -> String {
    let url: url::Url = "http://ops.localhost/".parse().expect("a URL");
    app.net.lead(&url, app.ops_address());
    let mut anybody = app.visitor();
    anybody.browser.fetch(&url.join(path).expect("a path"), &[]).await.expect(200).body
}

async fn events(app: &TestApp, action: &str) -> Vec<Value> {
    let entries = app.audit().await;
    entries.into_iter().filter(|entry| entry.action == action).map(|entry| entry.details).collect()
}

fn fingerprint(key: &SigningKey) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &key.certificate);
    digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<Vec<_>>().concat()
}
