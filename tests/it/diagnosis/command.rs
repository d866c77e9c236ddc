//! `anteroom explain assertion`: the real program on what people save.

use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;

use crate::diagnosis::failed_in;
use crate::idp::{self, CLAIM_EMAIL, Idp, Message, Sign, SigningKey};

/// A configuration with two organizations, and nothing else: no store, no secret.
struct Desk {
    folder: TempDir,
    now: Timestamp,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().expect("a folder"),
            now: "2026-06-15T10:30:00Z".parse().expect("a time"),
        };
        desk.write("contoso.xml", &Idp::entra().metadata_xml());
        desk.write("fabrikam.xml", &Idp::other_tenant().metadata_xml());
        desk.write("anteroom.toml", CONFIGURATION.as_bytes());
        desk
    }

    fn write(&self, name: &str, octets: &[u8]) {
        std::fs::write(self.folder.path().join(name), octets).expect("the folder is writable");
    }

    fn control(&self) -> Message {
        let request = idp::Request {
            id: "id7f3a9c52e1d84b06".to_owned(),
            sp_entity_id: "urn:example:anteroom".to_owned(),
            acs_url: "https://login.example.com/saml2/idpresponse".to_owned(),
        };
        Idp::entra().answer(&request, self.now)
    }

    fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        use std::io::Write as _;
        let mut child = Command::new(env!("CARGO_BIN_EXE_anteroom"))
            .args(["explain", "assertion"])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("ANTEROOM_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        // A program that has found its command line wrong does not read on.
        child.stdin.take().expect("a pipe").write_all(input).ok();
        child.wait_with_output().expect("it ends")
    }

    /// What it says of a message that was saved, and its exit code.
    fn explain(&self, saved: &[u8], more: &[&str]) -> (Value, i32) {
        self.write("saved", saved);
        let output = self.run(&[&["saved", "--json"], more].concat(), b"");
        let code = output.status.code().expect("an exit code");
        let text = String::from_utf8_lossy(&output.stdout);
        let told = String::from_utf8_lossy(&output.stderr);
        (serde_json::from_str(&text).unwrap_or_else(|_| panic!("{code}: {text} {told}")), code)
    }

    fn at(&self) -> [String; 2] {
        ["--at".to_owned(), self.now.to_string()]
    }
}

#[test]
fn a_message_is_explained_in_whatever_form_it_was_saved() {
    let desk = Desk::new();
    let xml = desk.control().to_xml();
    let field = STANDARD.encode(&xml);
    let escaped = field.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let [at, now] = desk.at();
    let at = [at.as_str(), now.as_str()];
    for saved in [xml, field, format!("SAMLResponse={escaped}&RelayState="), escaped] {
        let (report, code) = desk.explain(saved.as_bytes(), &at);
        assert_eq!((code, &report["accepted"], &report["reason"]), (0, &Value::Bool(true), &Value::Null));
        assert_eq!(report["organization"], "contoso");
    }
    let input = desk.control().to_form();
    let output = desk.run(&["-", at[0], at[1]], input.as_bytes());
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.contains("Accepted") && text.is_ascii(), "{text}");
    assert_eq!(std::fs::read_dir(desk.folder.path()).expect("it is there").count(), 4, "nothing was made");
}

#[test]
fn an_archive_says_itself_when_the_message_was_sent() {
    let desk = Desk::new();
    let archive = format!(
        "{{\"log\":{{\"entries\":[{{\"startedDateTime\":\"2026-06-15T12:31:00.5+02:00\",\"request\":{{\
         \"postData\":{{\"params\":[{{\"name\":\"SAMLResponse\",\"value\":\"{}\"}}]}}}}}}]}}}}",
        desk.control().to_form()
    );
    let (report, code) = desk.explain(archive.as_bytes(), &[]);
    assert_eq!((code, report["at"].as_str()), (0, Some("2026-06-15T10:31:00.5Z")), "{report}");
}

#[test]
fn every_kind_of_fault_has_its_check_and_exit_code() {
    type Fault = fn(&mut Message);
    let desk = Desk::new();
    let [at, now] = desk.at();
    let faults: [(&str, &str, Fault); 14] = [
        ("audience", "wrong_audience", |message| {
            message.audiences = vec![vec!["spn:urn:example:anteroom".to_owned()]];
        }),
        ("destination", "wrong_destination", |message| {
            message.destination = Some("http://login.example.com/saml2/idpresponse".to_owned());
        }),
        ("signature", "signature_invalid", |message| {
            message.signer = idp::Signer::new(SigningKey::foreign());
        }),
        ("signature", "signature_missing", |message| message.sign = Sign::Nothing),
        ("signature_form", "algorithm_forbidden", |message| message.signer.digest = idp::Digest::Sha1),
        ("status", "status_not_success", |message| {
            message.status = vec!["urn:oasis:names:tc:SAML:2.0:status:Responder".to_owned()];
            message.status_text = Some("AADSTS50105: not assigned".to_owned());
        }),
        ("request", "unsolicited", |message| {
            (message.response_in_response_to, message.in_response_to) = (None, None);
        }),
        ("validity", "expired", |message| {
            message.not_before = None;
            message.not_on_or_after = Some("2026-06-15T09:00:00Z".to_owned());
        }),
        ("clock", "issued_in_future", |message| message.issued = "2026-06-15T10:40:00Z".to_owned()),
        ("email", "email_missing", |message| {
            for name in [CLAIM_EMAIL, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"] {
                message.set(name, &[]);
            }
            message.set("https://contoso.com/claims/Mail", &["mia@contoso.com"]);
            message.name_id_format = None;
        }),
        ("email_form", "attribute_value_count", |message| message.set(CLAIM_EMAIL, &["a@b.c", "d@e.f"])),
        ("email_form", "email_invalid", |message| message.set(CLAIM_EMAIL, &["nobody"])),
        ("email_domain", "email_domain_not_allowed", |message| {
            message.set(CLAIM_EMAIL, &["mia@contoso.onmicrosoft.com"]);
        }),
        ("key", "subject_not_stable", |message| {
            message.set(idp::CLAIM_OBJECT_ID, &[]);
            message.name_id_format = Some("urn:oasis:names:tc:SAML:2.0:nameid-format:transient".to_owned());
        }),
    ];
    for (code, reason, fault) in faults {
        let message = desk.control().with(fault);
        let (report, exit) = desk.explain(message.to_xml().as_bytes(), &[&at, &now]);
        assert_eq!(exit, 1, "{code}");
        let found = failed_in(&report);
        assert!(found.contains(&(code, reason)), "{code} {reason}: {found:?}");
        assert_eq!(report["reason"].as_str(), found.first().map(|(_, reason)| *reason), "{found:?}");
    }
}

#[test]
fn people_get_cause_and_remedy_and_no_characters_that_command_the_terminal() {
    let desk = Desk::new();
    let message = desk.control().with(|message| {
        message.audiences = vec![vec!["urn:example:\u{202e}anteroom/".to_owned()]];
        message.set("http://schemas.microsoft.com/claims/groups.link", &["https://graph.windows.net/x"]);
    });
    let [at, now] = desk.at();
    let output = desk.run(&["-", &at, &now], message.to_form().as_bytes());
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(output.status.code(), Some(1), "{text}");
    for part in
        ["FAIL It is meant for us", "Refused: wrong_audience", "Likely cause: ", "What to do: ", "150 groups"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains('\u{202e}'), "{text}");
}

#[test]
fn a_missing_address_lists_the_claims_that_came_and_the_likely_one() {
    let desk = Desk::new();
    let message = desk.control().with(|message| {
        message.attributes = vec![
            ("https://contoso.com/claims/workaddress".to_owned(), vec!["mia@contoso.com".to_owned()]),
            ("user.userPrincipalName".to_owned(), vec!["mia".to_owned()]),
            ("department".to_owned(), vec!["Sales".to_owned()]),
        ];
        message.name_id_format = None;
    });
    let [at, now] = desk.at();
    let (report, _) = desk.explain(message.to_xml().as_bytes(), &[&at, &now]);
    let check = report["checks"].as_array().expect("a list").iter().find(|check| check["code"] == "email");
    let check = check.expect("it is there");
    let text = |name: &str| check[name].as_str().unwrap_or_default();
    assert!(text("got").contains("department") && !text("got").contains("Sales"), "{check}");
    assert!(text("cause").contains("workaddress") && text("cause").contains("userPrincipalName"), "{check}");
}

#[test]
fn an_address_outside_the_domains_is_told_from_a_technical_one_and_one_below() {
    let desk = Desk::new();
    let [at, now] = desk.at();
    for (address, word) in [
        ("mia@contoso.onmicrosoft.com", "technical one of Entra"),
        ("mia@sales.contoso.com", "a part of a domain of the organization"),
        ("mia@fabrikam.com", "a guest"),
    ] {
        let message = desk.control().with(|message| message.set(CLAIM_EMAIL, &[address]));
        let (report, _) = desk.explain(message.to_xml().as_bytes(), &[&at, &now]);
        let checks = report["checks"].as_array().expect("a list");
        let check = checks.iter().find(|check| check["code"] == "email_domain").expect("it is there");
        assert!(check["cause"].as_str().is_some_and(|cause| cause.contains(word)), "{word}: {check}");
    }
}

#[test]
fn an_old_message_is_told_how_to_be_looked_at() {
    let desk = Desk::new();
    let output = desk.run(&["-"], desk.control().to_form().as_bytes());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("--at 2026-06-15T10:30:00Z"), "{told}");
}

#[test]
fn the_organization_is_that_of_the_issuer_or_the_one_that_is_named() {
    let desk = Desk::new();
    let [at, now] = desk.at();
    let octets = desk.control().to_xml().into_bytes();
    let (report, _) = desk.explain(&octets, &[&at, &now, "--organization", "fabrikam"]);
    assert_eq!(report["organization"], "fabrikam");
    assert!(failed_in(&report).contains(&("issuer", "wrong_issuer")), "{report}");
    let message = desk.control().with(|message| {
        message.assertion_issuer = Some("https://idp.example.org/".to_owned());
        message.response_issuer = Some("https://idp.example.org/".to_owned());
    });
    let (report, exit) = desk.explain(message.to_xml().as_bytes(), &[&at, &now]);
    assert_eq!((exit, failed_in(&report)), (1, vec![("organization", "unknown_issuer")]));
}

#[test]
fn a_request_of_another_installation_is_told_from_ours() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new();
    desk.write("anteroom.secret", &[7; 32]);
    let path = desk.folder.path().join("anteroom.secret");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("it is ours");
    let [at, now] = desk.at();
    let (report, exit) = desk.explain(desk.control().to_xml().as_bytes(), &[&at, &now]);
    assert_eq!((exit, failed_in(&report)), (1, vec![("request", "unknown_request")]));
}

#[test]
fn the_manual_has_every_check() {
    let manual =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/saml.md")).expect("it is there");
    let (_, section) = manual.split_once("## Why was a sign-on refused?").expect("the section");
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let rows =
        section.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    let listed: Vec<_> =
        rows.flat_map(|cell| cell.split(',')).map(|code| code.trim().trim_matches('`')).collect();
    let desk = Desk::new();
    let (report, _) = desk.explain(desk.control().to_xml().as_bytes(), &[]);
    let checks: Vec<_> =
        report["checks"].as_array().expect("a list").iter().map(|check| &check["code"]).collect();
    let missing: Vec<_> =
        checks.iter().filter(|code| !listed.contains(&code.as_str().unwrap_or(""))).collect();
    assert!(missing.is_empty() && listed.len() == checks.len(), "{missing:?}, {listed:?}");
}

#[test]
fn rubbish_is_refused_and_a_wrong_command_line_is_told_apart() {
    let desk = Desk::new();
    for rubbish in [&b""[..], b"<", b"\xff\xfe\x00", b"SAMLResponse=", b"{\"log\":{}}", b"%%%", b"<a/>"] {
        let (report, exit) = desk.explain(rubbish, &[]);
        assert_eq!((exit, &report["accepted"]), (1, &Value::Bool(false)), "{rubbish:?}");
    }
    for (arguments, code) in [
        (&["nowhere.xml"][..], 2),
        (&["saved", "--at", "yesterday"], 2),
        (&["saved", "--organization", "tailspin"], 2),
        (&["saved", "more"], 2),
        (&[], 2),
        // It has the form of a reference, but there is no store.
        (&["7F3KQ2MX9A"], 1),
    ] {
        let output = desk.run(arguments, b"");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

const CONFIGURATION: &str = r#"
[app]
url = "https://app.example.com"
upstreams = ["http://127.0.0.1:3000"]

[saml]
entity_id = "urn:example:anteroom"
acs_url = "https://login.example.com/saml2/idpresponse"

[[organization]]
id = "contoso"
name = "Contoso Residential"
domains = ["contoso.com"]
metadata = "contoso.xml"

[[organization]]
id = "fabrikam"
name = "Fabrikam"
domains = ["fabrikam.com"]
metadata = "fabrikam.xml"
"#;

#[tokio::test]
async fn a_store_of_an_older_anteroom_is_named_and_left_as_it_is() {
    let desk = Desk::new();
    let path = desk.folder.path().join("anteroom.db");
    let store = anteroom::store::open(&anteroom::store::Settings::Sqlite { path: path.clone() }).await;
    store.expect("a store").close().await;
    let mut db = raw(&path).await;
    sqlx::raw_sql("DELETE FROM schema_versions WHERE version > 1")
        .execute(&mut db)
        .await
        .expect("it is done");
    db.close().await.expect("it closes");
    let before = std::fs::read(&path).expect("it is there");

    desk.write("saved", desk.control().to_xml().as_bytes());
    let [at, now] = desk.at();
    let output = desk.run(&["saved", &at, &now], b"");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "the message itself is explained: {told}");
    assert!(
        told.contains("the store was not read") && told.contains("schema version 1, older than 2"),
        "{told}"
    );
    assert!(told.contains("`anteroom serve`"), "what to do: {told}");
    let output = desk.run(&["ABCDEFGHJK"], b"");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("schema version 1, older than 2"), "{told}");
    assert!(std::fs::read(&path).expect("it is there") == before, "not a byte has changed");
}

async fn raw(path: &std::path::Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.expect("a connection")
}
