//! A host function, and what its shims have in common.

#![expect(unsafe_code, reason = "erases the closure's type and raises on the guest's stack")]

use super::{HostError, HostType};
use crate::header::Vmctx;
use crate::machine::{HostFailure, Raise, raise};
use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;
use hatchery_image::FuncType;
use hatchery_image::abi::RawVal;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Parameters and results of a host function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostSignature {
    /// Parameters.
    pub params: Box<[HostType]>,
    /// Results.
    pub results: Box<[HostType]>,
}

impl HostSignature {
    /// A signature.
    pub fn new(params: impl Into<Box<[HostType]>>, results: impl Into<Box<[HostType]>>) -> HostSignature {
        HostSignature { params: params.into(), results: results.into() }
    }

    /// The host's view of a guest function's type.
    pub fn of(ty: &FuncType) -> HostSignature {
        let view = |types: &[hatchery_image::ValType]| types.iter().copied().map(HostType::of).collect::<Box<_>>();
        HostSignature { params: view(&ty.params), results: view(&ty.results) }
    }
}

impl fmt::Display for HostSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |types: &[HostType]| types.iter().map(HostType::to_string).collect::<Vec<_>>().join(", ");
        write!(f, "({}) -> ({})", list(&self.params), list(&self.results))
    }
}

/// A function that guest code can call, in instances with host data `T`.
pub struct HostFunction<T> {
    parts: Arc<Parts>,
    data: PhantomData<fn(T)>,
}

/// Invariant: `native` and `array` are shims for the type of the closure in `environment`, and for the
/// parameters and results of `signature`.
pub(super) struct Parts {
    pub(super) signature: HostSignature,
    /// Takes native arguments. Null when there is only an array form.
    pub(super) native: *const u8,
    /// Takes an array.
    pub(super) array: *const u8,
    environment: Box<dyn Any + Send + Sync>,
}

// SAFETY: addresses of functions, and a closure that can be sent and shared.
unsafe impl Send for Parts {}
// SAFETY: as above.
unsafe impl Sync for Parts {}

impl Parts {
    /// Where the shims find the closure.
    pub(super) fn environment(&self) -> *const u8 {
        (&raw const *self.environment).cast()
    }
}

impl<T> Clone for HostFunction<T> {
    fn clone(&self) -> HostFunction<T> {
        HostFunction { parts: self.parts.clone(), data: PhantomData }
    }
}

impl<T> fmt::Debug for HostFunction<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostFunction({})", self.parts.signature)
    }
}

impl<T> HostFunction<T> {
    /// # Safety
    ///
    /// The shims are for closures of type `F` with this signature and host data of type `T`.
    pub(super) unsafe fn from_shims<F: Send + Sync + 'static>(
        signature: HostSignature,
        native: *const u8,
        array: *const u8,
        closure: F,
    ) -> HostFunction<T> {
        let parts = Parts { signature, native, array, environment: Box::new(closure) };
        HostFunction { parts: Arc::new(parts), data: PhantomData }
    }

    /// Its parameters and results.
    pub fn signature(&self) -> &HostSignature {
        &self.parts.signature
    }

    pub(super) fn into_parts(self) -> Arc<Parts> {
        self.parts
    }
}

/// S3: runs a closure and makes its error or its panic a value.
#[inline(always)]
pub(super) fn guard<V>(closure: impl FnOnce() -> Result<V, HostError>) -> Result<V, HostFailure> {
    match catch_unwind(AssertUnwindSafe(closure)) {
        Ok(Ok(values)) => Ok(values),
        Ok(Err(error)) => Err(HostFailure::Error(error)),
        Err(payload) => Err(HostFailure::Panic(payload)),
    }
}

/// Ends the innermost activation because of this failure.
///
/// # Safety
///
/// The caller is a shim that guest code called with this context, and owns nothing (S4).
#[cold]
#[inline(never)]
pub(super) unsafe fn fail(context: *mut u8, failure: HostFailure) -> ! {
    // SAFETY: promised; the task is the one that runs.
    unsafe { raise(Vmctx::new(NonNull::new_unchecked(context)).task(), Raise::Host(failure)) }
}

/// A host function returned a reference that is none of the import's type.
#[derive(Debug, thiserror::Error)]
#[error("the host function returned a value that is not a reference of the type its import has")]
pub(super) struct WrongReference;

/// S5: checks the references among the results of an import.
///
/// # Errors
///
/// When one is not of its type.
pub(super) fn check_results<T>(context: &super::HostContext<'_, T>, values: &[RawVal]) -> Result<(), HostError> {
    let results = &context.ty().results;
    let prepared = &context.inner().prepared;
    let fits = results.iter().zip(values).all(|(ty, value)| prepared.accepts(*ty, value.get_reference()));
    if fits { Ok(()) } else { Err(WrongReference.into()) }
}
