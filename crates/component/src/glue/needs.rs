//! Which component instances need a flag, and which a handle table.

use crate::plan::{CanonOptions, ComponentInstanceId, CoreFunc, Func, TreePlan};
use crate::types::{FuncType, FuncTypeId, TypeDef, Types, ValueType};
use std::collections::{BTreeSet, HashMap};

/// Numbers of the flags of component instances that could ever be found confined: they call out, and their `realloc` or
/// `post-return` is called.
pub(super) fn flags(plan: &TreePlan) -> HashMap<ComponentInstanceId, u32> {
    let (mut leave, mut confined) = (BTreeSet::new(), BTreeSet::new());
    let mut options = |options: &CanonOptions, component: ComponentInstanceId| {
        if options.realloc.is_some() || options.post_return.is_some() {
            confined.insert(component);
        }
    };
    for func in &plan.core_funcs {
        match func {
            CoreFunc::Lower { options: lowered, component, .. } => {
                leave.insert(*component);
                options(lowered, *component);
            }
            CoreFunc::ResourceNew { component, .. } | CoreFunc::ResourceDrop { component, .. } => {
                leave.insert(*component);
            }
            CoreFunc::ResourceRep { .. } | CoreFunc::Export(_) => {}
        }
    }
    for func in &plan.funcs {
        if let Func::Lift { options: lifted, component, .. } = func {
            options(lifted, *component);
        }
    }
    number(leave.intersection(&confined).copied())
}

/// Numbers of the tables of component instances that can come by a handle.
pub(super) fn tables(plan: &TreePlan) -> HashMap<ComponentInstanceId, u32> {
    let mut tables = BTreeSet::new();
    for func in &plan.core_funcs {
        match func {
            CoreFunc::ResourceNew { component, .. }
            | CoreFunc::ResourceDrop { component, .. }
            | CoreFunc::ResourceRep { component, .. } => {
                tables.insert(*component);
            }
            CoreFunc::Lower { func, component, .. } => {
                if func_type(plan, plan.funcs.get(func.0 as usize)).is_some_and(|ty| has_handles(&plan.types, ty)) {
                    tables.insert(*component);
                }
            }
            CoreFunc::Export(_) => {}
        }
    }
    for func in &plan.funcs {
        if let Func::Lift { component, .. } = func
            && func_type(plan, Some(func)).is_some_and(|ty| has_handles(&plan.types, ty))
        {
            tables.insert(*component);
        }
    }
    number(tables.into_iter())
}

fn number(components: impl Iterator<Item = ComponentInstanceId>) -> HashMap<ComponentInstanceId, u32> {
    components.zip(0..).collect()
}

/// The type of a component function.
pub(super) fn func_type<'a>(plan: &'a TreePlan, func: Option<&Func>) -> Option<&'a FuncType> {
    plan.types.get_func(func_type_id(plan, func?)?)
}

pub(super) fn func_type_id(plan: &TreePlan, func: &Func) -> Option<FuncTypeId> {
    match func {
        Func::Lift { ty, .. } => Some(*ty),
        Func::Import(number) => plan.imports.get(*number as usize).map(|import| import.ty),
    }
}

/// Whether values of a function have handles in them.
pub(super) fn has_handles(types: &Types, ty: &FuncType) -> bool {
    any(types, ty, |ty| matches!(ty, ValueType::Own(_) | ValueType::Borrow(_)))
}

/// Whether values of a function have borrowed handles in them.
pub(super) fn has_borrows(types: &Types, ty: &FuncType) -> bool {
    any(types, ty, |ty| matches!(ty, ValueType::Borrow(_)))
}

/// Whether a part of the type of some value satisfies a predicate. Each type is looked at once.
pub(super) fn any(types: &Types, ty: &FuncType, predicate: impl Fn(ValueType) -> bool) -> bool {
    let mut left: Vec<ValueType> = ty.params.iter().map(|(_, ty)| *ty).chain(ty.result).collect();
    let mut seen = BTreeSet::new();
    while let Some(ty) = left.pop() {
        if predicate(ty) {
            return true;
        }
        if let ValueType::Def(id) = ty
            && seen.insert(id)
        {
            left.extend(types.get(id).into_iter().flat_map(parts));
        }
    }
    false
}

fn parts(def: &TypeDef) -> Vec<ValueType> {
    use crate::abi::Shape;
    match def.shape() {
        Shape::Record(types) | Shape::List(types) => types,
        Shape::Variant(cases) => cases.into_iter().flatten().collect(),
        Shape::FixedList(ty, _) => vec![ty],
        Shape::Flags(_) => Vec::new(),
    }
}
