//! Waiting for a slot.
//!
//! Nothing is lost between the two sides: who waits registers, then tries, then sleeps; who releases puts
//! the slot where it can be found, then looks whether anybody is registered. All four steps are sequentially
//! consistent, so at least one of the two sees the other.
//!
//! A release calls one of those who wait, the one who has waited longest. For that one it may be too little and
//! for another enough, so a call goes from one to the next: to those who want something else, until it has served somebody;
//! then to those who lack memory, of which one slot may have held enough for several. So each template is asked for once
//! for each release.

use crate::allocator::{AllocateError, InstanceAllocator, Slot};
use crate::queue::{Call, Lack, Outcome, Queue, Sleeper, State, Waiter};
use crate::template::Template;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
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
            let waited = waiters.wait(timeout, key_of(template), || allocator.allocate(template));
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
            Some(waiters) => waiters.poll(key_of(template), move || allocator.allocate(template)).await,
            None => allocator.allocate(template),
        }
    }
}

/// What a template is known by among those who wait, each of whom keeps it.
fn key_of(template: &Arc<Template>) -> usize {
    Arc::as_ptr(template) as usize
}

/// Those who wait for a slot of an allocator; its part of [`allocate_blocking`] and [`allocate_async`].
///
/// Whoever implements an allocator keeps one, [shows](InstanceAllocator::waiters) it, and [calls](Waiters::call) it when
/// a slot was released, or memory that slots share; and when either is back that had been taken for an attempt which
/// failed, or was in nobody's list for another reason: who tried meanwhile found it missing.
#[derive(Debug, Default)]
pub struct Waiters {
    registered: AtomicUsize,
    queue: Mutex<Queue>,
    turn: Condvar,
}

/// One who waits. Leaving gives a call that came too late to the next one.
#[derive(Debug)]
struct Ticket<'a> {
    waiters: &'a Waiters,
    number: u64,
    /// What led to the attempt that is being made.
    call: Option<Call>,
}

impl Waiters {
    /// Nobody.
    pub fn new() -> Waiters {
        Waiters::default()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the one who has waited longest that there may be a slot, who tells others if it is of no use. One load where
    /// nobody waits. Not under a lock that `allocate` takes: what is woken may run at once.
    ///
    /// What made the slot available comes before, and is sequentially consistent or under such a lock.
    #[inline]
    pub fn call(&self) {
        if self.registered.load(Ordering::SeqCst) > 0 {
            self.pass(Call::default(), 0);
        }
    }

    #[cold]
    fn pass(&self, call: Call, from: u64) {
        let told = self.queue().pass(call, from, Outcome::Failed);
        self.wake(told);
    }

    fn wake(&self, told: Option<Sleeper>) {
        match told {
            Some(Sleeper::Task(waker)) => waker.wake(),
            Some(Sleeper::Thread) => self.turn.notify_all(),
            None => (),
        }
    }

    fn register(&self, template: usize, sleeper: Sleeper) -> Ticket<'_> {
        let mut queue = self.queue();
        let number = queue.enter(template, sleeper);
        self.registered.fetch_add(1, Ordering::SeqCst);
        Ticket { waiters: self, number, call: None }
    }

    /// Blocks until `allocate` has a result that does not pass, or time is up; then `None`.
    fn wait(
        &self,
        timeout: Option<Duration>,
        template: usize,
        mut allocate: impl FnMut() -> Result<Slot, AllocateError>,
    ) -> Option<Result<Slot, AllocateError>> {
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut ticket = self.register(template, Sleeper::Thread);
        loop {
            if let Some(result) = ticket.attempt(&mut allocate) {
                return Some(result);
            }
            let mut queue = self.queue();
            while !queue.is_called(ticket.number) {
                // Without an end that can be expressed, wake up now and then.
                let left =
                    until.map_or(Duration::from_secs(3600), |until| until.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return None;
                }
                queue = self.turn.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            drop(queue);
            ticket.wait_again(Sleeper::Thread);
        }
    }

    /// A future of what `allocate` returns that does not pass.
    fn poll<F>(&self, template: usize, allocate: F) -> Attempts<'_, F>
    where
        F: FnMut() -> Result<Slot, AllocateError>,
    {
        Attempts { waiters: self, template, ticket: None, allocate }
    }
}

impl Ticket<'_> {
    /// Before another attempt: a call that comes from here on is one more.
    fn wait_again(&mut self, sleeper: Sleeper) {
        // Dropped when the queue is free again: a waker may be the last that keeps a slot.
        let before = self.waiters.queue().wait_again(self.number, sleeper);
        if let Some(State::Called(call)) = before {
            self.call = Some(call);
        }
    }

    /// Tries, and passes on the call that led to it; `None` where it is worth waiting.
    fn attempt(
        &mut self,
        allocate: &mut impl FnMut() -> Result<Slot, AllocateError>,
    ) -> Option<Result<Slot, AllocateError>> {
        let result = allocate();
        let outcome = match &result {
            Ok(_) => Outcome::Served,
            Err(error) => Lack::of(error).map_or(Outcome::Failed, Outcome::Without),
        };
        let call = self.call.take();
        let told = self.waiters.queue().answer(self.number, call, outcome);
        self.waiters.wake(told);
        (!matches!(outcome, Outcome::Without(_))).then_some(result)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let waiter = self.waiters.queue().leave(self.number);
        self.waiters.registered.fetch_sub(1, Ordering::SeqCst);
        // Maybe this one did not need the call, or gave up: somebody else may. One is left that led to an attempt where
        // that panicked.
        let late = waiter.and_then(Waiter::into_call);
        for call in [self.call.take(), late].into_iter().flatten() {
            self.waiters.pass(call, self.number + 1);
        }
    }
}

/// Tries again whenever there may be a slot.
#[derive(Debug)]
struct Attempts<'a, F> {
    waiters: &'a Waiters,
    template: usize,
    ticket: Option<Ticket<'a>>,
    allocate: F,
}

impl<F> Unpin for Attempts<'_, F> {}

impl<F: FnMut() -> Result<Slot, AllocateError>> Future for Attempts<'_, F> {
    type Output = Result<Slot, AllocateError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let sleeper = Sleeper::Task(context.waker().clone());
        let ticket = match &mut this.ticket {
            Some(ticket) => {
                ticket.wait_again(sleeper);
                ticket
            }
            None => this.ticket.insert(this.waiters.register(this.template, sleeper)),
        };
        match ticket.attempt(&mut this.allocate) {
            Some(result) => {
                this.ticket = None;
                Poll::Ready(result)
            }
            None => Poll::Pending,
        }
    }
}
