//! `anteroom explain request`: what would become of a request, by which rule, and what the application would get.
//!
//! Separate because it asks the very functions that decide on requests, and invents nothing but the session.

use std::net::IpAddr;
use std::path::Path;

use clap::Args;
use http::{HeaderMap, HeaderName, Method, Uri};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::open;
use crate::app::settings;
use crate::cli::answer::{Answer, printable};
use crate::cli::{Failure, block_on, opened};
use crate::clock::{Clock as _, SystemClock};
use crate::config::{Config, size, time};
use crate::directory::{Account, Standing};
use crate::email::EmailAddress;
use crate::id::{ConnectionId, SessionName, SystemRandomness};
use crate::identity::presets;
use crate::proxy::{self, Fate, Route};
use crate::routes::{own_path, site::Sites};
use crate::session::{Kept, Session, SessionHash};
use crate::sign_on::identity_of;
use crate::target::{self, RequestTarget, ReturnPath};

/// Say what would become of a request, by which rule, and which headers the application would get.
///
/// The exit code is 0 if the application or a page of Anteroom would answer, 1 if not, 2 if the command line is
/// wrong.
#[derive(Debug, Args)]
pub(super) struct Request {
    /// Who would be signed on; without it, nobody.
    #[arg(long, value_name = "EMAIL", value_parser = EmailAddress::parse)]
    user: Option<EmailAddress>,
    /// A header that the client would send (its name will do), to see what becomes of it; may come often.
    #[arg(long = "header", value_name = "NAME", value_parser = header_name)]
    headers: Vec<HeaderName>,
    /// The client's address, as X-Forwarded-For would have it.
    #[arg(long, value_name = "ADDRESS", default_value = "192.0.2.1")]
    from: IpAddr,
    /// GET, POST and so on.
    #[arg(value_name = "METHOD", value_parser = method)]
    method: Method,
    /// The path, with its query if there is one, as it stands in the request.
    #[arg(value_name = "PATH")]
    path: String,
}

/// What was decided.
struct Verdict {
    /// The name of the decision in the access log.
    decision: &'static str,
    /// Which rule led to it, for people.
    rule: String,
    /// What the client gets.
    answer: String,
    /// Whether it gets to the application, and with an identity.
    forwarded: Forwarded,
}

/// Whether a request gets to the application.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Forwarded {
    No,
    WithoutIdentity,
    WithIdentity,
}

impl Request {
    pub(super) fn run(self, config: &Path) -> Result<Answer, Failure> {
        let config = opened::load(config)?;
        block_on(self.explain(&config))
    }

    async fn explain(self, config: &Config) -> Result<Answer, Failure> {
        let now = SystemClock.now();
        let account = match &self.user {
            Some(email) => Some(account(config, email).await?),
            None => None,
        };
        let verdict = self.decide(config, account.as_ref(), now);
        let mut set = HeaderMap::new();
        let mut claims = Value::Null;
        if verdict.forwarded != Forwarded::No {
            let settings = settings::proxy(config).map_err(|error| Failure::usage(&format!("{error:#}")))?;
            set = proxy::origin_headers(self.from, &settings);
        }
        if let (Forwarded::WithIdentity, Some(account)) = (verdict.forwarded, &account) {
            let identity =
                identity_of(&stand_in(account, now), &account.user, grants(account, now).as_slice());
            let made = config.identity.claims(identity, "(another for each token)".to_owned(), now);
            for preset in &config.identity.presets {
                set.extend(
                    presets::headers(*preset, &made).into_iter().map(|(name, value)| (Some(name), value)),
                );
            }
            claims = serde_json::to_value(&made).unwrap_or_default();
        }
        let fates = self.fates(config, &verdict)?;
        let target = self.target().ok().filter(|_| verdict.forwarded != Forwarded::No);
        let route = target.and_then(|target| config.routes.of(&target));
        Ok(self.answer(&verdict, route, &set, &claims, &fates))
    }

    /// In the order of the server itself.
    fn decide(&self, config: &Config, account: Option<&Account>, now: Timestamp) -> Verdict {
        let target = match self.target() {
            Ok(target) => target,
            Err(error) => {
                let status = if error == target::Error::TooLong { "414" } else { "400" };
                return refused(
                    format!("{error}{}", why(&self.path)),
                    format!("{status}, a page that says so"),
                );
            }
        };
        let sites = Sites::new(config.app.url.clone(), config.saml.acs_url.clone());
        if let Some(own) = own_path(target.path(), &sites) {
            if !own.methods.contains(&self.method) {
                let methods = own.methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
                return refused(format!("a path of Anteroom's own, for {methods}"), "405".to_owned());
            }
            return Verdict {
                decision: "own",
                rule: "a path of Anteroom's own: the application never sees it".to_owned(),
                answer: format!("without a session: {}", own.without_session),
                forwarded: Forwarded::No,
            };
        }
        if let Some(rule) = config.app.public_paths.iter().find(|rule| rule.covers(&target)) {
            return Verdict {
                decision: "public",
                rule: format!("app.public_paths has {:?}", rule.as_str()),
                answer: "the application's answer, without anybody's identity".to_owned(),
                forwarded: Forwarded::WithoutIdentity,
            };
        }
        let path = ReturnPath::of(&target);
        let Some(account) = account else {
            return Verdict {
                decision: "sign_in",
                rule: "no rule makes the path public, so it needs a session".to_owned(),
                answer: format!(
                    "people are sent to the sign-on page and back to {}; programs get 401",
                    path.as_str()
                ),
                forwarded: Forwarded::No,
            };
        };
        match account.standing_at(now) {
            Standing::Admitted(grants) => Verdict {
                decision: "forwarded",
                rule: format!("{} is active and has {} of access", account.user.email, counted(grants.len())),
                answer: "the application's answer".to_owned(),
                forwarded: Forwarded::WithIdentity,
            },
            Standing::Waiting => Verdict {
                decision: "waiting_room",
                rule: format!("{} has no grant of access that is in force", account.user.email),
                answer: "people are sent to the Waiting Room; programs get 403".to_owned(),
                forwarded: Forwarded::No,
            },
            Standing::Disabled => Verdict {
                decision: "sign_in",
                rule: format!("{} is disabled, and has no session", account.user.email),
                answer: "people are sent to the sign-on page, which says that the account is switched off; programs \
                         get 401"
                    .to_owned(),
                forwarded: Forwarded::No,
            },
        }
    }

    /// What stands in the request line; a fragment never does.
    fn target(&self) -> Result<RequestTarget, target::Error> {
        if !self.path.starts_with('/') || self.path.contains('#') {
            return Err(target::Error::NotAPath);
        }
        let uri = Uri::builder().path_and_query(self.path.as_str()).build();
        RequestTarget::parse(&uri.map_err(|_| target::Error::Ambiguous)?)
    }

    /// What becomes of the client's own headers.
    fn fates(&self, config: &Config, verdict: &Verdict) -> Result<Vec<(String, &'static str)>, Failure> {
        if verdict.forwarded == Forwarded::No {
            return Ok(Vec::new());
        }
        let settings = settings::proxy(config).map_err(|error| Failure::usage(&format!("{error:#}")))?;
        let fate = |name: &HeaderName| match proxy::fate_of(name, &settings) {
            Fate::Pass => "passes",
            Fate::Hop => "removed: it belongs to the connection",
            Fate::Ours => "removed: it could be read as the identity",
            Fate::FromTrusted => "removed, unless it comes from one of listen.trusted_proxies",
        };
        Ok(self.headers.iter().map(|name| (name.to_string(), fate(name))).collect())
    }

    fn answer(
        &self,
        verdict: &Verdict,
        route: Option<&Route>,
        set: &HeaderMap,
        claims: &Value,
        fates: &[(String, &'static str)],
    ) -> Answer {
        let pairs: Vec<(String, String)> = set
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        let mut lines = vec![
            format!("{} {}: {}", self.method, self.path, verdict.decision),
            format!("  because   {}", verdict.rule),
            format!("  answer    {}", verdict.answer),
        ];
        lines.extend(route.map(|route| format!("  limits    {}", limits(route))));
        if !pairs.is_empty() {
            lines.push("  the application gets, besides the client's own headers".to_owned());
        }
        if !claims.is_null() {
            lines.push("    x-anteroom-jwt-assertion, a signed token of".to_owned());
            let claims = claims.as_object().into_iter().flatten();
            lines.extend(claims.map(|(name, value)| format!("      {name}: {value}")));
        }
        lines.extend(pairs.iter().map(|(name, value)| format!("    {name}: {value}")));
        lines.extend(fates.iter().map(|(name, fate)| format!("  of the client's, {name} {fate}")));
        let text: Vec<String> = lines.iter().map(|line| printable(line)).collect();
        let object = |pairs: &[(String, String)]| -> Value {
            pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
        };
        let json = json!({
            "method": self.method.as_str(),
            "target": self.path,
            "user": self.user.as_ref().map(EmailAddress::as_str),
            "decision": verdict.decision,
            "rule": verdict.rule,
            "answer": verdict.answer,
            "route": route.map(|route| route.path.as_str()),
            "claims": claims,
            "headers": object(&pairs),
            "sent": fates.iter().map(|(name, fate)| json!({"name": name, "fate": fate})).collect::<Vec<_>>(),
        });
        let answer = Answer::new(text.join("\n"), json);
        let is_answered = verdict.forwarded != Forwarded::No || verdict.decision == "own";
        if is_answered { answer } else { answer.negative() }
    }
}

/// What a route says of its requests, for people.
fn limits(route: &Route) -> String {
    let mut said = Vec::new();
    said.extend(route.body_max.map(|octets| format!("a body of {} at most", size::written(octets))));
    said.extend(route.body_timeout.map(|limit| format!("all of it within {}", time::written(limit))));
    said.extend(route.response_timeout.map(|limit| format!("an answer within {}", time::written(limit))));
    format!("{} (route {:?})", said.join(", "), route.path.as_str())
}

fn refused(rule: String, answer: String) -> Verdict {
    Verdict { decision: "refused", rule, answer, forwarded: Forwarded::No }
}

/// What may be wrong with a path.
fn why(path: &str) -> &'static str {
    let lower = path.to_ascii_lowercase();
    let path = lower.split('?').next().unwrap_or_default();
    if path.contains('#') {
        ": a # never stands in a request"
    } else if !path.bytes().all(|octet| octet.is_ascii_graphic()) {
        ": it has characters that must be escaped"
    } else if path.starts_with("//") {
        ": it begins with two slashes, which can be read as a host"
    } else if path.contains('\\') || path.contains("%5c") {
        ": it has a backslash, which some read as a slash"
    } else if path.contains("%2f") || path.contains("%252f") {
        ": it has an escaped slash, which some split at"
    } else if path.contains("%2e") || path.contains("%252e") {
        ": it has an escaped dot, which some read as one"
    } else if path.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | ".."))) {
        ": it has a dot segment, which some resolve and others do not"
    } else if path.contains('%') {
        ": it has an escape of a control character, of what is not UTF-8, or none at all"
    } else {
        ""
    }
}

fn counted(grants: usize) -> String {
    if grants == 1 { "one grant".to_owned() } else { format!("{grants} grants") }
}

fn grants(account: &Account, now: Timestamp) -> Vec<crate::directory::Grant> {
    match account.standing_at(now) {
        Standing::Admitted(grants) => grants,
        Standing::Waiting | Standing::Disabled => Vec::new(),
    }
}

/// A session as it would begin now.
fn stand_in(account: &Account, now: Timestamp) -> Kept {
    Kept::from(Session {
        hash: SessionHash::new([0; 32]),
        name: SessionName::random(&SystemRandomness),
        user: account.user.id.clone(),
        connection: ConnectionId::parse(account.user.organization.as_str())
            .expect("an organization's id has the form of a connection's"),
        created_at: now,
        last_seen_at: now,
        ends_at: now,
        authenticated_at: now,
        asserted_at: now,
        methods: Vec::new(),
        return_path: ReturnPath::root(),
        name_id: None,
        session_index: None,
    })
}

async fn account(config: &Config, email: &EmailAddress) -> Result<Account, Failure> {
    let unknown =
        || Failure::new("no_such_user", format!("there is no user {email}; `anteroom user list` shows all"));
    let store = open(config).await?.ok_or_else(unknown)?;
    let found = store.account_by_email(email).await;
    store.close().await;
    found?.ok_or_else(unknown)
}

fn method(text: &str) -> Result<Method, String> {
    let is_method = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_uppercase() || octet == b'-');
    let method = Method::from_bytes(text.as_bytes()).ok().filter(|_| is_method);
    method.ok_or_else(|| "write a method in capitals, e.g. GET".to_owned())
}

/// `Name`, or `Name: value`.
fn header_name(text: &str) -> Result<HeaderName, String> {
    let name = text.split(':').next().unwrap_or_default().trim();
    name.parse().map_err(|_| "write the name of a header, e.g. X-Forwarded-For".to_owned())
}
