//! The authoritative working set of each slot: a bit per page, beside the slots, where no guest can reach.

#![expect(unsafe_code, reason = "views address space of its own as words")]

use crate::sys::{Access, Reservation};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use hatchery_alloc::PAGE;
use std::io;

/// Bits for all slots of a pool. Costs memory only where bits were set.
#[derive(Debug)]
pub(crate) struct Bitmap {
    words: Reservation,
}

/// Words that hold a slot's bits.
fn words_of(slot_bytes: usize) -> usize {
    (slot_bytes / PAGE).div_ceil(64)
}

impl Bitmap {
    /// Room for this many slots of these sizes, all clear.
    pub(crate) fn new(classes: impl Iterator<Item = (usize, usize)>) -> io::Result<Bitmap> {
        let words: usize = classes.map(|(slots, slot_bytes)| slots * words_of(slot_bytes)).sum();
        let words = Reservation::new((words * 8).next_multiple_of(PAGE), Access::ReadWrite)?;
        Ok(Bitmap { words })
    }

    /// The bits of slot `index` of slots of `slot_bytes` whose first word is `first`; and the first word behind.
    pub(crate) fn slot(&self, first: usize, index: usize, slot_bytes: usize) -> Bits {
        let start = first + index * words_of(slot_bytes);
        assert!((start + words_of(slot_bytes)) * 8 <= self.words.bytes(), "a slot without bits");
        let words = self.words.base().as_ptr().cast::<AtomicU64>().wrapping_add(start);
        Bits { words, pages: slot_bytes / PAGE }
    }

    /// Words of a class.
    pub(crate) fn class_words(slots: usize, slot_bytes: usize) -> usize {
        slots * words_of(slot_bytes)
    }
}

/// The bits of one slot.
///
/// Invariant: the words for all pages are mapped, writable, and only ever used atomically; by P6 they
/// outlive this handle. Relaxed throughout: a signal handler reads and writes them, on the thread that uses
/// the slot (C2), and slots pass between threads by release and acquire (P2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bits {
    words: *const AtomicU64,
    pages: usize,
}

// SAFETY: the words are atomics that live as long as the pool.
unsafe impl Send for Bits {}
// SAFETY: as above.
unsafe impl Sync for Bits {}

impl Bits {
    #[inline]
    fn word(&self, index: usize) -> &AtomicU64 {
        debug_assert!(index < self.pages.div_ceil(64));
        // SAFETY: the type's invariant; callers stay below `pages`, which they assert.
        unsafe { &*self.words.add(index) }
    }

    #[inline]
    pub(crate) fn get(&self, page: usize) -> bool {
        assert!(page < self.pages, "a page outside its slot");
        self.word(page / 64).load(Ordering::Relaxed) & (1 << (page % 64)) != 0
    }

    /// Sets or clears a range.
    pub(crate) fn put(&self, pages: Range<usize>, value: bool) {
        assert!(pages.start <= pages.end && pages.end <= self.pages, "pages outside their slot");
        let mut page = pages.start;
        while page < pages.end {
            let end = (page / 64 * 64 + 64).min(pages.end);
            let mask = (u64::MAX >> (64 - (end - page))) << (page % 64);
            match value {
                true => self.word(page / 64).fetch_or(mask, Ordering::Relaxed),
                false => self.word(page / 64).fetch_and(!mask, Ordering::Relaxed),
            };
            page = end;
        }
    }

    /// The first page of the range whose bit is `value`, or the range's end.
    pub(crate) fn find(&self, pages: Range<usize>, value: bool) -> usize {
        assert!(pages.end <= self.pages, "pages outside their slot");
        let mut page = pages.start;
        while page < pages.end {
            let word = self.word(page / 64).load(Ordering::Relaxed);
            let wanted = if value { word } else { !word } >> (page % 64);
            if wanted != 0 {
                return (page + wanted.trailing_zeros() as usize).min(pages.end);
            }
            page = page / 64 * 64 + 64;
        }
        pages.end
    }

    /// The runs of set bits in a range.
    pub(crate) fn runs(self, pages: Range<usize>) -> impl Iterator<Item = Range<u32>> {
        let mut at = pages.start;
        core::iter::from_fn(move || {
            let start = self.find(at..pages.end, true);
            let end = self.find(start..pages.end, false);
            at = end;
            (start < end).then_some(start as u32..end as u32)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_a_vector_of_booleans(edits in proptest::collection::vec((0..200usize, 0..200usize, any::<bool>()), 0..20)) {
            let map = Bitmap::new([(3, 200 * PAGE)].into_iter()).expect("bitmap");
            let bits = map.slot(0, 1, 200 * PAGE);
            let mut model = [false; 200];
            for (a, b, value) in edits {
                let range = a.min(b)..a.max(b);
                bits.put(range.clone(), value);
                model[range].fill(value);
            }
            prop_assert!((0..200).all(|page| bits.get(page) == model[page]));
            let from_runs: Vec<u32> = bits.runs(0..200).flatten().collect();
            let from_model: Vec<u32> = (0..200u32).filter(|page| model[*page as usize]).collect();
            prop_assert_eq!(from_runs, from_model);
            for other in [0, 2] {
                prop_assert_eq!(map.slot(0, other, 200 * PAGE).find(0..200, true), 200, "a neighbour's bits");
            }
        }
    }
}
