//! The frames on a guest's stack, by their frame pointers.

#![expect(unsafe_code, reason = "reads frame pointers off a guest stack")]

use super::context::GuestContext;
use super::task::TaskRecord;

const WORD: usize = size_of::<usize>();

/// What a walk may read.
pub(super) struct Stack {
    lowest: usize,
    top: usize,
}

/// A frame that waits for a call to return.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    /// Where the call returns to, in the guest's text.
    pub(super) pc: usize,
    /// The frame's pointer.
    pub(super) fp: usize,
}

impl Stack {
    /// The stack of a task.
    ///
    /// # Safety
    ///
    /// The record is live and this thread's.
    pub(super) unsafe fn of(task: *const TaskRecord) -> Stack {
        // SAFETY: promised.
        Stack { lowest: unsafe { (*task).lowest }, top: task as usize }
    }

    /// The callers of the frame with this pointer, innermost first, for as long as they are in the guest's text. Each
    /// frame is higher than the one before, so this ends.
    pub(super) fn callers(&self, guest: &GuestContext, fp: usize) -> impl Iterator<Item = Caller> {
        let mut next = Some(fp);
        core::iter::from_fn(move || {
            let at = next?;
            let caller = Caller { pc: self.word(at.wrapping_add(WORD))?, fp: self.word(at)? };
            next = (caller.fp > at).then_some(caller.fp);
            in_text(guest, caller.pc).then_some(caller)
        })
    }

    /// The word at an address, if that is of the stack.
    pub(super) fn word(&self, address: usize) -> Option<usize> {
        let inside = address >= self.lowest && address.checked_add(WORD)? <= self.top;
        // SAFETY: the word lies between the lowest accessible byte and the record, and is aligned. Guest
        // and host frames wrote it, on this thread; no reference to it is held.
        (inside && address.is_multiple_of(WORD)).then(|| unsafe { (address as *const usize).read_volatile() })
    }

    /// All words from an address on.
    pub(super) fn words(self, from: usize) -> impl Iterator<Item = usize> {
        (from.next_multiple_of(WORD)..self.top).step_by(WORD).map_while(move |address| self.word(address))
    }
}

pub(super) fn in_text(guest: &GuestContext, pc: usize) -> bool {
    guest.image().text().offset_of(pc).is_some()
}
