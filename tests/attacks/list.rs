//! The list of attacks in `docs/saml.md`: complete, and true.
//!
//! Separate because it compares what is written for people with the tests that prove it.
//!
//! Rules: every row of the list has a line there; a line names tests that exist, or says why the row cannot
//! apply; every row of the catalogue has a test named by it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{catalogue, identity_values};

/// The groups of the list and how many rows each has; `I` is one row.
const GROUPS: [(char, usize); 8] =
    [('A', 15), ('B', 13), ('C', 12), ('D', 20), ('E', 7), ('F', 7), ('G', 6), ('H', 6)];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of the table: the row and all that is said of it.
fn lines() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("docs/saml.md")).expect("docs/saml.md is there");
    let cells = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let is_row = |first: &str| {
        let (letter, number) = first.split_at(1);
        first == "I" || ("ABCDEFGH".contains(letter) && number.parse::<usize>().is_ok())
    };
    let named = cells.filter(|(first, _)| !first.is_empty() && first.is_ascii() && is_row(first));
    named.map(|(first, rest)| (first.to_owned(), rest.to_owned())).collect()
}

/// The tests that a line names: what stands in backticks and has a path.
fn tests_of(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).filter(|code| code.contains("::")).collect()
}

/// The files in which a test of that path may stand.
fn files_of(path: &str) -> Vec<PathBuf> {
    let (module, _) = path.rsplit_once("::").expect("a path");
    let (first, rest) = module.split_once("::").unwrap_or((module, ""));
    let (base, rest) = match first {
        "attacks" => ("tests/attacks", rest),
        "proof" => ("tests/proof", rest),
        "anteroom" => ("src", rest.strip_suffix("::tests").unwrap_or(rest)),
        _ => ("tests/it", module),
    };
    let file = root().join(base).join(rest.replace("::", "/"));
    vec![file.with_extension("rs"), file.join("tests.rs")]
}

fn exists(path: &str) -> bool {
    let name = path.rsplit("::").next().unwrap_or_default();
    let texts = files_of(path).into_iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.into_iter().any(|text| {
        let is_function = |line: &str| line.contains(&format!("fn {name}("));
        let is_row = |line: &str| line.trim_start().starts_with(&format!("{name} \""));
        text.lines().any(|line| is_function(line) || is_row(line))
    })
}

#[test]
fn every_row_of_the_list_is_documented_and_every_test_named_there_exists() {
    let lines = lines();
    let mut wanted: Vec<String> = GROUPS
        .iter()
        .flat_map(|(group, rows)| (1..=*rows).map(move |row| format!("{group}{row}")))
        .chain(["I".to_owned()])
        .collect();
    let mut faults = Vec::new();
    for (row, rest) in &lines {
        if let Some(at) = wanted.iter().position(|wanted| wanted == row) {
            wanted.remove(at);
        } else {
            faults.push(format!("{row} is there twice, or is no row"));
        }
        let tests = tests_of(rest);
        if tests.is_empty() && !rest.contains("Cannot apply:") {
            faults.push(format!("{row} names neither a test nor a reason"));
        }
        let missing = tests.into_iter().filter(|path| !exists(path));
        faults.extend(missing.map(|path| format!("{row} names {path}, which is not there")));
    }
    faults.extend(wanted.iter().map(|row| format!("{row} is missing")));
    assert!(faults.is_empty(), "docs/saml.md:\n{}", faults.join("\n"));
}

#[test]
fn every_row_of_the_catalogue_has_a_test_named_by_it_in_the_documents() {
    let lines = lines();
    let mut faults = Vec::new();
    for attack in catalogue().iter().chain(&identity_values::people()) {
        let (group, number) = attack.id.split_at(1);
        let number: usize = number.parse().expect("a number");
        let prefix = format!("::{}{number:02}_", group.to_lowercase());
        let named = lines.iter().any(|(row, rest)| row == attack.id && rest.contains(&prefix));
        if !named {
            faults.push(format!("{}: no test {prefix}… in docs/saml.md", attack.id));
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
