//! The fate of names, by tables and by random names (T-B1, T-B2, T-B4).

use http::HeaderName;
use proptest::prelude::*;

use super::{Fate, Reserved};

fn check(fate: Fate, names: &[&str]) {
    let reserved = Reserved::new(&[HeaderName::from_static("x-company-user")]);
    for name in names {
        assert_eq!(reserved.fate(name), fate, "{name}");
        assert_eq!(reserved.fate(name.to_uppercase()), fate, "{name} in capitals");
    }
}

#[test]
fn names_of_ours_in_any_spelling_are_ours() {
    check(
        Fate::Ours,
        &[
            "x-anteroom-jwt-assertion",
            "X_Anteroom.Jwt~Assertion",
            "xanteroom",
            "x-anteroom-anything",
            "_x-anteroom",
            "x--anteroom-user",
            "remote-user",
            "Remote_Groups",
            "remoteuser",
            "x-forwarded-user",
            "x_forwarded_preferred.username",
            "X!Company#User",
            "x-company-user-",
        ],
    );
}

#[test]
fn names_of_the_hop_end_here() {
    check(
        Fate::Hop,
        &[
            "connection",
            "keep-alive",
            "proxy",
            "proxy-connection",
            "Proxy_Authorization",
            "te",
            "trailer",
            "upgrade",
        ],
    );
    check(Fate::Hop, &["transfer-encoding", "transfer_encoding", "Transfer.Encoding"]);
}

#[test]
fn names_that_proxies_use_need_a_trusted_one() {
    check(
        Fate::FromTrusted,
        &[
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
            "X-Request-Id",
            "x-forwarded-anything",
            "x-real-ip",
            "x-original-url",
            "x-rewrite-url",
            "cf-connecting-ip",
            "Cf_Access_Jwt_Assertion",
            "x-amzn-oidc-data",
            "x-ms-client-principal",
            "x-goog-iap-jwt-assertion",
            "true-client-ip",
            "x-envoy-original-path",
        ],
    );
}

#[test]
fn what_we_say_ourselves_is_ours_in_every_other_spelling() {
    check(
        Fate::Ours,
        &[
            "X_Forwarded_Host",
            "x.forwarded.for",
            "XForwardedProto",
            "x-real_ip",
            "X_Request_Id",
            "xrequestid",
            "Content_Length",
            "For-warded",
        ],
    );
}

#[test]
fn the_applications_own_names_pass() {
    check(
        Fate::Pass,
        &[
            "accept",
            "authorization",
            "cfg",
            "content-type",
            "cookie",
            "host",
            "if-none-match",
            "remote-users",
            "sec-websocket-key",
            "test",
            "upgrade-insecure-requests",
            "user-agent",
            "x-api-key",
            "x-anteater",
            "x-csrf-token",
            "x-requested-with",
        ],
    );
}

proptest! {
    #[test]
    fn no_separator_hides_a_name(separators in "[-_.~'`|!#$%&*+^]{1,3}", rest in "[a-zA-Z0-9-_]{0,80}") {
        let reserved = Reserved::new(&[]);
        let ours = format!("X{separators}AnteRoom{rest}");
        prop_assert_eq!(reserved.fate(&ours), Fate::Ours);
        let forwarded = format!("{separators}X{separators}Forwarded{rest}");
        prop_assert_ne!(reserved.fate(&forwarded), Fate::Pass);
    }
}
