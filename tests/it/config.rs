//! The configuration as operators meet it: files, variables, mistakes and their remedies.
//!
//! Separate so that the whole reader is seen through `config::load`, `check` and `init` alone.

use std::fs;
use std::num::NonZero;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anteroom::admin::SecondApproval;
use anteroom::config::organization::Metadata;
use anteroom::config::schema::{Absent, KEYS, Key, Kind, Shape, Support, TABLES};
use anteroom::config::{self, Config, Environment, Problems, Watch, check, init, variable_of};
use anteroom::directory::Level;
use anteroom::identity::{Algorithm, Preset};
use anteroom::pages::Accent;
use anteroom::proxy::{Reuse, Route, Routes};
use anteroom::server::{Greeting, Sharing, Sockets, WhenFull};
use anteroom::target::{PathRule, RequestTarget};
use jiff::Timestamp;
use serde_json::json;
use tempfile::TempDir;

use crate::idp::{Idp, SigningKey};

mod own_keys;

/// The least that a file must say; `{…}` parts of tests are put below it.
const LEAST: &str = r#"[app]
url = "https://app.example.com"
upstreams = ["http://127.0.0.1:3000"]
[saml]
entity_id = "urn:example:app"
acs_url = "https://login.example.com/saml2/idpresponse"
"#;

/// Every key that is supported, with another value than its default.
const EVERYTHING: &str = r##"
[app]
url = "https://app.example.com/"
upstreams = ["http://127.0.0.1:3000", "https://backend.internal", "h2c://[::1]:50051"]
upstream_ca = "tls.crt"
upstream_certificate = "other.crt"
upstream_key = "other.key"
upstream_server_name = "backend.example"
upstream_http2 = true
upstream_requests_max = 500
sticky = true
dns_refresh = "5s"
health_path = "/healthz?deep=1"
health_interval = "2s"
eject_on_5xx = 5
upstream_connect_timeout = "3s"
upstream_response_timeout = "2m"
upstream_idle_timeout = "1m"
stream_idle_timeout = "2h"
upstream_keep_alive = "50s"
upstream_ping = "6m"
reuse = "safe"
upload_rate_min = 1000
public_paths = ["/favicon.ico", "/assets/", "/login"]
name = "ServusConnect"
support_email = "Support@Example.com"
[saml]
entity_id = "urn:amazon:cognito:sp:us-east-1_rlgU6e3y5"
acs_url = "https://login.example.com/saml2/idpresponse"
[listen]
public = "0.0.0.0:8443"
ops = "127.0.0.1:9465"
trusted_proxies = ["10.1.2.3/8", "192.0.2.7"]
proxy_protocol = true
reuse_port = true
http2_websocket = true
connections = 500
connections_per_address = 0
when_full = "refuse"
memory_max = "2GiB"
pre_drain = "0s"
grace = "1m"
[[listen.tls]]
certificate = "tls.crt"
key = "tls.key"
[[listen.tls]]
certificate = "other.crt"
key = "other.key"
[store]
url = "sqlite:data.db"
secret_file = "/run/secrets/anteroom"
[session]
idle = "90s"
lifetime = "1h30m"
[identity]
issuer = "anteroom"
audience = "app"
algorithm = "EdDSA"
lifetime = "5m"
presets = ["remote-user", "x-forwarded-user"]
[access]
levels = ["guest", "manager"]
may_request = ["manager"]
support_self_level = "guest"
second_approval = true
[audit]
keep = "400d"
[mail]
smtp = "smtps://user:s3cr%40t@mail.example.com"
from = "ServusConnect <No-Reply@example.com>"
digest = false
[sign_on]
other_url = "/login"
[limits]
sign_in_per_address = "10/s"
sign_in_per_email = "off"
sign_in_per_organization = "1/h"
answers_per_address = "100/m"
posts_per_address = "100/m"
[brand]
logo = "logo.svg"
accent = "#00BB66"
[[route]]
path = "/files/"
body_max = "10MiB"
body_timeout = "10m"
response_timeout = "5m"
[[organization]]
id = "contoso"
name = "Contoso Residential"
domains = ["contoso.com", "contoso.co.uk"]
metadata = "contoso.xml"
[[organization]]
id = "fabrikam"
name = "Fabrikam"
domains = ["contoso.com"]
metadata = "fabrikam.xml"
force_authn = true
authn_context = ["urn:oasis:names:tc:SAML:2.0:ac:classes:X509", "https://refeds.org/profile/mfa"]
name_id_format = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
email_attributes = ["mail", "e-mail, work"]
name_attributes = ["full"]
accept_expired_certificate = true
"##;

const EVERY_KIND_OF_MISTAKE: &str = r#"[app]
url = "http://app.example.com"
upstream = ["http://127.0.0.1:3000"]
public_paths = ["/ok", "/", "/.anteroom/x", "assets/", "/a/../b", "/q?x"]
name = 7
[saml]
acs_url = "https://login.example.com/"
signing_key = "sp.key"
[listen]
public = "localhost:80"
proxy_protocol = "yes"
[store]
url = "postgres://user:secret@db/anteroom"
[session]
idle = "2"
lifetime = "0s"
[identity]
lifetime = "301s"
algorithm = "HS256"
[access]
levels = ["a", "a", "b c"]
[mail]
smtp = "smtp://user:secret@mail.example.com?tls=none"
[sessions]
idle = "2h"
[[organization]]
id = "con toso"
domains = ["contoso"]
metadata = "http://login.example.com/x"
"#;

/// A folder with a configuration and the files that it names.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// With metadata of two identity providers and two certificates with keys.
    fn furnished() -> Self {
        let folder = Self::new();
        folder.write("contoso.xml", Idp::entra().metadata_xml());
        folder.write("fabrikam.xml", Idp::other_tenant().metadata_xml());
        for (name, hosts) in
            [("tls", ["app.example.com", "*.example.com"]), ("other", ["other.test", "b.test"])]
        {
            let made = rcgen::generate_simple_self_signed(hosts.map(str::to_owned)).expect("a certificate");
            folder.write(&format!("{name}.crt"), made.cert.pem());
            folder.write(&format!("{name}.key"), made.signing_key.serialize_pem());
        }
        folder.write("logo.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).expect("the folder can be written");
    }

    fn load_with(&self, text: &str, variables: &[(&str, &str)]) -> Result<Config, Problems> {
        self.write("anteroom.toml", text);
        config::load(&self.path("anteroom.toml"), &variables.iter().copied().collect(), now())
    }

    fn load(&self, text: &str) -> Result<Config, Problems> {
        self.load_with(text, &[])
    }

    /// The mistakes, each as `PLACE: …` without the file's name.
    fn mistakes_with(&self, text: &str, variables: &[(&str, &str)]) -> Vec<String> {
        let file = format!("{}:", self.path("anteroom.toml").display());
        let problems = self.load_with(text, variables).expect_err("the configuration has mistakes");
        problems.list.iter().map(|problem| problem.to_string().replace(&file, "").trim().to_owned()).collect()
    }

    fn mistakes(&self, text: &str) -> Vec<String> {
        self.mistakes_with(text, &[])
    }
}

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a time")
}

/// Asserts that there is exactly one mistake, and that it says these things.
#[track_caller]
fn check_one(folder: &Folder, text: &str, parts: &[&str]) {
    let mistake = folder.mistakes(text).join("\n");
    assert_eq!(mistake.lines().count(), 1, "{text}\n{mistake}");
    for part in parts {
        assert!(mistake.contains(part), "{part:?} is not in {mistake:?}");
    }
    assert!(mistake.contains(" — "), "it has a remedy: {mistake:?}");
}

#[test]
fn the_least_that_must_be_said_is_enough() {
    let config = Folder::new().load(LEAST).expect("valid");
    assert_eq!(config.app.url.as_str(), "https://app.example.com/");
    assert_eq!(config.app.name.as_str(), "app.example.com");
    assert_eq!(config.listen.public.to_string(), "127.0.0.1:8080");
    assert_eq!(config.listen.ops.to_string(), "127.0.0.1:9464");
    assert_eq!(config.session.idle, Duration::from_hours(2));
    assert_eq!(config.session.lifetime, Duration::from_hours(12));
    assert_eq!(config.identity.issuer, "https://app.example.com");
    assert_eq!(config.identity.audience, "https://app.example.com");
    assert_eq!(config.identity.algorithm, Algorithm::ES256);
    assert_eq!(config.identity.lifetime, Duration::from_mins(1));
    assert_eq!(config.access.levels.names(), ["viewer", "technician", "manager", "administrator"]);
    assert_eq!(config.access.may_request.len(), 2);
    assert_eq!(config.access.support_self_level, None);
    assert_eq!(config.access.second_approval, SecondApproval::Never);
    assert_eq!(config.audit.keep, None);
    assert!(config.mail.route.is_none() && config.mail.digest);
    assert!(config.notes.iter().any(|note| note.contains("nobody can sign on")), "{:?}", config.notes);
}

#[test]
fn everything_that_can_be_said_is_understood() {
    let folder = Folder::furnished();
    let config = folder.load(EVERYTHING);
    let config = config.expect("valid");
    let upstreams = &config.app.upstreams;
    let urls: Vec<_> = upstreams.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(urls, ["http://127.0.0.1:3000", "https://backend.internal:443", "h2c://[::1]:50051"]);
    assert!(upstreams.tls.is_some() && upstreams.balance.sticky);
    assert_eq!(upstreams.reuse, Reuse::Safe);
    assert_eq!(upstreams.balance.requests_max.map(NonZero::get), Some(500));
    assert_eq!((upstreams.balance.dns_refresh, upstreams.balance.excuses_max), (Duration::from_secs(5), 5));
    let check = upstreams.balance.check.as_ref().expect("upstreams are asked");
    assert_eq!((check.path.as_str(), check.every), ("/healthz?deep=1", Duration::from_secs(2)));
    let timeouts = &upstreams.timeouts;
    assert_eq!([timeouts.connect, timeouts.first_byte, timeouts.idle].map(|one| one.as_secs()), [3, 120, 60]);
    assert_eq!(
        [timeouts.tunnel_idle, timeouts.pool_idle, timeouts.ping].map(|one| one.as_secs()),
        [7_200, 50, 360]
    );
    assert_eq!(timeouts.request_body_rate_min.map(NonZero::get), Some(1_000));
    let path = PathRule::parse("/files/").unwrap();
    let (body_timeout, response_timeout) = (Some(Duration::from_mins(10)), Some(Duration::from_mins(5)));
    let files = Route { path, body_max: NonZero::new(10 << 20), body_timeout, response_timeout };
    assert_eq!(config.routes, Routes::new(vec![files]));
    assert_eq!(config.app.public_paths[1], PathRule::parse("/assets/").unwrap());
    assert_eq!(config.app.support_email.as_ref().unwrap().as_str(), "support@example.com");
    assert_eq!(config.listen.trusted_proxies[0].to_string(), "10.0.0.0/8");
    assert_eq!(config.listen.trusted_proxies[1].to_string(), "192.0.2.7/32");
    assert_eq!(config.listen.greeting, Greeting::ProxyProtocol);
    assert_eq!((config.listen.sharing, config.listen.sockets), (Sharing::WithOthers, Sockets::OfBoth));
    let room = config.listen.room;
    assert_eq!((room.connections, room.connections_per_address), (500, None));
    assert_eq!((room.when_full, room.memory_max), (WhenFull::Refuse, Some(2 << 30)));
    assert_eq!((room.pre_drain, room.grace), (Duration::ZERO, Duration::from_mins(1)));
    assert_eq!(config.limits.sign_in_per_email, None);
    let each = config.limits.sign_in_per_organization.expect("there is a limit");
    assert_eq!((each.count.get(), each.period), (1, Duration::from_hours(1)));
    assert_eq!(config.listen.tls.len(), 2);
    assert!(config.listen.tls[0].covers("Login.example.com"));
    assert!(!config.listen.tls[0].covers("a.b.example.com"));
    assert_eq!(config.store.database, folder.path("data.db"));
    assert_eq!(config.store.secret_file, Path::new("/run/secrets/anteroom"));
    assert_eq!(config.session.lifetime, Duration::from_mins(90));
    assert_eq!(config.identity.issuer, "anteroom");
    assert_eq!(config.identity.audience, "app");
    assert_eq!(config.identity.algorithm, Algorithm::EdDSA);
    assert_eq!(config.identity.presets, [Preset::RemoteUser, Preset::XForwardedUser]);
    assert_eq!(config.access.may_request[0].as_str(), "manager");
    assert_eq!(config.access.support_self_level.as_ref().map(Level::as_str), Some("guest"));
    assert_eq!(config.access.second_approval, SecondApproval::ForAllProperties);
    assert_eq!(config.audit.keep, Some(Duration::from_hours(400 * 24)));
    let (server, from) = config.mail.route.as_ref().expect("mail is sent");
    assert_eq!(server.to_string(), "mail.example.com:465 (TLS)");
    assert_eq!(from.to_string(), "ServusConnect <no-reply@example.com>");
    assert!(!config.mail.digest);
    assert!(!format!("{config:?}").contains("s3cr"), "the password shows nowhere");
    assert_eq!(config.other_sign_on_url.as_deref(), Some("/login"));
    assert!(config.brand.logo.is_some());
    assert_eq!(config.brand.accent, Some(Accent::parse("#00bb66").unwrap()));
    assert_eq!(config.organizations[1].organization.id.as_str(), "fabrikam");
    assert!(config.organizations[0].options.is_default());
    let options = json!({
        "force_authn": true,
        "authn_context": ["urn:oasis:names:tc:SAML:2.0:ac:classes:X509", "https://refeds.org/profile/mfa"],
        "name_id_format": "emailAddress",
        "email_attributes": ["mail", "e-mail, work"],
        "name_attributes": ["full"],
        "accept_expired_certificate": true,
    });
    assert_eq!(json!(*config.organizations[1].options), options);
    assert_eq!(config.notes, Vec::<String>::new());
}

#[test]
fn options_of_an_organization_are_valid_or_told_each() {
    let folder = Folder::furnished();
    let many = (0..11).map(|number| format!("\"a{number}\"")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "{LEAST}[[organization]]\nid = \"c\"\nname = \"C\"\ndomains = [\"c.com\"]\nmetadata = \"contoso.xml\"\n\
         force_authn = \"yes\"\nauthn_context = [\"Password\", \"urn:a:b\"]\nname_id_format = \"email\"\n\
         email_attributes = [\"mail\", \"mail\", \" x\"]\nname_attributes = [{many}]\n\
         accept_expired_certificates = true\n"
    );
    let mistakes = folder.mistakes(&text);
    let expected = [
        "12: organization[0].force_authn: must be true or false",
        "13: organization[0].authn_context[0]: \"Password\" is not a URI of at most 200 characters — write",
        "14: organization[0].name_id_format: \"email\" is none of persistent, emailAddress, unspecified and transient",
        "15: organization[0].email_attributes[1]: \"mail\" is listed twice",
        "15: organization[0].email_attributes[2]: \" x\" is not an attribute name",
        "16: organization[0].name_attributes: there are more than 10",
        "17: organization[0].accept_expired_certificates: is not a known key — did you mean \
         organization.accept_expired_certificate?",
    ];
    for expected in expected {
        assert!(
            mistakes.iter().any(|found| found.starts_with(expected)),
            "{expected:?} not in {mistakes:#?}"
        );
    }
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
}

/// What the way to the application is made of is valid, or told each.
#[test]
fn options_of_upstreams_are_valid_or_told_each() {
    let folder = Folder::furnished();
    folder.write("bad.pem", "nothing");
    let app = |upstream: &str, more: &str| {
        LEAST.replace("http://127.0.0.1:3000", upstream).replace("[saml]", &format!("{more}\n[saml]"))
    };
    let cases = [
        ("https://a.b", "upstream_ca = \"none.pem\"", "4: app.upstream_ca: the file"),
        ("https://a.b", "upstream_ca = \"bad.pem\"", "is no list of certificates — name a PEM file"),
        (
            "https://a.b",
            "upstream_key = \"tls.key\"",
            "app.upstream_certificate: is missing — app.upstream_key needs it",
        ),
        ("https://a.b", "upstream_certificate = \"tls.crt\"", "app.upstream_key: is missing"),
        (
            "https://a.b",
            "upstream_ca = \"tls.crt\"\nupstream_certificate = \"tls.crt\"\nupstream_key = \"other.key\"",
            "6: app.upstream_key: TLS to the application cannot be set up",
        ),
        (
            "https://a.b",
            "upstream_certificate = \"bad.pem\"\nupstream_key = \"tls.key\"",
            "has no certificate in it",
        ),
        ("https://a.b", "upstream_server_name = \"a b\"", "\"a b\" is not a host name"),
        (
            "http://a.b",
            "upstream_ca = \"tls.crt\"",
            "does nothing, because none of app.upstreams begins with https://",
        ),
        ("h2c://a.b", "upstream_http2 = true", "write https://, or h2c:// for HTTP/2 without TLS"),
        ("http://a.b", "upstream_requests_max = 0", "must be at least 1"),
        ("http://a.b", "upstream_requests_max = -1", "must be a whole number"),
        ("http://a.b", "upstream_requests_max = \"many\"", "must be a whole number, not text"),
        ("http://a.b", "eject_on_5xx = 1001", "must be at most 1000 — write how many such answers"),
        ("http://a.b", "eject_on_5xx = true", "must be a whole number"),
        ("http://a.b", "health_path = \"healthz\"", "\"healthz\" is not a plain path — write a path like"),
        ("http://a.b", "health_interval = \"2s\"", "does nothing without app.health_path"),
        ("http://a.b", "dns_refresh = \"2h\"", "\"2h\" is too long — write at most \"1h\""),
        ("http://a.b", "upstream_ping = \"0s\"", "\"0s\" is too short"),
        (
            "http://a.b",
            "reuse = \"sometimes\"",
            "\"sometimes\" is none — write \"always\", \"safe\" or \"never\"",
        ),
        ("h2c://a.b", "reuse = \"never\"", "\"never\" cannot be, because connections of HTTP/2 are shared"),
        (
            "https://a.b",
            "upstream_http2 = true\nreuse = \"never\"",
            "\"never\" cannot be, because connections of HTTP/2 are shared",
        ),
        ("http://a.b", "upload_rate_min = 1000001", "1000001 is out of bounds — write a number from 0 to"),
        ("http://a.b", "upstream_timeout = \"2s\"", "is not a known key — did you mean"),
    ];
    for (upstream, more, expected) in cases {
        check_one(&folder, &app(upstream, more), &[expected]);
    }
    let several = app(
        "http://a.b",
        "upstream_http2 = true\nsticky = 1\ndns_refresh = \"x\"\nupstream_keep_alive = \"2d\"",
    );
    assert_eq!(folder.mistakes(&several).len(), 4, "all at once");
    folder.load(&app("https://a.b", "upstream_ca = \"tls.crt\"")).expect("the control");
    folder.load(&app("https://a.b", "")).expect("the authorities of this machine");
    let never = folder.load(&app("http://a.b", "reuse = \"never\"")).expect("no HTTP/2");
    assert_eq!(never.app.upstreams.reuse, Reuse::Never);
    let any = folder.load(&app("http://a.b", "upload_rate_min = 0")).expect("any rate");
    assert_eq!(any.app.upstreams.timeouts.request_body_rate_min, None);
}

#[test]
fn routes_have_a_path_and_say_something() {
    let folder = Folder::furnished();
    let route = |rest: &str| format!("{LEAST}\n[[route]]\n{rest}");
    for (rest, expected) in [
        ("body_max = \"1MiB\"", "route[0].path: is missing — write the path that it is for"),
        ("path = \"/x/\"", "route[0]: says nothing about its requests — write body_max"),
        ("path = \"/x/../y\"\nbody_max = \"1MiB\"", "can be read in more than one way"),
        ("path = \"/.anteroom/\"\nbody_max = \"1MiB\"", "is one of Anteroom's own"),
        ("path = \"/x\"\nbody_max = \"1MB\"", "\"1MB\" is not a size — write a number with KiB, MiB or GiB"),
        ("path = \"/x\"\nbody_max = \"0MiB\"", "\"0MiB\" is not a size"),
        ("path = \"/x\"\nbody_max = 5", "route[0].body_max: must be text"),
        ("path = \"/x\"\nbody_timeout = \"2d\"", "\"2d\" is too long — write at most \"1d\""),
        ("path = \"/x\"\nresponse_timeout = \"0s\"", "\"0s\" is too short"),
        (
            "path = \"/x\"\nbody_max = \"1MiB\"\nbody_size = \"1MiB\"",
            "route[0].body_size: is not a known key",
        ),
        (
            "path = \"/x\"\nbody_max = \"1MiB\"\n[[route]]\npath = \"/x\"\nbody_timeout = \"1m\"",
            "route[1].path: \"/x\" has a route already — write all that holds for it into one",
        ),
    ] {
        check_one(&folder, &route(rest), &[expected]);
    }
    let config = folder
        .load(&route(
            "path = \"/\"\nbody_max = \"512KiB\"\n[[route]]\npath = \"/x/\"\nresponse_timeout = \"1h\"",
        ))
        .expect("valid");
    let of = |path: &str| {
        let target = RequestTarget::parse(&path.parse().unwrap()).unwrap();
        config.routes.of(&target).cloned().unwrap()
    };
    assert_eq!(of("/y").body_max, NonZero::new(512 * 1024));
    assert_eq!((of("/x/y").body_max, of("/x/y").response_timeout), (None, Some(Duration::from_hours(1))));
}

#[test]
fn every_mistake_is_told_at_once_with_its_line() {
    let mistakes = Folder::furnished().mistakes(EVERY_KIND_OF_MISTAKE);
    let expected = [
        "2: app.url: \"http://app.example.com\" would send",
        "1: app.upstreams: is missing",
        "3: app.upstream: is not a known key — did you mean app.upstreams?",
        "4: app.public_paths[1]: \"/\" would make",
        "4: app.public_paths[2]: \"/.anteroom/x\" is one of",
        "4: app.public_paths[3]: \"assets/\" is not a path — write \"/assets/\"",
        "4: app.public_paths[4]: \"/a/../b\" can be read",
        "4: app.public_paths[5]: \"/q?x\" is more than a path",
        "5: app.name: must be text, not a number",
        "6: saml.entity_id: is missing",
        "7: saml.acs_url: \"https://login.example.com/\" has no path",
        "8: saml.signing_key: the file",
        "10: listen.public: \"localhost:80\" is not an IP address",
        "11: listen.proxy_protocol: must be true or false, not text — write true or false",
        "13: store.url: PostgreSQL is not supported yet",
        "15: session.idle: \"2\" is not a duration — write a number with a unit",
        "16: session.lifetime: \"0s\" is too short",
        "18: identity.lifetime: \"301s\" is too long — write at most \"5m\"",
        "19: identity.algorithm: \"HS256\" is no algorithm",
        "21: access.levels[1]: \"a\" is listed twice",
        "21: access.levels[2]: \"b c\" is no name",
        "23: mail.smtp: would send the password over the network in the clear",
        "24: sessions: is not a known key — did you mean session?",
        "27: organization[0].id: \"con toso\" must be",
        "26: organization[0].name: is missing",
        "28: organization[0].domains[0]: \"contoso\" is not an e-mail domain",
        "29: organization[0].metadata: \"http://login.example.com/x\" is not an https:// address",
    ];
    for expected in expected {
        assert!(
            mistakes.iter().any(|found| found.starts_with(expected)),
            "{expected:?} not in {mistakes:#?}"
        );
    }
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    assert!(!mistakes.concat().contains("secret@"), "a password is not repeated");
    let lines: Vec<u32> =
        mistakes.iter().map(|found| found.split(':').next().unwrap().parse().unwrap()).collect();
    assert!(lines.is_sorted(), "{lines:?}");
}

#[test]
fn syntax_errors_do_not_hide_other_mistakes_and_invent_none() {
    let folder = Folder::new();
    let mistakes = folder.mistakes("[app]\nurl = https://app.example.com\nnmae = \"x\"\n[session]\nidle = 2h\nlifetime = \"1h\"\nlifetime = \"2h\"\n");
    assert_eq!(mistakes.len(), 4, "{mistakes:#?}");
    assert!(mistakes[0].starts_with("2:7: string values must be quoted"), "{mistakes:#?}");
    assert!(mistakes[1].starts_with("3: app.nmae: is not a known key — did you mean app.name?"));
    assert!(mistakes[2].starts_with("5:8: string values must be quoted"));
    assert!(mistakes[3].starts_with("7:1: duplicate key"));

    // A broken heading leaves its keys behind without one.
    let mistakes = folder.mistakes(&LEAST.replace("[saml]", "[saml"));
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    assert!(mistakes[0].starts_with("4:6: "), "{mistakes:#?}");

    let mistakes =
        folder.mistakes(&format!("{LEAST}[access]\nlevels = [\"a\",\n\"b\"\n[session]\nidle = \"x\"\n"));
    assert!(mistakes.iter().all(|found| !found.contains("access.levels")), "{mistakes:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told() {
    let folder = Folder::new();
    let load = |name: &str| config::load(&folder.path(name), &Environment::default(), now());
    let problems = load("none.toml").expect_err("there is no file").to_string();
    assert!(
        problems.contains("none.toml: the file does not exist") && problems.contains("init"),
        "{problems}"
    );
    folder.write("latin1.toml", b"# caf\n# \xe9\n");
    let problems = load("latin1.toml").expect_err("not UTF-8").to_string();
    assert!(problems.contains("latin1.toml:2: is not UTF-8"), "{problems}");
    let problems = config::load(folder.folder.path(), &Environment::default(), now()).expect_err("a folder");
    assert!(problems.to_string().contains("regular file"), "{problems}");
    folder.write("large.toml", vec![b'#'; 4 * 1024 * 1024 + 1]);
    let problems = load("large.toml").expect_err("too large").to_string();
    assert!(problems.contains("larger than 4096 KiB"), "{problems}");
    folder.write("empty.toml", "");
    let missing = load("empty.toml").expect_err("nothing said");
    let keys: Vec<&str> = missing.list.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["app.url", "app.upstreams", "saml.entity_id", "saml.acs_url"]);
}

#[test]
fn single_values_that_are_no_good_are_refused() {
    let folder = Folder::furnished();
    let app = |line: &str| format!("[app]\n{line}\n{}", LEAST.replacen("[app]\n", "", 1));
    let acs = |url: &str| LEAST.replace("https://login.example.com/saml2/idpresponse", url);
    let url = |url: &str| LEAST.replace("https://app.example.com", url);
    let upstream = |url: &str| LEAST.replace("http://127.0.0.1:3000", url);
    let with = |text: &str| format!("{LEAST}{text}");
    for (text, part) in [
        (url("https://app.example.com/portal"), "has a path"),
        (url("https://app.example.com?x=1"), "has a query"),
        (url("https://user@app.example.com"), "user name"),
        (url("app.example.com"), "is not a URL"),
        (url("ftp://app.example.com"), "not an https:// URL"),
        (url("http://localhost.example.com"), "in the clear"),
        (url("http://10.0.0.1"), "in the clear"),
        (acs("https://login.example.com/.anteroom/acs"), "reserved"),
        (acs("https://login.example.com/saml2/logout"), "another endpoint"),
        (acs("https://login.example.com/a?x"), "has a query"),
        (acs("https://login.example.com/a/../b"), "normal form"),
        (acs("https://Login.example.com/acs"), "normal form"),
        (acs("https://login.example.com/a%2fb"), "more than one way"),
        (upstream("ftp://127.0.0.1:3000"), "is not an http://, https:// or h2c:// URL"),
        (upstream("127.0.0.1:3000"), "is not a"),
        (upstream("http://127.0.0.1:3000/app"), "more than scheme"),
        (LEAST.replace("[\"http://127.0.0.1:3000\"]", "[]"), "is empty"),
        (LEAST.replace("urn:example:app", "with space"), "not a URI"),
        (app("support_email = \"support\""), "must have the form"),
        (app("public_paths = \"/assets/\""), "must be a list of texts, not text"),
        (app("name = \"\""), "1 to 200"),
        (with("[session]\nidle = 2"), "must be text, not a number — write it in double quotes, e.g. \"2h\""),
        (with("[listen]\nops = \"127.0.0.1:8080\""), "is taken by listen.public"),
        (with("[listen]\npublic = \"0.0.0.0:9464\""), "is taken by listen.public"),
        (with("[listen]\ntrusted_proxies = [\"0.0.0.0/0\"]"), "believe everybody"),
        (with("[listen]\ntrusted_proxies = [\"10.0.0.0/33\"]"), "not a network"),
        (with("[store]\nurl = \"mysql:x\""), "not the URL of a store"),
        (with("[store]\nurl = \"sqlite::memory:\""), "forget"),
        (with("[store]\nsecret_file = \"anteroom.db\""), "same file"),
        (with("[session]\nidle = \"13h\""), "idle longer"),
        (with("[session]\nlifetime = \"1h\""), "idle longer"),
        (with("[session]\nlifetime = \"401d\""), "too long"),
        (with("[identity]\nissuer = \"\""), "1 to 1024"),
        (with("[identity]\npresets = [\"x-user\"]"), "no preset"),
        (with("[access]\nlevels = []"), "is empty"),
        (with("[access]\nmay_request = [\"owner\"]"), "not one of access.levels"),
        (with("[access]\nsupport_self_level = \"owner\""), "not one of access.levels"),
        (with("[access]\nsecond_approval = \"yes\""), "must be true or false"),
        (with("[audit]\nkeep = \"1h\""), "too short"),
        (with("[audit]\nkeep = \"400\""), "not a duration"),
        (with("[mail]\nsmtp = \"smtp://127.0.0.1\""), "mail.from: is missing"),
        (with("[mail]\nsmtp = \"smtps://mail.example.com?tls=none\""), "always encrypted"),
        (with("[mail]\nsmtp = \"smtp://user:p@ss@word\"\nfrom = \"x\""), "the address must have the form"),
        (with("[mail]\nfrom = \"Anteroom\""), "the address must have the form"),
        (with("[mail]\ndigest = \"24h\""), "must be true or false"),
        (with("[sign_on]\nother_url = \"//evil.example\""), "not a plain path"),
        (with("[sign_on]\nother_url = \"javascript:alert(1)\""), "not an https:// URL"),
        (with("[brand]\naccent = \"red\""), "brand.accent"),
        (with("[brand]\naccent = \"#12345g\""), "brand.accent"),
        (with("[brand]\nlogo = \"tls.crt\""), "brand.logo"),
        (with("[brand]\nlogo = \"none.svg\""), "does not exist"),
        (with("[listen]\ntls = \"tls.crt\""), "must be a table"),
        (with("\"listen.tls\" = 1"), "is not a known key"),
    ] {
        check_one(&folder, &text, &[part]);
    }
}

#[test]
fn plain_http_is_for_this_machine_only() {
    let folder = Folder::new();
    for host in ["localhost:8080", "app.localhost:8080", "127.0.0.1:8080", "127.9.9.9:8080", "[::1]:8080"] {
        let text = LEAST
            .replace("https://app.example.com", &format!("http://{host}"))
            .replace("https://login.example.com/", &format!("http://{host}/"));
        folder.load(&text).expect("valid");
    }
    let mixed = LEAST.replace("https://app.example.com", "http://app.localhost");
    check_one(&folder, &mixed, &["6: saml.acs_url", "one is http:// and the other https://"]);
    let ports = LEAST
        .replace("https://app.example.com", "http://app.localhost:8080")
        .replace("https://login.example.com", "http://login.localhost:8081");
    check_one(&folder, &ports, &["saml.acs_url", "port 8080"]);
}

#[test]
fn certificates_and_keys_are_read_and_held_together() {
    let folder = Folder::furnished();
    folder.write("empty.pem", "");
    folder.write("none.pem", "no PEM in here\n");
    let nameless = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    folder.write("nameless.crt", nameless.cert.pem());
    folder.write("nameless.key", nameless.signing_key.serialize_pem());
    let tls = |certificate: &str, key: &str| {
        format!("{LEAST}[listen.tls]\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    };
    folder.load(&tls("tls.crt", "tls.key")).expect("valid");
    for (certificate, key, parts) in [
        ("tls.crt", "other.key", ["9: listen.tls.key", "not that of the certificate"]),
        ("none.crt", "tls.key", ["8: listen.tls.certificate", "does not exist"]),
        ("empty.pem", "tls.key", ["8: listen.tls.certificate", "is empty"]),
        ("none.pem", "tls.key", ["8: listen.tls.certificate", "no certificate"]),
        ("tls.key", "tls.key", ["8: listen.tls.certificate", "no certificate"]),
        ("tls.crt", "tls.crt", ["9: listen.tls.key", "no private key"]),
    ] {
        check_one(&folder, &tls(certificate, key), &parts);
    }
    let without_key = format!("{LEAST}[[listen.tls]]\ncertificate = \"tls.crt\"\n");
    check_one(&folder, &without_key, &["7: listen.tls[0].key: is missing"]);
    let http = tls("tls.crt", "tls.key")
        .replace("https://app.example.com", "http://app.localhost")
        .replace("https://login.example.com", "http://login.localhost");
    assert_eq!(folder.mistakes(&http).len(), 2, "neither URL can be served");
    let config = folder.load(&tls("other.crt", "other.key")).expect("valid, but not what is meant");
    assert_eq!(config.notes.iter().filter(|note| note.contains("no certificate is for")).count(), 2);
    let config =
        folder.load(&tls("nameless.crt", "nameless.key")).expect("valid, for clients that do not look");
    assert_eq!(config.notes.iter().filter(|note| note.contains("no certificate is for")).count(), 2);
}

#[test]
fn organizations_do_not_contradict_each_other() {
    let folder = Folder::furnished();
    let organization = |id: &str, name: &str, domains: &str, metadata: &str| {
        format!(
            "[[organization]]\nid = \"{id}\"\nname = \"{name}\"\ndomains = [{domains}]\nmetadata = \"{metadata}.xml\"\n"
        )
    };
    let two = |second: &str| {
        format!("{LEAST}{}{second}", organization("contoso", "Contoso", "\"contoso.com\"", "contoso"))
    };
    folder
        .load(&two(&organization("fabrikam", "Fabrikam", "\"contoso.com\"", "fabrikam")))
        .expect("a chooser");
    for (second, parts) in [
        (
            organization("contoso", "Fabrikam", "\"fabrikam.com\"", "fabrikam"),
            ["13: organization[1].id", "also the id of organization[0]"],
        ),
        (
            organization("preview", "Fabrikam", "\"fabrikam.com\"", "fabrikam"),
            ["13: organization[1].id", "the address of a page of the console"],
        ),
        (
            organization("fabrikam", "Fabrikam", "\"fabrikam.com\"", "contoso"),
            ["16: organization[1].metadata", "same identity provider"],
        ),
        (
            organization("fabrikam", "CONTOSO", "\"contoso.com\"", "fabrikam"),
            ["14: organization[1].name", "nobody could choose"],
        ),
        (
            organization("fabrikam", "Fabrikam", "\"a.com\", \"A.com\"", "fabrikam"),
            ["15: organization[1].domains[1]", "listed twice"],
        ),
        (organization("fabrikam", "Fabrikam", "", "fabrikam"), ["15: organization[1].domains", "is empty"]),
        (
            organization("fabrikam", "Fabrikam", "\"fabrikam.com\"", "none"),
            ["16: organization[1].metadata", "does not exist"],
        ),
    ] {
        check_one(&folder, &two(&second), &parts);
    }
}

#[test]
fn metadata_that_cannot_be_trusted_is_refused() {
    let folder = Folder::furnished();
    let text = format!(
        "{LEAST}[[organization]]\nid = \"c\"\nname = \"C\"\ndomains = [\"c.com\"]\nmetadata = \"bad.xml\"\n"
    );
    let good = Idp::entra().entity_descriptor("_m");
    folder.write("bad.xml", &good);
    folder.load(&text).expect("the control");
    for (bad, part) in [
        (good.replace("KeyDescriptor", "KeyDescriptors"), "no signing certificate"),
        (good.replace("\"https://login.", "\"http://login."), "not an https URL"),
        (format!("<!DOCTYPE x>{good}"), "DOCTYPE"),
        (good.replace("IDPSSODescriptor", "SPSSODescriptor"), "no SAML 2.0 identity provider"),
        ("<html></html>".to_owned(), "no SAML metadata"),
        ("not XML".to_owned(), "cannot be read"),
    ] {
        folder.write("bad.xml", bad);
        check_one(&folder, &text, &["11: organization[0].metadata", "bad.xml", part]);
    }
}

#[test]
fn a_file_that_has_expired_stops_nobody_else() {
    let folder = Folder::furnished();
    let expired = Idp::entra()
        .entity_descriptor("_m")
        .replace(" ID=\"_m\"", " ID=\"_m\" validUntil=\"2026-11-23T11:59:59Z\"");
    folder.write("contoso.xml", expired);
    let customers = ["contoso", "fabrikam"].map(|id| {
        format!(
            "[[organization]]\nid = \"{id}\"\nname = \"{id}\"\ndomains = [\"{id}.com\"]\nmetadata = \"{id}.xml\"\n"
        )
    });
    let config = folder.load(&format!("{LEAST}{}", customers.concat()));
    let notes = config.expect("valid").notes.concat();
    assert!(notes.contains("organization contoso: the metadata was valid until 2026-11-23"), "{notes}");
}

#[test]
fn metadata_can_be_an_address_and_one_of_several() {
    let folder = Folder::furnished();
    let customer = |id: &str, metadata: &str, more: &str| {
        format!(
            "[[organization]]\nid = \"{id}\"\nname = \"{id}\"\ndomains = [\"{id}.com\"]\n\
             metadata = \"{metadata}\"\n{more}"
        )
    };
    let url = "https://login.microsoftonline.com/x/federationmetadata/2007-06/federationmetadata.xml?appid=1";
    let config = folder.load(&format!("{LEAST}{}", customer("a", url, ""))).expect("valid");
    let found = config.organizations.first().expect("one");
    assert!(
        found.idp().is_none() && matches!(&found.metadata, Metadata::Url(found) if found.as_str() == url)
    );
    assert_eq!(config.saml.metadata_refresh, Duration::from_hours(1));

    let list = format!(
        "<EntitiesDescriptor xmlns=\"urn:oasis:names:tc:SAML:2.0:metadata\">{}{}</EntitiesDescriptor>",
        Idp::entra().entity_descriptor("_a"),
        Idp::other_tenant().entity_descriptor("_b"),
    );
    folder.write("both.xml", list);
    let chosen = format!("entity_id = \"{}\"\n", Idp::other_tenant().entity_id);
    let config = folder.load(&format!("{LEAST}{}", customer("a", "both.xml", &chosen))).expect("valid");
    let idp = config.organizations.first().and_then(|one| one.idp()).expect("a file");
    assert_eq!(idp.entity_id(), Idp::other_tenant().entity_id);

    for (text, parts) in [
        (customer("a", "both.xml", ""), ["organization[0].metadata", "describes 2 identity providers"]),
        (
            customer("a", "both.xml", "entity_id = \"urn:x\"\n"),
            ["organization[0].metadata", "not describe urn:x"],
        ),
        (
            customer("a", "http://idp.example.com/m", ""),
            ["organization[0].metadata", "is not an https:// address"],
        ),
        (
            customer("a", "http://127.0.0.1:1/m", ""),
            ["organization[0].metadata", "is not an https:// address"],
        ),
        (customer("a", "https://u:p@idp.example.com/m", ""), ["organization[0].metadata", "user name"]),
        (
            format!("{}{}", customer("a", url, ""), customer("b", url, "")),
            ["organization[1].metadata", "same identity provider"],
        ),
    ] {
        check_one(&folder, &format!("{LEAST}{text}"), &parts);
    }
    let saml = |more: &str| LEAST.replace("[saml]\n", &format!("[saml]\n{more}\n"));
    let local =
        format!("{}{}", saml("metadata_allow_private = true"), customer("a", "http://127.0.0.1:1/m", ""));
    folder.load(&local).expect("allowed for development");
    folder.load(&saml("metadata_ca = \"tls.crt\"\nmetadata_refresh = \"10m\"")).expect("valid");
    for (more, parts) in [
        ("metadata_ca = \"tls.key\"", ["saml.metadata_ca", "no list of certificates"]),
        ("metadata_ca = \"none.pem\"", ["saml.metadata_ca", "does not exist"]),
        ("metadata_refresh = \"1m\"", ["saml.metadata_refresh", "too short"]),
        ("metadata_refresh = \"2d\"", ["saml.metadata_refresh", "too long"]),
    ] {
        check_one(&folder, &saml(more), &parts);
    }
}

#[test]
fn certificates_near_their_end_are_noted() {
    let folder = Folder::furnished();
    let text = format!(
        "{LEAST}[[organization]]\nid = \"c\"\nname = \"C\"\ndomains = [\"c.com\"]\nmetadata = \"contoso.xml\"\n"
    );
    assert_eq!(folder.load(&text).expect("valid").notes, Vec::<String>::new());
    for (moment, part) in
        [("2049-12-15T00:00:00Z", "expires on 2049-12-31"), ("2050-01-01T00:00:00Z", "have expired")]
    {
        let later = moment.parse().expect("a time");
        let config =
            config::load(&folder.path("anteroom.toml"), &Environment::default(), later).expect("valid");
        assert!(config.notes.concat().contains(part), "{:?}", config.notes);
    }
}

#[test]
fn variables_override_the_file() {
    let folder = Folder::furnished();
    let config = folder
        .load_with(
            LEAST,
            &[
                ("ANTEROOM_APP__NAME", "true"),
                ("ANTEROOM_APP__UPSTREAMS", r#"["http://10.0.0.1:80", "http://10.0.0.2:80"]"#),
                ("ANTEROOM_SAML__ENTITY_ID", "\"urn:example:quoted\""),
                ("ANTEROOM_LISTEN__PUBLIC", "[::1]:8443"),
                ("ANTEROOM_LISTEN__PROXY_PROTOCOL", "false"),
                ("ANTEROOM_LISTEN__TLS__CERTIFICATE", "tls.crt"),
                ("ANTEROOM_LISTEN__TLS__KEY", "tls.key"),
                ("ANTEROOM_SESSION__IDLE", "30m"),
                (
                    "ANTEROOM_ORGANIZATION",
                    r#"[{id = "c", name = "C", domains = ["c.com"], metadata = "contoso.xml"}]"#,
                ),
                ("HOME", "/nowhere"),
                ("ANTEROOM_LOG", "debug"),
                ("ANTEROOM_LOG_FORMAT", "json"),
                // What Kubernetes sets next to a service of our name.
                ("ANTEROOM_SERVICE_HOST", "10.0.0.1"),
                ("ANTEROOM_SERVICE_PORT", "443"),
                ("ANTEROOM_SERVICE_PORT_HTTPS", "443"),
                ("ANTEROOM_PORT", "tcp://10.0.0.1:443"),
                ("ANTEROOM_PORT_443_TCP_ADDR", "10.0.0.1"),
                ("ANTEROOM_OPS_SERVICE_PORT_METRICS", "9464"),
                ("ANTEROOM_OPS_PORT_9464_TCP", "tcp://10.0.0.1:9464"),
            ],
        )
        .expect("valid");
    assert_eq!(config.app.name.as_str(), "true");
    assert_eq!(config.app.upstreams.addresses[1].to_string(), "http://10.0.0.2:80");
    assert_eq!(config.saml.entity_id, "urn:example:quoted");
    assert_eq!(config.listen.public.to_string(), "[::1]:8443");
    assert_eq!(config.listen.tls.len(), 1);
    assert_eq!(config.session.idle, Duration::from_mins(30));
    assert_eq!(config.organizations[0].organization.id.as_str(), "c");
    assert!(!config.notes.concat().contains("ANTEROOM_"), "{:?}", config.notes);
}

#[test]
fn mistakes_in_variables_name_the_variable() {
    let folder = Folder::new();
    for (variable, value, part) in [
        ("ANTEROOM_APP_URL", "x", "names no known key — did you mean ANTEROOM_APP__URL?"),
        ("ANTEROOM_SESSION__IDEL", "x", "did you mean ANTEROOM_SESSION__IDLE?"),
        ("ANTEROOM_NOTHING__LIKE_IT", "x", "names no known key — unset it"),
        ("ANTEROOM_SESSION__IDLE", "2", "session.idle: \"2\" is not a duration"),
        ("ANTEROOM_SESSION__IDLE", "", "session.idle: \"\" is not a duration"),
        ("ANTEROOM_APP__UPSTREAMS", "http://10.0.0.1", "app.upstreams: must be a list of texts"),
        ("ANTEROOM_APP__UPSTREAMS", "[1]", "app.upstreams: must be a list of texts"),
        ("ANTEROOM_APP__PUBLIC_PATHS", "[\"/\"]", "app.public_paths[0]: \"/\" would make"),
        ("ANTEROOM_LISTEN__PROXY_PROTOCOL", "true", "listen.proxy_protocol: there are no trusted proxies"),
        ("ANTEROOM_LISTEN__CONNECTIONS", "many", "listen.connections: must be a whole number"),
        ("ANTEROOM_LISTEN__CONNECTIONS", "-1", "listen.connections: must be a whole number"),
        ("ANTEROOM_LISTEN__CONNECTIONS", "0", "listen.connections: 0 is out of bounds"),
        ("ANTEROOM_LISTEN__WHEN_FULL", "drop", "listen.when_full: \"drop\" is neither"),
        ("ANTEROOM_LISTEN__MEMORY_MAX", "2", "listen.memory_max: \"2\" is not a size"),
        ("ANTEROOM_LIMITS__POSTS_PER_ADDRESS", "many", "limits.posts_per_address: \"many\" is not a rate"),
        ("ANTEROOM_MAIL__SMTP", "x", "mail.smtp: is not the URL of a mail server"),
        ("ANTEROOM_ORGANIZATION__ID", "x", "organization.id: one key of a list of tables"),
        ("ANTEROOM_ORGANIZATION", "x", "organization: must be a table"),
        ("ANTEROOM_ORGANIZATION", "[{idd = \"x\"}]", "organization[0].idd: is not a known key"),
        ("ANTEROOM_STORE", "{url = \"mysql:\"}", "store.url: is not the URL"),
    ] {
        let mistakes = folder.mistakes_with(LEAST, &[(variable, value)]);
        let expected = format!("{variable}: ");
        let told = mistakes.iter().any(|found| found.starts_with(&expected) && found.contains(part));
        assert!(told, "{part:?} not in {mistakes:#?}");
    }
    let config = Folder::furnished().load_with(LEAST, &[("ANTEROOM_QUITE_ANOTHER", "x")]).expect("valid");
    assert!(config.notes.iter().any(|note| note.contains("ANTEROOM_QUITE_ANOTHER")), "{:?}", config.notes);
}

#[test]
fn websockets_over_http2_need_tls() {
    let folder = Folder::furnished();
    let text = format!("{LEAST}[listen]\nhttp2_websocket = true\n");
    check_one(&folder, &text, &["listen.http2_websocket: does nothing without listen.tls"]);
    let with_tls = format!("{text}[[listen.tls]]\ncertificate = \"tls.crt\"\nkey = \"tls.key\"\n");
    assert_eq!(folder.load(&with_tls).expect("the control").listen.sockets, Sockets::OfBoth);
    assert_eq!(folder.load(LEAST).expect("the default").listen.sockets, Sockets::OfHttp1);
}

#[test]
fn what_needs_a_restart_is_known() {
    let folder = Folder::furnished();
    let old = folder.load(LEAST).expect("valid");
    let reloadable = folder.load(&format!("{LEAST}[session]\nidle = \"1h\"\n")).expect("valid");
    assert_eq!(old.needs_restart(&reloadable), Vec::<&str>::new());
    let new = folder.load(&format!(
        "{LEAST}[listen]\npublic = \"127.0.0.1:1\"\nops = \"127.0.0.1:2\"\n[store]\nurl = \"sqlite:b\"\nsecret_file = \"c\"\n"
    ));
    let keys = ["listen.public", "listen.ops", "store.url", "store.secret_file"];
    assert_eq!(old.needs_restart(&new.expect("valid")), keys);
}

/// A value that the key takes, where its default or the example does not give one.
fn sample(key: &Key) -> &'static str {
    match (key.name, key.kind) {
        (
            "listen.tls.certificate" | "saml.metadata_ca" | "app.upstream_ca" | "app.upstream_certificate",
            _,
        ) => "\"tls.crt\"",
        ("listen.tls.key" | "app.upstream_key", _) => "\"tls.key\"",
        ("brand.logo", _) => "\"logo.svg\"",
        ("organization.metadata", _) => "\"contoso.xml\"",
        (_, Kind::Text | Kind::TextOrTexts) => "\"text\"",
        (_, Kind::Texts) => "[\"text\"]",
        (_, Kind::Switch) => "false",
        (_, Kind::Number) => "7",
    }
}

#[test]
fn every_key_of_the_schema_reaches_the_reader() {
    let folder = Folder::furnished();
    for key in KEYS {
        let (table, last) = key.name.rsplit_once('.').expect("keys stand in tables");
        let many = TABLES.iter().any(|known| known.name == table && known.shape == Shape::Many);
        let heading = if many { format!("[[{table}]]") } else { format!("[{table}]") };
        let text = format!("{heading}\n{last} = {}\n", sample(key));
        let mistakes = folder.mistakes(&text).concat();
        assert!(!mistakes.contains("not a known key"), "{mistakes}");
        assert!(!mistakes.contains("unknown field"), "{mistakes}");
        let refused = mistakes.contains(&format!("{}: is not supported yet", key.name));
        assert_eq!(refused, key.support == Support::Later, "{}: {mistakes}", key.name);
    }
}

#[test]
fn the_sample_of_the_design_is_accepted() {
    let folder = Folder::furnished();
    own_keys::write(&folder, "sp", SigningKey::rsa());
    let outcome = folder.load(
        r##"
[app]
url = "https://app.servusconnect.com"              # required: the Sign-on URL
upstreams = ["http://127.0.0.1:3000"]              # required: the application; several are balanced
public_paths = ["/favicon.ico", "/assets/"]         # exact, or whole-segment prefix when it ends in "/"
name = "ServusConnect"
support_email = "support@servusconnect.com"

[saml]
entity_id = "urn:amazon:cognito:sp:us-east-1_rlgU6e3y5"            # required
acs_url = "https://login.servusconnect.com/saml2/idpresponse"      # required
signing_key = "sp.key"            # optional: sign requests; with certificate it also
certificate = "sp.crt"            # decrypts encrypted assertions

[listen]
public = "0.0.0.0:8443"           # default 127.0.0.1:8080
ops = "127.0.0.1:9464"
trusted_proxies = []              # CIDRs whose X-Forwarded-* / PROXY protocol is believed
proxy_protocol = false
[listen.tls]                      # absent: plain HTTP behind a TLS-terminating load balancer
certificate = "tls.crt"           # a list of pairs serves several names by SNI
key = "tls.key"

[store]
url = "sqlite:anteroom.db"        # or postgres://user@host/db for several nodes
secret_file = "anteroom.secret"   # 32 random bytes, made at first start (0600); the same on every node

[session]
idle = "2h"
lifetime = "12h"

[identity]
issuer = "https://app.servusconnect.com"
audience = "https://app.servusconnect.com"
algorithm = "ES256"
lifetime = "60s"
presets = []

[access]
levels = ["viewer", "technician", "manager", "administrator"]       # lowest first
may_request = ["manager", "administrator"]

[mail]
smtp = "smtp://127.0.0.1:25"      # absent: messages are kept in the outbox and shown to support
from = "ServusConnect <no-reply@servusconnect.com>"

[sign_on]
other_url = "/login"            # the application's own login, for people without SSO

[brand]
logo = "logo.svg"
accent = "#0b6e4f"

[[organization]]                  # declared here, or created at run time by support
id = "contoso"
name = "Contoso Residential"
domains = ["contoso.com", "contoso.co.uk"]
metadata = "contoso.xml"          # file or https URL (refreshed hourly, last good copy kept)
"##,
    );
    let config = outcome.expect("valid");
    assert_eq!(config.saml.keys.len(), 1);
}

#[test]
fn every_file_in_the_config_folder_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files: Vec<_> = fs::read_dir(folder).expect("a folder").map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let report = check::report(file, &Environment::default(), now());
        assert!(report.is_ok(), "{report}");
        assert!(report.to_string().contains(": ok\n"), "{report}");
    }
}

#[test]
fn the_example_mentions_every_key_and_shows_the_defaults() {
    let mut table = String::new();
    let mut seen = Vec::new();
    for line in init::EXAMPLE.lines() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') && line.ends_with(']') {
            line.trim_matches(['[', ']']).clone_into(&mut table);
        } else if let Some((key, value)) = line.split_once(" = ") {
            seen.push((format!("{table}.{key}"), value.split("   ").next().unwrap_or(value)));
        }
    }
    for key in KEYS {
        let found = seen.iter().find(|(name, _)| name == key.name);
        let (_, value) = found.unwrap_or_else(|| panic!("{} is not in the example", key.name));
        if let Absent::Value(default) = key.absent {
            assert_eq!(*value, default, "{} shows its default", key.name);
        }
    }
    // Every key of the example may be set to what it shows.
    let folder = Folder::furnished();
    own_keys::write(&folder, "sp", SigningKey::rsa());
    for (from, to) in [("tls.crt", "ca.pem"), ("tls.crt", "client.crt"), ("tls.key", "client.key")] {
        fs::copy(folder.path(from), folder.path(to)).expect("the folder can be written");
    }
    let mut text = String::new();
    for line in init::EXAMPLE.lines() {
        let bare = line.trim_start_matches("# ");
        let name = bare.split([' ', ']']).next().unwrap_or_default().trim_start_matches('[');
        let is_key = bare.contains(" = ") && KEYS.iter().any(|key| key.name.ends_with(&format!(".{name}")));
        let is_table = bare.starts_with('[') && TABLES.iter().any(|table| table.name == name);
        text.push_str(if is_key || is_table { bare } else { line });
        text.push('\n');
    }
    // Some are about TLS to the application alone.
    let text = text.replace("upstreams = [\"http://", "upstreams = [\"https://");
    folder.load(&text).expect("valid");
}

#[test]
fn init_writes_what_check_asks_to_complete() {
    let folder = Folder::new();
    let path = folder.path("anteroom.toml");
    init::write(&path).expect("written");
    let report = check::report(&path, &Environment::default(), now());
    assert!(!report.is_ok());
    let problems = report.to_json()["problems"].clone();
    let keys: Vec<_> = problems.as_array().unwrap().iter().map(|problem| problem["key"].clone()).collect();
    assert_eq!(keys, ["app.url", "app.upstreams", "saml.entity_id", "saml.acs_url"]);
    assert!(problems[0]["line"].is_number(), "the place to write it: {problems}");

    let error = init::write(&path).expect_err("never over another");
    assert!(matches!(error, init::Error::Exists { .. }), "{error}");
    let complete = fs::read_to_string(&path).unwrap();
    let complete = ["url = \"https", "upstreams =", "entity_id =", "acs_url ="]
        .iter()
        .fold(complete, |text, key| text.replacen(&format!("# {key}"), key, 1));
    folder.write("anteroom.toml", complete);
    let report = check::report(&path, &Environment::default(), now());
    assert!(report.is_ok(), "{report}");
}

#[test]
fn check_tells_what_a_configuration_amounts_to() {
    let folder = Folder::furnished();
    folder.write(
        "anteroom.toml",
        format!(
            "{LEAST}[[organization]]\nid = \"contoso\"\nname = \"C\"\ndomains = [\"c.com\"]\nmetadata = \"contoso.xml\"\n"
        ),
    );
    let report = check::report(&folder.path("anteroom.toml"), &Environment::default(), now());
    let text = report.to_string();
    for part in
        ["anteroom.toml: ok", "contoso (C): c.com", "https://sts.windows.net/3f2b", "until 2049-12-31"]
    {
        assert!(text.contains(part), "{part:?} not in {text}");
    }
    let json = report.to_json();
    assert_eq!(json["ok"], true);
    assert_eq!(json["organizations"][0]["certificates"][0]["not_after"], "2049-12-31T00:00:00Z");
}

#[test]
fn check_tells_how_mail_leaves_and_never_the_password() {
    let folder = Folder::new();
    let report = |mail: &str| {
        folder.write("anteroom.toml", format!("{LEAST}{mail}"));
        let report = check::report(&folder.path("anteroom.toml"), &Environment::default(), now());
        (report.to_string(), report.to_json())
    };
    let (text, json) = report("");
    assert!(text.contains("none, messages wait in the outbox"), "{text}");
    assert_eq!(json["mail"], serde_json::Value::Null);
    let (text, json) = report(
        "[mail]\nsmtp = \"smtp://user:s3cret@mail.example.com?tls=opportunistic\"\nfrom = \"A <a@example.com>\"\n",
    );
    assert!(
        text.contains("from A <a@example.com> by mail.example.com:587 (STARTTLS where offered)"),
        "{text}"
    );
    assert!(text.contains("note: mail.smtp: mail may cross the network in the clear"), "{text}");
    assert_eq!(json["mail"]["from"], "A <a@example.com>");
    for bad in ["smtp://user:s3cret@a b", "smtp://user:s3cret@host/x", "smtp://us:er:s3cret", "x://s3cret"] {
        let (text, json) = report(&format!("[mail]\nsmtp = \"{bad}\"\nfrom = \"a@example.com\"\n"));
        assert!(text.contains("mail.smtp: ") && !text.contains("s3cret"), "{text}");
        assert!(!json.to_string().contains("s3cret"), "{json}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}

#[test]
fn the_table_of_the_manual_has_every_key() {
    let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md"))
        .expect("the manual");
    let table: String = KEYS.iter().map(manual_line).collect();
    assert!(manual.contains(&table), "docs/operations.md should contain\n{table}");
    assert!(manual.contains(&variable_of("session.idle")));
}

fn manual_line(key: &Key) -> String {
    let absent = match key.absent {
        Absent::Missing => "required".to_owned(),
        Absent::Value(value) => format!("`{value}`"),
        Absent::Means(words) => words.to_owned(),
    };
    let later = if key.support == Support::Later { "*Not supported yet.* " } else { "" };
    format!("| `{}` | {absent} | {later}{} |\n", key.name, key.meaning)
}

#[tokio::test]
async fn a_changed_file_is_noticed() {
    let folder = Folder::furnished();
    let text = format!(
        "{LEAST}[[organization]]\nid = \"c\"\nname = \"C\"\ndomains = [\"c.com\"]\nmetadata = \"now/contoso.xml\"\n"
    );
    // As Kubernetes mounts files: the folder in between is a symbolic link that is swapped.
    for version in ["one", "two"] {
        fs::create_dir(folder.path(version)).unwrap();
        fs::copy(folder.path("contoso.xml"), folder.path(&format!("{version}/contoso.xml"))).unwrap();
    }
    symlink("one", folder.path("now")).unwrap();
    let config = folder.load(&text).expect("valid");
    let names: Vec<_> = config.files.paths().filter_map(Path::file_name).collect();
    assert_eq!(names, ["anteroom.toml", "contoso.xml"]);

    let soon = Duration::from_millis(2);
    let mut watch = Watch::new(config.files.clone()).with_period(soon);
    let quiet = tokio::time::timeout(Duration::from_millis(20), watch.changed()).await;
    assert!(quiet.is_err(), "nothing has changed");

    symlink("two", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("now")).unwrap();
    noticed(&mut watch).await;

    // A change between reading and watching is not missed.
    let config = folder.load(&text).expect("valid");
    folder.write("anteroom.toml", format!("{text}# more\n"));
    watch.follow(config.files);
    noticed(&mut watch).await;

    // A file that a refused configuration lacks may still come.
    let problems = folder.load(&text.replace("now/contoso.xml", "late.xml")).expect_err("it is not there");
    watch.follow(problems.files);
    fs::copy(folder.path("contoso.xml"), folder.path("late.xml")).unwrap();
    noticed(&mut watch).await;
}

/// Waits until the change is noticed.
async fn noticed(watch: &mut Watch) {
    tokio::time::timeout(Duration::from_secs(10), watch.changed()).await.expect("the change is noticed");
}

#[test]
fn forward_auth_needs_a_proxy_and_its_peers_or_neither() {
    let folder = Folder::new();
    assert!(folder.load(LEAST).expect("valid").forward_auth.is_none());
    for proxy in ["nginx", "haproxy", "caddy", "traefik", "envoy"] {
        let text = format!("{LEAST}[forward_auth]\nproxy = \"{proxy}\"\ntrusted_peers = [\"10.0.0.5\"]\n");
        let auth = folder.load(&text).expect("valid").forward_auth.expect("it is on");
        assert_eq!(auth.front.as_str(), proxy);
        let trusted = |address: &str| auth.peers.contains(address.parse().expect("an address"));
        assert!(trusted("10.0.0.5") && trusted("::ffff:10.0.0.5") && !trusted("10.0.0.6"), "{proxy}");
    }
    for (text, part) in [
        ("proxy = \"nginx\"", "forward_auth.trusted_peers: is missing"),
        ("proxy = \"nginx\"\ntrusted_peers = []", "forward_auth.trusted_peers: is missing"),
        ("trusted_peers = [\"10.0.0.5\"]", "forward_auth.proxy: is missing"),
        ("proxy = \"apache\"\ntrusted_peers = [\"10.0.0.5\"]", "is no proxy that is known here"),
        ("proxy = \"nginx\"\ntrusted_peers = [\"0.0.0.0/0\"]", "would believe everybody"),
        ("proxy = \"nginx\"\ntrusted_peers = [\"proxy.internal\"]", "is not a network"),
    ] {
        check_one(&folder, &format!("{LEAST}[forward_auth]\n{text}\n"), &[part]);
    }
    for key in ["polling_paths", "repeat_posts"] {
        for path in ["/", "/.anteroom/x", "news", "/a/../b", "/a?b"] {
            check_one(&folder, &format!("{LEAST}[session]\n{key} = [\"{path}\"]\n"), &["session."]);
        }
        folder.load(&format!("{LEAST}[session]\n{key} = [\"/a\", \"/b/\"]\n")).expect("the control");
    }
}
