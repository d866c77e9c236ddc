//! When responses are made, as it stands in their heads.
//!
//! Separate because the connections of a core share it: it is the same for all responses of a second.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use http::header::DATE;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::clock::Clock;
use crate::http1::head;

/// The date of the responses of one core.
#[derive(Debug, Clone)]
pub(super) struct Dates(Rc<Calendar>);

#[derive(Debug)]
struct Calendar {
    clock: Arc<dyn Clock>,
    /// The second that was written down last, and how it is written in a head.
    today: RefCell<(i64, String)>,
}

impl Dates {
    /// By this clock.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(Rc::new(Calendar { clock, today: RefCell::default() }))
    }

    /// Adds when a response was made (RFC 9110 6.6.1).
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let now = self.0.clock.now();
        let mut today = self.0.today.borrow_mut();
        if today.0 != now.as_second() {
            let printer = DateTimePrinter::new();
            // Fails for years with more than four digits.
            let text = printer.timestamp_to_rfc9110_string(&now).unwrap_or_default();
            *today = (now.as_second(), text);
        }
        head::put_field(out, &DATE, today.1.as_bytes());
    }
}
