//! What environment variables put over the file: `ANTEROOM_SESSION__IDLE` is `session.idle`.
//!
//! Separate because a variable has no line, no types and no table of its own, and because the process's
//! environment also holds variables that are none of ours.
//!
//! Rules: the kind of a key decides how its value is read. Text is taken as it stands; lists and tables are in
//! figment's notation, `["a", "b"]` and `{key = "value"}`. A variable of the form `ANTEROOM_SECTION__KEY` that
//! names no key is a mistake; any other `ANTEROOM_` variable is noted, except [`RESERVED`] and the links that
//! Kubernetes and Docker make for a service of our name.

use figment::value::{Dict, Value};

use super::problem::{Findings, Place};
use super::schema::{self, Kind, Shape, Support};
use super::source::{below, refuse_kind, refuse_later};

/// Variables with our prefix that are no keys: which file to read, how logs look, and how much they tell.
const RESERVED: [&str; 4] = ["ANTEROOM_CONFIG", "ANTEROOM_LOG", "ANTEROOM_LOG_FORMAT", "ANTEROOM_ACCESS_LOG"];

const PREFIX: &str = "ANTEROOM_";

/// The variables that begin with `ANTEROOM_`.
#[derive(Debug, Clone, Default)]
pub struct Environment(Vec<(String, Option<String>)>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let ours = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
            Some((name, value.into_string().ok()))
        });
        Self(ours.collect())
    }

    /// Reads them as a layer over the file.
    pub(super) fn read(&self, findings: &mut Findings) -> Dict {
        let mut layer = Dict::new();
        for (variable, text) in &self.0 {
            let Some(name) = variable.strip_prefix(PREFIX) else { continue };
            if RESERVED.contains(&variable.as_str()) || is_service_link(name) {
                continue;
            }
            let name = name.to_ascii_lowercase().replace("__", ".");
            let place = Place::Variable(variable.clone());
            let Some(text) = text else {
                findings.refuse_at(place, &name, "is not UTF-8", "set it to plain text");
                continue;
            };
            if let Some(value) = read_one(&name, text, place, findings) {
                insert(&mut layer, &name, value);
            }
        }
        layer
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let owned = variables.into_iter().map(|(name, value)| (name.into(), Some(value.into())));
        Self(owned.filter(|(name, _)| name.starts_with(PREFIX)).collect())
    }
}

fn read_one(name: &str, text: &str, place: Place, findings: &mut Findings) -> Option<Value> {
    let outer = name.rsplit_once('.').and_then(|(outer, _)| schema::table(outer));
    if outer.is_some_and(|table| table.shape == Shape::Many) {
        let remedy = "set the whole list: ANTEROOM_ORGANIZATION=[{id = \"contoso\", …}]";
        findings.refuse_at(place, name, "one key of a list of tables cannot be overridden", remedy);
        return None;
    }
    if schema::key(name).is_none() && schema::table(name).is_none() {
        let nearest = schema::nearest(name);
        // Other programs may have variables for their dealings with us; a key of ours always has a section.
        if nearest.is_none() && !name.contains('.') {
            let variable = variable_of(name);
            findings
                .notes
                .push(format!("{variable} names no key and is not used; keys are ANTEROOM_SECTION__KEY"));
            return None;
        }
        let remedy = nearest.map_or_else(
            || "unset it; docs/operations.md lists all keys".to_owned(),
            |known| format!("did you mean {}?", variable_of(known)),
        );
        findings.refuse_at(place, "", "names no known key", &remedy);
        return None;
    }
    findings.replaced(name, place);
    if let Some(key) = schema::key(name)
        && key.kind == Kind::Text
        && key.support == Support::Ready
    {
        return Some(Value::from(unquoted(text)));
    }
    let value: Value = text.parse().unwrap_or_else(|never| match never {});
    if schema::key(name).is_some_and(|key| key.kind == Kind::TextOrTexts) && value.as_array().is_none() {
        return Some(Value::from(unquoted(text)));
    }
    check(name, name, value, findings)
}

/// Takes quotes off that somebody wrote as in the file.
fn unquoted(text: &str) -> String {
    match text.parse() {
        Ok(Value::String(_, inner)) => inner,
        _ => text.to_owned(),
    }
}

/// Holds a value against the schema; leaves out what cannot be used.
fn check(name: &str, at: &str, value: Value, findings: &mut Findings) -> Option<Value> {
    if let Some(table) = schema::table(name) {
        return match (value, table.shape) {
            (Value::Dict(_, dict), Shape::Once | Shape::OnceOrMany) => {
                Some(Value::from(check_dict(name, at, dict, findings)))
            }
            (Value::Array(_, items), Shape::Many | Shape::OnceOrMany)
                if items.iter().all(|item| item.as_dict().is_some()) =>
            {
                let items = items.into_iter().enumerate().filter_map(|(index, item)| {
                    let dict = item.into_dict()?;
                    Some(Value::from(check_dict(name, &format!("{at}[{index}]"), dict, findings)))
                });
                Some(Value::from(items.collect::<Vec<_>>()))
            }
            _ => {
                findings.refuse(at, "must be a table", "write {key = \"value\"}, for a list [{…}, {…}]");
                None
            }
        };
    }
    let Some(key) = schema::key(name) else {
        findings.refuse(at, "is not a known key", "remove it; docs/operations.md lists all keys");
        return None;
    };
    let fits = match (key.kind, &value) {
        (Kind::Switch, Value::Bool(_, false)) if key.support == Support::Later => return None,
        _ if key.support == Support::Later => {
            refuse_later(findings, at);
            return None;
        }
        (Kind::Text | Kind::TextOrTexts, Value::String(..)) | (Kind::Switch, Value::Bool(..)) => true,
        (Kind::Number, Value::Num(_, number)) => number.to_u128().is_some(),
        (Kind::Texts | Kind::TextOrTexts, Value::Array(_, items)) => {
            items.iter().all(|item| item.as_str().is_some())
        }
        _ => false,
    };
    if !fits {
        refuse_kind(findings, at, key, "something else");
    }
    fits.then_some(value)
}

fn check_dict(name: &str, at: &str, dict: Dict, findings: &mut Findings) -> Dict {
    let checked = dict.into_iter().filter_map(|(key, value)| {
        let value = check(&below(name, &key), &below(at, &key), value, findings)?;
        Some((key, value))
    });
    checked.collect()
}

/// Puts a value under its dotted name.
fn insert(layer: &mut Dict, name: &str, value: Value) {
    let Some((table, rest)) = name.split_once('.') else {
        layer.insert(name.to_owned(), value);
        return;
    };
    let inner = layer.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

/// `session.idle` is `ANTEROOM_SESSION__IDLE`.
#[must_use]
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"))
}

/// `…SERVICE_HOST`, `…SERVICE_PORT_HTTP`, `…PORT_8080_TCP_ADDR` and the like, which a cluster sets in every
/// container next to a service named `anteroom` or `anteroom-…`.
fn is_service_link(name: &str) -> bool {
    let wrapped = format!("_{name}_");
    !name.contains("__")
        && (wrapped.ends_with("_SERVICE_HOST_")
            || wrapped.contains("_SERVICE_PORT_")
            || wrapped.ends_with("_PORT_")
            || wrapped.split_once("_PORT_").is_some_and(|(_, rest)| {
                rest.starts_with(|c: char| c.is_ascii_digit())
                    && ["_TCP_", "_UDP_", "_SCTP_"].iter().any(|protocol| rest.contains(protocol))
            }))
}
