//! Sets of pages of a slot, as plain values: what a working set is when nobody is using it.

use core::ops::Range;
use hatchery_alloc::PAGE;

/// A set of pages, numbered from the slot's base.
///
/// Invariant: the ranges are ascending, not empty, and apart: no two touch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PageSet {
    runs: Vec<Range<u32>>,
}

impl PageSet {
    /// The union of any ranges of pages.
    pub(crate) fn new(ranges: impl IntoIterator<Item = Range<u32>>) -> PageSet {
        let mut all: Vec<_> = ranges.into_iter().filter(|r| r.start < r.end).collect();
        all.sort_unstable_by_key(|r| r.start);
        let mut runs: Vec<Range<u32>> = Vec::with_capacity(all.len());
        for r in all {
            match runs.last_mut() {
                Some(last) if r.start <= last.end => last.end = last.end.max(r.end),
                _ => runs.push(r),
            }
        }
        PageSet { runs }
    }

    /// The pages that ranges of bytes touch.
    pub(crate) fn touched(bytes: impl IntoIterator<Item = Range<usize>>) -> PageSet {
        let page = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        let pages = |r: &Range<usize>| page(r.start / PAGE)..page(r.end.div_ceil(PAGE));
        PageSet::new(bytes.into_iter().filter(|r| r.start < r.end).map(|r| pages(&r)))
    }

    pub(crate) fn runs(&self) -> &[Range<u32>] {
        &self.runs
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.runs.iter().map(|r| r.len()).sum()
    }

    pub(crate) fn union(&self, other: &PageSet) -> PageSet {
        PageSet::new(self.runs.iter().chain(&other.runs).cloned())
    }

    /// The runs' parts inside a range, ascending.
    pub(crate) fn within(&self, range: Range<u32>) -> impl Iterator<Item = Range<u32>> + '_ {
        let first = self.runs.partition_point(|r| r.end <= range.start);
        let inside = self.runs[first..].iter().take_while(move |r| r.start < range.end);
        inside.map(move |r| r.start.max(range.start)..r.end.min(range.end))
    }

    /// The part of the set that lies in any of these ranges.
    pub(crate) fn clipped(&self, ranges: &[Range<u32>]) -> PageSet {
        PageSet::new(ranges.iter().flat_map(|range| self.within(range.clone())))
    }

    /// What is in this set and not in the other.
    pub(crate) fn minus(&self, other: &PageSet) -> PageSet {
        let mut left = Vec::new();
        for run in &self.runs {
            let mut start = run.start;
            for hole in other.within(run.clone()) {
                left.push(start..hole.start);
                start = hole.end;
            }
            left.push(start..run.end);
        }
        PageSet::new(left)
    }

    /// A superset of at most `most` runs, if there is one that adds pages only between runs of the same region:
    /// the smallest gaps are filled. More runs than regions are never needed.
    pub(crate) fn joined(&self, most: usize, regions: &[Range<u32>]) -> PageSet {
        let excess = self.runs.len().saturating_sub(most);
        if excess == 0 {
            return self.clone();
        }
        let same_region = |gap: &Range<u32>| regions.iter().any(|r| r.start < gap.start && gap.end < r.end);
        let gaps = self.runs.windows(2).map(|pair| pair[0].end..pair[1].start);
        let mut gaps: Vec<_> = gaps.filter(same_region).collect();
        gaps.sort_by_key(|gap| gap.len());
        gaps.truncate(excess);
        PageSet::new(self.runs.iter().cloned().chain(gaps))
    }
}

/// The pages of a range of bytes that begins and ends with one.
pub(crate) fn pages_of(bytes: &Range<usize>) -> Range<u32> {
    (bytes.start / PAGE) as u32..(bytes.end / PAGE) as u32
}

/// The bytes of a range of pages.
pub(crate) fn bytes(pages: &Range<u32>) -> Range<usize> {
    pages.start as usize * PAGE..pages.end as usize * PAGE
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const END: u32 = 200;

    fn set() -> impl Strategy<Value = PageSet> {
        proptest::collection::vec((0..END, 0..12u32), 0..20)
            .prop_map(|list| PageSet::new(list.into_iter().map(|(start, len)| start..(start + len).min(END))))
    }

    fn naive(set: &PageSet) -> BTreeSet<u32> {
        set.runs.iter().cloned().flatten().collect()
    }

    fn is_sound(set: &PageSet) -> bool {
        set.runs.iter().all(|r| r.start < r.end) && set.runs.windows(2).all(|pair| pair[0].end < pair[1].start)
    }

    proptest! {
        #[test]
        fn sets_are_sets(a in set(), b in set(), from in 0..END, to in 0..END) {
            let (union, minus) = (a.union(&b), a.minus(&b));
            let window = from.min(to)..from.max(to);
            let clipped = a.clipped(core::slice::from_ref(&window));
            prop_assert!([&a, &union, &minus, &clipped].into_iter().all(is_sound));
            prop_assert_eq!(naive(&union), naive(&a).union(&naive(&b)).copied().collect());
            prop_assert_eq!(naive(&minus), naive(&a).difference(&naive(&b)).copied().collect());
            prop_assert_eq!(naive(&clipped), naive(&a).into_iter().filter(|p| window.contains(p)).collect());
            prop_assert_eq!(a.len(), naive(&a).len());
        }

        #[test]
        fn joining_adds_pages_but_never_across_a_border(a in set(), most in 0..30usize, border in 1..END) {
            let regions = [0..border, border..END];
            let a = PageSet::new(regions.iter().flat_map(|r| a.within(r.clone()).collect::<Vec<_>>()));
            let joined = a.joined(most, &regions);
            prop_assert!(is_sound(&joined) && naive(&joined).is_superset(&naive(&a)));
            prop_assert!(joined.runs().len() <= most.max(2));
            let at_border = |set: &PageSet| naive(set).contains(&(border - 1)) && naive(set).contains(&border);
            prop_assert!(at_border(&a) || !at_border(&joined));
        }
    }

    #[test]
    fn bytes_are_rounded_outwards() {
        assert_eq!(PageSet::touched([PAGE - 1..PAGE + 1, 3 * PAGE..3 * PAGE]).runs(), [0..2]);
    }
}
