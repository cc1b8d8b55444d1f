//! Every so often a reset compares before it copies. Pages that nobody writes any more leave the set.

use super::put::{PROBES, probe, put_back};
use super::{Failure, cut_tail, manner, put_back_volatile};
use crate::attach::{bounded, replan, settle};
use crate::attachment::{Attachment, Run, attention};
use crate::ground::Core;
use crate::pages::PageSet;
use core::sync::atomic::Ordering;
use hatchery_alloc::PAGE;

/// Comparisons in a row that find a page unchanged before it is dropped.
const OLD: u8 = 4;
/// The longest a slot goes without a comparison, in uses.
const MAX_INTERVAL: u32 = 1 << 14;
/// A set is sparsely written if users change less than this fraction of its pages' lines: one in so many.
const SPARSE: usize = 4;

/// Resets what is planned of a slot in whose use nothing was opened, and says which pages are old.
pub(super) fn put_back_changed(a: &mut Attachment) -> PageSet {
    put_back_volatile(a);
    // Notes the reset; what was compared is in a cache by now.
    let _ = manner(a);
    let base = a.base.as_ptr() as usize;
    let mut old = Vec::new();
    let (mut nth, mut copied, mut lines) = (0, 0, 0);
    // Tails are out of bounds for uses that do not grow.
    let grown = a.attention() & (attention::GROWN | attention::STRETCHED) != 0;
    let tails = if grown { &a.tails[..] } else { &[] };
    for run in a.runs.iter().chain(tails) {
        for page in pages_of(*run) {
            let age = &mut a.ages[nth];
            nth += 1;
            // SAFETY: as in `put_back_all`; the page is readable as well.
            *age = match unsafe { put_back_if_changed(&page) } {
                Some(changed) => {
                    (copied, lines) = (copied + 1, lines + changed);
                    0
                }
                None => age.saturating_add(1),
            };
            if *age >= OLD {
                let page = ((page.to as usize - base) / PAGE) as u32;
                old.push(page..page + 1);
            }
        }
    }
    a.sparse = lines * SPARSE < copied * PROBES;
    a.record().ledger.pages_copied.add(copied as u64);
    a.next_aging = a.uses + u64::from(a.stock.interval.load(Ordering::Relaxed));
    PageSet::new(old)
}

fn pages_of(run: Run) -> impl Iterator<Item = Run> {
    (0..run.len / PAGE).map(move |i| Run {
        to: run.to.wrapping_add(i * PAGE),
        from: if run.from.is_null() { run.from } else { run.from.wrapping_add(i * PAGE) },
        len: PAGE,
    })
}

/// Puts a page back if it is not as it should be, and then says how many of some lines were not.
///
/// # Safety
///
/// As `put_back`, for one page.
unsafe fn put_back_if_changed(page: &Run) -> Option<usize> {
    static ZEROS: [u8; PAGE] = [0; PAGE];
    let from = if page.from.is_null() { ZEROS.as_ptr() } else { page.from };
    // SAFETY: both are readable for a page, the caller says; nobody writes either while we look.
    let (is, should) = unsafe { (core::slice::from_raw_parts(page.to, PAGE), core::slice::from_raw_parts(from, PAGE)) };
    if is == should {
        return None;
    }
    let lines = probe(is, should);
    // SAFETY: the caller's.
    unsafe { put_back(page) }
    Some(lines)
}

/// Gives up what of a clean slot's tails no use needed for some time.
pub(super) fn spare_tails(core: &Core, a: &mut Attachment) -> Result<(), Failure> {
    if a.stock.is_frozen() {
        return Ok(());
    }
    let mut cut = false;
    for index in 0..a.regions.len() {
        let region = &mut a.regions[index];
        let used = core::mem::replace(&mut region.peak, region.initial);
        region.spared = if used < region.mapped() { region.spared.saturating_add(1) } else { 0 };
        if region.spared >= OLD {
            region.spared = 0;
            a.stock.forget_growth(index, used);
            cut_tail(core, a, &a.regions[index], used)?;
            cut = true;
        }
    }
    if cut {
        replan(core, a)?;
    }
    Ok(())
}

/// Takes pages out of a clean slot's set, unless that would cut it into more runs than the slot may have.
pub(super) fn drop_pages(core: &Core, a: &mut Attachment, old: PageSet) -> Result<(), Failure> {
    if old.is_empty() || a.stock.is_frozen() {
        return Ok(());
    }
    let set = bounded(core, a, a.set.minus(&old));
    let dropped = a.set.minus(&set);
    if dropped.is_empty() {
        return Ok(());
    }
    tracing::trace!(slot = a.record().index, pages = dropped.len(), "unused pages leave the working set");
    a.stock.relearn(&set);
    a.dropped_at = Some(a.uses);
    Ok(settle(core, a, set)?)
}

/// Called when pages had to be opened: if some were dropped not long before, dropping waits longer from now on.
pub(super) fn regret(a: &mut Attachment) {
    let interval = a.stock.interval.load(Ordering::Relaxed);
    if a.dropped_at.is_some_and(|at| a.uses - at < 8 * u64::from(interval)) {
        a.stock.interval.store(interval.saturating_mul(2).min(MAX_INTERVAL), Ordering::Relaxed);
        a.dropped_at = None;
    }
}
