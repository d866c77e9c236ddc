//! Interim responses (RFC 9110 15.2) on their way from the application to the client, such as `103 Early Hints`.
//!
//! Separate because they overtake the response that is being waited for: whoever waits leaves them here, and whoever
//! writes to the client looks here before anything else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;

use crate::http1::fields::{Fields, Known};
use crate::http1::head::ResponseHead;

use super::response;

/// Where the interim responses of one client are left. Clones are the same place.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interim(Arc<Left>);

#[derive(Debug, Default)]
struct Left {
    /// Whether it is worth a look.
    is_any: AtomicBool,
    responses: Mutex<Vec<(StatusCode, Fields)>>,
}

impl Interim {
    /// Leaves one; without what belongs to the hop, and without cookies, which only the response may set.
    pub(super) fn leave(&self, head: ResponseHead) {
        let ResponseHead { status, mut fields, .. } = head;
        response::strip_hop(&mut fields);
        fields.retain(|field| !matches!(field.known, Known::SetCookie | Known::ContentLength));
        self.lock().push((status, fields));
        self.0.is_any.store(true, Ordering::Release);
    }

    /// Takes what was left, in its order.
    pub(crate) fn take(&self) -> Vec<(StatusCode, Fields)> {
        if !self.0.is_any.load(Ordering::Acquire) {
            return Vec::new();
        }
        self.0.is_any.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(StatusCode, Fields)>> {
        self.0.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
