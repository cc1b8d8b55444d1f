//! What a suspended call waits for.

#![expect(unsafe_code, reason = "a future outlives the lifetime it was made with")]

use super::function::guard;
use super::suspending::HostFuture;
use crate::machine::HostFailure;
use core::task::{Context, Poll};
use std::any::Any;

/// What a future resulted in; only its host function knows what that is.
type Output = Box<dyn Any + Send>;

/// A future of an async host function, or what it resulted in.
pub(crate) enum Pending {
    /// Not ready.
    Future(HostFuture<'static, Output>),
    /// Ready.
    Result(Result<Output, HostFailure>),
}

impl Pending {
    /// # Safety
    ///
    /// The future is dropped, or replaced by its result, before the guest that waits for it goes on or goes away.
    pub(super) unsafe fn new(future: HostFuture<'_, Output>) -> Pending {
        // SAFETY: promised: the future's lifetime is the host function's call, during which the guest is suspended.
        Pending::Future(unsafe { core::mem::transmute::<HostFuture<'_, Output>, HostFuture<'static, Output>>(future) })
    }

    /// Whether the guest can go on.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Pending::Future(future) = self else { return Poll::Ready(()) };
        let result = match guard(|| Ok(future.as_mut().poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result.map_err(HostFailure::Error),
            Err(failure) => Err(failure),
        };
        let finished = core::mem::replace(self, Pending::Result(result));
        // A future that panics when it is dropped has failed.
        if let Err(failure) = guard(|| {
            drop(finished);
            Ok(())
        }) {
            *self = Pending::Result(Err(failure));
        }
        Poll::Ready(())
    }

    /// What it resulted in; nothing, when it is not ready, which whoever resumes the guest rules out.
    pub(super) fn into_result(self) -> Result<Option<Output>, HostFailure> {
        match self {
            Pending::Result(result) => result.map(Some),
            Pending::Future(_) => Ok(None),
        }
    }
}
