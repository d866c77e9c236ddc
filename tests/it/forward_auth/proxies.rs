//! The recipes of `docs/forward-auth.md`, each run with the real proxy between a browser and the application.
//!
//! Separate because they need programs that nobody here wrote.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::{address, ask, start};
use crate::app::{MIA, NOAH, TestApp, free_port, until};

/// A proxy, running until it is dropped.
struct Proxy {
    program: Child,
    port: u16,
    _dir: TempDir,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.program.kill().expect("it is still there");
        self.program.wait().expect("it ends");
    }
}

/// The fenced blocks of a section, with the addresses of a test in the place of those in the text.
fn recipe(section: &str, app: &TestApp, port: u16) -> Vec<String> {
    let docs = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/forward-auth.md"));
    let docs = docs.expect("the recipes are there");
    let (_, from) = docs.split_once(&format!("\n## {section}\n")).expect("a section");
    let section = from.split("\n## ").next().expect("it ends");
    let blocks = section.split("\n```").skip(1).step_by(2).map(|block| {
        let (_, block) = block.split_once('\n').expect("a language");
        let block = format!("{block}\n");
        let [anteroom, application] = [address(app), app.application.address].map(|address| address.port());
        // Names first, so that no port that is put in is taken for one of the text.
        let named = block.replace("app.example.com", "app.localhost");
        let marked =
            named.replace("8080", "<anteroom>").replace("3000", "<application>").replace("8000", "<port>");
        marked
            .replace("<anteroom>", &anteroom.to_string())
            .replace("<application>", &application.to_string())
            .replace("<port>", &port.to_string())
    });
    blocks.collect()
}

/// A program that pip has installed for `scripts/test`.
fn of_python(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let path = target.join("forward-auth").join(path);
    assert!(path.exists(), "{} is missing: scripts/test installs it", path.display());
    path
}

async fn run(name: &str, app: &mut TestApp) -> Proxy {
    let port = free_port();
    let dir = TempDir::new().expect("a temporary directory");
    let write = |file: &str, text: &str| {
        let path = dir.path().join(file);
        std::fs::write(&path, text).expect("the directory is writable");
        path
    };
    let section = match name {
        "nginx" => "nginx",
        "haproxy" => "HAProxy",
        "caddy" => "Caddy",
        "traefik" => "Traefik",
        _ => "Envoy",
    };
    let blocks = recipe(section, app, port);
    let [first, ..] = blocks.as_slice() else { panic!("{section} has no recipe") };
    let mut command = match name {
        "nginx" => {
            let place = dir.path().display();
            let places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
            let places = places.map(|name| format!("{name}_temp_path {place}/{name};\n")).concat();
            let path = write(
                "nginx.conf",
                &format!(
                    "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log stderr error;\nevents {{}}\n\
                     http {{\naccess_log off;\n{places}{first}\n}}\n"
                ),
            );
            let mut command = Command::new("nginx");
            command.arg("-p").arg(dir.path()).arg("-c").arg(path).args(["-e", "stderr"]);
            command
        }
        "haproxy" => {
            write("anteroom.lua", blocks.get(1).expect("the action"));
            let mut command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(write("haproxy.cfg", first)).current_dir(dir.path());
            command
        }
        "caddy" => {
            let mut command = Command::new("caddy");
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(write("Caddyfile", first));
            command.env("HOME", dir.path());
            command
        }
        "traefik" => {
            let mut command = Command::new(of_python("bin/traefik"));
            command.arg(format!("--entrypoints.web.address=127.0.0.1:{port}"));
            command.arg(format!("--providers.file.filename={}", write("dynamic.yml", first).display()));
            command.args(["--global.checknewversion=false", "--global.sendanonymoususage=false"]);
            command.arg("--log.level=ERROR").current_dir(dir.path());
            command
        }
        _ => {
            let mut command = Command::new(of_python("bin/envoy"));
            command.args(["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "error", "-c"]);
            command.arg(write("envoy.yaml", first));
            command
        }
    };
    let program = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let program = program.unwrap_or_else(|error| panic!("{name} cannot be run: {error}"));
    let proxy = Proxy { program, port, _dir: dir };
    let front = ([127, 0, 0, 1], port).into();
    until("the proxy answers", async || tokio::net::TcpStream::connect(front).await.is_ok()).await;
    app.net.lead(&app.app_url, front);
    // Some accept connections before they know what to do with them.
    let ready = "GET /assets/ready HTTP/1.1\nHost: app.localhost";
    until("the proxy forwards", async || ask(front, ready).await.status == 200).await;
    proxy
}

/// Everything that the documentation promises of a recipe.
async fn the_recipe_holds(name: &str) {
    let mut app = start(name, "127.0.0.1").await;
    let proxy = run(name, &mut app).await;
    let app = app;
    let front = ([127, 0, 0, 1], proxy.port).into();
    app.add_member(MIA).await;

    // From the application through the sign-on and back.
    let mut mia = app.visitor();
    mia.browser.plant(&app.app_url, "theme", "dark");
    let page = mia.visit("/work-orders/7?x=%2F").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/sign-in", "{name}");
    let page = mia.sign_on("/work-orders/7?x=%2F").await.expect(200);
    assert_eq!(page.url, app.url("/work-orders/7?x=%2F"), "{name}");
    let last = app.application.last();
    assert_eq!(last.target, "/work-orders/7?x=%2F", "{name}");
    assert_eq!(last.claims().expect("an identity")["email"], MIA, "{name}");
    let session = mia.session().expect("a session");
    let cookie = last.header("cookie").to_owned();
    assert!(cookie.contains("theme=dark") && !cookie.contains(&session), "{name}: {cookie}");

    // What a client says of itself, and of its request, does not matter.
    let forged = [
        ("x-anteroom-jwt-assertion", "forged"),
        ("x-forwarded-uri", "/assets/x"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-forwarded-host", "evil.example"),
        ("x-original-uri", "/assets/x"),
        ("x-original-method", "OPTIONS"),
        ("x-original-url", "/assets/x"),
    ];
    mia.browser.fetch(&app.url("/forged"), &forged).await.expect(200);
    let last = app.application.last();
    let tokens: Vec<_> = last.headers.get_all("x-anteroom-jwt-assertion").iter().collect();
    assert_eq!((last.target.as_str(), tokens.len()), ("/forged", 1), "{name}: {tokens:?}");
    assert_eq!(last.claims().expect("an identity")["email"], MIA, "{name}");
    let before = app.application.received().len();
    let json = [&forged[..], &[("accept", "application/json")]].concat();
    app.visitor().browser.fetch(&app.url("/private"), &json).await.expect(401);
    assert_eq!(app.application.received().len(), before, "{name}");

    // A public path is for everybody, and nobody's.
    for visitor in [&mut app.visitor(), &mut mia] {
        visitor.browser.fetch(&app.url("/assets/x?y"), &forged).await.expect(200);
        let last = app.application.last();
        assert_eq!(last.target, "/assets/x?y", "{name}");
        assert!(last.header("x-anteroom-jwt-assertion").is_empty(), "{name}: {:?}", last.headers);
        assert!(!last.header("cookie").contains(&session), "{name}");
    }

    // A form arrives whole.
    let to = app.url("/work-orders/7");
    mia.browser.post_octets(&to, &to, "text/plain", b"a form").await.expect(200);
    assert_eq!(&app.application.last().body[..], b"a form", "{name}");

    // The question is not for clients, and what is ambiguous gets nowhere.
    let before = app.application.received().len();
    for target in [
        "/.anteroom/auth",
        "/.anteroom/auth/assets/x",
        "/.anteroom/%61uth",
        "/.anteroom//auth",
        "/.anteroom/auth?x",
        "/assets/..%2fprivate",
        "/assets/%2e%2e/private",
        "//evil.example/x",
        "/assets/..;/private",
    ] {
        let more = "X-Original-URI: /assets/x\nX-Original-Method: GET\nX-Forwarded-Uri: /assets/x\n\
                    X-Forwarded-Method: GET\nX-Forwarded-Host: app.localhost";
        // Traefik and nginx may resolve dots before they ask, and then forward what they have asked about; so nobody is
        // signed on here, and nothing may make the target public.
        let is_question = target.starts_with("/.anteroom");
        let cookie = if is_question { format!("Cookie: anteroom={session}\n") } else { String::new() };
        let head = format!("GET {target} HTTP/1.1\nHost: app.localhost\n{cookie}{more}");
        let answer = ask(front, &head).await;
        assert!(answer.status != 200, "{name} {target}: {answer:?}");
        assert_eq!(answer.field("x-anteroom-jwt-assertion"), None, "{name} {target}");
    }
    assert_eq!(app.application.received().len(), before, "{name}");

    // Somebody who waits.
    let mut noah = app.visitor().who_is(NOAH);
    let page = noah.sign_on("/units").await.expect(200);
    assert_eq!(page.url.path(), "/.anteroom/waiting-room", "{name}");
    noah.browser.fetch(&app.url("/units"), &[("accept", "application/json")]).await.expect(403);
    assert_eq!(app.application.received().len(), before, "{name}");

    // Access that is lost is lost at once.
    app.command(&["user", "revoke", MIA]).await;
    let revoked_at = std::time::Instant::now();
    while mia.browser.fetch(&app.url("/x"), &[("accept", "application/json")]).await.status != 403 {
        assert!(revoked_at.elapsed() < Duration::from_secs(1), "{name}: access goes on");
    }
}

macro_rules! recipes {
    ($($test:ident $name:literal)+) => {$(
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "needs the proxy, which scripts/test installs"]
        async fn $test() {
            the_recipe_holds($name).await;
        }
    )+};
}

recipes! {
    the_recipe_for_nginx_holds "nginx"
    the_recipe_for_haproxy_holds "haproxy"
    the_recipe_for_caddy_holds "caddy"
    the_recipe_for_traefik_holds "traefik"
    the_recipe_for_envoy_holds "envoy"
}
