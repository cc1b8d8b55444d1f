//! What is left of a component tree when all instantiation is inlined.
//!
//! Core instances are in the order in which the component model instantiates them: dependencies first, definition order
//! otherwise. Nothing here is optimized or laid out yet, and no types of hosts are checked.

use crate::name::Name;
use crate::types::{FuncTypeId, ResourceId, Types, ValueType};
use std::ops::Range;

/// Number of a component instance of the tree; the root is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentInstanceId(pub u32);

/// Number of a core module among [`TreePlan::modules`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoreModuleId(pub u32);

/// Number of a core instance among [`TreePlan::core_instances`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoreInstanceId(pub u32);

/// Number of a core function among [`TreePlan::core_funcs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoreFuncId(pub u32);

/// Number of a component function among [`TreePlan::funcs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FuncId(pub u32);

/// A component tree, inlined.
#[derive(Debug, Clone, Default)]
pub struct TreePlan {
    /// Value types and function types.
    pub types: Types,
    /// By [`ResourceId`].
    pub resources: Vec<ResourceDef>,
    /// By [`ComponentInstanceId`]: the instance that instantiated it; `None` for the root.
    pub component_instances: Vec<Option<ComponentInstanceId>>,
    /// By [`CoreModuleId`]: where in the component's bytes the module's binary is. A module that is instantiated several
    /// times is here once.
    pub modules: Vec<Range<usize>>,
    /// By [`CoreInstanceId`], in the order of instantiation.
    pub core_instances: Vec<CoreInstance>,
    /// What instantiation does, in this order. Every core instance is in it once.
    pub steps: Vec<Step>,
    /// By [`CoreFuncId`].
    pub core_funcs: Vec<CoreFunc>,
    /// By [`FuncId`].
    pub funcs: Vec<Func>,
    /// Functions that the root imports, directly or in instances.
    pub imports: Vec<Import>,
    /// What the root exports, in its order.
    pub exports: Vec<(Box<str>, Export)>,
}

/// A part of instantiation that runs code of the guest's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A core instance comes to be: its segments are copied, its start function runs.
    Instantiate(CoreInstanceId),
    /// A component's `start` definition: a function without parameters and result is called, as a host would.
    Start(FuncId),
}

/// An instance of a core module.
#[derive(Debug, Clone)]
pub struct CoreInstance {
    /// What it is an instance of.
    pub module: CoreModuleId,
    /// The component instance that it is part of.
    pub component: ComponentInstanceId,
    /// Module name and name of each of its imports, and what that is.
    pub imports: Vec<(Box<str>, Box<str>, CoreItem)>,
}

/// A thing that a core module imports.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CoreItem {
    /// A function.
    Func(CoreFuncId),
    /// A memory, table, global or tag.
    Export(CoreExport),
}

/// An export of a core instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CoreExport {
    /// Whose.
    pub instance: CoreInstanceId,
    /// Its name.
    pub name: Name,
}

/// A core function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CoreFunc {
    /// One that a core instance exports.
    Export(CoreExport),
    /// `canon lower`.
    Lower {
        /// What is called.
        func: FuncId,
        /// How values are passed.
        options: CanonOptions,
        /// The component instance that calls.
        component: ComponentInstanceId,
    },
    /// `canon resource.new`.
    ResourceNew {
        /// The type.
        resource: ResourceId,
        /// Whose table gets the handle.
        component: ComponentInstanceId,
    },
    /// `canon resource.drop`.
    ResourceDrop {
        /// The type.
        resource: ResourceId,
        /// Whose table has the handle.
        component: ComponentInstanceId,
    },
    /// `canon resource.rep`.
    ResourceRep {
        /// The type.
        resource: ResourceId,
        /// Whose table has the handle.
        component: ComponentInstanceId,
    },
}

/// A component function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Func {
    /// `canon lift`.
    Lift {
        /// What is called.
        core: CoreFuncId,
        /// As what.
        ty: FuncTypeId,
        /// How values are passed.
        options: CanonOptions,
        /// The component instance that is called.
        component: ComponentInstanceId,
    },
    /// A function that the root imports: its number among [`TreePlan::imports`].
    Import(u32),
}

/// How values are passed between a core instance and its surroundings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CanonOptions {
    /// How strings are encoded.
    pub encoding: Encoding,
    /// Where values are that are not passed flat.
    pub memory: Option<CoreExport>,
    /// Whether that memory's addresses are 64 bits wide.
    pub memory64: bool,
    /// How memory is allocated in it.
    pub realloc: Option<CoreFuncId>,
    /// What is called with the flat results when they have been read. `canon lift` only.
    pub post_return: Option<CoreFuncId>,
}

/// How strings are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Encoding {
    /// UTF-8.
    #[default]
    Utf8,
    /// UTF-16, little endian.
    Utf16,
    /// Latin-1 or UTF-16, as a bit of the length says.
    CompactUtf16,
}

/// A resource type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceDef {
    /// One that a component instance of the tree defines.
    Guest {
        /// Which.
        component: ComponentInstanceId,
        /// What is called with the representation of a handle that is dropped.
        dtor: Option<CoreFuncId>,
    },
    /// One that the root imports.
    Host {
        /// The imported instance, when it is an export of one.
        interface: Option<Box<str>>,
        /// Its name.
        name: Box<str>,
    },
}

/// A function that the root imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The imported instance whose export it is; nested ones are joined by `/`.
    pub interface: Option<Box<str>>,
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub ty: FuncTypeId,
}

/// Something that the root exports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// A function.
    Func(FuncId),
    /// An instance and its exports.
    Instance(Vec<(Box<str>, Export)>),
    /// A value type.
    Type(ValueType),
    /// A resource type.
    Resource(ResourceId),
    /// The type of a function, an instance or a component: nothing that a host can use at run time.
    TypeOnly,
    /// A core module. Nobody outside can instantiate it.
    Module,
    /// A component. Nobody outside can instantiate it.
    Component,
}
