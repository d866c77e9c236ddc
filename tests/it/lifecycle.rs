//! The life of the process as the world around it sees it: told, drained, handed over, out of descriptors.
//!
//! Separate because only a real process has signals, a service manager, and sockets that outlive it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::app::free_port;
use crate::idp::Idp;
use crate::upstream::{PATIENCE, Upstream, eventually};

/// A folder with a configuration, of which any number of processes can be started.
struct House {
    folder: TempDir,
    public: SocketAddr,
    ops: SocketAddr,
}

/// `anteroom serve`, and what it tells its service manager.
struct Program {
    child: Child,
    manager: UnixDatagram,
}

impl House {
    fn before(upstream: &Upstream, listen: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (public, ops) = (free_port(), free_port());
        let configuration = format!(
            "[app]\nurl = \"http://app.localhost\"\nupstreams = [\"{}\"]\npublic_paths = [\"/open/\"]\n\
             [saml]\nentity_id = \"urn:example:app\"\nacs_url = \"http://login.localhost/saml2/idpresponse\"\n\
             [listen]\npublic = \"127.0.0.1:{public}\"\nops = \"127.0.0.1:{ops}\"\n{listen}\n\
             [[organization]]\nid = \"contoso\"\nname = \"Contoso\"\ndomains = [\"contoso.com\"]\n\
             metadata = \"contoso.xml\"\n",
            upstream.url(),
        );
        std::fs::write(folder.path().join("contoso.xml"), Idp::entra().metadata_xml()).expect("a file in it");
        std::fs::write(folder.path().join("anteroom.toml"), configuration).expect("a file in it");
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self { folder, public: at(public), ops: at(ops) }
    }

    fn config_path(&self) -> PathBuf {
        self.folder.path().join("anteroom.toml")
    }

    fn start(&self) -> Program {
        self.start_by("exec \"$0\" \"$@\"")
    }

    /// Starts it by a line of shell, which gets the program and its arguments.
    fn start_by(&self, shell: &str) -> Program {
        let number = std::fs::read_dir(self.folder.path()).expect("the folder is there").count();
        let path = self.folder.path().join(format!("notify{number}"));
        let manager = UnixDatagram::bind(&path).expect("a socket");
        manager.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let child = Command::new("bash")
            .args(["-c", shell, env!("CARGO_BIN_EXE_anteroom"), "serve", "--config"])
            .arg(self.config_path())
            .env("NOTIFY_SOCKET", path)
            .env("ANTEROOM_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let program = Program { child, manager };
        assert_eq!(program.told(), ["READY=1"]);
        program
    }

    fn ask(&self) -> Result<u16, std::io::Error> {
        ask(self.public, "/open/x", "app.localhost")
    }

    fn probe(&self, path: &str) -> u16 {
        ask(self.ops, path, "ops").unwrap_or(0)
    }
}

impl Program {
    /// What the service manager is told next, line by line.
    fn told(&self) -> Vec<String> {
        let mut octets = [0; 1024];
        let count = self.manager.recv(&mut octets).expect("the service manager is told something");
        String::from_utf8_lossy(&octets[..count]).lines().map(str::to_owned).collect()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(status.expect("`kill` runs").success());
    }

    fn wait(&mut self) -> ExitStatus {
        let mut ended = None;
        eventually("the program ends", || {
            ended = self.child.try_wait().expect("the program is a child of ours");
            ended.is_some()
        });
        ended.expect("it has ended")
    }

    fn errors(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("its errors are read once")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that has failed leaves nobody behind.
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// One request on a connection of its own.
fn ask(address: SocketAddr, path: &str, host: &str) -> Result<u16, std::io::Error> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// A client that keeps its connection for as long as the server does, and counts what goes wrong.
fn keep_asking(address: SocketAddr, stop: &AtomicBool) -> (usize, Vec<String>) {
    let (mut count, mut failures) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let Ok(stream) = TcpStream::connect(address) else {
            failures.push("refused".to_owned());
            continue;
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        let mut stream = BufReader::new(stream);
        let mut on_this = 0;
        while !stop.load(Ordering::Relaxed) {
            let request = b"GET /open/x HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
            let sent = stream.get_mut().write_all(request);
            match sent.and_then(|()| crate::upstream::read_head(&mut stream)) {
                Ok(Some(head)) => {
                    crate::upstream::read_body(&mut stream, &head).expect("a body as its head says");
                    (count, on_this) = (count + 1, on_this + 1);
                    if head.word(1) != "200" {
                        failures.push(head.start.clone());
                    }
                    if head.one("connection") == Some("close") {
                        break;
                    }
                }
                // A kept connection may be closed in the moment that it is used again: then every client asks anew.
                _ if on_this > 0 => break,
                outcome => failures.push(format!("{outcome:?}")),
            }
        }
    }
    (count, failures)
}

/// reloads and a hand-over to another process, under load, cost nobody an answer; and the service
/// manager knows about each step.
#[test]
fn a_reload_and_a_rolling_restart_fail_no_request() {
    let upstream = Upstream::polite();
    let house = House::before(&upstream, "reuse_port = true\npre_drain = \"1s\"");
    let mut current = house.start();
    let stop = AtomicBool::new(false);
    let address = house.public;
    let (fresh, kept) = std::thread::scope(|scope| {
        let fresh = scope.spawn(|| {
            let mut outcomes = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                outcomes.push(house.ask().map_err(|error| error.to_string()));
            }
            outcomes
        });
        let kept = scope.spawn(|| keep_asking(address, &stop));
        let text = std::fs::read_to_string(house.config_path()).unwrap();
        current.signal("-HUP");
        let told = current.told();
        assert_eq!(told[0], "RELOADING=1");
        let now = told[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse::<u64>().unwrap();
        assert!(now > 0);
        assert_eq!(current.told(), ["READY=1"]);
        std::fs::write(house.config_path(), format!("{text}\n[session]\nidle = \"5m\"\n")).unwrap();
        current.signal("-HUP");
        assert_eq!((current.told()[0].as_str(), current.told()[0].as_str()), ("RELOADING=1", "READY=1"));
        let _next = house.start();
        current.signal("-TERM");
        assert_eq!(current.told(), ["STOPPING=1"]);
        assert!(current.wait().success());
        stop.store(true, Ordering::Relaxed);
        (fresh.join().unwrap(), kept.join().unwrap())
    });
    let failed: Vec<_> = fresh.iter().filter(|outcome| **outcome != Ok(200)).collect();
    assert!(failed.is_empty(), "{} of {} failed: {failed:?}", failed.len(), fresh.len());
    assert_eq!(kept.1, Vec::<String>::new(), "of {}", kept.0);
    assert!(fresh.len() > 20 && kept.0 > 20, "{} and {} requests are no load", fresh.len(), kept.0);
}

/// first probes fail while people are still let in; then nobody new comes in, probes are still answered, and what is
/// going on is finished.
#[test]
fn a_drain_begins_with_the_probes_and_ends_with_them() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        if exchange.recorded.target() == "/open/slow" {
            gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        }
        exchange.respond("200 OK", &[], b"ok")
    });
    let house = House::before(&upstream, "pre_drain = \"1s\"");
    let mut program = house.start();
    assert_eq!((house.probe("/readyz"), house.ask().unwrap()), (200, 200));
    let address = house.public;
    let slow = std::thread::spawn(move || ask(address, "/open/slow", "app.localhost"));
    upstream.wait_for_requests(2);
    program.signal("-TERM");
    eventually("it is not ready", || house.probe("/readyz") == 503);
    assert_eq!(house.ask().unwrap(), 200, "people are still let in");
    eventually("nobody new is let in", || house.ask().is_err());
    assert_eq!((house.probe("/livez"), house.probe("/readyz")), (200, 503));
    go.send(()).unwrap();
    assert_eq!(slow.join().unwrap().unwrap(), 200);
    assert!(program.wait().success());
    assert_eq!(house.probe("/livez"), 0);
}

/// what is answered last is written down, although the process ends before lines are written by themselves.
#[test]
fn the_last_request_of_a_drain_is_in_the_log() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        exchange.respond("200 OK", &[], b"ok")
    });
    let house = House::before(&upstream, "pre_drain = \"0s\"");
    // Requests alone: any other line would have those before it written.
    let log = "export ANTEROOM_LOG=off,access=info ANTEROOM_LOG_FORMAT=json";
    let mut program = house.start_by(&format!("{log}; exec \"$0\" \"$@\""));
    let mut errors = program.errors();
    let address = house.public;
    let last = std::thread::spawn(move || ask(address, "/open/last", "app.localhost"));
    upstream.wait_for_requests(1);
    program.signal("-TERM");
    eventually("nobody new is let in", || TcpStream::connect(house.public).is_err());
    go.send(()).unwrap();
    assert_eq!(last.join().unwrap().unwrap(), 200);
    assert!(program.wait().success());
    let mut text = String::new();
    errors.read_to_string(&mut text).unwrap();
    let lines: Vec<_> =
        text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).collect();
    let [line] = lines.as_slice() else { panic!("one request is one line: {text}") };
    assert_eq!((&line["path"], &line["status"]), (&"/open/last".into(), &200.into()), "{line}");
}

/// whoever says it twice means it.
#[test]
fn a_second_signal_ends_it_at_once() {
    let upstream = Upstream::start(crate::upstream::Exchange::wait_for_close);
    for pre_drain in ["10m", "0s"] {
        let house = House::before(&upstream, &format!("pre_drain = \"{pre_drain}\"\ngrace = \"1h\""));
        let mut program = house.start();
        let before = upstream.requests().len();
        let address = house.public;
        let slow = std::thread::spawn(move || ask(address, "/open/slow", "app.localhost"));
        upstream.wait_for_requests(before + 1);
        let begun = Instant::now();
        program.signal("-TERM");
        assert_eq!(program.told(), ["STOPPING=1"]);
        program.signal("-TERM");
        assert!(program.wait().success());
        assert!(begun.elapsed() < PATIENCE);
        assert!(slow.join().unwrap().is_err());
    }
}

/// sockets of the service manager are served instead of the configured addresses, and whoever comes between two
/// processes waits for the second.
#[test]
fn sockets_of_the_service_manager_are_served() {
    let upstream = Upstream::polite();
    let mut house = House::before(&upstream, "pre_drain = \"0s\"");
    let sockets = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    for socket in &sockets {
        socket2::SockRef::from(socket).set_cloexec(false).unwrap();
    }
    let [public, ops] = &sockets;
    (house.public, house.ops) = (public.local_addr().unwrap(), ops.local_addr().unwrap());
    let shell = format!(
        "export LISTEN_PID=$$ LISTEN_FDS=2; exec \"$0\" \"$@\" 3<&{} 4<&{}",
        public.as_raw_fd(),
        ops.as_raw_fd()
    );
    let mut first = house.start_by(&shell);
    assert_eq!((house.ask().unwrap(), house.probe("/readyz")), (200, 200));
    first.signal("-TERM");
    assert!(first.wait().success());
    let address = house.public;
    let waiting = std::thread::spawn(move || ask(address, "/open/x", "app.localhost"));
    let _second = house.start_by(&shell);
    assert_eq!(waiting.join().unwrap().unwrap(), 200);
}

/// without descriptors it waits and does not spin, and goes on when there are some again.
#[test]
fn running_out_of_descriptors_is_waited_out() {
    let upstream = Upstream::polite();
    let house = House::before(&upstream, "");
    let mut program = house.start_by("ulimit -n 80; exec \"$0\" \"$@\"");
    // By now all cores have what they need to begin with.
    (0..16).for_each(|_| assert_eq!(house.ask().unwrap(), 200));
    let errors = program.errors();
    let begun = Instant::now();
    let crowd: Vec<TcpStream> = (0..120).map(|_| TcpStream::connect(house.public).unwrap()).collect();
    let mut lines = BufReader::new(errors).lines();
    let mut said = Vec::new();
    let mut next = || loop {
        let line = lines.next().unwrap_or_else(|| panic!("it is gone: {said:#?}")).unwrap();
        if line.contains("cannot accept connections") {
            return;
        }
        said.push(line);
    };
    // Each core pauses for 100 ms, then for 200: of so many lines one core has written three. Whoever spins is there at once.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (0..=2 * cores).for_each(|_| next());
    assert!(begun.elapsed() > Duration::from_millis(150), "{:?}", begun.elapsed());
    drop(crowd);
    eventually("it serves again", || house.ask().is_ok_and(|status| status == 200));
    program.signal("-INT");
    let more = lines.map_while(Result::ok).filter(|line| line.contains("cannot accept connections")).count();
    assert!(more < 50, "{more} more tries in a moment");
    assert!(program.wait().success());
}
