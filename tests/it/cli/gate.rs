//! `explain request` and `check --public`: what the gate would do, told without a server.

use serde_json::{Value, json};

use super::Office;
use crate::upstream::Upstream;

/// With a public path, a preset, and three people: let in, waiting, shut out.
fn office() -> Office {
    let office = Office::furnished();
    let toml = std::fs::read_to_string(office.path("anteroom.toml")).unwrap();
    let toml = toml.replace("[saml]", "public_paths = [\"/assets/\", \"/ping\"]\n\n[saml]");
    office.write("anteroom.toml", format!("{toml}\n[identity]\npresets = [\"remote-user\"]\n").as_bytes());
    let add = ["user", "add", "mia@contoso.com", "--organization", "contoso", "--name", "Mia"];
    office.ok(&[&add[..], &["--level", "technician", "--property", "maple"]].concat());
    office.ok(&["user", "add", "wim@contoso.com", "--organization", "contoso"]);
    office.ok(&[
        "user",
        "add",
        "dan@contoso.com",
        "--organization",
        "contoso",
        "--level",
        "viewer",
        "--property",
        "*",
    ]);
    office.ok(&["user", "disable", "dan@contoso.com"]);
    office
}

impl Office {
    fn explain(&self, arguments: &[&str]) -> (i32, Value) {
        let done = self.run(&[&["explain", "request"], arguments, &["--json"]].concat());
        (done.code, serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{done:?}")))
    }
}

#[test]
fn each_decision_is_told_with_its_rule() {
    let office = office();
    let mia = ["--user", "mia@contoso.com"];
    for (arguments, decision, rule, code) in [
        (&["GET", "/units"][..], "sign_in", "needs a session", 1),
        (&["GET", "/assets/a.css?x"], "public", "\"/assets/\"", 0),
        (&["GET", "/ping/x"], "sign_in", "needs a session", 1),
        (&[mia[0], mia[1], "GET", "/ping"], "public", "\"/ping\"", 0),
        (&[mia[0], mia[1], "POST", "/units?a=1"], "forwarded", "one grant", 0),
        (&["--user", "wim@contoso.com", "GET", "/"], "waiting_room", "no grant", 1),
        (&["--user", "dan@contoso.com", "GET", "/"], "sign_in", "disabled", 1),
        (&[mia[0], mia[1], "GET", "/.anteroom/sign-in"], "own", "Anteroom's own", 0),
        (&[mia[0], mia[1], "DELETE", "/.anteroom/sign-in"], "refused", "GET, HEAD, POST", 1),
        (&[mia[0], mia[1], "GET", "/a/../b"], "refused", "dot segment", 1),
        (&[mia[0], mia[1], "GET", "/a%2Fb"], "refused", "escaped slash", 1),
        (&[mia[0], mia[1], "GET", "/a%5cb"], "refused", "backslash", 1),
        (&[mia[0], mia[1], "GET", "//evil.example"], "refused", "two slashes", 1),
        (&[mia[0], mia[1], "GET", "/a#b"], "refused", "slash", 1),
        (&[mia[0], mia[1], "GET", "/a%ff"], "refused", "UTF-8", 1),
        (&["GET", "assets/"], "refused", "begin with a slash", 1),
    ] {
        let (ended, told) = office.explain(arguments);
        assert_eq!(told["decision"], decision, "{arguments:?}: {told}");
        assert!(told["rule"].as_str().unwrap().contains(rule), "{arguments:?}: {told}");
        assert_eq!(ended, code, "{arguments:?}");
        assert_eq!(told["claims"].is_null(), decision != "forwarded", "{arguments:?}: {told}");
    }
}

#[test]
fn the_headers_are_those_of_the_identity_and_of_the_way() {
    let office = office();
    let (_, told) = office.explain(&[
        "--user",
        "mia@contoso.com",
        "--from",
        "203.0.113.9",
        "--header",
        "X_Anteroom.Jwt~Assertion",
        "--header",
        "X-Forwarded-For: 10.0.0.1",
        "--header",
        "Upgrade-Insecure-Requests",
        "--header",
        "Connection",
        "GET",
        "/",
    ]);
    let claims = &told["claims"];
    assert_eq!(claims["email"], "mia@contoso.com");
    assert_eq!(claims["access"], json!([{"property": "maple", "level": "technician"}]));
    assert_eq!((&claims["iss"], &claims["org"]), (&json!("https://app.example.com"), &json!("contoso")));
    let headers = told["headers"].as_array().unwrap();
    let value =
        |name: &str| headers.iter().find(|header| header["name"] == name).map(|header| &header["value"]);
    assert_eq!(value("x-forwarded-for"), Some(&json!("203.0.113.9")));
    assert_eq!(value("host"), Some(&json!("app.example.com")));
    assert_eq!(value("remote-user"), Some(&json!("mia@contoso.com")));
    assert_eq!(value("remote-groups"), Some(&json!("maple:technician")));
    let fates: Vec<_> =
        told["sent"].as_array().unwrap().iter().map(|one| one["fate"].as_str().unwrap()).collect();
    assert!(fates[0].contains("identity") && fates[1].contains("trusted_proxies"), "{fates:?}");
    assert!(fates[2] == "passes" && fates[3].contains("connection"), "{fates:?}");
    let text = office.ok(&["explain", "request", "--user", "mia@contoso.com", "GET", "/"]);
    assert!(text.contains("a signed token of") && text.contains("ent_ver: "), "{text}");
}

#[test]
fn where_both_urls_name_one_host_the_paths_of_the_login_are_our_own() {
    let office = office();
    let told = |path: &str| office.explain(&["GET", path]).1["decision"].clone();
    assert_eq!(told("/saml2/metadata"), "sign_in", "on a host of its own the application's path");
    let toml = std::fs::read_to_string(office.path("anteroom.toml")).unwrap();
    let acs = toml.lines().find(|line| line.starts_with("acs_url")).unwrap();
    let one = "acs_url = \"https://app.example.com/saml2/idpresponse\"";
    office.write("anteroom.toml", toml.replace(acs, one).as_bytes());
    for path in ["/saml2/metadata", "/saml2/logout"] {
        assert_eq!(told(path), "own", "{path}");
    }
    assert_eq!(told("/saml2/other"), "sign_in", "the control");
}

/// T-B7: whoever reaches the application itself meets nobody who asks for a sign-on.
#[test]
fn an_application_that_believes_anybody_is_found_out() {
    let office = office();
    let toml = std::fs::read_to_string(office.path("anteroom.toml")).unwrap();
    let line = toml.lines().find(|line| line.starts_with("upstreams")).unwrap().to_owned();
    let application = |answer: fn(bool) -> &'static str| {
        Upstream::start(move |exchange| {
            let head = &exchange.recorded.head;
            let is_told =
                head.one("x-anteroom-jwt-assertion").is_some_and(|token| token.matches('.').count() == 2);
            assert_eq!(is_told, head.one("remote-user").is_some(), "and the headers of the preset");
            assert_eq!(head.one("host"), Some("app.example.com"));
            let status = answer(is_told);
            exchange.respond(status, &[("Location", "/login")], b"")
        })
    };
    let rows = [
        (application(|_| "401 Unauthorized"), "closed", json!(401), json!(401), 0),
        (application(|_| "302 Found"), "closed", json!(302), json!(302), 0),
        (application(|_| "200 OK"), "open", json!(200), json!(200), 1),
        (
            application(|told| if told { "200 OK" } else { "403 Forbidden" }),
            "credulous",
            json!(403),
            json!(200),
            1,
        ),
        (application(|_| "404 Not Found"), "unclear", json!(404), json!(404), 1),
    ];
    for (upstream, finding, alone, forged, code) in rows {
        let listed = format!("upstreams = [\"{}\"]", upstream.url());
        office.write("anteroom.toml", toml.replace(&line, &listed).as_bytes());
        let done = office.run(&["check", "--upstreams", "--path", "/units?a=1", "--json"]);
        let told: Value = serde_json::from_str(&done.out).unwrap();
        let told = &told[0];
        let seen = (&told["finding"], &told["without_identity"], &told["forged_identity"]);
        assert_eq!((seen, done.code), ((&json!(finding), &alone, &forged), code), "{told}");
        let asked: Vec<_> = upstream.requests().iter().map(|one| one.target().to_owned()).collect();
        assert_eq!(asked, ["/units?a=1", "/units?a=1"]);
    }
    let nobody = format!("upstreams = [\"http://127.0.0.1:{}\"]", crate::app::free_port());
    office.write("anteroom.toml", toml.replace(&line, &nobody).as_bytes());
    let done = office.run(&["check", "--upstreams"]);
    assert_eq!(done.code, 1);
    assert!(done.out.contains("upstream_connect_failed") && done.out.contains("gives no answer"), "{done:?}");
    office.fails(2, &["check", "--upstreams", "--path", "/a/../b"]);
    office.fails(2, &["check", "--path", "/a"]);
    office.fails(2, &["check", "--upstreams", "--public"]);
}

#[test]
fn the_limits_of_a_path_are_told() {
    let office = office();
    let toml = std::fs::read_to_string(office.path("anteroom.toml")).unwrap();
    let routes = "[[route]]\npath = \"/\"\nbody_max = \"10MiB\"\n\n\
                  [[route]]\npath = \"/files/\"\nbody_timeout = \"90s\"\nresponse_timeout = \"5m\"\n";
    office.write("anteroom.toml", format!("{toml}\n{routes}").as_bytes());
    let mia = ["--user", "mia@contoso.com", "POST"];
    for (path, route, text) in [
        ("/files/1", json!("/files/"), "all of it within 90s, an answer within 5m (route \"/files/\")"),
        ("/files", json!("/"), "a body of 10MiB at most (route \"/\")"),
    ] {
        let (_, told) = office.explain(&[&mia[..], &[path]].concat());
        assert_eq!(told["route"], route);
        let written = office.ok(&[&["explain", "request"], &mia[..], &[path]].concat());
        assert!(written.contains(&format!("limits    {text}\n")), "{written}");
    }
    let (_, told) = office.explain(&["GET", "/files/1"]);
    assert_eq!(told["route"], Value::Null, "it never gets there");
}

#[test]
fn a_wrong_question_is_told_apart() {
    let office = office();
    let (code, message) = office.refused(&["explain", "request", "--user", "who@contoso.com", "GET", "/"]);
    assert_eq!(code, "no_such_user", "{message}");
    office.fails(2, &["explain", "request", "get", "/"]);
    office.fails(2, &["explain", "request", "--user", "nobody", "GET", "/"]);
}

#[test]
fn nothing_is_made_by_asking() {
    let office = Office::new();
    let done = office.run(&["explain", "request", "GET", "/"]);
    assert_eq!(done.code, 1, "{done:?}");
    office.ok(&["check", "--public"]);
    assert!(!office.path("anteroom.db").exists() && !office.path("anteroom.secret").exists());
}

#[test]
fn the_list_of_what_is_public_has_the_applications_paths_and_ours() {
    let office = office();
    let list = office.json(&["check", "--public"]);
    let rows = list.as_array().unwrap();
    let row =
        |path: &str| rows.iter().find(|row| row["path"] == path).unwrap_or_else(|| panic!("{path}: {list}"));
    assert_eq!((&row("/assets/")["below"], &row("/ping")["below"]), (&json!(true), &json!(false)));
    assert_eq!(row("/saml2/idpresponse")["host"], "login");
    assert_eq!(row("/.anteroom/session")["answer"], "401, nothing else");
    let text = office.ok(&["check", "--public"]);
    assert!(text.starts_with("HOST") && text.contains("/.anteroom/support…"), "{text}");
}
