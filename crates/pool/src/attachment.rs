//! A slot mapped for a template: its protection, and how it changes while the slot is in use.
//!
//! A slot is in one of two modes. *Open*: all accessible pages are writable. *Guarded*: a page of an image region is
//! writable if its bit is set, and only then (P3). Guarded slots become open when too many pages are
//! opened one by one, or the kernel has no mapping left for another; only a release makes them guarded again.

#![expect(unsafe_code, reason = "shares a slot between its user and a signal handler")]

use crate::bits::Bits;
use crate::ground::Core;
use crate::pages::{PageSet, pages_of};
use crate::record::Record;
use crate::reset::Milestone;
use crate::room::Survey;
use crate::stock::{Pristine, Source, Stock};
use crate::sys::Access;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};
use hatchery_alloc::{FaultVerdict, GrowError, PAGE, PrepareError, RegionKind, Template};
use std::io;
use std::sync::{Arc, Mutex};

/// Which pages are writable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// All accessible ones. To Guarded, at release.
    Open = 0,
    /// Those whose bit is set. To Open, by many openings or without mappings.
    Guarded = 1,
}

/// What a release must look at beyond the set. Zero in the steady state.
pub(crate) mod attention {
    /// Pages were opened that were not in the set.
    pub(crate) const DEVIATED: u32 = 1;
    /// A region grew.
    pub(crate) const GROWN: u32 = 2;
    /// The slot is open, or was partly opened: which pages were written is not known.
    pub(crate) const OPENED: u32 = 4;
    /// A call failed and what it left could not be undone.
    pub(crate) const BROKEN: u32 = 8;
    /// The strategy looks at everything every time.
    pub(crate) const ALWAYS: u32 = 16;
    /// A region grew over a tail that was mapped already and stays so.
    pub(crate) const STRETCHED: u32 = 32;
}

/// A region of an attached slot. Offsets are from the slot's base.
#[derive(Debug)]
pub(crate) struct RegionState {
    pub(crate) offset: usize,
    pub(crate) kind: RegionKind,
    /// Bytes accessible at first, and at most.
    pub(crate) initial: usize,
    pub(crate) limit: usize,
    /// Bytes up to which it stays mapped when its slot is released: more than `initial` where tails stay.
    pub(crate) keeps: usize,
    /// Bytes that were mapped when the runs were planned.
    pub(crate) planned: usize,
    /// Bytes that were accessible at most, since this was looked at last.
    pub(crate) peak: usize,
    /// How often in a row less was used of a kept tail than is mapped.
    pub(crate) spared: u8,
    /// Bytes accessible now.
    accessible: AtomicUsize,
    /// Bytes that the kernel lets be accessed: more than `accessible` where tails stay.
    mapped: AtomicUsize,
}

impl RegionState {
    pub(crate) fn accessible(&self) -> usize {
        self.accessible.load(Ordering::Relaxed)
    }

    pub(crate) fn mapped(&self) -> usize {
        self.mapped.load(Ordering::Relaxed)
    }

    pub(crate) fn set_accessible(&self, bytes: usize) {
        self.accessible.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn set_mapped(&self, bytes: usize) {
        self.mapped.store(bytes, Ordering::Relaxed);
    }

    /// Whether the range of the slot is inside the accessible part.
    #[inline]
    fn contains(&self, range: &Range<usize>) -> bool {
        self.offset <= range.start && range.start <= range.end && range.end - self.offset <= self.accessible()
    }

    /// The pages that are accessible.
    pub(crate) fn accessible_pages(&self) -> Range<u32> {
        pages_of(&(self.offset..self.offset + self.accessible()))
    }

    /// The pages that the kernel lets be accessed.
    pub(crate) fn mapped_pages(&self) -> Range<u32> {
        pages_of(&(self.offset..self.offset + self.mapped()))
    }

    /// Bytes of the slot beyond what is accessible at first that are mapped.
    pub(crate) fn tail(&self) -> Range<usize> {
        self.offset + self.initial..self.offset + self.mapped()
    }

    /// A use ends: what it grew is out of bounds again.
    #[inline]
    pub(crate) fn shrink(&mut self) {
        self.peak = self.peak.max(self.accessible());
        self.set_accessible(self.initial);
    }

    /// The same, as numbers of bits.
    pub(crate) fn mapped_bits(&self) -> Range<usize> {
        self.offset / PAGE..(self.offset + self.mapped()) / PAGE
    }
}

/// Bytes to put back: contiguous, from one source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) to: *mut u8,
    /// In the pristine view; null for zeros.
    pub(crate) from: *const u8,
    pub(crate) len: usize,
}

/// A slot mapped for a template. Whoever owns the slot owns this (P2); while the slot is in use, it is shared between its
/// user and a signal handler on the same thread (C2), which is why what both change is atomic, and relaxed.
///
/// What every cycle needs comes first, in as few lines of a cache as it fits: where many slots take turns, each of them
/// comes from memory.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Attachment {
    pub(crate) record: NonNull<Record>,
    /// Address of the template.
    pub(crate) key: usize,
    /// The reference that the next handle will hold; none while one does.
    pub(crate) parked: Option<Arc<Template>>,
    pub(crate) base: NonNull<u8>,
    attention: AtomicU32,
    /// Not kept at release: its template has its share of warm slots already.
    pub(crate) surplus: bool,
    /// Whether users were found to write only a little of each page of the set.
    pub(crate) sparse: bool,
    mode: AtomicU8,
    pub(crate) uses: u64,
    /// The use after which to age.
    pub(crate) next_aging: u64,
    /// When it was reset last.
    pub(crate) milestone: Milestone,
    /// Pages of `runs`.
    pub(crate) pages: usize,
    /// What a release puts back: the set, in the accessible parts that there are at first.
    pub(crate) runs: Box<[Run]>,
    /// What it clears in volatile regions.
    pub(crate) volatile: Box<[Run]>,
    /// Its offset in the reservation, and its bytes.
    pub(crate) start: usize,
    pub(crate) bytes: usize,
    pub(crate) regions: Box<[RegionState]>,
    pub(crate) bits: Bits,
    /// Keeps what the runs point to.
    pub(crate) pristine: Arc<Pristine>,
    pub(crate) stock: Arc<Stock>,
    /// Openings of this use.
    pub(crate) openings: AtomicU32,
    /// The set: of a guarded slot that nobody deviated in, what its bits say.
    pub(crate) set: PageSet,
    /// What a release puts back in tails that stay mapped; for a use that grew.
    pub(crate) tails: Vec<Run>,
    /// For each page of `runs` and `tails`, how often in a row it was found unchanged.
    pub(crate) ages: Vec<u8>,
    /// The use after which pages were dropped last.
    pub(crate) dropped_at: Option<u64>,
    /// Bytes of the resident account that it may use (P5).
    pub(crate) charge: AtomicUsize,
    /// Kernel mappings, about.
    pub(crate) mappings: usize,
    /// What was found when a growth last lacked memory.
    pub(crate) survey: Mutex<Survey>,
}

// SAFETY: its pointers are to its own slot, to the pristine view that it keeps alive, and to its record (P6);
// ownership passes between threads by P2.
unsafe impl Send for Attachment {}
// SAFETY: what is shared while the slot is in use is atomic or unchanged.
unsafe impl Sync for Attachment {}

impl Attachment {
    #[expect(clippy::too_many_arguments, reason = "the one constructor, called from one place")]
    pub(crate) fn new(
        core: &Core,
        record: &Record,
        stock: &Arc<Stock>,
        pristine: Arc<Pristine>,
        surplus: bool,
        charge: usize,
        mode: Mode,
        attention: u32,
    ) -> Attachment {
        let layout = stock.template.layout();
        let state = |(index, region): (usize, &hatchery_alloc::Region)| RegionState {
            offset: region.offset,
            kind: region.kind,
            initial: region.accessible,
            limit: region.limit,
            keeps: stock.kept_bytes(index, core.options.working_sets.max_tail_bytes),
            planned: region.accessible,
            peak: region.accessible,
            spared: 0,
            accessible: AtomicUsize::new(region.accessible),
            mapped: AtomicUsize::new(region.accessible),
        };
        let base = core.space.base().as_ptr().wrapping_add(record.start);
        Attachment {
            record: NonNull::from(record),
            key: stock.key(),
            parked: Some(stock.template.clone()),
            base: NonNull::new(base).expect("an address inside the reservation"),
            start: record.start,
            bytes: layout.bytes(),
            pristine,
            stock: stock.clone(),
            regions: layout.regions().iter().enumerate().map(state).collect(),
            bits: core.bits_of(record.index),
            mode: AtomicU8::new(mode as u8),
            attention: AtomicU32::new(attention),
            openings: AtomicU32::new(0),
            set: PageSet::default(),
            runs: Box::default(),
            tails: Vec::new(),
            volatile: Box::default(),
            pages: 0,
            ages: Vec::new(),
            sparse: false,
            milestone: Milestone::default(),
            uses: 0,
            next_aging: match core.options.working_sets.aging_interval {
                0 => u64::MAX,
                interval => u64::from(interval),
            },
            dropped_at: None,
            surplus,
            charge: AtomicUsize::new(charge),
            mappings: 0,
            survey: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn record(&self) -> &Record {
        // SAFETY: records outlive attachments (P6), and are only ever shared.
        unsafe { self.record.as_ref() }
    }

    #[inline]
    pub(crate) fn mode(&self) -> Mode {
        if self.mode.load(Ordering::Relaxed) == Mode::Open as u8 { Mode::Open } else { Mode::Guarded }
    }

    pub(crate) fn set_mode(&self, mode: Mode) {
        self.mode.store(mode as u8, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn attention(&self) -> u32 {
        self.attention.load(Ordering::Relaxed)
    }

    /// Whether a release has nothing to do but to put the set back, and to forget a growth.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.attention() & !attention::STRETCHED == 0 && self.uses < self.next_aging
    }

    pub(crate) fn flag(&self, what: u32) {
        self.attention.fetch_or(what, Ordering::Relaxed);
    }

    pub(crate) fn unflag(&self, what: u32) {
        self.attention.fetch_and(!what, Ordering::Relaxed);
    }

    /// The range of the reservation behind a range of the slot.
    pub(crate) fn place(&self, range: Range<usize>) -> Range<usize> {
        debug_assert!(range.end <= self.bytes);
        self.start + range.start..self.start + range.end
    }

    /// Cuts a range of the slot into parts with one source each.
    pub(crate) fn sources(&self, range: Range<usize>) -> io::Result<Vec<Source>> {
        self.pristine.sources(&self.stock.template, range)
    }

    pub(crate) fn images(&self) -> impl Iterator<Item = &RegionState> {
        self.regions.iter().filter(|region| region.kind == RegionKind::Image)
    }

    fn region_with(&self, range: &Range<usize>) -> Option<&RegionState> {
        self.regions.iter().find(|region| region.contains(range))
    }

    /// Makes a range writable, and says how much around it is. The bitmap test of the steady state, unless something is to
    /// open.
    #[inline]
    pub(crate) fn prepare(&self, core: &Core, range: Range<usize>) -> Result<Range<usize>, PrepareError> {
        let outside = PrepareError::OutOfRange { start: range.start, end: range.end };
        let Some(region) = self.region_with(&range) else { return Err(outside) };
        let accessible = region.offset..region.offset + region.accessible();
        if region.kind == RegionKind::Volatile || self.mode() == Mode::Open {
            return Ok(accessible);
        }
        if range.is_empty() {
            return Ok(range);
        }
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        if pages.len() > 1 || !self.bits.get(pages.start) {
            let opened = self.prepare_pages(core, region, pages.clone());
            opened.map_err(|source| PrepareError::System { step: "opening pages", source })?;
        }
        // What follows is in the same words of the bitmap, most likely.
        let end = self.bits.find(pages.end..accessible.end / PAGE, false);
        Ok(pages.start * PAGE..end * PAGE)
    }

    fn prepare_pages(&self, core: &Core, region: &RegionState, pages: Range<usize>) -> io::Result<()> {
        let mut start = self.bits.find(pages.clone(), false);
        while start < pages.end {
            let end = self.bits.find(start..pages.end, true);
            self.open(core, region, start..end)?;
            if self.mode() == Mode::Open {
                return Ok(());
            }
            start = self.bits.find(end..pages.end, false);
        }
        Ok(())
    }

    /// Answers a write fault. Async-signal-safe: atomics and `mprotect`.
    pub(crate) fn fault(&self, core: &Core, offset: usize) -> FaultVerdict {
        let Some(region) = self.region_with(&(offset..offset.saturating_add(1))) else {
            return FaultVerdict::Refused;
        };
        let page = offset / PAGE;
        if region.kind == RegionKind::Volatile || self.mode() == Mode::Open || self.bits.get(page) {
            return FaultVerdict::Refused;
        }
        match self.open(core, region, page..page + 1) {
            Ok(()) => FaultVerdict::Retry,
            Err(_) => FaultVerdict::Failed,
        }
    }

    /// Opens pages of which none is open, and more behind them the more often this use had to; then the whole slot.
    fn open(&self, core: &Core, region: &RegionState, pages: Range<usize>) -> io::Result<()> {
        let n = self.openings.fetch_add(1, Ordering::Relaxed);
        if n >= core.options.working_sets.max_openings {
            return self.open_whole(core);
        }
        let wanted = pages.end.max(pages.start + stride(n));
        let end = (region.offset + region.accessible()) / PAGE;
        let end = self.bits.find(pages.start..wanted.min(end), true);
        // First the bit, then the protection (P3).
        self.flag(attention::DEVIATED);
        self.bits.put(pages.start..end, true);
        let opened = core.space.protect(self.place(pages.start * PAGE..end * PAGE), Access::ReadWrite);
        if opened.is_err() {
            // The kernel has no mapping left, most likely: opening everything needs fewer.
            self.open_whole(core).inspect_err(|_| self.bits.put(pages.start..end, false))?;
        }
        Ok(())
    }

    fn open_whole(&self, core: &Core) -> io::Result<()> {
        self.flag(attention::OPENED);
        for region in self.images() {
            let mapped = region.offset..region.offset + region.mapped();
            core.space.protect(self.place(mapped), Access::ReadWrite)?;
        }
        self.set_mode(Mode::Open);
        Ok(())
    }

    /// Makes more of a region accessible.
    pub(crate) fn grow(&self, core: &Core, index: usize, accessible: usize) -> Result<(), GrowError> {
        let region = self.regions.get(index).ok_or(GrowError::Region { region: index })?;
        if accessible > region.limit {
            return Err(GrowError::Limit { wanted: accessible, limit: region.limit });
        }
        if !accessible.is_multiple_of(PAGE) {
            return Err(GrowError::Unaligned { wanted: accessible });
        }
        if accessible <= region.accessible() {
            return Ok(());
        }
        if accessible > region.mapped() {
            self.map_tail(core, region, accessible)?;
            self.flag(attention::GROWN);
        } else {
            self.flag(attention::STRETCHED);
        }
        region.set_accessible(accessible);
        Ok(())
    }

    /// Bytes that have to be charged for, for a region to become this long.
    pub(crate) fn uncharged(&self, index: usize, accessible: usize) -> usize {
        self.regions.get(index).map_or(0, |region| accessible.saturating_sub(region.mapped()))
    }

    /// Maps more of a region, with the access that is due, and charges for it.
    pub(crate) fn map_tail(&self, core: &Core, region: &RegionState, to: usize) -> Result<(), GrowError> {
        let from = region.mapped();
        let more = to - from;
        if !core.resident.take(more) {
            return Err(GrowError::Memory { limit: core.resident.limit() });
        }
        let tail = region.offset + from..region.offset + to;
        if let Err(source) = self.protect_tail(core, region, tail.clone()) {
            core.resident.give(more);
            if core.space.protect(self.place(tail), Access::None).is_err() {
                self.flag(attention::BROKEN);
            }
            return Err(GrowError::System { step: "making pages accessible", source });
        }
        let charge = self.charge.fetch_add(more, Ordering::Relaxed) + more;
        self.record().ledger.charge.store(charge, Ordering::Relaxed);
        region.set_mapped(to);
        Ok(())
    }

    /// Gives a tail the access that its bits and the mode say.
    fn protect_tail(&self, core: &Core, region: &RegionState, tail: Range<usize>) -> io::Result<()> {
        if region.kind == RegionKind::Volatile || self.mode() == Mode::Open {
            return core.space.protect(self.place(tail), Access::ReadWrite);
        }
        let (mut at, end) = (tail.start / PAGE, tail.end / PAGE);
        while at < end {
            let open = self.bits.get(at);
            let next = self.bits.find(at..end, !open);
            let access = if open { Access::ReadWrite } else { Access::Read };
            core.space.protect(self.place(at * PAGE..next * PAGE), access)?;
            at = next;
        }
        Ok(())
    }
}

/// Pages that the nth opening of a use opens.
fn stride(n: u32) -> usize {
    match n {
        0..8 => 1,
        8..24 => 4,
        24..40 => 16,
        _ => 64,
    }
}
