//! Addresses that metadata can be fetched from.
//!
//! Separate because the configuration, the console and commands take them, and all refuse the same.

use url::{Host, Url};

use super::addresses::Reach;

/// Why a text is no address of metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no URL, or too long.
    #[error("{text:?} is not a URL; write the full address, e.g. https://idp.example.com/metadata.xml")]
    Malformed {
        /// What was written, cut.
        text: String,
    },
    /// Whoever is in between could put keys of their own into it.
    #[error("{text:?} is not an https:// address; metadata says whose signatures count, so write https://")]
    NotHttps {
        /// What was written, cut.
        text: String,
    },
    /// It holds what does not belong there.
    #[error("{text:?} has a user name, a password or a fragment; remove it")]
    Extras {
        /// What was written, cut.
        text: String,
    },
}

/// Reads an address: `https`, or `http` to this machine where anything may be asked.
pub fn parse(text: &str, reach: Reach) -> Result<Url, Error> {
    let shown = || text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    let malformed = || Error::Malformed { text: shown() };
    if text.len() > OCTETS_MAX || text.trim() != text {
        return Err(malformed());
    }
    let url = Url::parse(text).map_err(|_| malformed())?;
    match url.host() {
        Some(Host::Domain("")) | None => return Err(malformed()),
        Some(_) => {}
    }
    if !is_safe(&url, reach) {
        return Err(Error::NotHttps { text: shown() });
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(Error::Extras { text: shown() });
    }
    Ok(url)
}

/// Whether nobody in between can change what is fetched there.
pub(super) fn is_safe(url: &Url, reach: Reach) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => reach == Reach::Anywhere && is_loopback(url),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Longer ones are not written by hand.
const OCTETS_MAX: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_fetched_by_https_alone() {
        for good in
            ["https://idp.example.com/metadata.xml", "https://login.example/x?appid=1", "https://[::1]/"]
        {
            assert!(parse(good, Reach::Public).is_ok(), "{good}");
        }
        for local in
            ["http://localhost:8080/m", "http://idp.localhost/m", "http://127.0.0.1:1/m", "http://[::1]/"]
        {
            assert!(matches!(parse(local, Reach::Public), Err(Error::NotHttps { .. })), "{local}");
            assert!(parse(local, Reach::Anywhere).is_ok(), "{local}");
        }
        for bad in [
            "",
            "idp.example.com/metadata.xml",
            "http://idp.example.com/m",
            "http://10.0.0.1/m",
            "ftp://idp.example.com/m",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "https://",
            " https://idp.example.com/m",
            "https://user@idp.example.com/m",
            "https://user:secret@idp.example.com/m",
            "https://idp.example.com/m#part",
        ] {
            assert!(parse(bad, Reach::Anywhere).is_err(), "{bad:?}");
        }
        assert!(parse(&format!("https://idp.example.com/{}", "x".repeat(2_000)), Reach::Public).is_err());
    }
}
