//! Closures that see their arguments as an array, and ones that return futures.

#![expect(unsafe_code, reason = "is called by compiled code, and suspends it")]

use super::function::{check_results, fail, guard};
use super::pending::Pending;
use super::{HostContext, HostError, HostFunction, HostSignature};
use crate::header::Vmctx;
use crate::machine::{HostFailure, Raise, Resumed, raise, suspend};
use core::pin::Pin;
use core::ptr::NonNull;
use hatchery_image::TrapCode;
use hatchery_image::abi::{HostCall, RawVal};

/// What an async host function returns: a future of its results.
pub type HostFuture<'a> = Pin<Box<dyn Future<Output = Result<Vec<RawVal>, HostError>> + Send + 'a>>;

/// An async host function has the wrong number of results.
#[derive(Debug, thiserror::Error)]
#[error("the async host function returned {returned} values where its signature has {expected}")]
pub(super) struct ResultCount {
    pub(super) returned: usize,
    pub(super) expected: usize,
}

impl<T: 'static> HostFunction<T> {
    /// A function of this signature whose closure gets its parameters as one slice and puts its results,
    /// which are zero before, into another.
    pub fn dynamic<F>(signature: HostSignature, closure: F) -> HostFunction<T>
    where
        F: Fn(HostContext<'_, T>, &[RawVal], &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
    {
        // SAFETY: the shim is for `F`, and asks the import for the numbers of parameters and results, which are
        // the signature's: a table checks that.
        unsafe { HostFunction::from_shims(signature, core::ptr::null(), dynamic::<T, F> as *const u8, closure) }
    }

    /// A function of this signature whose closure returns a future. The guest is suspended until that is ready; it can
    /// only be called by guest code that runs by [`Access::call_async`](crate::Access::call_async), and directly so:
    /// any other call traps with [`TrapCode::CannotSuspend`]. The future runs where the outer one is polled.
    pub fn asynchronous<F>(signature: HostSignature, closure: F) -> HostFunction<T>
    where
        F: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a> + Send + Sync + 'static,
    {
        // SAFETY: as above.
        unsafe { HostFunction::from_shims(signature, core::ptr::null(), asynchronous::<T, F> as *const u8, closure) }
    }
}

/// Results up to this many need no allocation.
const FEW: usize = 16;

unsafe extern "C" fn dynamic<T, F>(context: *mut u8, call: *const HostCall, raw: *mut RawVal)
where
    F: Fn(HostContext<'_, T>, &[RawVal], &mut [RawVal]) -> Result<(), HostError>,
{
    let outcome = guard(|| {
        // SAFETY: S1: the environment is an `F`. S2. The guest waits for this call.
        let (closure, host) = unsafe { (&*(*call).environment.cast::<F>(), HostContext::<T>::new(context, call)) };
        let ty = host.ty();
        // SAFETY: the array has room for the parameters and for the results, and is ours meanwhile.
        let values = unsafe { core::slice::from_raw_parts_mut(raw, ty.params.len().max(ty.results.len())) };
        let (mut few, mut many) = ([RawVal::ZERO; FEW], Vec::new());
        let results = match few.get_mut(..ty.results.len()) {
            Some(results) => results,
            None => {
                many.resize(ty.results.len(), RawVal::ZERO);
                &mut many[..]
            }
        };
        closure(host, &values[..ty.params.len()], results)?;
        // SAFETY: the closure's context is gone.
        let host = unsafe { HostContext::<T>::new(context, call) };
        check_results(&host, results)?;
        values[..results.len()].copy_from_slice(results);
        Ok(())
    });
    if let Err(failure) = outcome {
        // SAFETY: S4: the failure is moved.
        unsafe { fail(context, failure) }
    }
}

/// Suspends the guest between making the future and using its result. Between the two, this frame owns
/// nothing: the future is in the instance, where whoever polls finds it.
unsafe extern "C" fn asynchronous<T, F>(context: *mut u8, call: *const HostCall, raw: *mut RawVal)
where
    T: 'static,
    F: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a>,
{
    // SAFETY: S1, S2, S4 for all of it: failures are moved, the rest are addresses and scalars. The record
    // is the running task's.
    unsafe {
        if let Err(failure) = begin::<T, F>(context, call, raw) {
            fail(context, failure);
        }
        let record = Vmctx::new(NonNull::new_unchecked(context)).task();
        match suspend(record) {
            Resumed::Continue => {}
            Resumed::Cancelled => {
                forget(context);
                raise(record, Raise::Cancelled);
            }
            Resumed::Impossible => {
                forget(context);
                raise(record, Raise::Trap(TrapCode::CannotSuspend));
            }
        }
        if let Err(failure) = finish::<T>(context, call, raw) {
            fail(context, failure);
        }
    }
}

/// Makes the future and leaves it in the instance.
///
/// # Safety
///
/// S1, S2.
#[inline(never)]
unsafe fn begin<T, F>(context: *mut u8, call: *const HostCall, raw: *const RawVal) -> Result<(), HostFailure>
where
    T: 'static,
    F: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a>,
{
    guard(|| {
        // SAFETY: S1, S2; the array has the parameters. The future, and with it the context, is dropped before the guest goes
        // on: by the poll that finishes it, by `forget`, or with the instance, whose stack is then still suspended.
        let (closure, host) = unsafe { (&*(*call).environment.cast::<F>(), HostContext::<T>::new(context, call)) };
        // SAFETY: as above.
        let arguments = unsafe { core::slice::from_raw_parts(raw, host.ty().params.len()) };
        let inner = host.inner();
        let future = closure(host, arguments.into());
        // SAFETY: `poll` runs and drops the future only while the guest is suspended; `forget` and the instance's drop
        // do so before anything else.
        let pending = unsafe { Pending::new(future) };
        let old = inner.pending.replace(Some(pending));
        debug_assert!(old.is_none(), "one stack waits for one future");
        Ok(())
    })
}

/// Drops the future, of which nothing will be used.
///
/// # Safety
///
/// S1.
#[inline(never)]
unsafe fn forget(context: *mut u8) {
    // SAFETY: S1.
    let inner = unsafe { Vmctx::new(NonNull::new_unchecked(context)).instance().as_ref() };
    let pending = inner.pending.take();
    // Whatever a future's destructor panics with has no call to go to.
    let _ = guard(|| {
        drop(pending);
        Ok(())
    });
}

/// Gives the guest what the future resulted in.
///
/// # Safety
///
/// S1, S2.
#[inline(never)]
unsafe fn finish<T>(context: *mut u8, call: *const HostCall, raw: *mut RawVal) -> Result<(), HostFailure> {
    // SAFETY: S1, S2; the future's context is gone.
    let host = unsafe { HostContext::<T>::new(context, call) };
    let values = host.inner().pending.take().map_or_else(|| Ok(Vec::new()), Pending::into_result)?;
    guard(|| {
        let (returned, expected) = (values.len(), host.ty().results.len());
        if returned != expected {
            return Err(ResultCount { returned, expected }.into());
        }
        check_results(&host, &values)?;
        // SAFETY: the array has room for the results.
        unsafe { core::slice::from_raw_parts_mut(raw, expected) }.copy_from_slice(&values);
        Ok(())
    })
}
