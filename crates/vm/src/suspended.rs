//! Calls that can be suspended, as futures.

#![expect(unsafe_code, reason = "starts and resumes guest code")]

use crate::access::Access;
use crate::call::{CallError, Callee};
use crate::machine::{Entry, Progress, Reason, Resume, Unwind, resume, start};
use core::pin::Pin;
use core::task::{Context, Poll};
use hatchery_image::TrapCode;
use hatchery_image::abi::RawVal;

/// A call of a guest function, as a future of its results. Dropping it while it is suspended cancels it: the future that
/// it waits for is dropped, and the guest's activation ends. So it does when the instance is asked to stop meanwhile, and the call
/// ends with that trap.
#[must_use = "a call does nothing until it is polled"]
pub struct CallFuture<'a, T> {
    access: Access<'a, T>,
    callee: Callee,
    /// Parameters, then results. Not moved or dropped while the guest runs or is suspended.
    values: Vec<RawVal>,
    state: State,
}

/// ```text
///  New --poll--> Suspended --poll--> Suspended | Done
///  New --poll--> Done
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Suspended,
    Done,
}

impl<T> core::fmt::Debug for CallFuture<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CallFuture").field("state", &self.state).finish_non_exhaustive()
    }
}

impl<'a, T> Access<'a, T> {
    /// Calls a guest function that may call async host functions. `values` has its parameters; the future's
    /// output has its results.
    pub fn call_async(self, callee: &Callee, values: Vec<RawVal>) -> CallFuture<'a, T> {
        CallFuture { access: self, callee: *callee, values, state: State::New }
    }
}

impl<T> CallFuture<'_, T> {
    fn begin(&mut self) -> Result<Progress, CallError> {
        let inner = self.access.inner();
        if self.values.len() < self.callee.slots() {
            self.values.resize(self.callee.slots(), RawVal::ZERO);
        }
        inner.check_call(&self.callee, &self.values)?;
        let record = match inner.record.get() {
            Some(record) => record,
            None => inner.attach()?,
        };
        let entry = Entry {
            guest: &inner.context,
            trampoline: self.callee.trampoline,
            vmctx: inner.vmctx.as_ptr(),
            callee: self.callee.code,
            args: self.values.as_mut_ptr(),
        };
        // SAFETY: as in `Access::call`. What the entry refers to stays valid until the task is idle: the instance
        // by the borrow, or, when this future is leaked, because its drop cancels the task first; the values because
        // they are on the heap, and leaked with the future.
        Ok(unsafe { start(record, &entry) })
    }

    fn go_on(&mut self) -> Progress {
        let record = self.access.inner().record.get().expect("a suspended call has a stack");
        // SAFETY: the record is of the instance's own task, which only this future uses (I3, I6).
        unsafe { resume(record, Resume::Continue) }
    }

    /// Ends a suspended call because the instance was asked to stop. The async shim drops the future that it waits for, and
    /// raises; no guest code runs.
    fn give_up(&mut self, code: TrapCode) -> Progress {
        let record = self.access.inner().record.get().expect("a suspended call has a stack");
        // SAFETY: as in `go_on`.
        match unsafe { resume(record, Resume::Cancel) } {
            Progress::Done(Err(unwind)) if matches!(unwind.reason, Reason::Cancelled) => {
                let reason = Reason::Trap { code, address: None, detail: None };
                Progress::Done(Err(Box::new(Unwind { reason, backtrace: unwind.backtrace })))
            }
            other => other,
        }
    }

    /// Nothing is to be done for this call any more.
    fn close(&mut self) {
        if core::mem::replace(&mut self.state, State::Done) == State::Suspended {
            self.access.inner().interrupt().nobody_sleeps();
        }
    }

    fn finish(&mut self, result: Result<(), CallError>) -> Poll<Result<Vec<RawVal>, CallError>> {
        self.close();
        Poll::Ready(result.map(|()| {
            let results = self.access.image().types().get(self.callee.ty).results.len();
            let mut values = core::mem::take(&mut self.values);
            values.truncate(results);
            values
        }))
    }
}

impl<T> Future for CallFuture<'_, T> {
    type Output = Result<Vec<RawVal>, CallError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        assert!(this.state != State::Done, "a call is not polled after it has ended");
        loop {
            let resumed = this.state == State::Suspended;
            let progress = if this.state == State::New {
                match this.begin() {
                    Ok(progress) => progress,
                    Err(error) => return this.finish(Err(error)),
                }
            } else {
                let inner = this.access.inner();
                // Taken out while it runs: it may use the instance.
                let Some(mut pending) = inner.pending.take() else { return this.finish(Err(CallError::Cancelled)) };
                let polled = pending.poll(context);
                inner.pending.replace(Some(pending));
                match polled {
                    Poll::Ready(()) => this.go_on(),
                    Poll::Pending => match this.access.inner().interrupt().reason_or_wake(context.waker()) {
                        None => return Poll::Pending,
                        Some(code) => this.give_up(code),
                    },
                }
            };
            match progress {
                Progress::Suspended => this.state = State::Suspended,
                Progress::Done(Ok(())) => return this.finish(Ok(())),
                Progress::Done(Err(unwind)) => {
                    // Before it is looked at: a panic of the host goes on from there.
                    this.close();
                    return this.finish(Err(match this.access.inner().ended(*unwind) {
                        CallError::Thread(source) if resumed => CallError::Stranded(source),
                        error => error,
                    }));
                }
            }
        }
    }
}

impl<T> Drop for CallFuture<'_, T> {
    fn drop(&mut self) {
        if self.state != State::Suspended {
            return;
        }
        let inner = self.access.inner();
        inner.interrupt().nobody_sleeps();
        if let Some(record) = inner.record.get() {
            // The async shim drops the future it waits for, and raises; no guest code runs.
            // SAFETY: as in `go_on`.
            let progress = unsafe { resume(record, Resume::Cancel) };
            debug_assert!(matches!(progress, Progress::Done(Err(_))), "a cancelled call ends");
        }
    }
}
