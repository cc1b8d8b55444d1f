//! Waiting for a slot.
//!
//! Nothing is lost between the two sides: who waits registers, then tries, then sleeps; who releases puts
//! the slot where it can be found, then looks whether anybody is registered. All four steps are sequentially
//! consistent, so at least one of the two sees the other.

use crate::allocator::{AllocateError, InstanceAllocator, Slot};
use crate::template::Template;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// As [`InstanceAllocator::allocate`], but where there is no slot, blocks until one is released; at most for
/// `timeout`, without an end if that is `None`.
///
/// # Errors
///
/// As `allocate`. An error that [passes](AllocateError::passes) means that time is up, or that the allocator cannot
/// [tell](InstanceAllocator::waiters) when a slot is released.
pub fn allocate_blocking(
    allocator: &(impl InstanceAllocator + ?Sized),
    template: &Arc<Template>,
    timeout: Option<Duration>,
) -> Result<Slot, AllocateError> {
    match (allocator.allocate(template), allocator.waiters()) {
        (Err(error), Some(waiters)) if error.passes() => {
            let waited = waiters.wait(timeout, || attempt(allocator, template));
            waited.unwrap_or(Err(error))
        }
        (result, _) => result,
    }
}

/// As [`InstanceAllocator::allocate`], but where there is no slot, the future is not ready before one was released. No
/// thread waits; a future that is dropped waits no more.
///
/// Fails as `allocate`. An error that [passes](AllocateError::passes) means that the allocator cannot
/// [tell](InstanceAllocator::waiters) when a slot is released.
#[expect(clippy::manual_async_fn, reason = "says that the future can be sent")]
pub fn allocate_async<'a, A: InstanceAllocator + ?Sized>(
    allocator: &'a A,
    template: &'a Arc<Template>,
) -> impl Future<Output = Result<Slot, AllocateError>> + Send + 'a {
    async move {
        match allocator.waiters() {
            Some(waiters) => waiters.poll(move || attempt(allocator, template)).await,
            None => allocator.allocate(template),
        }
    }
}

/// `None` where it is worth waiting.
fn attempt(
    allocator: &(impl InstanceAllocator + ?Sized),
    template: &Arc<Template>,
) -> Option<Result<Slot, AllocateError>> {
    Some(allocator.allocate(template)).filter(|result| !result.as_ref().is_err_and(AllocateError::passes))
}

/// Those who wait for a slot of an allocator; its part of [`allocate_blocking`] and [`allocate_async`].
///
/// Whoever implements an allocator keeps one, [shows](InstanceAllocator::waiters) it, and [calls](Waiters::call) it when
/// a slot was released, or when memory was that slots share.
#[derive(Debug, Default)]
pub struct Waiters {
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
    /// Nobody.
    pub fn new() -> Waiters {
        Waiters::default()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the one who has waited longest that there may be a slot. One load where nobody waits.
    ///
    /// What made the slot available comes before, and is sequentially consistent or under a lock that `allocate` takes.
    #[inline]
    pub fn call(&self) {
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
        Ticket { waiters: self, number }
    }

    /// Blocks until `attempt` has a result or time is up; then `None`.
    fn wait<R>(&self, timeout: Option<Duration>, mut attempt: impl FnMut() -> Option<R>) -> Option<R> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
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
    fn poll<R, F: FnMut() -> Option<R>>(&self, attempt: F) -> Attempts<'_, F> {
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
struct Attempts<'a, F> {
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
                // Dropped when the queue is free again: it may be the last that keeps a slot.
                let old = waiters.queue().waiting.insert(ticket.number, waiting);
                drop(old);
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
