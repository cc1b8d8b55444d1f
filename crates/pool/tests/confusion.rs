//! Slots, shards, classes and templates that could be taken for each other; failures that must not be forgotten.

#![allow(clippy::single_range_in_vec_init, reason = "contents are lists of ranges, some with one")]

mod common;

use common::{MEMORY, Random, SLOT_PAGES, Sample, Use, holdings, options, pool, resets};
use hatchery_alloc::{AllocateError, Hints, PAGE, Region, RegionKind, SlotLayout, Template};
use hatchery_pool::{Class, Placement, Pool, PoolOptions, Reset, inject};
use std::sync::Arc;

/// A template whose slots need this many pages, so that several sizes meet several classes.
fn sized(pages: usize, memory: usize) -> Sample {
    let region = |kind, offset: usize, accessible: usize, limit: usize| Region {
        offset: offset * PAGE,
        kind,
        accessible: accessible * PAGE,
        limit: limit * PAGE,
    };
    let regions = [
        region(RegionKind::Volatile, 0, 1, 1),
        region(RegionKind::Image, 1, memory - 2, memory - 2),
        region(RegionKind::Image, memory, 1, pages - memory),
    ];
    let layout = SlotLayout::new(pages * PAGE, regions).expect("layout");
    let template = Arc::new(Template::new(layout, None, &[]).expect("template"));
    Sample { template, contents: vec![0; pages * PAGE].into() }
}

#[test]
fn indices_of_shards_and_classes_are_not_mixed_up() {
    let class = |slots, pages: usize| Class { slots, slot_bytes: pages * PAGE - PAGE / 2 };
    let samples = [sized(20, 4), sized(40, 9), sized(64, 3), sized(20, 12)];
    for (reset, shards, placement) in [
        (Reset::WorkingSet, 1, Placement::NextAvailable),
        (Reset::WorkingSet, 16, Placement::Random { seed: 11 }),
        (Reset::PagemapScan, 4, Placement::NextAvailable),
        (Reset::Decommit, 2, Placement::Random { seed: 2 }),
    ] {
        let classes = vec![class(5, 64), class(4, 20), class(3, 40), class(0, 30), class(2, 21)];
        let pool = Pool::new(PoolOptions { classes, shards, placement, ..options(reset, 0) }).expect("pool");
        std::thread::scope(|scope| {
            for thread in 0..5 {
                let (pool, samples) = (&pool, &samples);
                scope.spawn(move || {
                    let (mut random, mut live) = (Random(thread), Vec::new());
                    for _ in 0..400 {
                        let sample = &samples[random.below(4)];
                        if let Ok(mut used) = Use::try_new(pool, sample) {
                            let bytes = sample.template.layout().bytes();
                            assert!(used.slot.layout().bytes() == bytes && used.base().is_multiple_of(PAGE));
                            assert!(used.grow(2, 1 + random.below(5)));
                            for region in 0..3 {
                                let part = used.accessible(region);
                                assert!(used.write(part, thread as u8 + 1));
                            }
                            live.push(used);
                        }
                        if live.len() > random.below(4) {
                            let used = live.swap_remove(random.below(live.len()));
                            used.check();
                            used.release();
                        }
                    }
                    live.into_iter().for_each(Use::release);
                });
            }
        });
        let m = pool.metrics();
        assert_eq!((m.live, m.withdrawals, m.warm + m.cold), (0, 0, 14), "{reset}");
    }
}

#[test]
fn successors_whose_regions_lie_elsewhere_find_nothing() {
    // The same slot, cut in different ways: what was memory is state now, what was guard is memory.
    let samples = [sized(64, 4), sized(64, 40), sized(64, 3), sized(50, 20), sized(64, 12)];
    for reset in resets() {
        let pool = Pool::new(PoolOptions::new(1, 64 * PAGE - 1)).map(|_| ());
        assert!(pool.is_ok(), "a size that ends inside a page");
        let pool = Pool::new(PoolOptions {
            verify: hatchery_pool::Verify::EveryReset,
            reset,
            ..PoolOptions::new(1, 64 * PAGE - 1)
        });
        let pool = pool.expect("pool");
        for round in 0..30 {
            let mut used = Use::new(&pool, &samples[round * 7 % 5]);
            assert!(used.grow(2, 10));
            for region in 0..3 {
                let part = used.accessible(region);
                assert!(used.write(part, 0xe0 + round as u8 % 16));
            }
            used.release();
        }
    }
}

#[test]
fn a_slot_whose_reset_failed_is_withdrawn_and_not_reused() {
    let (sample, other) = (Sample::image(1), Sample::image(2));
    for reset in resets() {
        let pool = pool(reset, 1);
        let mut used = Use::new(&pool, &sample);
        assert!(used.grow(2, 30));
        used.write_pages([1, MEMORY, MEMORY + 20], 9);
        // From here on every call fails: the reset, and what would make the slot usable again.
        inject::failing(0, true, || {
            used.release();
            let m = pool.metrics();
            assert_eq!((m.live, m.warm, m.cold, m.withdrawn, m.withdrawals), (0, 0, 0, 1, 1), "{reset}");
            for sample in [&sample, &other] {
                let refused = Use::try_new(&pool, sample).map(|_| ());
                assert!(matches!(refused, Err(AllocateError::Exhausted { limit: 1 })), "{reset}: {refused:?}");
            }
            assert!(m.bytes_charged > 0, "it may hold memory");
        });
        // Now it can be replaced whole, and is.
        Use::new(&pool, &sample).release();
        let m = pool.metrics();
        assert_eq!((m.withdrawn, m.withdrawals, m.affinity_misses), (0, 1, 2), "{reset}");
    }
}

#[test]
fn a_slot_that_a_panicking_thread_had_is_given_back_by_its_unwinding() {
    struct Releases<'a>(Option<Use<'a>>);
    impl Drop for Releases<'_> {
        fn drop(&mut self) {
            self.0.take().expect("once").release();
        }
    }
    let sample = Sample::image(1);
    let pool = pool(Reset::WorkingSet, 1);
    for _ in 0..3 {
        let panicked = std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    let mut used = Use::new(&pool, &sample);
                    used.write_pages([MEMORY + 3], 1);
                    let _held = Releases(Some(used));
                    panic!("of the host's");
                })
                .join()
        });
        assert!(panicked.is_err());
    }
    Use::new(&pool, &sample).release();
    assert_eq!((pool.metrics().live, pool.metrics().withdrawals), (0, 0));
}

/// Switches the image of each of a hundred slots again and again; what the process holds must not grow with it.
fn switch(switches: usize) {
    for reset in resets() {
        let pool = pool(reset, 100);
        let resident = || {
            let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
            text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("resident pages")
        };
        let mut held: Vec<Use<'_>> = Vec::new();
        let (mut before, mut pages) = ((0, 0), 0);
        for i in 0..switches {
            let sample = Sample::new(4 + i % 3, &[MEMORY..MEMORY + 1 + i % 3], i as u8, Hints::default());
            let mut used = Use::new(&pool, &sample);
            used.write_pages([1, MEMORY + i % 4], 3);
            held.push(used);
            if held.len() > 50 {
                held.swap_remove(i % 50).release();
            }
            if i == switches / 4 {
                (before, pages) = (holdings(), resident());
            }
        }
        let (maps, files) = holdings();
        assert!(maps < before.0 + 400 && files < before.1 + 40, "{reset}: {before:?} became {maps}, {files}");
        assert!(resident() < pages + 4096, "{reset}: {pages} resident pages became {}", resident());
        held.into_iter().for_each(Use::release);
        pool.trim();
        let m = pool.metrics();
        assert_eq!((m.templates, m.warm, m.cold, m.withdrawals), (0, 0, 100, 0));
        assert_eq!((m.bytes_charged, m.kernel_mappings, m.working_set_pages), (0, 0, 0));
    }
}

/// In a process of its own: what is counted is the process's.
fn alone(test: &str, body: impl FnOnce()) {
    const ALONE: &str = "HATCHERY_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return body();
    }
    let mut child = std::process::Command::new(std::env::current_exe().expect("this test"));
    let status = child.args(["--exact", test, "--include-ignored"]).env(ALONE, "1").status();
    assert!(status.expect("a process").success());
}

#[test]
fn switches_of_image_leave_nothing_behind() {
    alone("switches_of_image_leave_nothing_behind", || switch(1500));
}

#[test]
#[ignore = "takes minutes: the count that the pool was made for"]
fn a_hundred_thousand_switches_of_image_in_a_hundred_slots() {
    alone("a_hundred_thousand_switches_of_image_in_a_hundred_slots", || switch(100_000));
}

#[test]
fn the_largest_slots_and_the_smallest() {
    let sample = sized(3, 2);
    assert_eq!(SLOT_PAGES, 96, "the samples of other tests do not fit here");
    for reset in resets() {
        let classes = vec![Class { slots: 1, slot_bytes: 3 * PAGE }, Class { slots: 1, slot_bytes: 1 << 43 }];
        let pool = Pool::new(PoolOptions { classes, ..options(reset, 0) }).expect("pool");
        for _ in 0..3 {
            let all: Vec<_> = (0..2).map(|_| Use::new(&pool, &sample)).collect();
            all.into_iter().for_each(|mut used| {
                used.write_pages([0, 2], 1);
                used.release();
            });
        }
        assert_eq!(pool.metrics().withdrawals, 0, "{reset}");
    }
}
