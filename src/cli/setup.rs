//! `anteroom check` and `anteroom init`: before there is a store.
//!
//! Separate because these work on files alone.

use std::path::Path;

use clap::Args;
use http::uri::PathAndQuery;
use http::{Method, Uri};
use serde_json::json;

use super::answer::Answer;
use super::failure::Failure;
use super::{Format, block_on, upstreams};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, Environment, check, init};
use crate::routes::own_paths;
use crate::routes::site::Sites;
use crate::target::RequestTarget;

/// Check the configuration and say what it amounts to, or everything that is wrong with it.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// List everything that can be reached without signing on, and what is answered there.
    #[arg(long)]
    public: bool,
    /// Ask the upstreams directly, without an identity and with a forged one, and say who believes what.
    ///
    /// The exit code is 1 if one of them answers, or cannot be asked.
    #[arg(long, conflicts_with = "public")]
    upstreams: bool,
    /// The path that upstreams are asked for: one that needs an identity.
    #[arg(long, value_name = "PATH", default_value = "/", requires = "upstreams", value_parser = path)]
    path: PathAndQuery,
    #[command(flatten)]
    pub(super) format: Format,
}

impl Check {
    pub(super) fn run(&self, path: &Path) -> Result<Answer, Failure> {
        let report = check::report(path, &Environment::of_process(), SystemClock.now());
        match report.config() {
            Some(config) if self.public => Ok(public(config)),
            Some(config) if self.upstreams => block_on(upstreams::ask(config, &self.path)),
            Some(_) => Ok(Answer::new(report.to_string(), report.to_json())),
            None => Err(Failure::of_configuration(&report).with_report(report.to_json())),
        }
    }
}

/// Reads a path of the application.
fn path(text: &str) -> Result<PathAndQuery, String> {
    let uri = Uri::builder().path_and_query(text).build().map_err(|error| error.to_string())?;
    let target = RequestTarget::parse(&uri).map_err(|error| error.to_string())?;
    Ok(target.path_and_query().clone())
}

/// Everything that is answered without a session, the application's paths first.
fn public(config: &Config) -> Answer {
    let sites = Sites::new(config.app.url.clone(), config.saml.acs_url.clone());
    let row = |host: &str, path: &str, below: bool, methods: &str, answer: &str| {
        let shown = if below { format!("{}…", path.trim_end_matches('…')) } else { path.to_owned() };
        let json = json!({
            "host": host,
            "path": path,
            "below": below,
            "methods": if methods == ANY { json!(null) } else { json!(methods.split(", ").collect::<Vec<_>>()) },
            "answer": answer,
        });
        ([host.to_owned(), shown, methods.to_owned(), answer.to_owned()], json)
    };
    let application = config.app.public_paths.iter().map(|rule| {
        let path = rule.as_str();
        row("app", path, path.ends_with('/'), ANY, "the application's answer, without anybody's identity")
    });
    let own = own_paths(&sites).into_iter().map(|own| {
        let methods = own.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
        row(own.host, &own.path, own.below, &methods, own.without_session)
    });
    let auth = config.forward_auth.iter().map(|auth| {
        let answer = format!(
            "only for {} at forward_auth.trusted_peers: whether a request may pass",
            auth.front.as_str()
        );
        row("app", "/.anteroom/auth", true, ANY, &answer)
    });
    let ops = ["/livez", "/readyz", "/startupz", "/metrics"];
    let ops =
        ops.into_iter().map(|path| row("ops", path, false, "GET, HEAD", "for whoever operates Anteroom"));
    let (rows, json): (Vec<_>, Vec<_>) = application.chain(own).chain(auth).chain(ops).unzip();
    Answer::list(["host", "path", "methods", "without_a_session"], &rows, json)
}

/// What stands for every method.
const ANY: &str = "any";

pub(super) fn init(path: &Path) -> Result<Answer, Failure> {
    init::write(path)?;
    let path = path.display();
    let next = format!("{path} is written; fill it in until `anteroom check --config {path}` is content");
    Ok(Answer::new(next, json!({"file": path.to_string()})))
}
