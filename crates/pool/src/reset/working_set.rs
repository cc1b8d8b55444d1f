//! The reset by working set, where it is not the quick one: learning, deviations, growth.

use super::{Failure, aging, clear_volatile, decommit, put_back_all, restore, scan, take_tails};
use crate::attach::{absorb, bounded, settle, unsettle};
use crate::attachment::{Attachment, Mode, attention};
use crate::ground::Core;
use crate::pages::PageSet;
use hatchery_alloc::PAGE;

/// Openings of one use from which on a slot takes over what others have learned.
const MANY: u64 = 8;

pub(super) fn reset(core: &Core, a: &mut Attachment, openings: u64) -> Result<(), Failure> {
    let flags = a.attention();
    if flags & attention::OPENED != 0 {
        return from_open(core, a, openings);
    }
    if flags & attention::DEVIATED != 0 {
        return deviated(core, a, openings);
    }
    let aging = a.uses >= a.next_aging;
    let old = if aging {
        aging::put_back_changed(a)
    } else {
        put_back_all(a);
        a.record().ledger.pages_copied.add(a.pages as u64);
        PageSet::default()
    };
    if flags & (attention::GROWN | attention::STRETCHED) != 0 {
        restore_tails(a)?;
        clear_volatile(core, a)?;
        take_tails(core, a)?;
    }
    if aging {
        aging::spare_tails(core, a)?;
    }
    aging::drop_pages(core, a, old)
}

/// Zeroes what of the set lies in grown tails.
fn restore_tails(a: &Attachment) -> std::io::Result<()> {
    let page = |offset: usize| (offset / PAGE) as u32;
    let tail = |r: &crate::attachment::RegionState| page(r.offset + r.initial)..page(r.offset + r.accessible());
    let tails: Vec<_> = a.images().map(tail).collect();
    restore(a, &a.set.clipped(&tails))
}

/// A use without protection: what it wrote becomes the set, if that is allowed and not too much.
fn from_open(core: &Core, a: &mut Attachment, openings: u64) -> Result<(), Failure> {
    if a.mode() == Mode::Guarded {
        // Opening everything failed half way: some pages may have been written that cannot be put back.
        return Err(Failure::Broken);
    }
    absorb(a);
    if a.uses == 1 && core.haste.is_due() && !a.stock.is_frozen() {
        // Most likely the slot goes to another template now: what is learned of this one would be of no use.
        decommit(core, a)?;
        return stay_open(core, a);
    }
    let sets = &core.options.working_sets;
    // Without a scan nothing is known but what was opened before everything was: all pages are given back, and these
    // are where the next use starts.
    let written = match &core.pagemap {
        Some(_) => Some(scan::written(core, a)?).filter(|written| written.len() <= sets.max_pages),
        None => None,
    };
    let learned = match written {
        Some(written) => {
            restore(a, &written.union(&a.set))?;
            clear_volatile(core, a)?;
            a.set = a.set.union(&written);
            take_tails(core, a)?;
            Some(a.set.clone())
        }
        None => {
            decommit(core, a)?;
            core.pagemap.is_none().then(|| a.set.clone())
        }
    };
    a.unflag(attention::DEVIATED);
    if a.stock.is_frozen() {
        let set = bounded(core, a, a.stock.seed().unwrap_or_default());
        return Ok(settle(core, a, set)?);
    }
    match learned {
        Some(learned) => {
            // What others have learned, and paid for, costs nothing.
            let known = a.stock.seed().is_some_and(|seed| learned.minus(&seed).is_empty());
            adopt(core, a, learned, if known { openings } else { openings.max(1) })
        }
        None => stay_open(core, a),
    }
}

/// Pages were opened one by one. They join the set.
fn deviated(core: &Core, a: &mut Attachment, openings: u64) -> Result<(), Failure> {
    absorb(a);
    restore(a, &a.set)?;
    clear_volatile(core, a)?;
    take_tails(core, a)?;
    if a.stock.is_frozen() {
        let set = bounded(core, a, a.stock.seed().unwrap_or_default());
        return Ok(settle(core, a, set)?);
    }
    aging::regret(a);
    let mut set = a.set.clone();
    if openings >= MANY {
        set = set.union(&a.stock.seed().unwrap_or_default());
    }
    adopt(core, a, set, openings)
}

/// Makes a set that was learned the slot's, and offers it to others; unless it is too large, or its template
/// learns too much: then the slot stays open.
fn adopt(core: &Core, a: &mut Attachment, learned: PageSet, openings: u64) -> Result<(), Failure> {
    let sets = &core.options.working_sets;
    let all = match a.attention() & attention::OPENED {
        0 => learned.clone(),
        _ => learned.union(&a.stock.seed().unwrap_or_default()),
    };
    let bounded_set = |set: &PageSet| Some(bounded(core, a, set.clone())).filter(|set| set.len() <= sets.max_pages);
    let Some(set) = bounded_set(&all).or_else(|| bounded_set(&learned)) else {
        decommit(core, a)?;
        return stay_open(core, a);
    };
    if !a.stock.pay(openings, sets.relearn_rate) {
        return stay_open(core, a);
    }
    tracing::trace!(slot = a.record().index, pages = set.len(), openings, "working set learned");
    a.stock.learn(&learned, sets.max_pages);
    if settle(core, a, set).is_err() {
        // No mapping left for it, most likely. The slot is clean; open it needs the fewest.
        a.set_mode(Mode::Guarded);
        return stay_open(core, a);
    }
    Ok(())
}

/// Leaves a clean slot open: the next release scans again. Where the kernel cannot scan, everything is
/// given back each time.
fn stay_open(core: &Core, a: &mut Attachment) -> Result<(), Failure> {
    Ok(unsettle(core, a)?)
}
