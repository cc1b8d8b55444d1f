//! Dynamic values from and to the words that travel between host and guest.

use crate::convert;
use crate::error::{Error, ErrorKind};
use crate::func::is_same;
use crate::val::{ExternRef, FuncRef, Val};
use hatchery_image as image;
use hatchery_image::abi::RawVal;
use hatchery_vm::Access;

/// The word of a function reference, if it is of the instance's own module.
pub(crate) fn func_word<T: 'static>(access: &Access<'_, T>, reference: FuncRef) -> Result<u64, Error> {
    if reference.prepared != access.prepared_id() {
        let message = "the function reference is of another module than the instance it is given to";
        return Err(Error::message(ErrorKind::Usage, message));
    }
    Ok(reference.word)
}

/// A value as a word of this type.
pub(crate) fn lower<T: 'static>(access: &Access<'_, T>, ty: image::ValType, value: &Val) -> Result<RawVal, Error> {
    let shown = convert::val_type(ty);
    if !is_same(shown, value) {
        let message = format!("expected a value of type {shown}, found {}", value.type_name());
        return Err(Error::message(ErrorKind::Usage, message));
    }
    Ok(match value {
        Val::I32(value) => RawVal::from_i32(*value),
        Val::I64(value) => RawVal::from_i64(*value),
        Val::F32(bits) => RawVal::from_f32_bits(*bits),
        Val::F64(bits) => RawVal::from_f64_bits(*bits),
        Val::V128(value) => RawVal::from_v128(value.to_le_bytes()),
        Val::FuncRef(Some(reference)) => RawVal::from_reference(func_word(access, *reference)?),
        Val::ExternRef(Some(reference)) => RawVal::from_reference(reference.word),
        Val::FuncRef(None) | Val::ExternRef(None) => RawVal::ZERO,
    })
}

/// A word of this type as a value.
pub(crate) fn lift<T: 'static>(access: &Access<'_, T>, ty: image::ValType, raw: RawVal) -> Val {
    match ty {
        image::ValType::I32 => Val::I32(raw.get_i32()),
        image::ValType::I64 => Val::I64(raw.get_i64()),
        image::ValType::F32 => Val::F32(raw.get_f32_bits()),
        image::ValType::F64 => Val::F64(raw.get_f64_bits()),
        image::ValType::V128 => Val::V128(u128::from_le_bytes(raw.get_v128())),
        image::ValType::Ref(reference) => {
            let word = raw.get_reference();
            let present = word != 0;
            if reference.is_func() {
                Val::FuncRef(present.then(|| FuncRef { word, prepared: access.prepared_id() }))
            } else {
                Val::ExternRef(present.then_some(ExternRef { word }))
            }
        }
    }
}

/// A word of this type, from a table or a global, as a value.
pub(crate) fn lift_stored<T: 'static>(access: &Access<'_, T>, ty: image::ValType, raw: RawVal) -> Result<Val, Error> {
    match ty {
        image::ValType::Ref(reference) if reference.is_exn() => {
            let message = "the host cannot have a reference to an exception, and there is no value for it";
            Err(Error::message(ErrorKind::Usage, message))
        }
        ty => Ok(lift(access, ty, raw)),
    }
}

/// The word of a table's element.
pub(crate) fn word(word: u64) -> RawVal {
    RawVal::from_reference(word)
}
