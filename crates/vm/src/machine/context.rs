//! What a fault in guest code is judged by.

#![expect(unsafe_code, reason = "the slot is known by address, as its owner must be able to grow it")]

use crate::poll::Poll;
use hatchery_alloc::PAGE;
use hatchery_alloc::{FaultVerdict, InstanceAllocator, Slot};
use hatchery_image::Image;
use hatchery_image::abi::HEADER_BYTES;
use std::ptr::NonNull;
use std::sync::Arc;

/// The image whose code runs, and who protects the pages of its slots: the same for all instances.
pub(crate) struct Program {
    pub(crate) image: Arc<Image>,
    pub(crate) allocator: Arc<dyn InstanceAllocator>,
}

/// A program and the slot it runs in. One per instance, at a stable address: activations and the signal handler
/// refer to it. It owns neither, so that making an instance shares no counter with other threads.
pub(crate) struct GuestContext {
    program: NonNull<Program>,
    slot: *const Slot,
}

// SAFETY: what the pointers lead to is shared, or only used while guest code of this context runs, on the thread
// that runs it; `new` makes the owner promise that it is there then.
unsafe impl Send for GuestContext {}

impl GuestContext {
    /// A context for guest code of `program` in `*slot`, which the program's allocator made.
    ///
    /// # Safety
    ///
    /// `program` lives at least as long as the context. While an activation of it exists, `*slot` stays where it is, is
    /// not released, and is not used mutably while guest code runs.
    pub(crate) unsafe fn new(program: &Program, slot: *const Slot) -> GuestContext {
        GuestContext { program: NonNull::from(program), slot }
    }

    fn program(&self) -> &Program {
        // SAFETY: the promise of `new`.
        unsafe { self.program.as_ref() }
    }

    /// The image whose code runs.
    pub(crate) fn image(&self) -> &Arc<Image> {
        &self.program().image
    }

    /// Whether an address is in the slot.
    ///
    /// # Safety
    ///
    /// Guest code of this context is what the thread was executing.
    pub(super) unsafe fn owns(&self, address: usize) -> bool {
        // SAFETY: the promise of `new`; guest code runs, so the slot is there and not borrowed mutably.
        unsafe { &*self.slot }.offset_of(address).is_some()
    }

    /// The slot's poll page, if the address is in it.
    ///
    /// # Safety
    ///
    /// As for [`owns`](Self::owns).
    pub(super) unsafe fn poll(&self, address: usize) -> Option<Poll> {
        // SAFETY: as in `owns`.
        let slot = unsafe { &*self.slot };
        let page = (self.image().layout().vmctx as usize).checked_sub(HEADER_BYTES)?;
        let polled = slot.offset_of(address).is_some_and(|offset| (page..page + PAGE).contains(&offset));
        // SAFETY: the header follows the page, and stays while guest code of the slot runs.
        polled.then(|| unsafe { Poll::new(slot.base().add(page)) })
    }

    /// What becomes of a write fault of the guest.
    ///
    /// # Safety
    ///
    /// As for [`owns`](Self::owns).
    pub(super) unsafe fn open(&self, address: usize) -> FaultVerdict {
        // SAFETY: as in `owns`. The slot is this allocator's (C1), and as the guest was interrupted
        // nothing else of the slot's owner runs (C2).
        unsafe { self.program().allocator.write_fault(&*self.slot, address) }
    }
}
