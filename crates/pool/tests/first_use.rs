//! Slots that are used for the first time, when it is known what users write, and when it is not.

mod common;

use common::{MEMORY, Sample, Use, access, options, pool, resets};
use core::ops::Range;
use hatchery_alloc::{Hints, InstanceAllocator, Learning, PAGE, Slot};
use hatchery_pool::{Pool, PoolOptions, Reset, Verify};

/// Pages far apart: more runs than a new slot is protected for at once.
fn spread() -> impl Iterator<Item = usize> {
    (0..16).map(|i| MEMORY + 4 * i)
}

fn sample(hints: Hints) -> Sample {
    Sample::new(64, &[1..2, MEMORY..MEMORY + 30], 1, hints)
}

/// That hints say to be written.
fn written() -> Hints {
    Hints { written: spread().map(|page| page * PAGE..(page + 1) * PAGE).collect(), ..Hints::default() }
}

#[test]
fn a_spread_set_is_there_at_the_first_use_and_protected_after_it() {
    let (pool, sample) = (pool(Reset::WorkingSet, 1), sample(written()));
    let mut used = Use::new(&pool, &sample);
    let before = hatchery_pool::inject::made();
    for page in spread() {
        let at = used.base() + page * PAGE;
        assert_eq!(common::resident(at..at + PAGE), PAGE, "page {page} costs no fault");
    }
    used.write_pages(spread(), 7);
    used.check();
    assert_eq!(hatchery_pool::inject::made(), before, "nor a call");
    used.release();
    for value in 0..20 {
        let mut used = Use::new(&pool, &sample);
        assert_eq!(access(used.base() + (MEMORY + 1) * PAGE), "r", "what is not in the set");
        assert_eq!(access(used.base() + (MEMORY + 4) * PAGE), "rw", "what is");
        used.write_pages(spread(), value);
        used.release();
    }
    assert_eq!((pool.metrics().working_set_pages, pool.metrics().faults_learned), (16, 0));
}

#[test]
fn what_is_written_beside_a_spread_set_is_put_back_and_learned() {
    let (pool, sample) = (pool(Reset::WorkingSet, 1), sample(written()));
    let mut used = Use::new(&pool, &sample);
    used.write_pages([1, MEMORY + 1, MEMORY + 35, MEMORY + 63], 7);
    used.check();
    used.release();
    // Compares.
    Use::new(&pool, &sample).release();
    let metrics = pool.metrics();
    assert_eq!((metrics.working_set_pages, metrics.faults_learned), (20, 0));
    assert_eq!(pool.learned(&sample.template).written.len(), 18, "two are next to others");
}

#[test]
fn a_spread_set_that_is_frozen_is_all_that_can_be_written_from_the_start() {
    let (pool, sample) = (pool(Reset::WorkingSet, 1), sample(Hints { learning: Learning::Frozen, ..written() }));
    for _ in 0..3 {
        let mut used = Use::new(&pool, &sample);
        assert_eq!(access(used.base() + (MEMORY + 1) * PAGE), "r", "the first use is like the others");
        used.write_pages([1, MEMORY + 1], 7);
        used.release();
        assert_eq!(pool.metrics().working_set_pages, 16);
    }
}

#[test]
fn slots_in_a_long_rotation_are_clean_however_they_were_put_back() {
    const SLOTS: usize = 72;
    let (pool, sample) = (pool(Reset::WorkingSet, SLOTS), sample(Hints::default()));
    // Sixty pages of seventy-two slots are more than is expected to be in a cache.
    let pages = MEMORY + 2..MEMORY + 62;
    let mut live: Vec<Use<'_>> = Vec::new();
    for round in 0..20 * SLOTS {
        if live.len() == SLOTS {
            live.remove(0).release();
        }
        let mut used = Use::new(&pool, &sample);
        used.write_pages(pages.clone(), round as u8);
        live.push(used);
    }
    live.into_iter().for_each(Use::release);
    assert!(pool.metrics().pages_streamed > 0, "a byte of a page is little");
    let whole = |value| {
        let mut used = Use::new(&pool, &sample);
        assert!(used.write(pages.start * PAGE..pages.end * PAGE, value));
        used.release();
    };
    // Whichever slot comes next may have been reset last a whole rotation ago, and be streamed this once.
    whole(1);
    let before = pool.metrics().pages_streamed;
    (0..20 * SLOTS).for_each(|round| whole(round as u8));
    assert_eq!(pool.metrics().pages_streamed, before, "one slot that is used again at once");
}

/// How many of these pages of a slot are in memory.
fn resident_pages(slot: &Slot, pages: Range<usize>) -> usize {
    let base = slot.base().as_ptr() as usize;
    common::resident(base + pages.start * PAGE..base + pages.end * PAGE) / PAGE
}

/// A use that writes these pages.
fn cycle(pool: &Pool, sample: &Sample, pages: &[usize]) {
    let mut used = Use::new(pool, sample);
    used.write_pages(pages.iter().copied(), 7);
    used.check();
    used.release();
}

#[test]
fn pages_of_a_slot_that_was_taken_from_another_are_not_learned_as_its_own() {
    for reset in resets() {
        let pool = pool(reset, 1);
        let [blank, other, image] = [Sample::blank(), Sample::blank(), Sample::image(1)];
        for _ in 0..5 {
            cycle(&pool, &image, &[1, MEMORY + 2, MEMORY + 9]);
            cycle(&pool, &blank, &[MEMORY + 3, MEMORY + 11]);
            cycle(&pool, &blank, &[MEMORY + 3, MEMORY + 11]);
            let slot = pool.allocate(&other.template).expect("a slot");
            let memory = resident_pages(&slot, MEMORY..MEMORY + 16);
            assert_eq!(memory, 0, "{reset}: a page tells of what another template wrote");
            Use::of(&pool, slot, &other).release();
        }
        if reset == Reset::WorkingSet {
            assert!(pool.learned(&other.template).written.is_empty());
            assert_eq!(pool.learned(&blank.template).written.len(), 2);
        }
    }
}

#[test]
fn what_others_grew_is_gone_where_a_slot_is_taken_from_them() {
    for reset in resets() {
        let pool = pool(reset, 1);
        let [one, other] = [Sample::blank(), Sample::blank()];
        for _ in 0..5 {
            let mut grown = Use::new(&pool, &one);
            assert!(grown.grow(2, 40));
            grown.write_pages([MEMORY + 30], 7);
            grown.release();
            let slot = pool.allocate(&other.template).expect("a slot");
            assert_eq!(resident_pages(&slot, MEMORY + 16..MEMORY + 40), 0, "{reset}");
            let mut next = Use::of(&pool, slot, &other);
            assert_eq!(access(next.base() + (MEMORY + 16) * PAGE), "");
            assert!(next.grow(2, 64));
            next.check();
            next.release();
        }
    }
}

#[test]
fn what_a_hint_keeps_from_being_cleared_is_gone_where_a_slot_is_taken_from_them() {
    for reset in resets() {
        // Verification would object to a hint that is wrong.
        let pool = Pool::new(PoolOptions { verify: Verify::Off, ..options(reset, 1) }).expect("pool");
        let wrong = Sample::new(16, &[], 0, Hints { volatile: Some(0..64), ..Hints::default() });
        for other in [Sample::blank(), Sample::image(1)] {
            let mut used = Use::new(&pool, &wrong);
            assert!(used.write(100..200, 7), "its maker said that nobody would");
            used.release();
            // Checks all that is accessible.
            Use::new(&pool, &other).release();
        }
    }
}

#[test]
fn images_that_are_used_once_each_cost_few_calls_and_are_learned_when_they_come_again() {
    // To verify is to map the contents once more, and that is a call for each piece.
    let pool = Pool::new(PoolOptions { verify: Verify::Off, ..options(Reset::WorkingSet, 4) }).expect("pool");
    let samples: Vec<_> = (0..100).map(Sample::image).collect();
    for _ in 0..2 {
        samples.iter().for_each(|sample| cycle(&pool, sample, &[1, MEMORY + 2, MEMORY + 12]));
    }
    let before = hatchery_pool::inject::made();
    // The first ones were learned, before it was noticed how many there are.
    samples[50..].iter().for_each(|sample| cycle(&pool, sample, &[1, MEMORY + 2, MEMORY + 12]));
    let calls = (hatchery_pool::inject::made() - before) as usize;
    // The slot is taken from another; the header, the contents of state and memory, and what lies behind them are mapped; all
    // is given back.
    assert_eq!(calls, 50 * (1 + 1 + 2 + 2 + 1), "calls");
    let again = &samples[70];
    assert!(pool.learned(&again.template).written.is_empty());
    for _ in 0..3 {
        cycle(&pool, again, &[1, MEMORY + 2, MEMORY + 12]);
    }
    assert_eq!(pool.learned(&again.template).written.len(), 3);
    let before = hatchery_pool::inject::made();
    cycle(&pool, again, &[1, MEMORY + 2, MEMORY + 12]);
    assert_eq!(hatchery_pool::inject::made(), before);
}
