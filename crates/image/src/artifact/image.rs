//! The image: everything an instance needs to know about the tree it is an instance of, read where it lies.

use super::catches::Catches;
use super::code::{Addresses, Code, FunctionRef, Functions, Traps};
use super::cpu::IsaFlags;
use super::decode::{ExportRef, HostImportRef, LearnedKind};
use super::error::ArtifactError;
use super::list::List;
use super::named::Named;
use super::open::{Note, Purpose};
use super::parts::ImageParts;
use super::records::{
    DataSegmentRecord, ElemSegmentRecord, ExportRecord, GlobalRecord, ImportRecord, InstanceRecord, LearnedRecord,
    MemoryRecord, NONE, StepRecord, Table, TableRecord, TypeRecord,
};
use super::root::RootRecord;
use super::surface::Surface;
use super::withdrawal::Watch;
use crate::items::{DataSegment, DefinedMemory, DefinedTable, ExportItem, Global, InstanceId, MemoryId};
use crate::layout::LayoutPlan;
use crate::learned::Learned;
use crate::maps::FunctionId;
use crate::pages::Pages;
use crate::plan::Plan;
use crate::text::Text;
use crate::tunables::Tunables;
use crate::types::{TypeId, TypeTable};
use core::ops::Range;
use memmap2::Mmap;
use std::fs::File;
use std::sync::OnceLock;
use zerocopy::little_endian::{U32, U64};

/// A compiled component tree at one point of its initialization.
///
/// It is an artifact, on disk or in memory.
/// The text, the maps, the data and the elements are mapped and read in place. Everything else is a copy
/// that was checked when the artifact was opened.
#[derive(Debug)]
pub struct Image {
    /// Ends before what it watches is unmapped, as fields are dropped in their order.
    pub(super) watch: Watch,
    pub(super) file: File,
    pub(super) root: Box<RootRecord>,
    pub(super) surface: Surface,
    /// The metadata behind the surface.
    pub(super) code_map: Option<Mmap>,
    pub(super) text: Text,
    pub(super) purpose: Purpose,
    pub(super) pages: Pages,
    pub(super) layout: LayoutPlan,
    pub(super) tunables: Tunables,
    pub(super) producer: Box<str>,
    pub(super) notes: Vec<Note>,
    pub(super) types: OnceLock<TypeTable>,
    pub(super) plan: OnceLock<Plan>,
    pub(super) named: OnceLock<Named>,
}

/// One instantiation of one core module, in place.
#[derive(Debug, Clone)]
pub struct CoreInstanceRef<'a> {
    view: &'a Image,
    exports: Range<usize>,
    /// The name under which the set has it, or the module's own name; for messages.
    pub name: Option<&'a str>,
    /// Steps of the plan that belong to this instance: a contiguous range.
    pub steps: Range<usize>,
    /// The memory it exports as "memory", for the host functions it calls.
    pub main_memory: Option<MemoryId>,
}

impl<'a> CoreInstanceRef<'a> {
    /// Exports, in the module's order.
    pub fn exports(&self) -> List<'a, ExportRef<'a>> {
        List::new(self.view, self.exports.clone(), |view, at| view.surface.get::<ExportRecord>(at))
    }
}

/// An element segment, evaluated, in place.
#[derive(Debug, Clone, Copy)]
pub struct ElemSegmentRef<'a> {
    elements: &'a [U64],
    /// Offset from `vmctx` of a `u32` that is nonzero once the segment is dropped.
    pub dropped_offset: u32,
}

impl<'a> ElemSegmentRef<'a> {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.elements.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Table words, in order: packed funcrefs, or 0.
    pub fn elements(&self) -> impl ExactSizeIterator<Item = u64> + use<'a> {
        self.elements.iter().map(|element| element.get())
    }

    /// The table words in a range, unless it lies outside.
    pub fn range(&self, range: Range<usize>) -> Option<impl ExactSizeIterator<Item = u64> + use<'a>> {
        Some(self.elements.get(range)?.iter().map(|element| element.get()))
    }
}

/// Where an image's file is mapped.
///
/// An access to one of these ranges raises SIGBUS when somebody has shortened the file meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedRanges {
    /// Addresses of the machine code.
    pub text: Range<usize>,
    /// Addresses of the maps, the data and the elements.
    pub meta: Range<usize>,
}

impl Image {
    /// The choices it was compiled under.
    pub fn tunables(&self) -> &Tunables {
        &self.tunables
    }

    /// Who compiled it.
    pub fn producer(&self) -> &str {
        &self.producer
    }

    /// Hash of what was compiled.
    pub fn source(&self) -> &[u8; 32] {
        &self.root.source
    }

    /// Extensions of the instruction set that the code may use.
    pub fn isa(&self) -> IsaFlags {
        self.root.isa()
    }

    /// What opening it had to do differently, for whoever wants to know.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Bytes of the whole file.
    pub fn file_bytes(&self) -> u64 {
        self.root.file_bytes.get()
    }

    /// The file's parts in their order: name, first byte, meaningful bytes.
    pub fn sections(&self) -> [(&'static str, Range<u64>); 4] {
        let root = super::root::ROOT_START..super::root::ROOT_START + super::root::ROOT_BYTES as u64;
        [
            (".hatchery.root", root),
            (".text", self.root.text.range()),
            (".hatchery.pages", self.root.pages.range()),
            (".hatchery.meta", self.root.meta.range()),
        ]
    }

    /// Whether the file has become shorter while it was mapped, as somebody noticed who needed what was there. Nothing of
    /// the image can be relied on then.
    pub fn is_withdrawn(&self) -> bool {
        self.watch.is_withdrawn()
    }

    /// Declares that something mapped of its file is gone. May be called by signal handlers.
    pub fn withdraw(&self) {
        self.watch.withdraw();
    }

    /// Where the file is mapped.
    pub fn mapped_ranges(&self) -> MappedRanges {
        MappedRanges { text: addresses(self.text.bytes()), meta: addresses(self.code_map.as_deref().unwrap_or(&[])) }
    }

    /// Function types. The first call decodes them.
    pub fn types(&self) -> &TypeTable {
        self.types
            .get_or_init(|| TypeTable::new(self.surface.iter::<TypeRecord>().map(|ty| ty.to_func_type()).collect()))
    }

    /// Machine code, mapped.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// Text offset of a type's entry trampoline; `None` where no function of that type can be called from
    /// the host.
    pub fn entry_trampoline(&self, ty: TypeId) -> Option<u32> {
        let trampolines: &[U32] = self.surface.records(Table::Trampolines);
        Some(trampolines.get(ty.index())?.get()).filter(|offset| *offset != NONE)
    }

    /// The tables that follow the code.
    fn code(&self) -> Code<'_> {
        let bytes = self.code_map.as_deref().unwrap_or(&[]);
        Code { bytes, surface_bytes: self.root.surface_bytes.get() as usize, surface: &self.surface }
    }

    /// Where a trap can happen, and which.
    pub fn traps(&self) -> Traps<'_> {
        self.code().traps()
    }

    /// Which wasm offset an address belongs to.
    pub fn addresses(&self) -> Addresses<'_> {
        self.code().addresses()
    }

    /// Where exceptions are caught.
    pub fn catches(&self) -> Catches<'_> {
        self.code().catches()
    }

    /// Which function an address belongs to, and what it is called.
    pub fn functions(&self) -> Functions<'_> {
        self.code().functions()
    }

    /// The function with this number.
    pub fn function(&self, id: FunctionId) -> Option<FunctionRef<'_>> {
        self.functions().get(id)
    }

    /// Where everything is in a slot.
    pub fn layout(&self) -> &LayoutPlan {
        &self.layout
    }

    /// What its instances were found to do with their slots, as far as somebody stored that with it.
    pub fn learned(&self) -> Learned {
        let ranges = |kind| {
            let all = self.surface.iter::<LearnedRecord>();
            all.filter(|(of, _)| *of == kind).map(|(_, range)| range).collect()
        };
        Learned { written: ranges(LearnedKind::Written), grown: ranges(LearnedKind::Grown) }
    }

    /// The same image, with what its instances were found to do.
    ///
    /// # Errors
    ///
    /// When that is not about its slots, or the image cannot be read or stored again.
    pub fn with_learned(&self, learned: Learned) -> Result<Image, ArtifactError> {
        Image::from_parts(&ImageParts { learned, ..self.to_parts()? })
    }

    /// Initial contents.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Steps to run. The first call decodes them.
    pub fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| Plan {
            steps: self.surface.iter::<StepRecord>().collect(),
            cursor: self.root.cursor.get() as usize,
        })
    }

    fn list<'a, T>(&'a self, table: Table, read: super::list::Read<'a, T>) -> List<'a, T> {
        List::new(self, 0..self.surface.count(table) as usize, read)
    }

    /// Core instances in instantiation order.
    pub fn instances(&self) -> List<'_, CoreInstanceRef<'_>> {
        self.list(Table::Instances, |view, at| {
            let item = view.surface.get::<InstanceRecord>(at)?;
            let (name, steps, main_memory) = (item.name, item.steps, item.main_memory);
            Some(CoreInstanceRef { view, exports: item.exports, name, steps, main_memory })
        })
    }

    /// Memories by [`MemoryId`]; their places are in the layout.
    pub fn memories(&self) -> List<'_, DefinedMemory> {
        self.list(Table::Memories, |view, at| view.surface.get::<MemoryRecord>(at).map(|(memory, _)| memory))
    }

    /// Tables by [`TableId`](crate::TableId); their places are in the layout.
    pub fn tables(&self) -> List<'_, DefinedTable> {
        self.list(Table::Tables, |view, at| view.surface.get::<TableRecord>(at).map(|(table, _)| table))
    }

    /// Globals by [`GlobalId`](crate::GlobalId).
    pub fn globals(&self) -> List<'_, Global> {
        self.list(Table::Globals, |view, at| view.surface.get::<GlobalRecord>(at))
    }

    /// Bytes of all data segments that some step or instruction can still read.
    pub fn data(&self) -> &[u8] {
        self.code().records(Table::Data)
    }

    /// What whoever made the image wanted to find again; empty where nobody did.
    pub fn extension(&self) -> &[u8] {
        self.code().records(Table::Extension)
    }

    /// Data segments by [`DataSegmentId`](crate::DataSegmentId).
    pub fn data_segments(&self) -> List<'_, DataSegment> {
        self.list(Table::DataSegments, |view, at| view.surface.get::<DataSegmentRecord>(at))
    }

    /// Element segments by [`ElemSegmentId`](crate::ElemSegmentId).
    pub fn elem_segments(&self) -> List<'_, ElemSegmentRef<'_>> {
        self.list(Table::ElemSegments, |view, at| {
            let item = view.surface.get::<ElemSegmentRecord>(at)?;
            let elements = view.code().elements().get(item.elements)?;
            Some(ElemSegmentRef { elements, dropped_offset: item.dropped_offset })
        })
    }

    /// Functions the host must provide, by [`HostImportId`](crate::HostImportId).
    pub fn imports(&self) -> List<'_, HostImportRef<'_>> {
        self.list(Table::Imports, |view, at| view.surface.get::<ImportRecord>(at))
    }

    /// The export `name` of core instance `instance`. The first call puts the names of all exports in order.
    pub fn export(&self, instance: InstanceId, name: &str) -> Option<ExportItem> {
        let among = self.instances().get(instance.index())?.exports;
        let named = self.named.get_or_init(|| Named::new(&self.surface));
        named.find(&self.surface, among, name).map(|export| export.item)
    }
}

/// Where bytes are.
pub(super) fn addresses(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr() as usize;
    start..start + bytes.len()
}
