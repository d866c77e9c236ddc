//! The values of a configuration, key by key, as the audit log may show them.
//!
//! Separate because this is where secrets are taken out: a value that holds one is told apart by its hash alone.
//!
//! Rules: an entry of a list of tables is named by its `id` or `path`; a file that a key names counts as a value of its own, by
//! its digest. What is kept between starts ([`Values::to_json`]) has no hash of a secret that could be tried out
//! without the cluster's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use figment::value::Dict;
use serde_json::{Map, Value, json};

use crate::secret::{MacKey, sha256};

/// All keys that are set, with their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Values {
    entries: BTreeMap<String, Entry>,
    /// The ids of `[[organization]]`, in order, for the names of their files.
    organizations: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// `None` if it must not be shown.
    text: Option<String>,
    hash: [u8; 32],
}

impl Values {
    /// The values of the file with those of the environment over them.
    pub(super) fn of([file, environment]: [&Dict; 2]) -> Self {
        let json = |dict: &Dict| serde_json::to_value(dict).unwrap_or_default();
        let mut all = json(file);
        overlay(&mut all, json(environment));
        let mut values = Self::default();
        if let Some(Value::Array(organizations)) = all.get("organization") {
            values.organizations = organizations.iter().map(|one| id_of(one).unwrap_or_default()).collect();
        }
        values.flatten("", &all);
        values
    }

    /// Adds the content of a file that a key names.
    pub(super) fn add_file(&mut self, key: &str, octets: &[u8]) {
        let name = format!("{} (content)", self.named(key));
        let is_private = key.ends_with("key");
        let hash = sha256(octets);
        let text = (!is_private).then(|| format!("sha256:{}", hex(&hash)));
        self.entries.insert(name, Entry { text, hash });
    }

    /// `organization[0].metadata` by the organization's id.
    fn named(&self, key: &str) -> String {
        let by_id = || {
            let (index, rest) = key.strip_prefix("organization[")?.split_once(']')?;
            let id = self.organizations.get(index.parse::<usize>().ok()?).filter(|id| !id.is_empty())?;
            Some(format!("organization.{id}{rest}"))
        };
        by_id().unwrap_or_else(|| key.to_owned())
    }

    fn flatten(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(table) => {
                for (name, value) in table {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.flatten(&path, value);
                }
            }
            Value::Array(list) if list.iter().any(Value::is_object) => {
                for (index, value) in list.iter().enumerate() {
                    let name =
                        id_of(value).map_or_else(|| format!("{path}[{index}]"), |id| format!("{path}.{id}"));
                    self.flatten(&name, value);
                }
            }
            _ => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let hash = sha256(text.as_bytes());
                let text = (!is_secret(path, &text)).then_some(text);
                self.entries.insert(path.to_owned(), Entry { text, hash });
            }
        }
    }

    /// What may be kept, for [`changes`] at another time: the texts, and each value's hash under a key.
    pub(super) fn to_json(&self, key: &MacKey) -> Value {
        let entry = |entry: &Entry| json!([entry.text, hex(&key.tag(&entry.hash))]);
        self.entries.iter().map(|(name, one)| (name.clone(), entry(one))).collect::<Map<_, _>>().into()
    }
}

/// What is another value in the later of two configurations, as [`Values::to_json`] gave them: a list of
/// `{key, before, after}`, bounded, and how many did not fit. A key that is not set has the value `null`.
pub(super) fn changes(before: &Value, after: &Value) -> (Value, usize) {
    let nothing = Map::new();
    let (before, after) = (before.as_object().unwrap_or(&nothing), after.as_object().unwrap_or(&nothing));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mark = |entry: Option<&Value>| entry.and_then(|entry| entry.get(1).cloned());
    let changed: Vec<_> =
        names.into_iter().filter(|name| mark(before.get(*name)) != mark(after.get(*name))).collect();
    let mut list = Vec::new();
    let mut octets = 0;
    for name in &changed {
        let [one, other] = sides(before.get(*name), after.get(*name));
        let change = json!({"key": name, "before": one, "after": other});
        octets += change.to_string().len();
        if octets > CHANGES_OCTETS_MAX {
            break;
        }
        list.push(change);
    }
    let left_out = changed.len() - list.len();
    (Value::Array(list), left_out)
}

/// Both sides of a change; neither, if one holds a secret.
fn sides(before: Option<&Value>, after: Option<&Value>) -> [Value; 2] {
    let text = |entry: Option<&Value>| match entry.map(|entry| entry.get(0)) {
        None => Some(Value::Null),
        Some(text) => text.and_then(Value::as_str).map(|text| Value::from(cut(text))),
    };
    match (text(before), text(after)) {
        (Some(before), Some(after)) => [before, after],
        _ => [CHANGED.into(), CHANGED.into()],
    }
}

/// Puts one table over another: what is no table is replaced whole.
fn overlay(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (name, value) in above {
                overlay(below.entry(name).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

fn id_of(table: &Value) -> Option<String> {
    let id = table.get("id").or_else(|| table.get("path"));
    id.and_then(Value::as_str).map(str::to_owned)
}

/// Whether a value must not be shown: a key that is named so, or a URL with a user or password in it.
fn is_secret(key: &str, text: &str) -> bool {
    let name = key.rsplit('.').next().unwrap_or(key);
    let is_named_so = ["password", "secret", "token"].iter().any(|word| name.contains(word));
    let has_credentials =
        |rest: &str| rest.split(['/', '"', '?', '#']).next().is_some_and(|host| host.contains('@'));
    (is_named_so && !name.ends_with("_file")) || text.split("://").skip(1).any(has_credentials)
}

fn cut(text: &str) -> String {
    let mut kept: String = text.chars().take(TEXT_CHARS_MAX).collect();
    if kept.len() < text.len() {
        kept.push('…');
    }
    kept
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut hex, octet| {
        write!(hex, "{octet:02x}").expect("writing to a string succeeds");
        hex
    })
}

/// What stands for a value that holds a secret.
const CHANGED: &str = "(changed)";
/// Longer ones are lists; their beginning tells which.
const TEXT_CHARS_MAX: usize = 200;
/// What fits into the details of an event with everything else.
const CHANGES_OCTETS_MAX: usize = 3_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ClusterSecret;

    fn values(toml: &str, environment: &str) -> Values {
        let dict = |text: &str| -> Dict { toml::from_str(text).unwrap() };
        Values::of([&dict(toml), &dict(environment)])
    }

    /// The changes as text, and how many were left out.
    fn changed(before: &Values, after: &Values) -> (Vec<String>, usize) {
        let key = ClusterSecret::new([3; 32]).mac_key("configuration");
        let (list, left_out) = changes(&before.to_json(&key), &after.to_json(&key));
        let line = |change: &Value| format!("{}: {} -> {}", change["key"], change["before"], change["after"]);
        (list.as_array().unwrap().iter().map(|one| line(one).replace('"', "")).collect(), left_out)
    }

    #[test]
    fn what_has_changed_is_told_by_key_with_both_values() {
        let before = values(
            "[app]\nname = \"A\"\nurl = \"https://a.example\"\n[session]\nidle = \"2h\"\n\
             [[organization]]\nid = \"contoso\"\nname = \"C\"\n[[organization]]\nid = \"north\"\nname = \"N\"\n",
            "",
        );
        let after = values(
            "[app]\nname = \"A\"\nurl = \"https://b.example\"\n[mail]\ndigest = false\n\
             [[organization]]\nid = \"north\"\nname = \"North\"\n",
            "[session]\nidle = \"3h\"\n",
        );
        let (list, left_out) = changed(&before, &after);
        assert_eq!(
            list,
            [
                "app.url: https://a.example -> https://b.example",
                "mail.digest: null -> false",
                "organization.contoso.id: contoso -> null",
                "organization.contoso.name: C -> null",
                "organization.north.name: N -> North",
                "session.idle: 2h -> 3h",
            ]
        );
        assert_eq!(left_out, 0);
        assert_eq!(changed(&after, &after), (Vec::new(), 0));
    }

    #[test]
    fn secrets_are_told_to_have_changed_and_never_shown() {
        let with = |smtp: &str| values(&format!("[mail]\nsmtp = \"{smtp}\"\n"), "");
        for (before, after) in [
            ("smtp://u:swordfish@mail.example:25", "smtp://mail.example:25"),
            ("smtp://mail.example:25", "smtp://swordfish@mail.example"),
            ("smtp://u:swordfish@a.example", "smtp://u:other@a.example"),
        ] {
            let (list, _) = changed(&with(before), &with(after));
            assert_eq!(list, ["mail.smtp: (changed) -> (changed)"], "{before} {after}");
        }
        let key = ClusterSecret::new([3; 32]).mac_key("configuration");
        let kept = with("smtp://u:swordfish@mail.example").to_json(&key).to_string();
        assert!(
            !kept.contains("swordfish") && !kept.contains(&hex(&sha256(b"smtp://u:swordfish@mail.example")))
        );
        for (name, text, secret) in [
            ("x.client_secret", "s", true),
            ("x.password", "s", true),
            ("store.secret_file", "anteroom.secret", false),
            ("app.upstreams", "[\"http://a\",\"http://u:p@b\"]", true),
            ("app.upstreams", "[\"http://a/@x\"]", false),
            ("mail.from", "A <a@b.example>", false),
        ] {
            assert_eq!(is_secret(name, text), secret, "{name} = {text}");
        }
    }

    #[test]
    fn files_count_by_their_content_and_private_keys_are_not_shown() {
        let with = |metadata: &[u8], key: &[u8]| {
            let mut values = values("[[organization]]\nid = \"north\"\nmetadata = \"n.xml\"\n", "");
            values.add_file("organization[0].metadata", metadata);
            values.add_file("listen.tls[0].key", key);
            values
        };
        let (list, _) = changed(&with(b"1", b"1"), &with(b"2", b"2"));
        assert_eq!(list[0], "listen.tls[0].key (content): (changed) -> (changed)");
        assert!(list[1].starts_with("organization.north.metadata (content): sha256:6b86b273"), "{list:?}");
        assert_eq!(list.len(), 2);
    }

    #[test]
    fn what_is_long_is_cut_and_what_is_too_much_is_counted() {
        let many = |word: &str| {
            let tables =
                (0..200).map(|number| format!("[[organization]]\nid = \"o{number}\"\nname = \"{word}\"\n"));
            values(&tables.collect::<String>(), "")
        };
        let (list, left_out) = changed(&many(&"a".repeat(500)), &many("b"));
        assert_eq!(list.len() + left_out, 200);
        assert!(list.len() > 5 && list.iter().all(|line| line.chars().count() < 300), "{list:?}");
    }
}
