//! The two public hosts, and which of them a request is for.
//!
//! Separate because nothing may ever be decided by a `Host` that is not configured, and no address of ours is
//! ever made from one (T-A5, F5).

use http::HeaderMap;
use http::header::ORIGIN;
use url::Url;

use crate::http1::fields::Known;
use crate::proxy::Head;

/// What a host serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Site {
    /// Only the assertion consumer service and its like.
    Login,
    /// Only the application and the pages before it.
    App,
    /// Both, when both URLs name the same host.
    Both,
}

impl Site {
    pub(super) const fn has_login(self) -> bool {
        matches!(self, Self::Login | Self::Both)
    }

    pub(super) const fn has_app(self) -> bool {
        matches!(self, Self::App | Self::Both)
    }
}

/// The configured hosts.
#[derive(Debug, Clone)]
pub struct Sites {
    app_url: Url,
    acs_url: Url,
    app_host: String,
    login_host: String,
    /// What the application's host serves.
    of_app: Site,
}

impl Sites {
    /// Takes `app.url` and `saml.acs_url`, which `config` has checked.
    #[must_use]
    pub fn new(app_url: Url, acs_url: Url) -> Self {
        let host = |url: &Url| canonical(url.host_str().unwrap_or_default());
        let (app_host, login_host) = (host(&app_url), host(&acs_url));
        let of_app = if app_host == login_host { Site::Both } else { Site::App };
        Self { app_url, acs_url, app_host, login_host, of_app }
    }

    /// The host that a request is for. Case, port and a final dot make no difference (T-C6).
    pub(super) fn of(&self, head: &Head) -> Option<Site> {
        self.of_host(match head.uri().authority() {
            Some(authority) => authority.as_str().as_bytes(),
            None => head.fields().get(Known::Host)?,
        })
    }

    /// The host that an authority names.
    pub(super) fn of_host(&self, authority: &[u8]) -> Option<Site> {
        // As nearly all write it.
        if authority.strip_prefix(self.app_host.as_bytes()).is_some_and(is_port) {
            return Some(self.of_app);
        }
        let host = host_of(str::from_utf8(authority).ok()?)?;
        if host.eq_ignore_ascii_case(&self.app_host) {
            Some(self.of_app)
        } else if host.eq_ignore_ascii_case(&self.login_host) {
            Some(Site::Login)
        } else {
            None
        }
    }

    /// What the application's host serves.
    pub(super) const fn of_app(&self) -> Site {
        self.of_app
    }

    /// The path of the assertion consumer service.
    pub(super) fn acs_path(&self) -> &str {
        self.acs_url.path()
    }

    /// An absolute address on the application's host.
    pub(super) fn app_address(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.app_origin())
    }

    /// Whether a request was sent by a page of the application's origin; programs do not say.
    pub(super) fn is_own_form(&self, headers: &HeaderMap) -> bool {
        let site_fits = headers
            .get("sec-fetch-site")
            .is_none_or(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
        let origin = self.app_origin();
        let mut origins = headers.get_all(ORIGIN).iter();
        site_fits && origins.all(|sent| sent.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
    }

    /// The path of a page of ours that a request says it came from.
    pub(super) fn referring_path<'a>(&self, referer: &'a str) -> Option<&'a str> {
        referer.strip_prefix(&self.app_origin()).filter(|path| path.starts_with('/'))
    }

    fn app_origin(&self) -> String {
        self.app_url.origin().ascii_serialization()
    }
}

/// Whether it is what may follow a host: nothing, or a port.
fn is_port(text: &[u8]) -> bool {
    text.is_empty() || text.strip_prefix(b":").is_some_and(|port| port.iter().all(u8::is_ascii_digit))
}

/// The host of an authority, without port and final dot. What is no authority, or has a user name, has no host.
fn host_of(authority: &str) -> Option<&str> {
    let is_of_name = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-' | b'_');
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    // All but a bracketed address can be told without a parser, which would copy.
    if !host.is_empty() && host.bytes().all(is_of_name) && port.bytes().all(|octet| octet.is_ascii_digit()) {
        return Some(host.strip_suffix('.').unwrap_or(host));
    }
    let end = authority.strip_prefix('[')?.find(']')? + 2;
    let is_authority = authority.parse::<http::uri::Authority>().is_ok() && !authority.contains('@');
    if is_authority { authority.get(..end) } else { None }
}

fn canonical(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_configured_hosts_are_served() {
        let sites = Sites::new(
            "https://app.example.com".parse().unwrap(),
            "https://login.example.com/saml2/idpresponse".parse().unwrap(),
        );
        let of = |uri: &str, host: &str| {
            let request = http::Request::get(uri).header("host", host).body(bytes::Bytes::new()).unwrap();
            sites.of(crate::proxy::Request::from(request).head())
        };
        let site = |host: &str| of("/", host);
        assert_eq!(site("app.example.com"), Some(Site::App));
        assert_eq!(site("APP.Example.COM.:8443"), Some(Site::App));
        assert_eq!(site("login.example.com"), Some(Site::Login));
        for host in [
            "",
            "example.com",
            "app.example.com.evil.example",
            "xapp.example.com",
            "127.0.0.1",
            "u@app.example.com",
            "a b",
            "app.example.com:x",
            "app.example.com:1:2",
            "app.example.com@evil.example",
        ] {
            assert_eq!(site(host), None, "{host:?}");
        }
        assert_eq!(of("https://evil.example/", "app.example.com"), None);
    }
}
