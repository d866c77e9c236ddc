//! Settings and peers, which need no socket; forwarding itself is tested over sockets in `tests/it/proxy.rs`.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

use super::{Error, Peer, PublicUrl, RequestIds, TrustedProxies, Upstream};
use crate::http1::fields::Fields;
use crate::id::SystemRandomness;

#[test]
fn an_upstream_is_an_origin() {
    let parsed = |text| Upstream::parse(text).map(|upstream| (upstream.host().to_owned(), upstream.port()));
    assert_eq!(parsed("http://127.0.0.1:3000"), Ok(("127.0.0.1".to_owned(), 3000)));
    assert_eq!(parsed("http://app.internal/"), Ok(("app.internal".to_owned(), 80)));
    assert_eq!(parsed("http://[::1]:3000"), Ok(("::1".to_owned(), 3000)));
    assert_eq!(parsed("https://app.internal"), Ok(("app.internal".to_owned(), 443)));
    assert_eq!(parsed("h2c://[::1]:50051"), Ok(("::1".to_owned(), 50051)));
    for text in ["http://127.0.0.1:80", "https://app.internal:443", "h2c://[::1]:50051"] {
        assert_eq!(Upstream::parse(text).unwrap().to_string(), text);
    }
    for text in ["http://a/path", "http://a/?q", "http://a/#f", "http://me@a", "http://a:1/x"] {
        assert_eq!(parsed(text), Err(Error::MoreThanAnOrigin), "{text}");
    }
    assert_eq!(parsed("ftp://a"), Err(Error::Scheme));
    for text in ["127.0.0.1:3000", "", "http://", "/x"] {
        assert!(parsed(text).is_err(), "{text}");
    }
}

#[test]
fn a_public_url_is_known_by_its_origin() {
    let url = PublicUrl::parse("https://App.Example.com:443/").unwrap();
    assert_eq!((url.origin(), url.host().to_str().unwrap()), ("https://app.example.com", "app.example.com"));
    let url = PublicUrl::parse("http://app.localhost:8080").unwrap();
    assert_eq!((url.origin(), url.scheme()), ("http://app.localhost:8080", "http"));
    assert!(PublicUrl::parse("https://app.example.com/base").is_err());
}

/// T-D3, T-D9: nobody is trusted unless configured, and an address is the same in both of its forms.
#[test]
fn the_client_is_the_last_address_that_no_trusted_proxy_wrote() {
    let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
    let cases = [
        ("10.0.0.1:1", vec!["203.0.113.9"], "203.0.113.9"),
        ("[::ffff:10.0.0.1]:1", vec!["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1:1", vec!["6.6.6.6, 203.0.113.9", "10.1.1.1 , ::ffff:10.2.2.2"], "203.0.113.9"),
        ("10.0.0.1:1", vec!["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1:1", vec!["6.6.6.6, unknown"], "10.0.0.1"),
        ("10.0.0.1:1", vec![], "10.0.0.1"),
        ("192.0.2.1:1", vec!["203.0.113.9"], "192.0.2.1"),
    ];
    for (address, lines, expected) in cases {
        let mut headers = HeaderMap::new();
        for line in &lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        let peer = Peer::new(address.parse().unwrap(), false, &proxies);
        assert_eq!(
            peer.client_address(&Fields::from(&headers)),
            expected.parse::<IpAddr>().unwrap(),
            "{address} {lines:?}"
        );
    }
    let nobody = TrustedProxies::default();
    assert!(!Peer::new("127.0.0.1:1".parse().unwrap(), false, &nobody).trusted);
}

/// Hashes of half the length are enough only where nobody else's cookies come along.
#[test]
fn whose_cookie_came_last_is_remembered_of_clients_and_not_of_trusted_proxies() {
    let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
    for (address, remembers) in [("192.0.2.1:1", true), ("10.0.0.1:1", false), ("[::ffff:10.0.0.1]:1", false)]
    {
        let peer = Peer::new(address.parse().unwrap(), true, &proxies);
        assert_eq!(peer.familiar().is_some(), remembers, "{address}");
    }
}

/// a name is taken over from a trusted proxy only, and only a plain one.
#[test]
fn every_request_has_a_name_of_its_own() {
    let ids = RequestIds::new(&SystemRandomness);
    let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
    let named = |address: &str, given: Option<&'static [u8]>| {
        let mut headers = HeaderMap::new();
        if let Some(given) = given {
            headers.insert("x-request-id", HeaderValue::from_bytes(given).unwrap());
        }
        let peer = Peer::new(address.parse().unwrap(), false, &proxies);
        ids.name(&Fields::from(&headers), &peer).as_str().to_owned()
    };
    let (first, second) = (named("192.0.2.1:1", None), named("192.0.2.1:1", Some(b"chosen")));
    assert_eq!((first.len(), &first[..16]), (32, &second[..16]));
    assert_ne!(first, second);
    assert_eq!(named("10.0.0.1:1", Some(b"a-b_c.d:e=1")), "a-b_c.d:e=1");
    for unsound in [b"".as_slice(), b"a b", b"\xff", &[b'a'; 129], b"<script>"] {
        assert_eq!(named("10.0.0.1:1", Some(unsound)).len(), 32);
    }
}
