//! Clients under TLS that take their answers slowly, or not at all.
//!
//! Separate because they need sockets with small buffers: what the system takes is gone, as far as anybody can see.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use anteroom::server::Certificates;
use rustls::pki_types::CertificateDer;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;

use super::tls::{ask, handshake_over, pair, take};
use super::{Front, HOST, Plan};
use crate::upstream::{PATIENCE, Upstream};

const BUFFER_BYTES: u16 = 4 * 1024;
/// What is taken at once, so that the front reads as much at a time as the end of the answer is.
const BEGIN_BYTES: usize = 128 * 1024;
/// Less than TLS takes in one piece, and far more than the buffers of the system hold: whoever writes has written all of
/// it, and most of it has not left.
const END_BYTES: usize = 64_000;
const STALL: Duration = Duration::from_secs(1);

/// A client that takes 20 KB a second needs three times as long for the end of its answer as it may take nothing.
#[tokio::test]
async fn a_client_that_takes_the_end_of_its_answer_slowly_is_not_cut_off() {
    let (front, certificate, go) = front();
    let mut client = begin(&front, &certificate).await;
    go.send(()).unwrap();
    take_slowly(&mut client, END_BYTES).await.expect("it is not cut off while it takes some");

    // The control: another one has taken some, and takes nothing any more.
    let mut client = begin(&front, &certificate).await;
    go.send(()).unwrap();
    take_slowly(&mut client, END_BYTES / 6).await.expect("it is not cut off while it takes some");
    sleep(STALL * 3).await;
    let taken = timeout(PATIENCE, client.read_exact(&mut vec![0; END_BYTES - END_BYTES / 6])).await;
    taken.expect("it ends in time").expect_err("it is cut off");
}

/// Before an application that sends the end of its answers when it is told to.
fn front() -> (Front, CertificateDer<'static>, mpsc::Sender<()>) {
    let (go, gone) = mpsc::channel();
    let gone = Mutex::new(gone);
    let upstream = Upstream::start(move |exchange| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", BEGIN_BYTES + END_BYTES);
        exchange.write([head.as_bytes(), &vec![b'x'; BEGIN_BYTES]].concat())?;
        gone.lock().unwrap().recv_timeout(PATIENCE).map_err(std::io::Error::other)?;
        exchange.write(vec![b'y'; END_BYTES])
    });
    let (pair, certificate) = pair(&[HOST]);
    let mut plan = Plan::before(&[&upstream]);
    plan.server.certificates = Some(Certificates::new(&[pair]).unwrap());
    plan.server.limits.write_stall = STALL;
    // Those who are let in by a socket have its buffers.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_send_buffer_size(BUFFER_BYTES.into()).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(16).unwrap();
    plan.server.addresses.clear();
    plan.server.inherited = vec![Arc::new(socket.into())];
    (plan.start(), certificate, go)
}

async fn begin(front: &Front, certificate: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(BUFFER_BYTES.into()).unwrap();
    let stream = socket.connect(front.address).await.unwrap();
    let mut client = handshake_over(stream, HOST, &[certificate], &[b"http/1.1"]).await.unwrap();
    ask(&mut client, "/x").await;
    assert!(take(&mut client, b"\r\n\r\n").await.starts_with(b"HTTP/1.1 200"));
    client.read_exact(&mut vec![0; BEGIN_BYTES]).await.unwrap();
    client
}

async fn take_slowly(client: &mut TlsStream<TcpStream>, octets: usize) -> std::io::Result<()> {
    const AT_ONCE: usize = 2_000;
    let mut left = octets;
    while left > 0 {
        sleep(Duration::from_millis(100)).await;
        let now = left.min(AT_ONCE);
        client.read_exact(&mut vec![0; now]).await?;
        left -= now;
    }
    Ok(())
}
