//! An allocator written as a third party would: outside of the crate that defines the trait, with nothing
//! but its public items.
//!
//! This crate never knows WebAssembly, nor anything of Hatchery but `hatchery-alloc`. It exists as proof
//! and as example; `hatchery-alloc`'s own implementation, and the pool, are what servers want.
//!
//! [`Recycler`] keeps the mappings of released slots, per template, and gives their pages back to the kernel
//! with `madvise`: the next slot of that template needs no new mapping.
//!
//! ```text
//!  mapping        base = slot base                                      base + layout.bytes()
//!  +--------------+-----------------------------------------------------+
//!  | book page:   | the slot                                            |
//!  | bytes        |                                                     |
//!  | accessible,  |                                                     |
//!  | per region   |                                                     |
//!  +--------------+-----------------------------------------------------+
//! ```

#![expect(unsafe_code, reason = "implements the allocator trait on raw mappings")]

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use hatchery_alloc::{
    AllocateError, FaultVerdict, GrowError, InstanceAllocator, LayoutRefused, PAGE, PrepareError, Slot, SlotLayout,
    SlotToken, Template, TemplateId,
};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Regions whose lengths fit the book page.
const MAX_REGIONS: usize = PAGE / size_of::<usize>();

/// Keeps and reuses the mappings of released slots.
#[derive(Debug)]
pub struct Recycler {
    keep: usize,
    shelves: Mutex<Shelves>,
    reused: AtomicUsize,
}

/// Mappings of released slots, clean, by the template they show.
#[derive(Debug, Default)]
struct Shelves {
    kept: usize,
    by_template: HashMap<TemplateId, Vec<Mapping>>,
}

impl Recycler {
    /// An allocator that keeps the mappings of at most `keep` released slots.
    pub fn new(keep: usize) -> Recycler {
        Recycler { keep, shelves: Mutex::default(), reused: AtomicUsize::new(0) }
    }

    /// How many slots were made from kept mappings so far.
    pub fn reused(&self) -> usize {
        // Relaxed: a statistic.
        self.reused.load(Ordering::Relaxed)
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        // Nothing under the lock can panic halfway through a change.
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, template: TemplateId) -> Option<Mapping> {
        let mut shelves = self.shelves();
        let mapping = shelves.by_template.get_mut(&template)?.pop()?;
        shelves.kept -= 1;
        self.reused.fetch_add(1, Ordering::Relaxed);
        Some(mapping)
    }

    fn put(&self, template: TemplateId, mapping: Mapping) {
        let mut shelves = self.shelves();
        if shelves.kept < self.keep {
            shelves.kept += 1;
            shelves.by_template.entry(template).or_default().push(mapping);
        }
    }
}

/// A mapped slot with its book page.
///
/// Invariant: `start` is the first byte of a mapping of `PAGE + layout.bytes()` bytes that is ours, whose first
/// page is readable and writable and holds one `AtomicUsize` for each region.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    slot_bytes: usize,
}

// SAFETY: address space, and words that are only accessed atomically; any thread may use them.
unsafe impl Send for Mapping {}

impl Mapping {
    /// A slot in the template's state. Dropping an unfinished one unmaps it, so a failure leaves nothing.
    fn new(template: &Template) -> io::Result<Mapping> {
        let slot_bytes = template.layout().bytes();
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        let bytes = PAGE.checked_add(slot_bytes).ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no existing memory.
        let start = unsafe { rustix::mm::mmap_anonymous(core::ptr::null_mut(), bytes, ProtFlags::empty(), flags) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let mapping = Mapping { start, slot_bytes };
        mapping.protect_raw(0..PAGE, MprotectFlags::READ | MprotectFlags::WRITE)?;
        for (i, region) in template.layout().regions().iter().enumerate() {
            mapping.protect(region.accessible_range(), MprotectFlags::READ | MprotectFlags::WRITE)?;
            mapping.book(i).store(region.accessible, Ordering::Relaxed);
        }
        mapping.show(template)?;
        Ok(mapping)
    }

    /// Maps the template's contents over the anonymous pages.
    fn show(&self, template: &Template) -> io::Result<()> {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        for piece in template.pieces() {
            let file = template.file().ok_or(io::ErrorKind::NotFound)?;
            let at = self.base().as_ptr().wrapping_add(piece.slot_offset).cast();
            // SAFETY: pieces lie inside the slot, so only our own pages are replaced.
            unsafe {
                rustix::mm::mmap(at, piece.len, ProtFlags::READ | ProtFlags::WRITE, flags, file, piece.file_offset)
            }?;
        }
        Ok(())
    }

    /// Back to the template's state: written pages return to the kernel, tails become inaccessible.
    fn clean(&self, layout: &SlotLayout) -> io::Result<()> {
        for (i, region) in layout.regions().iter().enumerate() {
            let accessible = self.book(i).load(Ordering::Relaxed);
            if accessible > 0 {
                let at = self.base().as_ptr().wrapping_add(region.offset).cast();
                // SAFETY: the accessible part is ours and nobody refers to it (C3). Its pages are private:
                // of the file, which show it again, or anonymous, which become zero.
                unsafe { rustix::mm::madvise(at, accessible, Advice::LinuxDontNeed) }?;
            }
            self.protect(region.accessible_range().end..region.offset + accessible, MprotectFlags::empty())?;
            self.book(i).store(region.accessible, Ordering::Relaxed);
        }
        Ok(())
    }

    fn base(&self) -> NonNull<u8> {
        // SAFETY: the slot follows the book page in the same mapping.
        unsafe { self.start.add(PAGE) }
    }

    /// How much of a region is accessible.
    fn book(&self, region: usize) -> &AtomicUsize {
        assert!(region < MAX_REGIONS);
        // SAFETY: the word is in the book page, aligned, and only accessed atomically.
        unsafe { self.start.cast::<AtomicUsize>().add(region).as_ref() }
    }

    fn protect(&self, range: Range<usize>, flags: MprotectFlags) -> io::Result<()> {
        self.protect_raw(range.start + PAGE..range.end + PAGE, flags)
    }

    fn protect_raw(&self, range: Range<usize>, flags: MprotectFlags) -> io::Result<()> {
        assert!(range.start <= range.end && range.end <= PAGE + self.slot_bytes);
        if range.is_empty() {
            return Ok(());
        }
        // SAFETY: the range is inside our mapping (asserted), and nobody holds a reference to the pages
        // that become inaccessible, which happens at release only (C3).
        unsafe { rustix::mm::mprotect(self.start.as_ptr().wrapping_add(range.start).cast(), range.len(), flags) }?;
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours by the invariant, and its owner gave it up.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast(), PAGE + self.slot_bytes) };
    }
}

/// The mapping behind a slot, borrowed from the handle that owns it.
///
/// # Safety
///
/// C1 of the trait. Whoever calls this must not drop the mapping unless it is releasing the slot.
unsafe fn mapping_of(slot: &Slot) -> core::mem::ManuallyDrop<Mapping> {
    // SAFETY: by C1 the slot was made by `allocate`, which put its base behind a book page.
    let start = unsafe { slot.base().sub(PAGE) };
    core::mem::ManuallyDrop::new(Mapping { start, slot_bytes: slot.layout().bytes() })
}

// SAFETY: G1, G4: a slot is a mapping of its own, inaccessible but for accessible parts. G2: fresh pages, or
// pages cleaned by `madvise` under the same template, tails inaccessible again. G3: accessible parts are always
// writable. G5: `write_fault` never says to retry. G6: a mapping that is not finished or not clean is unmapped.
unsafe impl InstanceAllocator for Recycler {
    fn validate(&self, layout: &SlotLayout) -> Result<(), LayoutRefused> {
        let needed = layout.regions().len();
        if needed > MAX_REGIONS {
            return Err(LayoutRefused::Regions { needed, limit: MAX_REGIONS });
        }
        Ok(())
    }

    fn allocate(&self, template: &Arc<Template>) -> Result<Slot, AllocateError> {
        self.validate(template.layout())?;
        let mapping = match self.take(template.id()) {
            Some(mapping) => mapping,
            None => {
                Mapping::new(template).map_err(|source| AllocateError::System { step: "mapping a slot", source })?
            }
        };
        let base = core::mem::ManuallyDrop::new(mapping).base();
        // SAFETY: the mapping is new or clean, and only this handle knows of it.
        Ok(unsafe { Slot::new(base, template.clone(), SlotToken(0)) })
    }

    unsafe fn grow(&self, slot: &mut Slot, region: usize, accessible: usize) -> Result<(), GrowError> {
        let r = *slot.layout().regions().get(region).ok_or(GrowError::Region { region })?;
        if accessible > r.limit {
            return Err(GrowError::Limit { wanted: accessible, limit: r.limit });
        }
        if !accessible.is_multiple_of(PAGE) {
            return Err(GrowError::Unaligned { wanted: accessible });
        }
        // SAFETY: C1, and the mapping is not dropped.
        let mapping = unsafe { mapping_of(slot) };
        let now = mapping.book(region).load(Ordering::Relaxed);
        if accessible > now {
            let tail = r.offset + now..r.offset + accessible;
            let grown = mapping.protect(tail, MprotectFlags::READ | MprotectFlags::WRITE);
            grown.map_err(|source| GrowError::System { step: "mprotect", source })?;
            mapping.book(region).store(accessible, Ordering::Relaxed);
        }
        Ok(())
    }

    unsafe fn prepare_write(&self, slot: &Slot, range: Range<usize>) -> Result<Range<usize>, PrepareError> {
        // SAFETY: C1, and the mapping is not dropped.
        let mapping = unsafe { mapping_of(slot) };
        let mut accessible = slot.layout().regions().iter().enumerate().map(|(i, region)| {
            let end = region.offset + mapping.book(i).load(Ordering::Relaxed);
            region.offset..end
        });
        // Nothing is ever protected here, so all that is accessible can be written.
        accessible
            .find(|part| part.start <= range.start && range.start <= range.end && range.end <= part.end)
            .ok_or(PrepareError::OutOfRange { start: range.start, end: range.end })
    }

    unsafe fn write_fault(&self, _slot: &Slot, _address: usize) -> FaultVerdict {
        FaultVerdict::Refused
    }

    unsafe fn release(&self, slot: Slot) {
        // SAFETY: C1; the handle ends here, so the mapping is ours again.
        let mapping = core::mem::ManuallyDrop::into_inner(unsafe { mapping_of(&slot) });
        if mapping.clean(slot.layout()).is_ok() {
            self.put(slot.template().id(), mapping);
        }
    }
}
