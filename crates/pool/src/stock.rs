//! What the pool holds for one template: where its contents can be read, what was learned, and its warm slots.

use crate::config::WorkingSets;
use crate::free::Stack;
use crate::pages::{PageSet, pages_of};
use crate::sys::View;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use hatchery_alloc::{Learned, Learning, PAGE, RegionKind, Tails, Template};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

/// The pristine view: all contents of a template, mapped read-only and shared when something is first put back from
/// them, and once. Unmapped when the last slot of the template is detached.
#[derive(Debug, Default)]
pub(crate) struct Pristine {
    /// Of each of the template's pieces.
    views: OnceLock<Box<[View]>>,
}

/// Bytes of a slot with what they are when nobody wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) range: Range<usize>,
    /// The first byte's address in the pristine view, which is readable for the whole range; null for zeros.
    pub(crate) from: *const u8,
}

impl Pristine {
    /// The views of a template's pieces, whose the pristine view is.
    fn views(&self, template: &Template) -> io::Result<&[View]> {
        if let Some(views) = self.views.get() {
            return Ok(views);
        }
        let file = || template.file().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        let view = |run: &hatchery_alloc::Run| View::new(file()?, run.file_offset, run.len);
        let views = template.pieces().iter().map(view).collect::<io::Result<_>>()?;
        // Of two threads that are here at a time one maps them for nothing.
        Ok(self.views.get_or_init(|| views))
    }

    /// Cuts a range of the slot into parts with one source each, ascending. The template is the one whose the
    /// pristine view is.
    pub(crate) fn sources(&self, template: &Template, range: Range<usize>) -> io::Result<Vec<Source>> {
        let pieces = template.pieces();
        let first = pieces.partition_point(|piece| piece.range().end <= range.start);
        let mut parts = Vec::new();
        let mut at = range.start;
        for (i, piece) in pieces.iter().enumerate().skip(first).take_while(|(_, piece)| piece.slot_offset < range.end) {
            let (start, end) = (piece.slot_offset.max(range.start), piece.range().end.min(range.end));
            if at < start {
                parts.push(Source { range: at..start, from: core::ptr::null() });
            }
            let view = &self.views(template)?[i];
            parts
                .push(Source { range: start..end, from: view.base().as_ptr().wrapping_add(start - piece.slot_offset) });
            at = end;
        }
        if at < range.end {
            parts.push(Source { range: at..range.end, from: core::ptr::null() });
        }
        Ok(parts)
    }
}

/// Openings that may be remembered: a bucket that time fills.
#[derive(Debug)]
struct Bucket {
    tokens: u64,
    filled: Instant,
}

/// Seconds of tokens that a bucket holds.
const BUCKET_SECONDS: u64 = 4;

/// What the pool holds for one template.
#[derive(Debug)]
pub(crate) struct Stock {
    /// Keeps the template's address from being used for another one.
    pub(crate) template: Arc<Template>,
    /// Image regions, in pages, up to their limits.
    pub(crate) regions: Vec<Range<u32>>,
    /// Warm slots beyond the shards, by class.
    pub(crate) stacks: Box<[Stack]>,
    /// Attached slots, and those of them that are kept at release.
    pub(crate) attached: AtomicUsize,
    pub(crate) kept: AtomicUsize,
    /// Clock of the pool when it was last seen in use.
    pub(crate) last_used: AtomicU64,
    /// Resets between two that compare. Doubled when what they dropped was needed after all.
    pub(crate) interval: AtomicU32,
    /// Bytes to which uses grow each region that keeps its tail; of others, nothing.
    grown: Box<[AtomicUsize]>,
    pristine: Mutex<Weak<Pristine>>,
    seed: Mutex<Option<PageSet>>,
    bucket: Mutex<Bucket>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks panics halfway through a change.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes to which hints say that uses grow a region: where they write, and where they are said to grow.
fn known_growth(region: &hatchery_alloc::Region, hints: &hatchery_alloc::Hints) -> usize {
    let range = region.range();
    let ends = hints.written.iter().chain(&hints.grown).filter(|r| r.start < range.end && r.end > range.start);
    let furthest = ends.map(|r| (r.end.min(range.end) - range.start).next_multiple_of(PAGE)).max();
    furthest.unwrap_or(0).max(region.accessible)
}

/// The address by which a template is known.
#[inline]
pub(crate) fn key_of(template: &Arc<Template>) -> usize {
    Arc::as_ptr(template) as usize
}

impl Stock {
    pub(crate) fn new(template: &Arc<Template>, classes: usize, sets: &WorkingSets) -> Stock {
        let image = |region: &&hatchery_alloc::Region| region.kind == RegionKind::Image;
        let regions: Vec<_> =
            template.layout().regions().iter().filter(image).map(|region| pages_of(&region.range())).collect();
        let hints = template.hints();
        let known = PageSet::touched(hints.written.iter().cloned()).clipped(&regions);
        let given = hints.learning == Learning::Frozen || !known.is_empty();
        let grown = template.layout().regions().iter().map(|region| AtomicUsize::new(known_growth(region, hints)));
        Stock {
            template: template.clone(),
            regions,
            stacks: (0..classes).map(|_| Stack::new()).collect(),
            attached: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
            last_used: AtomicU64::new(0),
            interval: AtomicU32::new(sets.aging_interval),
            grown: grown.collect(),
            pristine: Mutex::default(),
            seed: Mutex::new(given.then_some(known)),
            bucket: Mutex::new(Bucket {
                tokens: u64::from(sets.relearn_rate) * BUCKET_SECONDS,
                filled: Instant::now(),
            }),
        }
    }

    pub(crate) fn key(&self) -> usize {
        key_of(&self.template)
    }

    /// Whether the set is what the template says, for good.
    pub(crate) fn is_frozen(&self) -> bool {
        self.template.hints().learning == Learning::Frozen
    }

    /// Whether nobody outside the pool can ask for this template any more.
    pub(crate) fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.template) <= 1 + self.attached.load(Ordering::Relaxed)
    }

    /// The pristine view.
    pub(crate) fn pristine(&self) -> Arc<Pristine> {
        let mut current = lock(&self.pristine);
        current.upgrade().unwrap_or_else(|| {
            let view = Arc::new(Pristine::default());
            *current = Arc::downgrade(&view);
            view
        })
    }

    /// What new slots start with; `None` where nothing is known.
    pub(crate) fn seed(&self) -> Option<PageSet> {
        lock(&self.seed).clone()
    }

    /// Bytes to which uses are known to grow a region, by its position; no more than are accessible at first, where its
    /// tail does not stay.
    pub(crate) fn grown(&self, index: usize) -> usize {
        // Relaxed: a measure, which orders nothing.
        self.grown[index].load(Ordering::Relaxed)
    }

    /// Bytes up to which a region stays mapped when a slot is released.
    pub(crate) fn kept_bytes(&self, index: usize, max_tail: usize) -> usize {
        let region = &self.template.layout().regions()[index];
        let keeps = region.kind == RegionKind::Image && self.template.hints().tails == Tails::Keep;
        match (keeps, self.is_frozen()) {
            (false, _) => region.accessible,
            // What others used must not be seen in how long it takes to grow.
            (true, true) => self.grown(index),
            (true, false) => region.limit.min(region.accessible.saturating_add(max_tail / PAGE * PAGE)),
        }
    }

    /// A use grew a region to this many bytes.
    #[inline]
    pub(crate) fn note_growth(&self, index: usize, bytes: usize) {
        if !self.is_frozen() && bytes > self.grown(index) {
            self.grown[index].fetch_max(bytes, Ordering::Relaxed);
        }
    }

    /// Uses do not grow a region beyond this many bytes any more.
    pub(crate) fn forget_growth(&self, index: usize, bytes: usize) {
        self.grown[index].store(bytes, Ordering::Relaxed);
    }

    /// What uses do, as far as it is known.
    pub(crate) fn learned(&self) -> Learned {
        let written = self.seed().iter().flat_map(|seed| seed.runs()).map(crate::pages::bytes).collect();
        let grown = |(index, region): (usize, &hatchery_alloc::Region)| {
            let range = region.offset + region.accessible..region.offset + self.grown(index);
            (!range.is_empty()).then_some(range)
        };
        let grown = self.template.layout().regions().iter().enumerate().filter_map(grown).collect();
        Learned { written, grown }
    }

    /// Adds what a slot learned.
    pub(crate) fn learn(&self, set: &PageSet, max_pages: usize) {
        if self.is_frozen() {
            return;
        }
        let mut seed = lock(&self.seed);
        let union = seed.as_ref().map_or_else(|| set.clone(), |seed| seed.union(set));
        if union.len() <= max_pages {
            *seed = Some(union);
        }
    }

    /// Replaces what was learned by what a slot still needs.
    pub(crate) fn relearn(&self, set: &PageSet) {
        if !self.is_frozen() {
            *lock(&self.seed) = Some(set.clone());
        }
    }

    /// Pays for remembering what a use opened; `false` when the template did so too often.
    pub(crate) fn pay(&self, openings: u64, rate: u32) -> bool {
        let mut bucket = lock(&self.bucket);
        let earned = bucket.filled.elapsed().as_micros() as u64 * u64::from(rate) / 1_000_000;
        if earned > 0 {
            bucket.tokens = (bucket.tokens + earned).min(u64::from(rate) * BUCKET_SECONDS);
            bucket.filled = Instant::now();
        }
        match bucket.tokens.checked_sub(openings) {
            Some(rest) => {
                bucket.tokens = rest;
                true
            }
            None => false,
        }
    }
}

// SAFETY of sharing is the compiler's: `Source` holds a bare address and stays inside one thread's hands.
#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_alloc::{Hints, Region, SlotLayout};

    fn template(hints: Hints) -> Arc<Template> {
        let region = Region { offset: 0, kind: RegionKind::Image, accessible: PAGE, limit: 8 * PAGE };
        let layout = SlotLayout::new(9 * PAGE, [region]).expect("layout");
        Arc::new(Template::new(layout, None, &[]).expect("template").with_hints(hints))
    }

    #[test]
    fn hints_become_the_seed_within_image_regions() {
        let stock = |hints| Stock::new(&template(hints), 1, &WorkingSets::default());
        assert_eq!(stock(Hints::default()).seed(), None);
        let frozen = stock(Hints { learning: Learning::Frozen, ..Hints::default() });
        frozen.learn(&PageSet::new([1..2]), 10);
        assert_eq!(frozen.seed(), Some(PageSet::default()));
        let known = stock(Hints { written: vec![PAGE..2 * PAGE + 1, 7 * PAGE..20 * PAGE], ..Hints::default() });
        assert_eq!(known.seed(), Some(PageSet::new([1..3, 7..8])));
        known.learn(&PageSet::new([4..5]), 10);
        assert_eq!(known.seed(), Some(PageSet::new([1..3, 4..5, 7..8])));
        known.learn(&PageSet::new([5..6]), 4);
        assert_eq!(known.seed().map(|seed| seed.len()), Some(4), "the bound on pages holds for seeds");
    }

    #[test]
    fn relearning_is_limited() {
        let stock = Stock::new(&template(Hints::default()), 1, &WorkingSets::default());
        assert!(stock.pay(10 * BUCKET_SECONDS, 10) && stock.pay(1, 0) && !stock.pay(1 << 40, 10));
    }

    #[test]
    fn a_template_is_forgotten_when_only_the_pool_has_it() {
        let template = template(Hints::default());
        let stock = Stock::new(&template, 1, &WorkingSets::default());
        assert!(!stock.is_forgotten());
        drop(template);
        assert!(stock.is_forgotten());
    }
}
