//! What no reset by copying could do without: the copy of the pages that were written.

use super::guests::{Guest, MEMORY};
use crate::measure::{Side, computing};
use std::hint::black_box;
use std::ops::Range;

/// Copies what a call writes from where the original is, or zeroes it where the original has nothing. One after the
/// other, as many copies are kept as there are slots in rotation, so that they are where those would be: in a cache or
/// not. A guest whose writes are not known has no floor.
pub(crate) fn copy(guest: &Guest, slots: usize) -> Option<Side> {
    if guest.writes.is_empty() {
        return None;
    }
    let original = original(guest.data);
    let (writes, mut copies, mut next) = (guest.writes.clone(), vec![0_u8; slots * MEMORY], 0);
    let mut side = computing(move |count| {
        for _ in 0..count {
            let copy = &mut copies[next * MEMORY..][..MEMORY];
            for range in &writes {
                put_back(copy, &original, range.clone());
            }
            black_box(copy);
            next = (next + 1) % slots;
        }
    });
    // Each copy once, so that its pages are there.
    side(slots as u64);
    Some(side)
}

/// So many bytes that are not zero.
fn original(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| i as u8 | 1).collect()
}

/// Makes this range what it was.
fn put_back(copy: &mut [u8], original: &[u8], range: Range<usize>) {
    let end = range.end.min(original.len()).max(range.start);
    if range.start < end {
        copy[range.start..end].copy_from_slice(&original[range.start..end]);
    }
    copy[end..range.end].fill(0);
}
