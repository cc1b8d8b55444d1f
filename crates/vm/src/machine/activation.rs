//! Activations: entering guest code, and ending it early.

#![expect(unsafe_code, reason = "calls guest code")]

use super::backtrace::{self, Backtrace, Origin};
use super::context::GuestContext;
use super::fault::End;
use super::task::{Phase, TaskRecord};
use super::thread;
use super::unwind::{HostFailure, Raise, Reason, Refusal, Unwind, Unwritable};
use super::x86_64 as sys;
use hatchery_image::abi::RawVal;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// An image's entry trampoline: `(vmctx, callee, values)`.
pub(crate) type Trampoline = unsafe extern "C" fn(*mut u8, *const u8, *mut RawVal);

/// What to run.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    /// Whose code it is.
    pub(crate) guest: &'a GuestContext,
    /// The trampoline for the callee's type.
    pub(crate) trampoline: Trampoline,
    /// First argument of every guest function.
    pub(crate) vmctx: *mut u8,
    /// The guest function.
    pub(crate) callee: *const u8,
    /// Parameters, then results.
    pub(crate) args: *mut RawVal,
}

/// One call from the host into the guest.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Activation {
    /// The stack pointer to land on; what lies there is described in [`sys`].
    pub(super) landing: usize,
    /// The next activation further out on the same stack; null for the outermost.
    pub(super) outer: *mut Activation,
    /// The exit frame of that one, through which its guest code led here.
    pub(super) outer_exit: usize,
    /// Whose code runs.
    pub(super) guest: *const GuestContext,
}

impl Activation {
    pub(super) const NONE: Activation =
        Activation { landing: 0, outer: ptr::null_mut(), outer_exit: 0, guest: ptr::null() };
}

/// Says that the running thread can enter guest code as it is: it can handle faults, and its floating point control is the
/// default. It stays on the thread, and is for no longer than host code that keeps to the ABI runs there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready(PhantomData<*mut ()>);

impl Ready {
    /// Asks, which takes as long as a third of a short call.
    #[inline(always)]
    pub(crate) fn here() -> Option<Ready> {
        (thread::is_ready() && sys::float_control_is_default()).then_some(Ready(PhantomData))
    }
}

/// Runs a guest function to its end. On an idle task it runs on the task's stack; from a host function that
/// runs on that stack it is nested.
///
/// # Errors
///
/// Why the guest did not return.
///
/// # Safety
///
/// The record is that of a live [`Task`](super::Task). The trampoline, the callee, `vmctx` and the arguments
/// belong together: text of the context's image, compiled for `vmctx` as it is now, whose header names this
/// record. Host functions and built-ins that the code calls follow the rules of the [module](super).
#[inline]
pub(crate) unsafe fn enter(
    record: NonNull<TaskRecord>,
    entry: &Entry<'_>,
    ready: Option<Ready>,
) -> Result<(), Box<Unwind>> {
    let task = record.as_ptr();
    // SAFETY: the record is live and this thread's: idle, or running right here, or else refused.
    unsafe {
        if ready.is_none() {
            return enter_slowly(record, entry);
        }
        if (*task).activation.is_null() {
            return enter_idle(task, entry);
        }
        if (*task).phase == Phase::Running && thread::current_task() == Some(record) {
            return enter_nested(task, entry);
        }
        enter_slowly(record, entry)
    }
}

/// # Safety
///
/// As for [`enter`]; the task is idle and the thread is ready.
#[inline]
unsafe fn enter_idle(task: *mut TaskRecord, entry: &Entry<'_>) -> Result<(), Box<Unwind>> {
    let mut activation = Activation { guest: entry.guest, ..Activation::NONE };
    let activation = &raw mut activation;
    let caller = thread::set_current(task);
    // SAFETY: the record is live, its task idle. The stack below the record is unused, and so deep that
    // overflowing it hits the guard. The activation outlives the call. What runs there was promised to be
    // guest code that fits; it comes back by returning or by landing, with the registers as they were.
    let status = unsafe {
        (*task).activation = activation;
        let status = sys::enter_on(
            entry.vmctx,
            entry.callee,
            entry.args.cast(),
            entry.trampoline as *const u8,
            task.cast(),
            &raw mut (*activation).landing,
        );
        (*task).activation = ptr::null_mut();
        status
    };
    thread::set_current(caller);
    if status == sys::RETURNED {
        return Ok(());
    }
    // SAFETY: the activation just landed with this status; the contexts of all on this stack are live.
    Err(unsafe { ended(task, status) })
}

/// # Safety
///
/// As for [`enter`].
#[cold]
#[inline(never)]
unsafe fn enter_slowly(record: NonNull<TaskRecord>, entry: &Entry<'_>) -> Result<(), Box<Unwind>> {
    thread::make_ready().map_err(|error| Unwind::refused(Reason::Refused(Refusal::Thread(error))))?;
    let task = record.as_ptr();
    // SAFETY: as the caller's. An activation is nested only where this thread runs on the task's stack.
    let enter = || unsafe {
        if (*task).activation.is_null() {
            return enter_idle(task, entry);
        }
        if (*task).phase == Phase::Cancelling {
            return Err(Unwind::refused(Reason::Cancelled));
        }
        if thread::current_task() != Some(record) || (*task).phase == Phase::Suspended {
            return Err(Unwind::refused(Reason::Refused(Refusal::Busy)));
        }
        enter_nested(task, entry)
    };
    if sys::float_control_is_default() { enter() } else { sys::with_default_float_control(enter) }
}

/// # Safety
///
/// As for [`enter`]; the caller runs on the task's stack, and the thread is ready.
unsafe fn enter_nested(task: *mut TaskRecord, entry: &Entry<'_>) -> Result<(), Box<Unwind>> {
    // SAFETY: the record is live; the running thread is the one that entered it.
    let (outer, outer_exit) = unsafe { ((*task).activation, (*task).exit_frame) };
    let mut activation = Activation { landing: 0, outer, outer_exit, guest: entry.guest };
    let activation = &raw mut activation;
    // SAFETY: as in `enter_idle`, except that the stack is the running one. What the outer activation
    // needs of the record is put back.
    let status = unsafe {
        (*task).activation = activation;
        let status = sys::enter_here(
            entry.vmctx,
            entry.callee,
            entry.args.cast(),
            entry.trampoline as *const u8,
            &raw mut (*activation).landing,
        );
        (*task).activation = outer;
        (*task).exit_frame = outer_exit;
        status
    };
    if status == sys::RETURNED {
        return Ok(());
    }
    // SAFETY: the activation just landed with this status; the contexts of all on this stack are live.
    Err(unsafe { ended(task, status) })
}

/// Why an activation landed. Allocates, which the places that made it land do not.
///
/// # Safety
///
/// An activation of this task has just landed with this status, and the contexts of all activations that
/// were on its stack are live.
#[cold]
#[inline(never)]
pub(super) unsafe fn ended(task: *mut TaskRecord, status: usize) -> Box<Unwind> {
    // SAFETY: the record is live and this thread's; the contexts in the trace are live.
    let (backtrace, raised, fault) =
        unsafe { (Backtrace::resolve(&(*task).trace), (*task).raised.take(), &(*task).fault) };
    let reason = match raised {
        Some(raise) if status == sys::RAISED => raise.into(),
        _ => match fault.end {
            End::Trap(code) => Reason::Trap { code, address: fault.address, detail: None },
            End::Withdrawn => Reason::Withdrawn,
            End::Unwritable => Reason::Host(HostFailure::Error(Box::new(Unwritable))),
        },
    };
    Box::new(Unwind { reason, backtrace })
}

/// Ends the innermost activation: [`enter`], [`start`](super::start) or [`resume`](super::resume) returns
/// this reason. The frames between are abandoned.
///
/// # Safety
///
/// The caller runs on the stack of this record's task, in a host function or built-in that guest code called
/// through a thunk. None of the frames from there up to the caller owns anything with a destructor.
pub(crate) unsafe fn raise(record: NonNull<TaskRecord>, raise: Raise) -> ! {
    let task = record.as_ptr();
    // SAFETY: the record is live and this thread's. There is an innermost activation, as its guest code
    // called here; its landing was saved by the frame that waits for it further out.
    unsafe {
        backtrace::walk(task, Origin::Exit);
        (*task).raised = Some(raise);
        (*task).phase = Phase::Running;
        let landing = (*(*task).activation).landing;
        sys::land(landing, sys::RAISED)
    }
}
