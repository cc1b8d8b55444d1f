//! The initialization plan: the ordered steps that bring a fresh tree to its ready state.

use crate::items::{DataSegmentId, ElemSegmentId, InstanceId, MemoryId, TableId};
use crate::maps::FunctionId;

/// One step, and the core instance on whose behalf it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitStep {
    /// The core instance that is being initialized.
    pub instance: InstanceId,
    /// What to do.
    pub kind: StepKind,
}

/// What a step does. All offsets and lengths are constants: they were evaluated when the image was linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepKind {
    /// An imported memory must be at least this long (script mode: other instances may have grown it).
    CheckMemory {
        /// The memory.
        memory: MemoryId,
        /// Least length in bytes.
        minimum: u64,
    },
    /// An imported table must have at least this many elements (script mode).
    CheckTable {
        /// The table.
        table: TableId,
        /// Least length in elements.
        minimum: u64,
    },
    /// An active element segment is written, then dropped.
    CoreElem {
        /// The segment.
        segment: ElemSegmentId,
        /// Its table.
        table: TableId,
        /// First element written.
        offset: u64,
    },
    /// An active data segment is written, then dropped.
    CoreData {
        /// The segment.
        segment: DataSegmentId,
        /// Its memory.
        memory: MemoryId,
        /// First byte written.
        offset: u64,
    },
    /// A declarative element segment is dropped.
    DropElem {
        /// The segment.
        segment: ElemSegmentId,
    },
    /// A core module's start function.
    CoreStart {
        /// The function, of type `() -> ()`, as a guest function or a host import's thunk.
        code_offset: u32,
        /// Its number when the image defines it.
        function: Option<FunctionId>,
    },
}

impl StepKind {
    /// Whether the step runs code that can call imports, so that nothing behind it may be folded.
    pub fn runs_guest_code(&self) -> bool {
        matches!(self, StepKind::CoreStart { .. })
    }
}

/// The steps, and how far the image's pages already are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// All steps, in the order in which the specification instantiates. Steps behind those of the last core instance are
    /// calls of exports that a snapshot was made behind; they are always done.
    pub steps: Vec<InitStep>,
    /// Steps before this one are done in the image's pages; an instance runs the others.
    pub cursor: usize,
}

impl Plan {
    /// The steps that an instance of the image has still to run.
    pub fn remaining(&self) -> &[InitStep] {
        &self.steps[self.cursor.min(self.steps.len())..]
    }
}
