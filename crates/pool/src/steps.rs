//! The calls that map a cold slot, planned before any is made: a first use waits for each of them.

use crate::pages::{PageSet, bytes, pages_of};
use crate::sys::{Access, Populate};
use core::ops::Range;
use hatchery_alloc::{Region, RegionKind, Run};

/// One call, for a range of the slot that is inaccessible, or that an earlier step made zeros.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Zeros.
    Zeros(Range<usize>, Access),
    /// Zeros that can be written and are expected to be: they are brought in.
    Fresh(Range<usize>),
    /// Bytes of the template's file.
    File { range: Range<usize>, offset: u64, access: Access, populate: Populate },
}

/// How a slot gets its accessible parts. With a set, only its pages of image regions can be written; without one, all can.
///
/// The parts of a piece are mapped with the access that they keep. In zeros, the whole comes first, and the set's
/// pages replace parts of it. Either way a run of the set costs one call more, or two where it cuts a piece in three.
pub(crate) fn steps(regions: &[Region], pieces: &[Run], set: Option<&PageSet>) -> Vec<Step> {
    let image = if set.is_some() { Access::Read } else { Access::ReadWrite };
    let mut steps = Vec::new();
    for region in regions {
        let range = region.offset..region.offset + region.accessible;
        let access = if region.kind == RegionKind::Volatile { Access::ReadWrite } else { image };
        for gap in uncovered(range, pieces) {
            let runs = set.filter(|_| region.kind == RegionKind::Image).map(|set| set.within(pages_of(&gap)));
            let runs: Vec<_> = runs.into_iter().flatten().map(|run| bytes(&run)).collect();
            if runs != [gap.clone()] {
                steps.push(Step::Zeros(gap, access));
            }
            steps.extend(runs.into_iter().map(Step::Fresh));
        }
    }
    for piece in pieces {
        let range = piece.range();
        let mut part = |range: Range<usize>, access, populate| {
            if !range.is_empty() {
                let offset = piece.file_offset + (range.start - piece.slot_offset) as u64;
                steps.push(Step::File { range, offset, access, populate });
            }
        };
        let Some(set) = set else {
            part(range, image, Populate::No);
            continue;
        };
        let mut at = range.start;
        for run in set.within(pages_of(&range)) {
            let run = bytes(&run);
            part(at..run.start, image, Populate::No);
            at = run.end;
            part(run, Access::ReadWrite, Populate::Yes);
        }
        part(at..range.end, image, Populate::No);
    }
    steps
}

/// The parts of a range in which no contents lie.
fn uncovered(range: Range<usize>, pieces: &[Run]) -> Vec<Range<usize>> {
    let mut gaps = Vec::new();
    let mut at = range.start;
    for piece in pieces.iter().map(Run::range) {
        if range.start <= piece.start && piece.end <= range.end {
            gaps.push(at..piece.start);
            at = piece.end;
        }
    }
    gaps.push(at..range.end);
    gaps.retain(|gap| !gap.is_empty());
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use hatchery_alloc::PAGE;
    use proptest::prelude::*;

    const PAGES: usize = 80;

    /// What a page of a slot is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Page {
        None,
        Zeros { access: Access, fresh: bool },
        File { page: u64, access: Access, populate: bool },
    }

    /// A header, a state and a memory; a set, and pieces with places in a file that are not those in the slot.
    fn case() -> impl Strategy<Value = (Vec<Region>, Vec<Run>, Option<PageSet>)> {
        let cut = |range: Range<usize>| {
            proptest::collection::vec(range, 0..8).prop_map(|mut cuts| {
                cuts.sort_unstable();
                cuts.dedup();
                cuts.chunks_exact(2).map(|pair| pair[0]..pair[1]).collect::<Vec<_>>()
            })
        };
        let set = proptest::option::of(cut(2..PAGES));
        (2..9usize, 10..PAGES, cut(2..PAGES), set).prop_map(|(state, memory, pieces, set)| {
            let region = |kind, pages: Range<usize>| Region {
                offset: pages.start * PAGE,
                kind,
                accessible: pages.len() * PAGE,
                limit: pages.len() * PAGE,
            };
            let regions = vec![
                region(RegionKind::Volatile, 0..2),
                region(RegionKind::Image, 2..state),
                region(RegionKind::Image, 10..memory),
            ];
            let inside = |range: &Range<usize>| range.end <= state || (range.start >= 10 && range.end <= memory);
            let piece = |range: Range<usize>| Run {
                slot_offset: range.start * PAGE,
                file_offset: (range.start + 1000) as u64 * PAGE as u64,
                len: range.len() * PAGE,
            };
            let pieces = pieces.into_iter().filter(inside).map(piece).collect();
            let set = set.map(|runs| {
                let runs = runs.into_iter().filter(|run| !run.is_empty()).filter(inside);
                PageSet::new(runs.map(|run| run.start as u32..run.end as u32))
            });
            (regions, pieces, set)
        })
    }

    fn act(steps: &[Step]) -> Vec<Page> {
        let mut slot = vec![Page::None; PAGES];
        for step in steps {
            match step.clone() {
                Step::Zeros(range, access) => {
                    slot[range.start / PAGE..range.end / PAGE].fill(Page::Zeros { access, fresh: false });
                }
                Step::Fresh(range) => slot[range.start / PAGE..range.end / PAGE]
                    .fill(Page::Zeros { access: Access::ReadWrite, fresh: true }),
                Step::File { range, offset, access, populate } => {
                    for (i, page) in slot[range.start / PAGE..range.end / PAGE].iter_mut().enumerate() {
                        let populate = populate == Populate::Yes;
                        *page = Page::File { page: offset / PAGE as u64 + i as u64, access, populate };
                    }
                }
            }
        }
        slot
    }

    proptest! {
        #[test]
        fn every_page_gets_what_it_needs_by_few_calls((regions, pieces, set) in case()) {
            let steps = steps(&regions, &pieces, set.as_ref());
            let slot = act(&steps);
            for (i, page) in slot.iter().enumerate() {
                let region = regions.iter().find(|region| region.accessible_range().contains(&(i * PAGE)));
                let listed = set.as_ref().is_some_and(|set| set.within(i as u32..i as u32 + 1).next().is_some());
                let writable = set.is_none() || listed;
                let Some(region) = region else {
                    prop_assert_eq!(*page, Page::None, "page {} is out of bounds", i);
                    continue;
                };
                let writable = writable || region.kind == RegionKind::Volatile;
                let access = if writable { Access::ReadWrite } else { Access::Read };
                let piece = pieces.iter().find(|piece| piece.range().contains(&(i * PAGE)));
                let expected = match piece {
                    None => Page::Zeros { access, fresh: listed },
                    Some(_) => Page::File { page: i as u64 + 1000, access, populate: listed },
                };
                prop_assert_eq!(*page, expected, "page {}", i);
            }
            let runs = set.iter().flat_map(PageSet::runs).count();
            prop_assert!(steps.len() <= regions.len() + 2 * pieces.len() + 2 * runs, "{:?}", steps);
        }
    }
}
