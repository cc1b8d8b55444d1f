//! Closures that return futures. What comes of a future is given to the guest by a second closure, when the guest's stack
//! runs again: it may call guest functions, which the future cannot.

#![expect(unsafe_code, reason = "is called by compiled code, and suspends it")]

use super::function::{check_results, fail, guard};
use super::in_place::{self, HasReferences};
use super::pending::Pending;
use super::{HostContext, HostError, HostFunction, HostSignature};
use crate::header::Vmctx;
use crate::machine::{HostFailure, Raise, Resumed, raise, suspend};
use core::pin::Pin;
use core::ptr::NonNull;
use hatchery_image::TrapCode;
use hatchery_image::abi::{HostCall, RawVal};
use std::any::Any;

/// A future of an async host function.
pub type HostFuture<'a, V> = Pin<Box<dyn Future<Output = Result<V, HostError>> + Send + 'a>>;

/// An async host function has the wrong number of results.
#[derive(Debug, thiserror::Error)]
#[error("the async host function returned {returned} values where its signature has {expected}")]
struct ResultCount {
    returned: usize,
    expected: usize,
}

/// What makes the future, and what makes results of its output.
struct Suspending<B, E> {
    begin: B,
    end: E,
}

impl<T: 'static> HostFunction<T> {
    /// A function of this signature whose closure returns a future. The guest is suspended until that is ready; it can
    /// only be called by guest code that runs by [`Access::call_async`](crate::Access::call_async), and directly so:
    /// any other call traps with [`TrapCode::CannotSuspend`]. The future runs where the outer one is polled.
    pub fn asynchronous<F>(signature: HostSignature, closure: F) -> HostFunction<T>
    where
        F: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a, Vec<RawVal>> + Send + Sync + 'static,
    {
        // SAFETY: `end` checks the references among the results: S5.
        unsafe { HostFunction::from_closures(signature, closure, checked_results::<T>) }
    }

    /// As [`asynchronous`](HostFunction::asynchronous), for a signature of numbers only. When the future is ready and the
    /// guest's stack runs again, `end` leaves the results in its slice, which has as many values as the signature has
    /// results; it may call guest functions meanwhile.
    ///
    /// # Errors
    ///
    /// When the signature has references.
    pub fn suspending<V, B, E>(signature: HostSignature, begin: B, end: E) -> Result<HostFunction<T>, HasReferences>
    where
        V: Send + 'static,
        B: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a, V> + Send + Sync + 'static,
        E: Fn(HostContext<'_, T>, V, &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
    {
        in_place::check(&signature)?;
        // SAFETY: there are no references: S5.
        Ok(unsafe { HostFunction::from_closures(signature, begin, end) })
    }

    /// # Safety
    ///
    /// S5: `end` leaves no reference that is not checked.
    unsafe fn from_closures<V, B, E>(signature: HostSignature, begin: B, end: E) -> HostFunction<T>
    where
        V: Send + 'static,
        B: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a, V> + Send + Sync + 'static,
        E: Fn(HostContext<'_, T>, V, &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
    {
        let array = shim::<T, V, B, E> as *const u8;
        // SAFETY: the shim is for these closures, and asks the import for the numbers of parameters and results, which are
        // the signature's: a table checks that.
        unsafe { HostFunction::from_shims(signature, core::ptr::null(), array, Suspending { begin, end }) }
    }
}

fn checked_results<T>(host: HostContext<'_, T>, values: Vec<RawVal>, results: &mut [RawVal]) -> Result<(), HostError> {
    let (returned, expected) = (values.len(), results.len());
    if returned != expected {
        return Err(ResultCount { returned, expected }.into());
    }
    check_results(&host, &values)?;
    results.copy_from_slice(&values);
    Ok(())
}

/// Suspends the guest between making the future and using its result. Between the two, this frame owns
/// nothing: the future is in the instance, where whoever polls finds it.
unsafe extern "C" fn shim<T, V, B, E>(context: *mut u8, call: *const HostCall, raw: *mut RawVal)
where
    T: 'static,
    V: Send + 'static,
    B: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a, V>,
    E: Fn(HostContext<'_, T>, V, &mut [RawVal]) -> Result<(), HostError>,
{
    // SAFETY: S1, S2, S4 for all of it: failures are moved, the rest are addresses and scalars. The record
    // is the running task's.
    unsafe {
        if let Err(failure) = begin::<T, V, B, E>(context, call, raw) {
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
        if let Err(failure) = finish::<T, V, B, E>(context, call, raw) {
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
unsafe fn begin<T, V, B, E>(context: *mut u8, call: *const HostCall, raw: *const RawVal) -> Result<(), HostFailure>
where
    T: 'static,
    V: Send + 'static,
    B: for<'a> Fn(HostContext<'a, T>, Box<[RawVal]>) -> HostFuture<'a, V>,
{
    guard(|| {
        // SAFETY: S1, S2; the array has the parameters. The future, and with it the context, is dropped before the guest goes
        // on: by the poll that finishes it, by `forget`, or with the instance, whose stack is then still suspended.
        let (closures, host) =
            unsafe { (&*(*call).environment.cast::<Suspending<B, E>>(), HostContext::<T>::new(context, call)) };
        // SAFETY: as above.
        let arguments = unsafe { core::slice::from_raw_parts(raw, host.ty().params.len()) };
        let inner = host.inner();
        let future = (closures.begin)(host, arguments.into());
        let future = Box::pin(async move { Ok(Box::new(future.await?) as Box<dyn Any + Send>) });
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
unsafe fn finish<T, V, B, E>(context: *mut u8, call: *const HostCall, raw: *mut RawVal) -> Result<(), HostFailure>
where
    T: 'static,
    V: 'static,
    E: Fn(HostContext<'_, T>, V, &mut [RawVal]) -> Result<(), HostError>,
{
    // SAFETY: S1, S2; the future's context is gone.
    let (closures, host) =
        unsafe { (&*(*call).environment.cast::<Suspending<B, E>>(), HostContext::<T>::new(context, call)) };
    let output = host.inner().pending.take().map(Pending::into_result).transpose()?.flatten();
    guard(|| {
        let output = output.and_then(|output| output.downcast::<V>().ok()).ok_or(NoOutput)?;
        // SAFETY: the array has room for the results.
        let results = unsafe { core::slice::from_raw_parts_mut(raw, host.ty().results.len()) };
        (closures.end)(host, *output, results)
    })
}

/// Whoever resumed the guest broke a rule of this crate.
#[derive(Debug, thiserror::Error)]
#[error("a guest was resumed before the future that it waits for was ready")]
struct NoOutput;
