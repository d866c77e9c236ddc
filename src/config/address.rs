//! The rules for the addresses of a configuration: what people open, where identity providers post, and
//! where the application answers.
//!
//! Separate because `http://` is only harmless where nobody can listen in, and that is decided here alone.

use http::Uri;
use url::{Host, Url};

use crate::proxy::{self, Upstream};
use crate::target::RequestTarget;

use super::reading::Fault;

/// Reads `app.url`: an origin that browsers can open.
pub(super) fn app_url(text: &str) -> Result<Url, Fault> {
    let url = public_url(text)?;
    if url.path() != "/" {
        let remedy = format!("write only scheme, host and port: {:?}", origin(&url));
        return Err(Fault::new(format!("{text:?} has a path"), remedy));
    }
    Ok(url)
}

/// Reads `saml.acs_url`: an address of its own that identity providers can post to.
pub(super) fn acs_url(text: &str) -> Result<Url, Fault> {
    let url = public_url(text)?;
    let path = url.path();
    let taken = match path {
        "/" => Some("has no path"),
        // The other endpoints of the login host.
        "/saml2/metadata" | "/saml2/logout" => Some("is the address of another endpoint"),
        _ if path == "/.anteroom" || path.starts_with("/.anteroom/") || path.starts_with("/.well-known/") => {
            Some("has a path that is reserved for Anteroom's own pages")
        }
        _ => None,
    };
    if let Some(taken) = taken {
        let remedy = format!("write a path of its own: \"{}/saml2/idpresponse\"", origin(&url));
        return Err(Fault::new(format!("{text:?} {taken}"), remedy));
    }
    // Messages name this address, and it is compared letter by letter.
    if url.as_str() != text || !is_plain_path(path) {
        let remedy = format!("write it in its normal form: \"{url}\"");
        return Err(Fault::new(format!("{text:?} can be written in more than one way"), remedy));
    }
    Ok(url)
}

/// Reads one of `app.upstreams`: an origin that the application answers at.
pub(super) fn upstream(text: &str) -> Result<Upstream, Fault> {
    Upstream::parse(text).map_err(|error| {
        let message = match error {
            proxy::Error::NotAUrl => format!("{text:?} is not a URL"),
            proxy::Error::Scheme => format!("{text:?} is not an http://, https:// or h2c:// URL"),
            proxy::Error::MoreThanAnOrigin => format!("{text:?} has more than scheme, host and port"),
        };
        Fault::new(message, "write \"http://HOST:PORT\", e.g. \"http://127.0.0.1:3000\"")
    })
}

/// Reads `sign_on.other_url`: a path of the application, or a URL of another site.
pub(super) fn other_url(text: &str) -> Result<String, Fault> {
    if text.starts_with('/') {
        let target = text.parse::<Uri>().ok().filter(|uri| uri.authority().is_none());
        return match target.map(|uri| RequestTarget::parse(&uri)) {
            Some(Ok(_)) if !text.contains('\\') => Ok(text.to_owned()),
            _ => Err(Fault::new(format!("{text:?} is not a plain path"), "write a path like \"/login\"")),
        };
    }
    public_url_with_query(text).map(String::from)
}

/// `https://host[:port]` of a URL.
pub(super) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

fn public_url(text: &str) -> Result<Url, Fault> {
    let url = public_url_with_query(text)?;
    if url.query().is_some() {
        return Err(Fault::new(format!("{text:?} has a query"), "remove everything from the ? on"));
    }
    Ok(url)
}

fn public_url_with_query(text: &str) -> Result<Url, Fault> {
    let example = "write a full URL, e.g. \"https://app.example.com\"";
    let url =
        Url::parse(text).map_err(|error| Fault::new(format!("{text:?} is not a URL ({error})"), example))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(Fault::new(format!("{text:?} is not an https:// URL"), example));
    }
    if url.scheme() == "http" && !is_local(&url) {
        return Err(Fault::new(
            format!("{text:?} would send sessions and assertions in the clear"),
            "write https://; http:// is for localhost, *.localhost and loopback addresses only",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(Fault::new(format!("{text:?} has a user name or a fragment"), "remove it"));
    }
    if text.trim() != text || text.contains(['\t', '\n', '\r', '\\']) {
        return Err(Fault::new(format!("{text:?} has white space or a backslash"), "remove it"));
    }
    Ok(url)
}

/// Whether what is sent there stays on this machine.
fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_plain_path(path: &str) -> bool {
    path.parse::<Uri>().is_ok_and(|uri| RequestTarget::parse(&uri).is_ok())
}
