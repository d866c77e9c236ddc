//! What a command has to say: a table or a sentence for people, JSON for programs.
//!
//! Separate so that commands only say it, and one place prints it: to handles that are passed in, and quietly
//! if the reader has gone away.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::Value;

/// The answer of one command, in both forms.
#[derive(Debug)]
pub(super) struct Answer {
    text: String,
    json: Value,
    /// Remarks for people, on the standard error.
    notes: Vec<String>,
    /// Whether the command has written its output itself.
    is_written: bool,
    /// Whether the answer is a "no".
    is_negative: bool,
}

impl Answer {
    /// A sentence, or text in a form of its own.
    pub(super) fn new(text: String, json: Value) -> Self {
        Self { text, json, notes: Vec::new(), is_written: false, is_negative: false }
    }

    /// Nothing more to say: the command has written its output itself, because it is too much to keep.
    pub(super) fn written() -> Self {
        Self { is_written: true, ..Self::new(String::new(), Value::Null) }
    }

    /// A list: aligned columns under their names, and the same as JSON objects.
    pub(super) fn list<const N: usize>(columns: [&str; N], rows: &[[String; N]], json: Vec<Value>) -> Self {
        Self::new(table(columns, rows), Value::Array(json))
    }

    /// The outcome of a change: the object as it is now, and whether it was so already.
    pub(super) fn change(done: &str, changed: bool, object: &str, mut json: Value) -> Self {
        if let Some(json) = json.as_object_mut() {
            json.insert("changed".to_owned(), Value::Bool(changed));
        }
        let verb = if changed { done } else { "unchanged" };
        Self::new(printable(&format!("{verb}: {object}")), json)
    }

    /// Says something else to programs.
    pub(super) fn with_json(self, json: Value) -> Self {
        Self { json, ..self }
    }

    /// Says "no": the exit code is that of a refusal.
    pub(super) fn negative(self) -> Self {
        Self { is_negative: true, ..self }
    }

    /// Whether the answer is a "no".
    pub(super) const fn is_negative(&self) -> bool {
        self.is_negative
    }

    /// Adds a remark.
    pub(super) fn with_note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Writes the answer.
    pub(super) fn print(&self, json: bool, out: &mut dyn Write, notes: &mut dyn Write) -> io::Result<()> {
        if self.is_written {
            // Nothing is left to write.
        } else if json {
            serde_json::to_writer_pretty(&mut *out, &self.json)?;
            writeln!(out)?;
        } else {
            out.write_all(self.text.as_bytes())?;
            if !self.text.ends_with('\n') {
                writeln!(out)?;
            }
        }
        out.flush()?;
        self.notes.iter().try_for_each(|note| writeln!(notes, "{note}"))
    }
}

/// A moment as a table shows it, to the second, in UTC.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A moment that may not be known.
pub(super) fn moment_or_dash(at: Option<Timestamp>) -> String {
    at.map_or_else(dash, moment)
}

/// What a table shows for nothing.
pub(super) fn dash() -> String {
    "-".to_owned()
}

/// Columns as wide as their widest field.
fn table<const N: usize>(columns: [&str; N], rows: &[[String; N]]) -> String {
    let head = columns.map(|name| name.to_uppercase().replace('_', " "));
    let rows: Vec<_> =
        std::iter::once(head).chain(rows.iter().map(|row| row.each_ref().map(|f| printable(f)))).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, field) in widths.iter_mut().zip(row) {
            *width = (*width).max(field.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let line: String =
            row.iter().zip(widths).map(|(field, width)| pad(field, width)).collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn pad(field: &str, width: usize) -> String {
    format!("{field:width$}")
}

/// Text without characters that would command the terminal or turn the line round.
pub(super) fn printable(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_hidden(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn printed(answer: &Answer, json: bool) -> String {
        let mut out = Vec::new();
        answer.print(json, &mut out, &mut Vec::new()).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_aligned_and_its_json_is_not_touched() {
        let rows =
            [["a".to_owned(), "Ümläut".to_owned(), dash()], ["bcd".to_owned(), "x".to_owned(), dash()]];
        let answer = Answer::list(["id", "full_name", "z"], &rows, vec![json!({"id": "a"})]);
        assert_eq!(printed(&answer, false), "ID   FULL NAME  Z\na    Ümläut     -\nbcd  x          -\n");
        assert_eq!(printed(&answer, true), "[\n  {\n    \"id\": \"a\"\n  }\n]\n");
    }

    #[test]
    fn a_change_says_whether_it_was_one() {
        for (changed, text) in [(true, "granted: dana\n"), (false, "unchanged: dana\n")] {
            let answer = Answer::change("granted", changed, "dana", json!({"id": "u_1"}));
            assert_eq!(printed(&answer, false), text);
            assert_eq!(answer.json, json!({"id": "u_1", "changed": changed}));
        }
    }

    #[test]
    fn nothing_that_is_shown_commands_the_terminal() {
        let answer = Answer::list(["x"], &[["\u{1b}[2J\u{202e}\n".to_owned()]], Vec::new());
        assert_eq!(printed(&answer, false), "X\n\u{fffd}[2J\u{fffd}\u{fffd}\n");
    }
}
