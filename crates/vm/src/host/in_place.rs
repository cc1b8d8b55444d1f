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
    /// Whether the result has 64 bits.
    wide: bool,
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
        // SAFETY: no native form is none that is called; the other is for this closure.
        unsafe { HostFunction::with(signature, core::ptr::null(), shim::<T, F> as *const u8, closure) }
    }

    /// As [`in_place`](HostFunction::in_place), where it is known when the closure is compiled that there are `PARAMS`
    /// parameters, at most four, and at most one result. The array may have one value more than it would have otherwise.
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
        let fits = integers && signature.params.len() == PARAMS && signature.results.len() <= 1;
        let (native, array) = native::<PARAMS, T, F>();
        // SAFETY: both forms are for this closure; that in registers is used for as many integers as it takes, the other for
        // anything: it reads and writes no more values than there are.
        unsafe { HostFunction::with(signature, if fits { native } else { core::ptr::null() }, array, closure) }
    }

    /// # Safety
    ///
    /// `native` is null or a shim for an `InPlace<F>` and the signature, and `array` is one.
    unsafe fn with<F>(
        signature: HostSignature,
        native: *const u8,
        array: *const u8,
        closure: F,
    ) -> Result<HostFunction<T>, HasReferences>
    where
        F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError> + Send + Sync + 'static,
    {
        check(&signature)?;
        let slots = signature.params.len().max(signature.results.len());
        let wide = matches!(signature.results.first(), Some(HostType::I64 | HostType::F64));
        let environment = InPlace { slots, wide, closure };
        // SAFETY: the shims are for `InPlace<F>`, whose array has as many values as the signature needs. There are no
        // references: S5 holds.
        Ok(unsafe { HostFunction::from_shims(signature, native, array, environment) })
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

/// Shims by number of parameters: in registers, and in an array for those who stand between guest code and the function.
/// The closure is called from one place, so that it is inlined there. A parameter of 32 bits has the others of its register
/// undefined, and whoever reads the value as one of 32 bits does not look at them; a caller that expects no result does not
/// look at it either.
macro_rules! native {
    ($($count:literal $name:ident $array:ident ($($param:ident),*);)*) => {
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
                // SAFETY: S1: the environment is an `InPlace<F>`.
                let environment = unsafe { &*(*call).environment.cast::<InPlace<F>>() };
                let outcome = guard(|| {
                    // SAFETY: S2. The guest waits for this call.
                    let host = unsafe { HostContext::<T>::new(context, call) };
                    (environment.closure)(host, &mut values)
                });
                if let Err(failure) = outcome {
                    // SAFETY: S4: the failure is moved.
                    unsafe { fail(context, failure) }
                }
                // What was written is read as it was: reading more than that would wait for the write.
                if environment.wide { values[0].get_i64() as u64 } else { u64::from(values[0].get_i32() as u32) }
            }

            unsafe extern "C" fn $array<T, F>(context: *mut u8, call: *const HostCall, raw: *mut RawVal)
            where
                F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError>,
            {
                // SAFETY: S1: the environment is an `InPlace<F>`. The array has room for the parameters and for the results,
                // and is ours meanwhile.
                let values = unsafe {
                    let slots = (*(*call).environment.cast::<InPlace<F>>()).slots;
                    core::slice::from_raw_parts_mut(raw, slots)
                };
                #[allow(unused_mut, unused_variables, reason = "without parameters there is nothing to read")]
                let mut params = values.iter().map(|value| value.get_i64() as u64);
                // SAFETY: S1, S2. This frame owns nothing: S4.
                let result = unsafe {
                    $name::<T, F>(context, call, $({ let $param = params.next(); $param.unwrap_or_default() }),*)
                };
                if let Some(first) = values.first_mut() {
                    *first = RawVal::from_i64(result as i64);
                }
            }
        )*

        /// The shims for so many parameters.
        fn native<const PARAMS: usize, T, F>() -> (*const u8, *const u8)
        where
            F: Fn(HostContext<'_, T>, &mut [RawVal]) -> Result<(), HostError>,
        {
            const { assert!(PARAMS <= 4, "there are no shims for so many parameters") };
            // Only those that are needed are compiled.
            $(
                if const { PARAMS == $count } {
                    return ($name::<T, F> as *const u8, $array::<T, F> as *const u8);
                }
            )*
            unreachable!("there are as many as was checked")
        }
    };
}

native! {
    0 native_0 array_0 ();
    1 native_1 array_1 (a);
    2 native_2 array_2 (a, b);
    3 native_3 array_3 (a, b, c);
    4 native_4 array_4 (a, b, c, d);
}
