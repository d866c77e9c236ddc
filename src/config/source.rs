//! The strict reading of the file's text: what is TOML, which keys it has and of which kind they are.
//!
//! Separate from deserializing because serde stops at the first mistake; this walks the whole file, remembers
//! the line of every key, and leaves out what cannot be used.

use std::ops::Range;

use figment::value::{Dict, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::{Findings, Place};
use super::schema::{self, Absent, Kind, Shape, Support};

/// Reads the text; what it returns has only known keys with values of the right kind.
pub(super) fn read(text: &str, findings: &mut Findings) -> Dict {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut damage = Vec::new();
    let mut lines = Vec::new();
    let mut errors: Vec<_> =
        errors.iter().map(|error| (error.span().unwrap_or_default(), error.message())).collect();
    errors.sort_by_key(|(span, _)| span.start);
    for (span, message) in errors {
        let (line, column) = position(text, span.start);
        // One slip makes the parser stumble several times; the first tells what it was.
        if lines.last() != Some(&line) {
            lines.push(line);
            findings.broken(Place::Position(line, column), message, syntax_remedy(message));
        }
        damage.push(span.start);
    }
    Walk { text, damage, findings }.table("", "", document.get_ref())
}

fn syntax_remedy(message: &str) -> &'static str {
    if message == "duplicate key" {
        "keep it once; keys of one table stand together under one heading"
    } else if message.starts_with("string values must be quoted") {
        "write the value in double quotes, e.g. key = \"value\""
    } else {
        "correct the line: a heading is [table], a value is \"text\", true, false or [\"a\", \"list\"]"
    }
}

/// Line and column of an offset, both from 1.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
    (before.matches('\n').count() + 1, column)
}

struct Walk<'w> {
    text: &'w str,
    damage: Vec<usize>,
    findings: &'w mut Findings,
}

impl Walk<'_> {
    /// Reads a table. `name` is its name in the schema, `at` the same with the indexes of arrays.
    fn table(&mut self, name: &str, at: &str, table: &DeTable<'_>) -> Dict {
        let mut dict = Dict::new();
        for (key, value) in table {
            let (name, at) = (below(name, key.get_ref()), below(at, key.get_ref()));
            self.findings.stands_at(&at, Place::Line(position(self.text, key.span().start).0));
            let value = if key.get_ref().contains(['.', '[']) {
                self.unknown(&name, &at);
                None
            } else if let Some(table) = schema::table(&name) {
                self.tables(table, &at, value)
            } else if let Some(key) = schema::key(&name) {
                self.value(key, &at, value)
            } else {
                self.unknown(&name, &at);
                None
            };
            if let Some(value) = value {
                dict.insert(key.get_ref().to_string(), value);
            }
        }
        dict
    }

    fn tables(&mut self, known: &schema::Table, at: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        match (value.get_ref(), known.shape) {
            (DeValue::Table(table), Shape::Once | Shape::OnceOrMany) => {
                Some(Value::from(self.table(known.name, at, table)))
            }
            (DeValue::Array(array), Shape::Many | Shape::OnceOrMany)
                if array.iter().all(|item| item.get_ref().is_table()) =>
            {
                let items = array.iter().enumerate().filter_map(|(index, item)| {
                    let at = format!("{at}[{index}]");
                    self.findings.stands_at(&at, Place::Line(position(self.text, item.span().start).0));
                    Some(Value::from(self.table(known.name, &at, item.get_ref().as_table()?)))
                });
                Some(Value::from(items.collect::<Vec<_>>()))
            }
            (other, shape) => {
                if !self.is_damaged(&value.span()) {
                    let remedy = match shape {
                        Shape::Once => format!("write [{0}] above its keys", known.name),
                        Shape::Many => format!("write [[{0}]] above the keys of each", known.name),
                        Shape::OnceOrMany => format!("write [{0}], or [[{0}]] for several", known.name),
                    };
                    self.findings.refuse(at, format!("must be a table, not {}", named(other)), remedy);
                }
                self.findings.spoiled(at);
                None
            }
        }
    }

    fn value(&mut self, key: &schema::Key, at: &str, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        if self.is_damaged(&value.span()) {
            self.findings.spoiled(at);
            return None;
        }
        match (key.kind, value.get_ref()) {
            (Kind::Switch, DeValue::Boolean(false)) if key.support == Support::Later => None,
            _ if key.support == Support::Later => {
                refuse_later(self.findings, at);
                None
            }
            (Kind::Text | Kind::TextOrTexts, DeValue::String(text)) => Some(Value::from(text.to_string())),
            (Kind::Switch, DeValue::Boolean(on)) => Some(Value::from(*on)),
            (Kind::Texts | Kind::TextOrTexts, DeValue::Array(items)) => self.texts(key, at, items),
            (Kind::Number, DeValue::Integer(number)) => {
                let value = u64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::from);
                if value.is_none() {
                    refuse_kind(self.findings, at, key, "a number that is negative or too large");
                }
                value
            }
            (_, other) => {
                refuse_kind(self.findings, at, key, named(other));
                None
            }
        }
    }

    fn texts(&mut self, key: &schema::Key, at: &str, items: &[Spanned<DeValue<'_>>]) -> Option<Value> {
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = format!("{at}[{index}]");
            self.findings.stands_at(&at, Place::Line(position(self.text, item.span().start).0));
            match item.get_ref() {
                DeValue::String(text) => texts.push(Value::from(text.to_string())),
                other => {
                    let item = schema::Key { kind: Kind::Text, absent: Absent::Missing, ..*key };
                    refuse_kind(self.findings, &at, &item, named(other));
                }
            }
        }
        (texts.len() == items.len()).then(|| Value::from(texts))
    }

    fn unknown(&mut self, name: &str, at: &str) {
        let remedy = schema::nearest(name).map_or_else(
            || "remove it; docs/operations.md lists all keys".to_owned(),
            |known| format!("did you mean {known}?"),
        );
        // After a broken heading its keys seem to stand at the top.
        if name.contains('.') || !self.findings.is_broken() {
            self.findings.refuse(at, "is not a known key", remedy);
        }
    }

    /// Whether a syntax error lies within; then what the parser made of it means nothing.
    fn is_damaged(&self, span: &Range<usize>) -> bool {
        self.damage.iter().any(|offset| (span.start..=span.end).contains(offset))
    }
}

/// Adds that the feature of a key comes later.
pub(super) fn refuse_later(findings: &mut Findings, at: &str) {
    findings.refuse(at, "is not supported yet", "remove it; this version does nothing with it");
}

/// Adds that a value is of the wrong kind.
pub(super) fn refuse_kind(findings: &mut Findings, at: &str, key: &schema::Key, found: &str) {
    let example = |other| match key.absent {
        Absent::Value(default) if default != "[]" => default,
        _ => other,
    };
    let (expected, remedy) = match key.kind {
        Kind::Text => ("text", format!("write it in double quotes, e.g. {}", example("\"value\""))),
        Kind::TextOrTexts => (
            "text or a list of texts",
            "write it in double quotes, e.g. \"value\", several in brackets".to_owned(),
        ),
        Kind::Texts => ("a list of texts", format!("write it in brackets, e.g. {}", example("[\"value\"]"))),
        Kind::Switch => ("true or false", "write true or false, without quotes".to_owned()),
        Kind::Number => ("a whole number", format!("write it without quotes, e.g. {}", example("100"))),
    };
    findings.refuse(at, format!("must be {expected}, not {found}"), remedy);
}

fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// `app` and `url` are `app.url`.
pub(super) fn below(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
}
