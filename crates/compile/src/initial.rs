//! The initial pages, and how much of the initialization plan they already contain.

use crate::decode::Module;
use crate::error::CompileError;
use crate::link::{ConstValue, Link, Mode, RefValue};
use hatchery_image::{DataSegmentId, ElemSegmentId, InitStep, MAX_RUNS, MemoryId, PagesBuilder, StepKind, TableId};

/// Bytes of a table element.
const WORD: u64 = 8;

/// Most bytes that the pages may have beyond those that were written to them: a segment of one byte takes a page of its
/// own where no other is near.
const MAX_WASTE: u64 = 32 << 20;

/// What a linked set looks like before anything has run.
pub(crate) struct Initial<'a> {
    pub(crate) link: &'a Link,
    pub(crate) modules: &'a [Module],
    /// The words of the elements, by `ElemSegmentId`.
    pub(crate) elems: &'a [Vec<u64>],
    /// The word of a reference.
    pub(crate) word: &'a dyn Fn(RefValue) -> Result<u64, CompileError>,
}

impl Initial<'_> {
    /// Writes lengths, globals and tables, then as many steps as can be done here.
    ///
    /// Returns the pages and the number of steps that are done in them: none, where segments are so scattered that the pages
    /// would lie in too many runs.
    pub(crate) fn build(&self, steps: &[InitStep], mode: Mode) -> Result<(PagesBuilder, usize), CompileError> {
        let mut pages = self.without_steps()?;
        if mode == Mode::Script {
            return Ok((pages, 0));
        }
        let cursor = self.fold(&mut pages, steps);
        if pages.runs().len() > MAX_RUNS { Ok((self.without_steps()?, 0)) } else { Ok((pages, cursor)) }
    }

    fn without_steps(&self) -> Result<PagesBuilder, CompileError> {
        let mut pages = PagesBuilder::new();
        self.lengths(&mut pages);
        self.globals(&mut pages)?;
        self.tables(&mut pages)?;
        Ok(pages)
    }

    /// The slot's offset of something at this offset from `vmctx`.
    fn slot(&self, offset: impl Into<u64>) -> u64 {
        self.link.linked.layout.vmctx + offset.into()
    }

    fn lengths(&self, pages: &mut PagesBuilder) {
        let layout = &self.link.linked.layout;
        for memory in &layout.memories {
            pages.write(self.slot(memory.length_offset), &memory.minimum.to_le_bytes());
        }
        for table in &layout.tables {
            pages.write(self.slot(table.length_offset), &table.minimum.to_le_bytes());
        }
    }

    fn globals(&self, pages: &mut PagesBuilder) -> Result<(), CompileError> {
        let linked = &self.link.linked;
        for (global, value) in linked.globals.iter().zip(&linked.global_values) {
            let at = self.slot(global.offset);
            match *value {
                ConstValue::Bits(bits) if global.ty == hatchery_image::ValType::V128 => {
                    pages.write(at, &bits.to_le_bytes());
                }
                ConstValue::Bits(bits) => pages.write(at, &(bits as u64).to_le_bytes()),
                ConstValue::Func(target, ty) => {
                    pages.write(at, &(self.word)(RefValue::Func(target, ty))?.to_le_bytes());
                }
                ConstValue::Null => {}
            }
        }
        Ok(())
    }

    fn tables(&self, pages: &mut PagesBuilder) -> Result<(), CompileError> {
        for (table, value) in self.link.linked.layout.tables.iter().zip(&self.link.table_values) {
            let word = (self.word)(*value)?;
            if word != 0 {
                (0..table.minimum).for_each(|i| pages.write(self.slot(table.offset) + i * WORD, &word.to_le_bytes()));
            }
        }
        Ok(())
    }

    /// Does the steps in front of the first one that runs code or traps.
    fn fold(&self, pages: &mut PagesBuilder, steps: &[InitStep]) -> usize {
        let mut allowed = pages.bytes() + MAX_WASTE;
        let mut done = |step: &&InitStep| {
            allowed = allowed.saturating_add(self.written(&step.kind));
            pages.bytes() <= allowed && self.fold_step(pages, &step.kind).is_some()
        };
        steps.iter().take_while(|step| done(step)).count()
    }

    /// Bytes that a step writes: to memories and tables, and the word that says that a segment is dropped.
    fn written(&self, step: &StepKind) -> u64 {
        let bytes = match *step {
            StepKind::CoreElem { segment, .. } => {
                self.elems.get(segment.index()).map_or(0, |words| words.len() as u64 * WORD)
            }
            StepKind::CoreData { segment, .. } => {
                self.link.data.get(segment.index()).map_or(0, |source| source.range.len() as u64)
            }
            _ => 0,
        };
        bytes + size_of::<u32>() as u64
    }

    /// Does one step, unless it runs code or traps: then nothing is changed.
    fn fold_step(&self, pages: &mut PagesBuilder, step: &StepKind) -> Option<()> {
        match *step {
            StepKind::CoreElem { segment, table, offset } => self.fold_elem(pages, segment, table, offset),
            StepKind::CoreData { segment, memory, offset } => self.fold_data(pages, segment, memory, offset),
            StepKind::DropElem { segment } => {
                self.drop_elem(pages, segment);
                Some(())
            }
            StepKind::CheckMemory { memory, minimum } => {
                (self.link.linked.layout.memories.get(memory.index())?.minimum >= minimum).then_some(())
            }
            StepKind::CheckTable { table, minimum } => {
                (self.link.linked.layout.tables.get(table.index())?.minimum >= minimum).then_some(())
            }
            StepKind::CoreStart { .. } => None,
        }
    }

    fn fold_elem(&self, pages: &mut PagesBuilder, segment: ElemSegmentId, table: TableId, at: u64) -> Option<()> {
        let place = self.link.linked.layout.tables.get(table.index())?;
        let words = self.elems.get(segment.index())?;
        inside(at, words.len() as u64, place.minimum)?;
        for (word, i) in words.iter().zip(at..) {
            pages.write(self.slot(place.offset) + i * WORD, &word.to_le_bytes());
        }
        self.drop_elem(pages, segment);
        Some(())
    }

    fn fold_data(&self, pages: &mut PagesBuilder, segment: DataSegmentId, memory: MemoryId, at: u64) -> Option<()> {
        let place = self.link.linked.layout.memories.get(memory.index())?;
        let source = self.link.data.get(segment.index())?;
        let bytes = self.modules.get(source.module)?.slice(&source.range);
        inside(at, bytes.len() as u64, place.minimum)?;
        pages.write(self.slot(place.offset) + at, bytes);
        let dropped = self.link.linked.layout.data_dropped + 4 * segment.0;
        pages.write(self.slot(dropped), &1u32.to_le_bytes());
        Some(())
    }

    fn drop_elem(&self, pages: &mut PagesBuilder, segment: ElemSegmentId) {
        let dropped = self.link.linked.layout.elem_dropped + 4 * segment.0;
        pages.write(self.slot(dropped), &1u32.to_le_bytes());
    }
}

fn inside(at: u64, length: u64, limit: u64) -> Option<()> {
    (at.checked_add(length)? <= limit).then_some(())
}
