//! The result of linking: every index space of every core instance resolved to places in the image.

use super::types::TypeMap;
use crate::error::CompileError;
use hatchery_image::{
    DataSegmentId, DefinedMemory, DefinedTable, ElemSegmentId, FunctionId, Global, GlobalId, HostImportId, InstanceId,
    LayoutPlan, MemoryId, StepKind, TableId, TagId, TrapCode, TypeId, TypeTable,
};
use std::ops::Range;

/// What a function index of a core instance stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FuncTarget {
    /// A function that some instance of the set defines.
    Defined(FunctionId),
    /// A function that the host provides.
    Host(HostImportId),
    /// `(detail: i32)`: stops the guest.
    Trap(TrapCode),
}

/// A function of the set, to be compiled.
#[derive(Debug, Clone)]
pub(crate) struct FunctionDef {
    /// The core instance it belongs to.
    pub(crate) instance: InstanceId,
    /// Its index in that instance's module, imports counted.
    pub(crate) index: u32,
    /// Its type.
    pub(crate) ty: TypeId,
    /// Position of its body among the module's.
    pub(crate) body: usize,
}

/// The index spaces of one core instance.
#[derive(Debug, Clone, Default)]
pub(crate) struct LinkedInstance {
    /// The module it instantiates, as a number in the link set.
    pub(crate) module: usize,
    /// Function types by type index; `None` for types that are no functions.
    pub(crate) types: TypeMap,
    /// Functions by function index.
    pub(crate) funcs: Vec<FuncTarget>,
    /// Types of the functions by function index.
    pub(crate) func_types: Vec<TypeId>,
    /// Tables by table index.
    pub(crate) tables: Vec<TableId>,
    /// Memories by memory index.
    pub(crate) memories: Vec<MemoryId>,
    /// Globals by global index.
    pub(crate) globals: Vec<GlobalId>,
    /// Tags by tag index.
    pub(crate) tags: Vec<TagId>,
    /// Whether we wrote its module: no exception passes its frames.
    pub(crate) generated: bool,
    /// Data segments by index.
    pub(crate) data: Vec<DataSegmentId>,
    /// Element segments by index.
    pub(crate) elems: Vec<ElemSegmentId>,
}

/// A global's value after linking; every constant expression is evaluated then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConstValue {
    /// Bits of any number or vector, zero extended.
    Bits(u128),
    /// A function; its packed word is known once code is placed.
    Func(FuncTarget, TypeId),
    /// A null reference.
    Null,
}

/// Everything that translating a function may ask.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) types: TypeTable,
    /// Of functions that only trap, if some module has it.
    pub(crate) trap_type: Option<TypeId>,
    pub(crate) instances: Vec<LinkedInstance>,
    /// By [`FunctionId`].
    pub(crate) functions: Vec<FunctionDef>,
    /// By [`HostImportId`].
    pub(crate) host_imports: Vec<HostImportDef>,
    /// By [`MemoryId`]; places in `layout.memories`.
    pub(crate) memories: Vec<DefinedMemory>,
    /// By [`TableId`]; places in `layout.tables`. `growable` decides whether the length is a constant.
    pub(crate) tables: Vec<DefinedTable>,
    /// By [`GlobalId`].
    pub(crate) globals: Vec<Global>,
    /// By [`GlobalId`]; the value of an immutable global is a constant of the code, too.
    pub(crate) global_values: Vec<ConstValue>,
    /// Types by [`TagId`].
    pub(crate) tags: Vec<TypeId>,
    pub(crate) layout: LayoutPlan,
}

/// A function the host must provide.
#[derive(Debug, Clone)]
pub(crate) struct HostImportDef {
    pub(crate) instance: InstanceId,
    pub(crate) module: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) ty: TypeId,
}

/// What an external name in generated code stands for; assembly patches the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Symbol {
    /// A defined function.
    Function(FunctionId),
    /// The thunk of a host import.
    HostThunk(HostImportId),
    /// The thunk that raises a trap.
    Trap(TrapCode),
    /// The thunk of a built-in.
    Builtin(hatchery_image::abi::Builtin),
    /// The entry trampoline of a function type.
    Entry(TypeId),
    /// The shim from native to array form of a function type.
    Spill(TypeId),
}

/// An item of one of the index spaces of a core instance, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkedItem {
    Func(FuncTarget, TypeId),
    Table(TableId),
    Memory(MemoryId),
    Global(GlobalId),
    Tag(TagId),
}

/// A reference that a table or an element segment holds. It is a word once code is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefValue {
    Null,
    Func(FuncTarget, TypeId),
}

/// A step of the initialization plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LinkedStep {
    pub(crate) instance: InstanceId,
    pub(crate) kind: LinkedStepKind,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LinkedStepKind {
    /// Nothing that depends on where code is.
    Known(StepKind),
    /// Calls a start function.
    Start(FuncTarget),
}

/// What of a core instance is no concern of code.
#[derive(Debug, Clone, Default)]
pub(crate) struct InstanceFace {
    pub(crate) name: Option<Box<str>>,
    /// In the module's order.
    pub(crate) exports: Vec<(Box<str>, LinkedItem)>,
    /// Its steps in the plan.
    pub(crate) steps: Range<usize>,
}

/// A data segment's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct DataSource {
    pub(crate) module: usize,
    /// In the module's binary.
    pub(crate) range: Range<usize>,
}

/// A linked set.
#[derive(Debug)]
pub(crate) struct Link {
    /// What code depends on.
    pub(crate) linked: Linked,
    /// By instance.
    pub(crate) faces: Vec<InstanceFace>,
    pub(crate) steps: Vec<LinkedStep>,
    /// By `TableId`: the initial value of every element.
    pub(crate) table_values: Vec<RefValue>,
    /// By `ElemSegmentId`.
    pub(crate) elems: Vec<Vec<RefValue>>,
    /// By `DataSegmentId`.
    pub(crate) data: Vec<DataSource>,
}

/// The item at `index`, which the validator or this crate has checked.
pub(crate) fn at<T: Copy>(items: &[T], index: u32) -> Result<T, CompileError> {
    let missing = || CompileError::Internal(format!("index {index} of a space of {} was not refused", items.len()));
    items.get(index as usize).copied().ok_or_else(missing)
}
