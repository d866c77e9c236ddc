//! The checks of the fuzz targets, run over their seeds and over thousands of changes to them.
//!
//! Separate from the targets because this needs no fuzzing engine, and so runs wherever tests do.

use std::fs;
use std::path::Path;

use crate::chance::Chance;
use crate::checks;

/// The seeds of a target.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| fs::read(path).expect("it can be read")).collect();
    assert!(!seeds.is_empty(), "{target} has no seed");
    seeds
}

/// Words that parsers look for.
fn words() -> Vec<Vec<u8>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/saml.dict"));
    let text = text.expect("the dictionary is there");
    let quoted = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    quoted.map(|word| word.replace("\\\"", "\"").replace("\\\\", "\\").into_bytes()).collect()
}

/// Runs a check over the seeds, and over this many changes to them.
fn smoke(target: &str, cases: u64, check: fn(&[u8])) {
    let (seeds, words) = (seeds(target), words());
    for seed in &seeds {
        check(seed);
    }
    for case in 0..cases {
        let mut chance = Chance::of(case);
        let mut octets = chance.one(&seeds).clone();
        for _ in 0..=chance.below(4) {
            change(&mut octets, &mut chance, (&seeds, &words));
        }
        check(&octets);
    }
}

fn change(octets: &mut Vec<u8>, chance: &mut Chance, (seeds, words): (&[Vec<u8>], &[Vec<u8>])) {
    let at = chance.below(octets.len() + 1);
    let end = (at + chance.below(16)).min(octets.len());
    match chance.below(6) {
        0 => {
            if let Some(octet) = octets.get_mut(at) {
                *octet ^= 1 << chance.below(8);
            }
        }
        1 => drop(octets.splice(at..end, [])),
        2 => drop(octets.splice(at..end, chance.one(words).iter().copied())),
        3 => {
            let other = chance.one(seeds);
            let from = chance.below(other.len());
            octets.truncate(at);
            octets.extend(other.iter().skip(from));
        }
        4 => {
            let noise: Vec<u8> =
                (0..chance.below(8)).map(|_| u8::try_from(chance.below(256)).expect("an octet")).collect();
            drop(octets.splice(at..end, noise));
        }
        _ => octets.truncate(at),
    }
}

/// One or two letters put in place of others, as the targets read changes.
fn letters(case: u64, within: usize) -> Vec<u8> {
    let mut chance = Chance::of(case);
    let mut data = Vec::new();
    for _ in 0..=chance.below(2) {
        let at = u16::try_from(chance.below(within)).expect("messages are short");
        data.extend(at.to_be_bytes());
        data.extend([1, 0, 0, 0, 1, *chance.one(b"aeimox019")]);
    }
    data
}

#[test]
fn any_response_lets_nobody_else_in() {
    smoke("response", 400, checks::response);
    let world = checks::World::get();
    let mut only_by_digest = 0;
    for case in 0..600 {
        let kind = Chance::of(case).below(world.genuine.len());
        let genuine = world.genuine.get(kind).expect("it is one of them");
        let edits = letters(case, genuine.len());
        checks::response(&[&[u8::try_from(kind).expect("there are few")], edits.as_slice()].concat());
        let refusal = world.verify(&checks::changed(genuine, &edits)).err();
        let digest = anteroom::saml::Reason::DigestMismatch;
        only_by_digest += usize::from(refusal.is_some_and(|refusal| refusal.reason() == digest));
    }
    assert!(only_by_digest > 30, "{only_by_digest} changes were such that nothing but the digest stops them");
}

#[test]
fn any_metadata_has_a_key_or_is_refused() {
    smoke("metadata", 300, checks::metadata);
}

#[test]
fn any_form_field_is_bounded() {
    smoke("form_field", 1_000, checks::form_field);
}

#[test]
fn any_logout_query_but_the_providers_is_refused() {
    smoke("logout", 600, checks::logout);
    for case in 0..600 {
        checks::logout(&letters(case, 1_200));
    }
}

#[test]
fn any_request_id_but_ours_is_refused() {
    smoke("request_id", 3_000, checks::request_id);
}

#[test]
fn any_cookie_but_ours_is_empty() {
    smoke("cookies", 3_000, checks::cookies);
}

#[test]
fn any_address_is_plain_or_refused() {
    smoke("email", 10_000, checks::email);
}

#[test]
fn any_return_path_stays_on_our_host() {
    smoke("return_path", 10_000, checks::return_path);
}
