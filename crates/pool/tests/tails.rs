//! Grown tails that stay mapped: what they save, what bounds them, and that nobody reads them.

#![expect(clippy::single_range_in_vec_init, reason = "sets of pages are lists of ranges, some with one")]

mod common;

use common::{MEMORY, Sample, Use, options, pool};
use hatchery_alloc::{Hints, InstanceAllocator, Learning, PAGE, Tails};
use hatchery_pool::{Pool, PoolOptions, Reset, Verify, WorkingSets};

/// 16 pages of memory, whose tail may stay.
fn sample(hints: Hints) -> Sample {
    Sample::new(16, &[MEMORY..MEMORY + 6], 1, Hints { tails: Tails::Keep, ..hints })
}

/// A use that grows its memory to this many pages and writes two of the new ones.
fn grow(pool: &Pool, sample: &Sample, pages: usize) {
    let mut used = Use::new(pool, sample);
    assert!(used.grow(2, pages));
    used.check();
    used.write_pages([MEMORY + 16, MEMORY + pages - 1], 7);
    used.release();
}

/// The access that the kernel has for a page of the slot.
fn access(used: &Use<'_>, page: usize) -> &'static str {
    common::access(used.base() + page * PAGE)
}

#[test]
fn a_new_slot_has_the_tail_that_others_grew() {
    let sample = sample(Hints::default());
    let pool = pool(Reset::WorkingSet, 2);
    grow(&pool, &sample, 40);
    let first = Use::new(&pool, &sample);
    let mut second = Use::new(&pool, &sample);
    let before = hatchery_pool::inject::made();
    assert!(second.grow(2, 40));
    second.check();
    second.write_pages([MEMORY + 16, MEMORY + 39], 7);
    assert_eq!(hatchery_pool::inject::made(), before, "the tail is mapped, and what others wrote of it is open");
    assert!(second.grow(2, 41), "beyond it, growth maps more");
    assert!(hatchery_pool::inject::made() > before);
    assert!(!second.write((MEMORY + 41) * PAGE..(MEMORY + 42) * PAGE, 1));
    second.release();
    first.release();
}

#[test]
fn what_was_grown_can_be_carried_over() {
    let one = sample(Hints::default());
    let first = pool(Reset::WorkingSet, 1);
    grow(&first, &one, 40);
    let learned = first.learned(&one.template);
    assert_eq!(learned.grown, [(MEMORY + 16) * PAGE..(MEMORY + 40) * PAGE]);
    for learning in [Learning::Free, Learning::Frozen] {
        let hints =
            Hints { written: learned.written.clone(), grown: learned.grown.clone(), learning, ..Hints::default() };
        // The first verification maps the contents to compare with, of which nothing has to be put back here.
        let options = PoolOptions { verify: Verify::Off, ..options(Reset::WorkingSet, 1) };
        let (other, pool) = (sample(hints), Pool::new(options).expect("pool"));
        let mut used = Use::new(&pool, &other);
        let before = hatchery_pool::inject::made();
        assert!(used.grow(2, 40));
        used.write_pages([MEMORY + 16, MEMORY + 39], 7);
        used.release();
        assert_eq!(hatchery_pool::inject::made(), before, "{learning:?}");
        let mut next = Use::new(&pool, &other);
        assert!(next.grow(2, 40));
        next.check();
        next.release();
    }
}

#[test]
fn a_frozen_template_grows_in_the_same_way_every_time() {
    let sample = sample(Hints { learning: Learning::Frozen, ..Hints::default() });
    let pool = pool(Reset::WorkingSet, 1);
    for pages in [60, 40] {
        let used = Use::new(&pool, &sample);
        assert_eq!(access(&used, MEMORY + 16), "", "nothing tells of an earlier growth");
        used.release();
        grow(&pool, &sample, pages);
    }
    assert!(pool.learned(&sample.template).grown.is_empty());
}

#[test]
fn a_frozen_template_keeps_no_page_of_what_uses_grew_and_wrote() {
    for reset in Reset::ALL {
        let pool = pool(reset, 1);
        for grown in [None, Some(20)] {
            let grown = grown.map(|pages| (MEMORY + 16) * PAGE..(MEMORY + pages) * PAGE).into_iter().collect();
            let sample = sample(Hints { learning: Learning::Frozen, grown, ..Hints::default() });
            for _ in 0..3 {
                let mut used = Use::new(&pool, &sample);
                assert!(used.grow(2, 60));
                used.write_pages((0..60).map(|page| MEMORY + page), 7);
                let memory = used.base() + MEMORY * PAGE..used.base() + (MEMORY + 60) * PAGE;
                assert_eq!(common::resident(memory.clone()), 60 * PAGE);
                used.release();
                // Verification reads what is accessible, tails that stay included.
                let tail = memory.start + 20 * PAGE..memory.end;
                assert_eq!(common::resident(tail), 0, "{reset}: the next one could tell by its faults");
                assert_eq!(common::copied(memory), 0, "{reset}: and by those of its writes");
            }
            pool.evict_warm();
        }
    }
}

#[test]
fn a_tail_stays_up_to_its_bound() {
    let working_sets = WorkingSets { max_tail_bytes: 10 * PAGE, ..WorkingSets::default() };
    let pool = Pool::new(PoolOptions { working_sets, ..options(Reset::WorkingSet, 1) }).expect("pool");
    let sample = sample(Hints::default());
    for _ in 0..3 {
        grow(&pool, &sample, 60);
        let used = Use::new(&pool, &sample);
        assert_ne!(access(&used, MEMORY + 25), "");
        assert_eq!(access(&used, MEMORY + 26), "");
        used.release();
        assert_eq!(pool.metrics().bytes_charged, (1 + 2 + 16 + 10) * PAGE);
    }
}

#[test]
fn a_tail_that_nobody_grows_over_any_more_is_given_up() {
    let sample = sample(Hints::default());
    let pool = pool(Reset::WorkingSet, 1);
    let whole = (1 + 2 + 16) * PAGE;
    grow(&pool, &sample, 60);
    assert_eq!(pool.metrics().bytes_charged, whole + 44 * PAGE);
    (0..100).for_each(|_| grow(&pool, &sample, 20));
    assert_eq!(pool.metrics().bytes_charged, whole + 4 * PAGE, "as much as is used stays");
    (0..100).for_each(|_| Use::new(&pool, &sample).release());
    assert_eq!(pool.metrics().bytes_charged, whole);
    assert!(pool.learned(&sample.template).grown.is_empty());
    grow(&pool, &sample, 60);
}

#[test]
fn pages_of_a_tail_leave_the_set_when_nobody_writes_them() {
    let sample = sample(Hints::default());
    let pool = pool(Reset::WorkingSet, 1);
    let cycle = |pages: usize| {
        let mut used = Use::new(&pool, &sample);
        assert!(used.grow(2, 64));
        used.write_pages((0..pages).map(|page| MEMORY + 16 + page), 5);
        used.release();
    };
    cycle(40);
    assert_eq!(pool.metrics().working_set_pages, 40);
    (0..100).for_each(|_| cycle(1));
    assert_eq!(pool.metrics().working_set_pages, 1);
}

#[test]
fn memory_that_warm_tails_are_charged_for_is_there_for_growth() {
    let whole = (1 + 2 + 16) * PAGE;
    let limit = 2 * whole + 50 * PAGE;
    let pool = Pool::new(PoolOptions { max_resident_bytes: limit, ..options(Reset::WorkingSet, 2) }).expect("pool");
    let (one, other) = (sample(Hints::default()), sample(Hints::default()));
    for _ in 0..3 {
        grow(&pool, &one, 60);
        assert_eq!(pool.metrics().bytes_charged, whole + 44 * PAGE);
        grow(&pool, &other, 60);
        assert!(pool.metrics().bytes_charged <= limit);
    }
    // Memory that is in use is not.
    let mut live = Use::new(&pool, &one);
    assert!(live.grow(2, 60));
    let mut short = Use::new(&pool, &other);
    assert!(!short.grow(2, 60));
    short.check();
    short.release();
    live.release();
}

#[test]
fn a_growth_that_cannot_be_had_costs_others_nothing() {
    let whole = (1 + 2 + 16) * PAGE;
    let max_resident_bytes = 3 * whole + 20 * PAGE;
    let pool = Pool::new(PoolOptions { max_resident_bytes, ..options(Reset::WorkingSet, 3) }).expect("pool");
    let [one, other] = [(); 2].map(|()| sample(Hints::default()));
    Use::new(&pool, &other).release();
    let (mut first, mut greedy) = (Use::new(&pool, &one), Use::new(&pool, &one));
    assert!(first.grow(2, 26));
    assert_eq!(pool.metrics().warm, 1);
    // Ten pages are free, and the warm slot is charged for nineteen.
    assert!(!greedy.grow(2, 16 + 30));
    assert_eq!(pool.metrics().warm, 1);
    assert!(greedy.grow(2, 16 + 29));
    assert_eq!((pool.metrics().warm, pool.metrics().bytes_charged), (0, max_resident_bytes));
    greedy.check();
    first.release();
    greedy.release();
}

#[test]
fn what_is_not_charged_is_not_resident() {
    let limited = PoolOptions { max_resident_bytes: 1 << 20, ..options(Reset::WorkingSet, 1) };
    let pool = Pool::new(limited).expect("pool");
    let sample = Sample::blank();
    for _ in 0..3 {
        let mut used = Use::new(&pool, &sample);
        assert!(used.grow(2, 60));
        used.write_pages((16..60).map(|page| MEMORY + page), 7);
        let tail = used.base() + (MEMORY + 16) * PAGE..used.base() + (MEMORY + 60) * PAGE;
        assert_eq!(common::resident(tail.clone()), 44 * PAGE);
        used.release();
        assert_eq!(pool.metrics().bytes_charged, (1 + 2 + 16) * PAGE);
        assert_eq!(common::resident(tail), 0, "its length is out of bounds, and so is its memory");
    }
}
