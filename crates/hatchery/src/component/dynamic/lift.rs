//! Dynamic values of what a component passes.
//!
//! Whatever has values on the heap counts these as what the guest makes the host allocate, before there is room for them.

use super::scalars::{scalar_lift, scalar_load};
use super::{Kind, Shape};
use crate::component::abi::Abi;
use crate::component::lists::check_list;
use crate::component::macros::load_flags;
use crate::component::options::{HandleSlot, bug};
use crate::component::resource_any::ResourceAny;
use crate::component::strings::load_pair;
use crate::component::traits::{Flat, Lift, Place};
use crate::component::val::Val;
use crate::error::Error;

impl Shape {
    /// See [`Lift::lift`].
    pub(crate) fn lift(&self, cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Val, Error> {
        Ok(match &self.kind {
            Kind::Scalar(ty) => scalar_lift(ty, cx, flat)?,
            Kind::String => Val::String(String::lift(cx, flat)?),
            Kind::List(_) | Kind::Map(..) => {
                let (pointer, count) = (flat.size(cx.is_wide()), flat.size(cx.is_wide()));
                self.load_elements(cx, pointer, count)?
            }
            Kind::FixedList(element, count) => Val::List(gather(cx, *count as usize, |cx, _| element.lift(cx, flat))?),
            Kind::Record(fields) => Val::Record(gather(cx, fields.len(), |cx, i| {
                let (name, shape) = &fields[i];
                Ok((copy_name(cx, name)?, shape.lift(cx, flat)?))
            })?),
            Kind::Tuple(shapes) => Val::Tuple(gather(cx, shapes.len(), |cx, i| shapes[i].lift(cx, flat))?),
            Kind::Variant(cases, abi)
            | Kind::Enum(cases, abi)
            | Kind::Option(cases, abi)
            | Kind::Result(cases, abi) => {
                let at = abi.lift(flat)?;
                let (name, shape) = &cases[at.case as usize];
                let payload = boxed(cx, shape.as_ref(), |cx, shape| shape.lift(cx, flat))?;
                at.leave(flat);
                self.case(cx, at.case, name, payload)?
            }
            Kind::Flags(names) => set_flags(cx, names, flat.u32())?,
            Kind::Handle(slot) => handle(cx, *slot, flat.u32())?,
        })
    }

    /// See [`Lift::load`].
    pub(crate) fn load(&self, cx: &mut Abi<'_>, at: u64) -> Result<Val, Error> {
        let (wide, place) = (cx.is_wide(), Place { at, handle: 0 });
        Ok(match &self.kind {
            Kind::Scalar(ty) => scalar_load(ty, cx, place)?,
            Kind::String => Val::String(String::load(cx, place)?),
            Kind::List(_) | Kind::Map(..) => {
                let (pointer, count) = load_pair(cx, place)?;
                self.load_elements(cx, pointer, count)?
            }
            Kind::FixedList(element, count) => Val::List(load_all(cx, element, at, *count as usize)?),
            Kind::Record(fields) => {
                let mut next = place;
                Val::Record(gather(cx, fields.len(), |cx, i| {
                    let (name, shape) = &fields[i];
                    let (place, behind) = next.field(shape.abi, wide);
                    next = behind;
                    Ok((copy_name(cx, name)?, shape.load(cx, place.at)?))
                })?)
            }
            Kind::Tuple(shapes) => {
                let mut next = place;
                Val::Tuple(gather(cx, shapes.len(), |cx, i| {
                    let (place, behind) = next.field(shapes[i].abi, wide);
                    next = behind;
                    shapes[i].load(cx, place.at)
                })?)
            }
            Kind::Variant(cases, abi)
            | Kind::Enum(cases, abi)
            | Kind::Option(cases, abi)
            | Kind::Result(cases, abi) => {
                let case = abi.load(cx, place)?;
                let (name, shape) = &cases[case as usize];
                let at = abi.place(cx, place, 0).at;
                let payload = boxed(cx, shape.as_ref(), |cx, shape| shape.load(cx, at))?;
                self.case(cx, case, name, payload)?
            }
            Kind::Flags(names) => {
                let bits = load_flags(cx, place, self.abi)?;
                set_flags(cx, names, bits)?
            }
            Kind::Handle(slot) => {
                let index = u32::load(cx, place)?;
                handle(cx, *slot, index)?
            }
        })
    }

    /// The elements of a list or the entries of a map.
    fn load_elements(&self, cx: &mut Abi<'_>, pointer: u64, count: u64) -> Result<Val, Error> {
        match &self.kind {
            Kind::List(element) => {
                let (at, count) = check_list(cx, element.abi.extent(cx.is_wide()), pointer, count)?;
                Ok(Val::List(load_all(cx, element, at, count)?))
            }
            Kind::Map(pair, entry) => {
                let wide = cx.is_wide();
                let (at, count) = check_list(cx, entry.extent(wide), pointer, count)?;
                let stride = u64::from(entry.extent(wide).bytes);
                Ok(Val::Map(gather(cx, count, |cx, i| {
                    let (key, behind) = Place { at: at + i as u64 * stride, handle: 0 }.field(pair[0].abi, wide);
                    let (value, _) = behind.field(pair[1].abi, wide);
                    Ok((pair[0].load(cx, key.at)?, pair[1].load(cx, value.at)?))
                })?))
            }
            _ => Err(bug("elements of what is no list")),
        }
    }

    /// The value of a case.
    fn case(&self, cx: &mut Abi<'_>, case: u32, name: &str, payload: Option<Box<Val>>) -> Result<Val, Error> {
        Ok(match &self.kind {
            Kind::Enum(..) => Val::Enum(copy_name(cx, name)?),
            Kind::Option(..) => Val::Option(payload),
            Kind::Result(..) => Val::Result(if case == 0 { Ok(payload) } else { Err(payload) }),
            _ => Val::Variant(copy_name(cx, name)?, payload),
        })
    }
}

/// So many values, made one after the other. There is room for all of them from the start, so that none is ever twice there.
fn gather<T>(
    cx: &mut Abi<'_>,
    count: usize,
    mut next: impl FnMut(&mut Abi<'_>, usize) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    cx.charge(count.saturating_mul(size_of::<T>()))?;
    let mut values = Vec::with_capacity(count);
    for i in 0..count {
        values.push(next(cx, i)?);
    }
    Ok(values)
}

fn load_all(cx: &mut Abi<'_>, element: &Shape, at: u64, count: usize) -> Result<Vec<Val>, Error> {
    let stride = u64::from(element.abi.extent(cx.is_wide()).bytes);
    gather(cx, count, |cx, i| element.load(cx, at + i as u64 * stride))
}

/// What a case has, if it has something.
fn boxed(
    cx: &mut Abi<'_>,
    shape: Option<&Shape>,
    value: impl FnOnce(&mut Abi<'_>, &Shape) -> Result<Val, Error>,
) -> Result<Option<Box<Val>>, Error> {
    let Some(shape) = shape else { return Ok(None) };
    cx.charge(size_of::<Val>())?;
    Ok(Some(Box::new(value(cx, shape)?)))
}

/// A name for a value of its own.
fn copy_name(cx: &mut Abi<'_>, name: &str) -> Result<String, Error> {
    cx.charge(name.len())?;
    Ok(name.to_owned())
}

fn set_flags(cx: &mut Abi<'_>, names: &[Box<str>], bits: u32) -> Result<Val, Error> {
    // Bits without a name mean nothing.
    let unnamed = u32::BITS.saturating_sub(names.len() as u32);
    let mut left = bits & u32::MAX.checked_shr(unnamed).unwrap_or(0);
    let set = gather(cx, left.count_ones() as usize, |cx, _| {
        let lowest = left.trailing_zeros();
        left &= left - 1;
        copy_name(cx, &names[lowest as usize])
    })?;
    Ok(Val::Flags(set))
}

fn handle(cx: &mut Abi<'_>, slot: HandleSlot, index: u32) -> Result<Val, Error> {
    let table = cx.options.handles.as_ref().ok_or_else(|| bug("a handle without a table"))?;
    ResourceAny::from_slot(cx, table, slot, index).map(Val::Resource)
}
