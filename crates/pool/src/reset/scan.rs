//! Asking the kernel which pages are private copies: a strategy of its own, and how working sets are learned.

use super::{Failure, clear_volatile, decommit, restore, take_tails};
use crate::attachment::Attachment;
use crate::ground::Core;
use crate::pages::PageSet;
use crate::sys::ScanError;
use hatchery_alloc::PAGE;
use std::io;

/// Resets an open slot by a scan.
pub(super) fn reset(core: &Core, a: &mut Attachment) -> Result<(), Failure> {
    let written = written(core, a)?;
    if written.len() > core.options.working_sets.max_pages {
        return Ok(decommit(core, a)?);
    }
    restore(a, &written);
    clear_volatile(core, a)?;
    take_tails(core, a)?;
    Ok(())
}

/// The pages that are private in the accessible parts of image regions: all that were written since the slot was
/// attached or decommitted, and some that were only put back.
pub(super) fn written(core: &Core, a: &Attachment) -> io::Result<PageSet> {
    let map = core.pagemap.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let base = a.base.as_ptr() as usize;
    let mut found = Vec::new();
    for region in a.images() {
        for source in a.pristine.sources(region.offset..region.offset + region.accessible()) {
            let range = base + source.range.start..base + source.range.end;
            map.scan(range, source.background(), &mut |r| {
                found.push(((r.start - base) / PAGE) as u32..((r.end - base) / PAGE) as u32);
            })
            .map_err(|error| match error {
                ScanError::System(error) => error,
                ScanError::Forked => io::Error::other(error),
            })?;
        }
    }
    Ok(PageSet::new(found))
}
