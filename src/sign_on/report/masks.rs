//! What is taken out of a report before it is kept: everything that tells who the person is.
//!
//! Separate because it is the one place that decides what of a refused message outlives the request.
//!
//! Rules: of a key its kind is left, of an address its domain, of a name whether there was one; addresses are
//! masked wherever they stand, also in what an identity provider says in its own words.

use crate::saml::diagnosis::Check;

pub(super) fn mask(check: &mut Check) {
    let masked: fn(&str) -> String = match check.code.as_str() {
        "key" if check.reason.is_none() => |key| match key.split_once(':') {
            Some((kind, _)) => format!("{kind}:…"),
            None => "…".to_owned(),
        },
        "name" => |name| if name == "none" { name.to_owned() } else { "…".to_owned() },
        _ => without_addresses,
    };
    check.got = check.got.as_deref().map(masked);
    check.expected = check.expected.as_deref().map(without_addresses);
    check.cause = check.cause.as_deref().map(without_addresses);
}

/// The text with `…` in place of what stands before an `@`.
fn without_addresses(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('@') {
        let end = before.rfind(is_between).map_or(0, |at| {
            at + before.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
        });
        masked.push_str(before.get(..end).unwrap_or_default());
        masked.push_str("…@");
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// What stands between words, and not in an address as people have them.
fn is_between(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '\'' | '"' | '<' | '>' | '(' | ')' | ',' | ';' | '/' | '‘' | '’' | '“' | '”')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_whom_they_are_of() {
        for (text, masked) in [
            ("", ""),
            ("mia.berg@contoso.com", "…@contoso.com"),
            (
                "AADSTS50105: 'mia.berg+x@contoso.com' is not assigned",
                "AADSTS50105: '…@contoso.com' is not assigned",
            ),
            ("User <mia@a.example>, noah@b.example.", "User <…@a.example>, …@b.example."),
            ("a@b@c", "…@…@c"),
            ("“müller@contoso.com”", "“…@contoso.com”"),
            ("@", "…@"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_addresses(text), masked);
        }
    }
}
