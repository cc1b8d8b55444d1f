//! Dynamic numbers, booleans and characters.

use super::usage;
use crate::component::abi::Abi;
use crate::component::options::bug;
use crate::component::traits::{Flat, FlatMut, Lift, Lower, Place};
use crate::component::types::Type;
use crate::component::val::Val;
use crate::error::Error;

macro_rules! scalars {
    ($($variant:ident: $ty:ty;)*) => {
        pub(super) fn scalar_accept(ty: &Type, value: &Val) -> Result<(), Error> {
            match (ty, value) {
                $((Type::$variant, Val::$variant(_)))|* => Ok(()),
                _ => Err(mismatch(ty, value)),
            }
        }

        pub(super) fn scalar_lift(ty: &Type, cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Val, Error> {
            match ty {
                $(Type::$variant => <$ty>::lift(cx, flat).map(Val::$variant),)*
                _ => Err(bug("a scalar that is none")),
            }
        }

        pub(super) fn scalar_load(ty: &Type, cx: &mut Abi<'_>, place: Place) -> Result<Val, Error> {
            match ty {
                $(Type::$variant => <$ty>::load(cx, place).map(Val::$variant),)*
                _ => Err(bug("a scalar that is none")),
            }
        }

        pub(super) fn scalar_lower(
            ty: &Type,
            value: &Val,
            cx: &mut Abi<'_>,
            flat: &mut FlatMut<'_>,
        ) -> Result<(), Error> {
            match (ty, value) {
                $((Type::$variant, Val::$variant(value)) => value.lower(cx, flat),)*
                _ => Err(mismatch(ty, value)),
            }
        }

        pub(super) fn scalar_store(ty: &Type, value: &Val, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
            match (ty, value) {
                $((Type::$variant, Val::$variant(value)) => value.store(cx, place),)*
                _ => Err(mismatch(ty, value)),
            }
        }
    };
}

#[cold]
fn mismatch(ty: &Type, value: &Val) -> Error {
    usage(format!("expected a value of type {ty}, found one of type {}", value.kind()))
}

scalars! {
    Bool: bool;
    S8: i8;
    U8: u8;
    S16: i16;
    U16: u16;
    S32: i32;
    U32: u32;
    S64: i64;
    U64: u64;
    F32: f32;
    F64: f64;
    Char: char;
}
