//! Running the initialization plan.

use crate::access::Access;
use crate::call::CallError;
use crate::instance::Inner;
use crate::stop::Stop;
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_image::{FuncType, InstanceId, MemoryId, StepKind, TableId, TrapCode, TypeId};

/// A step of the plan failed.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct StepError {
    /// Its number in the plan.
    pub step: usize,
    /// The core instance that was being initialized.
    pub instance: InstanceId,
    /// Why.
    pub cause: StepFailure,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepFailure {
    /// A segment does not fit.
    #[error("{0}")]
    Trap(TrapCode),
    /// An imported memory is shorter than the import's type wants.
    #[error("incompatible import type: a memory of {found} bytes is imported as one of at least {minimum}")]
    Memory {
        /// Bytes wanted.
        minimum: u64,
        /// Bytes there are.
        found: u64,
    },
    /// An imported table is shorter than the import's type wants.
    #[error("incompatible import type: a table of {found} elements is imported as one of at least {minimum}")]
    Table {
        /// Elements wanted.
        minimum: u64,
        /// Elements there are.
        found: u64,
    },
    /// A start function did not return.
    #[error(transparent)]
    Start(CallError),
    /// The kernel refused to make pages writable.
    #[error(transparent)]
    Pages(hatchery_alloc::PrepareError),
}

impl StepFailure {
    /// Whether it follows from the program and what its host functions did; see [`CallError::is_of_guest`].
    pub fn is_of_guest(&self) -> bool {
        match self {
            StepFailure::Trap(_) | StepFailure::Memory { .. } | StepFailure::Table { .. } => true,
            StepFailure::Start(error) => error.is_of_guest(),
            StepFailure::Pages(_) => false,
        }
    }
}

impl From<Stop> for StepFailure {
    fn from(stop: Stop) -> StepFailure {
        match stop {
            Stop::Trap(code) | Stop::About(code, _) => StepFailure::Trap(code),
            Stop::Withdrawn => StepFailure::Start(CallError::Withdrawn),
            Stop::Pages(error) => StepFailure::Pages(error),
        }
    }
}

impl<T> Access<'_, T> {
    /// Runs all steps of the plan that have not been run.
    ///
    /// # Errors
    ///
    /// The first that fails. The instance must not be used any more then, unless it is of a script.
    pub fn initialize(&mut self) -> Result<(), StepError> {
        self.run_steps(self.image().plan().steps.len())
    }

    /// The next step of the plan.
    pub fn cursor(&self) -> usize {
        self.inner().cursor.get()
    }

    /// Runs the steps from the cursor up to `until`. When one fails, its effects stay and the others of the
    /// range are skipped: in a script, where the range is one core instance's, the next one can follow.
    ///
    /// # Errors
    ///
    /// The first that fails.
    pub fn run_steps(&mut self, until: usize) -> Result<(), StepError> {
        let inner = self.inner();
        let until = until.min(inner.image().plan().steps.len());
        while inner.cursor.get() < until {
            let at = inner.cursor.get();
            // A start function may unwind with a host function's panic: the step is behind us then, too.
            inner.cursor.set(at + 1);
            let step = &inner.image().plan().steps[at];
            if let Err(cause) = self.run_step(&step.kind) {
                inner.cursor.set(until);
                return Err(StepError { step: at, instance: step.instance, cause });
            }
        }
        Ok(())
    }

    fn run_step(&mut self, step: &StepKind) -> Result<(), StepFailure> {
        let inner = self.inner();
        match *step {
            StepKind::CheckMemory { memory, minimum } => inner.check_memory(memory, minimum),
            StepKind::CheckTable { table, minimum } => inner.check_table(table, minimum),
            StepKind::CoreElem { segment, table, offset } => {
                let length = inner.elem_segment(segment).len() as u32;
                inner.table_init(segment, (table, offset), 0, length)?;
                Ok(inner.elem_drop(segment)?)
            }
            StepKind::CoreData { segment, memory, offset } => {
                let length = inner.data_segment(segment).length;
                inner.memory_init(segment, (memory, offset), 0, length)?;
                Ok(inner.data_drop(segment)?)
            }
            StepKind::DropElem { segment } => Ok(inner.elem_drop(segment)?),
            StepKind::CoreStart { code_offset, .. } => self.run_start(code_offset),
        }
    }

    fn run_start(&mut self, code_offset: u32) -> Result<(), StepFailure> {
        let inner = self.inner();
        // Which of the types that look like this it is depends on the group that declares it.
        let plain = |ty: &TypeId| *inner.image().types().get(*ty) == FuncType::new([], []);
        let ty = inner.prepared.type_at(code_offset).filter(plain);
        let word = ty.map_or(PackedFuncRef::NULL, |ty| PackedFuncRef::new(ty, code_offset));
        // The compiler puts only functions of this type into steps, and makes their trampoline.
        let callee = inner.prepared.callee(word).map_err(|_| StepFailure::Start(CallError::WrongInstance))?;
        self.call(&callee, &mut [] as &mut [RawVal]).map_err(StepFailure::Start)
    }
}

impl Inner {
    fn check_memory(&self, id: MemoryId, minimum: u64) -> Result<(), StepFailure> {
        let found = self.memory_length(id);
        if found < minimum { Err(StepFailure::Memory { minimum, found }) } else { Ok(()) }
    }

    fn check_table(&self, id: TableId, minimum: u64) -> Result<(), StepFailure> {
        let found = self.table_length(id);
        if found < minimum { Err(StepFailure::Table { minimum, found }) } else { Ok(()) }
    }
}
