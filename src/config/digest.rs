//! What a configuration was read from, as digests: enough to tell in the audit log that it has changed, and
//! where, and what may be shown of it (`values`).
//!
//! Separate because values may be secret, and only what may be shown leaves this module.

use std::collections::{BTreeMap, BTreeSet};

use figment::value::Dict;

use super::values::{self, Values};
use crate::secret::{MacKey, sha256};

/// The digests of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digest {
    file: [u8; 32],
    sections: BTreeMap<String, [u8; 32]>,
    values: Values,
}

impl Digest {
    /// Begins with the text of the file and the values of the file and the environment.
    pub(super) fn of(text: &str, layers: [&Dict; 2]) -> Self {
        let mut digest =
            Self { file: sha256(text.as_bytes()), sections: BTreeMap::new(), values: Values::of(layers) };
        for (name, value) in layers.into_iter().flatten() {
            let value = serde_json::to_vec(value).unwrap_or_default();
            digest.count(name, &value);
        }
        digest
    }

    /// Adds the content of a file that a key names.
    pub(super) fn add(&mut self, key: &str, octets: &[u8]) {
        self.values.add_file(key, octets);
        self.count(key, octets);
    }

    fn count(&mut self, key: &str, octets: &[u8]) {
        let section = key.split(['.', '[']).next().unwrap_or(key);
        let section = self.sections.entry(section.to_owned()).or_default();
        *section = sha256(&[&section[..], &sha256(octets)[..]].concat());
    }

    /// SHA-256 of the configuration file, in hexadecimal.
    #[must_use]
    pub fn file_hex(&self) -> String {
        use std::fmt::Write as _;
        self.file.iter().fold(String::new(), |mut hex, octet| {
            write!(hex, "{octet:02x}").expect("writing to a string succeeds");
            hex
        })
    }

    /// The values as they may be kept until the next change: secrets by a hash under a key.
    #[must_use]
    pub fn kept(&self, key: &MacKey) -> serde_json::Value {
        self.values.to_json(key)
    }

    /// What differs between two configurations, as [`Digest::kept`] gave them: a bounded list of
    /// `{key, before, after}`, and how many did not fit.
    #[must_use]
    pub fn changes(before: &serde_json::Value, after: &serde_json::Value) -> (serde_json::Value, usize) {
        values::changes(before, after)
    }

    /// The sections in which a newer configuration differs: a value, a variable of the environment, or a file that
    /// a key names.
    #[must_use]
    pub fn changed_sections<'d>(&'d self, newer: &'d Self) -> Vec<&'d str> {
        let names: BTreeSet<_> = self.sections.keys().chain(newer.sections.keys()).collect();
        let differs = |name: &&String| self.sections.get(*name) != newer.sections.get(*name);
        names.into_iter().filter(differs).map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use figment::value::Value;

    use super::*;

    fn digest(url: &str, certificate: &[u8]) -> Digest {
        let values = Dict::from([
            ("app".to_owned(), Value::from(Dict::from([("url".to_owned(), Value::from(url))]))),
            ("listen".to_owned(), Value::from(Dict::new())),
        ]);
        let mut digest = Digest::of("text", [&values, &Dict::new()]);
        digest.add("listen.tls[0].certificate", certificate);
        digest
    }

    #[test]
    fn sections_differ_by_their_values_and_by_the_files_that_they_name() {
        let before = digest("https://a.example", b"one");
        assert!(before.changed_sections(&digest("https://a.example", b"one")).is_empty());
        assert_eq!(before.changed_sections(&digest("https://b.example", b"one")), ["app"]);
        assert_eq!(before.changed_sections(&digest("https://a.example", b"two")), ["listen"]);
        assert_eq!(before.changed_sections(&Digest::default()), ["app", "listen"]);
        assert_eq!(before.file_hex().len(), 64);
    }
}
