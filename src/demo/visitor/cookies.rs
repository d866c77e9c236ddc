//! The visitor's cookies (RFC 6265bis, as far as the demo goes).
//!
//! Separate because whether a cookie goes along is what the sign-on's safety rests on: hosts do not share
//! cookies, and a form that another site posted does not carry ours.

use cookie::{Cookie, SameSite};
use http::header::{self, HeaderMap};
use url::Url;

/// All cookies of one browser.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cookies(Vec<Kept>);

#[derive(Debug, Clone)]
struct Kept {
    host: String,
    path: String,
    name: String,
    value: String,
    crosses_sites: bool,
}

impl Cookies {
    /// Keeps what an answer sets, and forgets what it takes back.
    pub(crate) fn keep(&mut self, url: &Url, headers: &HeaderMap) {
        for value in headers.get_all(header::SET_COOKIE) {
            let Some(cookie) = value.to_str().ok().and_then(|text| Cookie::parse(text).ok()) else {
                continue;
            };
            // Neither a cookie for other hosts nor one for https belongs to a host of plain http.
            if cookie.domain().is_some() || cookie.secure() == Some(true) {
                continue;
            }
            let kept = Kept {
                host: url.host_str().unwrap_or_default().to_owned(),
                path: cookie.path().filter(|path| path.starts_with('/')).unwrap_or("/").to_owned(),
                name: cookie.name().to_owned(),
                value: cookie.value().to_owned(),
                crosses_sites: cookie.same_site() == Some(SameSite::None),
            };
            self.0.retain(|old| (&old.host, &old.path, &old.name) != (&kept.host, &kept.path, &kept.name));
            let is_taken_back = cookie.max_age().is_some_and(|age| !age.is_positive());
            if !is_taken_back {
                self.0.push(kept);
            }
        }
    }

    /// The `Cookie` header of a request, if any goes along.
    pub(crate) fn for_request(&self, url: &Url, is_post_from_another_site: bool) -> Option<String> {
        let host = url.host_str().unwrap_or_default();
        let pairs: Vec<_> = self
            .0
            .iter()
            .filter(|cookie| cookie.host == host && covers(&cookie.path, url.path()))
            .filter(|cookie| cookie.crosses_sites || !is_post_from_another_site)
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

/// RFC 6265 5.1.4.
fn covers(cookie_path: &str, path: &str) -> bool {
    path.strip_prefix(cookie_path)
        .is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}
