//! Texts that are searched by words, whatever the case.
//!
//! Separate because SQLite folds the case of ASCII only: what is kept and what is looked for go through here.

/// What is kept to be searched: all parts in lower case.
pub(super) fn text<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().map(str::to_lowercase).collect::<Vec<_>>().join("\n")
}

/// The words that must all occur, as a JSON list for `json_each`; no more than anybody would type.
pub(super) fn words(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().take(WORDS_MAX).map(str::to_lowercase).collect();
    serde_json::Value::from(words).to_string()
}

const WORDS_MAX: usize = 16;
