//! `saml.signing_key` and `saml.certificate`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anteroom::config::{Environment, check};

use super::{Folder, LEAST, check_one};
use crate::idp::{FAR_AWAY, KeyType, LONG_AGO, SigningKey, pem};

/// Writes a key and its certificate as NAME.key and NAME.crt.
pub(super) fn write(folder: &Folder, name: &str, key: &SigningKey) {
    let path = format!("{name}.key");
    folder.write(&path, key.key_pem());
    fs::set_permissions(folder.path(&path), fs::Permissions::from_mode(0o600)).expect("it is ours");
    folder.write(&format!("{name}.crt"), key.certificate_pem());
}

fn furnished() -> Folder {
    let folder = Folder::furnished();
    write(&folder, "sp", SigningKey::rsa());
    write(&folder, "next", SigningKey::rsa_next());
    folder
}

/// The least configuration with these lines in its section `saml`, which become 7 and 8.
fn with(key: &str, certificate: &str) -> String {
    let line = |name: &str, value: &str| {
        if value.is_empty() { String::new() } else { format!("{name} = {value}\n") }
    };
    let lines = format!("{}{}", line("signing_key", key), line("certificate", certificate));
    LEAST.replacen("acs_url", &format!("{lines}acs_url"), 1)
}

#[test]
fn a_key_and_its_certificate_are_one_or_a_list() {
    let folder = furnished();
    assert!(folder.load(LEAST).expect("valid").saml.keys.is_empty());

    let config = folder.load(&with("\"sp.key\"", "\"sp.crt\"")).expect("valid");
    let [key] = &config.saml.keys[..] else { panic!("one key") };
    assert_eq!(key.certificate().der(), SigningKey::rsa().certificate);
    assert!(!config.notes.iter().any(|note| note.starts_with("saml.")), "{:?}", config.notes);
    let watched: Vec<_> = config.files.paths().filter_map(|path| path.file_name()).collect();
    assert!(watched.contains(&"sp.key".as_ref()) && watched.contains(&"sp.crt".as_ref()), "{watched:?}");
    assert!(!format!("{config:?}").contains("PRIVATE"), "nothing shows the key");

    let config =
        folder.load(&with("[\"next.key\", \"sp.key\"]", "[\"next.crt\", \"sp.crt\"]")).expect("valid");
    let ders: Vec<_> = config.saml.keys.iter().map(|key| key.certificate().der()).collect();
    assert_eq!(ders, [&SigningKey::rsa_next().certificate[..], &SigningKey::rsa().certificate[..]]);

    let report = check::report(&folder.path("anteroom.toml"), &Environment::default(), super::now());
    let (text, json) = (report.to_string(), report.to_json());
    assert_eq!(text.matches("  own key        until 2049-12-31, SHA-256 ").count(), 2, "{text}");
    assert_eq!(json["own_certificates"].as_array().map(Vec::len), Some(2), "{json}");

    let variables =
        [("ANTEROOM_SAML__SIGNING_KEY", "[\"sp.key\"]"), ("ANTEROOM_SAML__CERTIFICATE", "sp.crt")];
    assert_eq!(folder.load_with(LEAST, &variables).expect("valid").saml.keys.len(), 1);
}

#[test]
fn keys_may_be_written_in_both_forms() {
    let folder = furnished();
    // PKCS#8 wraps PKCS#1 in 26 octets, for RSA of this size.
    let pkcs1 = SigningKey::rsa().pkcs8.get(26..).expect("it is longer");
    folder.write("sp.key", pem("RSA PRIVATE KEY", pkcs1));
    let config = folder.load(&with("\"sp.key\"", "\"sp.crt\"")).expect("valid");
    assert_eq!(config.saml.keys[0].certificate().der(), SigningKey::rsa().certificate);
}

#[test]
fn what_makes_no_pair_is_told() {
    let folder = furnished();
    folder.write("none.pem", "no PEM in here\n");
    for (key, certificate, parts) in [
        ("\"sp.key\"", "", ["saml.certificate: is missing", "saml.signing_key needs it"]),
        ("", "\"sp.crt\"", ["saml.signing_key: is missing", "saml.certificate needs it"]),
        ("\"next.key\"", "\"sp.crt\"", ["saml.signing_key: ", "not that of the certificate"]),
        ("\"absent.key\"", "\"sp.crt\"", ["saml.signing_key: ", "does not exist"]),
        ("\"none.pem\"", "\"sp.crt\"", ["saml.signing_key: ", "no private key"]),
        ("\"sp.crt\"", "\"sp.crt\"", ["saml.signing_key: ", "no private key"]),
        ("\"sp.key\"", "\"none.pem\"", ["saml.certificate: ", "no certificate"]),
        ("\"tls.key\"", "\"sp.crt\"", ["saml.signing_key: ", "no RSA key of 2048"]),
        ("\"sp.key\"", "\"tls.crt\"", ["saml.certificate: ", "another type of key (ECDSA P-256)"]),
        (
            "[\"sp.key\", \"next.key\"]",
            "\"sp.crt\"",
            ["saml.certificate: ", "has 1 entries, and saml.signing_key has 2"],
        ),
        (
            "[\"sp.key\", \"next.key\"]",
            "[\"next.crt\", \"sp.crt\"]",
            ["saml.signing_key[0]: ", "not that of the certificate"],
        ),
        (
            "[\"sp.key\", \"sp.key\"]",
            "[\"sp.crt\", \"sp.crt\"]",
            ["saml.certificate[1]: ", "is the same certificate"],
        ),
        ("7", "\"sp.crt\"", ["saml.signing_key: ", "must be text or a list of texts"]),
    ] {
        let text = with(key, certificate);
        let mistakes = folder.mistakes(&text);
        let told = mistakes.iter().any(|found| parts.iter().all(|part| found.contains(part)));
        assert!(told, "{key} {certificate}: {mistakes:#?}");
    }
    check_one(&folder, &with("\"sp.key\"", ""), &["saml.certificate: is missing"]);
}

#[test]
fn open_files_and_old_certificates_are_noted() {
    let folder = furnished();
    fs::set_permissions(folder.path("sp.key"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let old = SigningKey::make(KeyType::Rsa, LONG_AGO, (2021, 1, 1));
    write(&folder, "old", &old);
    let config = folder.load(&with("[\"sp.key\", \"old.key\"]", "[\"sp.crt\", \"old.crt\"]")).expect("valid");
    let noted = |part: &str| config.notes.iter().filter(|note| note.contains(part)).count();
    assert_eq!(noted("is open to others (mode 644); run `chmod 600"), 1, "{:?}", config.notes);
    assert_eq!(noted("has expired on 2021-01-01"), 1, "{:?}", config.notes);
    assert_eq!(FAR_AWAY.0, 2049, "the other one lasts");
}
