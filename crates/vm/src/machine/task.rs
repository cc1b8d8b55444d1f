//! The task record: what belongs to one guest stack.

#![expect(unsafe_code, reason = "the record lives at the top of its stack, shared with compiled code")]

use super::activation::Activation;
use super::backtrace::Trace;
use super::fault::Fault;
use super::stack::{GuestStack, Scrub, StackError};
use super::stacks::StackPool;
use super::suspend::{self, Progress, Resume};
use super::unwind::Raise;
use hatchery_image::abi;
use std::mem::{ManuallyDrop, offset_of};
use std::ptr::{self, NonNull};

/// State of a guest stack, at its top. Compiled code knows the first three words.
///
/// Only one thread uses it at a time: the one that runs the task, or whoever holds the idle or suspended
/// [`Task`]. Its signal handler uses it while guest code is interrupted, which is nobody's borrow.
#[repr(C, align(64))]
pub(crate) struct TaskRecord {
    /// Remaining fuel; code is out of fuel when it is negative.
    pub(crate) fuel: i64,
    /// Frame pointer of the thunk through which the guest last left its code.
    pub(crate) exit_frame: usize,
    host_limit: usize,
    /// The innermost activation; null when the task is idle.
    pub(super) activation: *mut Activation,
    /// Whether the task is between being suspended and being resumed, or is being cancelled.
    pub(super) phase: Phase,
    /// First byte of the guard.
    pub(super) guard_start: usize,
    /// First accessible byte, where the guard ends.
    pub(super) lowest: usize,
    /// The activation of a call that may be suspended; its maker's frame does not outlive a suspension.
    pub(super) root: Activation,
    /// Where a suspended stack continues.
    pub(super) suspended: usize,
    /// Whether the signal handler saw an overflow.
    pub(super) overflowed: bool,
    /// What the signal handler saw last.
    pub(super) fault: Fault,
    /// What a host function raised last.
    pub(super) raised: Option<Raise>,
    /// Where the guest was when one of them happened.
    pub(super) trace: Trace,
}

const _: () = {
    assert!(offset_of!(TaskRecord, fuel) == abi::task::FUEL as usize);
    assert!(offset_of!(TaskRecord, exit_frame) == abi::task::EXIT_FRAME as usize);
    assert!(offset_of!(TaskRecord, host_limit) == abi::task::HOST_LIMIT as usize);
    // The outermost activation's stack begins right below the record.
    assert!(align_of::<TaskRecord>().is_multiple_of(16) && size_of::<TaskRecord>() < 4096);
};

/// What a task that has an activation is doing.
///
/// ```text
///  Running --suspend--> Suspended --resume(Continue)--> Running
///                       Suspended --resume(Cancel)----> Cancelling --landing--> Running (no activation: idle)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Executing, or idle where there is no activation. Exits: suspended by its host function; ended.
    Running,
    /// Off every thread. Exits: resumed, on any thread.
    Suspended,
    /// Executing host code that was told to end the call; nothing is entered. Exits: ended.
    Cancelling,
}

impl TaskRecord {
    #[inline(always)]
    fn new(stack: &GuestStack) -> TaskRecord {
        TaskRecord {
            fuel: 0,
            exit_frame: 0,
            host_limit: stack.host_limit(),
            activation: ptr::null_mut(),
            phase: Phase::Running,
            guard_start: stack.guard_start(),
            lowest: stack.lowest(),
            root: Activation::NONE,
            suspended: 0,
            overflowed: false,
            fault: Fault::NONE,
            raised: None,
            trace: Trace::empty(),
        }
    }

    /// Whether an address is in the stack's guard.
    pub(super) fn guards(&self, address: usize) -> bool {
        (self.guard_start..self.lowest).contains(&address)
    }

    /// Whether no activation is on the stack.
    pub(crate) fn is_idle(&self) -> bool {
        self.activation.is_null()
    }
}

/// A guest stack, attached: nobody else gets it until this is dropped.
pub(crate) struct Task {
    /// Outlives the task.
    pool: NonNull<StackPool>,
    stack: ManuallyDrop<GuestStack>,
    /// What is done to it at the end.
    scrub: Scrub,
    record: NonNull<TaskRecord>,
}

// SAFETY: an idle stack belongs to no thread. A suspended one holds frames between a thunk and `suspend`,
// which keep nothing of a thread (rule 4 of the module).
unsafe impl Send for Task {}

impl Task {
    /// Attaches a stack of the pool, to which this is done when it is given back.
    ///
    /// # Errors
    ///
    /// When all are in use or the kernel has no room for another.
    ///
    /// # Safety
    ///
    /// The pool outlives the task: an instance keeps it, so that no counter is shared with other threads.
    pub(crate) unsafe fn new(pool: &StackPool, scrub: Scrub) -> Result<Task, StackError> {
        let stack = pool.acquire(scrub)?;
        // SAFETY: the record fits into the accessible part, whose end is a multiple of the page size, so that it
        // is in bounds and aligned; no frame is live on a stack from the pool.
        let record = unsafe {
            let place = stack.top().cast::<TaskRecord>().sub(1);
            place.write(TaskRecord::new(&stack));
            place
        };
        Ok(Task { pool: NonNull::from(pool), stack: ManuallyDrop::new(stack), scrub, record })
    }

    /// The record, at the same address for as long as the task exists.
    pub(crate) fn record(&self) -> NonNull<TaskRecord> {
        self.record
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: the record is there until the stack is given back below; what started a call promised
        // that it can be cancelled for as long as the task exists.
        let idle = unsafe {
            if self.record.as_ref().phase == Phase::Suspended {
                let progress = suspend::resume(self.record, Resume::Cancel);
                debug_assert!(matches!(progress, Progress::Done(_)), "what is being cancelled is not suspended");
            }
            self.record.as_ref().is_idle()
        };
        // SAFETY: the handle is not used again.
        let stack = unsafe { ManuallyDrop::take(&mut self.stack) };
        // SAFETY: what made the task promised that the pool is still there.
        let pool = unsafe { self.pool.as_ref() };
        if !idle {
            // Dropped by one of its own frames, or by code that could not be cancelled: the frames stay.
            return pool.lose(stack);
        }
        // SAFETY: the record is initialized, and with the task idle nothing refers to it any more.
        let overflowed = unsafe {
            let overflowed = self.record.as_ref().overflowed;
            self.record.drop_in_place();
            overflowed
        };
        pool.release(stack, self.scrub, overflowed);
    }
}
