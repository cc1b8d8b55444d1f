//! Values as scripts write them, and what is expected of results.

use std::fmt;

/// An argument of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// Bits of a single float.
    F32(u32),
    /// Bits of a double float.
    F64(u64),
    /// 128-bit vector, lane 0 in the low bits.
    V128(u128),
    /// The null function.
    NullFunc,
    /// The null host value.
    NullExtern,
    /// The host value with this number.
    Extern(u32),
    /// A component's value, which no function of a module takes.
    Foreign,
}

/// What a result must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This integer.
    I32(i32),
    /// This integer.
    I64(i64),
    /// This single float.
    F32(Nan<u32>),
    /// This double float.
    F64(Nan<u64>),
    /// This vector.
    V128(Lanes),
    /// Any null reference.
    Null,
    /// The null function.
    NullFunc,
    /// The null host value.
    NullExtern,
    /// A function.
    Func,
    /// A host value; the one with this number, if there is one.
    Extern(Option<u32>),
    /// A value of a type that no module here can have.
    Foreign(&'static str),
    /// One of these.
    Either(Vec<Expected>),
}

/// A float by its bits, or a class of not-a-numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nan<B> {
    /// These bits.
    Bits(B),
    /// A NaN whose payload is the top bit alone.
    Canonical,
    /// A NaN whose payload has the top bit.
    Arithmetic,
}

/// A vector, as lanes where lanes can be classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// These bits.
    Bits(u128),
    /// Single floats.
    F32([Nan<u32>; 4]),
    /// Double floats.
    F64([Nan<u64>; 2]),
}

/// A result of a call, references looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actual {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128(u128),
    NullFunc,
    NullExtern,
    Func,
    /// A host value and its number, if the runner made it.
    Extern(Option<u32>),
}

impl Nan<u32> {
    fn admits(self, bits: u32) -> bool {
        const QUIET: u32 = 0x7fc0_0000;
        match self {
            Nan::Bits(expected) => bits == expected,
            Nan::Canonical => bits & 0x7fff_ffff == QUIET,
            Nan::Arithmetic => bits & QUIET == QUIET,
        }
    }
}

impl Nan<u64> {
    fn admits(self, bits: u64) -> bool {
        const QUIET: u64 = 0x7ff8_0000_0000_0000;
        match self {
            Nan::Bits(expected) => bits == expected,
            Nan::Canonical => bits & 0x7fff_ffff_ffff_ffff == QUIET,
            Nan::Arithmetic => bits & QUIET == QUIET,
        }
    }
}

impl Lanes {
    fn admits(&self, bits: u128) -> bool {
        match self {
            Lanes::Bits(expected) => bits == *expected,
            Lanes::F32(lanes) => (0..).zip(lanes).all(|(i, lane)| lane.admits((bits >> (32 * i)) as u32)),
            Lanes::F64(lanes) => (0..).zip(lanes).all(|(i, lane)| lane.admits((bits >> (64 * i)) as u64)),
        }
    }
}

impl Expected {
    /// Whether `actual` is what is expected.
    pub(crate) fn admits(&self, actual: Actual) -> bool {
        match (self, actual) {
            (Expected::I32(expected), Actual::I32(actual)) => *expected == actual,
            (Expected::I64(expected), Actual::I64(actual)) => *expected == actual,
            (Expected::F32(expected), Actual::F32(actual)) => expected.admits(actual),
            (Expected::F64(expected), Actual::F64(actual)) => expected.admits(actual),
            (Expected::V128(expected), Actual::V128(actual)) => expected.admits(actual),
            (Expected::Null | Expected::NullFunc, Actual::NullFunc) => true,
            (Expected::Null | Expected::NullExtern, Actual::NullExtern) => true,
            (Expected::Func, Actual::Func) => true,
            (Expected::Extern(None), Actual::Extern(_)) => true,
            (Expected::Extern(expected), Actual::Extern(actual)) => *expected == actual,
            (Expected::Either(choices), actual) => choices.iter().any(|expected| expected.admits(actual)),
            _ => false,
        }
    }
}

impl fmt::Display for Actual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actual::I32(value) => write!(f, "(i32.const {value})"),
            Actual::I64(value) => write!(f, "(i64.const {value})"),
            Actual::F32(bits) => write!(f, "(f32 {bits:#010x}: {:?})", f32::from_bits(*bits)),
            Actual::F64(bits) => write!(f, "(f64 {bits:#018x}: {:?})", f64::from_bits(*bits)),
            Actual::V128(bits) => write!(f, "(v128 {bits:#034x})"),
            Actual::NullFunc => f.write_str("(ref.null func)"),
            Actual::NullExtern => f.write_str("(ref.null extern)"),
            Actual::Func => f.write_str("(ref.func)"),
            Actual::Extern(Some(number)) => write!(f, "(ref.extern {number})"),
            Actual::Extern(None) => f.write_str("(ref.extern)"),
        }
    }
}

impl fmt::Display for Nan<u32> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nan::Bits(bits) => write!(f, "{bits:#010x}: {:?}", f32::from_bits(*bits)),
            Nan::Canonical => f.write_str("nan:canonical"),
            Nan::Arithmetic => f.write_str("nan:arithmetic"),
        }
    }
}

impl fmt::Display for Nan<u64> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nan::Bits(bits) => write!(f, "{bits:#018x}: {:?}", f64::from_bits(*bits)),
            Nan::Canonical => f.write_str("nan:canonical"),
            Nan::Arithmetic => f.write_str("nan:arithmetic"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::I32(value) => write!(f, "(i32.const {value})"),
            Expected::I64(value) => write!(f, "(i64.const {value})"),
            Expected::F32(value) => write!(f, "(f32 {value})"),
            Expected::F64(value) => write!(f, "(f64 {value})"),
            Expected::V128(Lanes::Bits(bits)) => write!(f, "(v128 {bits:#034x})"),
            Expected::V128(Lanes::F32([a, b, c, d])) => write!(f, "(f32x4 {a}, {b}, {c}, {d})"),
            Expected::V128(Lanes::F64([a, b])) => write!(f, "(f64x2 {a}, {b})"),
            Expected::Null => f.write_str("(ref.null)"),
            Expected::NullFunc => f.write_str("(ref.null func)"),
            Expected::NullExtern => f.write_str("(ref.null extern)"),
            Expected::Func => f.write_str("(ref.func)"),
            Expected::Extern(Some(number)) => write!(f, "(ref.extern {number})"),
            Expected::Extern(None) => f.write_str("(ref.extern)"),
            Expected::Foreign(ty) => write!(f, "({ty})"),
            Expected::Either(choices) => {
                f.write_str("(either")?;
                choices.iter().try_for_each(|choice| write!(f, " {choice}"))?;
                f.write_str(")")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_classes() {
        let canonical: Nan<u32> = Nan::Canonical;
        let arithmetic: Nan<u32> = Nan::Arithmetic;
        assert!(canonical.admits(0x7fc0_0000) && canonical.admits(0xffc0_0000));
        assert!(!canonical.admits(0x7fc0_0001) && !canonical.admits(0x7fa0_0000) && !canonical.admits(0));
        assert!(arithmetic.admits(0x7fc0_0001) && arithmetic.admits(0xffff_ffff));
        assert!(!arithmetic.admits(0x7fa0_0000) && !arithmetic.admits(0x7f80_0000));
        let arithmetic: Nan<u64> = Nan::Arithmetic;
        assert!(arithmetic.admits(0x7ff8_0000_0000_0001) && !arithmetic.admits(0x7ff4_0000_0000_0000));
    }

    #[test]
    fn lanes_count_from_the_low_bits() {
        let lanes = Lanes::F32([Nan::Bits(1), Nan::Bits(2), Nan::Canonical, Nan::Bits(4)]);
        assert!(lanes.admits(0x00000004_7fc00000_00000002_00000001));
        assert!(!lanes.admits(0x00000004_7fc00001_00000002_00000001));
        let lanes = Lanes::F64([Nan::Bits(1), Nan::Bits(2)]);
        assert!(lanes.admits(0x0000000000000002_0000000000000001));
    }

    #[test]
    fn types_must_agree() {
        assert!(!Expected::I32(0).admits(Actual::I64(0)));
        assert!(!Expected::NullFunc.admits(Actual::NullExtern));
        assert!(Expected::Null.admits(Actual::NullExtern));
        assert!(!Expected::Func.admits(Actual::NullFunc));
        assert!(!Expected::Extern(Some(1)).admits(Actual::Extern(None)));
        assert!(Expected::Extern(None).admits(Actual::Extern(Some(3))));
        assert!(!Expected::Foreign("ref.i31").admits(Actual::Func));
        let either = Expected::Either(vec![Expected::I32(1), Expected::I32(2)]);
        assert!(either.admits(Actual::I32(2)) && !either.admits(Actual::I32(3)));
    }
}
