//! What was done at build time, and what was not.

use crate::work::Job;
use core::ops::Range;
use hatchery_image::{InstanceId, TrapCode};
use hatchery_vm::{Backtrace, CallError, Frame, StepFailure};
use std::sync::Arc;

/// What came of a snapshot.
#[derive(Debug)]
pub struct Report {
    /// The steps of the plan that are done in the snapshot and were not before.
    pub steps: Range<usize>,
    /// All steps that the image was compiled with.
    pub total: usize,
    /// The exports that were called, in order.
    pub exports: Vec<String>,
    /// What was left, and why; nothing if all was done that was asked for.
    pub stopped: Option<Stopped>,
    /// Exports that were not called, as they come behind what was left.
    pub not_called: Vec<String>,
    /// Imports that were called by what is in the snapshot.
    pub imports: Vec<ImportUse>,
    /// Lengths of each memory in bytes, before and after.
    pub memories: Vec<(u64, u64)>,
    /// Numbers of elements of each table, before and after.
    pub tables: Vec<(u64, u64)>,
}

/// A job that was given up. It is rolled back: a step is left in the plan, an export is not called.
#[derive(Debug)]
pub struct Stopped {
    /// Which.
    pub job: Job,
    /// What that is, such as "the start function"; for messages.
    pub what: &'static str,
    /// The core instance it is of.
    pub instance: InstanceId,
    /// The instance's name, where it has one.
    pub instance_name: Option<String>,
    /// Why.
    pub reason: StopReason,
}

/// Why a job was given up.
#[derive(Debug)]
pub enum StopReason {
    /// It called an import that is denied.
    Denied {
        /// The import's module name.
        module: Arc<str>,
        /// The import's field name.
        name: Arc<str>,
        /// Where the guest was: the function that called it comes first.
        frames: Backtrace,
    },
    /// It trapped, took too long, or a host function failed.
    Failed(StepFailure),
}

/// An import that was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportUse {
    /// Its module name.
    pub module: Arc<str>,
    /// Its field name.
    pub name: Arc<str>,
    /// How often.
    pub calls: u64,
}

impl StopReason {
    /// The trap, if that was why.
    pub fn trap(&self) -> Option<TrapCode> {
        match self {
            StopReason::Failed(StepFailure::Trap(code)) => Some(*code),
            StopReason::Failed(StepFailure::Start(CallError::Trap(trap))) => Some(trap.code),
            _ => None,
        }
    }

    /// Where the guest was, innermost function first; nothing where no guest code ran.
    pub fn backtrace(&self) -> &[Frame] {
        match self {
            StopReason::Denied { frames, .. } => frames.frames(),
            StopReason::Failed(StepFailure::Start(CallError::Host { frames, .. })) => frames.frames(),
            StopReason::Failed(StepFailure::Start(CallError::Trap(trap))) => trap.backtrace.frames(),
            StopReason::Failed(_) => &[],
        }
    }
}
