//! What a host must know to call a component's exports and to be called by its imports. It is stored with the image.

use crate::plan::Encoding;
use crate::types::{FuncTypeId, ResourceId, Types, ValueType};
use serde::{Deserialize, Deserializer, Serialize, de};
use std::cell::Cell;

/// A component, as its host sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Value types and function types.
    pub types: Types,
    /// By [`ResourceId`].
    pub resources: Vec<Resource>,
    /// Functions that the host must provide.
    pub imports: Vec<ImportFunc>,
    /// What the host can use, in the component's order.
    pub exports: Vec<(Box<str>, Export)>,
}

/// An export of a core instance of the linked set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CoreRef {
    /// The instance's number in the set.
    pub instance: u32,
    /// The export's name.
    pub name: Box<str>,
}

/// A resource type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resource {
    /// One that the tree defines.
    Guest {
        /// `(rep: i32)`: what the host calls when it drops a handle that it owns. It calls the destructor, if any.
        drop: CoreRef,
    },
    /// One that the host defines. When the guest drops a handle it owns, it calls the import
    /// [`Resource::Host::drop`].
    Host {
        /// The imported instance, when it is an export of one.
        interface: Option<Box<str>>,
        /// Its name.
        name: Box<str>,
        /// Module name and name of the core import `(rep: i32)` that the host provides; `None` when nothing in the tree
        /// drops such a handle.
        drop: Option<(Box<str>, Box<str>)>,
    },
}

/// A function that the host provides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFunc {
    /// The imported instance whose export it is.
    pub interface: Option<Box<str>>,
    /// Its name.
    pub name: Box<str>,
    /// Its type.
    pub ty: FuncTypeId,
    /// Module name and name of the core imports behind it: one for each way of passing values.
    pub lowered: Vec<Lowered>,
}

/// A core import behind an imported function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lowered {
    /// Module name and name.
    pub core: (Box<str>, Box<str>),
    /// How values are passed.
    pub options: HostOptions,
}

/// How values are passed between a host and a core instance.
///
/// Handles are converted by functions of the component instance's table; all are guest functions and trap as the
/// specification says. A `borrow` of a resource that the called component instance itself defines is passed as its
/// representation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostOptions {
    /// How strings are encoded.
    pub encoding: Encoding,
    /// The memory.
    pub memory: Option<CoreRef>,
    /// Whether its addresses are 64 bits wide.
    pub memory64: bool,
    /// `(old, old_size, align, new_size) -> ptr`.
    pub realloc: Option<CoreRef>,
    /// The handle table, when the function's type has handles.
    pub handles: Option<Handles>,
}

/// Functions of a component instance's handle table. `rt` is a [`ResourceId`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handles {
    /// Those of the resource types borrowed by the function that this component instance defines: borrows of these are
    /// lowered to their representation.
    pub defines: Vec<ResourceId>,
    /// `(rt, index) -> rep`: takes an owned handle out of the table.
    pub lift_own: CoreRef,
    /// `(rt, index) -> rep`: lends a handle until the host function that is being called returns.
    pub lift_borrow: CoreRef,
    /// `(rt, rep) -> index`: puts an owned handle into the table.
    pub lower_own: CoreRef,
    /// `(rt, rep) -> index`: puts a handle into the table that the export being called must drop before it returns.
    pub lower_borrow: CoreRef,
    /// `() -> i32`: called before the arguments of an export with borrows are lowered. What it returns goes to `end_call`.
    pub begin_call: CoreRef,
    /// `(i32)`: called when an export with borrows has returned; traps when it kept a borrow.
    pub end_call: CoreRef,
}

/// Something that a host can use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Export {
    /// A function.
    Func(Box<ExportFunc>),
    /// An instance and its exports.
    Instance(#[serde(deserialize_with = "nested")] Vec<(Box<str>, Export)>),
    /// A value type.
    Type(ValueType),
    /// A resource type.
    Resource(ResourceId),
}

/// A function that a host can call: a core function with flat parameters and results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportFunc {
    /// Its type.
    pub ty: FuncTypeId,
    /// The function to call.
    pub core: CoreRef,
    /// To call with the flat results when they have been read. It sets and clears the component instance's flags.
    pub post_return: Option<CoreRef>,
    /// `()`: to call instead of the function when a parameter cannot be passed, so that nothing is left of those before it. Owned
    /// handles have been taken back.
    pub abandon: Option<CoreRef>,
    /// How values are passed.
    pub options: HostOptions,
}

/// Reads what an instance exports, unless that is further inside others than in any component that is translated: a file that
/// is read must not decide how much of the stack reading it takes.
fn nested<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(Box<str>, Export)>, D::Error> {
    thread_local! {
        static DEPTH: Cell<u64> = const { Cell::new(0) };
    }
    let depth = DEPTH.get() + 1;
    if depth > crate::Budget::default().depth {
        return Err(de::Error::custom("instances are nested too deep"));
    }
    DEPTH.set(depth);
    let exports = Vec::deserialize(deserializer);
    DEPTH.set(depth - 1);
    exports
}
