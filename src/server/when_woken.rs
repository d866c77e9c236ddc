//! A future that is polled only when it has something to say.
//!
//! Separate because a connection waits for the end of the process as long as it lasts, and each of its requests wakes it:
//! to ask a token whether it is cancelled takes a lock, and nothing has to be asked that would have called.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled at first, and then when it has woken its task.
pub(super) struct WhenWoken<'a, F> {
    future: Pin<&'a mut F>,
    call: Option<Arc<Call>>,
}

/// Remembers that it was the future that has woken the task.
struct Call {
    task: Waker,
    has_called: AtomicBool,
}

impl Wake for Call {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_called.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

impl<'a, F> WhenWoken<'a, F> {
    pub(super) const fn new(future: Pin<&'a mut F>) -> Self {
        Self { future, call: None }
    }
}

impl<F: Future> Future for WhenWoken<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, call } = &mut *self;
        let call = match call {
            Some(call) if call.task.will_wake(context.waker()) => {
                if !call.has_called.load(Ordering::Relaxed) {
                    return Poll::Pending;
                }
                call.has_called.swap(false, Ordering::Acquire);
                call
            }
            // At first, or in the hands of another task.
            call => {
                let task = context.waker().clone();
                call.insert(Arc::new(Call { task, has_called: AtomicBool::new(false) }))
            }
        };
        let waker = Waker::from(Arc::clone(call));
        future.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::atomic::AtomicU32;

    use tokio_util::sync::CancellationToken;

    use super::*;

    /// Counts how often a task was woken.
    #[derive(Default)]
    struct Woken(AtomicU32);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn it_is_polled_at_first_when_it_has_called_and_by_another_task() {
        let (polls, token) = (Cell::new(0), CancellationToken::new());
        let mut cancelled = pin!(token.cancelled());
        let counted = pin!(poll_fn(|context| {
            polls.set(polls.get() + 1);
            cancelled.as_mut().poll(context)
        }));
        let mut rare = WhenWoken::new(counted);
        let (task, other) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
        let mut poll = |task: &Arc<Woken>| {
            let waker = Waker::from(Arc::clone(task));
            Pin::new(&mut rare).poll(&mut Context::from_waker(&waker))
        };
        for _ in 0..3 {
            assert!(poll(&task).is_pending());
        }
        assert_eq!(polls.get(), 1, "what woke the task was something else");
        for _ in 0..3 {
            assert!(poll(&other).is_pending());
        }
        assert_eq!(polls.get(), 2, "another task makes itself known once");
        token.cancel();
        assert_eq!((task.0.load(Ordering::SeqCst), other.0.load(Ordering::SeqCst)), (0, 1));
        assert!(poll(&other).is_ready(), "it has called");
        assert_eq!(polls.get(), 3);
    }
}
