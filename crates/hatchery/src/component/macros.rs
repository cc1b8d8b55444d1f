//! What derived code calls.

use super::abi::Abi;
pub use super::export_check::{ExportCheck, find, prepare};
pub use super::layout::{Extent, TypeAbi, VariantAbi};
use super::traits::{Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
pub use super::variants::Cases;
pub use super::wit_text::WitText;
use crate::error::Error;

/// A type's [`check`](super::ComponentType::check).
pub type Check = fn(&Type, &mut TypeCheck<'_>) -> bool;

/// A type's [`describe`](super::ComponentType::describe).
pub type Describe = fn(&mut WitText);

/// Places of a record's fields, from the first to the last.
#[derive(Debug)]
pub struct Fields {
    next: Place,
    wide: bool,
}

impl Fields {
    /// Of the record at this place.
    #[inline(always)]
    pub fn new(cx: &Abi<'_>, place: Place) -> Fields {
        Fields { next: place, wide: cx.is_wide() }
    }

    /// The place of the next field, which has this layout.
    #[inline(always)]
    pub fn next(&mut self, abi: TypeAbi) -> Place {
        let (place, next) = self.next.field(abi, self.wide);
        self.next = next;
        place
    }
}

/// Whether a type is a record of these fields.
pub fn check_record(ty: &Type, cx: &mut TypeCheck<'_>, fields: &[(&str, Check)]) -> bool {
    let Type::Record(record) = ty else { return false };
    let found = record.fields();
    found.len() == fields.len()
        && found.zip(fields).all(|(found, (name, check))| found.name == *name && check(&found.ty, cx))
}

/// Whether a type is a variant of these cases.
pub fn check_variant(ty: &Type, cx: &mut TypeCheck<'_>, cases: &[(&str, Option<Check>)]) -> bool {
    let Type::Variant(variant) = ty else { return false };
    let found = variant.cases();
    found.len() == cases.len()
        && found.zip(cases).all(|(found, (name, check))| {
            let payload = match (&found.ty, check) {
                (Some(ty), Some(check)) => check(ty, cx),
                (None, None) => true,
                _ => false,
            };
            found.name == *name && payload
        })
}

/// Whether a type is an enum of these cases.
pub fn check_enum(ty: &Type, names: &[&str]) -> bool {
    matches!(ty, Type::Enum(found) if found.names().eq(names.iter().copied()))
}

/// Whether a type has these flags.
pub fn check_flags(ty: &Type, names: &[&str]) -> bool {
    matches!(ty, Type::Flags(found) if found.names().eq(names.iter().copied()))
}

/// Writes a record of these fields.
pub fn describe_record(into: &mut WitText, fields: &[(&str, Describe)]) {
    into.list(["record { ", " }"], fields, |into, (name, describe)| {
        into.push(name);
        into.push(": ");
        describe(into);
    });
}

/// Writes a variant of these cases.
pub fn describe_variant(into: &mut WitText, cases: &[(&str, Option<Describe>)]) {
    into.list(["variant { ", " }"], cases, |into, (name, payload)| {
        into.push(name);
        if let Some(describe) = payload {
            into.list(["(", ")"], [describe], |into, describe| describe(into));
        }
    });
}

/// Writes an enum of these cases.
pub fn describe_enum(into: &mut WitText, names: &[&str]) {
    into.list(["enum { ", " }"], names, |into, name| into.push(name));
}

/// Writes flags.
pub fn describe_flags(into: &mut WitText, names: &[&str]) {
    into.list(["flags { ", " }"], names, |into, name| into.push(name));
}

/// The bits of flags.
#[inline(always)]
pub fn lift_flags(flat: &mut Flat<'_>) -> u32 {
    flat.u32()
}

/// Passes the bits of flags.
#[inline(always)]
pub fn lower_flags(flat: &mut FlatMut<'_>, bits: u32) {
    flat.push_u32(bits);
}

/// Reads the bits of flags.
///
/// # Errors
///
/// When they are not inside the memory, which was checked.
#[inline(always)]
pub fn load_flags(cx: &mut Abi<'_>, place: Place, abi: TypeAbi) -> Result<u32, Error> {
    match abi.narrow.bytes {
        1 => u8::load(cx, place).map(u32::from),
        2 => u16::load(cx, place).map(u32::from),
        _ => u32::load(cx, place),
    }
}

/// Writes the bits of flags.
///
/// # Errors
///
/// When they are not inside the memory, which was checked, or the kernel refuses to make it writable.
#[inline(always)]
pub fn store_flags(cx: &mut Abi<'_>, place: Place, abi: TypeAbi, bits: u32) -> Result<(), Error> {
    match abi.narrow.bytes {
        1 => (bits as u8).store(cx, place),
        2 => (bits as u16).store(cx, place),
        _ => bits.store(cx, place),
    }
}
