//! What records mean: for each kind, the one function that checks it and reads it.

use super::records::{
    DataSegmentRecord, ElemSegmentRecord, ExportRecord, GlobalRecord, ImportRecord, InstanceRecord, LearnedRecord,
    MemoryRecord, NONE, RunRecord, StepRecord, Table, TableRecord, TypeRecord, ValRecord,
};
use super::surface::{Flaw, Record, Surface, ensure};
use crate::items::{
    DataSegment, DataSegmentId, DefinedMemory, DefinedTable, ElemSegmentId, ExportItem, FuncExport, Global, GlobalId,
    InstanceId, MemoryId, TableId,
};
use crate::layout::{MemoryPlace, TablePlace};
use crate::maps::FunctionId;
use crate::pages::PageRun;
use crate::plan::{InitStep, StepKind};
use crate::tunables::{Bounds, Tunables};
use crate::types::{FuncType, HeapType, RefType, TypeId, ValType};
use core::ops::Range;

/// What a learned range is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LearnedKind {
    Written,
    Grown,
}

/// An export of a core instance, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it names.
    pub item: ExportItem,
}

/// A function that the host must provide, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostImportRef<'a> {
    /// The core instance that imports it.
    pub instance: InstanceId,
    /// Module name of the import.
    pub module: &'a str,
    /// Field name of the import.
    pub name: &'a str,
    /// Its type.
    pub ty: TypeId,
    /// Text offset of the thunk, a guest function that calls the host.
    pub thunk: u32,
    /// Text offset of the shim from the native to the array form, where there is one.
    pub spill_shim: Option<u32>,
}

/// A function type's record, read.
pub(super) struct TypeItem<'a> {
    params: &'a [ValRecord],
    results: &'a [ValRecord],
    surface: &'a Surface,
}

/// A core instance's record, read.
pub(super) struct InstanceItem<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) exports: Range<usize>,
    pub(super) steps: Range<usize>,
    pub(super) main_memory: Option<MemoryId>,
}

/// An element segment's record, read.
pub(super) struct ElemSegmentItem {
    pub(super) elements: Range<usize>,
    pub(super) dropped_offset: u32,
}

fn flag(byte: u8) -> Result<bool, Flaw> {
    ensure(byte <= 1, "a flag of it is neither set nor clear")?;
    Ok(byte == 1)
}

fn optional(present: u8, value: u64) -> Result<Option<u64>, Flaw> {
    Ok(flag(present)?.then_some(value))
}

fn val_type(record: &ValRecord, surface: &Surface) -> Result<ValType, Flaw> {
    Ok(match record.kind {
        1 => ValType::I32,
        2 => ValType::I64,
        3 => ValType::F32,
        4 => ValType::F64,
        5 => ValType::V128,
        6 => ValType::Ref(ref_type(record, surface)?),
        _ => return Err("a value type of it does not exist"),
    })
}

fn ref_type(record: &ValRecord, surface: &Surface) -> Result<RefType, Flaw> {
    ensure(record.kind == 6, "it is no reference type")?;
    let heap = match record.heap {
        1 => HeapType::Func,
        2 => HeapType::Extern,
        3 => HeapType::Concrete(surface.type_id(record.ty)?),
        4 => HeapType::NoFunc,
        5 => HeapType::NoExtern,
        6 => HeapType::Exn,
        7 => HeapType::NoExn,
        _ => return Err("a heap type of it does not exist"),
    };
    Ok(RefType { nullable: flag(record.nullable)?, heap })
}

impl Record for TypeRecord {
    const TABLE: Table = Table::Types;
    type Item<'a> = TypeItem<'a>;

    fn decode<'a>(&self, surface: &'a Surface) -> Result<TypeItem<'a>, Flaw> {
        let [start, params, results] = [self.start, self.params, self.results].map(|n| u64::from(n.get()));
        let params = surface.span(Table::Values, start, params)?;
        let results = surface.span(Table::Values, params.end as u64, results)?;
        let item = TypeItem { params: surface.values(params), results: surface.values(results), surface };
        item.params.iter().chain(item.results).try_for_each(|val| val_type(val, surface).map(drop))?;
        Ok(item)
    }
}

impl TypeItem<'_> {
    /// The type, with lists of its own.
    pub(super) fn to_func_type(&self) -> FuncType {
        let list =
            |vals: &[ValRecord]| vals.iter().filter_map(|val| val_type(val, self.surface).ok()).collect::<Box<[_]>>();
        FuncType { params: list(self.params), results: list(self.results) }
    }
}

impl Record for MemoryRecord {
    const TABLE: Table = Table::Memories;
    type Item<'a> = (DefinedMemory, MemoryPlace);

    fn decode(&self, surface: &Surface) -> Result<(DefinedMemory, MemoryPlace), Flaw> {
        let memory64 = flag(self.memory64)?;
        let maximum = optional(self.has_maximum, self.maximum.get())?;
        let place = MemoryPlace {
            offset: self.offset.get(),
            length_offset: surface.state(self.length_offset.get(), 8, 8)?,
            minimum: self.place_minimum.get(),
            limit: self.limit.get(),
            reserved: self.reserved.get(),
            guard: self.guard.get(),
            bounds: if flag(self.bounds)? { Bounds::Explicit } else { Bounds::Guard },
        };
        surface.slot(place.offset, place.reserved.checked_add(place.guard).ok_or("its guard is endless")?)?;
        let ordered = place.minimum <= place.limit && place.limit <= place.reserved;
        ensure(ordered, "its lengths contradict each other")?;
        let guarded = !memory64 && place.reserved >= Tunables::FOUR_GIB;
        ensure(place.bounds == Bounds::Explicit || guarded, "its reservation is too small to go without checks")?;
        Ok((DefinedMemory { memory64, minimum: self.minimum.get(), maximum }, place))
    }
}

impl Record for TableRecord {
    const TABLE: Table = Table::Tables;
    type Item<'a> = (DefinedTable, TablePlace);

    fn decode(&self, surface: &Surface) -> Result<(DefinedTable, TablePlace), Flaw> {
        let limit = self.limit.get();
        let bytes = limit.checked_mul(8).ok_or("its place is not inside the state")?;
        let table = DefinedTable {
            table64: flag(self.table64)?,
            element: ref_type(&self.element, surface)?,
            minimum: self.minimum.get(),
            maximum: optional(self.has_maximum, self.maximum.get())?,
            growable: flag(self.growable)?,
        };
        let place = TablePlace {
            offset: surface.state(self.offset.get(), bytes, 8)?,
            length_offset: surface.state(self.length_offset.get(), 8, 8)?,
            minimum: self.place_minimum.get(),
            limit,
        };
        ensure(place.minimum <= limit, "its lengths contradict each other")?;
        Ok((table, place))
    }
}

impl Record for GlobalRecord {
    const TABLE: Table = Table::Globals;
    type Item<'a> = Global;

    fn decode(&self, surface: &Surface) -> Result<Global, Flaw> {
        let ty = val_type(&self.ty, surface)?;
        let bytes = if ty == ValType::V128 { 16 } else { 8 };
        let offset = surface.state(self.offset.get(), bytes.into(), bytes)?;
        Ok(Global { ty, mutable: flag(self.mutable)?, offset })
    }
}

impl Record for DataSegmentRecord {
    const TABLE: Table = Table::DataSegments;
    type Item<'a> = DataSegment;

    fn decode(&self, surface: &Surface) -> Result<DataSegment, Flaw> {
        let range = surface.span(Table::Data, self.start.get(), self.length.get().into())?;
        let dropped_offset = surface.state(self.dropped_offset.get(), 4, 4)?;
        Ok(DataSegment { start: range.start, length: self.length.get(), dropped_offset })
    }
}

impl Record for ElemSegmentRecord {
    const TABLE: Table = Table::ElemSegments;
    type Item<'a> = ElemSegmentItem;

    fn decode(&self, surface: &Surface) -> Result<ElemSegmentItem, Flaw> {
        let elements = surface.span(Table::Elements, self.start.get(), self.count.get().into())?;
        Ok(ElemSegmentItem { elements, dropped_offset: surface.state(self.dropped_offset.get(), 4, 4)? })
    }
}

impl Record for ExportRecord {
    const TABLE: Table = Table::Exports;
    type Item<'a> = ExportRef<'a>;

    fn decode<'a>(&self, surface: &'a Surface) -> Result<ExportRef<'a>, Flaw> {
        let item = match self.kind.get() {
            0 => ExportItem::Func(FuncExport {
                ty: surface.type_id(self.index)?,
                code_offset: surface.code(self.code_offset.get())?,
            }),
            1 => ExportItem::Memory(MemoryId(surface.index(Table::Memories, self.index)?)),
            2 => ExportItem::Table(TableId(surface.index(Table::Tables, self.index)?)),
            3 => ExportItem::Global(GlobalId(surface.index(Table::Globals, self.index)?)),
            _ => return Err("its kind does not exist"),
        };
        Ok(ExportRef { name: surface.string(self.name)?, item })
    }
}

impl Record for InstanceRecord {
    const TABLE: Table = Table::Instances;
    type Item<'a> = InstanceItem<'a>;

    fn decode<'a>(&self, surface: &'a Surface) -> Result<InstanceItem<'a>, Flaw> {
        let span = |table, start: u32, count: u32| surface.span(table, start.into(), count.into());
        let name = if self.name.start.get() == NONE { None } else { Some(surface.string(self.name)?) };
        let main_memory = match self.main_memory.get() {
            NONE => None,
            _ => Some(MemoryId(surface.index(Table::Memories, self.main_memory)?)),
        };
        Ok(InstanceItem {
            name,
            exports: span(Table::Exports, self.exports.get(), self.export_count.get())?,
            steps: span(Table::Steps, self.steps.get(), self.step_count.get())?,
            main_memory,
        })
    }
}

impl Record for ImportRecord {
    const TABLE: Table = Table::Imports;
    type Item<'a> = HostImportRef<'a>;

    fn decode<'a>(&self, surface: &'a Surface) -> Result<HostImportRef<'a>, Flaw> {
        Ok(HostImportRef {
            instance: InstanceId(surface.index(Table::Instances, self.instance)?),
            module: surface.string(self.module)?,
            name: surface.string(self.name)?,
            ty: surface.type_id(self.ty)?,
            thunk: surface.code(self.thunk.get())?,
            spill_shim: surface.optional_code(self.spill_shim.get())?,
        })
    }
}

impl Record for StepRecord {
    const TABLE: Table = Table::Steps;
    type Item<'a> = InitStep;

    fn decode(&self, surface: &Surface) -> Result<InitStep, Flaw> {
        let memory = |index| surface.index(Table::Memories, index).map(MemoryId);
        let table = |index| surface.index(Table::Tables, index).map(TableId);
        let elements = |index| surface.index(Table::ElemSegments, index).map(ElemSegmentId);
        let data = |index| surface.index(Table::DataSegments, index).map(DataSegmentId);
        let value = self.value.get();
        let kind = match self.kind.get() {
            0 => StepKind::CheckMemory { memory: memory(self.subject)?, minimum: value },
            1 => StepKind::CheckTable { table: table(self.subject)?, minimum: value },
            2 => StepKind::CoreElem { segment: elements(self.subject)?, table: table(self.target)?, offset: value },
            3 => StepKind::CoreData { segment: data(self.subject)?, memory: memory(self.target)?, offset: value },
            4 => StepKind::DropElem { segment: elements(self.subject)? },
            5 => StepKind::CoreStart {
                code_offset: surface.code(self.subject.get())?,
                function: match self.target.get() {
                    NONE => None,
                    _ => Some(FunctionId(surface.index(Table::Functions, self.target)?)),
                },
            },
            _ => return Err("its kind does not exist"),
        };
        Ok(InitStep { instance: InstanceId(surface.index(Table::Instances, self.instance)?), kind })
    }
}

/// A range of the slot, and whether instances write it or make it accessible.
impl Record for LearnedRecord {
    const TABLE: Table = Table::Learned;
    type Item<'a> = (LearnedKind, Range<u64>);

    fn decode(&self, surface: &Surface) -> Result<(LearnedKind, Range<u64>), Flaw> {
        let (start, length) = (self.slot_offset.get(), self.length.get());
        let vmctx = surface.layout.vmctx.get();
        surface.slot(start.checked_sub(vmctx).ok_or("it reaches into the header")?, length)?;
        ensure(length > 0, "it is empty")?;
        let kind = match self.kind.get() {
            0 => LearnedKind::Written,
            1 => LearnedKind::Grown,
            _ => return Err("its kind does not exist"),
        };
        Ok((kind, start..start + length))
    }
}

impl Record for RunRecord {
    const TABLE: Table = Table::Runs;
    type Item<'a> = PageRun;

    fn decode(&self, surface: &Surface) -> Result<PageRun, Flaw> {
        let [slot_offset, file_offset, length] = [self.slot_offset, self.file_offset, self.length].map(|n| n.get());
        let vmctx = surface.layout.vmctx.get();
        // The header is written at instantiation and belongs to no image.
        surface.slot(slot_offset.checked_sub(vmctx).ok_or("it reaches into the header")?, length)?;
        surface.stored(file_offset, length)?;
        ensure(length > 0, "it is empty")?;
        Ok(PageRun { slot_offset, file_offset, length })
    }
}
