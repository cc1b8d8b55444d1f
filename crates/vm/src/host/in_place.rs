//! Closures that find their parameters in an array and leave their results there.

#![expect(unsafe_code, reason = "is called by compiled code")]

use super::function::{fail, guard};
use super::{HostContext, HostError, HostFunction, HostSignature, HostType};
use hatchery_image::abi::{HostCall, RawVal};

/// A closure, and how many values its array has.
struct InPlace<F> {
    slots: usize,
    closure: F,
}

/// A host function was to have references, which only functions of other kinds can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a host function that works in place takes and returns numbers only")]
pub struct HasReferences;

impl<T: 'static> HostFunction<T> {
    /// A function of this signature, which has numbers only. The closure gets an array of as many values as the
    /// signature has parameters or results, whatever are more: the parameters are there, and it leaves the results there.
    ///
    /// # Errors
    ///
    /// When the signature has references.
    pub fn in_place<F>(signature: HostSignature, closure: F) -> Result<HostFunction<T>, HasReferences>
    where
        F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
    {
        check(&signature)?;
        let slots = signature.params.len().max(signature.results.len());
        let environment = InPlace { slots, closure };
        // SAFETY: the shim is for `InPlace<F>`, whose array has as many values as the signature needs. There are no references:
        // S5 holds.
        Ok(unsafe { HostFunction::from_shims(signature, core::ptr::null(), shim::<T, F> as *const u8, environment) })
    }
}

/// S5: nothing that guest code trusts is returned.
pub(super) fn check(signature: &HostSignature) -> Result<(), HasReferences> {
    let is_number = |ty: &HostType| !matches!(ty, HostType::Func | HostType::Extern);
    let numbers = signature.params.iter().chain(&signature.results).all(is_number);
    if numbers { Ok(()) } else { Err(HasReferences) }
}

unsafe extern "C" fn shim<T, F>(context: *mut u8, call: *const HostCall, raw: *mut RawVal)
where
    F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError>,
{
    let outcome = guard(|| {
        // SAFETY: S1: the environment is an `InPlace<F>`. S2. The guest waits for this call.
        let (environment, host) =
            unsafe { (&*(*call).environment.cast::<InPlace<F>>(), HostContext::<T>::new(context, call)) };
        // SAFETY: the array has room for the parameters and for the results, and is ours meanwhile.
        let values = unsafe { core::slice::from_raw_parts_mut(raw, environment.slots) };
        (environment.closure)(host, values)
    });
    if let Err(failure) = outcome {
        // SAFETY: S4: the failure is moved.
        unsafe { fail(context, failure) }
    }
}
