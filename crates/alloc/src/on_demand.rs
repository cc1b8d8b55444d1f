//! Maps a slot for every allocation and unmaps it at release: the simple reference implementation.

#![expect(unsafe_code, reason = "implements the allocator trait on raw mappings")]

use crate::allocator::{
    AllocateError, FaultVerdict, GrowError, InstanceAllocator, LayoutRefused, PrepareError, Slot, SlotToken, Tuning,
};
use crate::layout::{PAGE, RegionKind, SlotLayout};
use crate::sys::{Access, Reservation};
use crate::template::Template;
use crate::touched::private_pages;
use crate::wait::Waiters;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

/// Whether image pages start write-protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protection {
    /// They are writable from the start; the kernel copies them when they are written.
    #[default]
    Open,
    /// *Strict mode*: every image page starts write-protected and is opened by the first write, a granule
    /// at a time. Slower; it proves that every write of the host is prepared.
    UntilWritten {
        /// Pages opened at a time.
        granule_pages: usize,
    },
}

impl Protection {
    /// Strict mode, page by page.
    pub const STRICT: Protection = Protection::UntilWritten { granule_pages: 1 };
}

/// What an [`OnDemand`] allocator does and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether image pages start write-protected.
    pub protection: Protection,
    /// Most slots in use at a time.
    pub max_live: usize,
    /// Most bytes of a slot, guards included.
    pub max_slot_bytes: usize,
    /// Most bytes accessible when a slot is allocated.
    pub max_accessible_bytes: usize,
    /// Openings of single granules in a region, after which the whole of it is opened: each may cost a
    /// kernel mapping, of which a process has some ten thousands.
    pub max_openings: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            protection: Protection::Open,
            max_live: usize::MAX,
            max_slot_bytes: 1 << 46,
            max_accessible_bytes: 1 << 46,
            max_openings: 2000,
        }
    }
}

/// Maps a slot for every allocation and unmaps it at release.
///
/// Nothing is shared between slots but the count of live ones, so isolation and freshness (G2) are the
/// kernel's: every slot is new address space.
#[derive(Debug, Default)]
pub struct OnDemand {
    options: Options,
    live: Arc<AtomicUsize>,
    waiters: Waiters,
}

impl OnDemand {
    /// An allocator with these options.
    pub fn new(options: Options) -> OnDemand {
        OnDemand { options, ..OnDemand::default() }
    }

    /// An allocator in strict mode.
    pub fn strict() -> OnDemand {
        OnDemand::new(Options { protection: Protection::STRICT, ..Options::default() })
    }

    /// Slots in use.
    pub fn live(&self) -> usize {
        // Relaxed: a statistic.
        self.live.load(Ordering::Relaxed)
    }

    /// The state behind a slot's token.
    ///
    /// # Safety
    ///
    /// C1 of the trait; the slot is not released while the reference lives.
    unsafe fn state<'a>(&self, slot: &'a Slot) -> &'a SlotState {
        // SAFETY: by C1 the token is the pointer that `allocate` got from `Box::into_raw`, and only
        // `release` frees it. Nothing ever refers to the state mutably before that.
        unsafe { &*(slot.token().0 as *const SlotState) }
    }
}

/// Counts one live slot for as long as it lives.
#[derive(Debug)]
struct Live(Arc<AtomicUsize>);

impl Live {
    fn new(live: &Arc<AtomicUsize>, limit: usize) -> Option<Live> {
        // SeqCst, as in `drop`: who waits sees the slot that was released, or is seen by its releaser; see `wait`.
        let counted = live.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < limit).then_some(n + 1));
        counted.ok().map(|_| Live(live.clone()))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What the allocator knows of a slot. Freeing it unmaps the slot and takes it off the count.
///
/// All of it is atomic because a signal handler reads and writes it; relaxed, because that handler runs
/// on the thread that uses the slot (C2), and threads that pass a slot on synchronize themselves.
#[derive(Debug)]
struct SlotState {
    reservation: Reservation,
    regions: Box<[RegionState]>,
    _live: Live,
}

#[derive(Debug)]
struct RegionState {
    offset: usize,
    limit: usize,
    /// Bytes from `offset` that are accessible.
    accessible: AtomicUsize,
    /// Which granules are writable; `None` where all accessible pages are.
    protected: Option<Protected>,
}

/// The write-protected pages of a region in strict mode.
///
/// Invariant: a granule's bit is set only while all its accessible pages are writable. `whole` is set only
/// while all accessible pages of the region are.
#[derive(Debug)]
struct Protected {
    granule: usize,
    bits: Bits,
    openings: AtomicU32,
    max_openings: u32,
    whole: AtomicBool,
}

impl RegionState {
    fn accessible(&self) -> usize {
        self.accessible.load(Ordering::Relaxed)
    }

    /// Whether the range of the slot is inside the accessible part.
    fn contains(&self, range: &Range<usize>) -> bool {
        self.offset <= range.start && range.start <= range.end && range.end <= self.offset + self.accessible()
    }
}

impl Protected {
    fn is_open(&self, granule: usize) -> bool {
        self.whole.load(Ordering::Relaxed) || self.bits.get(granule)
    }

    /// Makes a granule writable, or everything when that was done too often or the kernel has no mapping left.
    /// Async-signal-safe.
    fn open(&self, reservation: &Reservation, region: &RegionState, granule: usize) -> std::io::Result<()> {
        let end = region.accessible();
        let within = granule * self.granule..((granule + 1) * self.granule).min(end);
        let slot = |range: Range<usize>| region.offset + range.start..region.offset + range.end;
        let few = self.openings.fetch_add(1, Ordering::Relaxed) < self.max_openings;
        if few && reservation.protect(slot(within), Access::ReadWrite).is_ok() {
            self.bits.set(granule);
            return Ok(());
        }
        reservation.protect(slot(0..end), Access::ReadWrite)?;
        self.whole.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// A bit set in address space of its own: zero pages cost nothing until a bit in them is set.
#[derive(Debug)]
struct Bits {
    words: Reservation,
    len: usize,
}

impl Bits {
    fn new(len: usize) -> std::io::Result<Bits> {
        let bytes = len.div_ceil(64).max(1) * 8;
        let bytes = bytes.next_multiple_of(PAGE);
        let words = Reservation::new(bytes)?;
        words.protect(0..bytes, Access::ReadWrite)?;
        Ok(Bits { words, len })
    }

    fn word(&self, bit: usize) -> (&AtomicU64, u64) {
        assert!(bit < self.len, "a granule outside its region");
        // SAFETY: `new` mapped a zeroed, writable word for every bit below `len`, and nothing but this
        // method makes references to the words, all of them atomic.
        let word = unsafe { &*self.words.base().as_ptr().cast::<AtomicU64>().add(bit / 64) };
        (word, 1 << (bit % 64))
    }

    fn get(&self, bit: usize) -> bool {
        let (word, mask) = self.word(bit);
        word.load(Ordering::Relaxed) & mask != 0
    }

    fn set(&self, bit: usize) {
        let (word, mask) = self.word(bit);
        word.fetch_or(mask, Ordering::Relaxed);
    }

    fn clear(&self, bit: usize) {
        let (word, mask) = self.word(bit);
        word.fetch_and(!mask, Ordering::Relaxed);
    }
}

/// Maps a slot in its template's state. Whatever fails, dropping what was made undoes it (G6).
fn map(template: &Template, options: &Options, live: Live) -> Result<SlotState, AllocateError> {
    let failed = |step| move |source| AllocateError::System { step, source };
    let layout = template.layout();
    let reservation = Reservation::new(layout.bytes()).map_err(failed("reserving address space"))?;
    let image = match options.protection {
        Protection::Open => Access::ReadWrite,
        Protection::UntilWritten { .. } => Access::Read,
    };
    let mut regions = Vec::with_capacity(layout.regions().len());
    for region in layout.regions() {
        let access = if region.kind == RegionKind::Volatile { Access::ReadWrite } else { image };
        reservation.protect(region.accessible_range(), access).map_err(failed("making a region accessible"))?;
        let protected = match (region.kind, options.protection) {
            (RegionKind::Image, Protection::UntilWritten { granule_pages }) => {
                let granule = granule_pages.max(1).saturating_mul(PAGE);
                let bits = Bits::new(region.limit.div_ceil(granule)).map_err(failed("mapping a page map"))?;
                let (openings, whole) = (AtomicU32::new(0), AtomicBool::new(false));
                Some(Protected { granule, bits, openings, max_openings: options.max_openings, whole })
            }
            _ => None,
        };
        let accessible = AtomicUsize::new(region.accessible);
        regions.push(RegionState { offset: region.offset, limit: region.limit, accessible, protected });
    }
    for piece in template.pieces() {
        let file = template.file().expect("a template with pieces has a file");
        let mapped = reservation.map_file(piece.range(), file, piece.file_offset, image);
        mapped.map_err(failed("mapping the template's contents"))?;
    }
    Ok(SlotState { reservation, regions: regions.into(), _live: live })
}

// SAFETY: G1, G4: a slot is a reservation of its own, inaccessible but for what `map` and `grow` open, unmapped
// only by `release`. G2: its pages are fresh anonymous ones or private mappings of the template's file.
// G3: `map` gives the access; nothing but `open` changes it, to writable. G5: `write_fault` checks kind, accessible part and
// protection, and uses atomics and mprotect alone. G6: `map` undoes by drop; `grow` makes one call, before
// it notes anything. G7: all mappings are private, so that what was written is a copy.
unsafe impl InstanceAllocator for OnDemand {
    fn validate(&self, layout: &SlotLayout) -> Result<(), LayoutRefused> {
        let (slot, accessible) = (layout.bytes(), layout.accessible_bytes());
        let Options { max_slot_bytes, max_accessible_bytes, .. } = self.options;
        if slot > max_slot_bytes {
            return Err(LayoutRefused::Slot { needed: slot, limit: max_slot_bytes });
        }
        if accessible > max_accessible_bytes {
            return Err(LayoutRefused::Accessible { needed: accessible, limit: max_accessible_bytes });
        }
        Ok(())
    }

    /// Where a whole reservation does not fit a slot, code gets half a slot for it and compares addresses.
    fn tune(&self, tuning: &mut Tuning) {
        let limit = self.options.max_slot_bytes;
        if tuning.reservation.saturating_add(tuning.guard) > limit {
            tuning.reservation = limit / 2 / PAGE * PAGE;
            tuning.guard = tuning.guard.min(limit / 8 / PAGE * PAGE);
            tuning.explicit_bounds = true;
        }
    }

    fn allocate(&self, template: &Arc<Template>) -> Result<Slot, AllocateError> {
        self.validate(template.layout())?;
        let limit = self.options.max_live;
        let live = Live::new(&self.live, limit).ok_or(AllocateError::Exhausted { limit })?;
        // What was counted for a slot that could not be mapped is free again: others may have found all in use meanwhile.
        let mapped = map(template, &self.options, live).inspect_err(|_| self.waiters.call());
        let state = Box::new(mapped?);
        let base = state.reservation.base();
        let token = SlotToken(Box::into_raw(state) as u64);
        // SAFETY: the reservation is new, in the state that `map` describes, and known to nobody else.
        Ok(unsafe { Slot::new(base, template.clone(), token) })
    }

    unsafe fn grow(&self, slot: &mut Slot, region: usize, accessible: usize) -> Result<(), GrowError> {
        // SAFETY: C1, and the handle is borrowed.
        let state = unsafe { self.state(slot) };
        let r = state.regions.get(region).ok_or(GrowError::Region { region })?;
        if accessible > r.limit {
            return Err(GrowError::Limit { wanted: accessible, limit: r.limit });
        }
        if !accessible.is_multiple_of(PAGE) {
            return Err(GrowError::Unaligned { wanted: accessible });
        }
        let now = r.accessible();
        if accessible <= now {
            return Ok(());
        }
        let protected = r.protected.as_ref().filter(|p| !p.whole.load(Ordering::Relaxed));
        let access = if protected.is_some() { Access::Read } else { Access::ReadWrite };
        let grown = state.reservation.protect(r.offset + now..r.offset + accessible, access);
        grown.map_err(|source| GrowError::System { step: "making pages accessible", source })?;
        r.accessible.store(accessible, Ordering::Relaxed);
        // The granule that now continues into protected pages is not wholly open any more.
        if let Some(p) = protected {
            p.bits.clear(now / p.granule);
        }
        Ok(())
    }

    unsafe fn prepare_write(&self, slot: &Slot, range: Range<usize>) -> Result<Range<usize>, PrepareError> {
        // SAFETY: C1, and the handle is borrowed.
        let state = unsafe { self.state(slot) };
        let outside = || PrepareError::OutOfRange { start: range.start, end: range.end };
        let region = state.regions.iter().find(|r| r.contains(&range)).ok_or_else(outside)?;
        let end = region.offset + region.accessible();
        let Some(protected) = &region.protected else {
            return Ok(region.offset..end);
        };
        if range.is_empty() {
            return Ok(range);
        }
        let first = (range.start - region.offset) / protected.granule;
        let last = (range.end - 1 - region.offset) / protected.granule;
        for granule in first..=last {
            if !protected.is_open(granule) {
                let opened = protected.open(&state.reservation, region, granule);
                opened.map_err(|source| PrepareError::System { step: "opening pages", source })?;
            }
        }
        let start = region.offset + first * protected.granule;
        let behind = (last + 1).saturating_mul(protected.granule).saturating_add(region.offset);
        Ok(start..behind.min(end))
    }

    unsafe fn write_fault(&self, slot: &Slot, address: usize) -> FaultVerdict {
        // SAFETY: C1, and the handle is borrowed.
        let state = unsafe { self.state(slot) };
        let Some(offset) = slot.offset_of(address) else { return FaultVerdict::Refused };
        let Some(region) = state.regions.iter().find(|r| r.contains(&(offset..offset + 1))) else {
            return FaultVerdict::Refused;
        };
        let Some(protected) = &region.protected else { return FaultVerdict::Refused };
        let granule = (offset - region.offset) / protected.granule;
        if protected.is_open(granule) {
            return FaultVerdict::Refused;
        }
        match protected.open(&state.reservation, region, granule) {
            Ok(()) => FaultVerdict::Retry,
            Err(_) => FaultVerdict::Failed,
        }
    }

    unsafe fn release(&self, slot: Slot) {
        // SAFETY: by C1 the token is from `Box::into_raw` in `allocate`; the handle is linear, so nobody
        // took the box back before; by C2 and C3 nothing refers to the state or the slot.
        drop(unsafe { Box::from_raw(slot.token().0 as *mut SlotState) });
        self.waiters.call();
    }

    fn waiters(&self) -> Option<&Waiters> {
        Some(&self.waiters)
    }

    fn touched(&self, slot: &Slot, range: Range<usize>) -> Vec<Range<usize>> {
        private_pages(slot, range)
    }
}
