//! Dynamic values from and to what components pass: one interpreter of types, which are looked up once.

use super::abi::Abi;
use super::layout::{TypeAbi, VariantAbi};
use super::lists::{allocate_list, check_list};
use super::macros::{load_flags, store_flags};
use super::options::HandleSlot;
use super::resource_any::ResourceAny;
use super::strings::{load_pair, store_pair};
use super::traits::{Flat, FlatMut, Lift, Lower, Place, TypeCheck};
use super::types::Type;
use super::val::Val;
use crate::error::{Error, ErrorKind};

/// A type, ready to be interpreted.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) abi: TypeAbi,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Scalar(Type),
    String,
    List(Box<Shape>),
    FixedList(Box<Shape>, u32),
    Map(Box<[Shape; 2]>, TypeAbi),
    Record(Vec<(Box<str>, Shape)>),
    Tuple(Vec<Shape>),
    Variant(Cases, VariantAbi),
    Enum(Cases, VariantAbi),
    Option(Cases, VariantAbi),
    Result(Cases, VariantAbi),
    Flags(Vec<Box<str>>),
    Handle(HandleSlot),
}

type Cases = Vec<(Box<str>, Option<Shape>)>;

/// What a case has, and its shape.
type Payload<'a> = Option<(&'a Shape, &'a Val)>;

impl Shape {
    pub(crate) fn new(ty: &Type, cx: &mut TypeCheck<'_>) -> Shape {
        match ty {
            Type::Bool | Type::S8 | Type::U8 => Shape { abi: TypeAbi::scalar(1), kind: Kind::Scalar(ty.clone()) },
            Type::S16 | Type::U16 => Shape { abi: TypeAbi::scalar(2), kind: Kind::Scalar(ty.clone()) },
            Type::S32 | Type::U32 | Type::F32 | Type::Char => {
                Shape { abi: TypeAbi::scalar(4), kind: Kind::Scalar(ty.clone()) }
            }
            Type::S64 | Type::U64 | Type::F64 => Shape { abi: TypeAbi::scalar(8), kind: Kind::Scalar(ty.clone()) },
            Type::String => Shape { abi: TypeAbi::list(0), kind: Kind::String },
            Type::List(list) => {
                let element = Shape::new(&list.element(), cx);
                Shape { abi: TypeAbi::list(element.abi.handles), kind: Kind::List(Box::new(element)) }
            }
            Type::FixedList(list) => {
                let element = Shape::new(&list.element(), cx);
                let abi = TypeAbi::array(element.abi, list.len());
                Shape { abi, kind: Kind::FixedList(Box::new(element), list.len()) }
            }
            Type::Map(map) => {
                let pair = [Shape::new(&map.key(), cx), Shape::new(&map.value(), cx)];
                let entry = TypeAbi::record(&[pair[0].abi, pair[1].abi]);
                Shape { abi: TypeAbi::list(entry.handles), kind: Kind::Map(Box::new(pair), entry) }
            }
            Type::Record(record) => {
                let fields: Vec<_> =
                    record.fields().map(|field| (field.name.into(), Shape::new(&field.ty, cx))).collect();
                let abis: Vec<_> = fields.iter().map(|(_, shape)| shape.abi).collect();
                Shape { abi: TypeAbi::record(&abis), kind: Kind::Record(fields) }
            }
            Type::Tuple(tuple) => Shape::tuple(&tuple.types().collect::<Vec<_>>(), cx),
            Type::Variant(variant) => {
                let cases = variant.cases();
                let cases = cases.map(|case| (case.name.into(), case.ty.map(|ty| Shape::new(&ty, cx)))).collect();
                Shape::variant(cases, Kind::Variant)
            }
            Type::Enum(names) => Shape::variant(names.names().map(|name| (name.into(), None)).collect(), Kind::Enum),
            Type::Option(option) => {
                let some = Shape::new(&option.some(), cx);
                Shape::variant(vec![("none".into(), None), ("some".into(), Some(some))], Kind::Option)
            }
            Type::Result(result) => {
                let ok = result.ok().map(|ty| Shape::new(&ty, cx));
                let err = result.err().map(|ty| Shape::new(&ty, cx));
                Shape::variant(vec![("ok".into(), ok), ("error".into(), err)], Kind::Result)
            }
            Type::Flags(flags) => {
                let names: Vec<Box<str>> = flags.names().map(Into::into).collect();
                Shape { abi: TypeAbi::flags(names.len()), kind: Kind::Flags(names) }
            }
            Type::Own(_) | Type::Borrow(_) => {
                cx.handle(ty, None);
                let slot = cx.slots.last().copied();
                let kind = slot.map_or(Kind::Tuple(Vec::new()), Kind::Handle);
                Shape { abi: TypeAbi::handle(), kind }
            }
        }
    }

    /// Several types, one behind the other.
    pub(crate) fn tuple(types: &[Type], cx: &mut TypeCheck<'_>) -> Shape {
        let shapes: Vec<_> = types.iter().map(|ty| Shape::new(ty, cx)).collect();
        let abis: Vec<_> = shapes.iter().map(|shape| shape.abi).collect();
        Shape { abi: TypeAbi::record(&abis), kind: Kind::Tuple(shapes) }
    }

    fn variant(cases: Cases, kind: fn(Cases, VariantAbi) -> Kind) -> Shape {
        let abis: Vec<_> = cases.iter().map(|(_, shape)| shape.as_ref().map(|shape| shape.abi)).collect();
        let abi = VariantAbi::new(&abis);
        Shape { abi: abi.abi, kind: kind(cases, abi) }
    }

    /// See [`Lift::lift`].
    pub(crate) fn lift(&self, cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Val, Error> {
        cx.charge(size_of::<Val>())?;
        Ok(match &self.kind {
            Kind::Scalar(ty) => scalar_lift(ty, cx, flat)?,
            Kind::String => Val::String(String::lift(cx, flat)?),
            Kind::List(_) | Kind::Map(..) => {
                let (pointer, count) = (flat.size(cx.is_wide()), flat.size(cx.is_wide()));
                self.load_elements(cx, pointer, count)?
            }
            Kind::FixedList(element, count) => {
                Val::List((0..*count).map(|_| element.lift(cx, flat)).collect::<Result<_, _>>()?)
            }
            Kind::Record(fields) => {
                let field = |(name, shape): &(Box<str>, Shape)| Ok((copy_name(cx, name)?, shape.lift(cx, flat)?));
                Val::Record(fields.iter().map(field).collect::<Result<_, Error>>()?)
            }
            Kind::Tuple(shapes) => {
                Val::Tuple(shapes.iter().map(|shape| shape.lift(cx, flat)).collect::<Result<_, _>>()?)
            }
            Kind::Variant(cases, abi)
            | Kind::Enum(cases, abi)
            | Kind::Option(cases, abi)
            | Kind::Result(cases, abi) => {
                let at = abi.lift(flat)?;
                let (name, shape) = &cases[at.case as usize];
                let payload = shape.as_ref().map(|shape| shape.lift(cx, flat)).transpose()?;
                at.leave(flat);
                self.case(cx, at.case, name, payload)?
            }
            Kind::Flags(names) => set_flags(cx, names, flat.u32())?,
            Kind::Handle(slot) => handle_lift(cx, *slot, flat.u32())?,
        })
    }

    /// See [`Lift::load`].
    pub(crate) fn load(&self, cx: &mut Abi<'_>, at: u64) -> Result<Val, Error> {
        cx.charge(size_of::<Val>())?;
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
                let field = |(name, shape): &(Box<str>, Shape)| {
                    let (place, behind) = next.field(shape.abi, wide);
                    next = behind;
                    Ok((copy_name(cx, name)?, shape.load(cx, place.at)?))
                };
                Val::Record(fields.iter().map(field).collect::<Result<_, Error>>()?)
            }
            Kind::Tuple(shapes) => {
                let mut next = place;
                let part = |shape: &Shape| {
                    let (place, behind) = next.field(shape.abi, wide);
                    next = behind;
                    shape.load(cx, place.at)
                };
                Val::Tuple(shapes.iter().map(part).collect::<Result<_, _>>()?)
            }
            Kind::Variant(cases, abi)
            | Kind::Enum(cases, abi)
            | Kind::Option(cases, abi)
            | Kind::Result(cases, abi) => {
                let case = abi.load(cx, place)?;
                let (name, shape) = &cases[case as usize];
                let payload = abi.place(cx, place, 0).at;
                let payload = shape.as_ref().map(|shape| shape.load(cx, payload)).transpose()?;
                self.case(cx, case, name, payload)?
            }
            Kind::Flags(names) => {
                let bits = load_flags(cx, place, self.abi)?;
                set_flags(cx, names, bits)?
            }
            Kind::Handle(slot) => {
                let index = u32::load(cx, place)?;
                handle_lift(cx, *slot, index)?
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
                let load = |i: u64| {
                    let (key, behind) = Place { at: at + i * stride, handle: 0 }.field(pair[0].abi, wide);
                    let (value, _) = behind.field(pair[1].abi, wide);
                    Ok((pair[0].load(cx, key.at)?, pair[1].load(cx, value.at)?))
                };
                Ok(Val::Map((0..count as u64).map(load).collect::<Result<_, Error>>()?))
            }
            _ => Err(super::options::bug("elements of what is no list")),
        }
    }

    /// The value of a case.
    fn case(&self, cx: &mut Abi<'_>, case: u32, name: &str, payload: Option<Val>) -> Result<Val, Error> {
        let payload = payload.map(Box::new);
        Ok(match &self.kind {
            Kind::Enum(..) => Val::Enum(copy_name(cx, name)?),
            Kind::Option(..) => Val::Option(payload),
            Kind::Result(..) => Val::Result(if case == 0 { Ok(payload) } else { Err(payload) }),
            _ => Val::Variant(copy_name(cx, name)?, payload),
        })
    }

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
            (Kind::FixedList(element, count), Val::List(values)) => {
                same_number(values.len(), *count as usize)?;
                values.iter().try_for_each(|value| element.lower(value, cx, flat))
            }
            (Kind::Record(fields), Val::Record(values)) => {
                same_number(values.len(), fields.len())?;
                fields.iter().zip(values).try_for_each(|((name, shape), (given, value))| {
                    same_name(given, name)?;
                    shape.lower(value, cx, flat)
                })
            }
            (Kind::Tuple(shapes), Val::Tuple(values)) => {
                same_number(values.len(), shapes.len())?;
                shapes.iter().zip(values).try_for_each(|(shape, value)| shape.lower(value, cx, flat))
            }
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
                let index = handle_lower(cx, *slot, *resource)?;
                flat.push_u32(index);
                Ok(())
            }
            _ => Err(self.mismatch(value)),
        }
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
            (Kind::FixedList(element, count), Val::List(values)) => {
                same_number(values.len(), *count as usize)?;
                store_all(cx, element, at, values)
            }
            (Kind::Record(fields), Val::Record(values)) => {
                same_number(values.len(), fields.len())?;
                let mut next = place;
                fields.iter().zip(values).try_for_each(|((name, shape), (given, value))| {
                    same_name(given, name)?;
                    let (place, behind) = next.field(shape.abi, wide);
                    next = behind;
                    shape.store(value, cx, place.at)
                })
            }
            (Kind::Tuple(shapes), Val::Tuple(values)) => {
                same_number(values.len(), shapes.len())?;
                let mut next = place;
                shapes.iter().zip(values).try_for_each(|(shape, value)| {
                    let (place, behind) = next.field(shape.abi, wide);
                    next = behind;
                    shape.store(value, cx, place.at)
                })
            }
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
                let index = handle_lower(cx, *slot, *resource)?;
                index.store(cx, place)
            }
            _ => Err(self.mismatch(value)),
        }
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

    /// The number of a value's case, and its payload with that's shape.
    fn find_case<'a>(&self, cases: &'a Cases, value: &'a Val) -> Result<(usize, Payload<'a>), Error> {
        let (case, payload) = match (&self.kind, value) {
            (Kind::Option(..), Val::Option(payload)) => (usize::from(payload.is_some()), payload.as_deref()),
            (Kind::Result(..), Val::Result(Ok(payload))) => (0, payload.as_deref()),
            (Kind::Result(..), Val::Result(Err(payload))) => (1, payload.as_deref()),
            (Kind::Enum(..), Val::Enum(name)) => (position(cases, name)?, None),
            (Kind::Variant(..), Val::Variant(name, payload)) => (position(cases, name)?, payload.as_deref()),
            _ => return Err(self.mismatch(value)),
        };
        match (&cases[case].1, payload) {
            (Some(shape), Some(payload)) => Ok((case, Some((shape, payload)))),
            (None, None) => Ok((case, None)),
            (Some(_), None) => Err(usage(format!("the case `{}` has a payload, and none is given", cases[case].0))),
            (None, Some(_)) => Err(usage(format!("the case `{}` has no payload, and one is given", cases[case].0))),
        }
    }

    #[cold]
    fn mismatch(&self, value: &Val) -> Error {
        let wanted = match &self.kind {
            Kind::Scalar(ty) => ty.to_string(),
            Kind::String => "string".into(),
            Kind::List(_) | Kind::FixedList(..) => "list".into(),
            Kind::Map(..) => "map".into(),
            Kind::Record(_) => "record".into(),
            Kind::Tuple(_) => "tuple".into(),
            Kind::Variant(..) => "variant".into(),
            Kind::Enum(..) => "enum".into(),
            Kind::Option(..) => "option".into(),
            Kind::Result(..) => "result".into(),
            Kind::Flags(_) => "flags".into(),
            Kind::Handle(_) => "resource".into(),
        };
        usage(format!("expected a value of type {wanted}, found one of type {}", value.kind()))
    }
}

#[cold]
fn usage(message: String) -> Error {
    Error::message(ErrorKind::Usage, message)
}

fn same_number(given: usize, wanted: usize) -> Result<(), Error> {
    if given == wanted { Ok(()) } else { Err(usage(format!("expected {wanted} values, found {given}"))) }
}

fn same_name(given: &str, wanted: &str) -> Result<(), Error> {
    if given == wanted { Ok(()) } else { Err(usage(format!("expected the field `{wanted}`, found `{given}`"))) }
}

fn position(cases: &Cases, name: &str) -> Result<usize, Error> {
    let found = cases.iter().position(|(case, _)| **case == *name);
    found.ok_or_else(|| usage(format!("there is no case `{name}`")))
}

fn load_all(cx: &mut Abi<'_>, element: &Shape, at: u64, count: usize) -> Result<Vec<Val>, Error> {
    let stride = u64::from(element.abi.extent(cx.is_wide()).bytes);
    (0..count as u64).map(|i| element.load(cx, at + i * stride)).collect()
}

fn store_all(cx: &mut Abi<'_>, element: &Shape, at: u64, values: &[Val]) -> Result<(), Error> {
    let stride = u64::from(element.abi.extent(cx.is_wide()).bytes);
    values.iter().zip(0..).try_for_each(|(value, i)| element.store(value, cx, at + i * stride))
}

/// A name for a value of its own, which counts as what the guest makes the host allocate.
fn copy_name(cx: &mut Abi<'_>, name: &str) -> Result<String, Error> {
    cx.charge(size_of::<String>() + name.len())?;
    Ok(name.to_owned())
}

fn set_flags(cx: &mut Abi<'_>, names: &[Box<str>], bits: u32) -> Result<Val, Error> {
    let set = names.iter().enumerate().filter(|(bit, _)| bits.checked_shr(*bit as u32).unwrap_or(0) & 1 == 1);
    Ok(Val::Flags(set.map(|(_, name)| copy_name(cx, name)).collect::<Result<_, _>>()?))
}

fn flags_bits(names: &[Box<str>], set: &[String]) -> Result<u32, Error> {
    let bit = |flag: &String| {
        let found = names.iter().position(|name| **name == **flag);
        found.map(|bit| 1 << bit).ok_or_else(|| usage(format!("there is no flag `{flag}`")))
    };
    set.iter().try_fold(0, |bits, flag| Ok(bits | bit(flag)?))
}

fn handle_lift(cx: &mut Abi<'_>, slot: HandleSlot, index: u32) -> Result<Val, Error> {
    let table = cx.options.handles.as_ref().ok_or_else(|| super::options::bug("a handle without a table"))?;
    ResourceAny::from_slot(cx, table, slot, index).map(Val::Resource)
}

fn handle_lower(cx: &mut Abi<'_>, slot: HandleSlot, resource: ResourceAny) -> Result<u32, Error> {
    let table = cx.options.handles.as_ref().ok_or_else(|| super::options::bug("a handle without a table"))?;
    resource.to_slot(cx, table, slot)
}

macro_rules! scalars {
    ($($variant:ident: $ty:ty;)*) => {
        fn scalar_lift(ty: &Type, cx: &mut Abi<'_>, flat: &mut Flat<'_>) -> Result<Val, Error> {
            match ty {
                $(Type::$variant => <$ty>::lift(cx, flat).map(Val::$variant),)*
                _ => Err(super::options::bug("a scalar that is none")),
            }
        }

        fn scalar_load(ty: &Type, cx: &mut Abi<'_>, place: Place) -> Result<Val, Error> {
            match ty {
                $(Type::$variant => <$ty>::load(cx, place).map(Val::$variant),)*
                _ => Err(super::options::bug("a scalar that is none")),
            }
        }

        fn scalar_lower(ty: &Type, value: &Val, cx: &mut Abi<'_>, flat: &mut FlatMut<'_>) -> Result<(), Error> {
            match (ty, value) {
                $((Type::$variant, Val::$variant(value)) => value.lower(cx, flat),)*
                _ => Err(usage(format!("expected a value of type {ty}, found one of type {}", value.kind()))),
            }
        }

        fn scalar_store(ty: &Type, value: &Val, cx: &mut Abi<'_>, place: Place) -> Result<(), Error> {
            match (ty, value) {
                $((Type::$variant, Val::$variant(value)) => value.store(cx, place),)*
                _ => Err(usage(format!("expected a value of type {ty}, found one of type {}", value.kind()))),
            }
        }
    };
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
