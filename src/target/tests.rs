//! Which targets are read, and which return paths survive.

use super::*;

#[test]
fn ordinary_targets_stay_as_they_are() {
    for target in [
        "/",
        "/units/12?tab=a&b=%2F..%2f",
        "/a%20b/c%C3%A9",
        "/a//b",
        "/a;v=1/b",
        "/100%25",
        "/a/...",
        "/a?x=//y",
    ] {
        let uri: Uri = target.parse().unwrap();
        assert_eq!(RequestTarget::parse(&uri).unwrap().path_and_query().as_str(), target);
        assert_eq!(ReturnPath::parse(target).unwrap().as_str(), target);
    }
}

#[test]
fn ambiguous_targets_are_refused() {
    let tricks = [
        "/public/../admin",
        "/public/..%2fadmin",
        "/public/%2e%2e/admin",
        "/public/.%2e/admin",
        "/public/..;/admin",
        "/public/..;a=b/admin",
        "/public//../admin",
        "/public/.%00./",
        "/public/..%5cadmin",
        "/%c0%ae%c0%ae/admin",
        "/public/%u002e%u002e/admin",
        "/public/%252e%252e/admin",
        "/public/%252fadmin",
        "/public/%",
        "/public/%2",
        "/public/%+1",
        "//evil.example/x",
        "/a/./b",
        "/a%0d%0ab",
        "/a%7f",
        "/a%ff",
    ];
    for target in tricks {
        let refused = target.parse::<Uri>().map_or(true, |uri| RequestTarget::parse(&uri).is_err());
        assert!(refused, "{target:?} was accepted");
    }
    // Where there is no path, `/` would be decided on and nothing forwarded.
    for target in ["http://app.example.com?x=1", "http://app.example.com?//evil.example/../x", "*"] {
        assert_eq!(RequestTarget::parse(&target.parse().unwrap()), Err(Error::NotAPath), "{target}");
    }
    let root = RequestTarget::parse(&"http://app.example.com".parse().unwrap()).unwrap();
    assert_eq!(root.path_and_query().as_str(), "/");
    let long = format!("/{}", "a".repeat(TARGET_BYTES_MAX)).parse::<Uri>().unwrap();
    assert_eq!(RequestTarget::parse(&long), Err(Error::TooLong));
}

/// The corpus of T-A1: what a browser makes of the path must stay on our origin.
#[test]
fn return_paths_never_leave_the_origin() {
    let origin = url::Url::parse("https://app.example.com/").unwrap();
    let hosts = [
        "evil.example",
        "evil.example:8443",
        "user@evil.example",
        "evil.example.",
        "xn--e1awd7f.example",
        "2130706433",
        "[::1]",
    ];
    let openings = [
        "//",
        "/\\",
        "\\/",
        "\\\\",
        "///",
        "////",
        "/%09/",
        "/\t/",
        "\t//",
        "/\n/",
        "/\r/",
        "/ /",
        " //",
        "/%0a/",
        "/%0d/",
        "https:",
        "https:/",
        "https:/\\",
        "https://",
        "http:",
        "http:///",
        "hTTps:",
        "/..//",
        "/../..//",
        "/.//",
        "/./\\",
        "/.\\",
        "/%2e%2e//",
        "@",
        "//@",
        "javascript:",
        "javascript://",
        "data:text/html,",
        "ftp://",
        "/%5c",
        "/%2f",
        "/%2F%2F",
        "/\u{2215}",
        "\u{ff0f}\u{ff0f}",
        "/\u{200b}/",
        "//\u{3002}",
        "/;//",
        "?//",
        "#//",
        "/#//",
        "/x#//",
    ];
    for opening in openings {
        for host in hosts {
            for tail in ["", "/", "/x", "?a=b"] {
                let text = format!("{opening}{host}{tail}");
                let Ok(path) = ReturnPath::parse(&text) else { continue };
                let gone_to = origin.join(path.as_str()).unwrap();
                assert_eq!(gone_to.origin(), origin.origin(), "{text:?}");
                assert!(!gone_to.path().starts_with("//"), "{text:?}");
                assert!(path.as_str().starts_with('/') && !path.as_str().starts_with("//"), "{text:?}");
            }
        }
    }
}

#[test]
fn our_own_pages_are_no_place_to_return_to() {
    for path in [
        "/.anteroom/sign-in",
        "/.anteroom/sign-in?return_to=/x",
        "/.anteroom/sign-out",
        "/.anteroom/waiting-room",
        "/.anteroom/manager",
        "/.anteroom/supporters/x",
    ] {
        assert!(ReturnPath::parse(path).is_err(), "{path:?}");
    }
    for path in ["/.anteroom/manage?property=p1", "/.anteroom/support", "/.anteroom/support/users?q=mia"] {
        assert!(ReturnPath::parse(path).is_ok(), "{path:?}");
    }
    assert!(ReturnPath::parse(&format!("/{}", "a".repeat(RETURN_PATH_BYTES_MAX))).is_err());
}

#[test]
fn path_rules_match_whole_segments_of_the_path_only() {
    let covers = |rule: &str, target: &str| {
        let uri: Uri = target.parse().unwrap();
        PathRule::parse(rule).unwrap().covers(&RequestTarget::parse(&uri).unwrap())
    };
    assert!(covers("/favicon.ico", "/favicon.ico?v=2"));
    assert!(covers("/assets/", "/assets/a/b.css"));
    assert!(!covers("/favicon.ico", "/favicon.icon"));
    assert!(!covers("/favicon.ico", "/favicon.ico/x"));
    assert!(!covers("/assets/", "/assets"));
    assert!(!covers("/assets/", "/assets2/x"));
    assert!(!covers("/assets/", "/private?x=/assets/"));
    assert!(!covers("/assets/", "/%61ssets/x"));
    for rule in [
        "",
        "/",
        "assets/",
        "//assets/",
        "/a/../b/",
        "/a?b",
        "/.anteroom/",
        "https://evil.example/x",
        "/a%2fb",
    ] {
        assert!(PathRule::parse(rule).is_err(), "{rule:?}");
    }
}
