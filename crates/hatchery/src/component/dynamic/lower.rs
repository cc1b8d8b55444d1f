//! Dynamic values to what a component is passed.
//!
//! The values were [accepted](Shape::accept) before, so that no number of values and no name is looked at again.

use super::scalars::{scalar_lower, scalar_store};
use super::{Kind, Shape, flags_bits};
use crate::component::abi::Abi;
use crate::component::lists::allocate_list;
use crate::component::macros::store_flags;
use crate::component::options::{HandleSlot, bug};
use crate::component::resource_any::ResourceAny;
use crate::component::strings::store_pair;
use crate::component::traits::{FlatMut, Lower, Place};
use crate::component::val::Val;
use crate::error::Error;

impl Shape {
    /// See [`Lower::lower`].
    pub(crate) fn lower(&self, value: &Val, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        match (&self.kind, value) {
            (Kind::Scalar(ty), _) => scalar_lower(ty, value, cx, flat),
            (Kind::String, Val::String(text)) => text.lower(cx, flat),
            (Kind::List(_) | Kind::Map(..), _) => {
                let (pointer, count) = self.store_elements(value, cx)?;
                flat.push_size(pointer);
                flat.push_size(count);
                Ok(())
            }
            (Kind::FixedList(element, _), Val::List(values)) => {
                values.iter().try_for_each(|value| element.lower(value, cx, flat))
            }
            (Kind::Record(fields), Val::Record(values)) => {
                let mut fields = fields.iter().zip(values);
                fields.try_for_each(|((_, shape), (_, value))| shape.lower(value, cx, flat))
            }
            (Kind::Tuple(_), Val::Tuple(values)) => self.lower_parts(values, cx, flat),
            (
                Kind::Variant(cases, abi)
                | Kind::Enum(cases, abi)
                | Kind::Option(cases, abi)
                | Kind::Result(cases, abi),
                _,
            ) => {
                let (case, payload) = self.find_case(cases, value)?;
                let at = abi.lower(flat, case as u32);
                if let Some((shape, value)) = payload {
                    shape.lower(value, cx, flat)?;
                }
                at.leave_mut(flat);
                Ok(())
            }
            (Kind::Flags(names), Val::Flags(set)) => {
                flat.push_u32(flags_bits(names, set)?);
                Ok(())
            }
            (Kind::Handle(slot), Val::Resource(resource)) => {
                let index = handle(cx, *slot, *resource)?;
                flat.push_u32(index);
                Ok(())
            }
            _ => Err(self.mismatch(value)),
        }
    }

    /// Passes the values of a tuple.
    pub(crate) fn lower_parts(&self, values: &[Val], cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
        self.parts().iter().zip(values).try_for_each(|(shape, value)| shape.lower(value, cx, flat))
    }

    /// See [`Lower::store`].
    pub(crate) fn store(&self, value: &Val, cx: &mut Abi<'_>, at: u64) -> Result<(), Error> {
        let (wide, place) = (cx.is_wide(), Place { at, handle: 0 });
        match (&self.kind, value) {
            (Kind::Scalar(ty), _) => scalar_store(ty, value, cx, place),
            (Kind::String, Val::String(text)) => text.store(cx, place),
            (Kind::List(_) | Kind::Map(..), _) => {
                let (pointer, count) = self.store_elements(value, cx)?;
                store_pair(cx, place, pointer, count)
            }
            (Kind::FixedList(element, _), Val::List(values)) => store_all(cx, element, at, values),
            (Kind::Record(fields), Val::Record(values)) => {
                let mut next = place;
                fields.iter().zip(values).try_for_each(|((_, shape), (_, value))| {
                    let (place, behind) = next.field(shape.abi, wide);
                    next = behind;
                    shape.store(value, cx, place.at)
                })
            }
            (Kind::Tuple(_), Val::Tuple(values)) => self.store_parts(values, cx, at),
            (
                Kind::Variant(cases, abi)
                | Kind::Enum(cases, abi)
                | Kind::Option(cases, abi)
                | Kind::Result(cases, abi),
                _,
            ) => {
                let (case, payload) = self.find_case(cases, value)?;
                abi.store(cx, place, case as u32)?;
                let at = abi.place(cx, place, 0).at;
                payload.map_or(Ok(()), |(shape, value)| shape.store(value, cx, at))
            }
            (Kind::Flags(names), Val::Flags(set)) => store_flags(cx, place, self.abi, flags_bits(names, set)?),
            (Kind::Handle(slot), Val::Resource(resource)) => {
                let index = handle(cx, *slot, *resource)?;
                index.store(cx, place)
            }
            _ => Err(self.mismatch(value)),
        }
    }

    /// Writes the values of a tuple.
    pub(crate) fn store_parts(&self, values: &[Val], cx: &mut Abi<'_>, at: u64) -> Result<(), Error> {
        let (wide, mut next) = (cx.is_wide(), Place { at, handle: 0 });
        self.parts().iter().zip(values).try_for_each(|(shape, value)| {
            let (place, behind) = next.field(shape.abi, wide);
            next = behind;
            shape.store(value, cx, place.at)
        })
    }

    /// Copies a list or a map into the guest's memory: its pointer and length.
    fn store_elements(&self, value: &Val, cx: &mut Abi<'_>) -> Result<(u64, u64), Error> {
        let wide = cx.is_wide();
        match (&self.kind, value) {
            (Kind::List(element), Val::List(values)) => {
                let at = allocate_list(cx, element.abi.extent(wide), values.len())?;
                store_all(cx, element, at, values)?;
                Ok((at, values.len() as u64))
            }
            (Kind::Map(pair, entry), Val::Map(values)) => {
                let at = allocate_list(cx, entry.extent(wide), values.len())?;
                let stride = u64::from(entry.extent(wide).bytes);
                for ((key, value), i) in values.iter().zip(0..) {
                    let (place, behind) = Place { at: at + i * stride, handle: 0 }.field(pair[0].abi, wide);
                    pair[0].store(key, cx, place.at)?;
                    pair[1].store(value, cx, behind.field(pair[1].abi, wide).0.at)?;
                }
                Ok((at, values.len() as u64))
            }
            _ => Err(self.mismatch(value)),
        }
    }
}

fn store_all(cx: &mut Abi<'_>, element: &Shape, at: u64, values: &[Val]) -> Result<(), Error> {
    let stride = u64::from(element.abi.extent(cx.is_wide()).bytes);
    values.iter().zip(0..).try_for_each(|(value, i)| element.store(value, cx, at + i * stride))
}

fn handle(cx: &mut Abi<'_>, slot: HandleSlot, resource: ResourceAny) -> Result<u32, Error> {
    let table = cx.options.handles.as_ref().ok_or_else(|| bug("a handle without a table"))?;
    resource.to_slot(cx, table, slot)
}
