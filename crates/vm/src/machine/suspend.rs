//! Calls that can be suspended: started on one thread, continued on any.

#![expect(unsafe_code, reason = "switches between stacks")]

use super::activation::{Activation, Entry, ended};
use super::task::{Phase, TaskRecord};
use super::thread;
use super::unwind::{Reason, Refusal, Unwind};
use super::x86_64 as sys;
use std::ptr::{self, NonNull};

/// How far a call is.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Ended.
    Done(Result<(), Box<Unwind>>),
    /// Suspended by a host function: to be resumed.
    Suspended,
}

/// How to continue a suspended call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// As if nothing had happened.
    Continue,
    /// To its end, which the host function that suspended it must bring about.
    Cancel,
}

/// What a host function learns when it asks to be suspended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumed {
    /// It was, and now goes on; perhaps on another thread.
    Continue,
    /// It was, and the call has been given up: raise [`Raise::Cancelled`](super::Raise::Cancelled).
    Cancelled,
    /// It was not: a call further out on this stack, or around it, cannot be.
    Impossible,
}

const CONTINUE: usize = 0;
const CANCEL: usize = 1;

/// Runs a guest function, which may be suspended, on the stack of an idle task.
///
/// # Safety
///
/// As for [`enter`](super::enter), and what `entry` refers to stays valid until the task is idle again.
pub(crate) unsafe fn start(record: NonNull<TaskRecord>, entry: &Entry<'_>) -> Progress {
    let task = record.as_ptr();
    // SAFETY: the record is live.
    if unsafe { !(*task).activation.is_null() } {
        return refuse(Reason::Refused(Refusal::Busy));
    }
    // SAFETY: as in `enter`, with one difference: the activation is in the record, as it outlives this frame;
    // and the guest returns to whoever resumed it last, which `start_on` sees to.
    unsafe {
        run(task, || {
            (*task).root = Activation { guest: entry.guest, ..Activation::NONE };
            let root = &raw mut (*task).root;
            (*task).activation = root;
            sys::start_on(
                entry.vmctx,
                entry.callee,
                entry.args.cast(),
                entry.trampoline as *const u8,
                task.cast(),
                &raw mut (*root).landing,
            )
        })
    }
}

/// Continues a suspended task, on this thread.
///
/// # Safety
///
/// The record is that of a live task, which nobody else uses.
pub(crate) unsafe fn resume(record: NonNull<TaskRecord>, how: Resume) -> Progress {
    let task = record.as_ptr();
    // SAFETY: the record is live.
    if unsafe { (*task).phase } != Phase::Suspended {
        return refuse(Reason::Refused(Refusal::Busy));
    }
    let (phase, message) = match how {
        Resume::Continue => (Phase::Running, CONTINUE),
        Resume::Cancel => (Phase::Cancelling, CANCEL),
    };
    // SAFETY: a suspended stack continues where `suspend` saved it. It lands, or is suspended again, on the
    // root's landing, which the switch points at this frame.
    unsafe {
        run(task, || {
            (*task).phase = phase;
            sys::switch(&raw mut (*task).root.landing, (*task).suspended, message)
        })
    }
}

/// Back to whoever started or resumed the call, until somebody resumes it.
///
/// # Safety
///
/// The caller runs on the stack of this record's task, in a host function that guest code called. It and
/// the frames up to the thunk keep nothing of this thread (rule 4 of the [module](super)).
#[inline(never)]
pub(crate) unsafe fn suspend(record: NonNull<TaskRecord>) -> Resumed {
    let task = record.as_ptr();
    // SAFETY: the record is live and this thread's. Only the root activation is waited for by frames that
    // expect a suspension, and only if it is what this thread is running.
    let message = unsafe {
        if (*task).phase == Phase::Cancelling {
            return Resumed::Cancelled;
        }
        let root = &raw mut (*task).root;
        if (*task).activation != root || thread::current_task() != Some(record) {
            return Resumed::Impossible;
        }
        (*task).phase = Phase::Suspended;
        sys::switch(&raw mut (*task).suspended, (*root).landing, sys::SUSPENDED)
    };
    if message == CANCEL { Resumed::Cancelled } else { Resumed::Continue }
}

/// Runs the task by `switch`, which returns a status.
///
/// # Safety
///
/// `switch` enters or continues the task's stack, and nobody else uses it.
unsafe fn run(task: *mut TaskRecord, switch: impl FnOnce() -> usize) -> Progress {
    if let Err(error) = thread::make_ready() {
        return refuse(Reason::Refused(Refusal::Thread(error)));
    }
    let caller = thread::set_current(task);
    let status = if sys::float_control_is_default() { switch() } else { sys::with_default_float_control(switch) };
    thread::set_current(caller);
    if status == sys::SUSPENDED {
        return Progress::Suspended;
    }
    // SAFETY: the root activation ended with this status; the contexts are live until the task is idle.
    unsafe {
        (*task).activation = ptr::null_mut();
        (*task).phase = Phase::Running;
        Progress::Done(if status == sys::RETURNED { Ok(()) } else { Err(ended(task, status)) })
    }
}

#[cold]
fn refuse(reason: Reason) -> Progress {
    Progress::Done(Err(Unwind::refused(reason)))
}
