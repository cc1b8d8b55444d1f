//! What a tree needs besides its core instances: which component instances a flag, which a handle table, and whether
//! there must be an arena.

use crate::abi::Shape;
use crate::plan::{CanonOptions, ComponentInstanceId, CoreFunc, Export, Func, TreePlan};
use crate::types::{FuncType, FuncTypeId, Types, ValueType};
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
pub(super) fn tables(plan: &TreePlan, contents: &AllContents) -> HashMap<ComponentInstanceId, u32> {
    let mut tables = BTreeSet::new();
    let handles = |func: Option<&Func>| func_type(plan, func).is_some_and(|ty| contents.of_func(ty).handles);
    for func in &plan.core_funcs {
        match func {
            CoreFunc::ResourceNew { component, .. }
            | CoreFunc::ResourceDrop { component, .. }
            | CoreFunc::ResourceRep { component, .. } => {
                tables.insert(*component);
            }
            CoreFunc::Lower { func, component, .. } => {
                if handles(plan.funcs.get(func.0 as usize)) {
                    tables.insert(*component);
                }
            }
            CoreFunc::Export(_) => {}
        }
    }
    for func in &plan.funcs {
        if let Func::Lift { component, .. } = func
            && handles(Some(func))
        {
            tables.insert(*component);
        }
    }
    number(tables.into_iter())
}

/// Whether a component instance calls itself, or the root exports what it imports.
pub(super) fn arena(plan: &TreePlan) -> bool {
    let func = |id: u32| plan.funcs.get(id as usize);
    let calls_itself = |core: &CoreFunc| match core {
        CoreFunc::Lower { func: callee, component: caller, .. } => {
            matches!(func(callee.0), Some(Func::Lift { component, .. }) if component == caller)
        }
        _ => false,
    };
    let mut exports: Vec<&Export> = plan.exports.iter().map(|(_, export)| export).collect();
    while let Some(export) = exports.pop() {
        match export {
            Export::Func(id) if matches!(func(id.0), Some(Func::Import(_))) => return true,
            Export::Instance(inner) => exports.extend(inner.iter().map(|(_, export)| export)),
            _ => {}
        }
    }
    plan.core_funcs.iter().any(calls_itself)
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

/// What values have in them, however deep.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Handles of any kind.
    pub(super) handles: bool,
    /// Borrowed handles.
    pub(super) borrows: bool,
    /// Pointers to memory: strings and lists.
    pub(super) pointers: bool,
}

impl Contents {
    fn or(self, other: Contents) -> Contents {
        Contents {
            handles: self.handles | other.handles,
            borrows: self.borrows | other.borrows,
            pointers: self.pointers | other.pointers,
        }
    }
}

/// That of every type, found out once.
#[derive(Debug)]
pub(super) struct AllContents(Vec<Contents>);

impl AllContents {
    pub(super) fn new(types: &Types) -> AllContents {
        let mut all = AllContents(Vec::with_capacity(types.defs().len()));
        for def in types.defs() {
            // A type is made of earlier ones.
            let shape = def.shape();
            let list = matches!(shape, Shape::List(_));
            let parts = all.of(shape.parts());
            let contents = Contents { pointers: parts.pointers || list, ..parts };
            all.0.push(contents);
        }
        all
    }

    /// What any of some values have in them.
    pub(super) fn of(&self, types: impl IntoIterator<Item = ValueType>) -> Contents {
        types.into_iter().map(|ty| self.of_value(ty)).fold(Contents::default(), Contents::or)
    }

    pub(super) fn of_func(&self, ty: &FuncType) -> Contents {
        self.of(ty.params.iter().map(|(_, ty)| *ty).chain(ty.result))
    }

    pub(super) fn of_value(&self, ty: ValueType) -> Contents {
        match ty {
            ValueType::Own(_) => Contents { handles: true, ..Contents::default() },
            ValueType::Borrow(_) => Contents { handles: true, borrows: true, ..Contents::default() },
            ValueType::String => Contents { pointers: true, ..Contents::default() },
            ValueType::Def(id) => self.0.get(id.0 as usize).copied().unwrap_or_default(),
            _ => Contents::default(),
        }
    }
}
