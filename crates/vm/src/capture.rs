//! An instance's bytes, to make an image of.

#![expect(unsafe_code, reason = "reads the state of a slot as bytes")]

use crate::access::Access;
use crate::instance::Inner;
use core::ops::Range;
use core::{iter, slice};
use hatchery_image::{MemoryId, MemoryPlace};

/// Bytes of the slot that are in one part.
const PART: u64 = 64 << 20;

impl<T> Access<'_, T> {
    /// Whether no call is active or suspended.
    pub fn is_idle(&self) -> bool {
        self.inner().is_idle()
    }

    /// How many host values the instance was given references to.
    pub fn externrefs(&self) -> usize {
        self.inner().externs.borrow().len()
    }

    /// Everything that makes the instance what it is: the state, and each memory up to its length, a part at a time; bytes,
    /// with their offsets in the slot. What is in no part is zero. Pages that nobody touched are in none, unless the image
    /// has them, so that it costs what was written, and a little for each part. The header is not in it, being of this
    /// process; `None` while a call is active or suspended, part of which is on a stack.
    pub fn capture(&self) -> Option<impl Iterator<Item = Vec<(u64, &[u8])>>> {
        let inner = self.inner();
        if !inner.is_idle() {
            return None;
        }
        let layout = inner.image().layout();
        let memory = |(number, place): (usize, &MemoryPlace)| {
            let length = inner.memory_length(MemoryId(number as u32));
            (layout.vmctx + place.offset, length)
        };
        let regions =
            iter::once((layout.vmctx, layout.state_bytes)).chain(layout.memories.iter().enumerate().map(memory));
        let parts = |(start, length): (u64, u64)| {
            (0..length.div_ceil(PART)).map(move |part| start + part * PART..start + length.min((part + 1) * PART))
        };
        let parts: Vec<Range<u64>> = regions.flat_map(parts).collect();
        // SAFETY: I2, I5: the state is accessible (G3), whole, and so is each memory up to its length. I3: this access is
        // borrowed as long as the slices live, and no call is active, so nobody writes. The interrupt word, which others
        // write, is in the header.
        Some(parts.into_iter().map(move |part| unsafe { inner.contents(part) }))
    }
}

impl Inner {
    /// What a range of the slot contains where the image has contents or something was touched. Ranges may overlap.
    ///
    /// # Safety
    ///
    /// The range is accessible and in one region of the image's. While the slices live, nobody writes it.
    unsafe fn contents(&self, range: Range<u64>) -> Vec<(u64, &[u8])> {
        let touched = self.prepared.allocator.touched(self.slot(), range.start as usize..range.end as usize);
        let touched = touched.into_iter().map(|touched| touched.start as u64..touched.end as u64);
        let stored = self.image().pages().runs().iter().map(|run| run.slot_offset..run.slot_offset + run.length);
        let inside = stored.chain(touched).filter_map(|part| {
            let (start, end) = (part.start.max(range.start), part.end.min(range.end));
            (start < end).then(|| (start, (end - start) as usize))
        });
        let vmctx = self.image().layout().vmctx;
        // SAFETY: promised.
        inside
            .map(|(start, length)| (start, unsafe { slice::from_raw_parts(self.at(start - vmctx), length) }))
            .collect()
    }
}
