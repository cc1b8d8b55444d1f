//! The trait, the handle that passes through it, and its errors.

#![expect(unsafe_code, reason = "memory changes hands here: the trait is unsafe to implement and partly to call")]

use crate::layout::SlotLayout;
use crate::queue::Lack;
use crate::template::Template;
use crate::wait::Waiters;
use core::ops::Range;
use core::ptr::NonNull;
use std::sync::Arc;

/// What an allocator remembers a slot by. Its meaning is the allocator's own: a number, or a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotToken(pub u64);

/// A slot that is in use: the exclusive right to a range of address space.
///
/// Handles are linear: made by [`InstanceAllocator::allocate`], ended by
/// [`InstanceAllocator::release`]. One that is dropped instead leaks its slot, and nothing worse.
#[derive(Debug)]
#[must_use = "a slot that is dropped without being released is lost"]
pub struct Slot {
    base: NonNull<u8>,
    template: Arc<Template>,
    token: SlotToken,
}

// SAFETY: a slot is an exclusive right to plain memory, which any thread may exercise; the fields
// themselves are never written after construction.
unsafe impl Send for Slot {}
// SAFETY: as above; through a shared handle only the base's address and the template can be had.
unsafe impl Sync for Slot {}

impl Slot {
    /// A handle for the slot at `base`; for implementers of [`InstanceAllocator`].
    ///
    /// # Safety
    ///
    /// `base` is the start of a slot of the template's layout in the state that G1 to G4 of the trait
    /// describe, and no other handle for any byte of it exists.
    pub unsafe fn new(base: NonNull<u8>, template: Arc<Template>, token: SlotToken) -> Slot {
        Slot { base, template, token }
    }

    /// Address of the first byte.
    pub fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// What it was made from.
    pub fn template(&self) -> &Arc<Template> {
        &self.template
    }

    /// Ends the handle without releasing the slot, and gives back the reference to the template that
    /// [`Slot::new`] took; for implementers of [`InstanceAllocator`].
    pub fn into_template(self) -> Arc<Template> {
        self.template
    }

    /// Its layout.
    pub fn layout(&self) -> &SlotLayout {
        self.template.layout()
    }

    /// What its allocator remembers it by.
    pub fn token(&self) -> SlotToken {
        self.token
    }

    /// The offset of an address inside the slot.
    pub fn offset_of(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.base.as_ptr() as usize)?;
        (offset < self.layout().bytes()).then_some(offset)
    }
}

/// Makes slots from templates and takes them back.
///
/// # Safety
///
/// Who implements the trait guarantees, for every slot from [`allocate`](Self::allocate) until its
/// [`release`](Self::release):
///
/// * **G1 (place).** The range of `layout().bytes()` bytes from `base` is mapped, page aligned, and
///   belongs to this slot alone. It neither moves nor shrinks.
/// * **G2 (contents).** Volatile regions are zero at first. The accessible part of an image region holds the
///   template's bytes, zero where no run lies. Bytes that become accessible by growth are zero. Nothing
///   written through an earlier slot, or an earlier use of this one, can be observed.
/// * **G3 (protection).** Accessible parts of volatile regions are readable and writable. Accessible parts of
///   image regions are readable, and each page is writable or write-protected; a protected one becomes
///   writable by [`prepare_write`](Self::prepare_write) or [`write_fault`](Self::write_fault), and stays so.
///   No page is executable.
/// * **G4 (guards).** Every other byte of the slot faults on every access, but for tails that
///   [`Tails::Keep`](crate::Tails::Keep) allows to stay: those are zero and may be accessible.
/// * **G5 (faults).** `write_fault` answers [`FaultVerdict::Retry`] only if the page of that address lies in
///   the accessible part of an image region and now is writable. It is async-signal-safe: it takes
///   no lock, allocates nothing, and does nothing but atomic operations and system calls that are safe in a
///   signal handler.
/// * **G6 (errors).** A method that fails leaves the slot as it was, or with pages writable that were
///   protected; it never leaves a part mapped, accessible or counted that was not before.
/// * **G7 (copies).** Bytes of the accessible part of an image region that lie outside of what
///   [`touched`](Self::touched) gives are as G2 says, whatever was written since.
///
/// The allocator is told nothing about threads: slots may be allocated, used and released on any thread, and
/// its methods may run at the same time for different slots.
///
/// # Duties of the callers
///
/// * **C1 (origin).** A slot is only given to the allocator that made it.
/// * **C2 (one at a time).** `grow`, `prepare_write`, `write_fault` and `release` of one slot do not run at
///   the same time, with one exception: `write_fault` may interrupt `prepare_write` of the same slot on the
///   same thread.
/// * **C3 (quiet at release).** When a slot is released nothing points into it any more: no reference, no
///   running guest, no system call.
/// * **C4 (no unprepared writes by the kernel).** A range is given to a system call for writing only
///   after it was prepared. Plain stores to a protected page fault, and whoever executes them must route the fault
///   to `write_fault`.
/// * **C5 (pages taken away).** Whoever has a slot may change the protection of pages of its volatile regions. When it is
///   released they are readable and writable, as they were.
pub unsafe trait InstanceAllocator: Send + Sync + 'static {
    /// Whether slots of this layout can ever be allocated, asked before anything is compiled for it.
    ///
    /// # Errors
    ///
    /// What the layout needs and what the limit is.
    fn validate(&self, layout: &SlotLayout) -> Result<(), LayoutRefused>;

    /// The allocator's say in how code is compiled that will run in its slots.
    fn tune(&self, tuning: &mut Tuning) {
        let _ = tuning;
    }

    /// A slot in the template's initial state (G1 to G4).
    ///
    /// # Errors
    ///
    /// [`AllocateError::Exhausted`] when there is none until another is released; nothing changed (G6).
    fn allocate(&self, template: &Arc<Template>) -> Result<Slot, AllocateError>;

    /// Makes the first `accessible` bytes of a region accessible; a length that already is, is no change.
    ///
    /// # Safety
    ///
    /// C1 and C2.
    ///
    /// # Errors
    ///
    /// When the region cannot grow that far or the kernel refuses; the accessible part is as before (G6).
    unsafe fn grow(&self, slot: &mut Slot, region: usize, accessible: usize) -> Result<(), GrowError>;

    /// Makes a range of the slot writable, page by page; afterwards the host may write it. Cheap when it
    /// already is. An empty range inside an accessible part, or at its end, always is.
    ///
    /// Gives a range that contains this one, is accessible, and is writable until the slot is released (G3), so that who asks
    /// often can remember it: as large as the allocator knows without a search.
    ///
    /// # Safety
    ///
    /// C1 and C2.
    ///
    /// # Errors
    ///
    /// When a byte of the range is not accessible, or the kernel refuses.
    unsafe fn prepare_write(&self, slot: &Slot, range: Range<usize>) -> Result<Range<usize>, PrepareError>;

    /// Whether a write fault at this address was the protection's, in which case the page now is
    /// writable and the instruction can be retried. Called from signal handlers (G5).
    ///
    /// # Safety
    ///
    /// C1 and C2.
    unsafe fn write_fault(&self, slot: &Slot, address: usize) -> FaultVerdict;

    /// Takes a slot back.
    ///
    /// # Safety
    ///
    /// C1, C2 and C3.
    unsafe fn release(&self, slot: Slot);

    /// Those who wait for a slot, whom the allocator calls when one was released. `None` where it cannot tell: then
    /// nobody can wait.
    fn waiters(&self) -> Option<&Waiters> {
        None
    }

    /// Where a range of the slot, inside the accessible part of an image region, may differ from the template: ranges of
    /// whole pages, ascending and disjoint. May give too much, and never too little (G7); all of it, where nothing is known.
    ///
    /// Who copies a slot asks, so that what nobody touched costs nothing.
    fn touched(&self, slot: &Slot, range: Range<usize>) -> Vec<Range<usize>> {
        let _ = slot;
        vec![range]
    }

    /// What uses of a template's slots were found to do: for [`Hints`](crate::Hints) of a template with the same
    /// layout, in this process or a later one. Nothing, where it is not learned.
    fn learned(&self, template: &Arc<Template>) -> Learned {
        let _ = template;
        Learned::default()
    }
}

/// What uses of a template's slots do, as ranges of the slot; ascending and disjoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learned {
    /// What they write, in whole pages.
    pub written: Vec<Range<usize>>,
    /// What they make accessible by growth.
    pub grown: Vec<Range<usize>>,
}

/// How code is to be compiled, as far as allocators care. In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Address space reserved for each memory that can grow.
    pub reservation: usize,
    /// Inaccessible bytes behind each.
    pub guard: usize,
    /// Whether code compares addresses with lengths instead of relying on guards.
    pub explicit_bounds: bool,
    /// Whether it does so where it grows memories, so that [`Tails::Keep`](crate::Tails::Keep) holds for them.
    pub explicit_growth: bool,
}

/// What became of a write fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultVerdict {
    /// The page is writable now: execute the instruction again.
    Retry,
    /// The fault is not about write protection: it is the guest's, or a bug's.
    Refused,
    /// It is about write protection, but the system does not let the page be opened: whoever writes there must
    /// stop.
    Failed,
}

/// Why slots of a layout can never be allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutRefused {
    /// The slot is too large.
    #[error("a slot of {needed} bytes is needed, guards included, and this allocator gives at most {limit}")]
    Slot {
        /// Bytes the layout needs.
        needed: usize,
        /// Bytes there can be.
        limit: usize,
    },
    /// The accessible parts are too large.
    #[error("{needed} bytes must be accessible from the start, and this allocator gives at most {limit}")]
    Accessible {
        /// Bytes the layout needs.
        needed: usize,
        /// Bytes there can be.
        limit: usize,
    },
    /// There are too many regions.
    #[error("{needed} regions are needed, and this allocator has slots with at most {limit}")]
    Regions {
        /// Regions of the layout.
        needed: usize,
        /// Regions there can be.
        limit: usize,
    },
}

/// Why there is no slot.
#[derive(Debug, thiserror::Error)]
pub enum AllocateError {
    /// All slots are in use: release one and try again.
    #[error("all {limit} slots are in use")]
    Exhausted {
        /// How many there are.
        limit: usize,
    },
    /// The slots in use may make all the memory resident that there may be: release one and try again.
    #[error("the slots in use may fill all {limit} bytes that may be resident")]
    Memory {
        /// How many bytes there may be.
        limit: usize,
    },
    /// No slot of this layout can ever be allocated.
    #[error(transparent)]
    Layout(#[from] LayoutRefused),
    /// The kernel refused.
    #[error("cannot allocate a slot: {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

impl AllocateError {
    /// Whether there may be a slot when another was released.
    pub fn passes(&self) -> bool {
        Lack::of(self).is_some()
    }
}

/// Why a region did not grow.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// The slot has no such region, or it is not one that can grow this way.
    #[error("there is no region {region} to grow")]
    Region {
        /// The number asked for.
        region: usize,
    },
    /// Beyond the region's limit.
    #[error("a region that can grow to {limit} bytes cannot grow to {wanted}")]
    Limit {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes there can be.
        limit: usize,
    },
    /// No whole number of pages.
    #[error("{wanted} bytes are not a whole number of pages")]
    Unaligned {
        /// Bytes asked for.
        wanted: usize,
    },
    /// All slots together may not make more memory resident.
    #[error("the slots in use may fill all {limit} bytes that may be resident")]
    Memory {
        /// How many bytes there may be.
        limit: usize,
    },
    /// The kernel refused.
    #[error("cannot grow a region: {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// Why a range was not made writable.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// Some byte of it is not accessible.
    #[error("bytes {start:#x}..{end:#x} of the slot are not all accessible")]
    OutOfRange {
        /// First byte asked for.
        start: usize,
        /// One past the last byte asked for.
        end: usize,
    },
    /// The kernel refused.
    #[error("cannot make pages writable: {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
}
