//! Waiting for a slot.
//!
//! Nothing is lost between the two sides: who waits registers, then tries, then sleeps; who releases puts
//! the slot into a list, then looks whether anybody is registered. All four steps are sequentially consistent,
//! so at least one of the two sees the other.

use crate::sync::{AtomicUsize, Ordering, order};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Those who wait.
#[derive(Debug)]
pub(crate) struct Waiters {
    registered: AtomicUsize,
    queue: Mutex<Queue>,
    turn: Condvar,
}

/// Numbered tickets: the lowest number has waited longest.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    waiting: BTreeMap<u64, Waiter>,
}

#[derive(Debug)]
enum Waiter {
    /// Sleeps on the condition variable.
    Thread,
    /// Wants to be polled.
    Task(Waker),
    /// Was told to try again.
    Called,
}

/// One who waits. Leaving gives a call that came too late to the next one.
#[derive(Debug)]
struct Ticket<'a> {
    waiters: &'a Waiters,
    number: u64,
}

impl Waiters {
    pub(crate) fn new() -> Waiters {
        Waiters { registered: AtomicUsize::new(0), queue: Mutex::default(), turn: Condvar::new() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After a slot was put into a list: tells the one who has waited longest. One load where nobody waits.
    #[inline]
    pub(crate) fn call(&self) {
        order();
        if self.registered.load(Ordering::SeqCst) > 0 {
            self.call_next();
        }
    }

    #[cold]
    fn call_next(&self) {
        let mut queue = self.queue();
        let next = queue.waiting.values_mut().find(|waiter| !matches!(waiter, Waiter::Called));
        let Some(next) = next else { return };
        let told = core::mem::replace(next, Waiter::Called);
        drop(queue);
        match told {
            Waiter::Task(waker) => waker.wake(),
            _ => self.turn.notify_all(),
        }
    }

    fn register(&self, waiter: Waiter) -> Ticket<'_> {
        let mut queue = self.queue();
        let number = queue.next;
        queue.next += 1;
        queue.waiting.insert(number, waiter);
        self.registered.fetch_add(1, Ordering::SeqCst);
        order();
        Ticket { waiters: self, number }
    }

    /// Blocks until `attempt` has a result or time is up; then `None`.
    pub(crate) fn wait<R>(&self, timeout: Duration, mut attempt: impl FnMut() -> Option<R>) -> Option<R> {
        let until = Instant::now().checked_add(timeout);
        let ticket = self.register(Waiter::Thread);
        loop {
            if let Some(result) = attempt() {
                return Some(result);
            }
            let mut queue = self.queue();
            while !matches!(queue.waiting.get(&ticket.number), Some(Waiter::Called)) {
                // Without an end that can be expressed, wake up now and then.
                let left =
                    until.map_or(Duration::from_secs(3600), |until| until.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return None;
                }
                queue = self.turn.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            queue.waiting.insert(ticket.number, Waiter::Thread);
        }
    }

    /// A future of what `attempt` returns.
    pub(crate) fn poll<R, F: FnMut() -> Option<R>>(&self, attempt: F) -> Attempts<'_, F> {
        Attempts { waiters: self, ticket: None, attempt }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let waiter = self.waiters.queue().waiting.remove(&self.number);
        self.waiters.registered.fetch_sub(1, Ordering::SeqCst);
        if matches!(waiter, Some(Waiter::Called)) {
            // Maybe this one did not need the call, or gave up: somebody else may.
            self.waiters.call();
        }
    }
}

/// Tries again whenever there may be a slot.
#[derive(Debug)]
pub(crate) struct Attempts<'a, F> {
    waiters: &'a Waiters,
    ticket: Option<Ticket<'a>>,
    attempt: F,
}

impl<F> Unpin for Attempts<'_, F> {}

impl<R, F: FnMut() -> Option<R>> Future for Attempts<'_, F> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<R> {
        let waiters = self.waiters;
        let waiting = Waiter::Task(context.waker().clone());
        match &self.ticket {
            Some(ticket) => {
                waiters.queue().waiting.insert(ticket.number, waiting);
            }
            None => self.ticket = Some(waiters.register(waiting)),
        }
        match (self.attempt)() {
            Some(result) => {
                self.ticket = None;
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}
