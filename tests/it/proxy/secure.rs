//! TLS towards the application: whom we believe, who we are.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anteroom::proxy::{Identity, Offer, Roots, Tls, Upstream as Address};
use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::balance::Book;
use super::{HOST, Plan};
use crate::upstream::{Exchange, Upstream};

/// A certificate with its key.
type Certified = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

/// Who issues certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    pub(super) fn issue(&self, name: &str) -> Certified {
        self.issue_with(name, |_| {})
    }

    fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Certified {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    pub(super) fn roots(&self) -> Roots {
        Roots::Given(vec![self.certificate.clone()])
    }

    fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add(self.certificate.clone()).unwrap();
        store
    }
}

/// What the door has seen of its visitors: name, protocol, own certificate.
type Seen = Arc<Mutex<Vec<(Option<String>, Option<Vec<u8>>, bool)>>>;

/// A door of TLS before an application that speaks clear text.
pub(super) struct Door {
    pub(super) address: SocketAddr,
    seen: Seen,
}

impl Door {
    /// One that shows this certificate, speaks these protocols, and wants certificates of that authority.
    pub(super) fn new(
        inside: SocketAddr,
        (chain, key): Certified,
        protocols: &[&[u8]],
        wants: Option<&Authority>,
    ) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match wants {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let store = Arc::new(authority.store());
                let verifier = WebPkiClientVerifier::builder_with_provider(store, provider).build();
                builder.with_client_cert_verifier(verifier.unwrap())
            }
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let seen = Seen::default();
        let kept = Arc::clone(&seen);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let (acceptor, kept) = (acceptor.clone(), Arc::clone(&kept));
                    tokio::spawn(async move {
                        let Ok(mut outer) = acceptor.accept(stream).await else { return };
                        let tls = outer.get_ref().1;
                        let name = tls.server_name().map(str::to_owned);
                        let protocol = tls.alpn_protocol().map(<[u8]>::to_vec);
                        kept.lock().unwrap().push((name, protocol, tls.peer_certificates().is_some()));
                        let mut inner = TcpStream::connect(inside).await.unwrap();
                        // How it ends is the business of both sides.
                        drop(copy_bidirectional(&mut outer, &mut inner).await);
                    });
                }
            });
        });
        Self { address, seen }
    }

    fn before(upstream: &Upstream, certified: Certified) -> Self {
        Self::new(upstream.address, certified, &[b"http/1.1"], None)
    }

    fn seen(&self) -> Vec<(Option<String>, Option<Vec<u8>>, bool)> {
        self.seen.lock().unwrap().clone()
    }
}

/// A front before `https://app.internal`, which is this door.
pub(super) fn plan(door: SocketAddr, tls: Tls) -> Plan {
    let book = Arc::new(Book::default());
    book.write(&[door]);
    let mut plan = Plan::before(&[]);
    plan.proxy.upstreams = vec![Address::parse("https://app.internal").unwrap()];
    plan.proxy.resolver = book;
    plan.proxy.tls = Some(tls);
    plan
}

fn trusting(authority: &Authority) -> Tls {
    Tls::new(&authority.roots(), None, None, Offer::Http1).unwrap()
}

#[test]
fn an_application_behind_tls_is_asked_for_by_its_name_and_its_connection_kept() {
    let (upstream, authority) = (Upstream::polite(), Authority::new());
    let door = Door::before(&upstream, authority.issue("app.internal"));
    let front = plan(door.address, trusting(&authority)).start();
    for _ in 0..3 {
        assert_eq!(front.ask(&get("/x")).body, b"ok");
    }
    assert_eq!(door.seen(), [(Some("app.internal".to_owned()), Some(b"http/1.1".to_vec()), false)]);
    let request = upstream.requests().remove(0);
    assert_eq!(request.head.one("host"), Some(HOST));
    assert_eq!(request.target(), "/x");
}

/// Who is not the application gets no request, no identity and no body.
#[test]
fn an_application_that_cannot_be_verified_gets_nothing() {
    let (upstream, authority, other) = (Upstream::polite(), Authority::new(), Authority::new());
    let expired = authority.issue_with("app.internal", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let future = authority.issue_with("app.internal", |params| {
        params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        params.not_after = rcgen::date_time_ymd(2091, 1, 1);
    });
    let client_only = authority.issue_with("app.internal", |params| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    });
    let cases = [
        ("of another name", authority.issue("other.internal")),
        ("of another authority", other.issue("app.internal")),
        ("expired", expired),
        ("not valid yet", future),
        ("not for servers", client_only),
    ];
    for (case, certified) in cases {
        let door = Door::before(&upstream, certified);
        let answer = plan(door.address, trusting(&authority)).start().ask(&get("/secret"));
        let code = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!((answer.status, code.as_str()), (502, "upstream_tls_failed"), "{case}");
    }
    assert_eq!(upstream.requests().len(), 0);
    let door = Door::before(&upstream, authority.issue("app.internal"));
    assert_eq!(plan(door.address, trusting(&authority)).start().ask(&get("/x")).status, 200, "the control");
}

#[test]
fn the_authorities_of_the_system_do_not_know_ours() {
    let (upstream, authority) = (Upstream::polite(), Authority::new());
    let door = Door::before(&upstream, authority.issue("app.internal"));
    let tls = Tls::new(&Roots::System, None, None, Offer::Http1).unwrap();
    let answer = plan(door.address, tls).start().ask(&get("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_tls_failed".as_slice()));
}

#[test]
fn the_name_of_the_certificate_can_be_another_than_that_of_the_url() {
    let (upstream, authority) = (Upstream::polite(), Authority::new());
    let door = Door::before(&upstream, authority.issue("backend.example"));
    let name = ServerName::try_from("backend.example").unwrap();
    let tls = Tls::new(&authority.roots(), None, Some(name), Offer::Http1).unwrap();
    assert_eq!(plan(door.address, tls).start().ask(&get("/x")).status, 200);
    assert_eq!(door.seen()[0].0.as_deref(), Some("backend.example"));
    assert_eq!(plan(door.address, trusting(&authority)).start().ask(&get("/x")).status, 502, "the control");
}

#[test]
fn our_certificate_is_shown_to_an_application_that_asks() {
    let (upstream, authority, ours) = (Upstream::polite(), Authority::new(), Authority::new());
    let certified = || authority.issue("app.internal");
    let door = Door::new(upstream.address, certified(), &[b"http/1.1"], Some(&ours));
    let identity = |authority: &Authority| {
        let (chain, key) = authority.issue_with("anteroom", |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        });
        Some(Identity { chain, key })
    };
    let tls = |identity| Tls::new(&authority.roots(), identity, None, Offer::Http1).unwrap();
    assert_eq!(plan(door.address, tls(identity(&ours))).start().ask(&get("/x")).status, 200);
    assert!(door.seen()[0].2);
    for identity in [None, identity(&authority)] {
        assert_eq!(plan(door.address, tls(identity)).start().ask(&get("/x")).status, 502);
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn what_speaks_no_tls_is_told_from_what_says_nothing() {
    let authority = Authority::new();
    let chatty = Upstream::start_after(usize::MAX, |_| Ok(()));
    let answer = plan(chatty.address, trusting(&authority)).start().ask(&get("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (502, b"upstream_tls_failed".as_slice()));

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut plan = plan(silent.local_addr().unwrap(), trusting(&authority));
    plan.proxy.timeouts.handshake = Duration::from_millis(100);
    let answer = plan.start().ask(&get("/x"));
    assert_eq!((answer.status, answer.body.as_slice()), (504, b"upstream_connect_timeout".as_slice()));
}

/// A WebSocket asks for HTTP/1.1, whatever else is offered otherwise; and what chooses HTTP/1.1 gets it.
#[test]
fn a_socket_gets_a_connection_of_http1_where_http2_is_spoken_too() {
    let switched = |exchange: &mut Exchange| {
        assert_eq!(exchange.recorded.head.one("upgrade"), Some("websocket"));
        exchange
            .write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi")
    };
    let (upstream, authority) = (Upstream::start(switched), Authority::new());
    let door = Door::new(upstream.address, authority.issue("app.internal"), &[b"h2", b"http/1.1"], None);
    let tls = Tls::new(&authority.roots(), None, None, Offer::Http2).unwrap();
    let front = plan(door.address, tls.clone()).start();
    let mut client = front.connect();
    client.send(format!(
        "GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(client.head().word(1), "101");
    assert_eq!(door.seen()[0].1.as_deref(), Some(b"http/1.1".as_slice()));

    let upstream = Upstream::polite();
    let door = Door::before(&upstream, authority.issue("app.internal"));
    let front = plan(door.address, tls).start();
    for _ in 0..3 {
        assert_eq!(front.ask(&get("/x")).status, 200);
    }
    assert_eq!(upstream.connections(), 1);
}
