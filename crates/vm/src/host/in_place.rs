//! Closures that find their parameters in an array and leave their results there.
//!
//! Where the array is small and has integers only, compiled code passes them in registers, and the array is one of the
//! shim's: a compiler that sees the closure makes registers of it again.

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
        // SAFETY: no native form is none that is called.
        unsafe { HostFunction::with_native(signature, core::ptr::null(), closure) }
    }

    /// As [`in_place`](HostFunction::in_place), where it is known when the closure is compiled that there are `PARAMS`
    /// parameters. The array may have one value more than it would have otherwise.
    ///
    /// # Errors
    ///
    /// When the signature has references.
    pub fn in_registers<const PARAMS: usize, F>(
        signature: HostSignature,
        closure: F,
    ) -> Result<HostFunction<T>, HasReferences>
    where
        F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
    {
        let integer = |ty: &HostType| matches!(ty, HostType::I32 | HostType::I64);
        let integers = signature.params.iter().chain(&signature.results).all(integer);
        let native = match integers && signature.params.len() == PARAMS && signature.results.len() <= 1 {
            true => native::<PARAMS, T, F>(),
            false => core::ptr::null(),
        };
        // SAFETY: the native form is for this closure and as many integers as the signature has.
        unsafe { HostFunction::with_native(signature, native, closure) }
    }

    /// # Safety
    ///
    /// `native` is null or a shim for an `InPlace<F>` and the signature.
    unsafe fn with_native<F>(
        signature: HostSignature,
        native: *const u8,
        closure: F,
    ) -> Result<HostFunction<T>, HasReferences>
    where
        F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
    {
        check(&signature)?;
        let slots = signature.params.len().max(signature.results.len());
        let environment = InPlace { slots, closure };
        // SAFETY: the shims are for `InPlace<F>`, whose array has as many values as the signature needs. There are no
        // references: S5 holds.
        Ok(unsafe { HostFunction::from_shims(signature, native, shim::<T, F> as *const u8, environment) })
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

/// Shims by number of parameters. A parameter of 32 bits has the others of its register undefined, and whoever reads the
/// value as one of 32 bits does not look at them; a caller that expects no result, or one of 32 bits, does the same.
macro_rules! native {
    ($($count:literal $name:ident ($($param:ident),*);)*) => {
        $(
            unsafe extern "C" fn $name<T, F>(context: *mut u8, call: *const HostCall, $($param: u64),*) -> u64
            where
                F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError>,
            {
                const VALUES: usize = if $count == 0 { 1 } else { $count };
                let mut values = [RawVal::ZERO; VALUES];
                let params: [u64; $count] = [$($param),*];
                for (value, param) in values.iter_mut().zip(params) {
                    *value = RawVal::from_i64(param as i64);
                }
                // A closure of its own: what is called from one place only is inlined there.
                let outcome = guard(|| {
                    // SAFETY: S1: the environment is an `InPlace<F>`. S2. The guest waits for this call.
                    let (environment, host) =
                        unsafe { (&*(*call).environment.cast::<InPlace<F>>(), HostContext::<T>::new(context, call)) };
                    (environment.closure)(host, &mut values)
                });
                if let Err(failure) = outcome {
                    // SAFETY: S4: the failure is moved.
                    unsafe { fail(context, failure) }
                }
                values[0].get_i64() as u64
            }
        )*

        /// The shim for so many parameters; null where there is none.
        fn native<const PARAMS: usize, T, F>() -> *const u8
        where
            F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError>,
        {
            // Only the one that is needed is compiled.
            $(
                if const { PARAMS == $count } {
                    return $name::<T, F> as *const u8;
                }
            )*
            core::ptr::null()
        }
    };
}

native! {
    0 native_0 ();
    1 native_1 (a);
    2 native_2 (a, b);
    3 native_3 (a, b, c);
    4 native_4 (a, b, c, d);
}
