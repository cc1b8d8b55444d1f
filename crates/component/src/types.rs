//! Value types and function types of a component tree, equal ones having equal numbers.
//!
//! Source: component model, `Binary.md` (type definitions) and `CanonicalABI.md`.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Number of a [`TypeDef`] in its [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TypeDefId(pub u32);

/// Number of a [`FuncType`] in its [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FuncTypeId(pub u32);

/// A resource type of the tree. Resource types are generative: each instantiation of a component that defines one has a
/// type of its own, and so has each resource type that the root imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResourceId(pub u32);

/// A value type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ValueType {
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
    /// `char`: a Unicode scalar value.
    Char,
    /// `string`.
    String,
    /// `(own R)`.
    Own(ResourceId),
    /// `(borrow R)`.
    Borrow(ResourceId),
    /// Any other type.
    Def(TypeDefId),
}

/// A value type that has parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TypeDef {
    /// `(record (field "name" T)…)`; at least one field.
    Record(Vec<(Box<str>, ValueType)>),
    /// `(variant (case "name" T?)…)`; at least one case.
    Variant(Vec<(Box<str>, Option<ValueType>)>),
    /// `(list T)`.
    List(ValueType),
    /// `(list T n)`: a fixed number of elements.
    FixedList(ValueType, u32),
    /// `(map K V)`: passed as a list of pairs.
    Map(ValueType, ValueType),
    /// `(tuple T…)`; at least one.
    Tuple(Vec<ValueType>),
    /// `(flags "name"…)`; 1 to 32.
    Flags(Vec<Box<str>>),
    /// `(enum "name"…)`; at least one.
    Enum(Vec<Box<str>>),
    /// `(option T)`.
    Option(ValueType),
    /// `(result T? (error E)?)`.
    Result(Option<ValueType>, Option<ValueType>),
}

/// Parameters and result of a function.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FuncType {
    /// Names and types of the parameters.
    pub params: Vec<(Box<str>, ValueType)>,
    /// The result's type, if there is one.
    pub result: Option<ValueType>,
}

/// All types of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Types {
    defs: Vec<TypeDef>,
    funcs: Vec<FuncType>,
    #[serde(skip)]
    def_ids: HashMap<TypeDef, TypeDefId>,
    #[serde(skip)]
    func_ids: HashMap<FuncType, FuncTypeId>,
}

impl Types {
    /// The number of a type, which is a new one if no equal type has one.
    pub fn def(&mut self, def: TypeDef) -> TypeDefId {
        *self.def_ids.entry(def).or_insert_with_key(|def| {
            self.defs.push(def.clone());
            TypeDefId(self.defs.len() as u32 - 1)
        })
    }

    /// The number of a function type, which is a new one if no equal type has one.
    pub fn func(&mut self, ty: FuncType) -> FuncTypeId {
        *self.func_ids.entry(ty).or_insert_with_key(|ty| {
            self.funcs.push(ty.clone());
            FuncTypeId(self.funcs.len() as u32 - 1)
        })
    }

    /// The type with this number, if there is one.
    pub fn get(&self, id: TypeDefId) -> Option<&TypeDef> {
        self.defs.get(id.0 as usize)
    }

    /// All types, by number. Each is made of earlier ones.
    pub fn defs(&self) -> &[TypeDef] {
        &self.defs
    }

    /// The function type with this number, if there is one.
    pub fn get_func(&self, id: FuncTypeId) -> Option<&FuncType> {
        self.funcs.get(id.0 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_types_have_equal_numbers() {
        let mut types = Types::default();
        let list = types.def(TypeDef::List(ValueType::U8));
        let nested = types.def(TypeDef::List(ValueType::Def(list)));
        assert_ne!(list, nested);
        assert_eq!(types.def(TypeDef::List(ValueType::U8)), list);
        assert_eq!(types.get(nested), Some(&TypeDef::List(ValueType::Def(list))));
    }
}
