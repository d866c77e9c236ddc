//! The addresses that a mail leads to: pages of Anteroom on the application's host, and nothing else.
//!
//! Separate because whatever becomes a link passes here; names and addresses are only ever values of a query.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// The application's front page.
pub(super) fn application(url: &Url) -> String {
    url.to_string()
}

/// Where somebody without access sees how things stand.
pub(super) fn waiting_room(url: &Url) -> String {
    page(url, "waiting-room")
}

/// Own requests, and the New User form.
pub(super) fn manage(url: &Url) -> String {
    page(url, "manage")
}

/// The New User form, filled in.
pub(super) fn new_user(url: &Url, property: Option<&str>, email: &str, name: Option<&str>) -> String {
    let values = [("property", property), ("email", Some(email)), ("name", name)];
    let query = values.into_iter().filter_map(|(key, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(format!("{key}={}", utf8_percent_encode(value, QUERY_VALUE)))
    });
    format!("{}?{}", manage(url), query.collect::<Vec<_>>().join("&"))
}

/// The queue of the support team.
pub(super) fn queue(url: &Url) -> String {
    page(url, "support")
}

/// One request, for the support team.
pub(super) fn request(url: &Url, id: &str) -> String {
    page(url, &format!("support/requests/{}", utf8_percent_encode(id, QUERY_VALUE)))
}

fn page(url: &Url, path: &str) -> String {
    format!("{}/.anteroom/{path}", url.as_str().trim_end_matches('/'))
}

const QUERY_VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_place() {
        let url = Url::parse("https://app.example.com").unwrap();
        assert_eq!(application(&url), "https://app.example.com/");
        assert_eq!(waiting_room(&url), "https://app.example.com/.anteroom/waiting-room");
        assert_eq!(queue(&url), "https://app.example.com/.anteroom/support");
        assert_eq!(
            request(&url, "R-1/../x?y#z"),
            "https://app.example.com/.anteroom/support/requests/R-1%2F..%2Fx%3Fy%23z"
        );
        assert_eq!(
            new_user(&url, Some("tower"), "a+b@contoso.com", Some("Zoë & \"Q\"\r\n<x>")),
            "https://app.example.com/.anteroom/manage?property=tower&email=a%2Bb%40contoso.com\
             &name=Zo%C3%AB%20%26%20%22Q%22%0D%0A%3Cx%3E"
        );
        assert_eq!(
            new_user(&url, None, "a@contoso.com", None),
            "https://app.example.com/.anteroom/manage?email=a%40contoso.com"
        );
    }
}
