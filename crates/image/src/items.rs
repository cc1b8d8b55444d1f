//! What an image is made of: what core instances define, import and export, by number.

use crate::types::{RefType, TypeId, ValType};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(pub u32);

            impl $name {
                /// The number as an array index.
                pub const fn index(self) -> usize {
                    self.0 as usize
                }
            }
        )*
    };
}

ids! {
    /// A core instance's number in its image.
    InstanceId;
    /// A memory's number in its image, over all core instances.
    MemoryId;
    /// A table's number in its image.
    TableId;
    /// A global's number in its image.
    GlobalId;
    /// A data segment's number in its image.
    DataSegmentId;
    /// An element segment's number in its image.
    ElemSegmentId;
    /// An imported host function's number in its image.
    HostImportId;
    /// A tag's number in its image: what tells the exceptions of one tag from those of all others.
    TagId;
}

/// A memory that some core instance defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedMemory {
    /// Whether indices are 64 bits wide.
    pub memory64: bool,
    /// Initial length in bytes, before any growth.
    pub minimum: u64,
    /// Declared maximum in bytes, if any. The layout's reservation may be smaller.
    pub maximum: Option<u64>,
}

/// A table that some core instance defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinedTable {
    /// Whether indices are 64 bits wide.
    pub table64: bool,
    /// Element type.
    pub element: RefType,
    /// Initial length in elements.
    pub minimum: u64,
    /// Declared maximum in elements, if any. The layout's room may be smaller.
    pub maximum: Option<u64>,
    /// Whether some code, or the host through an export, may grow it. Compiled code has the length of
    /// a table that is never grown as a constant.
    pub growable: bool,
}

/// A global that some core instance defines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Global {
    /// Type of its value.
    pub ty: ValType,
    /// Whether it can change. The value of an immutable one is in the pages all the same.
    pub mutable: bool,
    /// Offset from `vmctx`; a multiple of 8, of 16 for vectors.
    pub offset: u32,
}

/// A data segment: its bytes are a range of [`Image::data`](crate::Image::data).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSegment {
    /// First byte in [`Image::data`](crate::Image::data).
    pub start: usize,
    /// Bytes.
    pub length: u32,
    /// Offset from `vmctx` of a `u32` that is nonzero once the segment is dropped.
    pub dropped_offset: u32,
}

/// An element segment, evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElemSegment {
    /// Table words: packed funcrefs, or 0 (a constant expression makes no other externref).
    pub elements: Box<[u64]>,
    /// Offset from `vmctx` of a `u32` that is nonzero once the segment is dropped.
    pub dropped_offset: u32,
}

/// A function that the host must provide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostImport {
    /// The core instance that imports it.
    pub instance: InstanceId,
    /// Module name of the import.
    pub module: Box<str>,
    /// Field name of the import.
    pub name: Box<str>,
    /// Its type.
    pub ty: TypeId,
    /// Text offset of the thunk, a guest function that calls the host.
    pub thunk: u32,
    /// Text offset of the shim that takes native arguments and calls the array form; for imports whose
    /// type has a native form only.
    pub spill_shim: Option<u32>,
}

/// A function that an export names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FuncExport {
    /// Its type.
    pub ty: TypeId,
    /// Text offset of its first instruction.
    pub code_offset: u32,
}

/// What an export names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportItem {
    /// A function.
    Func(FuncExport),
    /// A memory.
    Memory(MemoryId),
    /// A table.
    Table(TableId),
    /// A global.
    Global(GlobalId),
}

/// An export of a core instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name.
    pub name: Box<str>,
    /// What it names.
    pub item: ExportItem,
}

/// One instantiation of one core module.
#[derive(Debug, Clone, Default)]
pub struct CoreInstance {
    /// The name under which the set has it, or the module's own name; for messages.
    pub name: Option<Box<str>>,
    /// Exports, in the module's order.
    pub exports: Vec<Export>,
    /// Steps of the plan that belong to this instance: a contiguous range.
    pub steps: core::ops::Range<usize>,
    /// The memory it exports as "memory", for the host functions it calls.
    pub main_memory: Option<MemoryId>,
}
