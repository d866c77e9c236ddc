//! In what two identifiers differ that look alike.
//!
//! Separate because identifiers are compared letter by letter, and the usual slips cannot be seen by eye.

/// What makes the text that came another than the one that was expected; `None` if they have nothing in common.
pub(super) fn between(expected: &str, got: &str) -> Option<String> {
    let mut found = Vec::new();
    let (mut ours, mut theirs) = (expected, got);
    for (prefix, name) in [("spn:", "the prefix spn:"), ("api://", "the prefix api://")] {
        match (ours.strip_prefix(prefix), theirs.strip_prefix(prefix)) {
            (None, Some(rest)) => {
                found.push(format!("{name} stands before it"));
                theirs = rest;
            }
            (Some(rest), None) => {
                found.push(format!("{name} is missing"));
                ours = rest;
            }
            _ => {}
        }
    }
    if theirs.trim() != theirs {
        found.push("there is white space around it".to_owned());
        theirs = theirs.trim();
    }
    match (ours.split_once("://"), theirs.split_once("://")) {
        (Some((scheme, rest)), Some((other, other_rest))) if scheme != other => {
            found.push(format!("it begins with {other}:// instead of {scheme}://"));
            (ours, theirs) = (rest, other_rest);
        }
        (Some((scheme, rest)), None) => {
            found.push(format!("{scheme}:// is missing"));
            ours = rest;
        }
        (None, Some((other, rest))) => {
            found.push(format!("{other}:// stands before it"));
            theirs = rest;
        }
        _ => {}
    }
    match (ours.strip_suffix('/'), theirs.strip_suffix('/')) {
        (None, Some(rest)) => {
            found.push("it ends with a slash, and ours does not".to_owned());
            theirs = rest;
        }
        (Some(rest), None) => {
            found.push("the slash at its end is missing".to_owned());
            ours = rest;
        }
        _ => {}
    }
    let is_url = expected.contains("://");
    if is_url && theirs != ours && without_port(theirs) == without_port(ours) {
        found.push("the port differs".to_owned());
        (ours, theirs) = ("", "");
    }
    if theirs == ours {
        return (!found.is_empty()).then(|| found.join(", and "));
    }
    if theirs.eq_ignore_ascii_case(ours) {
        found.push("capital and small letters differ".to_owned());
        return Some(found.join(", and "));
    }
    let (host, path) = split(ours);
    let (other_host, other_path) = split(theirs);
    if !host.is_empty() && host.eq_ignore_ascii_case(other_host) && is_url {
        return Some(format!("the path is {other_path:?} instead of {path:?}"));
    }
    if !path.is_empty() && path == other_path {
        return Some(format!("the host is {other_host} instead of {host}"));
    }
    None
}

/// Host and path of a URL without its scheme.
fn split(text: &str) -> (&str, &str) {
    let text = text.split_once("://").map_or(text, |(_, rest)| rest);
    text.find('/').map_or((text, ""), |at| text.split_at(at))
}

/// A URL without its port.
fn without_port(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let (host, path) = split(rest);
    let host = match host.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => host,
    };
    format!("{scheme} {host} {path}")
}

/// The GUIDs in a text, as tenants and applications are named.
pub(super) fn guids(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')).filter(|word| is_guid(word)).collect()
}

/// Whether a text is a GUID.
pub(super) fn is_guid(text: &str) -> bool {
    const SHAPE: &[u8] = b"00000000-0000-0000-0000-000000000000";
    text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_hexdigit(),
            exact => byte == *exact,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &str, got: &str, words: &[&str]) {
        let said = between(expected, got).unwrap_or_default();
        assert!(words.iter().all(|word| said.contains(word)), "{expected} {got}: {said}");
        assert_eq!(said.is_empty(), words.is_empty(), "{expected} {got}: {said}");
    }

    #[test]
    fn the_usual_slips_are_told_apart() {
        let url = "https://app.example.com/saml";
        check("example", "spn:example", &["spn:"]);
        check("api://x", "x", &["api://", "missing"]);
        check(url, "https://app.example.com/saml/", &["slash"]);
        check("https://app.example.com/", "https://app.example.com", &["slash", "missing"]);
        check(url, "http://app.example.com/saml", &["http://", "https://"]);
        check(url, "app.example.com/saml", &["https:// is missing"]);
        check("app.example.com", "https://app.example.com", &["https:// stands before"]);
        check(url, "https://App.Example.com/SAML", &["capital"]);
        check(url, "http://app.example.com/SAML/", &["http://", "slash", "capital"]);
        check(url, " https://app.example.com/saml", &["white space"]);
        check(url, "https://app.example.com:443/saml", &["port"]);
        check(url, "https://app.example.com/sso", &["path", "/sso"]);
        check(url, "https://staging.example.com/saml", &["host", "staging.example.com"]);
        check("urn:a:b", "urn:c:d", &[]);
        check("urn:a:1", "urn:a:2", &[]);
        check(url, "", &[]);
        check(url, url, &[]);
    }

    #[test]
    fn guids_are_found() {
        let tenant = "3f2b6c1e-8d0a-4c57-9b7e-5a1d2c3e4f50";
        assert_eq!(guids(&format!("https://sts.windows.net/{tenant}/")), [tenant]);
        assert!(guids("https://sts.windows.net/3f2b6c1e-8d0a/").is_empty());
        assert!(guids("").is_empty());
    }
}
