//! `anteroom health`: asks the running server whether it is ready, for containers that hold nothing else.
//!
//! Separate because it is an HTTP client of twenty lines that must work when little else does.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Failure;
use super::answer::Answer;

/// Longer than any ready server takes, and shorter than orchestrators wait.
const PATIENCE: Duration = Duration::from_secs(2);

/// The most that is read of an answer.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;

pub(super) async fn run(ops: SocketAddr) -> Result<Answer, Failure> {
    let address = reachable(ops);
    let failed = |what: String| Failure::new("not_ready", format!("http://{address}/readyz: {what}"));
    let (status, body) = tokio::time::timeout(PATIENCE, ask(address))
        .await
        .map_err(|_| failed("no answer in time".to_owned()))?
        .map_err(|error| failed(error.to_string()))?;
    if status == 200 {
        Ok(Answer::new("ready".to_owned(), json!({"ready": true})))
    } else {
        Err(failed(format!("status {status}: {}", body.trim())))
    }
}

/// Where a listener on every interface can be reached from here.
fn reachable(ops: SocketAddr) -> SocketAddr {
    match ops {
        SocketAddr::V4(at) if at.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, at.port()).into(),
        SocketAddr::V6(at) if at.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, at.port()).into(),
        other => other,
    }
}

async fn ask(address: SocketAddr) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;

    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other("the answer is not HTTP/1.1"))?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn health_of(answer: &'static str) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut address = listener.local_addr().unwrap();
        address.set_ip(Ipv4Addr::UNSPECIFIED.into());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 200];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /readyz HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        run(address).await.map(drop).map_err(|failure| failure.to_string())
    }

    #[tokio::test]
    async fn a_ready_server_is_healthy_and_any_other_is_not() {
        assert_eq!(health_of("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await, Ok(()));
        let unready = health_of("HTTP/1.1 503 Service Unavailable\r\n\r\nstore down").await.unwrap_err();
        assert!(unready.ends_with("status 503: store down"), "{unready}");
        assert!(health_of("SSH-2.0\r\n").await.is_err());
        assert!(health_of("").await.is_err());
    }

    #[tokio::test]
    async fn no_server_is_not_healthy() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(run(address).await.is_err());
    }
}
