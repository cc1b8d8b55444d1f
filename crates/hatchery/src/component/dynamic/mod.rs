//! Dynamic values from and to what components pass: one interpreter of types, which are looked up once.

mod accept;
mod lift;
mod lower;
mod scalars;

use super::layout::{TypeAbi, VariantAbi};
use super::options::HandleSlot;
use super::traits::TypeCheck;
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

    /// The types of a tuple.
    fn parts(&self) -> &[Shape] {
        match &self.kind {
            Kind::Tuple(shapes) => shapes,
            _ => &[],
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

fn position(cases: &Cases, name: &str) -> Result<usize, Error> {
    let found = cases.iter().position(|(case, _)| **case == *name);
    found.ok_or_else(|| usage(format!("there is no case `{name}`")))
}

fn flags_bits(names: &[Box<str>], set: &[String]) -> Result<u32, Error> {
    let bit = |flag: &String| {
        let found = names.iter().position(|name| **name == **flag);
        found.map(|bit| 1 << bit).ok_or_else(|| usage(format!("there is no flag `{flag}`")))
    };
    set.iter().try_fold(0, |bits, flag| Ok(bits | bit(flag)?))
}
