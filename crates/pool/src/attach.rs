//! Mapping a cold slot for a template; and what a set means for a slot: protections, and runs to put back.

use crate::attachment::{Attachment, Mode, Run, attention};
use crate::config::Reset;
use crate::ground::Core;
use crate::pages::{PageSet, bytes, pages_of};
use crate::record::Record;
use crate::steps::{Step, steps};
use crate::stock::Stock;
use crate::sys::{Access, Populate};
use core::ops::Range;
use core::sync::atomic::Ordering;
use hatchery_alloc::{PAGE, RegionKind};
use std::io;
use std::sync::Arc;

/// How many kernel mappings a new slot may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thrift {
    /// What its set needs, within the usual bounds.
    Usual,
    /// As few as possible: the kernel had none left.
    Utmost,
}

/// Runs of a set up to which a new slot is protected at once. Beyond, cutting its mappings takes longer than bringing
/// the pages in, so that the first use is not kept waiting for it: the slot is open, and protected when it is released.
const AT_ONCE: usize = 4;

/// How a new slot starts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    /// Protected outside the set.
    Guarded(PageSet),
    /// Open, with these pages brought in, which are known to be written.
    Open(PageSet),
}

/// How a new slot of a stock starts.
fn start(core: &Core, stock: &Stock, thrift: Thrift) -> Start {
    // Who resets by a set and cannot scan needs to know from the start what is written.
    let can_open = core.options.reset != Reset::WorkingSet || core.pagemap.is_some();
    let unknown = if can_open { Start::Open } else { Start::Guarded };
    let known = match thrift {
        Thrift::Usual if core.options.reset == Reset::WorkingSet => stock.seed(),
        // A slot that is open, or all protected, has no mappings but those of its layout.
        _ => None,
    };
    match known {
        None => unknown(PageSet::default()),
        Some(set) if set.runs().len() > AT_ONCE && can_open && !stock.is_frozen() => Start::Open(set),
        Some(set) => Start::Guarded(set),
    }
}

/// Maps a cold slot. Whatever fails leaves the slot in an unknown state, and nothing else. The charge, of the
/// accessible bytes, is the caller's to take and to give back.
pub(crate) fn attach(
    core: &Core,
    record: &Record,
    stock: &Arc<Stock>,
    surplus: bool,
    thrift: Thrift,
) -> io::Result<Box<Attachment>> {
    let pristine = stock.pristine();
    let start = start(core, stock, thrift);
    let (mode, first) = match (&start, core.options.reset) {
        (Start::Guarded(_), _) => (Mode::Guarded, 0),
        (Start::Open(_), Reset::WorkingSet) => (Mode::Open, attention::OPENED),
        (Start::Open(_), _) => (Mode::Open, attention::ALWAYS),
    };
    let charge = stock.template.layout().accessible_bytes();
    let mut a = Box::new(Attachment::new(core, record, stock, pristine, surplus, charge, mode, first));
    a.set = match start {
        Start::Guarded(set) => {
            let set = bounded(core, &a, set);
            map(core, &a, Some(&set))?;
            for run in set.runs() {
                a.bits.put(run.start as usize..run.end as usize, true);
            }
            set
        }
        Start::Open(set) => {
            map(core, &a, None)?;
            for run in mapped(&a, &set).runs() {
                core.space.populate(a.place(bytes(run)));
            }
            set
        }
    };
    // A slot that is not attached has no bits.
    let planned = map_tails(core, &a).and_then(|()| replan(core, &mut a));
    planned.inspect_err(|_| clear_bits(&a))?;
    Ok(a)
}

/// Gives the accessible parts of a cold slot their contents and their access: with a set, its pages can be written.
fn map(core: &Core, a: &Attachment, set: Option<&PageSet>) -> io::Result<()> {
    let template = &a.stock.template;
    for step in steps(template.layout().regions(), template.pieces(), set) {
        match step {
            Step::Zeros(range, access) => core.space.protect(a.place(range), access)?,
            Step::Fresh(range) => core.space.map_zeros(a.place(range), Access::ReadWrite, Populate::Yes)?,
            Step::File { range, offset, access, populate } => {
                let file = template.file().ok_or(io::ErrorKind::NotFound)?;
                core.space.map_file(a.place(range), file, offset, access, populate)?;
            }
        }
    }
    Ok(())
}

/// Maps the tails that uses are known to grow over, as far as they stay: the first use then finds what later ones find.
/// Only a shortcut, so that what there is no memory for is left to be mapped by growth.
fn map_tails(core: &Core, a: &Attachment) -> io::Result<()> {
    for (index, region) in a.regions.iter().enumerate() {
        let to = a.stock.grown(index).min(region.keeps);
        if to > region.mapped() && a.map_tail(core, region, to).is_ok() {
            for run in a.set.within(pages_of(&region.tail())) {
                core.space.populate(a.place(bytes(&run)));
            }
        }
    }
    if a.attention() & attention::BROKEN == 0 { Ok(()) } else { Err(io::ErrorKind::OutOfMemory.into()) }
}

/// The part of a set that the kernel lets be accessed.
pub(crate) fn mapped(a: &Attachment, set: &PageSet) -> PageSet {
    PageSet::new(a.images().flat_map(|region| set.within(region.mapped_pages())))
}

/// A set that covers this one and has no more runs than the slot may have.
pub(crate) fn bounded(core: &Core, a: &Attachment, set: PageSet) -> PageSet {
    set.joined(core.max_runs(a.mappings), &a.stock.regions)
}

/// Writes down what a release has to put back, after the set changed.
pub(crate) fn replan(core: &Core, a: &mut Attachment) -> io::Result<()> {
    let at = |offset: usize| a.base.as_ptr().wrapping_add(offset);
    let (mut runs, mut tails, mut volatile) = (Vec::new(), Vec::new(), Vec::new());
    for region in &a.regions {
        let range = region.offset..region.offset + region.initial;
        if region.kind == RegionKind::Volatile {
            let used = a.stock.template.hints().volatile.clone().unwrap_or(range.clone());
            let (start, end) = (used.start.max(range.start), used.end.min(range.end));
            if start < end {
                volatile.push(Run { to: at(start), from: core::ptr::null(), len: end - start });
            }
            continue;
        }
        for pages in a.set.within(pages_of(&range)) {
            let sources = a.sources(bytes(&pages))?;
            runs.extend(sources.iter().map(|s| Run { to: at(s.range.start), from: s.from, len: s.range.len() }));
        }
        // Behind what is accessible at first there are no contents.
        let zeros = |pages: Range<usize>| Run { to: at(pages.start), from: core::ptr::null(), len: pages.len() };
        tails.extend(a.set.within(pages_of(&region.tail())).map(|pages| zeros(bytes(&pages))));
    }
    let pages = |runs: &[Run]| runs.iter().map(|run| run.len / PAGE).sum::<usize>();
    a.pages = pages(&runs);
    a.ages = vec![0; a.pages + pages(&tails)];
    a.regions.iter_mut().for_each(|region| region.planned = region.mapped());
    (a.runs, a.tails, a.volatile) = (runs.into(), tails, volatile.into());
    let pieces = a.stock.template.pieces().len();
    let sets = if a.mode() == Mode::Open { 0 } else { 2 * a.set.runs().len() };
    let tails = a.regions.iter().filter(|region| !region.tail().is_empty()).count();
    let mappings = a.regions.len() + tails + 2 * pieces + sets;
    core.book_mappings(a.mappings, mappings);
    a.mappings = mappings;
    let ledger = &a.record().ledger;
    ledger.set_pages.store(a.set.len(), Ordering::Relaxed);
    ledger.mappings.store(mappings, Ordering::Relaxed);
    Ok(())
}

/// Makes a clean slot's protections those of a set (P3). Before, `a.set` has to cover all bits and all pages that
/// are private; those that leave it return to the kernel.
pub(crate) fn settle(core: &Core, a: &mut Attachment, set: PageSet) -> io::Result<()> {
    let extents = PageSet::new(a.images().map(|region| region.mapped_pages()));
    // A slot that was opened in part has more writable pages than its bits say, and maybe not all.
    let guarded = a.mode() == Mode::Guarded;
    let maybe_writable = if a.attention() & attention::OPENED == 0 { a.set.clone() } else { extents.clone() };
    let surely_writable =
        if guarded { PageSet::new(a.images().flat_map(|r| a.bits.runs(r.mapped_bits()))) } else { extents };
    for run in mapped(a, &maybe_writable.minus(&set)).runs() {
        core.space.protect(a.place(bytes(run)), Access::Read)?;
    }
    for run in mapped(a, &a.set.minus(&set)).runs() {
        core.space.decommit(a.place(bytes(run)))?;
    }
    for run in mapped(a, &set.minus(&surely_writable)).runs() {
        core.space.protect(a.place(bytes(run)), Access::ReadWrite)?;
    }
    clear_bits(a);
    for run in set.runs() {
        a.bits.put(run.start as usize..run.end as usize, true);
    }
    a.set = set;
    a.set_mode(Mode::Guarded);
    a.unflag(attention::DEVIATED | attention::OPENED);
    replan(core, a)
}

/// Makes all accessible pages of a clean slot writable: it is reset by other means than its set.
pub(crate) fn unsettle(core: &Core, a: &mut Attachment) -> io::Result<()> {
    if a.mode() == Mode::Guarded {
        for region in a.images() {
            core.space.protect(a.place(region.offset..region.offset + region.mapped()), Access::ReadWrite)?;
        }
    }
    clear_bits(a);
    a.set = PageSet::default();
    a.set_mode(Mode::Open);
    a.unflag(attention::DEVIATED);
    a.flag(attention::OPENED);
    replan(core, a)
}

/// Adds to the set what was opened beyond it. Before any tail is taken away.
pub(crate) fn absorb(a: &mut Attachment) {
    let opened = PageSet::new(a.images().flat_map(|region| a.bits.runs(region.mapped_bits())));
    a.set = a.set.union(&opened);
}

/// Clears all bits. What is set is in the set, or was opened in a mapped part.
pub(crate) fn clear_bits(a: &Attachment) {
    for run in a.set.runs() {
        a.bits.put(run.start as usize..run.end as usize, false);
    }
    for region in a.images() {
        for run in a.bits.runs(region.mapped_bits()) {
            a.bits.put(run.start as usize..run.end as usize, false);
        }
    }
}
