//! Values of types that the compiler knows, as they are passed to functions and returned by them.

use hatchery::{Val, WasmValues};

/// A tuple of numbers.
pub(super) trait Words: WasmValues + Send + 'static {
    fn vals(self) -> Vec<Val>;

    /// The same out of values, if these are of its types.
    fn of(vals: &[Val]) -> Option<Self>;
}

/// A number.
trait Word: Sized {
    fn val(self) -> Val;

    fn of(val: &Val) -> Option<Self>;
}

macro_rules! words {
    ($($ty:ty: $variant:ident, |$value:ident| $bits:expr, |$stored:ident| $from:expr;)*) => {
        $(
            impl Word for $ty {
                fn val(self) -> Val {
                    let $value = self;
                    Val::$variant($bits)
                }

                fn of(val: &Val) -> Option<$ty> {
                    match val {
                        Val::$variant($stored) => Some($from),
                        _ => None,
                    }
                }
            }
        )*
    };
}

words! {
    i32: I32, |x| x, |x| *x;
    i64: I64, |x| x, |x| *x;
    f32: F32, |x| x.to_bits(), |x| f32::from_bits(*x);
    f64: F64, |x| x.to_bits(), |x| f64::from_bits(*x);
}

macro_rules! tuples {
    ($(($($name:ident $index:tt),*);)*) => {
        $(
            impl<$($name),*> Words for ($($name,)*)
            where
                ($($name,)*): WasmValues + Send + 'static,
                $($name: Word,)*
            {
                fn vals(self) -> Vec<Val> {
                    vec![$(self.$index.val()),*]
                }

                #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple has no values")]
                fn of(vals: &[Val]) -> Option<Self> {
                    Some(($($name::of(vals.get($index)?)?,)*))
                }
            }
        )*
    };
}

tuples! {
    ();
    (A 0);
    (A 0, B 1);
    (A 0, B 1, C 2);
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
}
