//! The surface of an artifact: a private copy of the tables that linking and instantiating ask, checked
//! once, record by record, with the same functions that read it afterwards.
//!
//! Being a copy, it cannot change behind the check, whatever happens to the file. Being checked with
//! the reading functions, it cannot be read differently from what was checked.

use super::error::ArtifactError;
use super::records::{NONE, StrRecord, Table, ValRecord, slice};
use super::root::{LayoutRecord, RootRecord};
use crate::abi::HEADER_BYTES;
use crate::layout::{LayoutPlan, MAX_SLOT, MAX_STATE, MemoryPlace};
use crate::pages::{PAGE, PageRun};
use crate::types::TypeId;
use core::ops::Range;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::records::{
    DataSegmentRecord, ElemSegmentRecord, ExportRecord, GlobalRecord, ImportRecord, InstanceRecord, LearnedRecord,
    MemoryRecord, RunRecord, StepRecord, TableRecord, TypeRecord,
};

/// What a record says that cannot be.
pub(super) type Flaw = &'static str;

/// A record of the surface and what it means.
pub(super) trait Record: FromBytes + Immutable + KnownLayout + Unaligned + Sized + 'static {
    /// Where records of this kind are.
    const TABLE: Table;
    /// What one means.
    type Item<'a>;
    /// The meaning, unless there is none.
    fn decode<'a>(&self, surface: &'a Surface) -> Result<Self::Item<'a>, Flaw>;
}

/// The tables of the surface, and the sizes of everything that their records may point into.
#[derive(Debug)]
pub(super) struct Surface {
    bytes: Box<[u8]>,
    ranges: [Range<usize>; Table::COUNT],
    pub(super) layout: LayoutRecord,
    pub(super) text_bytes: u64,
    pages_bytes: u64,
    counts: [u64; Table::COUNT],
}

impl Surface {
    /// The surface in these bytes, which the root describes.
    ///
    /// # Errors
    ///
    /// When a record contradicts itself or another.
    pub(super) fn new(root: &RootRecord, bytes: Box<[u8]>) -> Result<Surface, ArtifactError> {
        let mut ranges = [const { 0..0 }; Table::COUNT];
        let mut counts = [0; Table::COUNT];
        for table in Table::ALL {
            ranges[*table as usize] = root.range(*table)?;
            counts[*table as usize] = root.directory[*table as usize].count.get();
        }
        let (text_bytes, pages_bytes) = (root.text.bytes.get(), root.pages.bytes.get());
        let surface = Surface { bytes, ranges, layout: root.layout, text_bytes, pages_bytes, counts };
        surface.check(root.cursor.get())?;
        Ok(surface)
    }

    /// Bytes of the metadata that a table takes.
    pub(super) fn range(&self, table: Table) -> Range<usize> {
        self.ranges[table as usize].clone()
    }

    /// Number of a table's records, whether it is part of the surface or not.
    pub(super) fn count(&self, table: Table) -> u64 {
        self.counts[table as usize]
    }

    /// A table's records.
    pub(super) fn records<T: FromBytes + Immutable + KnownLayout + Unaligned>(&self, table: Table) -> &[T] {
        slice(self.bytes.get(self.range(table)).unwrap_or(&[]))
    }

    /// What the record at `index` means.
    pub(super) fn get<R: Record>(&self, index: usize) -> Option<R::Item<'_>> {
        self.records::<R>(R::TABLE).get(index)?.decode(self).ok()
    }

    fn check(&self, cursor: u64) -> Result<(), ArtifactError> {
        self.check_layout_sizes().map_err(flawed("layout", 0))?;
        self.check_all::<TypeRecord>()?;
        self.check_all::<MemoryRecord>()?;
        self.check_all::<TableRecord>()?;
        self.check_all::<GlobalRecord>()?;
        self.check_all::<DataSegmentRecord>()?;
        self.check_all::<ElemSegmentRecord>()?;
        self.check_all::<ExportRecord>()?;
        self.check_all::<InstanceRecord>()?;
        self.check_all::<ImportRecord>()?;
        self.check_all::<StepRecord>()?;
        self.check_all::<RunRecord>()?;
        self.check_all::<LearnedRecord>()?;
        self.check_trampolines()?;
        self.check_order()?;
        if cursor > self.count(Table::Steps) {
            return Err(flawed("plan", 0)("its cursor is behind the last step"));
        }
        Ok(())
    }

    fn check_all<R: Record>(&self) -> Result<(), ArtifactError> {
        for (index, record) in self.records::<R>(R::TABLE).iter().enumerate() {
            record.decode(self).map_err(flawed(R::TABLE.name(), index))?;
        }
        Ok(())
    }

    fn check_layout_sizes(&self) -> Result<(), Flaw> {
        let layout = &self.layout;
        let (vmctx, state, slot) = (layout.vmctx.get(), layout.state_bytes.get(), layout.slot_bytes.get());
        ensure(vmctx == HEADER_BYTES as u64, "its header has another size")?;
        ensure(state % PAGE == 0 && (PAGE..=MAX_STATE).contains(&state), "its state has an impossible size")?;
        ensure(slot % PAGE == 0 && slot >= vmctx + state, "its slot does not hold its state")?;
        ensure(slot <= vmctx + MAX_SLOT, "its slot is larger than any")?;
        let flags = |count: Table| 4 * self.count(count).min(MAX_STATE);
        self.state(layout.data_dropped.get(), flags(Table::DataSegments), 4)?;
        self.state(layout.elem_dropped.get(), flags(Table::ElemSegments), 4)?;
        Ok(())
    }

    fn check_trampolines(&self) -> Result<(), ArtifactError> {
        let flaw = |index| flawed(Table::Trampolines.name(), index);
        if self.count(Table::Trampolines) != self.count(Table::Types) {
            return Err(flaw(0)("there is not one for each type"));
        }
        for (index, offset) in self.records::<U32>(Table::Trampolines).iter().enumerate() {
            self.optional_code(offset.get()).map_err(flaw(index))?;
        }
        Ok(())
    }

    /// Memories do not overlap, and neither do runs, in the slot or in the file.
    fn check_order(&self) -> Result<(), ArtifactError> {
        let mut end = self.layout.state_bytes.get();
        for (index, (_, place)) in self.iter::<MemoryRecord>().enumerate() {
            ensure(place.offset >= end, "it overlaps what is before it").map_err(flawed("memories", index))?;
            end = place.offset + place.reserved + place.guard;
        }
        let (mut slot, mut file) = (0, 0);
        for (index, run) in self.iter::<RunRecord>().enumerate() {
            let follows = run.slot_offset >= slot && run.file_offset == file;
            ensure(follows, "it does not follow the one before it").map_err(flawed("page runs", index))?;
            (slot, file) = (run.slot_offset + run.length, run.file_offset + run.length);
        }
        ensure(file == self.pages_bytes, "there are pages that no run has").map_err(flawed("page runs", 0))
    }

    /// What all records of one kind mean.
    pub(super) fn iter<R: Record>(&self) -> impl Iterator<Item = R::Item<'_>> {
        self.records::<R>(R::TABLE).iter().filter_map(|record| record.decode(self).ok())
    }

    /// Where everything is in a slot.
    pub(super) fn layout_plan(&self) -> LayoutPlan {
        LayoutPlan {
            vmctx: self.layout.vmctx.get(),
            state_bytes: self.layout.state_bytes.get(),
            memories: self.iter::<MemoryRecord>().map(|(_, place): (_, MemoryPlace)| place).collect(),
            tables: self.iter::<TableRecord>().map(|(_, place)| place).collect(),
            globals: self.iter::<GlobalRecord>().map(|global| global.offset).collect(),
            data_dropped: self.layout.data_dropped.get(),
            elem_dropped: self.layout.elem_dropped.get(),
            slot_bytes: self.layout.slot_bytes.get(),
        }
    }

    /// The runs, from the start of the pages.
    pub(super) fn runs(&self) -> Vec<PageRun> {
        self.iter::<RunRecord>().collect()
    }

    // What fields may contain.

    /// A number below the number of a table's records.
    pub(super) fn index(&self, table: Table, index: U32) -> Result<u32, Flaw> {
        ensure(u64::from(index.get()) < self.count(table), "it refers to something that does not exist")?;
        Ok(index.get())
    }

    /// A range of a table's records.
    pub(super) fn span(&self, table: Table, start: u64, count: u64) -> Result<Range<usize>, Flaw> {
        let end = start.checked_add(count).filter(|end| *end <= self.count(table));
        let end = end.ok_or("a range of it lies outside its table")?;
        Ok(start as usize..end as usize)
    }

    pub(super) fn string(&self, record: StrRecord) -> Result<&str, Flaw> {
        let range = self.span(Table::Strings, record.start.get().into(), record.length.get().into())?;
        core::str::from_utf8(&self.records::<u8>(Table::Strings)[range]).map_err(|_| "a string of it is not UTF-8")
    }

    pub(super) fn type_id(&self, number: U32) -> Result<TypeId, Flaw> {
        let index = number.get().checked_sub(1).filter(|index| u64::from(*index) < self.count(Table::Types));
        index.map(TypeId::from_index).ok_or("its type does not exist")
    }

    pub(super) fn values(&self, range: Range<usize>) -> &[ValRecord] {
        self.records(Table::Values).get(range).unwrap_or(&[])
    }

    /// The offset of an instruction.
    pub(super) fn code(&self, offset: u32) -> Result<u32, Flaw> {
        ensure(u64::from(offset) < self.text_bytes, "its code lies outside the text")?;
        Ok(offset)
    }

    pub(super) fn optional_code(&self, offset: u32) -> Result<Option<u32>, Flaw> {
        if offset == NONE { Ok(None) } else { self.code(offset).map(Some) }
    }

    /// Bytes of the state.
    pub(super) fn state(&self, offset: u32, bytes: u64, align: u32) -> Result<u32, Flaw> {
        let end = u64::from(offset).checked_add(bytes);
        let inside = end.is_some_and(|end| end <= self.layout.state_bytes.get());
        ensure(inside && offset.is_multiple_of(align), "its place is not inside the state")?;
        Ok(offset)
    }

    /// Pages of the slot, from `vmctx`.
    pub(super) fn slot(&self, offset: u64, bytes: u64) -> Result<(), Flaw> {
        let end = self.layout.vmctx.get().checked_add(offset).and_then(|start| start.checked_add(bytes));
        let inside = end.is_some_and(|end| end <= self.layout.slot_bytes.get());
        ensure(inside && offset.is_multiple_of(PAGE) && bytes.is_multiple_of(PAGE), "its place is not inside the slot")
    }

    /// Pages of the file.
    pub(super) fn stored(&self, offset: u64, bytes: u64) -> Result<(), Flaw> {
        let inside = offset.checked_add(bytes).is_some_and(|end| end <= self.pages_bytes);
        ensure(inside && offset.is_multiple_of(PAGE) && bytes.is_multiple_of(PAGE), "its pages are not in the file")
    }
}

pub(super) fn ensure(holds: bool, flaw: Flaw) -> Result<(), Flaw> {
    if holds { Ok(()) } else { Err(flaw) }
}

/// For `map_err` on a flaw.
pub(super) fn flawed(table: &'static str, index: usize) -> impl Fn(Flaw) -> ArtifactError {
    move |reason| ArtifactError::Record { table, index, reason }
}
