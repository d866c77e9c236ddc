//! Posted forms, read within bounds.
//!
//! Separate because a form is the one body that we read ourselves: its size, its type and the number of its
//! fields are limited, and a field that comes twice is an attack, not a choice (T-F13), unless it is one of boxes
//! to tick.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::proxy::Source;

/// The fields of a form.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, Value)>);

#[derive(Debug)]
enum Value {
    Text(String),
    File(Bytes),
}

/// What a form may be like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The size of all of it.
    pub(super) bytes_max: usize,
    /// The field that is made of boxes to tick, and may come often.
    pub(super) boxes: Option<&'static str>,
    /// Whether it may carry files, as `multipart/form-data`.
    pub(super) files: Files,
}

/// Whether a form may carry files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    /// It may.
    Allowed,
    /// It may not.
    Refused,
}

/// Why a form could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Problem {
    /// Not of a type that is expected here, or not in UTF-8: `415`.
    Type,
    /// Larger than the limit: `413`.
    Size,
    /// Broken off, too slow, too many fields, or a field given twice: `400`.
    Content,
}

impl Shape {
    /// A form of a few fields without files.
    pub(super) const fn plain(bytes_max: usize) -> Self {
        Self { bytes_max, boxes: None, files: Files::Refused }
    }
}

impl Form {
    /// Reads a plain form of at most `bytes_max`.
    pub(super) async fn read(request: Request<Source>, bytes_max: usize) -> Result<Self, Problem> {
        Self::read_as(request, Shape::plain(bytes_max)).await
    }

    /// Reads a form of a shape.
    pub(super) async fn read_as(request: Request<Source>, shape: Shape) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let boundary = match shape.files {
            Files::Allowed => boundary(&parts.headers),
            Files::Refused => None,
        };
        if boundary.is_none() && !is_form(&parts.headers) {
            return Err(Problem::Type);
        }
        let time_max = if boundary.is_some() { UPLOAD_TIME_MAX } else { READ_TIME_MAX };
        let collected = tokio::time::timeout(time_max, Limited::new(body, shape.bytes_max).collect()).await;
        let octets = match collected {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Problem::Size),
            Ok(Err(_)) | Err(_) => return Err(Problem::Content),
        };
        match boundary {
            Some(boundary) => Self::parse_parts(octets, boundary, shape).await,
            None => Self::parse(&octets, shape),
        }
    }

    fn parse(octets: &[u8], shape: Shape) -> Result<Self, Problem> {
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(octets).into_owned() {
            form.add(name, Value::Text(value), shape)?;
        }
        Ok(form)
    }

    /// Reads the parts of `multipart/form-data` (RFC 7578).
    async fn parse_parts(octets: Bytes, boundary: String, shape: Shape) -> Result<Self, Problem> {
        let stream = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(octets)]);
        let mut parts = multer::Multipart::new(stream, boundary);
        let mut form = Self::default();
        while let Some(part) = parts.next_field().await.map_err(|_| Problem::Content)? {
            let name = part.name().ok_or(Problem::Content)?.to_owned();
            let is_file = part.file_name().is_some();
            let octets = part.bytes().await.map_err(|_| Problem::Content)?;
            let value = if is_file {
                Value::File(octets)
            } else {
                Value::Text(String::from_utf8(octets.into()).map_err(|_| Problem::Content)?)
            };
            form.add(name, value, shape)?;
        }
        Ok(form)
    }

    fn add(&mut self, name: String, value: Value, shape: Shape) -> Result<(), Problem> {
        let is_box = shape.boxes == Some(name.as_str());
        let others = self.0.iter().filter(|(known, _)| shape.boxes != Some(known.as_str())).count();
        let is_twice = !is_box && self.0.iter().any(|(known, _)| *known == name);
        let is_too_many = if is_box { self.0.len() >= BOXES_MAX } else { others >= FIELDS_MAX };
        if is_twice || is_too_many {
            return Err(Problem::Content);
        }
        self.0.push((name, value));
        Ok(())
    }

    /// The value of a field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).next()
    }

    /// The value of a field; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        self.field(name).unwrap_or_default()
    }

    /// The values of a field of boxes.
    pub(super) fn fields<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).filter_map(|(_, value)| match value {
            Value::Text(text) => Some(text.as_str()),
            Value::File(_) => None,
        })
    }

    /// What was uploaded, or carried along in a field; empty if there is none.
    pub(super) fn octets(&self, name: &str) -> &[u8] {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, Value::File(octets))) => octets,
            Some((_, Value::Text(text))) => text.as_bytes(),
            None => &[],
        }
    }

    /// Whether a box was ticked.
    pub(super) fn is_ticked(&self, name: &str) -> bool {
        self.field(name) == Some("1")
    }

    /// All fields of text.
    pub(super) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| match value {
            Value::Text(text) => Some((name.as_str(), text.as_str())),
            Value::File(_) => None,
        })
    }
}

/// The boundary of `multipart/form-data`.
fn boundary(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (types.next().map(|value| value.to_str()), types.next()) else {
        return None;
    };
    multer::parse_boundary(value).ok()
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(Ok(value)), None) = (types.next().map(|value| value.to_str()), types.next()) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_urlencoded =
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/x-www-form-urlencoded"));
    is_urlencoded
        && parts.all(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("charset") && value.trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
        })
}

/// Ours have at most six fields, besides boxes.
const FIELDS_MAX: usize = 10;

/// More properties than any page lists.
const BOXES_MAX: usize = 2_000;

/// However slowly somebody sends.
const READ_TIME_MAX: Duration = Duration::from_secs(30);

/// 10 MiB over a poor line.
const UPLOAD_TIME_MAX: Duration = Duration::from_mins(2);

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Shape = Shape::plain(1_000);

    #[test]
    fn a_field_that_comes_twice_or_too_many_fields_are_refused() {
        let form = Form::parse(b"email=a%40b.example&return_to=%2F", PLAIN).unwrap();
        assert_eq!(form.field("email"), Some("a@b.example"));
        assert_eq!(form.field("other"), None);
        assert_eq!(Form::parse(b"a=1&a=1", PLAIN).unwrap_err(), Problem::Content);
        assert_eq!(Form::parse(b"a&b&c&d&e&f&g&h&i&j&k", PLAIN).unwrap_err(), Problem::Content);
    }

    #[test]
    fn boxes_may_come_often_and_only_those() {
        let shape = Shape { boxes: Some("property"), ..PLAIN };
        let form = Form::parse(b"property=a&level=x&property=b", shape).unwrap();
        assert_eq!(form.fields("property").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(Form::parse(b"property=a&level=x&level=x", shape).unwrap_err(), Problem::Content);
        let many = "property=a&".repeat(BOXES_MAX + 1);
        assert_eq!(Form::parse(many.as_bytes(), shape).unwrap_err(), Problem::Content);
    }

    #[tokio::test]
    async fn files_and_texts_come_in_parts() {
        let shape = Shape { files: Files::Allowed, ..PLAIN };
        let part = |head: &str, content: &str| {
            format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n")
        };
        let file = part("name=\"metadata\"; filename=\"a.xml\"", "<a/>");
        let text = part("name=\"domains\"", "a.example\r\nb.example");
        let read = async |body: String| Form::parse_parts(Bytes::from(body), "b".to_owned(), shape).await;
        let form = read(format!("{file}{text}--b--\r\n")).await.unwrap();
        assert_eq!((form.octets("metadata"), form.text("domains")), (&b"<a/>"[..], "a.example\r\nb.example"));
        assert_eq!(form.field("metadata"), None, "a file is no text");
        assert_eq!(read(format!("{text}{text}--b--\r\n")).await.unwrap_err(), Problem::Content, "twice");
        assert_eq!(read(file).await.unwrap_err(), Problem::Content, "broken off");
    }

    #[test]
    fn only_urlencoded_utf_8_is_a_form() {
        let check = |value: &'static str, wanted: bool| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, http::HeaderValue::from_static(value))]);
            assert_eq!(is_form(&headers), wanted, "{value}");
        };
        check("application/x-www-form-urlencoded", true);
        check("Application/X-WWW-Form-Urlencoded; charset=\"UTF-8\"", true);
        check("application/x-www-form-urlencoded; charset=utf-7", false);
        check("multipart/form-data; boundary=x", false);
        check("text/plain", false);
        assert!(!is_form(&HeaderMap::new()));
    }
}
