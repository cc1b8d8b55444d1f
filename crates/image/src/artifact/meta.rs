//! From parts to the bytes of the metadata and the directory of its arrays.

use super::error::ArtifactError;
use super::parts::ImageParts;
use super::records::{
    CatchRecord, DataSegmentRecord, ElemSegmentRecord, ExportRecord, FunctionEntry, GlobalRecord, HandlerRecord,
    ImportRecord, InstanceRecord, LearnedRecord, MemoryRecord, NONE, RunRecord, StepRecord, StrRecord, Table,
    TableRecord, TypeRecord, ValRecord,
};
use super::root::DirectoryEntry;
use crate::catch::{CatchSite, HandlerKind};
use crate::items::{CoreInstance, Export, ExportItem, HostImport};
use crate::layout::{MemoryPlace, TablePlace};
use crate::pages::PAGE;
use crate::plan::{InitStep, StepKind};
use crate::tunables::Bounds;
use crate::types::{FuncType, HeapType, ValType};
use core::ops::Range;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromZeros, Immutable, IntoBytes};

/// The metadata, encoded.
pub(super) struct Meta {
    pub(super) bytes: Vec<u8>,
    pub(super) surface_bytes: u64,
    pub(super) directory: [DirectoryEntry; Table::COUNT],
}

/// Collects each table's bytes.
struct Writer {
    tables: Vec<Vec<u8>>,
}

/// Encodes everything but the text and the pages.
///
/// # Errors
///
/// When lists that belong together differ in length, or something does not fit its field.
pub(super) fn encode(parts: &ImageParts) -> Result<Meta, ArtifactError> {
    parallel("memories", parts.memories.len(), parts.layout.memories.len())?;
    parallel("tables", parts.tables.len(), parts.layout.tables.len())?;
    parallel("globals", parts.globals.len(), parts.layout.globals.len())?;
    parallel("entry trampolines", parts.entry_trampolines.len(), parts.types.iter().len())?;
    let mut writer = Writer { tables: vec![Vec::new(); Table::COUNT] };
    parts.types.iter().try_for_each(|(_, ty)| writer.func_type(ty))?;
    for trampoline in &parts.entry_trampolines {
        writer.push(Table::Trampolines, U32::new(trampoline.unwrap_or(NONE)));
    }
    writer.state(parts)?;
    parts.instances.iter().try_for_each(|instance| writer.instance(instance))?;
    parts.imports.iter().try_for_each(|import| writer.import(import))?;
    parts.plan.steps.iter().for_each(|step| writer.step(step));
    parts.learned.written.iter().for_each(|range| writer.learned(range, 0));
    parts.learned.grown.iter().for_each(|range| writer.learned(range, 1));
    writer.code(parts)?;
    writer.bytes(Table::Data, &parts.data);
    writer.bytes(Table::Extension, &parts.extension);
    Ok(writer.finish())
}

impl Writer {
    fn push<T: IntoBytes + Immutable>(&mut self, table: Table, record: T) {
        self.bytes(table, record.as_bytes());
    }

    fn bytes(&mut self, table: Table, bytes: &[u8]) {
        self.tables[table as usize].extend_from_slice(bytes);
    }

    /// Number of records of a table so far.
    fn count(&self, table: Table) -> u64 {
        self.tables[table as usize].len() as u64 / table.width()
    }

    fn position(&self, table: Table) -> Result<U32, ArtifactError> {
        narrow(table.name(), self.count(table) as usize)
    }

    fn string(&mut self, table: Table, text: &str) -> Result<StrRecord, ArtifactError> {
        let record = StrRecord { start: self.position(table)?, length: narrow("a string", text.len())? };
        self.bytes(table, text.as_bytes());
        Ok(record)
    }

    fn optional_string(&mut self, table: Table, text: Option<&str>) -> Result<StrRecord, ArtifactError> {
        match text {
            Some(text) => self.string(table, text),
            None => Ok(StrRecord { start: U32::new(NONE), length: U32::new(0) }),
        }
    }

    fn func_type(&mut self, ty: &FuncType) -> Result<(), ArtifactError> {
        let record = TypeRecord {
            start: self.position(Table::Values)?,
            params: narrow("parameters", ty.params.len())?,
            results: narrow("results", ty.results.len())?,
        };
        self.push(Table::Types, record);
        for val in ty.params.iter().chain(&ty.results) {
            self.push(Table::Values, val_type(*val));
        }
        Ok(())
    }

    /// What the slot's state consists of.
    fn state(&mut self, parts: &ImageParts) -> Result<(), ArtifactError> {
        for (memory, place) in parts.memories.iter().zip(&parts.layout.memories) {
            self.push(Table::Memories, memory_record(memory, place));
        }
        for (table, place) in parts.tables.iter().zip(&parts.layout.tables) {
            self.push(Table::Tables, table_record(table, place));
        }
        for (global, place) in parts.globals.iter().zip(&parts.layout.globals) {
            if global.offset != *place {
                return Err(refused("a global's offset is not that of its place in the layout"));
            }
            let (ty, mutable) = (val_type(global.ty), u8::from(global.mutable));
            self.push(Table::Globals, GlobalRecord { ty, offset: U32::new(*place), mutable, zero: [0; 3] });
        }
        for segment in &parts.data_segments {
            let (start, length) = (U64::new(segment.start as u64), U32::new(segment.length));
            let dropped_offset = U32::new(segment.dropped_offset);
            self.push(Table::DataSegments, DataSegmentRecord { start, length, dropped_offset });
        }
        for segment in &parts.elem_segments {
            let start = U64::new(self.count(Table::Elements));
            let count = narrow("elements of a segment", segment.elements.len())?;
            let dropped_offset = U32::new(segment.dropped_offset);
            self.push(Table::ElemSegments, ElemSegmentRecord { start, count, dropped_offset });
            for element in &segment.elements {
                self.push(Table::Elements, U64::new(*element));
            }
        }
        for run in parts.pages.runs() {
            let [slot_offset, file_offset, length] = [run.slot_offset, run.file_offset, run.length].map(U64::new);
            self.push(Table::Runs, RunRecord { slot_offset, file_offset, length });
        }
        Ok(())
    }

    fn instance(&mut self, instance: &CoreInstance) -> Result<(), ArtifactError> {
        let record = InstanceRecord {
            name: self.optional_string(Table::Strings, instance.name.as_deref())?,
            exports: self.position(Table::Exports)?,
            export_count: narrow("exports", instance.exports.len())?,
            steps: narrow("steps", instance.steps.start)?,
            step_count: narrow("steps", instance.steps.len())?,
            main_memory: U32::new(instance.main_memory.map_or(NONE, |memory| memory.0)),
        };
        self.push(Table::Instances, record);
        instance.exports.iter().try_for_each(|export| self.export(export))
    }

    fn export(&mut self, export: &Export) -> Result<(), ArtifactError> {
        let (kind, index, code_offset) = match export.item {
            ExportItem::Func(func) => (0, func.ty.get(), func.code_offset),
            ExportItem::Memory(memory) => (1, memory.0, 0),
            ExportItem::Table(table) => (2, table.0, 0),
            ExportItem::Global(global) => (3, global.0, 0),
        };
        let name = self.string(Table::Strings, &export.name)?;
        let [kind, index, code_offset] = [kind, index, code_offset].map(U32::new);
        self.push(Table::Exports, ExportRecord { name, kind, index, code_offset });
        Ok(())
    }

    fn import(&mut self, import: &HostImport) -> Result<(), ArtifactError> {
        let record = ImportRecord {
            module: self.string(Table::Strings, &import.module)?,
            name: self.string(Table::Strings, &import.name)?,
            instance: U32::new(import.instance.0),
            ty: U32::new(import.ty.get()),
            thunk: U32::new(import.thunk),
            spill_shim: U32::new(import.spill_shim.unwrap_or(NONE)),
        };
        self.push(Table::Imports, record);
        Ok(())
    }

    fn step(&mut self, step: &InitStep) {
        let (kind, subject, target, value) = match step.kind {
            StepKind::CheckMemory { memory, minimum } => (0, memory.0, 0, minimum),
            StepKind::CheckTable { table, minimum } => (1, table.0, 0, minimum),
            StepKind::CoreElem { segment, table, offset } => (2, segment.0, table.0, offset),
            StepKind::CoreData { segment, memory, offset } => (3, segment.0, memory.0, offset),
            StepKind::DropElem { segment } => (4, segment.0, 0, 0),
            StepKind::CoreStart { code_offset, function } => (5, code_offset, function.map_or(NONE, |f| f.0), 0),
        };
        let [kind, instance, subject, target] = [kind, step.instance.0, subject, target].map(U32::new);
        self.push(Table::Steps, StepRecord { kind, instance, subject, target, value: U64::new(value) });
    }

    fn learned(&mut self, range: &Range<u64>, kind: u32) {
        let [slot_offset, length] = [range.start, range.end.saturating_sub(range.start)].map(U64::new);
        self.push(Table::Learned, LearnedRecord { slot_offset, length, kind: U32::new(kind), zero: U32::new(0) });
    }

    /// The maps from text offsets.
    fn code(&mut self, parts: &ImageParts) -> Result<(), ArtifactError> {
        for function in &parts.functions {
            let name = self.optional_string(Table::FunctionNames, function.name.as_deref())?;
            let [start, length, instance, index, ty] =
                [function.start, function.length, function.instance.0, function.index, function.ty.get()].map(U32::new);
            self.push(Table::Functions, FunctionEntry { start, length, instance, index, ty, name });
        }
        for (offset, code) in &parts.traps {
            self.push(Table::TrapOffsets, U32::new(*offset));
            self.push(Table::TrapCodes, *code as u8);
        }
        for (offset, wasm) in &parts.addresses {
            self.push(Table::AddressOffsets, U32::new(*offset));
            self.push(Table::AddressWasm, U32::new(*wasm));
        }
        parts.catches.iter().try_for_each(|site| self.catch(site))
    }

    fn catch(&mut self, site: &CatchSite) -> Result<(), ArtifactError> {
        for handler in &site.handlers {
            let kind = match handler.kind {
                HandlerKind::Values => 0,
                HandlerKind::Reference => 1,
                HandlerKind::Barrier => 2,
            };
            let [tag, landing, kind] = [handler.tag.map_or(NONE, |tag| tag.0), handler.landing, kind].map(U32::new);
            self.push(Table::Handlers, HandlerRecord { tag, landing, kind });
        }
        self.push(Table::CatchOffsets, U32::new(site.offset));
        let end = self.position(Table::Handlers)?;
        self.push(Table::Catches, CatchRecord { frame: U32::new(site.frame), end });
        Ok(())
    }

    /// One table behind the other, each on a multiple of 8 bytes, the surface padded to whole pages.
    fn finish(self) -> Meta {
        let mut directory = [DirectoryEntry::new_zeroed(); Table::COUNT];
        let (mut bytes, mut surface_bytes) = (Vec::new(), 0);
        for table in Table::ALL {
            let contents = &self.tables[*table as usize];
            directory[*table as usize] =
                DirectoryEntry { start: U64::new(bytes.len() as u64), count: U64::new(self.count(*table)) };
            bytes.extend_from_slice(contents);
            let align = if *table == Table::Strings { PAGE as usize } else { 8 };
            bytes.resize(bytes.len().next_multiple_of(align), 0);
            if *table == Table::Strings {
                surface_bytes = bytes.len() as u64;
            }
        }
        Meta { bytes, surface_bytes, directory }
    }
}

fn val_type(ty: ValType) -> ValRecord {
    let plain = |kind| ValRecord { kind, ..ValRecord::new_zeroed() };
    let reference = match ty {
        ValType::I32 => return plain(1),
        ValType::I64 => return plain(2),
        ValType::F32 => return plain(3),
        ValType::F64 => return plain(4),
        ValType::V128 => return plain(5),
        ValType::Ref(reference) => reference,
    };
    let (heap, ty) = match reference.heap {
        HeapType::Func => (1, 0),
        HeapType::Extern => (2, 0),
        HeapType::Concrete(id) => (3, id.get()),
        HeapType::NoFunc => (4, 0),
        HeapType::NoExtern => (5, 0),
        HeapType::Exn => (6, 0),
        HeapType::NoExn => (7, 0),
    };
    ValRecord { kind: 6, nullable: u8::from(reference.nullable), heap, zero: 0, ty: U32::new(ty) }
}

fn memory_record(memory: &crate::items::DefinedMemory, place: &MemoryPlace) -> MemoryRecord {
    MemoryRecord {
        minimum: U64::new(memory.minimum),
        maximum: U64::new(memory.maximum.unwrap_or(0)),
        offset: U64::new(place.offset),
        place_minimum: U64::new(place.minimum),
        limit: U64::new(place.limit),
        reserved: U64::new(place.reserved),
        guard: U64::new(place.guard),
        length_offset: U32::new(place.length_offset),
        memory64: u8::from(memory.memory64),
        has_maximum: u8::from(memory.maximum.is_some()),
        bounds: match place.bounds {
            Bounds::Guard => 0,
            Bounds::Explicit => 1,
        },
        zero: 0,
    }
}

fn table_record(table: &crate::items::DefinedTable, place: &TablePlace) -> TableRecord {
    TableRecord {
        minimum: U64::new(table.minimum),
        maximum: U64::new(table.maximum.unwrap_or(0)),
        place_minimum: U64::new(place.minimum),
        limit: U64::new(place.limit),
        offset: U32::new(place.offset),
        length_offset: U32::new(place.length_offset),
        element: val_type(ValType::Ref(table.element)),
        table64: u8::from(table.table64),
        has_maximum: u8::from(table.maximum.is_some()),
        growable: u8::from(table.growable),
        zero: [0; 5],
    }
}

fn parallel(what: &str, found: usize, expected: usize) -> Result<(), ArtifactError> {
    if found == expected { Ok(()) } else { Err(refused(&format!("{found} {what} for {expected} places"))) }
}

fn narrow(what: &str, number: usize) -> Result<U32, ArtifactError> {
    match u32::try_from(number) {
        Ok(number) if number != NONE => Ok(U32::new(number)),
        _ => Err(refused(&format!("{number} {what} are too many"))),
    }
}

fn refused(what: &str) -> ArtifactError {
    ArtifactError::Encode { what: what.to_owned() }
}
