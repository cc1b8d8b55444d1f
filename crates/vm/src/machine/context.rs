//! What a fault in guest code is judged by.

#![expect(unsafe_code, reason = "the slot is known by address, as its owner must be able to grow it")]

use hatchery_alloc::{FaultVerdict, InstanceAllocator, Slot};
use hatchery_image::Image;
use std::sync::Arc;

/// The image whose code runs, the slot it runs in, and who protects the slot's pages. One per
/// instance, at a stable address: activations and the signal handler refer to it.
pub(crate) struct GuestContext {
    image: Arc<Image>,
    allocator: Arc<dyn InstanceAllocator>,
    slot: *const Slot,
}

// SAFETY: the pointer is only followed while guest code of this context runs, on the thread that runs
// it; `new` makes the owner promise that the slot is there then.
unsafe impl Send for GuestContext {}

impl GuestContext {
    /// A context for guest code of `image` in `*slot`, which `allocator` made.
    ///
    /// # Safety
    ///
    /// While an activation of this context exists, `*slot` stays where it is, is not released, and is not
    /// used mutably while guest code runs.
    pub(crate) unsafe fn new(
        image: Arc<Image>,
        allocator: Arc<dyn InstanceAllocator>,
        slot: *const Slot,
    ) -> GuestContext {
        GuestContext { image, allocator, slot }
    }

    /// The image whose code runs.
    pub(crate) fn image(&self) -> &Arc<Image> {
        &self.image
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

    /// Whether a write fault of the guest was the protection's, and the page is open now.
    ///
    /// # Safety
    ///
    /// As for [`owns`](Self::owns).
    pub(super) unsafe fn opens(&self, address: usize) -> bool {
        // SAFETY: as in `owns`. The slot is this allocator's (C1), and as the guest was interrupted
        // nothing else of the slot's owner runs (C2).
        let verdict = unsafe { self.allocator.write_fault(&*self.slot, address) };
        verdict == FaultVerdict::Retry
    }
}
