//! TLS: HTTP/2 by ALPN, certificates by server name, and their replacement.

use std::sync::Arc;
use std::time::Duration;

use anteroom::secret::Secret;
use anteroom::server::{CertificateError, Certificates, KeyPair};
use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Front, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream};

pub(super) fn pair(names: &[&str]) -> (KeyPair, CertificateDer<'static>) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let key_pem = Secret::new(signing_key.serialize_pem().into_bytes());
    (KeyPair { certificate_pem: cert.pem().into_bytes(), key_pem }, cert.der().clone())
}

/// A front with TLS, and the certificates' handle.
fn front(upstream: &Upstream, pairs: &[KeyPair]) -> (Front, Arc<Certificates>) {
    let certificates = Certificates::new(pairs).unwrap();
    let mut plan = Plan::before(&[upstream]);
    plan.server.certificates = Some(Arc::clone(&certificates));
    (plan.start(), certificates)
}

pub(super) async fn handshake(
    front: &Front,
    name: &str,
    trusted: &[&CertificateDer<'static>],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(front.address).await?;
    handshake_over(stream, name, trusted, protocols).await
}

pub(super) async fn handshake_over(
    stream: TcpStream,
    name: &str,
    trusted: &[&CertificateDer<'static>],
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add((*certificate).clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn http2_is_spoken_under_tls_and_streams_share_a_connection() {
    let upstream = Upstream::polite();
    let (pair, certificate) = pair(&[HOST]);
    let (front, _) = front(&upstream, &[pair]);
    let stream = handshake(&front, HOST, &[&certificate], &[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let requests = (0..20).map(|number| {
        let request = Request::post(format!("https://{HOST}/{number}"))
            .header("cookie", "a=1")
            .header("cookie", "__Host-anteroom=s3cret")
            .header("cookie", "b=2")
            .body(Full::new(Bytes::from(number.to_string())))
            .unwrap();
        sender.send_request(request)
    });
    for response in futures_util::future::join_all(requests).await {
        let response = response.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 20);
    for request in requests {
        assert_eq!(request.head.one("host"), Some(HOST));
        assert_eq!(request.head.one("cookie"), Some("a=1; b=2"));
        assert_eq!(format!("/{}", String::from_utf8_lossy(&request.body)), request.target());
    }
}

#[tokio::test]
async fn the_authority_of_http2_must_be_the_host() {
    let upstream = Upstream::polite();
    let (pair, certificate) = pair(&[HOST]);
    let (front, _) = front(&upstream, &[pair]);
    let stream = handshake(&front, HOST, &[&certificate], &[b"h2"]).await.unwrap();
    let io = TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = |host: &str| {
        let request = Request::get(format!("https://{HOST}/x")).header("host", host);
        request.body(Full::<Bytes>::default()).unwrap()
    };
    assert_eq!(sender.send_request(request(HOST)).await.unwrap().status(), 200);
    assert_eq!(sender.send_request(request("evil.example")).await.unwrap().status(), 400);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn the_certificate_is_the_one_that_the_client_asks_for() {
    let upstream = Upstream::polite();
    let (app, app_certificate) = pair(&[HOST]);
    let (login, login_certificate) = pair(&["login.example.com", "*.wild.example.com"]);
    let (front, _) = front(&upstream, &[app, login]);
    let cases = [
        (HOST, &app_certificate),
        ("login.example.com", &login_certificate),
        ("LOGIN.example.com", &login_certificate),
        ("a.wild.example.com", &login_certificate),
        ("a.b.wild.example.com", &app_certificate),
        ("unknown.example.net", &app_certificate),
        ("127.0.0.1", &app_certificate),
    ];
    for (name, expected) in cases {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let seen = presented(&front, name, provider).await;
        assert_eq!(&seen, expected, "{name}");
    }
    let stream = handshake(&front, HOST, &[&app_certificate], &[b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
}

/// T-G6: a connection that was begun for one host carries no requests for another, even where the certificate is good for
/// both and a browser would share it (RFC 9113 9.1.1).
#[tokio::test]
async fn a_request_for_another_host_than_tls_was_begun_for_is_misdirected() {
    let upstream = Upstream::polite();
    let (pair, certificate) = pair(&[HOST, "login.example.com"]);
    let (front, _) = front(&upstream, std::slice::from_ref(&pair));
    let stream = handshake(&front, HOST, &[&certificate], &[b"h2"]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request =
        |host: &str| Request::get(format!("https://{host}/x")).body(Full::<Bytes>::default()).unwrap();
    for (host, status) in
        [(HOST, 200), ("login.example.com", 421), ("APP.example.com:443", 200), ("app.example.com.", 200)]
    {
        let response = sender.send_request(request(host)).await.unwrap();
        assert_eq!(response.status(), status, "{host}");
        let code = response.headers().get("x-anteroom-error").map(|code| code.to_str().unwrap());
        assert_eq!(code, (status == 421).then_some("misdirected"), "{host}");
    }
    let mut call = request("login.example.com");
    call.headers_mut().insert("content-type", http::HeaderValue::from_static("application/grpc"));
    let response = sender.send_request(call).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["grpc-message"]),
        (200, &"misdirected".parse().unwrap())
    );

    let ask = async |name: &str, host: &str| {
        let stream = handshake(&front, name, &[&certificate], &[b"http/1.1"]).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/x").header("host", host).body(Full::<Bytes>::default()).unwrap();
        sender.send_request(request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask(HOST, HOST).await, 200);
    assert_eq!(ask(HOST, "login.example.com").await, 421);
    assert_eq!(ask("login.example.com", "login.example.com").await, 200);
    assert_eq!(upstream.requests().len(), 5);

    // A trusted proxy may carry requests for several hosts on one connection.
    let mut plan = Plan::before(&[&upstream]);
    plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
    plan.server.trusted_proxies = anteroom::proxy::TrustedProxies::new(["127.0.0.0/8".parse().unwrap()]);
    let front = plan.start();
    let stream = handshake(&front, HOST, &[&certificate], &[b"http/1.1"]).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request =
        Request::get("/x").header("host", "login.example.com").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}

/// an HTTP/2 connection ends after so many requests, and those at hand are finished.
#[tokio::test]
async fn an_http2_connection_has_so_many_requests() {
    let upstream = Upstream::polite();
    let (pair, certificate) = pair(&[HOST]);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
    plan.server.limits.requests_max = 3;
    let front = plan.start();
    let stream = handshake(&front, HOST, &[&certificate], &[b"h2"]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let ended = tokio::spawn(connection);
    let request = || Request::get(format!("https://{HOST}/x")).body(Full::<Bytes>::default()).unwrap();
    for _ in 0..3 {
        let response = sender.send_request(request()).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    }
    tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap().unwrap().unwrap();
    assert!(sender.send_request(request()).await.is_err());
}

/// the limits of heads are the same in HTTP/2.
#[tokio::test]
async fn heads_have_a_size_in_http2_too() {
    let upstream = Upstream::polite();
    let (pair, certificate) = pair(&[HOST]);
    let (front, _) = front(&upstream, &[pair]);
    let stream = handshake(&front, HOST, &[&certificate], &[b"h2"]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = |count: usize, bytes: usize| {
        let mut request = Request::get(format!("https://{HOST}/x"));
        for number in 0..count {
            request = request.header(format!("x-{number}"), "a".repeat(bytes));
        }
        request.body(Full::<Bytes>::default()).unwrap()
    };
    for (count, bytes, status) in [
        (90, 1, 200),
        (101, 1, 431),
        (1, 16_000, 200),
        (1, 17_000, 431),
        (2, 16_000, 200),
        (3, 11_000, 431),
        (3, 15_000, 431),
        (4, 15_900, 431),
        (9, 15_000, 431),
        (16, 16_000, 431),
    ] {
        let response = sender.send_request(request(count, bytes)).await.unwrap();
        assert_eq!(response.status(), status, "{count} of {bytes}");
        let code = response.headers().get("x-anteroom-error").map(http::HeaderValue::as_bytes);
        assert_eq!(code, (status == 431).then_some(&b"headers_too_large"[..]), "{count} of {bytes}");
        let said = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(said.starts_with(b"431 "), status == 431, "{count} of {bytes}: {said:?}");
    }
    assert_eq!(upstream.requests().len(), 3);
}

/// T-D9: sessions are resumed, and no early data is taken, which could be played again.
#[tokio::test]
async fn sessions_are_resumed_without_early_data() {
    let upstream = Upstream::polite();
    let (pair, certificate) = pair(&[HOST]);
    let (front, _) = front(&upstream, &[pair]);
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.enable_early_data = true;
    let config = Arc::new(config);
    let name = || ServerName::try_from(HOST).unwrap();
    let mut kinds = Vec::new();
    for _ in 0..2 {
        // A ticket that allows early data would let a client send some from the second time on.
        let mut client = rustls::ClientConnection::new(Arc::clone(&config), name()).unwrap();
        assert!(client.early_data().is_none());
        let stream = TcpStream::connect(front.address).await.unwrap();
        let mut stream = TlsConnector::from(Arc::clone(&config)).connect(name(), stream).await.unwrap();
        let request = format!("GET /x HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
    }
    assert_eq!(kinds, [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed]);
}

#[tokio::test]
async fn certificates_are_replaced_while_serving_and_kept_on_an_error() {
    let upstream = Upstream::polite();
    let (old, old_certificate) = pair(&[HOST]);
    let (new, new_certificate) = pair(&[HOST]);
    let (front, certificates) = front(&upstream, std::slice::from_ref(&old));
    handshake(&front, HOST, &[&old_certificate], &[]).await.unwrap();

    let mixed = KeyPair { certificate_pem: new.certificate_pem.clone(), key_pem: old.key_pem.clone() };
    assert!(matches!(certificates.replace(&[mixed]), Err(CertificateError::Mismatch(_))));
    assert!(matches!(certificates.replace(&[]), Err(CertificateError::Empty)));
    let no_key = KeyPair { certificate_pem: new.certificate_pem.clone(), key_pem: Secret::new(Vec::new()) };
    assert!(matches!(certificates.replace(&[no_key]), Err(CertificateError::Key)));
    let no_certificate = KeyPair { certificate_pem: b"none".to_vec(), key_pem: new.key_pem.clone() };
    assert!(matches!(certificates.replace(&[no_certificate]), Err(CertificateError::Certificate)));
    handshake(&front, HOST, &[&old_certificate], &[]).await.unwrap();

    certificates.replace(&[new]).unwrap();
    handshake(&front, HOST, &[&old_certificate], &[]).await.unwrap_err();
    handshake(&front, HOST, &[&new_certificate], &[]).await.unwrap();
}

#[tokio::test]
async fn a_handshake_has_a_limit() {
    let upstream = Upstream::polite();
    let (pair, _) = pair(&[HOST]);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
    plan.server.limits.handshake = Duration::from_millis(300);
    let front = plan.start();
    for begin in [b"".as_slice(), b"\x16", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut client = front.connect();
        client.send(begin);
        let closed = tokio::task::spawn_blocking(move || {
            std::io::copy(&mut client.0, &mut std::io::sink()).is_ok_and(|octets| octets < 50)
        });
        assert!(closed.await.unwrap(), "{begin:?}");
    }
}

/// After a restart hundreds come back at once; who is connected already does not wait for all of them.
#[tokio::test]
async fn requests_do_not_wait_for_the_handshakes_of_all_who_come_at_once() {
    const MANY: usize = 120;
    let upstream = Upstream::polite();
    let (pair, certificate) = pair(&[HOST]);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
    plan.server.limits.connections_per_address = None;
    let front = plan.start();
    let hello = hello(&certificate);
    let mut meanwhile = Vec::new();
    // The one that was disturbed least by what else the machine does.
    for _ in 0..5 {
        let mut known = handshake(&front, HOST, &[&certificate], &[b"http/1.1"]).await.unwrap();
        let clients: Vec<_> = (0..MANY).map(|_| front.connect()).collect();
        let sockets = || clients.iter().map(|client| client.0.get_ref());
        for mut socket in sockets() {
            std::io::Write::write_all(&mut socket, &hello).unwrap();
            socket.set_nonblocking(true).unwrap();
        }
        let answered = || sockets().filter(|socket| socket.peek(&mut [0]).is_ok()).count();
        let before = answered();
        // What is no request is answered at once, without anybody else.
        known.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert!(take(&mut known, b"\r\n\r\n").await.starts_with(b"HTTP/1.1 400"));
        let after = answered();
        assert!(after < MANY, "the control: some are still waiting");
        meanwhile.push(after - before);
        while answered() < MANY {
            tokio::task::yield_now().await;
        }
    }
    assert!(
        meanwhile.iter().any(|count| *count < 20),
        "so many were answered before the request: {meanwhile:?}"
    );
}

/// What a client says first.
fn hello(trusted: &CertificateDer<'static>) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(HOST).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    hello
}

/// The certificate that the front shows for a name, whoever issued it.
async fn presented(
    front: &Front,
    name: &str,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> CertificateDer<'static> {
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config =
        builder.dangerous().with_custom_certificate_verifier(Arc::new(Anything)).with_no_client_auth();
    let stream = TcpStream::connect(front.address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// Takes any certificate: the test itself looks at it.
#[derive(Debug)]
struct Anything;

impl rustls::client::danger::ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        use rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, ED25519, RSA_PSS_SHA256};
        vec![ECDSA_NISTP256_SHA256, ED25519, RSA_PSS_SHA256]
    }
}

/// a client that let octets wait once, and then took them all, may be quiet for as long as it likes: what TLS held
/// back has left, though nothing more was written.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_caught_up_is_not_cut_off() {
    // The first part has the front read as much at once as the second is. That is taken from the application in one
    // piece, and is more than the system's buffers hold, so TLS keeps some of it when nothing is left to be written.
    const FIRST: usize = 256 * 1024;
    const SECOND: usize = 32_000;
    const BUFFER_BYTES: u16 = 8 * 1024;
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let (cut, was_cut) = std::sync::mpsc::channel::<()>();
    let upstream = Upstream::start(move |exchange| match exchange.recorded.target() {
        "/pausing" => {
            let gone = gone.lock().unwrap();
            let wait = || gone.recv_timeout(PATIENCE).map_err(std::io::Error::other);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", FIRST + SECOND + 3);
            exchange.write([head.as_bytes(), &b"x".repeat(FIRST)].concat())?;
            wait()?;
            exchange.write("y".repeat(SECOND))?;
            wait()?;
            exchange.write("end")
        }
        "/endless" => {
            exchange.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
            while exchange.write(&chunk).is_ok() {}
            cut.send(()).map_err(std::io::Error::other)
        }
        _ => exchange.respond("200 OK", &[], b"ok"),
    });
    let (pair, certificate) = pair(&[HOST]);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
    plan.server.limits.write_stall = Duration::from_secs(2);
    // Those who are let in by a socket have its buffers.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_send_buffer_size(BUFFER_BYTES.into()).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(16).unwrap();
    plan.server.addresses.clear();
    plan.server.inherited = vec![Arc::new(socket.into())];
    let front = plan.start();
    let connect = async |path: &str| {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(BUFFER_BYTES.into()).unwrap();
        let stream = socket.connect(front.address).await.unwrap();
        let mut stream = handshake_over(stream, HOST, &[&certificate], &[]).await.unwrap();
        ask(&mut stream, path).await;
        stream
    };
    let (mut client, mut other) = (connect("/pausing").await, connect("/x").await);
    assert!(take(&mut client, b"\r\n\r\n").await.starts_with(b"HTTP/1.1 200"));
    client.read_exact(&mut vec![0; FIRST]).await.unwrap();
    go.send(()).unwrap();
    // By the time that another one has been answered so often, all has been taken from the application.
    for _ in 0..50 {
        assert!(take(&mut other, b"ok").await.starts_with(b"HTTP/1.1 200"));
        ask(&mut other, "/x").await;
    }
    client.read_exact(&mut vec![0; SECOND]).await.unwrap();

    let _deaf = connect("/endless").await;
    let waited = tokio::task::block_in_place(|| was_cut.recv_timeout(PATIENCE));
    waited.expect("one that takes nothing is cut off: by now the first has been quiet for as long");
    go.send(()).unwrap();
    assert_eq!(take(&mut client, b"end").await, b"end");
}

pub(super) async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
}

/// What comes, up to this end and no further.
pub(super) async fn take(stream: &mut TlsStream<TcpStream>, end: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    while !octets.ends_with(end) {
        octets.push(stream.read_u8().await.expect("the connection goes on"));
    }
    octets
}
