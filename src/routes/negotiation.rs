//! Whether a request is a person opening a page or a program asking for data.
//!
//! Separate because the answer to "you are not signed on" depends on it: a person is sent to a page, a program
//! gets `401` with a body that it can read, and never a redirect that it would follow into HTML.
//!
//! Decided by fetch metadata, then the best match of `Accept`, then `X-Requested-With` (DESIGN section 2).

use http::header::{ACCEPT, CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, HeaderValue, Method};

use crate::routes::grpc;

/// Who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// A person, whose browser shows the answer as a page.
    Person,
    /// A program, which reads status and JSON.
    Program,
}

impl Audience {
    /// Looks at method and headers.
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let is_page_method = *method == Method::GET || *method == Method::HEAD;
        if headers.contains_key(UPGRADE)
            || grpc::is_call(headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes))
            || !(is_page_method || *method == Method::POST)
        {
            return Self::Program;
        }
        if let Some(mode) = text(headers, "sec-fetch-mode") {
            let shows_a_page =
                text(headers, "sec-fetch-dest").is_none_or(|dest| PAGE_DESTINATIONS.contains(&dest));
            return if mode == "navigate" && shows_a_page { Self::Person } else { Self::Program };
        }
        match preference(headers) {
            Preference::Data => Self::Program,
            Preference::Either if headers.contains_key("x-requested-with") || !is_page_method => {
                Self::Program
            }
            Preference::Page | Preference::Either => Self::Person,
        }
    }
}

enum Preference {
    Page,
    Data,
    Either,
}

/// Compares how much HTML and JSON are wanted (RFC 9110 12.5.1).
fn preference(headers: &HeaderMap) -> Preference {
    if !headers.contains_key(ACCEPT) {
        return Preference::Either;
    }
    let page = quality(headers, &["text/html", "application/xhtml+xml", "text/*"]);
    let data = quality(headers, &["application/json", "application/problem+json", "application/*"]);
    match page.cmp(&data) {
        std::cmp::Ordering::Greater => Preference::Page,
        std::cmp::Ordering::Less => Preference::Data,
        std::cmp::Ordering::Equal if page == (0, false) => Preference::Data,
        std::cmp::Ordering::Equal => Preference::Either,
    }
}

/// The highest quality, in thousandths, that any of the types has; `*/*` counts if none is named. Of two that
/// are as good, the one that is named is meant.
fn quality(headers: &HeaderMap, types: &[&str]) -> (u32, bool) {
    let mut named = None;
    let mut any = 0;
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    for range in lines.flat_map(|line| line.split(',')).take(RANGES_MAX) {
        let mut parts = range.split(';');
        let name = parts.next().unwrap_or_default().trim();
        let quality = parts
            .find_map(|parameter| parameter.trim().strip_prefix("q="))
            .map_or(1000, |q| q.trim().parse::<f32>().map_or(0, thousandths));
        if types.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)) {
            named = named.max(Some(quality));
        } else if name == "*/*" {
            any = quality;
        }
    }
    match named {
        Some(quality) => (quality, quality > 0),
        None => (any, false),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=1 before")]
fn thousandths(quality: f32) -> u32 {
    (quality.clamp(0.0, 1.0) * 1000.0) as u32
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(HeaderValue::to_str)?.ok()
}

/// Where a browser shows what it has fetched as a page of its own.
const PAGE_DESTINATIONS: &[&str] = &["document", "iframe", "frame", "fencedframe"];

/// Media ranges that are looked at.
const RANGES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, headers: &[(&'static str, &'static str)], wanted: Audience) {
        let map = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(Audience::of(&method, &map), wanted, "{method} {headers:?}");
    }

    #[test]
    fn people_and_programs_are_told_apart() {
        use Audience::{Person, Program};
        let chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        check("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], Person);
        check("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")], Person);
        check("POST", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], Person);
        check("GET", &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("accept", chrome)], Program);
        check("GET", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], Program);
        check("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "object")], Program);
        check("GET", &[("accept", chrome)], Person);
        check("GET", &[("accept", "application/json, text/plain, */*")], Program);
        check("GET", &[("accept", "application/json")], Program);
        check("GET", &[("accept", "text/html;q=0.5, application/json;q=0.9")], Program);
        check("GET", &[("accept", "image/avif,image/webp")], Program);
        check("GET", &[("accept", "*/*")], Person);
        check("GET", &[], Person);
        check("GET", &[("accept", "*/*"), ("x-requested-with", "XMLHttpRequest")], Program);
        check("POST", &[("accept", "*/*")], Program);
        check("POST", &[("accept", chrome)], Person);
        check("DELETE", &[("accept", chrome)], Program);
        check("GET", &[("upgrade", "websocket"), ("sec-fetch-mode", "navigate")], Program);
        check("POST", &[("content-type", "application/grpc+proto"), ("accept", chrome)], Program);
    }
}
