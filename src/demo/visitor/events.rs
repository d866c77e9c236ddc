//! An open event stream (HTML, section 9.2).
//!
//! Separate because the Waiting Room's promise is about time: what is measured is the moment at which the
//! event has arrived, not when somebody looks.

use std::time::Duration;

use anyhow::{Context, anyhow, bail, ensure};
use http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

/// A stream of events.
#[derive(Debug)]
pub(crate) struct Events {
    body: Incoming,
    unread: Vec<u8>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its name; `message` if it has none.
    pub(crate) name: String,
    /// Its data.
    pub(crate) data: String,
}

impl Events {
    /// Takes over an answer that is an event stream.
    pub(crate) fn of(response: Response<Incoming>) -> anyhow::Result<Self> {
        ensure!(response.status() == StatusCode::OK, "the event stream answers {}", response.status());
        let content_type = response.headers().get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
        ensure!(
            content_type.is_some_and(|value| value.starts_with(b"text/event-stream")),
            "the event stream is none"
        );
        Ok(Self { body: response.into_body(), unread: Vec::new() })
    }

    /// The next event of that name; others are passed over.
    pub(crate) async fn next(&mut self, name: &str, within: Duration) -> anyhow::Result<Event> {
        timeout(within, async {
            loop {
                while let Some(event) = self.take() {
                    if event.name == name {
                        return Ok(event);
                    }
                }
                let frame = self.body.frame().await.ok_or_else(|| anyhow!("the event stream ended"))??;
                if let Ok(data) = frame.into_data() {
                    self.unread.extend_from_slice(&data);
                }
                if self.unread.len() > EVENT_OCTETS_MAX {
                    bail!("an event is larger than {EVENT_OCTETS_MAX} octets");
                }
            }
        })
        .await
        .with_context(|| format!("no event `{name}` within {} ms", within.as_millis()))?
    }

    /// Waits for the stream to end, from whichever side and however roughly.
    pub(crate) async fn end(&mut self, within: Duration) -> anyhow::Result<()> {
        timeout(within, async { while let Some(Ok(_)) = self.body.frame().await {} })
            .await
            .with_context(|| format!("the stream did not end within {} ms", within.as_millis()))
    }

    /// The first whole event that was received, with data.
    fn take(&mut self) -> Option<Event> {
        loop {
            let end = self.unread.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            if let Some(event) = read(&String::from_utf8_lossy(&block)) {
                return Some(event);
            }
        }
    }
}

/// Comments and blocks without data are no events.
fn read(block: &str) -> Option<Event> {
    let mut name = "message".to_owned();
    let mut data: Vec<&str> = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut name),
            "data" => data.push(value),
            _ => {}
        }
    }
    (!data.is_empty()).then(|| Event { name, data: data.join("\n") })
}

const EVENT_OCTETS_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_with_their_names_and_comments_are_passed_over() {
        let event = |name: &str, data: &str| Some(Event { name: name.to_owned(), data: data.to_owned() });
        assert_eq!(
            read("event: released\ndata: /work-orders/1024\n\n"),
            event("released", "/work-orders/1024")
        );
        assert_eq!(read("data:a\ndata: b\n\n"), event("message", "a\nb"));
        assert_eq!(read(": still here\n\n"), None);
        assert_eq!(read("retry: 1000\n\n"), None);
    }
}
