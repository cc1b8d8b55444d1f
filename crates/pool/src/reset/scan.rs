//! Asking the kernel which pages are private copies: a strategy of its own, and how working sets are learned.

use super::{Failure, clear_volatile, decommit, restore, take_tails};
use crate::attachment::{Attachment, RegionState};
use crate::ground::Core;
use crate::pages::{PageSet, bytes};
use crate::sys::{Private, ScanError};
use core::ops::Range;
use hatchery_alloc::PAGE;
use std::io;

/// Resets an open slot by a scan.
pub(super) fn reset(core: &Core, a: &mut Attachment) -> Result<(), Failure> {
    if a.stock.is_frozen() {
        // Pages that are put back stay private: the next use would write them without a fault.
        return Ok(decommit(core, a)?);
    }
    let written = written(core, a)?;
    if written.len() > core.options.working_sets.max_pages {
        return Ok(decommit(core, a)?);
    }
    restore(a, &written)?;
    clear_volatile(core, a)?;
    take_tails(core, a)?;
    Ok(())
}

/// The pages that are private in the accessible parts of image regions: all that were written since the slot was
/// attached or decommitted, and some that were only put back. One question for all of them: what lies between was never
/// touched, and is passed over quickly.
pub(super) fn written(core: &Core, a: &Attachment) -> io::Result<PageSet> {
    let map = core.pagemap.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let accessible: Vec<_> = a.images().map(RegionState::accessible_pages).collect();
    let (Some(first), Some(last)) = (accessible.first(), accessible.last()) else { return Ok(PageSet::default()) };
    let base = a.base.as_ptr() as usize;
    let span = bytes(&(first.start..last.end));
    let (mut copies, mut zeros) = (Vec::new(), Vec::new());
    let mut note = |r: Range<usize>, private| {
        let list = if private == Private::Copy { &mut copies } else { &mut zeros };
        list.push(((r.start - base) / PAGE) as u32..((r.end - base) / PAGE) as u32);
    };
    map.scan(base + span.start..base + span.end, &mut note).map_err(|error| match error {
        ScanError::System(error) => error,
        ScanError::Forked => io::Error::other(error),
    })?;
    // A page of zeros is as good as none where there are no contents.
    let zeros = PageSet::new(zeros);
    let contents = PageSet::touched(a.stock.template.pieces().iter().map(hatchery_alloc::Run::range));
    let suspect = contents.runs().iter().flat_map(|contents| zeros.within(contents.clone()));
    Ok(PageSet::new(copies.into_iter().chain(suspect)).clipped(&accessible))
}
