//! A validated module, as its sections say it. Types are still named by the module's own indices.

use super::constant::{Const, ConstOps};
use super::names::Names;
use hatchery_image::WASM_PAGE;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;
use wasmparser::{
    CompositeInnerType, ExternalKind, FuncToValidate, GlobalType, RecGroup, RefType, TypeRef, ValidatorResources,
};

/// A validated module.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) rec_groups: Vec<RecGroup>,
    pub(crate) imports: Vec<ImportDecl>,
    /// Type indices of the functions it defines.
    pub(crate) functions: Vec<u32>,
    pub(crate) tables: Vec<TableDecl>,
    pub(crate) memories: Vec<MemoryDecl>,
    /// Type indices of the tags it defines.
    pub(crate) tags: Vec<u32>,
    pub(crate) globals: Vec<GlobalDecl>,
    pub(crate) exports: Vec<ExportDecl>,
    /// Positions in `exports`.
    pub(crate) exports_by_name: HashMap<Box<str>, usize>,
    pub(crate) start: Option<u32>,
    pub(crate) elems: Vec<ElemDecl>,
    pub(crate) data: Vec<DataDecl>,
    pub(crate) constants: ConstOps,
    /// Bodies of the functions it defines.
    pub(crate) bodies: Vec<Body>,
    pub(crate) code_bytes: u32,
    /// Values that the instructions of all bodies take and give.
    pub(crate) values: u64,
    /// Table indices that some instruction grows.
    pub(crate) grown_tables: BTreeSet<u32>,
    /// Whether some instruction grows a memory.
    pub(crate) grows_memory: bool,
    pub(crate) names: Names,
}

/// An item of one of the module's index spaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Func(u32),
    Table(u32),
    Memory(u32),
    Global(u32),
    Tag(u32),
}

#[derive(Debug)]
pub(crate) struct ImportDecl {
    pub(crate) module: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) ty: ImportType,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ImportType {
    /// A function of the type with this index.
    Func(u32),
    Table(TableDecl),
    Memory(MemoryDecl),
    Global(GlobalType),
    /// A tag of the type with this index.
    Tag(u32),
}

/// Lengths: elements of a table, bytes of a memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) minimum: u64,
    pub(crate) maximum: Option<u64>,
}

impl Limits {
    /// Whether whatever has been declared with these limits has a maximum that `wanted` allows.
    pub(crate) fn maximum_fits(&self, wanted: &Limits) -> bool {
        match (self.maximum, wanted.maximum) {
            (_, None) => true,
            (Some(has), Some(wanted)) => has <= wanted,
            (None, Some(_)) => false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct TableDecl {
    pub(crate) table64: bool,
    pub(crate) element: RefType,
    pub(crate) limits: Limits,
    /// Value of every element; null when it does not say.
    pub(crate) init: Option<Const>,
}

impl TableDecl {
    pub(crate) fn new(ty: &wasmparser::TableType, init: Option<Const>) -> TableDecl {
        let limits = Limits { minimum: ty.initial, maximum: ty.maximum };
        TableDecl { table64: ty.table64, element: ty.element_type, limits, init }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct MemoryDecl {
    pub(crate) memory64: bool,
    pub(crate) limits: Limits,
}

impl MemoryDecl {
    /// Lengths that no 64-bit number of bytes expresses become the largest that does: no slot has either.
    pub(crate) fn new(ty: &wasmparser::MemoryType) -> MemoryDecl {
        let bytes = |pages: u64| pages.saturating_mul(WASM_PAGE) & !(WASM_PAGE - 1);
        let limits = Limits { minimum: bytes(ty.initial), maximum: ty.maximum.map(bytes) };
        MemoryDecl { memory64: ty.memory64, limits }
    }
}

#[derive(Debug)]
pub(crate) struct GlobalDecl {
    pub(crate) ty: GlobalType,
    pub(crate) init: Const,
}

#[derive(Debug)]
pub(crate) struct ExportDecl {
    pub(crate) name: Box<str>,
    pub(crate) item: Item,
}

#[derive(Debug)]
pub(crate) struct ElemDecl {
    pub(crate) mode: ElemMode,
    pub(crate) items: Vec<Const>,
}

#[derive(Debug)]
pub(crate) enum ElemMode {
    Passive,
    Declared,
    Active { table: u32, offset: Const },
}

#[derive(Debug)]
pub(crate) struct DataDecl {
    /// Memory and offset of an active segment.
    pub(crate) active: Option<(u32, Const)>,
    /// Its bytes in the binary.
    pub(crate) range: Range<usize>,
}

#[derive(Debug)]
pub(crate) struct Body {
    /// Locals and instructions in the binary.
    pub(crate) range: Range<usize>,
    pub(crate) validator: FuncToValidate<ValidatorResources>,
}

impl Module {
    pub(super) fn new(bytes: Arc<[u8]>) -> Module {
        Module {
            bytes,
            rec_groups: Vec::new(),
            imports: Vec::new(),
            functions: Vec::new(),
            tables: Vec::new(),
            memories: Vec::new(),
            tags: Vec::new(),
            globals: Vec::new(),
            exports: Vec::new(),
            exports_by_name: HashMap::new(),
            start: None,
            elems: Vec::new(),
            data: Vec::new(),
            constants: ConstOps::default(),
            bodies: Vec::new(),
            code_bytes: 0,
            values: 0,
            grown_tables: BTreeSet::new(),
            grows_memory: false,
            names: Names::default(),
        }
    }

    /// Keeps a validated import. Exact functions belong to a proposal that the validator refuses.
    pub(super) fn import(&mut self, import: &wasmparser::Import<'_>) {
        let ty = match &import.ty {
            TypeRef::Func(ty) | TypeRef::FuncExact(ty) => ImportType::Func(*ty),
            TypeRef::Table(ty) => ImportType::Table(TableDecl::new(ty, None)),
            TypeRef::Memory(ty) => ImportType::Memory(MemoryDecl::new(ty)),
            TypeRef::Global(ty) => ImportType::Global(*ty),
            TypeRef::Tag(ty) => ImportType::Tag(ty.func_type_idx),
        };
        self.imports.push(ImportDecl { module: import.module.into(), name: import.name.into(), ty });
    }

    pub(super) fn export(&mut self, name: &str, kind: ExternalKind, index: u32) {
        let item = match kind {
            ExternalKind::Func | ExternalKind::FuncExact => Item::Func(index),
            ExternalKind::Table => Item::Table(index),
            ExternalKind::Memory => Item::Memory(index),
            ExternalKind::Global => Item::Global(index),
            ExternalKind::Tag => Item::Tag(index),
        };
        self.exports_by_name.insert(name.into(), self.exports.len());
        self.exports.push(ExportDecl { name: name.into(), item });
    }

    /// Number of types.
    pub(crate) fn type_count(&self) -> usize {
        self.rec_groups.iter().map(|group| group.types().len()).sum()
    }

    /// Parameters and results of each of its types, by index; 0 for those of no function.
    pub(crate) fn arities(&self) -> Vec<u64> {
        let arity = |ty: &wasmparser::SubType| match &ty.composite_type.inner {
            CompositeInnerType::Func(ty) => (ty.params().len() + ty.results().len()) as u64,
            _ => 0,
        };
        self.rec_groups.iter().flat_map(|group| group.types().map(arity)).collect()
    }

    /// The export with this name.
    pub(crate) fn export_named(&self, name: &str) -> Option<Item> {
        let at = *self.exports_by_name.get(name)?;
        self.exports.get(at).map(|export| export.item)
    }

    /// The binary's bytes in this range, which a section of it had.
    pub(crate) fn slice(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}
