//! The connections of one core, to close those that are idle.
//!
//! Separate because nobody but the guard of the memory asks for them all.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Weak;

use tokio::task::AbortHandle;

use super::watch::Watch;

/// The tasks of connections that are served.
#[derive(Default)]
pub(super) struct Open {
    entries: RefCell<HashMap<u64, (Weak<Watch>, AbortHandle)>>,
    next: Cell<u64>,
}

impl Open {
    /// Runs a connection on this core; it holds its entry until it is over.
    pub(super) fn spawn<F>(self: &Rc<Self>, watch: Weak<Watch>, connection: impl FnOnce(Entry) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        let task = tokio::task::spawn_local(connection(Entry { open: Rc::clone(self), number }));
        self.entries.borrow_mut().insert(number, (watch, task.abort_handle()));
    }

    /// Ends those on which nothing is going on, and returns how many these are.
    pub(super) fn close_idle(&self) -> usize {
        let entries = self.entries.borrow();
        let idle = entries.values().filter(|(watch, _)| watch.upgrade().is_some_and(|watch| watch.is_idle()));
        idle.map(|(_, task)| task.abort()).count()
    }
}

/// A connection's entry; it is removed when the connection's task ends, however that is.
pub(super) struct Entry {
    open: Rc<Open>,
    number: u64,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.open.entries.borrow_mut().remove(&self.number);
    }
}
