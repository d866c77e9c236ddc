//! The event stream of an open Waiting Room.
//!
//! Separate because it must move on within a second of the grant, in every open tab, and cost next to nothing
//! while nothing happens.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::admin::{self, Progress};
use crate::directory::Standing;
use crate::proxy::Body;
use crate::routes::reply::{self, Decision};
use crate::routes::waiting_room::account_of;
use crate::routes::work::on_control;
use crate::routes::{Call, Shared};
use crate::secret::sha256;
use crate::sign_on::Visitor;
use crate::store;
use crate::target::ReturnPath;

impl Call {
    /// `GET /.anteroom/waiting-room/events`: `event: status` when something has happened to the request for the
    /// visitor since the page was made, `event: released` with the deep link as soon as the visitor is let in, and
    /// now and then `event: waiting` (HTML Living Standard 9.2).
    pub(in crate::routes) async fn waiting_room_events(&self) -> Response<Body> {
        let visitor = match self.visitor().await {
            Ok(Some(visitor)) => visitor,
            Ok(None) => return self.nobody(),
            Err(error) => return self.unavailable(&error),
        };
        let user = visitor.live().session().user.clone();
        let waiting = Waiting {
            return_path: self.wanted(&visitor),
            changes: visitor.live().changes(),
            shared: Arc::clone(&self.shared),
            _counted: self.shared.open_pages.one_more(),
            visitor,
            told: self.query("told"),
        };
        let telling = Telling { room: waiting, stage: Stage::Opening };
        let stream = futures_util::stream::unfold(telling, Telling::next);
        let mut response = Response::new(Body::boxed(StreamBody::new(stream)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        reply::decided(response, Decision::WaitingRoom, Some(user), None)
    }
}

/// How many pages wait for their release on this node.
#[derive(Debug, Clone, Default)]
pub struct OpenPages(Arc<AtomicU64>);

impl OpenPages {
    /// The number.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) -> OpenPage {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenPage(self.clone())
    }
}

/// Counts one page as long as it lives.
struct OpenPage(OpenPages);

impl Drop for OpenPage {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// An open page.
struct Waiting {
    visitor: Visitor,
    return_path: ReturnPath,
    changes: tokio::sync::watch::Receiver<()>,
    shared: Arc<Shared>,
    _counted: OpenPage,
    /// What the page knows of the newest request; `None` until the store was asked for a page that does not say.
    told: Option<String>,
}

/// What a stream tells of. The server has one kind; tests have one whose store fails when they want it to.
trait Room: Send + Sized {
    /// Where the visitor stands, from memory alone.
    fn look(&mut self) -> Seen;
    /// How far the request has come, if the page does not know it yet; asks the store.
    fn news(&mut self) -> impl Future<Output = store::Result<Option<&'static str>>> + Send;
    /// Waits until something has happened; `false` once nothing ever will.
    fn woken(&mut self) -> impl Future<Output = bool> + Send;
    /// Waits as long as a stream may be silent.
    fn heartbeat() -> impl Future<Output = ()> + Send;
}

/// Where a visitor stands.
enum Seen {
    Waiting,
    /// Let in, and where to go.
    Released(ReturnPath),
    /// The session or the process has ended.
    Gone,
}

/// A room and how far its stream is.
struct Telling<R> {
    room: R,
    stage: Stage,
}

enum Stage {
    Opening,
    /// Something may have happened that the store has not been asked for yet.
    Woken,
    /// Nothing has happened.
    Quiet,
    Over,
}

impl<R: Room> Telling<R> {
    /// The next piece of the stream. Ends after the release, with the session, and when the process drains;
    /// the browser then asks again by itself. The store is asked only when something has happened.
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, Infallible>, Self)> {
        match self.stage {
            Stage::Opening => {
                self.stage = Stage::Woken;
                return Some((Ok(frame("retry: 1000\n\n")), self));
            }
            Stage::Woken | Stage::Quiet => {}
            Stage::Over => return None,
        }
        loop {
            match self.room.look() {
                Seen::Waiting => {}
                Seen::Released(path) => {
                    self.stage = Stage::Over;
                    let event = format!("event: released\ndata: {}\n\n", path.as_str());
                    return Some((Ok(frame(event)), self));
                }
                Seen::Gone => return None,
            }
            if matches!(self.stage, Stage::Woken) {
                match self.room.news().await {
                    Ok(news) => {
                        self.stage = Stage::Quiet;
                        if let Some(code) = news {
                            return Some((Ok(frame(format!("event: status\ndata: {code}\n\n"))), self));
                        }
                    }
                    // Asked again after the heartbeat, so that nothing is lost for longer.
                    Err(error) => {
                        tracing::warn!(error = %error, "an open Waiting Room cannot be told where things stand");
                    }
                }
            }
            tokio::select! {
                biased;
                goes_on = self.room.woken() => {
                    if !goes_on {
                        return None;
                    }
                    self.stage = Stage::Woken;
                }
                () = R::heartbeat() => return Some((Ok(frame(ALIVE)), self)),
            }
        }
    }
}

impl Room for Waiting {
    fn look(&mut self) -> Seen {
        self.changes.borrow_and_update();
        self.visitor = self.shared.sign_on.again(&self.visitor);
        if self.visitor.live().ended().is_over() || self.shared.closing.is_cancelled() {
            return Seen::Gone;
        }
        match self.visitor.standing() {
            Standing::Admitted(_) => Seen::Released(self.return_path.clone()),
            Standing::Waiting | Standing::Disabled => Seen::Waiting,
        }
    }

    async fn news(&mut self) -> store::Result<Option<&'static str>> {
        let (admin, account) = (Arc::clone(&self.shared.admin), account_of(&self.visitor));
        let standing = on_control(&self.shared, async move { admin.standing_of(&account).await }).await;
        let progress = match standing {
            Ok(progress) => progress,
            Err(admin::Error::Store(error)) => return Err(error),
            Err(admin::Error::Refused(_)) => return Ok(None),
        };
        let before = self.told.replace(told_of(&progress));
        let is_new = before.is_some() && before != self.told;
        Ok(is_new.then(|| code_of(&progress)))
    }

    async fn woken(&mut self) -> bool {
        tokio::select! {
            changed = self.changes.changed() => changed.is_ok(),
            // The next look finds that it is over.
            () = self.shared.closing.cancelled() => true,
        }
    }

    async fn heartbeat() {
        tokio::time::sleep(HEARTBEAT).await;
    }
}

fn frame(text: impl Into<Bytes>) -> Frame<Bytes> {
    Frame::data(text.into())
}

/// What a page knows once it shows this, so that two can be compared.
pub(super) fn told_of(progress: &Progress) -> String {
    let [first, second, third, fourth, ..] = sha256(format!("{progress:?}").as_bytes());
    format!("{}.{:08x}", code_of(progress), u32::from_be_bytes([first, second, third, fourth]))
}

const fn code_of(progress: &Progress) -> &'static str {
    match progress {
        Progress::NotRequested => "none",
        Progress::Received(_) => "received",
        Progress::InWork(_) => "in_work",
        Progress::NeedsInfo { .. } => "needs_info",
        Progress::Denied { .. } => "denied",
    }
}

/// An event and not a comment, so that the page itself can tell a stream that lives from one that is cut off.
const ALIVE: &str = "event: alive\ndata: 1\n\n";

/// Often enough for proxies in between to keep the stream open; the page waits for two of them.
const HEARTBEAT: Duration = Duration::from_secs(20);

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// A room that changes so many times, whose store answers as it is told to, and whose heartbeats come at once.
    struct Scripted {
        answers: VecDeque<store::Result<Option<&'static str>>>,
        changes: u32,
    }

    impl Room for Scripted {
        fn look(&mut self) -> Seen {
            Seen::Waiting
        }

        async fn news(&mut self) -> store::Result<Option<&'static str>> {
            self.answers.pop_front().expect("the store is not asked without need")
        }

        async fn woken(&mut self) -> bool {
            if self.changes == 0 {
                std::future::pending::<()>().await;
            }
            self.changes -= 1;
            true
        }

        async fn heartbeat() {}
    }

    fn failed() -> store::Result<Option<&'static str>> {
        Err(store::Error::Unavailable("the disk is full".into()))
    }

    /// The first lines of the next pieces of a stream.
    async fn pieces(room: Scripted, count: usize) -> Vec<String> {
        let mut telling = Telling { room, stage: Stage::Opening };
        let mut pieces = Vec::new();
        for _ in 0..count {
            let (piece, next) = telling.next().await.expect("the stream goes on");
            let octets = piece.expect("it never fails").into_data().expect("it is data");
            let text = String::from_utf8(octets.to_vec()).expect("it is text");
            pieces.push(text.lines().next().unwrap_or_default().to_owned());
            telling = next;
        }
        pieces
    }

    #[tokio::test]
    async fn the_store_is_asked_again_after_it_has_failed_and_not_before() {
        let answers = [failed(), failed(), Ok(Some("approved"))].into();
        let room = Scripted { answers, changes: 0 };
        let told = ["retry: 1000", "event: alive", "event: alive", "event: status", "event: alive"];
        assert_eq!(pieces(room, told.len()).await, told, "once with each heartbeat, until it has answered");
    }

    #[tokio::test]
    async fn a_change_is_told_at_once_and_a_quiet_room_asks_nothing() {
        let answers = [Ok(None), failed(), Ok(Some("in_work"))].into();
        let room = Scripted { answers, changes: 2 };
        let told = ["retry: 1000", "event: status", "event: alive", "event: alive"];
        assert_eq!(pieces(room, told.len()).await, told);
    }

    #[test]
    fn the_script_of_the_page_hears_the_sign_of_life() {
        let name = ALIVE.lines().find_map(|line| line.strip_prefix("event: ")).unwrap();
        let script = include_str!("../../pages/assets/waiting-room.js");
        assert!(script.contains(&format!("\"{name}\"")), "{name}");
        // Without a `data` line the event is none (HTML Living Standard 9.2.6).
        assert!(ALIVE.contains("\ndata:") && ALIVE.ends_with("\n\n"));
    }
}
