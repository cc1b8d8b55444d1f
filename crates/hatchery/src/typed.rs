//! Rust types that stand for WebAssembly's in typed calls.

use crate::val::ValType;
use hatchery_image::abi::RawVal;

/// A type of one WebAssembly value: `i32`, `u32`, `i64`, `u64`, `f32`, `f64`.
pub trait WasmValue: sealed::Value {}

/// Types of the parameters, or of the results, of a function: one [`WasmValue`], or a tuple of up to 12.
pub trait WasmValues: sealed::Values {}

/// Named by the bounds of public traits, and by nobody else.
pub(crate) mod sealed {
    use super::{RawVal, ValType};

    pub trait Value: Copy + Send + 'static {
        const TYPE: ValType;
        fn to_raw(self) -> RawVal;
        fn from_raw(raw: RawVal) -> Self;
    }

    pub trait Values: Sized {
        const TYPES: &'static [ValType];
        /// Room for this many values, and for one at least.
        type Buffer: AsMut<[RawVal]>;
        fn buffer() -> Self::Buffer;
        fn store(self, into: &mut [RawVal]);
        fn load(from: &[RawVal]) -> Self;
    }
}

macro_rules! values {
    ($($ty:ty: $variant:ident, |$to:ident| $to_raw:expr, |$from:ident| $from_raw:expr;)*) => {
        $(
            impl sealed::Value for $ty {
                const TYPE: ValType = ValType::$variant;

                #[inline(always)]
                fn to_raw(self) -> RawVal {
                    let $to = self;
                    $to_raw
                }

                #[inline(always)]
                fn from_raw($from: RawVal) -> $ty {
                    $from_raw
                }
            }

            impl WasmValue for $ty {}

            impl sealed::Values for $ty {
                const TYPES: &'static [ValType] = &[ValType::$variant];
                type Buffer = [RawVal; 1];

                #[inline(always)]
                fn buffer() -> [RawVal; 1] {
                    [RawVal::ZERO]
                }

                #[inline(always)]
                fn store(self, into: &mut [RawVal]) {
                    into[0] = sealed::Value::to_raw(self);
                }

                #[inline(always)]
                fn load(from: &[RawVal]) -> $ty {
                    sealed::Value::from_raw(from[0])
                }
            }

            impl WasmValues for $ty {}
        )*
    };
}

values! {
    i32: I32, |x| RawVal::from_i32(x), |raw| raw.get_i32();
    u32: I32, |x| RawVal::from_i32(x as i32), |raw| raw.get_i32() as u32;
    i64: I64, |x| RawVal::from_i64(x), |raw| raw.get_i64();
    u64: I64, |x| RawVal::from_i64(x as i64), |raw| raw.get_i64() as u64;
    f32: F32, |x| RawVal::from_f32_bits(x.to_bits()), |raw| f32::from_bits(raw.get_f32_bits());
    f64: F64, |x| RawVal::from_f64_bits(x.to_bits()), |raw| f64::from_bits(raw.get_f64_bits());
}

macro_rules! tuples {
    ($($count:literal: $($name:ident $index:tt),*;)*) => {
        $(
            impl<$($name: WasmValue),*> sealed::Values for ($($name,)*) {
                const TYPES: &'static [ValType] = &[$($name::TYPE),*];
                type Buffer = [RawVal; $count];

                #[inline(always)]
                fn buffer() -> Self::Buffer {
                    [RawVal::ZERO; $count]
                }

                #[inline(always)]
                #[allow(unused_variables, reason = "the empty tuple has no values")]
                fn store(self, into: &mut [RawVal]) {
                    $(into[$index] = self.$index.to_raw();)*
                }

                #[inline(always)]
                #[allow(unused_variables, clippy::unused_unit, reason = "the empty tuple has no values")]
                fn load(from: &[RawVal]) -> Self {
                    ($($name::from_raw(from[$index]),)*)
                }
            }

            impl<$($name: WasmValue),*> WasmValues for ($($name,)*) {}
        )*
    };
}

tuples! {
    1: ;
    1: A 0;
    2: A 0, B 1;
    3: A 0, B 1, C 2;
    4: A 0, B 1, C 2, D 3;
    5: A 0, B 1, C 2, D 3, E 4;
    6: A 0, B 1, C 2, D 3, E 4, F 5;
    7: A 0, B 1, C 2, D 3, E 4, F 5, G 6;
    8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7;
    9: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8;
    10: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9;
    11: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10;
    12: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11;
}
