//! Types that typed host functions take and return.

use super::HostError;
use hatchery_image::ValType;
use hatchery_image::abi::RawVal;

/// A type of a host function's signature. Reference types are less exact than the guest's: what a guest passes
/// has its import's type, and what it is returned is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HostType {
    /// `i32`.
    I32,
    /// `i64`.
    I64,
    /// `f32`.
    F32,
    /// `f64`.
    F64,
    /// `v128`.
    V128,
    /// A reference to a function, of any type.
    Func,
    /// A reference to a host value.
    Extern,
}

impl HostType {
    /// The host's view of a guest type.
    pub fn of(ty: ValType) -> HostType {
        match ty {
            ValType::I32 => HostType::I32,
            ValType::I64 => HostType::I64,
            ValType::F32 => HostType::F32,
            ValType::F64 => HostType::F64,
            ValType::V128 => HostType::V128,
            ValType::Ref(reference) if reference.is_func() => HostType::Func,
            ValType::Ref(_) => HostType::Extern,
        }
    }
}

impl std::fmt::Display for HostType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            HostType::I32 => "i32",
            HostType::I64 => "i64",
            HostType::F32 => "f32",
            HostType::F64 => "f64",
            HostType::V128 => "v128",
            HostType::Func => "funcref",
            HostType::Extern => "externref",
        })
    }
}

/// A packed funcref as a host function sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncWord(pub u64);

/// An externref's word as a host function sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExternWord(pub u64);

mod sealed {
    pub trait Sealed {}
}

/// A parameter of a typed host function. Sealed: shims rely on how its implementers are passed.
pub trait HostScalar: sealed::Sealed + Copy + Send + 'static {
    /// Its type.
    const TYPE: HostType;
    /// How it is passed in native form.
    type Native: Copy;
    /// From native form.
    fn from_native(native: Self::Native) -> Self;
    /// Into native form.
    fn into_native(self) -> Self::Native;
    /// From array form.
    fn from_raw(raw: RawVal) -> Self;
    /// Into array form.
    fn into_raw(self) -> RawVal;
}

macro_rules! scalars {
    ($($ty:ty, $native:ty, $kind:ident, $from:expr, $into:expr, $get:ident, $make:ident;)*) => {
        $(
            impl sealed::Sealed for $ty {}

            impl HostScalar for $ty {
                const TYPE: HostType = HostType::$kind;
                type Native = $native;

                #[inline(always)]
                fn from_native(native: $native) -> $ty {
                    $from(native)
                }

                #[inline(always)]
                fn into_native(self) -> $native {
                    $into(self)
                }

                #[inline(always)]
                fn from_raw(raw: RawVal) -> $ty {
                    let from_bits = |bits| <$ty as FromBits<_>>::from_bits_of(bits);
                    from_bits(raw.$get())
                }

                #[inline(always)]
                fn into_raw(self) -> RawVal {
                    RawVal::$make(<$ty as FromBits<_>>::bits_of(self))
                }
            }
        )*
    };
}

/// The bits that a `RawVal` has of a scalar.
trait FromBits<B> {
    fn from_bits_of(bits: B) -> Self;
    fn bits_of(self) -> B;
}

macro_rules! bits {
    ($($ty:ty, $bits:ty, $from:expr, $into:expr;)*) => {
        $(
            impl FromBits<$bits> for $ty {
                #[inline(always)]
                fn from_bits_of(bits: $bits) -> $ty {
                    $from(bits)
                }

                #[inline(always)]
                fn bits_of(self) -> $bits {
                    $into(self)
                }
            }
        )*
    };
}

bits! {
    i32, i32, |b| b, |v| v;
    u32, i32, |b| b as u32, |v| v as i32;
    i64, i64, |b| b, |v| v;
    u64, i64, |b| b as u64, |v| v as i64;
    f32, u32, f32::from_bits, f32::to_bits;
    f64, u64, f64::from_bits, f64::to_bits;
    FuncWord, u64, FuncWord, |v: FuncWord| v.0;
    ExternWord, u64, ExternWord, |v: ExternWord| v.0;
}

scalars! {
    i32, i32, I32, |n| n, |v| v, get_i32, from_i32;
    u32, u32, I32, |n| n, |v| v, get_i32, from_i32;
    i64, i64, I64, |n| n, |v| v, get_i64, from_i64;
    u64, u64, I64, |n| n, |v| v, get_i64, from_i64;
    f32, f32, F32, |n| n, |v| v, get_f32_bits, from_f32_bits;
    f64, f64, F64, |n| n, |v| v, get_f64_bits, from_f64_bits;
    FuncWord, u64, Func, FuncWord, |v: FuncWord| v.0, get_reference, from_reference;
    ExternWord, u64, Extern, ExternWord, |v: ExternWord| v.0, get_reference, from_reference;
}

/// The results of a typed host function: nothing, a scalar, or a tuple of scalars.
pub trait HostValues: sealed::Sealed + Copy + Send + 'static {
    /// Their types.
    const TYPES: &'static [HostType];
    /// How they are returned in native form; unused when there is more than one.
    type Native: Copy;
    /// Into native form; with more than one result there is none, and nothing calls this.
    fn into_native(self) -> Self::Native;
    /// Into array form.
    fn into_raw(self, values: &mut [RawVal]);
}

impl<V: HostScalar> HostValues for V {
    const TYPES: &'static [HostType] = &[V::TYPE];
    type Native = V::Native;

    #[inline(always)]
    fn into_native(self) -> V::Native {
        HostScalar::into_native(self)
    }

    #[inline(always)]
    fn into_raw(self, values: &mut [RawVal]) {
        values[0] = HostScalar::into_raw(self);
    }
}

macro_rules! tuples {
    ($(($($v:ident),*);)*) => {
        $(
            impl<$($v: HostScalar),*> sealed::Sealed for ($($v,)*) {}

            impl<$($v: HostScalar),*> HostValues for ($($v,)*) {
                const TYPES: &'static [HostType] = &[$($v::TYPE),*];
                type Native = ();

                #[inline(always)]
                fn into_native(self) {}

                #[inline(always)]
                #[allow(non_snake_case, reason = "type parameters name the values")]
                #[allow(unused_variables, reason = "the empty tuple has nothing to store")]
                fn into_raw(self, values: &mut [RawVal]) {
                    let ($($v,)*) = self;
                    let stored: &[RawVal] = &[$(HostScalar::into_raw($v)),*];
                    values[..stored.len()].copy_from_slice(stored);
                }
            }
        )*
    };
}

tuples! {
    ();
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
    (A, B, C, D, E, F);
    (A, B, C, D, E, F, G);
    (A, B, C, D, E, F, G, H);
}

/// What a typed host function may return: values, or a result with values.
pub trait HostResult {
    /// The values.
    type Values: HostValues;
    /// As a result.
    ///
    /// # Errors
    ///
    /// When it is one.
    fn into_result(self) -> Result<Self::Values, HostError>;
}

impl<V: HostValues> HostResult for V {
    type Values = V;

    #[inline(always)]
    fn into_result(self) -> Result<V, HostError> {
        Ok(self)
    }
}

impl<V: HostValues, E: Into<HostError>> HostResult for Result<V, E> {
    type Values = V;

    #[inline(always)]
    fn into_result(self) -> Result<V, HostError> {
        self.map_err(Into::into)
    }
}
