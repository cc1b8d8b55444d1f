//! One test for each way in which something of an earlier use could be left. Every pool here compares every slot with its
//! template after every reset; every `Use` compares what it is given.

#![allow(clippy::single_range_in_vec_init, reason = "contents are lists of ranges, some with one")]

mod common;

use common::{MEMORY, SLOT_PAGES, Sample, Use, access, options, pool, resets};
use hatchery_alloc::{Hints, InstanceAllocator, Learning, PAGE, Tails};
use hatchery_pool::{Discovery, Placement, Pool, PoolOptions, Reset, WorkingSets};
use std::sync::Arc;

/// All strategies, and both ways to learn.
fn all(slots: usize) -> impl Iterator<Item = Pool> {
    let by_faults = PoolOptions {
        working_sets: WorkingSets { discovery: Discovery::Faults, ..WorkingSets::default() },
        ..options(Reset::WorkingSet, slots)
    };
    let random = PoolOptions { placement: Placement::Random { seed: 3 }, ..options(Reset::WorkingSet, slots) };
    let usual = resets().into_iter().map(move |reset| options(reset, slots));
    usual.chain([by_faults, random]).map(|options| Pool::new(options).expect("pool"))
}

fn scribble(used: &mut Use<'_>, value: u8) {
    for region in 0..3 {
        let part = used.accessible(region);
        assert!(used.write(part, value));
    }
}

#[test]
fn image_then_no_image_then_image_in_the_same_slot() {
    let (image, blank, other) = (Sample::image(1), Sample::blank(), Sample::image(0x55));
    for pool in all(1) {
        for round in 0..4 {
            for sample in [&image, &blank, &other, &blank, &image, &image] {
                let mut used = Use::new(&pool, sample);
                scribble(&mut used, 0xa0 + round);
                used.release();
            }
        }
    }
}

#[test]
fn a_grown_tail_is_not_readable_by_a_smaller_successor() {
    let large = Sample::image(1);
    let small = Sample::new(3, &[MEMORY..MEMORY + 1], 9, Hints::default());
    for pool in all(1) {
        for _ in 0..3 {
            let mut used = Use::new(&pool, &large);
            assert!(used.grow(2, 40));
            scribble(&mut used, 0xbb);
            used.release();
            let next = Use::new(&pool, &large);
            assert_eq!(access(next.base() + (MEMORY + 16) * PAGE), "", "the tail is guard again");
            assert_eq!(access(next.base() + (MEMORY + 39) * PAGE), "");
            next.release();
            let mut next = Use::new(&pool, &small);
            assert_eq!(access(next.base() + (MEMORY + 3) * PAGE), "");
            assert!(next.grow(2, 64));
            next.check();
            next.release();
        }
    }
}

#[test]
fn a_tail_that_grows_in_steps_is_zero_each_time() {
    let sample = Sample::image(1);
    for pool in all(2) {
        for round in 0..20 {
            let mut used = Use::new(&pool, &sample);
            for pages in [17, 18 + round % 5, 30, 64] {
                assert!(used.grow(2, pages));
                used.check();
                used.write_pages((MEMORY + 14..MEMORY + pages).step_by(1 + round % 3), 0xcc);
            }
            used.release();
        }
    }
}

#[test]
fn a_tail_that_stays_is_zero_and_costs_no_call() {
    let hints = Hints { tails: Tails::Keep, ..Hints::default() };
    let sample = Sample::new(16, &[MEMORY..MEMORY + 6], 1, hints);
    let pool = pool(Reset::WorkingSet, 1);
    let cycle = || {
        let mut used = Use::new(&pool, &sample);
        assert!(used.grow(2, 40));
        used.check();
        used.write_pages([MEMORY, MEMORY + 20, MEMORY + 39], 7);
        used.release();
    };
    (0..3).for_each(|_| cycle());
    let before = hatchery_pool::inject::made();
    (0..10).for_each(|_| cycle());
    assert_eq!(hatchery_pool::inject::made(), before, "the steady state of a growing guest");
    let mut used = Use::new(&pool, &sample);
    assert!(!used.write((MEMORY + 16) * PAGE..(MEMORY + 17) * PAGE, 1), "beyond the length, mapped or not");
    used.release();
}

#[test]
fn the_steady_state_makes_no_system_call() {
    let sample = Sample::image(1);
    let pool =
        Pool::new(PoolOptions { placement: Placement::NextAvailable, ..options(Reset::WorkingSet, 4) }).expect("pool");
    let cycle = |value| {
        let mut used = Use::new(&pool, &sample);
        used.write_pages([1, MEMORY, MEMORY + 5, MEMORY + 12], value);
        used.release();
    };
    (0..3).for_each(cycle);
    let before = hatchery_pool::inject::made();
    (0..200).for_each(cycle);
    assert_eq!(hatchery_pool::inject::made(), before, "aging included: all pages of the set are in use");
    let metrics = pool.metrics();
    assert_eq!((metrics.affinity_misses, metrics.affinity_hits, metrics.faults_learned), (1, 202, 0));
    assert_eq!(metrics.working_set_pages, 4);
    assert_eq!(
        pool.learned(&sample.template).written,
        [PAGE..2 * PAGE, 4 * PAGE..5 * PAGE, 9 * PAGE..10 * PAGE, 16 * PAGE..17 * PAGE]
    );
}

#[test]
fn pages_overwritten_with_zeros_are_reset() {
    let sample = Sample::image(1);
    for pool in all(1) {
        for _ in 0..5 {
            let mut used = Use::new(&pool, &sample);
            scribble(&mut used, 0);
            used.release();
        }
    }
}

#[test]
fn two_pools_in_a_process_know_nothing_of_each_other() {
    let sample = Sample::image(1);
    let (one, other) = (pool(Reset::WorkingSet, 2), pool(Reset::Decommit, 2));
    for round in 0..10 {
        let (mut a, mut b) = (Use::new(&one, &sample), Use::new(&other, &sample));
        scribble(&mut a, round);
        b.check();
        scribble(&mut b, 0xee);
        a.check();
        a.release();
        b.check();
        b.release();
    }
    drop(one);
    Use::new(&other, &sample).release();
    assert_eq!(other.metrics().affinity_hits, 10);
}

#[test]
fn slots_of_different_classes_do_not_get_mixed_up() {
    use hatchery_pool::Class;
    let sample = Sample::image(1);
    for reset in resets() {
        let class = |slots, pages| Class { slots, slot_bytes: pages * PAGE };
        let classes = vec![class(2, SLOT_PAGES), class(3, SLOT_PAGES - 1), class(4, 2 * SLOT_PAGES)];
        let pool = Pool::new(PoolOptions { classes, ..options(reset, 0) }).expect("pool");
        for round in 0..4 {
            let mut live: Vec<_> = (0..6).map(|_| Use::new(&pool, &sample)).collect();
            assert!(Use::try_new(&pool, &sample).is_err(), "the class that is too small is of no use");
            live.iter_mut().for_each(|used| scribble(used, round));
            let mut bases: Vec<_> = live.iter().map(Use::base).collect();
            bases.sort_unstable();
            assert!(bases.windows(2).all(|pair| pair[0] + SLOT_PAGES * PAGE <= pair[1]));
            live.drain(..).for_each(Use::release);
        }
    }
}

#[test]
fn a_fork_of_the_host_changes_nothing_for_either_side() {
    for reset in resets() {
        let sample = Sample::image(1);
        let pool = pool(reset, 3);
        let cycle = |value| {
            let mut used = Use::new(&pool, &sample);
            used.write_pages([1, MEMORY, MEMORY + 9], value);
            used.check();
            used.release();
        };
        (0..3).for_each(cycle);
        let mut held = Use::new(&pool, &sample);
        held.write_pages([MEMORY + 3], 1);
        // SAFETY: the child only uses the pool, which no other thread has, and ends without running destructors.
        #[expect(unsafe_code, reason = "forks")]
        let child = unsafe { libc::fork() };
        if child == 0 {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                held.check();
                held.write_pages([MEMORY + 11], 2);
                held.release();
                (0..5).for_each(cycle);
            }));
            // SAFETY: ends the process.
            #[expect(unsafe_code, reason = "ends the child")]
            unsafe {
                libc::_exit(i32::from(outcome.is_err()))
            };
        }
        held.check();
        held.release();
        (0..5).for_each(cycle);
        let mut status = 1;
        // SAFETY: waits for our own child.
        #[expect(unsafe_code, reason = "waits for the child")]
        unsafe {
            libc::waitpid(child, &raw mut status, 0)
        };
        assert_eq!(status, 0, "{reset}: the child saw something that it should not");
    }
}

#[test]
fn a_frozen_set_is_the_same_for_every_use() {
    let hints = Hints { learning: Learning::Frozen, written: vec![PAGE..2 * PAGE], ..Hints::default() };
    let sample = Sample::new(16, &[1..2, MEMORY..MEMORY + 6], 1, hints);
    let pool = pool(Reset::WorkingSet, 1);
    for round in 0..30 {
        let mut used = Use::new(&pool, &sample);
        assert_eq!(access(used.base() + PAGE), "rw");
        assert_eq!(access(used.base() + (MEMORY + 2) * PAGE), "r", "round {round} tells of an earlier one");
        used.write_pages([1, MEMORY + 2, MEMORY + round % 10], 5);
        if round % 4 == 0 {
            // So many that everything is opened.
            used.write_pages((0..16).step_by(2).map(|page| MEMORY + page), 6);
            assert!(used.grow(2, 60));
            used.write_pages((16..60).step_by(2).map(|page| MEMORY + page), 6);
        }
        used.release();
        assert_eq!(pool.metrics().working_set_pages, 1);
    }
}

#[test]
fn pages_that_nobody_writes_any_more_leave_the_set() {
    let sample = Sample::new(64, &[MEMORY..MEMORY + 60], 1, Hints::default());
    let pool = pool(Reset::WorkingSet, 1);
    let cycle = |pages: usize| {
        let mut used = Use::new(&pool, &sample);
        used.write_pages((0..pages).map(|page| MEMORY + page), 5);
        used.release();
    };
    cycle(60);
    assert_eq!(pool.metrics().working_set_pages, 60);
    (0..100).for_each(|_| cycle(1));
    assert_eq!(pool.metrics().working_set_pages, 1, "after a hundred uses that wrote one");
    let copied = pool.metrics().pages_copied;
    (0..10).for_each(|_| cycle(1));
    assert!(pool.metrics().pages_copied - copied <= 10);
}

#[test]
fn pages_that_are_needed_again_are_dropped_less_eagerly() {
    let sample = Sample::new(64, &[MEMORY..MEMORY + 60], 1, Hints::default());
    let pool = pool(Reset::WorkingSet, 1);
    for round in 0..1000 {
        let mut used = Use::new(&pool, &sample);
        used.write_pages((0..if round % 90 == 0 { 20 } else { 1 }).map(|page| MEMORY + page), 5);
        used.release();
    }
    // Eleven rounds need the pages; without regret, each of them would open some ten times.
    assert!(pool.metrics().faults_learned < 60, "{} openings", pool.metrics().faults_learned);
}

#[test]
fn what_was_learned_can_be_carried_over() {
    let sample = Sample::image(1);
    let one = pool(Reset::WorkingSet, 1);
    let mut used = Use::new(&one, &sample);
    used.write_pages([1, MEMORY + 3], 5);
    used.release();
    let hints = Hints { written: one.learned(&sample.template).written, ..Hints::default() };
    let (other, warm) = (pool(Reset::WorkingSet, 1), Sample::new(16, &[1..2, MEMORY..MEMORY + 6], 1, hints));
    let mut used = Use::new(&other, &warm);
    let before = hatchery_pool::inject::made();
    used.write_pages([1, MEMORY + 3], 5);
    used.release();
    assert_eq!(hatchery_pool::inject::made(), before, "the first use is like any other");
}

#[test]
fn new_slots_start_with_what_others_learned() {
    let sample = Sample::image(1);
    let pool = pool(Reset::WorkingSet, 8);
    let mut first = Use::new(&pool, &sample);
    first.write_pages([1, MEMORY + 3], 5);
    first.release();
    let live: Vec<_> = (0..8)
        .map(|_| {
            let mut used = Use::new(&pool, &sample);
            used.write_pages([1, MEMORY + 3], 6);
            used
        })
        .collect();
    live.into_iter().for_each(Use::release);
    assert_eq!((pool.metrics().faults_learned, pool.metrics().working_set_pages), (0, 16));
}

#[test]
fn two_templates_of_the_same_contents_learn_apart() {
    let (one, other) = (Sample::image(1), Sample::image(1));
    let pool = pool(Reset::WorkingSet, 2);
    let mut used = Use::new(&pool, &one);
    used.write_pages([MEMORY + 3], 5);
    used.release();
    assert_eq!(pool.learned(&one.template).written.len(), 1);
    let used = Use::new(&pool, &other);
    used.release();
    assert!(pool.learned(&other.template).written.is_empty());
}

#[test]
fn volatile_bytes_beyond_the_hint_are_the_makers_word_and_within_it_ours() {
    let hints = Hints { volatile: Some(100..300), ..Hints::default() };
    let sample = Sample::new(16, &[], 1, hints);
    for pool in all(1) {
        for _ in 0..3 {
            let mut used = Use::new(&pool, &sample);
            assert!(used.write(100..300, 9));
            used.release();
        }
    }
}

#[test]
fn a_slot_that_is_never_released_is_lost_and_nothing_else() {
    let sample = Sample::image(1);
    let pool = pool(Reset::WorkingSet, 2);
    drop(Use::new(&pool, &sample).slot);
    let used = Use::new(&pool, &sample);
    assert!(Use::try_new(&pool, &sample).is_err());
    used.release();
    assert_eq!(Arc::strong_count(&sample.template), 3, "ours, the stock's, the warm slot's");
    drop(pool);
    assert_eq!(Arc::strong_count(&sample.template), 1);
}
