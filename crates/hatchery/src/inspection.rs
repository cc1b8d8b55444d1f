//! What a module is made of, for people and tools.

use crate::convert;
use crate::module::Module;
use crate::step::action;
use hatchery_image::artifact::CoreInstanceRef;
use hatchery_image::{ExportItem, Image, InitStep, ValType};
use std::ops::Range;

/// What [`Module::inspect`] found. Everything is a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Who compiled it.
    pub producer: String,
    /// Hash of what was compiled, in hexadecimal digits.
    pub source: String,
    /// Extensions of the instruction set that the code may use, separated by a comma.
    pub cpu_features: String,
    /// The choices it was compiled under: name, value.
    pub tunables: Vec<(String, String)>,
    /// Bytes of the artifact.
    pub file_bytes: u64,
    /// Its sections, in their order.
    pub sections: Vec<FileRange>,
    /// Where everything is in a slot, by ascending offset.
    pub slot: Vec<SlotRange>,
    /// Bytes of a slot, guards included.
    pub slot_bytes: u64,
    /// Bytes of initial pages, and the ranges of the slot that they are stored for.
    pub runs: Vec<(u64, u64)>,
    /// What instances are known to write, as ranges of the slot: first byte, bytes. Whole pages of 4 KiB.
    pub working_set: Vec<(u64, u64)>,
    /// What instances are known to make accessible by growth, likewise.
    pub grown: Vec<(u64, u64)>,
    /// The core instances, by number: one of a module, and of a component those of its own modules and of those that pass values
    /// between them.
    pub instances: Vec<CoreInstanceEntry>,
    /// The initialization plan.
    pub plan: Vec<PlanStep>,
    /// Steps of the plan before this one are done in the pages.
    pub cursor: usize,
    /// Functions that the host must provide.
    pub imports: Vec<ImportEntry>,
    /// Exports of all core instances.
    pub exports: Vec<ExportEntry>,
    /// How many there are of what is not listed: name, number.
    pub counts: Vec<(String, u64)>,
}

/// A part of the artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileRange {
    /// What tools call it.
    pub name: String,
    /// First byte.
    pub start: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A part of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlotRange {
    /// What it is.
    pub name: String,
    /// First byte, from the slot's base.
    pub offset: u64,
    /// Bytes that can be used from the start.
    pub bytes: u64,
    /// Bytes up to which it can grow.
    pub limit: u64,
    /// Bytes of guard behind its reservation.
    pub guard: u64,
}

/// A core instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoreInstanceEntry {
    /// Its name, where it or its module has one.
    pub name: Option<String>,
    /// Functions that it defines.
    pub functions: u64,
    /// Bytes of their code.
    pub code_bytes: u64,
}

/// A step of the initialization plan.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanStep {
    /// The core instance on whose behalf it runs.
    pub instance: u32,
    /// What it does.
    pub action: String,
    /// Whether that is done in the pages.
    pub done: bool,
}

/// A function that the host must provide.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportEntry {
    /// The core instance that imports it.
    pub instance: u32,
    /// Module name.
    pub module: String,
    /// Field name.
    pub name: String,
    /// Its type.
    pub ty: String,
}

/// An export of a core instance.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportEntry {
    /// The core instance.
    pub instance: u32,
    /// Its name.
    pub name: String,
    /// What it is: `func`, `memory`, `table` or `global`.
    pub kind: &'static str,
    /// Its type.
    pub ty: String,
}

impl Module {
    /// What it is made of.
    pub fn inspect(&self) -> Inspection {
        let image = &*self.inner.image;
        let plan = image.plan();
        let compiled = image.instances().iter().map(|instance| instance.steps.end).max().unwrap_or(0);
        let step = |(at, step): (usize, &InitStep)| PlanStep {
            instance: step.instance.0,
            action: action(image, &step.kind, at >= compiled),
            done: at < plan.cursor,
        };
        let learned = image.learned();
        let lengths = |ranges: Vec<Range<u64>>| ranges.into_iter().map(|r| (r.start, r.end - r.start)).collect();
        Inspection {
            producer: image.producer().to_owned(),
            source: image.source().iter().map(|byte| format!("{byte:02x}")).collect(),
            cpu_features: image.isa().names(),
            tunables: convert::tunables_list(image.tunables()),
            file_bytes: image.file_bytes(),
            sections: sections(image),
            slot: slot(image),
            slot_bytes: image.layout().slot_bytes,
            runs: image.pages().runs().iter().map(|run| (run.slot_offset, run.length)).collect(),
            working_set: lengths(learned.written),
            grown: lengths(learned.grown),
            instances: instances(image),
            plan: plan.steps.iter().enumerate().map(step).collect(),
            cursor: plan.cursor,
            imports: imports(image),
            exports: image.instances().iter().zip(0..).flat_map(|(of, number)| exports(image, &of, number)).collect(),
            counts: counts(image),
        }
    }
}

fn sections(image: &Image) -> Vec<FileRange> {
    let range = |(name, range): (&str, Range<u64>)| FileRange {
        name: name.to_owned(),
        start: range.start,
        bytes: range.end - range.start,
    };
    image.sections().into_iter().map(range).collect()
}

fn slot(image: &Image) -> Vec<SlotRange> {
    let layout = image.layout();
    let fixed = |name: &str, offset, bytes| SlotRange { name: name.to_owned(), offset, bytes, limit: bytes, guard: 0 };
    let mut ranges = vec![fixed("header", 0, layout.vmctx), fixed("state", layout.vmctx, layout.state_bytes)];
    ranges.extend(layout.memories.iter().enumerate().map(|(number, memory)| SlotRange {
        name: format!("memory {number}"),
        offset: layout.vmctx + memory.offset,
        bytes: memory.minimum,
        limit: memory.limit,
        guard: memory.guard,
    }));
    ranges
}

fn instances(image: &Image) -> Vec<CoreInstanceEntry> {
    let entry =
        |of: CoreInstanceRef<'_>| CoreInstanceEntry { name: of.name.map(str::to_owned), functions: 0, code_bytes: 0 };
    let mut entries: Vec<_> = image.instances().iter().map(entry).collect();
    for function in image.functions().iter() {
        if let Some(entry) = entries.get_mut(function.instance.index()) {
            entry.functions += 1;
            entry.code_bytes += u64::from(function.length);
        }
    }
    entries
}

fn imports(image: &Image) -> Vec<ImportEntry> {
    let types = image.types();
    let entry = |import: hatchery_image::artifact::HostImportRef<'_>| ImportEntry {
        instance: import.instance.0,
        module: import.module.to_owned(),
        name: import.name.to_owned(),
        ty: convert::func_type(types.get(import.ty)).to_string(),
    };
    image.imports().iter().map(entry).collect()
}

fn exports<'a>(image: &'a Image, of: &CoreInstanceRef<'a>, instance: u32) -> Vec<ExportEntry> {
    let entry = |export: hatchery_image::artifact::ExportRef<'_>| {
        let (kind, ty) = match export.item {
            ExportItem::Func(func) => ("func", convert::func_type(image.types().get(func.ty)).to_string()),
            ExportItem::Memory(id) => {
                let memory = image.memories().get(id.index());
                ("memory", memory.map_or_else(String::new, |m| limits(m.memory64, "bytes", m.minimum, m.maximum)))
            }
            ExportItem::Table(id) => {
                let table = image.tables().get(id.index());
                let show = |table: hatchery_image::DefinedTable| {
                    let element = convert::val_type(ValType::Ref(table.element));
                    format!("{} of {element}", limits(table.table64, "elements", table.minimum, table.maximum))
                };
                ("table", table.map_or_else(String::new, show))
            }
            ExportItem::Global(id) => {
                let global = image.globals().get(id.index());
                let show = |global: hatchery_image::Global| {
                    format!("{}{}", if global.mutable { "mutable " } else { "" }, convert::val_type(global.ty))
                };
                ("global", global.map_or_else(String::new, show))
            }
        };
        ExportEntry { instance, name: export.name.to_owned(), kind, ty }
    };
    of.exports().iter().map(entry).collect()
}

fn limits(wide: bool, unit: &str, minimum: u64, maximum: Option<u64>) -> String {
    let index = if wide { "i64, " } else { "" };
    match maximum {
        Some(maximum) => format!("{index}{minimum} to {maximum} {unit}"),
        None => format!("{index}{minimum} {unit} or more"),
    }
}

fn counts(image: &Image) -> Vec<(String, u64)> {
    let counts = [
        ("core instances", image.instances().len()),
        ("functions", image.functions().len()),
        ("types", image.types().iter().len()),
        ("traps", image.traps().len()),
        ("addresses", image.addresses().len()),
        ("memories", image.memories().len()),
        ("tables", image.tables().len()),
        ("globals", image.globals().len()),
        ("data segments", image.data_segments().len()),
        ("element segments", image.elem_segments().len()),
        ("bytes of data kept", image.data().len()),
    ];
    counts.into_iter().map(|(name, count)| (name.to_owned(), count as u64)).collect()
}
