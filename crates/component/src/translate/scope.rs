//! What the indices of definitions mean: a scope for each component instance, and for each instance type that is
//! evaluated.

use super::error::TranslateError;
use crate::plan::{ComponentInstanceId, CoreExport, CoreFuncId, CoreInstanceId, CoreItem, FuncId};
use crate::types::{FuncTypeId, ResourceId, ValueType};
use std::collections::HashMap;
use std::rc::Rc;
use wasmparser::InstanceTypeDeclaration;

/// Number of a [`Scope`]. Scopes live as long as the translation does, as components that are defined in one may be
/// instantiated whenever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScopeId(pub(super) usize);

/// The index spaces of a component instance, or of an instance type.
pub(super) struct Scope<'p> {
    /// The component instance that definitions belong to.
    pub(super) component: ComponentInstanceId,
    /// Where outer aliases lead.
    pub(super) outer: Option<ScopeId>,
    pub(super) core_funcs: Vec<CoreFuncId>,
    pub(super) core_tables: Vec<CoreExport>,
    pub(super) core_memories: Vec<CoreExport>,
    pub(super) core_globals: Vec<CoreExport>,
    pub(super) core_tags: Vec<CoreExport>,
    /// Numbers among the program's modules.
    pub(super) modules: Vec<usize>,
    pub(super) core_instances: Vec<CoreInstanceValue>,
    pub(super) funcs: Vec<FuncId>,
    pub(super) types: Vec<Type<'p>>,
    pub(super) instances: Vec<Rc<Instance<'p>>>,
    pub(super) components: Vec<Closure>,
    pub(super) exports: Vec<(&'p str, Item<'p>)>,
}

/// A core instance: one of a module, or some definitions under names.
#[derive(Debug, Clone)]
pub(super) enum CoreInstanceValue {
    Module(CoreInstanceId),
    Exports(Rc<HashMap<Box<str>, CoreItem>>),
}

/// A component and where it was defined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Closure {
    /// Its number among the program's components.
    pub(super) body: usize,
    pub(super) scope: ScopeId,
}

/// A type without variables.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type<'p> {
    Value(ValueType),
    Func(FuncTypeId),
    Resource(ResourceId),
    /// Evaluated only when the host is asked for such an instance.
    Instance {
        declarations: &'p [InstanceTypeDeclaration<'p>],
        scope: ScopeId,
    },
    /// Needed by the validator only.
    Component,
}

/// What a component can import and export.
#[derive(Debug, Clone)]
pub(super) enum Item<'p> {
    Module(usize),
    Func(FuncId),
    Type(Type<'p>),
    Instance(Rc<Instance<'p>>),
    Component(Closure),
}

/// A component instance as its users see it: names of what it exports.
#[derive(Debug)]
pub(super) struct Instance<'p> {
    exports: HashMap<&'p str, Item<'p>>,
    /// Instances inside each other, this one included.
    pub(super) depth: u64,
}

impl<'p> Instance<'p> {
    pub(super) fn new(exports: impl IntoIterator<Item = (&'p str, Item<'p>)>) -> Instance<'p> {
        let exports: HashMap<_, _> = exports.into_iter().collect();
        let depth = 1 + exports.values().map(Item::depth).max().unwrap_or(0);
        Instance { exports, depth }
    }

    pub(super) fn get(&self, name: &str) -> Result<Item<'p>, TranslateError> {
        self.exports.get(name).cloned().ok_or(TranslateError::Internal("an instance lacks an export"))
    }
}

impl Item<'_> {
    fn depth(&self) -> u64 {
        match self {
            Item::Instance(instance) => instance.depth,
            Item::Module(_) | Item::Func(_) | Item::Type(_) | Item::Component(_) => 0,
        }
    }
}

impl<'p> Scope<'p> {
    pub(super) fn new(component: ComponentInstanceId, outer: Option<ScopeId>) -> Scope<'p> {
        Scope {
            component,
            outer,
            core_funcs: Vec::new(),
            core_tables: Vec::new(),
            core_memories: Vec::new(),
            core_globals: Vec::new(),
            core_tags: Vec::new(),
            modules: Vec::new(),
            core_instances: Vec::new(),
            funcs: Vec::new(),
            types: Vec::new(),
            instances: Vec::new(),
            components: Vec::new(),
            exports: Vec::new(),
        }
    }

    /// Gives `item` the next index of its kind.
    pub(super) fn push(&mut self, item: Item<'p>) {
        match item {
            Item::Module(module) => self.modules.push(module),
            Item::Func(func) => self.funcs.push(func),
            Item::Type(ty) => self.types.push(ty),
            Item::Instance(instance) => self.instances.push(instance),
            Item::Component(closure) => self.components.push(closure),
        }
    }
}

/// What has index `index` in `space`.
pub(super) fn at<T: Clone>(space: &[T], index: u32) -> Result<T, TranslateError> {
    space.get(index as usize).cloned().ok_or(TranslateError::Internal("an index is out of bounds"))
}
