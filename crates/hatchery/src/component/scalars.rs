//! Numbers, booleans and characters.

use super::abi::Abi;
use super::layout::TypeAbi;
use super::traits::{ComponentType, Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::violation::Violation;
use super::wit_text::WitText;
use crate::error::Error;
use hatchery_image::abi::RawVal;

/// Numbers whose bytes in memory are those that the host has, too. Lists of them are copied whole.
macro_rules! numbers {
    ($($ty:ty: $variant:ident, $bytes:literal, |$word:ident| $lift:expr, |$value:ident| $lower:expr;)*) => {
        $(
            impl ComponentType for $ty {
                const ABI: TypeAbi = TypeAbi::scalar($bytes);

                fn check(ty: &Type, _: &mut TypeCheck<'_>) -> bool {
                    matches!(ty, Type::$variant)
                }

                fn describe(into: &mut WitText) {
                    into.push(&stringify!($variant).to_lowercase());
                }
            }

            impl Lift for $ty {
                #[inline(always)]
                fn lift(_: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<$ty, Error> {
                    let $word = flat.word();
                    Ok($lift)
                }

                #[inline(always)]
                fn load(cx: &mut Abi<'_>, place: Place) -> Result<$ty, Error> {
                    Ok(<$ty>::from_le_bytes(cx.read(place.at)?))
                }

                #[inline]
                fn load_list(cx: &mut Abi<'_>, place: Place, count: usize) -> Result<Vec<$ty>, Error> {
                    cx.charge(count.saturating_mul($bytes))?;
                    let (chunks, _) = cx.slice(place.at, count as u64 * $bytes)?.as_chunks::<$bytes>();
                    Ok(chunks.iter().map(|bytes| <$ty>::from_le_bytes(*bytes)).collect())
                }
            }

            impl Lower for $ty {
                #[inline(always)]
                fn lower(&self, _: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
                    let $value = *self;
                    flat.push($lower);
                    Ok(())
                }

                #[inline(always)]
                fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
                    cx.write(place.at, self.to_le_bytes())
                }

                #[inline]
                fn store_list(values: &[$ty], cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
                    let (chunks, _) = cx.slice_mut(place.at, values.len() as u64 * $bytes)?.as_chunks_mut::<$bytes>();
                    chunks.iter_mut().zip(values).for_each(|(bytes, value)| *bytes = value.to_le_bytes());
                    Ok(())
                }
            }
        )*
    };
}

numbers! {
    u8: U8, 1, |word| word.get_i32() as u8, |value| RawVal::from_i32(i32::from(value));
    i8: S8, 1, |word| word.get_i32() as i8, |value| RawVal::from_i32(i32::from(value));
    u16: U16, 2, |word| word.get_i32() as u16, |value| RawVal::from_i32(i32::from(value));
    i16: S16, 2, |word| word.get_i32() as i16, |value| RawVal::from_i32(i32::from(value));
    u32: U32, 4, |word| word.get_i32() as u32, |value| RawVal::from_i32(value as i32);
    i32: S32, 4, |word| word.get_i32(), |value| RawVal::from_i32(value);
    u64: U64, 8, |word| word.get_i64() as u64, |value| RawVal::from_i64(value as i64);
    i64: S64, 8, |word| word.get_i64(), |value| RawVal::from_i64(value);
    f32: F32, 4, |word| f32::from_bits(word.get_f32_bits()), |value| RawVal::from_f32_bits(value.to_bits());
    f64: F64, 8, |word| f64::from_bits(word.get_f64_bits()), |value| RawVal::from_f64_bits(value.to_bits());
}

/// A character, unless the number is none.
#[inline(always)]
pub(crate) fn character(code: u32) -> Result<char, Error> {
    char::from_u32(code).ok_or_else(|| Violation::Char(code).error())
}

/// Values that are passed as a number which has to be looked at.
macro_rules! checked {
    ($($ty:ty: $variant:ident as $number:ty, |$from:ident| $lift:expr, |$value:ident| $lower:expr;)*) => {
        $(
            impl ComponentType for $ty {
                const ABI: TypeAbi = <$number as ComponentType>::ABI;

                fn check(ty: &Type, _: &mut TypeCheck<'_>) -> bool {
                    matches!(ty, Type::$variant)
                }

                fn describe(into: &mut WitText) {
                    into.push(&stringify!($variant).to_lowercase());
                }
            }

            impl Lift for $ty {
                #[inline(always)]
                fn lift(_: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<$ty, Error> {
                    let $from = flat.u32();
                    $lift
                }

                #[inline(always)]
                fn load(cx: &mut Abi<'_>, place: Place) -> Result<$ty, Error> {
                    let $from = u32::from(<$number>::load(cx, place)?);
                    $lift
                }
            }

            impl Lower for $ty {
                #[inline(always)]
                fn lower(&self, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
                    let $value = *self;
                    ($lower as $number).lower(cx, flat)
                }

                #[inline(always)]
                fn store(&self, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
                    let $value = *self;
                    ($lower as $number).store(cx, place)
                }
            }
        )*
    };
}

checked! {
    bool: Bool as u8, |number| Ok(number != 0), |value| u8::from(value);
    char: Char as u32, |number| character(number), |value| u32::from(value);
}
