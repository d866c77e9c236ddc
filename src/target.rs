//! Request targets in the one form that is both decided on and forwarded, and return paths.
//!
//! Separate because proxies are broken where the path that a rule saw is not the path that the application
//! got. A target that two parsers could read in two ways is refused instead of repaired.
//!
//! Refused: dot segments (also escaped, or with `;` parameters), an escaped slash, backslash, dot or control
//! character, a path beginning with `//`, escapes that are not UTF-8, raw characters outside printable ASCII.

use std::sync::Arc;

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

/// Why a target is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not of the form `/path?query`.
    #[error("the request target must begin with a slash")]
    NotAPath,
    /// More than [`TARGET_BYTES_MAX`].
    #[error("the request target is too long")]
    TooLong,
    /// Could be read in more than one way.
    #[error("the path is ambiguous")]
    Ambiguous,
}

/// The longest target that is looked at, in bytes.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The longest return path that is remembered, in bytes; it has to fit into a cookie.
pub const RETURN_PATH_BYTES_MAX: usize = 2 * 1024;

/// The page that asks whether a form shall be sent again that was kept when a session had timed out.
pub const REPEAT_PATH: &str = "/.anteroom/repeat";

/// A path and query that mean the same to us and to the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget(PathAndQuery);

impl RequestTarget {
    /// Takes the path and query of a request's URI; scheme and authority do not count.
    pub fn parse(uri: &Uri) -> Result<Self, Error> {
        let target = uri.path_and_query().ok_or(Error::NotAPath)?;
        if target.as_str().len() > TARGET_BYTES_MAX {
            return Err(Error::TooLong);
        }
        // A path that is not there is said to be `/`, and is not what would be forwarded.
        if !target.as_str().starts_with('/') {
            return Err(Error::NotAPath);
        }
        if is_unambiguous(target.path()) { Ok(Self(target.clone())) } else { Err(Error::Ambiguous) }
    }

    /// The path, escapes as they came.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// The query without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.0.query()
    }

    /// Path and query for the request line towards the application.
    #[must_use]
    pub const fn path_and_query(&self) -> &PathAndQuery {
        &self.0
    }
}

/// A path of the application that a browser may be sent back to: always of our own origin.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReturnPath(Box<str>);

impl ReturnPath {
    /// The application's front page.
    #[must_use]
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Reads a path and query; anything that a browser could take for another origin is refused, and so are
    /// our own pages, which would send a visitor round in circles, but for those that people work on.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > RETURN_PATH_BYTES_MAX {
            return Err(Error::TooLong);
        }
        // Browsers strip tabs and line ends and read a backslash as a slash before they look for a host.
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#');
        if !plain {
            return Err(Error::Ambiguous);
        }
        let uri: Uri = text.parse().map_err(|_| Error::NotAPath)?;
        if uri.authority().is_some() {
            return Err(Error::NotAPath);
        }
        let target = RequestTarget::parse(&uri)?;
        let leads_on = is_work_page(target.path()) || target.path() == REPEAT_PATH;
        if target.path().starts_with("/.anteroom/") && !leads_on {
            return Err(Error::NotAPath);
        }
        Ok(Self(target.0.as_str().into()))
    }

    /// The path for a request that has to be repeated after signing on; the front page where it cannot be.
    #[must_use]
    pub fn of(target: &RequestTarget) -> Self {
        Self::parse(target.0.as_str()).unwrap_or_else(|_| Self::root())
    }

    /// The page that offers to send a form again, by the token that it is kept under.
    #[must_use]
    pub fn repeat(token: &str) -> Self {
        Self::parse(&format!("{REPEAT_PATH}?post={token}")).unwrap_or_else(|_| Self::root())
    }

    /// The path as text, beginning with exactly one slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether somebody who has signed on works on this page of ours: the Manage page, or the support console.
fn is_work_page(path: &str) -> bool {
    let within =
        |page: &str| path.strip_prefix(page).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    within("/.anteroom/manage") || within("/.anteroom/support")
}

/// One entry of `app.public_paths`: matches whole segments of the path, never the query (T-C1). A clone is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathRule {
    /// Exactly this path.
    Exact(Arc<str>),
    /// This path, which ends in a slash, and everything below it.
    Below(Arc<str>),
}

impl PathRule {
    /// Reads `/exact/path` or `/prefix/`. The root alone would make everything public and is refused, and so
    /// are our own pages.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let uri: Uri = text.parse().map_err(|_| Error::NotAPath)?;
        let target = RequestTarget::parse(&uri)?;
        if target.path() != text || uri.authority().is_some() {
            return Err(Error::NotAPath);
        }
        if text == "/" || text.starts_with("/.anteroom/") || text.starts_with("/.well-known/anteroom") {
            return Err(Error::NotAPath);
        }
        let text = Arc::<str>::from(text);
        Ok(if text.ends_with('/') { Self::Below(text) } else { Self::Exact(text) })
    }

    /// The rule that covers every target; for what gives nobody access.
    #[must_use]
    pub fn everything() -> Self {
        Self::Below(Arc::from("/"))
    }

    /// The rule as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Exact(path) | Self::Below(path) => path,
        }
    }

    /// Whether the rule covers a target.
    #[must_use]
    pub fn covers(&self, target: &RequestTarget) -> bool {
        match self {
            Self::Exact(path) => target.path() == &**path,
            Self::Below(prefix) => target.path().starts_with(&**prefix),
        }
    }
}

/// Whether every parser splits the path into the same segments.
fn is_unambiguous(path: &str) -> bool {
    // One look is enough for most paths: without an escape, and without a dot or semicolon that begins a segment.
    let mut last = b' ';
    let is_plain = path.bytes().all(|octet| {
        let begins_oddly = last == b'/' && matches!(octet, b'/' | b'.' | b';');
        last = octet;
        octet.is_ascii_graphic() && !matches!(octet, b'\\' | b'%') && !begins_oddly
    });
    is_plain || is_unambiguous_all_the_same(path)
}

fn is_unambiguous_all_the_same(path: &str) -> bool {
    if path.starts_with("//") || !path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return false;
    }
    escapes_are_plain(path) && path.split('/').all(|segment| !is_dot_segment(segment))
}

/// Every `%` begins an escape of two digits, of something that is no delimiter, and not of another escape
/// of one; all together are UTF-8.
fn escapes_are_plain(path: &str) -> bool {
    let mut rest = path;
    while let Some((_, escape)) = rest.split_once('%') {
        let Some(digits) = escape.get(..2) else { return false };
        let Ok(octet) = u8::from_str_radix(digits, 16) else { return false };
        if digits.starts_with('+') || octet.is_ascii_control() || matches!(octet, b'/' | b'\\' | b'.') {
            return false;
        }
        rest = escape.get(2..).unwrap_or_default();
        let again = rest.get(..2).map(str::to_ascii_lowercase);
        if octet == b'%' && again.is_some_and(|digits| matches!(digits.as_str(), "2f" | "5c" | "2e" | "00")) {
            return false;
        }
    }
    percent_decode_str(path).decode_utf8().is_ok()
}

/// `.` or `..`, alone or before `;` parameters, which some servers cut off.
fn is_dot_segment(segment: &str) -> bool {
    let name = segment.split(';').next().unwrap_or_default();
    matches!(name, "." | "..")
}

#[cfg(test)]
mod tests;
