//! Making a released slot its template again (P4), by strategy.
//!
//! Each strategy leaves the slot clean, its tails as they were at first, its volatile bytes zero. An error says
//! that the slot is in an unknown state.

#![expect(unsafe_code, reason = "writes to slots that nobody uses")]

mod aging;
mod put;
mod scan;
mod verify;
mod working_set;

use crate::attach::replan;
use crate::attachment::{Attachment, RegionState, Run, attention};
use crate::config::Reset;
use crate::ground::Core;
use crate::pages::{PageSet, bytes};
use core::sync::atomic::Ordering;
use hatchery_alloc::{PAGE, RegionKind};
use std::io;

pub(crate) use put::Milestone;
use put::{Manner, put_back, stream};
pub(crate) use verify::difference;

/// Why a slot could not be reset.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The kernel refused, or the slot's pages are not known any more.
    #[error(transparent)]
    System(#[from] io::Error),
    /// An earlier call on the slot failed and could not be undone.
    #[error("an earlier change of the slot was left half done")]
    Broken,
}

/// The whole reset of the steady state: the set is put back, volatile bytes cleared. For a quiet slot.
#[inline]
pub(crate) fn quick(a: &mut Attachment) {
    a.uses += 1;
    put_back_all(a);
    let mut pages = a.pages;
    if a.attention() != 0 {
        put_back_tails(a);
        pages = a.ages.len();
    }
    let ledger = &a.record().ledger;
    ledger.resets[Reset::WorkingSet as usize].add(1);
    ledger.pages_copied.add(pages as u64);
}

/// After a use that grew over nothing but tails that stay: what of them is in the set is zeroed, and all of them are out
/// of bounds again.
fn put_back_tails(a: &mut Attachment) {
    for run in &a.tails {
        // SAFETY: as in `put_back_all`; tails that stay are planned as far as they are mapped.
        unsafe { put_back(run) }
    }
    a.regions.iter_mut().for_each(RegionState::shrink);
    a.unflag(attention::STRETCHED);
}

/// Puts back what is planned of a slot in whose use nothing was opened.
#[inline]
fn put_back_all(a: &mut Attachment) {
    put_back_volatile(a);
    if manner(a) == Manner::Streamed {
        a.record().ledger.pages_streamed.add(a.pages as u64);
        // SAFETY: as below; runs of image regions are whole pages.
        return unsafe { stream(&a.runs) };
    }
    for run in &a.runs {
        // SAFETY: runs were planned inside accessible parts of this slot, which we own (P2); pages of the set
        // are writable by P3's other half: their bits were set when they were opened. Sources are in the
        // view that the attachment keeps.
        unsafe { put_back(run) }
    }
}

#[inline]
fn put_back_volatile(a: &Attachment) {
    for run in &a.volatile {
        // SAFETY: volatile regions are always writable, and we own the slot (P2).
        unsafe { put_back(run) }
    }
}

/// How a slot's set is put back now.
#[inline]
fn manner(a: &mut Attachment) -> Manner {
    let far = a.milestone.pass(a.pages * PAGE);
    if far && a.sparse { Manner::Streamed } else { Manner::Cached }
}

/// Resets a slot by the pool's strategy.
#[cold]
#[inline(never)]
pub(crate) fn thorough(core: &Core, a: &mut Attachment) -> Result<(), Failure> {
    a.uses += 1;
    if a.attention() & attention::BROKEN != 0 {
        return Err(Failure::Broken);
    }
    let openings = u64::from(a.openings.swap(0, Ordering::Relaxed));
    a.record().ledger.openings.add(openings);
    a.stock.last_used.store(core.clock.load(Ordering::Relaxed), Ordering::Relaxed);
    match core.options.reset {
        Reset::WorkingSet => working_set::reset(core, a, openings)?,
        Reset::PagemapScan => scan::reset(core, a)?,
        Reset::Decommit => decommit(core, a)?,
    }
    a.unflag(attention::GROWN | attention::STRETCHED);
    a.record().ledger.resets[core.options.reset as usize].add(1);
    Ok(())
}

/// Gives all private pages of image regions back to the kernel, tails included, and takes the tails away.
fn decommit(core: &Core, a: &mut Attachment) -> io::Result<()> {
    // What lies between has no pages, or is volatile and cleared anyway.
    let ends = a.images().map(|region| (region.offset, region.offset + region.mapped()));
    if let Some((start, end)) = ends.reduce(|all, next| (all.0, next.1)) {
        core.space.decommit(a.place(start..end))?;
    }
    clear_volatile(core, a)?;
    take_tails(core, a)
}

/// Puts pages back that may have been written, wherever they are accessible.
fn restore(a: &Attachment, set: &PageSet) -> io::Result<()> {
    for region in a.images() {
        let end = region.offset + region.accessible();
        for pages in set.within((region.offset / PAGE) as u32..(end / PAGE) as u32) {
            for source in a.sources(bytes(&pages))? {
                let to = a.base.as_ptr().wrapping_add(source.range.start);
                // SAFETY: the pages are accessible; they were writable, because they were written or are
                // in the set, and nothing took that away. We own the slot (P2).
                unsafe { put_back(&Run { to, from: source.from, len: source.range.len() }) }
            }
        }
    }
    a.record().ledger.pages_copied.add(set.len() as u64);
    Ok(())
}

/// Clears volatile regions: what is used of them by stores, grown tails by the kernel.
fn clear_volatile(core: &Core, a: &Attachment) -> io::Result<()> {
    put_back_volatile(a);
    for region in a.regions.iter().filter(|region| region.kind == RegionKind::Volatile) {
        core.space.decommit(a.place(region.offset + region.initial..region.offset + region.mapped()))?;
    }
    Ok(())
}

/// Takes grown tails away, as far as they do not stay. They are clean.
fn take_tails(core: &Core, a: &mut Attachment) -> io::Result<()> {
    for index in 0..a.regions.len() {
        let region = &a.regions[index];
        a.stock.note_growth(index, region.accessible().min(region.keeps));
        if region.mapped() > region.keeps {
            cut_tail(core, a, region, region.keeps)?;
        }
        a.regions[index].shrink();
    }
    if a.regions.iter().any(|region| region.planned != region.mapped()) {
        replan(core, a)?;
    }
    Ok(())
}

/// Makes a region inaccessible from a length on.
fn cut_tail(core: &Core, a: &Attachment, region: &RegionState, from: usize) -> io::Result<()> {
    let tail = region.offset + from..region.offset + region.mapped();
    let bytes = tail.len();
    if core.resident.is_limited() || a.stock.is_frozen() {
        // What is not charged any more must not stay resident, zeros or not; and the next to grow must not see, by what
        // it need not wait for, what the last one did there.
        core.space.decommit(a.place(tail.clone()))?;
    }
    core.space.protect(a.place(tail), crate::sys::Access::None)?;
    region.set_mapped(from);
    let charge = a.charge.fetch_sub(bytes, Ordering::Relaxed) - bytes;
    a.record().ledger.charge.store(charge, Ordering::Relaxed);
    core.resident.give(bytes);
    Ok(())
}
