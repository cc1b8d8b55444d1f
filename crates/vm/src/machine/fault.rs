//! What a fault means: the guest's trap, a page to open, or somebody else's business.

#![expect(unsafe_code, reason = "follows the task's activation while guest code is interrupted")]

use super::backtrace::{self, Origin};
use super::context::GuestContext;
use super::task::TaskRecord;
use super::x86_64::{self as sys, Interrupted};
use crate::poll::Polled;
use hatchery_alloc::FaultVerdict;
use hatchery_image::TrapCode;
use hatchery_image::artifact::withdraw_at;

/// What a signal ended the guest's code for, for the landing to pick up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// Why it ended.
    pub(super) end: End,
    /// The address whose access faulted, where it was a page fault.
    pub(super) address: Option<usize>,
}

/// Why a signal ended the guest's code.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// It trapped.
    Trap(TrapCode),
    /// The image was withdrawn.
    Withdrawn,
    /// The system did not let a page be accessed that the guest may access.
    Unwritable,
}

impl Fault {
    pub(super) const NONE: Fault = Fault { end: End::Withdrawn, address: None };
}

/// What a signal says, apart from registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The page at this address does not allow the access.
    Page(usize),
    /// A privileged instruction, an address that is none, or a signal for which the stack had no room: the
    /// kernel does not tell which.
    Protection,
    /// Arithmetic or an undefined instruction.
    Instruction,
    /// The page at this address was mapped from a file that has become shorter.
    Lost(usize),
}

impl Cause {
    fn address(self) -> Option<usize> {
        match self {
            Cause::Page(address) | Cause::Lost(address) => Some(address),
            Cause::Protection | Cause::Instruction => None,
        }
    }
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The instruction can be executed again.
    Retry,
    /// The registers are those of a landing: return from the handler.
    Landed,
    /// Host code has used up a guest stack.
    HostOverflow,
    /// Not about guest code.
    Foreign,
}

/// Bytes above the guard in which a stack pointer leaves no room for the kernel to deliver a signal: its frame,
/// the largest extended state there is included.
const SIGNAL_FRAME: usize = 16 << 10;
/// A failed bounds check under speculation guards accesses address 0.
const NULL_PAGE: usize = 4096;

/// Judges a fault without a guest: host code that reads an image's maps goes on, and finds zeros.
pub(super) fn judge_host(cause: Cause) -> Verdict {
    match cause {
        Cause::Lost(address) if withdraw_at(address) => Verdict::Retry,
        _ => Verdict::Foreign,
    }
}

/// Judges a fault, and changes the registers if it is a trap.
///
/// # Safety
///
/// Called by a signal handler on the thread that the fault interrupted; `task` is its current task.
pub(super) unsafe fn judge(task: *mut TaskRecord, cause: Cause, at: &mut Interrupted<'_>) -> Verdict {
    // SAFETY: a current task's record is live, and an activation that is in its chain as well. While the pc is
    // in the guest's text nothing borrows them; otherwise they are only read.
    let Some((guest, landing)) = (unsafe { (*task).activation.as_ref() }).map(|a| (a.guest, a.landing)) else {
        return judge_host(cause);
    };
    // SAFETY: so is the activation's context.
    let guest = unsafe { &*guest };
    // SAFETY: the record is live.
    let record = unsafe { &*task };
    let Some(offset) = guest.image().text().offset_of(at.pc()) else {
        return match cause {
            Cause::Page(address) if record.guards(address) => Verdict::HostOverflow,
            cause => judge_host(cause),
        };
    };
    // SAFETY: code of this guest is what was interrupted.
    let (end, address) = match unsafe { judge_guest(record, guest, offset, cause, at) } {
        Judgement::Open => return Verdict::Retry,
        Judgement::Bug => return Verdict::Foreign,
        Judgement::Trap(code) => (End::Trap(code), cause.address()),
        Judgement::Stop(code) => (End::Trap(code), None),
        Judgement::Withdrawn => (End::Withdrawn, cause.address()),
        Judgement::Stuck => (End::Unwritable, cause.address()),
    };
    let (pc, sp, fp) = (at.pc(), at.sp(), at.fp());
    // SAFETY: as above; the walk wants the contexts of all activations live, which they are in the chain.
    unsafe {
        (*task).fault = Fault { end, address };
        (*task).overflowed |= matches!(end, End::Trap(TrapCode::StackOverflow));
        backtrace::walk(task, Origin::Fault { pc, sp, fp });
    }
    at.land(landing, sys::FAULTED);
    Verdict::Landed
}

/// What a fault of guest code is.
enum Judgement {
    Trap(TrapCode),
    /// Somebody asked for it.
    Stop(TrapCode),
    /// The page is open now.
    Open,
    /// The image has lost code, contents or the maps to judge by.
    Withdrawn,
    /// The page cannot be opened.
    Stuck,
    /// Compiled code did what it never should.
    Bug,
}

/// # Safety
///
/// The interrupted instruction is code of this guest, at `offset`, on this record's stack.
unsafe fn judge_guest(
    record: &TaskRecord,
    guest: &GuestContext,
    offset: u32,
    cause: Cause,
    at: &Interrupted<'_>,
) -> Judgement {
    let mapped = || guest.image().traps().find(offset).map_or(Judgement::Bug, Judgement::Trap);
    let judgement = match cause {
        Cause::Instruction => mapped(),
        Cause::Page(address) if record.guards(address) => Judgement::Trap(TrapCode::StackOverflow),
        // SAFETY: code of this guest was interrupted, so that its slot may be asked.
        Cause::Page(address) => match unsafe { (guest.owns(address), at.was_write()) } {
            // SAFETY: as above.
            (true, true) => match unsafe { guest.open(address) } {
                FaultVerdict::Retry => Judgement::Open,
                FaultVerdict::Refused => mapped(),
                FaultVerdict::Failed => Judgement::Stuck,
            },
            // SAFETY: as above.
            (true, false) => match unsafe { guest.poll(address) }.map(|poll| poll.judge_fault()) {
                Some(Polled::Stop(code)) => Judgement::Stop(code),
                Some(Polled::GoOn) => Judgement::Open,
                Some(Polled::Stuck) => Judgement::Stuck,
                None => mapped(),
            },
            (false, _) if address < NULL_PAGE => mapped(),
            // An access that left the slot is no trap, whatever the map says.
            (false, _) => Judgement::Bug,
        },
        Cause::Protection if guest.image().text().bytes()[offset as usize] == sys::HALT => mapped(),
        // A signal of the host's for which there was no room on the guest's stack.
        Cause::Protection if at.sp().wrapping_sub(record.lowest) < SIGNAL_FRAME => {
            Judgement::Trap(TrapCode::StackOverflow)
        }
        Cause::Protection => Judgement::Bug,
        Cause::Lost(address) => {
            // SAFETY: as above.
            if withdraw_at(address) || unsafe { guest.owns(address) } {
                guest.image().withdraw();
            }
            Judgement::Bug
        }
    };
    // Whatever it looked like: code that was lost faults again, and maps that were lost say anything.
    if guest.image().is_withdrawn() { Judgement::Withdrawn } else { judgement }
}
