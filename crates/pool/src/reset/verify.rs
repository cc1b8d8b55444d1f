//! Comparing a clean slot with its template, byte for byte.

use crate::attachment::Attachment;
use hatchery_alloc::{PAGE, RegionKind};
use std::io;

/// The first byte of a slot that is not what it should be after a reset.
///
/// # Errors
///
/// When the template cannot be read.
pub(crate) fn difference(a: &Attachment) -> io::Result<Option<usize>> {
    for region in &a.regions {
        // A kept tail is compared as far as it is mapped.
        let bytes = region.offset..region.offset + region.mapped();
        let difference = match region.kind {
            RegionKind::Volatile => differs(a, bytes, core::ptr::null()),
            RegionKind::Image => a.sources(bytes)?.into_iter().find_map(|source| differs(a, source.range, source.from)),
        };
        if difference.is_some() {
            return Ok(difference);
        }
    }
    Ok(None)
}

fn differs(a: &Attachment, range: core::ops::Range<usize>, from: *const u8) -> Option<usize> {
    static ZEROS: [u8; PAGE] = [0; PAGE];
    range.clone().step_by(PAGE).find_map(|page| {
        // SAFETY: the range is whole pages, mapped readable, of a slot that we own and nobody uses (P2).
        let is = unsafe { core::slice::from_raw_parts(a.base.as_ptr().add(page), PAGE) };
        let should = match from.is_null() {
            true => &ZEROS[..],
            // SAFETY: the view that the attachment keeps is readable for the whole source.
            false => unsafe { core::slice::from_raw_parts(from.add(page - range.start), PAGE) },
        };
        // The comparison of whole pages is fast even where nothing is optimized.
        let differs = || is.iter().zip(should).position(|(is, should)| is != should).map(|at| page + at);
        if is == should { None } else { differs() }
    })
}
