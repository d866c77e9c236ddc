//! Which URLs name a mail server, and what they promise.

use super::*;

#[test]
fn servers_are_read_with_what_their_url_leaves_out() {
    for (url, expected) in [
        ("smtp://127.0.0.1", "127.0.0.1:25 (in the clear)"),
        ("smtp://127.0.0.1:2525/", "127.0.0.1:2525 (in the clear)"),
        ("smtp://[::1]:2525", "[::1]:2525 (in the clear)"),
        ("smtp://localhost", "localhost:25 (in the clear)"),
        ("smtp://localhost?tls=required", "localhost:25 (STARTTLS)"),
        ("smtp://user:p%40ss@localhost", "localhost:587 (in the clear)"),
        ("smtp://relay.example.com", "relay.example.com:25 (STARTTLS)"),
        ("smtp://relay.example.com:25?tls=none", "relay.example.com:25 (in the clear)"),
        ("smtp://10.0.0.1?tls=opportunistic", "10.0.0.1:25 (STARTTLS where offered)"),
        ("smtp://u:p@relay.example.com", "relay.example.com:587 (STARTTLS)"),
        ("smtp://u:p@relay.example.com?tls=opportunistic", "relay.example.com:587 (STARTTLS where offered)"),
        ("smtps://u:p@relay.example.com", "relay.example.com:465 (TLS)"),
        ("SMTPS://relay.example.com:4650", "relay.example.com:4650 (TLS)"),
    ] {
        assert_eq!(Server::parse(url).map(|server| server.to_string()).as_deref(), Ok(expected), "{url}");
    }
}

#[test]
fn what_is_no_mail_server_or_tells_the_password_is_refused() {
    for (url, expected) in [
        ("", Error::Form),
        ("relay.example.com:25", Error::Form),
        ("http://relay.example.com", Error::Form),
        ("smtp://", Error::Form),
        ("smtp:relay", Error::Form),
        ("smtp://a b", Error::Form),
        ("smtp://relay/path", Error::More),
        ("smtp://relay#x", Error::More),
        ("smtp://relay?timeout=1", Error::More),
        ("smtp://relay?tls=none&tls=required", Error::More),
        ("smtp://relay?tls=yes", Error::Tls),
        ("smtps://relay?tls=required", Error::TlsTwice),
        ("smtp://user@relay", Error::HalfCredentials),
        ("smtp://user:@relay", Error::HalfCredentials),
        ("smtp://:secret@relay", Error::HalfCredentials),
        ("smtp://user:secret@relay?tls=none", Error::ClearPassword),
    ] {
        assert_eq!(Server::parse(url).map(|server| server.to_string()), Err(expected), "{url}");
    }
}

#[test]
fn the_password_shows_nowhere() {
    let server = Server::parse("smtps://user:s3cr%2Ft@relay.example.com").unwrap();
    assert_eq!(server.credentials.as_ref().map(|(_, password)| password.expose().as_str()), Some("s3cr/t"));
    for text in [format!("{server:?}"), server.to_string()] {
        assert!(!text.contains("s3cr"), "{text}");
    }
}
