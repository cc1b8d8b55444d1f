//! Initial contents of a slot, in some file.
//!
//! Only pages that some byte of the image lies in are in the file, in *runs*: contiguous ranges of the
//! slot that are contiguous in the file too. Each run is a kernel mapping per slot, so small gaps are
//! filled with zero pages rather than split, and larger ones where there would be too many runs.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

/// Bytes of a page on every target we know.
pub const PAGE: u64 = 4096;

/// A gap of this many bytes between two pages ends a run: the guard between state and first memory is one.
const MAX_GAP: u64 = 1 << 20;

/// Bytes that all bridged gaps may have together, or as many as the pages have: pages that lie far apart must not make
/// a file, and memory, of what a slot could address.
const MAX_BRIDGED: u64 = 16 << 20;

/// Most runs that an image's pages may lie in: each is a kernel mapping per slot, of which a process has some ten
/// thousands.
pub const MAX_RUNS: usize = 256;

/// A contiguous range of the slot that the file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRun {
    /// First byte, from the slot's base; a multiple of the page size.
    pub slot_offset: u64,
    /// First byte in the file; a multiple of the page size.
    pub file_offset: u64,
    /// Bytes; a multiple of the page size.
    pub length: u64,
}

/// The stored pages of an image.
#[derive(Debug)]
pub struct Pages {
    file: Option<File>,
    runs: Vec<PageRun>,
}

impl Pages {
    /// The file, unless no byte of the image differs from zero.
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.file.as_ref().map(AsFd::as_fd)
    }

    /// Pages that some file holds already, in runs that this file really has.
    pub(crate) fn stored_in(file: Option<File>, runs: Vec<PageRun>) -> Pages {
        Pages { file, runs }
    }

    /// The runs, by ascending offset in the slot and in the file.
    pub fn runs(&self) -> &[PageRun] {
        &self.runs
    }

    /// A descriptor of its own for the same file.
    ///
    /// # Errors
    ///
    /// When the process has no descriptor left.
    pub fn duplicate(&self) -> std::io::Result<Option<OwnedFd>> {
        self.file.as_ref().map(|file| file.as_fd().try_clone_to_owned()).transpose()
    }

    /// The byte range of the slot starting at `slot_offset`; zero outside every run.
    ///
    /// # Errors
    ///
    /// When reading the file fails.
    pub fn read(&self, slot_offset: u64, into: &mut [u8]) -> std::io::Result<()> {
        into.fill(0);
        let end = slot_offset + into.len() as u64;
        for run in &self.runs {
            let from = run.slot_offset.max(slot_offset);
            let to = (run.slot_offset + run.length).min(end);
            if let (true, Some(file)) = (from < to, &self.file) {
                let part = &mut into[(from - slot_offset) as usize..(to - slot_offset) as usize];
                file.read_exact_at(part, run.file_offset + (from - run.slot_offset))?;
            }
        }
        Ok(())
    }
}

static ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

/// Which gaps between pages are filled with zeros: those that are shorter than a length, and some of that length.
#[derive(Debug, Clone, Copy)]
struct Bridges {
    below: u64,
    /// How many of the first ones of exactly that length.
    equal: usize,
}

impl Bridges {
    /// Whether the next gap is one of them.
    fn take(&mut self, gap: u64) -> bool {
        let equal = gap == self.below && self.equal > 0;
        self.equal -= usize::from(equal);
        gap < self.below || equal
    }
}

/// Collects the bytes of an image before they are stored.
#[derive(Debug, Default)]
pub struct PagesBuilder {
    pages: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
}

impl PagesBuilder {
    /// No bytes: everything is zero.
    pub fn new() -> PagesBuilder {
        PagesBuilder::default()
    }

    /// Overwrites the bytes at `slot_offset`.
    pub fn write(&mut self, slot_offset: u64, bytes: &[u8]) {
        let (mut at, mut bytes) = (slot_offset, bytes);
        while !bytes.is_empty() {
            let within = (at % PAGE) as usize;
            let (now, rest) = bytes.split_at(bytes.len().min(PAGE as usize - within));
            // A page of zeros that does not exist yet is what it would become.
            let page = at - within as u64;
            if self.pages.contains_key(&page) || *now != ZEROS[..now.len()] {
                let page = self.pages.entry(page).or_insert_with(|| Box::new([0; PAGE as usize]));
                page[within..within + now.len()].copy_from_slice(now);
            }
            at += now.len() as u64;
            bytes = rest;
        }
    }

    /// Bytes of the collected pages.
    pub fn bytes(&self) -> u64 {
        self.pages.len() as u64 * PAGE
    }

    /// Which gaps are bridged. As many as may be, of those that are short; and where [`MAX_RUNS`] would not be enough, the
    /// shortest of the others, if that suffices.
    fn bridges(&self) -> Bridges {
        let pairs = self.pages.keys().zip(self.pages.keys().skip(1));
        let mut gaps: Vec<u64> = pairs.map(|(a, b)| b - a - PAGE).filter(|gap| *gap > 0).collect();
        gaps.sort_unstable();
        let most = self.bytes().max(MAX_BRIDGED);
        let affordable = gaps.iter().scan(0u64, |sum, gap| {
            *sum = sum.saturating_add(*gap);
            (*sum <= most).then_some(())
        });
        let affordable = affordable.count();
        let shorter = |than: u64| gaps.partition_point(|gap| *gap < than);
        let below = gaps.get(affordable).map_or(MAX_GAP, |gap| MAX_GAP.min(*gap));
        let needed = (gaps.len() + 1).saturating_sub(MAX_RUNS);
        if needed <= shorter(below) || affordable < needed {
            return Bridges { below, equal: 0 };
        }
        let below = gaps[needed - 1];
        Bridges { below, equal: needed - shorter(below) }
    }

    /// The runs that the collected pages will be stored in.
    pub fn runs(&self) -> Vec<PageRun> {
        let mut bridges = self.bridges();
        let mut runs: Vec<PageRun> = Vec::new();
        for page in self.pages.keys().copied() {
            match runs.last_mut() {
                Some(run) if bridges.take(page - (run.slot_offset + run.length)) => {
                    run.length = page + PAGE - run.slot_offset;
                }
                last => {
                    let file_offset = last.map_or(0, |run| run.file_offset + run.length);
                    runs.push(PageRun { slot_offset: page, file_offset, length: PAGE });
                }
            }
        }
        runs
    }

    /// The bytes of the runs, in the order of the file, a page at a time; gaps that a run bridges are zeros.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &[u8]> {
        let pages =
            self.runs().into_iter().flat_map(|run| (0..run.length / PAGE).map(move |i| run.slot_offset + i * PAGE));
        pages.map(|page| self.pages.get(&page).map_or(&ZEROS[..], |bytes| &bytes[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn stored(builder: &PagesBuilder) -> Pages {
        let mut file = tempfile::tempfile().expect("a file");
        builder.stored().for_each(|page| file.write_all(page).expect("written"));
        Pages::stored_in(Some(file), builder.runs())
    }

    #[test]
    fn zeros_alone_are_not_stored() {
        let mut builder = PagesBuilder::new();
        builder.write(100, &[0; 10_000]);
        assert!(builder.runs().is_empty());
        assert_eq!(builder.stored().count(), 0);
    }

    #[test]
    fn a_small_gap_is_bridged_and_a_large_one_is_not() {
        let mut builder = PagesBuilder::new();
        builder.write(0, &[1]);
        builder.write(PAGE * 10, &[1]);
        builder.write(PAGE * 11 + MAX_GAP, &[1]);
        assert_eq!(
            builder.runs(),
            [
                PageRun { slot_offset: 0, file_offset: 0, length: PAGE * 11 },
                PageRun { slot_offset: PAGE * 11 + MAX_GAP, file_offset: PAGE * 11, length: PAGE },
            ]
        );
        builder.write(PAGE * 11, &[1]);
        assert_eq!(builder.runs().len(), 1);
    }

    #[test]
    fn pages_far_apart_do_not_become_a_file_of_all_between_them() {
        let mut builder = PagesBuilder::new();
        let distance = MAX_GAP - PAGE;
        (0..2000).for_each(|i| builder.write(i * distance, &[1]));
        builder.write(1999 * distance + 3 * PAGE, &[1]);
        assert_eq!(builder.bytes(), 2001 * PAGE);
        let runs = builder.runs();
        assert_eq!(runs.len(), 2000, "the short gap is bridged, the long ones together would be too long");
        assert_eq!(runs.last().map(|run| (run.file_offset, run.length)), Some((1999 * PAGE, 4 * PAGE)));
        let few: Vec<PageRun> = {
            let mut builder = PagesBuilder::new();
            (0..10).for_each(|i| builder.write(i * distance, &[1]));
            builder.runs()
        };
        assert_eq!(few.len(), 1);
    }

    #[test]
    fn pages_in_too_many_runs_are_joined_over_the_shortest_gaps() {
        let apart = |count: u64, distance: u64| {
            let mut builder = PagesBuilder::new();
            (0..count).for_each(|i| builder.write(i * distance, &[1]));
            builder
        };
        let runs = MAX_RUNS as u64;
        assert_eq!(apart(runs, MAX_GAP + PAGE).runs().len(), MAX_RUNS, "as many as there may be");
        let mut some = apart(runs + 3, 2 << 20);
        // A gap that is longer than the others, and one that is shorter.
        some.write(5 << 30, &[1]);
        some.write((5 << 30) + MAX_GAP + PAGE, &[1]);
        let joined = some.runs();
        assert_eq!(joined.len(), MAX_RUNS);
        assert_eq!(joined[0].length, 4 * (2 << 20) + PAGE, "the first of the shortest");
        assert_eq!(joined.last().map(|run| (run.slot_offset, run.length)), Some((5 << 30, MAX_GAP + 2 * PAGE)));
        let stored: u64 = joined.iter().map(|run| run.length).sum();
        assert_eq!(some.stored().count() as u64, stored / PAGE);
        // What would be too long stays as it is, for whoever refuses it.
        assert_eq!(apart(runs + 100, 2 << 20).runs().len(), MAX_RUNS + 100);
        assert_eq!(apart(20_000, 3 * PAGE).runs().len(), 20_000);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(writes in prop::collection::vec((0u64..5 << 20, prop::collection::vec(any::<u8>(), 0..9000)), 0..8)) {
            let mut builder = PagesBuilder::new();
            let mut model = vec![0u8; 6 << 20];
            for (at, bytes) in &writes {
                builder.write(*at, bytes);
                model[*at as usize..*at as usize + bytes.len()].copy_from_slice(bytes);
            }
            let pages = stored(&builder);
            let mut read = vec![1u8; model.len()];
            pages.read(0, &mut read).expect("read");
            prop_assert!(read == model);
        }
    }
}
