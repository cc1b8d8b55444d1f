//! Closures that see their arguments as an array.

#![expect(unsafe_code, reason = "is called by compiled code")]

use super::function::{check_results, fail, guard};
use super::{HostContext, HostError, HostFunction, HostSignature};
use hatchery_image::abi::{HostCall, RawVal};

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
