//! Typed closures as host functions: arguments in registers.

#![expect(unsafe_code, reason = "is called by compiled code")]

use super::function::{check_results, fail, guard};
use super::{HostContext, HostError, HostFunction, HostResult, HostScalar, HostSignature, HostType, HostValues};
use hatchery_image::abi::{HostCall, RawVal};

/// A closure `Fn(HostContext<'_, T>, A, …) -> R` with up to twelve scalar arguments.
pub trait IntoHostFunction<T, Arguments> {
    /// The function.
    fn into_host_function(self) -> HostFunction<T>;
}

impl<T> HostFunction<T> {
    /// A function of a typed closure.
    pub fn typed<Arguments>(closure: impl IntoHostFunction<T, Arguments>) -> HostFunction<T> {
        closure.into_host_function()
    }
}

/// Whether some of the values are references, which S5 is about.
const fn has_references(types: &[HostType]) -> bool {
    let mut i = 0;
    while i < types.len() {
        if matches!(types[i], HostType::Func | HostType::Extern) {
            return true;
        }
        i += 1;
    }
    false
}

/// S5 for typed results.
#[cold]
#[inline(never)]
fn check<T, V: HostValues>(context: &HostContext<'_, T>, values: V) -> Result<(), HostError> {
    let mut raw = [RawVal::ZERO; 8];
    values.into_raw(&mut raw);
    check_results(context, &raw)
}

macro_rules! typed {
    ($(($($a:ident),*);)*) => {
        $(
            impl<T, F, R, $($a),*> IntoHostFunction<T, ($($a,)*)> for F
            where
                T: 'static,
                F: Fn(HostContext<'_, T>, $($a),*) -> R + Send + Sync + 'static,
                R: HostResult,
                $($a: HostScalar,)*
            {
                #[allow(non_snake_case, reason = "type parameters name the arguments")]
                #[allow(clippy::too_many_arguments, reason = "as many as the closure has")]
                fn into_host_function(self) -> HostFunction<T> {
                    /// # Safety
                    ///
                    /// S1, S2.
                    #[inline(always)]
                    unsafe fn run<T, F, R, $($a),*>(
                        context: *mut u8,
                        call: *const HostCall,
                        $($a: $a),*
                    ) -> R::Values
                    where
                        F: Fn(HostContext<'_, T>, $($a),*) -> R,
                        R: HostResult,
                    {
                        let outcome = guard(|| {
                            // SAFETY: S1: the environment is an `F`. The guest waits for this call.
                            let (closure, host) = unsafe {
                                (&*(*call).environment.cast::<F>(), HostContext::new(context, call))
                            };
                            let values = closure(host, $($a),*).into_result()?;
                            if const { has_references(R::Values::TYPES) } {
                                // SAFETY: the closure's context is gone.
                                let host = unsafe { HostContext::<T>::new(context, call) };
                                check(&host, values)?;
                            }
                            Ok(values)
                        });
                        match outcome {
                            Ok(values) => values,
                            // SAFETY: S4: the failure is moved, all else is scalars.
                            Err(failure) => unsafe { fail(context, failure) },
                        }
                    }

                    unsafe extern "C" fn native<T, F, R, $($a),*>(
                        context: *mut u8,
                        call: *const HostCall,
                        $($a: $a::Native),*
                    ) -> <R::Values as HostValues>::Native
                    where
                        F: Fn(HostContext<'_, T>, $($a),*) -> R,
                        R: HostResult,
                        $($a: HostScalar,)*
                    {
                        // SAFETY: S1, S2: called by the thunk of an import with this function.
                        let values = unsafe { run::<T, F, R, $($a),*>(context, call, $($a::from_native($a)),*) };
                        values.into_native()
                    }

                    unsafe extern "C" fn array<T, F, R, $($a),*>(
                        context: *mut u8,
                        call: *const HostCall,
                        raw: *mut RawVal,
                    )
                    where
                        F: Fn(HostContext<'_, T>, $($a),*) -> R,
                        R: HostResult,
                        $($a: HostScalar,)*
                    {
                        const PARAMS: usize = 0 $(+ { let _ = stringify!($a); 1 })*;
                        // SAFETY: the array has room for the parameters and for the results; until this
                        // function returns it is ours.
                        let raw = unsafe {
                            let results = R::Values::TYPES.len();
                            let slots = if PARAMS > results { PARAMS } else { results };
                            core::slice::from_raw_parts_mut(raw, slots)
                        };
                        let [$($a),*] = *raw.first_chunk::<PARAMS>().expect("room for the parameters");
                        // SAFETY: S1, S2, as above.
                        let values = unsafe { run::<T, F, R, $($a),*>(context, call, $($a::from_raw($a)),*) };
                        values.into_raw(raw);
                    }

                    let signature = HostSignature::new([$($a::TYPE),*] as [HostType; _], R::Values::TYPES);
                    let native = if R::Values::TYPES.len() > 1 {
                        core::ptr::null()
                    } else {
                        native::<T, F, R, $($a),*> as *const u8
                    };
                    let array = array::<T, F, R, $($a),*> as *const u8;
                    // SAFETY: both are instantiated for `F`, `T` and the signature's types.
                    unsafe { HostFunction::from_shims(signature, native, array, self) }
                }
            }
        )*
    };
}

typed! {
    ();
    (A1);
    (A1, A2);
    (A1, A2, A3);
    (A1, A2, A3, A4);
    (A1, A2, A3, A4, A5);
    (A1, A2, A3, A4, A5, A6);
    (A1, A2, A3, A4, A5, A6, A7);
    (A1, A2, A3, A4, A5, A6, A7, A8);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11);
    (A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12);
}
