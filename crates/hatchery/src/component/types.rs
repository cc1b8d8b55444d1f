//! Types of components, as programs can look at them.

use super::wit_text::{WitText, resource_name};
use hatchery_component::meta::{Meta, Resource};
use hatchery_component::types::{self, FuncTypeId, ResourceId, TypeDef, TypeDefId, ValueType};
use std::fmt;
use std::sync::Arc;

/// A type of values. Types of two components are equal when they are made of the same parts with the same names, and of no
/// resources, which are a component's own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Type {
    /// `bool`.
    Bool,
    /// `s8`.
    S8,
    /// `u8`.
    U8,
    /// `s16`.
    S16,
    /// `u16`.
    U16,
    /// `s32`.
    S32,
    /// `u32`.
    U32,
    /// `s64`.
    S64,
    /// `u64`.
    U64,
    /// `f32`.
    F32,
    /// `f64`.
    F64,
    /// `char`.
    Char,
    /// `string`.
    String,
    /// `list<T>`.
    List(ListType),
    /// `list<T, N>`.
    FixedList(FixedListType),
    /// `map<K, V>`.
    Map(MapType),
    /// `record { … }`.
    Record(RecordType),
    /// `tuple<…>`.
    Tuple(TupleType),
    /// `variant { … }`.
    Variant(VariantType),
    /// `enum { … }`.
    Enum(EnumType),
    /// `option<T>`.
    Option(OptionType),
    /// `result<T, E>`.
    Result(ResultType),
    /// `flags { … }`.
    Flags(FlagsType),
    /// `own<R>`.
    Own(ResourceType),
    /// `borrow<R>`.
    Borrow(ResourceType),
}

/// A definition among a component's types.
#[derive(Clone)]
struct Definition {
    meta: Arc<Meta>,
    id: TypeDefId,
}

impl PartialEq for Definition {
    fn eq(&self, other: &Definition) -> bool {
        if Arc::ptr_eq(&self.meta, &other.meta) {
            return self.id == other.id;
        }
        // What two components number alike need not be the same.
        let (Some(mine), Some(theirs)) = (self.def(), other.def()) else { return false };
        let same = |a: &ValueType, b: &ValueType| self.ty(*a) == other.ty(*b);
        let maybe = |a: &Option<ValueType>, b: &Option<ValueType>| match (a, b) {
            (Some(a), Some(b)) => same(a, b),
            (None, None) => true,
            _ => false,
        };
        match (mine, theirs) {
            (TypeDef::Record(a), TypeDef::Record(b)) => all_same(a, b, |(a, x), (b, y)| a == b && same(x, y)),
            (TypeDef::Variant(a), TypeDef::Variant(b)) => all_same(a, b, |(a, x), (b, y)| a == b && maybe(x, y)),
            (TypeDef::Tuple(a), TypeDef::Tuple(b)) => all_same(a, b, same),
            (TypeDef::Flags(a), TypeDef::Flags(b)) | (TypeDef::Enum(a), TypeDef::Enum(b)) => a == b,
            (TypeDef::List(a), TypeDef::List(b)) | (TypeDef::Option(a), TypeDef::Option(b)) => same(a, b),
            (TypeDef::FixedList(a, n), TypeDef::FixedList(b, m)) => n == m && same(a, b),
            (TypeDef::Map(a, x), TypeDef::Map(b, y)) => same(a, b) && same(x, y),
            (TypeDef::Result(a, x), TypeDef::Result(b, y)) => maybe(a, b) && maybe(x, y),
            _ => false,
        }
    }
}

fn all_same<T>(a: &[T], b: &[T], same: impl Fn(&T, &T) -> bool) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl Definition {
    fn def(&self) -> Option<&TypeDef> {
        self.meta.types.get(self.id)
    }

    fn ty(&self, ty: ValueType) -> Type {
        Type::new(&self.meta, ty)
    }

    fn text(&self) -> String {
        WitText::of_type(|into| into.value(&self.meta, ValueType::Def(self.id)))
    }
}

impl Type {
    pub(crate) fn new(meta: &Arc<Meta>, ty: ValueType) -> Type {
        let resource = |id| ResourceType { meta: meta.clone(), id };
        match ty {
            ValueType::Bool => Type::Bool,
            ValueType::S8 => Type::S8,
            ValueType::U8 => Type::U8,
            ValueType::S16 => Type::S16,
            ValueType::U16 => Type::U16,
            ValueType::S32 => Type::S32,
            ValueType::U32 => Type::U32,
            ValueType::S64 => Type::S64,
            ValueType::U64 => Type::U64,
            ValueType::F32 => Type::F32,
            ValueType::F64 => Type::F64,
            ValueType::Char => Type::Char,
            ValueType::String => Type::String,
            ValueType::Own(id) => Type::Own(resource(id)),
            ValueType::Borrow(id) => Type::Borrow(resource(id)),
            ValueType::Def(id) => Type::definition(Definition { meta: meta.clone(), id }),
        }
    }

    fn definition(of: Definition) -> Type {
        match of.def() {
            Some(TypeDef::List(_)) => Type::List(ListType(of)),
            Some(TypeDef::FixedList(..)) => Type::FixedList(FixedListType(of)),
            Some(TypeDef::Map(..)) => Type::Map(MapType(of)),
            Some(TypeDef::Record(_)) => Type::Record(RecordType(of)),
            Some(TypeDef::Variant(_)) => Type::Variant(VariantType(of)),
            Some(TypeDef::Enum(_)) => Type::Enum(EnumType(of)),
            Some(TypeDef::Option(_)) => Type::Option(OptionType(of)),
            Some(TypeDef::Result(..)) => Type::Result(ResultType(of)),
            Some(TypeDef::Flags(_)) => Type::Flags(FlagsType(of)),
            // A number without a definition, which no component that we have made has, is a type of no value.
            Some(TypeDef::Tuple(_)) | None => Type::Tuple(TupleType(of)),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Type::Bool => "bool",
            Type::S8 => "s8",
            Type::U8 => "u8",
            Type::S16 => "s16",
            Type::U16 => "u16",
            Type::S32 => "s32",
            Type::U32 => "u32",
            Type::S64 => "s64",
            Type::U64 => "u64",
            Type::F32 => "f32",
            Type::F64 => "f64",
            Type::Char => "char",
            Type::String => "string",
            Type::Own(resource) => return write!(f, "own<{resource}>"),
            Type::Borrow(resource) => return write!(f, "borrow<{resource}>"),
            Type::List(ListType(of))
            | Type::FixedList(FixedListType(of))
            | Type::Map(MapType(of))
            | Type::Record(RecordType(of))
            | Type::Tuple(TupleType(of))
            | Type::Variant(VariantType(of))
            | Type::Enum(EnumType(of))
            | Type::Option(OptionType(of))
            | Type::Result(ResultType(of))
            | Type::Flags(FlagsType(of)) => return f.write_str(&of.text()),
        };
        f.write_str(name)
    }
}

macro_rules! definitions {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq)]
            pub struct $name(Definition);

            impl fmt::Debug for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.0.fmt(f)
                }
            }
        )*
    };
}

definitions! {
    /// `list<T>`.
    ListType;
    /// `list<T, N>`.
    FixedListType;
    /// `map<K, V>`.
    MapType;
    /// `record { … }`.
    RecordType;
    /// `tuple<…>`.
    TupleType;
    /// `variant { … }`.
    VariantType;
    /// `enum { … }`.
    EnumType;
    /// `option<T>`.
    OptionType;
    /// `result<T, E>`.
    ResultType;
    /// `flags { … }`.
    FlagsType;
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its type.
    pub ty: Type,
}

/// A case of a variant.
#[derive(Debug, Clone, PartialEq)]
pub struct Case<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its payload's type, if it has one.
    pub ty: Option<Type>,
}

impl ListType {
    /// The type of its elements.
    pub fn element(&self) -> Type {
        match self.0.def() {
            Some(TypeDef::List(element)) => self.0.ty(*element),
            _ => Type::Bool,
        }
    }
}

impl FixedListType {
    /// The type of its elements.
    pub fn element(&self) -> Type {
        match self.0.def() {
            Some(TypeDef::FixedList(element, _)) => self.0.ty(*element),
            _ => Type::Bool,
        }
    }

    /// How many it has.
    #[expect(clippy::len_without_is_empty, reason = "the number is never zero")]
    pub fn len(&self) -> u32 {
        match self.0.def() {
            Some(TypeDef::FixedList(_, length)) => *length,
            _ => 0,
        }
    }
}

impl MapType {
    fn part(&self, choose: fn(ValueType, ValueType) -> ValueType) -> Type {
        match self.0.def() {
            Some(TypeDef::Map(key, value)) => self.0.ty(choose(*key, *value)),
            _ => Type::Bool,
        }
    }

    /// The type of its keys.
    pub fn key(&self) -> Type {
        self.part(|key, _| key)
    }

    /// The type of its values.
    pub fn value(&self) -> Type {
        self.part(|_, value| value)
    }
}

impl RecordType {
    /// Its fields, in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field<'_>> {
        let fields: &[_] = match self.0.def() {
            Some(TypeDef::Record(fields)) => fields,
            _ => &[],
        };
        fields.iter().map(|(name, ty)| Field { name, ty: self.0.ty(*ty) })
    }
}

impl TupleType {
    /// Its types, in order.
    pub fn types(&self) -> impl ExactSizeIterator<Item = Type> + '_ {
        let types: &[_] = match self.0.def() {
            Some(TypeDef::Tuple(types)) => types,
            _ => &[],
        };
        types.iter().map(|ty| self.0.ty(*ty))
    }
}

impl VariantType {
    /// Its cases, in order.
    pub fn cases(&self) -> impl ExactSizeIterator<Item = Case<'_>> {
        let cases: &[_] = match self.0.def() {
            Some(TypeDef::Variant(cases)) => cases,
            _ => &[],
        };
        cases.iter().map(|(name, ty)| Case { name, ty: ty.map(|ty| self.0.ty(ty)) })
    }
}

impl EnumType {
    /// Its cases, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        let names: &[_] = match self.0.def() {
            Some(TypeDef::Enum(names)) => names,
            _ => &[],
        };
        names.iter().map(|name| &**name)
    }
}

impl FlagsType {
    /// Its flags, from the lowest bit on.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        let names: &[_] = match self.0.def() {
            Some(TypeDef::Flags(names)) => names,
            _ => &[],
        };
        names.iter().map(|name| &**name)
    }
}

impl OptionType {
    /// The type of what is there.
    pub fn some(&self) -> Type {
        match self.0.def() {
            Some(TypeDef::Option(some)) => self.0.ty(*some),
            _ => Type::Bool,
        }
    }
}

impl ResultType {
    /// The type of the value, if there is one.
    pub fn ok(&self) -> Option<Type> {
        match self.0.def() {
            Some(TypeDef::Result(ok, _)) => ok.map(|ty| self.0.ty(ty)),
            _ => None,
        }
    }

    /// The type of the error, if there is one.
    pub fn err(&self) -> Option<Type> {
        match self.0.def() {
            Some(TypeDef::Result(_, err)) => err.map(|ty| self.0.ty(ty)),
            _ => None,
        }
    }
}

/// A resource type. Two are equal when they are the same of one component.
#[derive(Clone)]
pub struct ResourceType {
    meta: Arc<Meta>,
    pub(crate) id: ResourceId,
}

impl ResourceType {
    pub(crate) fn new(meta: &Arc<Meta>, id: ResourceId) -> ResourceType {
        ResourceType { meta: meta.clone(), id }
    }

    /// Whether the component defines it; the host does otherwise.
    pub fn is_guest(&self) -> bool {
        matches!(self.meta.resources.get(self.id.0 as usize), Some(Resource::Guest { .. }))
    }
}

impl PartialEq for ResourceType {
    fn eq(&self, other: &ResourceType) -> bool {
        Arc::ptr_eq(&self.meta, &other.meta) && self.id == other.id
    }
}

impl fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&resource_name(&self.meta, self.id))
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&resource_name(&self.meta, self.id))
    }
}

/// Parameters and result of a function.
#[derive(Clone)]
pub struct FuncType {
    meta: Arc<Meta>,
    ty: types::FuncType,
}

impl FuncType {
    pub(crate) fn new(meta: &Arc<Meta>, id: FuncTypeId) -> Option<FuncType> {
        Some(FuncType { meta: meta.clone(), ty: meta.types.get_func(id)?.clone() })
    }

    /// Names and types of the parameters.
    pub fn params(&self) -> impl ExactSizeIterator<Item = (&str, Type)> {
        self.ty.params.iter().map(|(name, ty)| (&**name, Type::new(&self.meta, *ty)))
    }

    /// The result's type, if there is one.
    pub fn result(&self) -> Option<Type> {
        self.ty.result.map(|ty| Type::new(&self.meta, ty))
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&WitText::of_function(|into| {
            into.list(["func(", ")"], &self.ty.params, |into, (name, ty)| {
                into.push(name);
                into.push(": ");
                into.value(&self.meta, *ty);
            });
            if let Some(ty) = self.ty.result {
                into.push(" -> ");
                into.value(&self.meta, ty);
            }
        }))
    }
}

impl fmt::Debug for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_component::types::Types;

    /// The last of some definitions in a component of its own.
    fn last(defs: Vec<TypeDef>) -> Type {
        let mut types = Types::default();
        let id = defs.into_iter().map(|def| types.def(def)).last().expect("there are some");
        let meta = Meta {
            types,
            resources: vec![Resource::Host { interface: None, name: "r".into(), drop: None }],
            ..Meta::default()
        };
        Type::new(&Arc::new(meta), ValueType::Def(id))
    }

    #[test]
    fn types_of_two_components_are_compared_by_what_they_are_and_not_by_their_numbers() {
        let first = ValueType::Def(TypeDefId(0));
        let second = ValueType::Def(TypeDefId(1));
        let outer: [fn(ValueType) -> TypeDef; 8] = [
            |ty| TypeDef::List(ty),
            |ty| TypeDef::FixedList(ty, 3),
            |ty| TypeDef::Map(ValueType::String, ty),
            |ty| TypeDef::Tuple(vec![ValueType::U8, ty]),
            |ty| TypeDef::Record(vec![("a".into(), ty)]),
            |ty| TypeDef::Variant(vec![("a".into(), Some(ty)), ("b".into(), None)]),
            |ty| TypeDef::Option(ty),
            |ty| TypeDef::Result(None, Some(ty)),
        ];
        let (bytes, texts) = (TypeDef::List(ValueType::U8), TypeDef::List(ValueType::String));
        for outer in outer {
            let of_bytes = last(vec![bytes.clone(), outer(first)]);
            let of_texts = last(vec![texts.clone(), outer(first)]);
            let of_bytes_later = last(vec![texts.clone(), bytes.clone(), outer(second)]);
            assert_ne!(of_bytes, of_texts);
            assert_eq!(of_bytes, of_bytes_later);
        }
    }

    #[test]
    fn types_of_two_components_with_resources_differ() {
        let handles = || last(vec![TypeDef::List(ValueType::Own(ResourceId(0)))]);
        let one = handles();
        assert_eq!(one, one.clone());
        assert_ne!(one, handles());
    }
}
