//! The rules of the house that a compiler does not know, checked over the sources as text.
//!
//! Separate from the other tests because it looks at how the project is written, not at what it does.
//!
//! Rules: the layers of [`LAYERS`]; no reminder words; lints are expected with a reason, never allowed
//! silently; nothing panics outside tests; every file says what it is. Each rule is a function from a file to
//! its breaches, and has a test of its own in which a bad sample is caught.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The layers from bottom to top: a module imports from rows below its own.
const LAYERS: &[&[&str]] = &[
    &["email", "id", "clock", "secret", "target", "http1", "monotonic"],
    &["saml", "identity"],
    &["directory", "session"],
    &["store"],
    &["keys", "mail", "federation"],
    &["sign_on", "admin"],
    &["pages", "proxy"],
    &["routes"],
    &["server"],
    &["config", "telemetry"],
    &["app"],
    &["demo"],
    &["cli"],
];

/// Imports within one row that are right all the same: (who, whom).
const SAME_ROW: &[(&str, &str)] = &[("secret", "id")];

/// File names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "common", "types", "manager", "misc"];

/// A file of the project, by its path from the root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// `store/sqlite.rs` and `store.rs` for the module `store`; `None` outside `src`.
    fn module_path(&self) -> Option<&str> {
        self.path.strip_prefix("src/").filter(|_| self.is_rust())
    }

    /// The module of lib.rs that the file belongs to; `lib` and `main` for these two themselves.
    fn module(&self) -> Option<&str> {
        let path = self.module_path()?;
        path.split_once('/').map(|(module, _)| module).or_else(|| path.strip_suffix(".rs"))
    }

    /// Its lines with their numbers, without comments of whole lines.
    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn breach(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

/// All files below the directories and at the paths named, those that are there.
fn sources(roots: &[&str]) -> Vec<Source> {
    fn walk(root: &Path, path: &Path, found: &mut Vec<Source>) {
        // What is built or found by a fuzzer is nobody's writing.
        let is_made =
            ["target", "corpus", "artifacts", "__pycache__"].iter().any(|name| path.ends_with(name));
        if is_made {
            return;
        }
        if path.is_dir() {
            let entries = fs::read_dir(path).expect("a directory of the project is readable");
            let mut paths: Vec<_> = entries.map(|entry| entry.expect("so are its entries").path()).collect();
            paths.sort();
            for path in paths {
                walk(root, &path, found);
            }
        } else if let Ok(text) = fs::read_to_string(path) {
            let path = path.strip_prefix(root).expect("it was found below the root");
            found.push(Source::new(&path.to_string_lossy(), &text));
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for path in roots {
        walk(root, &root.join(path), &mut found);
    }
    found
}

/// Fails with every breach that a rule finds in the files.
fn check(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>) {
    assert!(!sources.is_empty(), "there is nothing to look at");
    let breaches = sources.iter().flat_map(rule).fold(String::new(), |mut list, breach| {
        writeln!(list, "{breach}").expect("writing to a string succeeds");
        list
    });
    assert!(breaches.is_empty(), "\n{breaches}");
}

/// Fails unless the rule finds exactly this many breaches in the sample.
fn check_sample(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str, breaches: usize) {
    let found = rule(&Source::new(path, text));
    assert_eq!(found.len(), breaches, "{path}: {text:?}: {found:?}");
}

/// The names that stand after each occurrence of a prefix in a line.
fn names_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let name = |rest: &'a str| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest.split_at(end).0
    };
    let starts = line.match_indices(prefix).filter(|(at, _)| {
        let before = line.split_at(*at).0.chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$')
    });
    starts.map(|(at, _)| name(line.split_at(at + prefix.len()).1)).collect()
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&module))
}

/// Imports go down the layers only, and are written so that this can be seen.
fn layer_breaches(source: &Source) -> Vec<String> {
    let Some(module) = source.module() else { return Vec::new() };
    if module == "lib" {
        return Vec::new();
    }
    let own = match module {
        "main" => Some(LAYERS.len()),
        _ => layer(module),
    };
    let Some(own) = own else { return vec![source.breach(1, "its module is in no row of LAYERS")] };
    let mut breaches = Vec::new();
    for (number, line) in source.code_lines() {
        let mut names = names_after(line, "crate::");
        if module == "main" {
            names.extend(names_after(line, "anteroom::"));
        }
        for name in names {
            if name.is_empty() {
                breaches.push(source.breach(number, "write one `use crate::module::Item` for each module"));
                continue;
            }
            let allowed = name == module
                || SAME_ROW.contains(&(module, name))
                || layer(name).is_some_and(|layer| layer < own);
            if !allowed {
                breaches.push(source.breach(number, &format!("`{module}` may not import `{name}`")));
            }
        }
        // `super` of a module of lib.rs, and `super::super` below it, would reach other modules unseen.
        let is_top = source.module_path().is_some_and(|path| !path.contains('/'));
        let is_inline_test = line.trim() == "use super::*;";
        if line.contains("super::super::") || is_top && !is_inline_test && line.contains("super::") {
            breaches.push(source.breach(number, "write `crate::…` for what is outside this module"));
        }
    }
    breaches
}

/// Words that stand for work left undone, or for a look inside left behind.
fn reminder_breaches(source: &Source) -> Vec<String> {
    // In halves, so that this file does not have them either.
    let words = ["to".to_owned() + "do", "fix".to_owned() + "me", "x".repeat(3), "db".to_owned() + "g!"];
    let mut breaches = Vec::new();
    for (number, line) in (1..).zip(source.text.lines()) {
        let line = line.to_lowercase();
        for word in &words {
            let stands_alone = line.match_indices(word.as_str()).any(|(at, _)| {
                let (before, rest) = line.split_at(at);
                let after = rest.split_at(word.len()).1;
                let joins = |c: char| c.is_alphanumeric() || c == '_';
                let starts = !before.ends_with(joins);
                starts && (word.ends_with('!') || !after.starts_with(joins))
            });
            if stands_alone {
                breaches.push(source.breach(number, &format!("the word `{word}`")));
            }
        }
    }
    breaches
}

/// A lint is never allowed, and expected only with a reason.
fn lint_breaches(source: &Source) -> Vec<String> {
    let mut breaches = Vec::new();
    for (number, line) in source.code_lines() {
        let line = line.trim_start();
        if line.starts_with("#[allow(") || line.starts_with("#![allow(") {
            breaches.push(source.breach(number, "write `#[expect(lint, reason = \"…\")]`"));
        }
        if line.starts_with("#[expect(") || line.starts_with("#![expect(") {
            let from = source.text.lines().skip(number - 1);
            let mut attribute = String::new();
            for line in from {
                attribute.push_str(line);
                if line.trim_end().ends_with(")]") {
                    break;
                }
            }
            if !attribute.contains("reason = \"") {
                breaches.push(source.breach(number, "this expectation needs a reason"));
            }
        }
    }
    breaches
}

/// Nothing of the product panics by intent. Tests, at the end of a file or in files of their own, may.
fn panic_breaches(source: &Source) -> Vec<String> {
    let is_test = source.path.ends_with("/tests.rs") || source.path.contains("/tests/");
    if source.module_path().is_none() || is_test {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for (number, line) in source.code_lines() {
        if line.trim() == "#[cfg(test)]" {
            break;
        }
        for call in [".unwrap()", "panic!(", "unreachable!(", "unimplemented!("] {
            if line.contains(call) {
                breaches.push(source.breach(number, &format!("`{call}` outside a test")));
            }
        }
    }
    breaches
}

/// Every file begins by saying what it is.
fn head_breaches(source: &Source) -> Vec<String> {
    let mut lines = source.text.lines();
    let first = lines.next().unwrap_or_default();
    let says = if source.is_rust() {
        first.starts_with("//! ")
    } else if first.starts_with("#!") {
        lines.next().is_some_and(|line| line.starts_with("# "))
    } else {
        return Vec::new();
    };
    if says { Vec::new() } else { vec![source.breach(1, "begins without a sentence on what it is")] }
}

/// `x.rs` beside `x/`, no more than two levels below `src`, and names that say something.
fn layout_breaches(source: &Source) -> Vec<String> {
    let Some(path) = source.module_path() else { return Vec::new() };
    let mut breaches = Vec::new();
    let parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    if parts.len() > 3 {
        breaches.push(source.breach(1, "lies more than two levels below src"));
    }
    if parts.contains(&"mod") {
        breaches.push(source.breach(1, "`x.rs` beside `x/` takes the place of `x/mod.rs`"));
    }
    if parts.iter().any(|part| EMPTY_NAMES.contains(part)) {
        breaches.push(source.breach(1, "the name does not say what is in it"));
    }
    breaches
}

#[test]
fn imports_go_down_the_layers_only() {
    check(&sources(&["src"]), layer_breaches);
}

#[test]
fn every_module_has_one_layer() {
    let rows: Vec<&str> = LAYERS.iter().flat_map(|row| row.iter().copied()).collect();
    for (at, module) in rows.iter().enumerate() {
        assert!(!rows.split_at(at).0.contains(module), "{module} is in two rows");
    }
    let map = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"))
        .expect("the library has a root");
    let modules: Vec<&str> = map
        .lines()
        .filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod "))
        .map(|rest| rest.trim_end_matches(';'))
        .collect();
    assert!(!modules.is_empty(), "lib.rs declares its modules");
    for module in modules {
        assert!(layer(module).is_some(), "{module} of lib.rs is in no row of LAYERS");
    }
}

#[test]
fn an_upward_or_sideways_import_is_caught() {
    check_sample(layer_breaches, "src/store.rs", "use crate::directory::User;", 0);
    check_sample(layer_breaches, "src/store.rs", "use crate::store::sqlite;", 0);
    check_sample(layer_breaches, "src/store.rs", "use crate::sign_on::Gate;", 1);
    check_sample(layer_breaches, "src/store/sqlite.rs", "fn f(x: &crate::app::App) {}", 1);
    check_sample(layer_breaches, "src/sign_on.rs", "use crate::admin::X;", 1);
    check_sample(layer_breaches, "src/secret.rs", "use crate::id::Randomness;", 0);
    check_sample(layer_breaches, "src/id.rs", "use crate::secret::Secret;", 1);
    check_sample(layer_breaches, "src/keys.rs", "use crate::{store, app};", 1);
    check_sample(layer_breaches, "src/keys.rs", "pub(crate) fn f() {} // of crate", 0);
    check_sample(layer_breaches, "src/store.rs", "/// Read by [`crate::app`].", 0);
    check_sample(layer_breaches, "src/store/sqlite.rs", "use super::super::app::App;", 1);
    check_sample(layer_breaches, "src/store.rs", "use super::app::App;", 1);
    check_sample(layer_breaches, "src/store.rs", "mod tests {\n    use super::*;\n}", 0);
    check_sample(layer_breaches, "src/main.rs", "fn main() { anteroom::cli::run() }", 0);
    check_sample(layer_breaches, "src/novelty.rs", "", 1);
}

#[test]
fn nothing_is_left_as_a_reminder() {
    let mut sources = sources(&["src", "tests", "docs", "scripts", "config", "benches", "fuzz", ".ci"]);
    sources.extend(front_files());
    check(&sources, reminder_breaches);
}

/// The files at the root that people read.
fn front_files() -> Vec<Source> {
    sources(&["README.md", "CHANGELOG.md", "Dockerfile", "deny.toml"])
}

#[test]
fn a_reminder_is_caught() {
    let word = "to".to_owned() + "do";
    check_sample(reminder_breaches, "src/a.rs", &format!("// {}: more", word.to_uppercase()), 1);
    check_sample(reminder_breaches, "docs/a.md", &format!("({word})"), 1);
    check_sample(reminder_breaches, "src/a.rs", &format!("let s{word} = {word}s;"), 0);
    check_sample(reminder_breaches, "src/a.rs", &("    db".to_owned() + "g!(x);"), 1);
    check_sample(reminder_breaches, "src/a.rs", "hexxxa debug!(x)", 0);
}

#[test]
fn no_lint_is_silenced_without_a_reason() {
    check(&sources(&["src", "tests"]), lint_breaches);
}

#[test]
fn a_silenced_lint_is_caught() {
    let allow = "#[al".to_owned() + "low(dead_code)]";
    check_sample(lint_breaches, "src/a.rs", &allow, 1);
    check_sample(lint_breaches, "src/a.rs", "#[expect(dead_code)]\nfn f() {}", 1);
    check_sample(lint_breaches, "src/a.rs", "#[expect(dead_code, reason = \"shown to rustc\")]", 0);
    check_sample(lint_breaches, "src/a.rs", "#[expect(\n    dead_code,\n    reason = \"so\"\n)]", 0);
}

#[test]
fn nothing_panics_outside_tests() {
    check(&sources(&["src"]), panic_breaches);
}

#[test]
fn a_panic_is_caught() {
    check_sample(panic_breaches, "src/a.rs", "let x = y.unwrap();", 1);
    check_sample(panic_breaches, "src/a.rs", "panic!(\"no\")", 1);
    check_sample(panic_breaches, "src/a.rs", "#[cfg(test)]\nmod tests { fn f() { panic!(\"so\") } }", 0);
    check_sample(panic_breaches, "src/a/tests.rs", "x.unwrap();", 0);
    check_sample(panic_breaches, "src/a.rs", "x.unwrap_or_default();", 0);
}

#[test]
fn every_file_says_what_it_is() {
    check(&sources(&["src", "tests", "scripts", ".ci", "benches"]), head_breaches);
}

#[test]
fn a_file_without_a_head_is_caught() {
    check_sample(head_breaches, "src/a.rs", "use std::fs;\n", 1);
    check_sample(head_breaches, "src/a.rs", "//! Files.\n", 0);
    check_sample(head_breaches, "scripts/a", "#!/usr/bin/env bash\nset -e\n", 1);
    check_sample(head_breaches, "scripts/a", "#!/usr/bin/env bash\n# Does it.\n", 0);
}

#[test]
fn the_tree_is_laid_out_as_agreed() {
    check(&sources(&["src"]), layout_breaches);
}

#[test]
fn a_misplaced_file_is_caught() {
    check_sample(layout_breaches, "src/a/b/c.rs", "", 0);
    check_sample(layout_breaches, "src/a/b/c/d.rs", "", 1);
    check_sample(layout_breaches, "src/a/mod.rs", "", 1);
    check_sample(layout_breaches, "src/helpers.rs", "", 1);
}
