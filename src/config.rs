//! The configuration: what was typed -> what is valid.
//!
//! Separate so that only this module reads the configuration file, the files that it names and the
//! environment; every other part is handed settings that cannot be wrong.
//!
//! Rules:
//! - [`load`] has no effect and can be called again at any time; it is all or nothing.
//! - Every mistake is told at once, with its place, its dotted key and a remedy ([`Problems`]).
//! - A key that does nothing yet is refused, never ignored.
//! - A default stands in [`schema`], once, and is read like a typed value.

use std::io;
use std::path::Path;

use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use jiff::Timestamp;

use crate::proxy::Routes;
use crate::routes::forward_auth::ForwardAuth;
use crate::session::Lifetimes;
use crate::sign_on::SingleLogout;

pub mod access;
pub mod app;
pub mod audit;
pub mod brand;
pub mod check;
pub mod init;
pub mod listen;
pub mod mail;
pub mod organization;
pub mod saml;
pub mod schema;
pub mod secret_file;
pub mod store;
pub mod upstreams;

mod address;
mod agreement;
mod digest;
mod environment;
mod file;
mod forward_auth;
mod identity;
mod limits;
mod problem;
mod reading;
mod route;
mod session;
pub(crate) mod size;
mod source;
pub(crate) mod time;
mod values;
mod watch;

pub use access::Access;
pub use app::App;
pub use audit::Audit;
pub use brand::Brand;
pub use digest::Digest;
pub use environment::{Environment, variable_of};
pub use listen::Listen;
pub use mail::Mail;
pub use organization::Organization;
pub use problem::{Place, Problem, Problems};
pub use saml::Saml;
pub use session::SessionPaths;
pub use store::Store;
pub use watch::{Files, Watch};

use problem::Findings;
use reading::{Read, Reading};

/// A valid configuration.
#[derive(Debug)]
pub struct Config {
    /// The application behind.
    pub app: App,
    /// Us as a service provider.
    pub saml: Saml,
    /// Where we answer.
    pub listen: Listen,
    /// What we must not forget.
    pub store: Store,
    /// How long people stay signed on.
    pub session: Lifetimes,
    /// What is special to sessions.
    pub session_paths: SessionPaths,
    /// Who may ask about requests that others forward.
    pub forward_auth: Option<ForwardAuth>,
    /// Whether signing out goes on to the identity provider.
    pub single_logout: SingleLogout,
    /// What the application is told.
    pub identity: crate::identity::Settings,
    /// Levels.
    pub access: Access,
    /// How long is remembered what has happened.
    pub audit: Audit,
    /// How people are told what has happened.
    pub mail: Mail,
    /// The application's own login, for people without single sign-on: a path of it, or a URL.
    pub other_sign_on_url: Option<String>,
    /// How often what may be asked for.
    pub limits: crate::routes::limits::Settings,
    /// The look of our pages.
    pub brand: Brand,
    /// What differs for some paths of the application.
    pub routes: Routes,
    /// The customers.
    pub organizations: Vec<Organization>,
    /// What is valid, but probably not meant.
    pub notes: Vec<String>,
    /// Everything that was read, to be watched.
    pub files: Files,
    /// What it was read from, to be told apart from others.
    pub digest: Digest,
}

impl Config {
    /// The keys whose change takes effect at the next start only.
    #[must_use]
    pub fn needs_restart(&self, newer: &Self) -> Vec<&'static str> {
        let changed = [
            ("listen.public", self.listen.public != newer.listen.public),
            ("listen.ops", self.listen.ops != newer.listen.ops),
            ("listen.trusted_proxies", self.listen.trusted_proxies != newer.listen.trusted_proxies),
            ("listen.proxy_protocol", self.listen.greeting != newer.listen.greeting),
            ("listen.reuse_port", self.listen.sharing != newer.listen.sharing),
            ("listen.http2_websocket", self.listen.sockets != newer.listen.sockets),
            (
                "listen.connections, .connections_per_address, .when_full, .memory_max, .pre_drain or .grace",
                self.listen.room != newer.listen.room,
            ),
            ("listen.tls", self.listen.tls.is_empty() != newer.listen.tls.is_empty()),
            ("store.url", self.store.database != newer.store.database),
            ("store.secret_file", self.store.secret_file != newer.store.secret_file),
        ];
        changed.into_iter().filter_map(|(key, changed)| changed.then_some(key)).collect()
    }
}

/// Reads the file, puts the environment over it, and checks everything.
pub fn load(path: &Path, environment: &Environment, now: Timestamp) -> Result<Config, Problems> {
    let mut findings = Findings::new(path);
    let mut files = Files::default();
    files.note(path);
    let text = read_text(path, &mut findings);
    let layers = text.map(|text| {
        let file = source::read(&text, &mut findings);
        let environment = environment.read(&mut findings);
        let digest = Digest::of(&text, [&file, &environment]);
        (file, environment, digest)
    });
    let mut digest = Digest::default();
    let typed = layers.and_then(|(file, environment, read)| {
        digest = read;
        merge(file, environment, &mut findings)
    });
    let folder = path.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let mut reading = Reading { findings: &mut findings, folder, files, digest, now };
    let config = typed.and_then(|typed| read_sections(&typed, &mut reading).ok());
    let (files, digest) = (reading.files, reading.digest);
    match config {
        Some(config) if findings.is_clean() => Ok(Config { notes: findings.notes, files, digest, ..config }),
        _ => Err(Problems { list: findings.into_problems(), files }),
    }
}

fn read_text(path: &Path, findings: &mut Findings) -> Option<String> {
    let octets = reading::read_bounded(path, FILE_OCTETS_MAX);
    let (message, remedy) = match octets.map(String::from_utf8) {
        Ok(Ok(text)) => return Some(text),
        Ok(Err(error)) => {
            let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            let line = before.filter(|octet| **octet == b'\n').count() + 1;
            findings.broken(Place::Line(line), "is not UTF-8", "save the file as UTF-8");
            return None;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (
            "the file does not exist".to_owned(),
            "make one with `anteroom init`, or name another with --config",
        ),
        Err(error) => (format!("the file cannot be read: {error}"), "name a file that can be read"),
    };
    findings.broken(Place::File, &message, remedy);
    None
}

/// Puts the environment over the file. Both have been held against the schema, so this refuses nothing that
/// the schema and `file::File` agree on.
fn merge(file: Dict, environment: Dict, findings: &mut Findings) -> Option<file::File> {
    let figment = Figment::new()
        .merge(Layer { name: "configuration file", values: file })
        .merge(Layer { name: "environment", values: environment });
    let errors = match figment.extract() {
        Ok(typed) => return Some(typed),
        Err(errors) => errors,
    };
    for error in errors {
        findings.refuse(&error.path.join("."), error.kind.to_string(), "correct the value");
    }
    None
}

/// One source of values, for figment.
struct Layer {
    name: &'static str,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

fn read_sections(typed: &file::File, reading: &mut Reading<'_>) -> Read<Config> {
    let app = app::read(&typed.app, reading);
    let routes = route::read(&typed.route, reading);
    let saml = saml::read(&typed.saml, reading);
    let listen = listen::read(&typed.listen, reading);
    let store = store::read(&typed.store, reading);
    let session = session::read(&typed.session, reading);
    let session_paths = session::paths(&typed.session, reading);
    let forward_auth = forward_auth::read(&typed.forward_auth, reading);
    let identity = identity::read(&typed.identity, reading);
    let access = access::read(&typed.access, reading);
    let audit = audit::read(&typed.audit, reading);
    let mail = mail::read(&typed.mail, reading);
    let other_url = typed.sign_on.other_url.as_deref();
    let other_sign_on_url = reading.optional("sign_on.other_url", other_url, address::other_url);
    let limits = limits::read(&typed.limits, reading);
    let brand = brand::read(&typed.brand, reading);
    let organizations = organization::read(&typed.organization, saml::reach(&typed.saml), reading);
    agreement::check(app.as_ref().ok(), saml.as_ref().ok(), listen.as_ref().ok(), reading);
    let app = app?;
    let config = Config {
        identity: identity?.settings(&app),
        app,
        routes: routes?,
        saml: saml?,
        listen: listen?,
        store: store?,
        session: session?,
        session_paths: session_paths?,
        forward_auth: forward_auth?,
        single_logout: session::single_logout(&typed.session),
        access: access?,
        audit: audit?,
        mail: mail?,
        other_sign_on_url: other_sign_on_url?,
        limits: limits?,
        brand: brand?,
        organizations: organizations?,
        notes: Vec::new(),
        files: Files::default(),
        digest: Digest::default(),
    };
    agreement::note(&config, reading);
    Ok(config)
}

/// Ten thousand organizations have a quarter of this.
const FILE_OCTETS_MAX: u64 = 4 * 1024 * 1024;
