//! Types, evaluated: every type in one is in the plan, and every resource type is a particular one.

use super::error::TranslateError;
use super::inline::{Inliner, number};
use super::scope::{ScopeId, Type, at};
use crate::plan::ResourceDef;
use crate::types::{FuncType, ResourceId, TypeDef, ValueType};
use wasmparser::{
    ComponentDefinedType, ComponentFuncType, ComponentType, ComponentValType, PrimitiveValType, VariantCase,
};

/// Names of a variant's cases, and what they carry.
type Cases = Vec<(Box<str>, Option<ValueType>)>;

impl<'p> Inliner<'p> {
    pub(super) fn type_definition(
        &mut self,
        scope: ScopeId,
        ty: &'p ComponentType<'p>,
    ) -> Result<Type<'p>, TranslateError> {
        Ok(match ty {
            ComponentType::Defined(ty) => self.defined_type(scope, ty)?,
            ComponentType::Func(ty) => self.func_type(scope, ty)?,
            ComponentType::Component(_) => Type::Component,
            ComponentType::Instance(declarations) => Type::Instance { declarations, scope },
            ComponentType::Resource { dtor, .. } => {
                let component = self.scope(scope)?.component;
                let dtor = dtor.map(|dtor| at(&self.scope(scope)?.core_funcs, dtor)).transpose()?;
                Type::Resource(self.add_resource(ResourceDef::Guest { component, dtor })?)
            }
        })
    }

    pub(super) fn add_resource(&mut self, resource: ResourceDef) -> Result<ResourceId, TranslateError> {
        self.plan.resources.push(resource);
        number(self.plan.resources.len()).map(ResourceId)
    }

    fn func_type(&mut self, scope: ScopeId, ty: &ComponentFuncType<'_>) -> Result<Type<'p>, TranslateError> {
        let params = self.named_types(scope, &ty.params)?;
        let result = self.optional_type(scope, ty.result)?;
        Ok(Type::Func(self.plan.types.func(FuncType { params, result })))
    }

    fn defined_type(&mut self, scope: ScopeId, ty: &ComponentDefinedType<'_>) -> Result<Type<'p>, TranslateError> {
        let def = match ty {
            ComponentDefinedType::Primitive(ty) => return primitive(*ty).map(Type::Value),
            ComponentDefinedType::Own(resource) => {
                return Ok(Type::Value(ValueType::Own(self.resource(scope, *resource)?)));
            }
            ComponentDefinedType::Borrow(resource) => {
                return Ok(Type::Value(ValueType::Borrow(self.resource(scope, *resource)?)));
            }
            ComponentDefinedType::Record(fields) => TypeDef::Record(self.named_types(scope, fields)?),
            ComponentDefinedType::Variant(cases) => TypeDef::Variant(self.cases(scope, cases)?),
            ComponentDefinedType::List(element) => TypeDef::List(self.value_type(scope, *element)?),
            ComponentDefinedType::FixedLengthList(element, length) => {
                TypeDef::FixedList(self.value_type(scope, *element)?, *length)
            }
            ComponentDefinedType::Map(key, value) => {
                TypeDef::Map(self.value_type(scope, *key)?, self.value_type(scope, *value)?)
            }
            ComponentDefinedType::Tuple(types) => {
                TypeDef::Tuple(types.iter().map(|ty| self.value_type(scope, *ty)).collect::<Result<_, _>>()?)
            }
            ComponentDefinedType::Flags(names) => TypeDef::Flags(self.names(names)?),
            ComponentDefinedType::Enum(names) => TypeDef::Enum(self.names(names)?),
            ComponentDefinedType::Option(ty) => TypeDef::Option(self.value_type(scope, *ty)?),
            ComponentDefinedType::Result { ok, err } => {
                TypeDef::Result(self.optional_type(scope, *ok)?, self.optional_type(scope, *err)?)
            }
            ComponentDefinedType::Future(_) | ComponentDefinedType::Stream(_) => {
                return Err(TranslateError::Internal("an asynchronous type has not been refused"));
            }
        };
        self.add_type(def).map(Type::Value)
    }

    fn named_types(
        &mut self,
        scope: ScopeId,
        types: &[(&str, ComponentValType)],
    ) -> Result<Vec<(Box<str>, ValueType)>, TranslateError> {
        let one = |(name, ty): &(&str, ComponentValType)| {
            self.meter.define(0, name.len())?;
            Ok((Box::from(*name), self.value_type(scope, *ty)?))
        };
        types.iter().map(one).collect()
    }

    fn cases(&mut self, scope: ScopeId, cases: &[VariantCase<'_>]) -> Result<Cases, TranslateError> {
        let one = |case: &VariantCase<'_>| {
            self.meter.define(0, case.name.len())?;
            Ok((Box::from(case.name), self.optional_type(scope, case.ty)?))
        };
        cases.iter().map(one).collect()
    }

    fn names(&mut self, names: &[&str]) -> Result<Vec<Box<str>>, TranslateError> {
        self.meter.define(names.len(), names.iter().map(|name| name.len()).sum())?;
        Ok(names.iter().map(|name| Box::from(*name)).collect())
    }

    fn optional_type(
        &mut self,
        scope: ScopeId,
        ty: Option<ComponentValType>,
    ) -> Result<Option<ValueType>, TranslateError> {
        ty.map(|ty| self.value_type(scope, ty)).transpose()
    }

    fn value_type(&mut self, scope: ScopeId, ty: ComponentValType) -> Result<ValueType, TranslateError> {
        self.meter.define(0, 0)?;
        match ty {
            ComponentValType::Primitive(ty) => primitive(ty),
            ComponentValType::Type(index) => match at(&self.scope(scope)?.types, index)? {
                Type::Value(ty) => Ok(ty),
                _ => Err(TranslateError::Internal("a value is of what is no value type")),
            },
        }
    }

    /// Puts a type into the plan, unless it is larger than what has to deal with it can bear.
    fn add_type(&mut self, def: TypeDef) -> Result<ValueType, TranslateError> {
        let (mut parts, mut depth) = (1u64, 0);
        each_part(&def, |ty| {
            let (inner_parts, inner_depth) = match ty {
                ValueType::Def(id) => self.type_sizes.get(id.0 as usize).copied().unwrap_or((1, 1)),
                _ => (1, 1),
            };
            parts = parts.saturating_add(inner_parts);
            depth = depth.max(inner_depth);
        });
        self.meter.value_type(parts, depth + 1)?;
        let id = self.plan.types.def(def);
        if id.0 as usize == self.type_sizes.len() {
            self.type_sizes.push((parts, depth + 1));
        }
        Ok(ValueType::Def(id))
    }
}

/// Calls `visit` for each type that `def` is made of.
fn each_part(def: &TypeDef, mut visit: impl FnMut(&ValueType)) {
    match def {
        TypeDef::Record(fields) => fields.iter().for_each(|(_, ty)| visit(ty)),
        TypeDef::Variant(cases) => cases.iter().filter_map(|(_, ty)| ty.as_ref()).for_each(visit),
        TypeDef::Tuple(types) => types.iter().for_each(visit),
        TypeDef::List(ty) | TypeDef::FixedList(ty, _) | TypeDef::Option(ty) => visit(ty),
        TypeDef::Map(key, value) => [key, value].into_iter().for_each(visit),
        TypeDef::Result(ok, err) => ok.iter().chain(err).for_each(visit),
        TypeDef::Flags(_) | TypeDef::Enum(_) => {}
    }
}

fn primitive(ty: PrimitiveValType) -> Result<ValueType, TranslateError> {
    Ok(match ty {
        PrimitiveValType::Bool => ValueType::Bool,
        PrimitiveValType::S8 => ValueType::S8,
        PrimitiveValType::U8 => ValueType::U8,
        PrimitiveValType::S16 => ValueType::S16,
        PrimitiveValType::U16 => ValueType::U16,
        PrimitiveValType::S32 => ValueType::S32,
        PrimitiveValType::U32 => ValueType::U32,
        PrimitiveValType::S64 => ValueType::S64,
        PrimitiveValType::U64 => ValueType::U64,
        PrimitiveValType::F32 => ValueType::F32,
        PrimitiveValType::F64 => ValueType::F64,
        PrimitiveValType::Char => ValueType::Char,
        PrimitiveValType::String => ValueType::String,
        PrimitiveValType::ErrorContext => {
            return Err(TranslateError::Internal("an error context has not been refused"));
        }
    })
}
