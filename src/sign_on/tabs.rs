//! The pending logins of one browser, kept by that browser in a sealed cookie.
//!
//! Separate because this cookie is what binds an answer to the browser that asked (no login CSRF) and leads
//! every tab to its own deep link, without a byte of state on the server.
//!
//! Bounded: the newest logins stay, as many as fit into one cookie.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::secret::SealKey;
use crate::target::ReturnPath;

/// As many tabs as anybody signs on in at the same time.
const TABS_MAX: usize = 8;

/// Plain octets that, sealed and encoded, fit into the 4,096 of one cookie (RFC 6265 6.1) with its name.
const PLAIN_BYTES_MAX: usize = 2_900;

/// The cookie values that are looked at at all.
const COOKIE_BYTES_MAX: usize = 4_096;

/// Pending logins, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tabs(Vec<Tab>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tab {
    #[serde(rename = "i")]
    request_id: String,
    #[serde(rename = "r")]
    return_path: String,
}

impl Tabs {
    /// Opens the cookie's value; a missing, foreign or damaged one is an empty list.
    #[must_use]
    pub fn open(cookie: Option<&str>, key: &SealKey) -> Self {
        let tabs = cookie
            .filter(|text| text.len() <= COOKIE_BYTES_MAX)
            .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok())
            .and_then(|sealed| key.open(&sealed))
            .and_then(|plain| serde_json::from_slice(&plain).ok());
        Self(tabs.unwrap_or_default())
    }

    /// The value for the cookie, sealed; `None` when there is nothing to remember.
    #[must_use]
    pub fn seal(&self, key: &SealKey) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut tabs = self.0.clone();
        loop {
            let plain = serde_json::to_vec(&tabs).expect("texts always have a JSON form");
            if plain.len() <= PLAIN_BYTES_MAX || tabs.len() <= 1 {
                return Some(URL_SAFE_NO_PAD.encode(key.seal(&plain)));
            }
            tabs.pop();
        }
    }

    /// The list with one more login, without the oldest if there are too many.
    #[must_use]
    pub fn with(mut self, request_id: &str, return_path: &ReturnPath) -> Self {
        self.0.insert(
            0,
            Tab { request_id: request_id.to_owned(), return_path: return_path.as_str().to_owned() },
        );
        self.0.truncate(TABS_MAX);
        self
    }

    /// Where the login with that ID wanted to go; `None` if this browser did not begin it.
    #[must_use]
    pub fn return_path(&self, request_id: &str) -> Option<ReturnPath> {
        let tab = self.0.iter().find(|tab| tab.request_id == request_id)?;
        Some(ReturnPath::parse(&tab.return_path).unwrap_or_else(|_| ReturnPath::root()))
    }

    /// The list without a login that is over.
    #[must_use]
    pub fn without(mut self, request_id: &str) -> Self {
        self.0.retain(|tab| tab.request_id != request_id);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::ClusterSecret;

    #[test]
    fn each_tab_keeps_its_own_deep_link_within_the_size_of_a_cookie() {
        let key = ClusterSecret::new([1; 32]).seal_key("tabs");
        let path = |n: usize| ReturnPath::parse(&format!("/units/{n}?{}", "x".repeat(700))).unwrap();
        let tabs = (0..12).fold(Tabs::default(), |tabs, n| tabs.with(&format!("id{n}"), &path(n)));
        let cookie = tabs.seal(&key).unwrap();
        assert!(cookie.len() < 4_000, "{}", cookie.len());

        let read = Tabs::open(Some(&cookie), &key);
        assert_eq!(read.return_path("id11"), Some(path(11)));
        assert_eq!(read.return_path("id10"), Some(path(10)));
        assert_eq!(read.return_path("id0"), None);
        assert_eq!(read.without("id11").return_path("id11"), None);

        let longest =
            ReturnPath::parse(&format!("/{}", "x".repeat(crate::target::RETURN_PATH_BYTES_MAX - 1))).unwrap();
        let cookie = Tabs::default().with(&"i".repeat(60), &longest).seal(&key).unwrap();
        assert!(cookie.len() < 4_000, "{}", cookie.len());
        assert_eq!(Tabs::open(Some(&cookie), &key).return_path(&"i".repeat(60)), Some(longest));
    }

    #[test]
    fn a_cookie_that_is_not_ours_is_an_empty_list() {
        let key = ClusterSecret::new([1; 32]).seal_key("tabs");
        let foreign = Tabs::default()
            .with("id", &ReturnPath::root())
            .seal(&ClusterSecret::new([2; 32]).seal_key("tabs"));
        for cookie in [None, Some(""), Some("x"), Some("[]"), foreign.as_deref(), Some(&"A".repeat(100_000))]
        {
            assert_eq!(Tabs::open(cookie, &key), Tabs::default());
        }
        assert_eq!(Tabs::default().seal(&key), None);
    }
}
