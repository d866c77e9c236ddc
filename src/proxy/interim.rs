//! Interim responses (RFC 9110 15.2) on their way from the application to the client, such as `103 Early Hints`.
//!
//! Separate because they overtake the response that is being waited for: whoever waits leaves them here, and whoever
//! writes to the client looks here before anything else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{HeaderMap, Response, StatusCode};

use super::response;

/// Where the interim responses of one client are left. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interim(Arc<Mutex<Vec<(StatusCode, HeaderMap)>>>);

impl Interim {
    /// Leaves one; without what belongs to the hop, and without cookies, which only the response may set.
    pub(super) fn leave(&self, head: Response<()>) {
        let (mut parts, ()) = head.into_parts();
        response::strip_hop(&mut parts.headers);
        for name in [SET_COOKIE, CONTENT_LENGTH] {
            parts.headers.remove(name);
        }
        self.lock().push((parts.status, parts.headers));
    }

    /// Takes what was left, in its order.
    pub(crate) fn take(&self) -> Vec<(StatusCode, HeaderMap)> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(StatusCode, HeaderMap)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
