//! An instance's bytes, to make an image of.

#![expect(unsafe_code, reason = "reads the state of a slot as bytes")]

use crate::access::Access;
use hatchery_image::MemoryId;

impl<T> Access<'_, T> {
    /// Whether no call is active or suspended.
    pub fn is_idle(&self) -> bool {
        self.inner().is_idle()
    }

    /// How many host values the instance was given references to.
    pub fn externrefs(&self) -> usize {
        self.inner().externs.borrow().len()
    }

    /// Everything that makes the instance what it is: the state, and each memory up to its length, with their
    /// offsets in the slot. The header is not in it, being of this process; `None` while a call is active
    /// or suspended, part of which is on a stack.
    pub fn capture(&self) -> Option<impl Iterator<Item = (u64, &[u8])>> {
        let inner = self.inner();
        if !inner.is_idle() {
            return None;
        }
        let layout = inner.image().layout();
        // SAFETY: I2: the state is accessible (G3), whole. I3: this access is borrowed as long as the slice lives, and
        // no call is active, so nobody writes. The interrupt word, which others write, is in the header.
        let state = unsafe { core::slice::from_raw_parts(inner.at(0).cast_const(), layout.state_bytes as usize) };
        let memory = move |(number, place): (usize, &hatchery_image::MemoryPlace)| {
            // SAFETY: I4: as for the state.
            let bytes = unsafe { inner.memory_bytes(MemoryId(number as u32)) };
            (layout.vmctx + place.offset, bytes)
        };
        Some(core::iter::once((layout.vmctx, state)).chain(layout.memories.iter().enumerate().map(memory)))
    }
}
