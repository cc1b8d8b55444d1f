//! Bounds at both ends, eviction, waiting, and numbers that add up.

#![allow(clippy::single_range_in_vec_init, reason = "contents are lists of ranges, some with one")]

mod common;

use common::{MEMORY, SLOT_PAGES, Sample, Use, holdings, options, pool, resets};
use hatchery_alloc::{
    AllocateError, FaultVerdict, Hints, InstanceAllocator, LayoutRefused, PAGE, Region, RegionKind, SlotLayout,
    Template, Tuning, allocate_async, allocate_blocking,
};
use hatchery_pool::{Class, Pool, PoolError, PoolOptions, Reset, inject};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[test]
fn a_pool_without_slots_is_refused() {
    let class = |slots, pages| Class { slots, slot_bytes: pages * PAGE };
    for classes in [vec![], vec![class(0, SLOT_PAGES)], vec![class(0, 1), class(0, 1000)]] {
        let refused = Pool::new(PoolOptions { classes, ..options(Reset::WorkingSet, 0) });
        assert!(matches!(refused, Err(PoolError::NoSlots)), "{refused:?}");
    }
}

/// Who asks for a slot that only a class without slots would have is told so, and waits for nothing.
#[test]
fn a_class_without_slots_counts_for_nothing() {
    let (sample, class) = (Sample::image(1), |slots, pages| Class { slots, slot_bytes: pages * PAGE });
    let tuned = |classes| {
        let pool = Pool::new(PoolOptions { classes, ..options(Reset::WorkingSet, 0) }).expect("pool");
        let mut tuning =
            Tuning { reservation: 4 << 30, guard: 1 << 20, explicit_bounds: false, explicit_growth: false };
        pool.tune(&mut tuning);
        (pool, tuning.reservation)
    };
    let small = class(3, SLOT_PAGES / 2);
    let (pool, reservation) = tuned(vec![class(0, SLOT_PAGES), small, class(0, 2 << 20)]);
    assert_eq!(reservation, tuned(vec![small]).1);
    let (needed, limit) = (SLOT_PAGES * PAGE, SLOT_PAGES / 2 * PAGE);
    let refused = pool.validate(sample.template.layout());
    assert_eq!(refused, Err(LayoutRefused::Slot { needed, limit }));
    let waited = allocate_blocking(&pool, &sample.template, None);
    assert!(matches!(waited, Err(AllocateError::Layout(_))), "{waited:?}");
    assert_eq!(pool.metrics().slots, 3);
}

/// A guest's growth that cannot be had does not look at every slot, however often it is asked for.
#[test]
fn a_growth_that_fails_costs_little_whatever_the_number_of_slots() {
    const SLOTS: usize = 2000;
    let sample = Sample::new(2, &[], 1, Hints::default());
    let each = sample.template.layout().accessible_bytes();
    let unverified = PoolOptions::new(SLOTS, SLOT_PAGES * PAGE);
    let pool = Pool::new(PoolOptions { max_resident_bytes: SLOTS * each, ..unverified }).expect("pool");
    let (mut one, mut other) = (Use::new(&pool, &sample), Use::new(&pool, &sample));
    // Without a model each, which has all bytes.
    let rest: Vec<_> = (2..SLOTS).map(|_| pool.allocate(&sample.template).expect("a slot")).collect();
    let time = |each: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..200).for_each(|_| each());
        start.elapsed()
    };
    let look = time(&mut || assert_eq!(pool.metrics().live, SLOTS));
    let growth = time(&mut || assert!(!one.grow(2, 60)));
    assert!(growth < look / 2, "200 growths took {growth:?}, and 200 looks at all slots {look:?}");
    for slot in rest {
        // SAFETY: the slot is the pool's and ours, and nothing refers to it.
        #[expect(unsafe_code, reason = "releases a slot")]
        unsafe {
            pool.release(slot);
        }
    }
    // Who has failed finds what became warm since in a while, others at once.
    assert!(other.grow(2, 20));
    let start = Instant::now();
    while !one.grow(2, 20) {
        assert!(start.elapsed() < Duration::from_secs(20), "warm slots are never given up");
    }
    one.release();
    other.release();
}

#[test]
fn memories_of_four_gib_and_more() {
    for (gib, slots) in [(4usize, 3), (64, 2)] {
        let limit = gib << 30;
        let region = |offset, accessible, limit| Region { offset, kind: RegionKind::Image, accessible, limit };
        let layout = SlotLayout::new(limit + 64 * PAGE, [region(0, PAGE, PAGE), region(PAGE, 16 * PAGE, limit)]);
        let template = Arc::new(Template::new(layout.expect("layout"), None, &[]).expect("template"));
        let sample = Sample { template, contents: vec![0; 18 * PAGE].into() };
        for reset in resets() {
            let pool = Pool::new(PoolOptions { reset, ..PoolOptions::new(slots, limit + 64 * PAGE) }).expect("pool");
            for _ in 0..4 {
                let mut used = Use::new(&pool, &sample);
                used.write_pages([0, 1, 9], 3);
                // SAFETY: the slot is the pool's and ours.
                #[expect(unsafe_code, reason = "grows and writes at the far end")]
                unsafe {
                    pool.grow(&mut used.slot, 1, limit).expect("growth to the limit");
                    let last = limit + PAGE - 1;
                    pool.prepare_write(&used.slot, last..last + 1).expect("the last byte");
                    let at = used.slot.base().as_ptr().add(last);
                    assert_eq!(at.read(), 0, "{reset}: left by an earlier use");
                    at.write(1);
                }
                used.release();
            }
            assert_eq!(pool.metrics().withdrawals, 0);
        }
    }
}

#[test]
fn the_most_slots_that_the_address_space_holds() {
    let bytes = (4 << 30) + (64 << 20);
    let most = Pool::most_slots(bytes);
    assert!(most > 21_000, "{most}");
    let of = |slots| Pool::new(PoolOptions::new(slots, bytes));
    let pool = of(most).expect("all of them");
    let sample = Sample::image(1);
    let live: Vec<_> = (0..100).map(|_| Use::new(&pool, &sample)).collect();
    live.into_iter().for_each(Use::release);
    drop(pool);
    assert!(matches!(of(most + 1), Err(PoolError::AddressSpace { .. })));
    assert!(matches!(of(usize::MAX), Err(PoolError::TooManySlots { .. })));
    assert_eq!(Pool::most_slots(usize::MAX), 0);
}

#[test]
fn what_can_never_fit_is_refused_before_it_is_tried() {
    let sample = Sample::image(1);
    let needed = sample.template.layout().accessible_bytes();
    let small = Pool::new(PoolOptions { max_resident_bytes: needed - 1, ..options(Reset::WorkingSet, 1) });
    let refused = LayoutRefused::Accessible { needed, limit: needed - 1 };
    assert_eq!(small.expect("pool").validate(sample.template.layout()), Err(refused));
    let mut tuning = Tuning { reservation: 4 << 30, guard: 32 << 20, explicit_bounds: false, explicit_growth: false };
    pool(Reset::WorkingSet, 1).tune(&mut tuning);
    assert!(tuning.explicit_bounds && tuning.reservation + tuning.guard < SLOT_PAGES * PAGE);
}

#[test]
fn resident_bytes_stay_below_the_limit() {
    let sample = Sample::image(1);
    let each = sample.template.layout().accessible_bytes();
    for reset in resets() {
        let limit = 3 * each + 10 * PAGE;
        let pool = Pool::new(PoolOptions { max_resident_bytes: limit, ..options(reset, 10) }).expect("pool");
        let mut live: Vec<_> = (0..3).map(|_| Use::new(&pool, &sample)).collect();
        let refused = Use::try_new(&pool, &sample).map(|_| ());
        assert!(matches!(refused, Err(AllocateError::Memory { limit: l }) if l == limit), "{refused:?}");
        assert!(live[0].grow(2, 26) && !live[1].grow(2, 17), "{reset}: growth is charged");
        assert_eq!(pool.metrics().bytes_charged, limit);
        live.drain(..).for_each(Use::release);
        assert_eq!(pool.metrics().bytes_charged, 3 * each, "tails are given back");
        // Other templates get the memory that warm slots hold.
        let others: Vec<_> = (0..6).map(Sample::image).collect();
        for other in &others {
            Use::new(&pool, other).release();
            assert!(pool.metrics().bytes_charged <= limit);
        }
        pool.evict_warm();
        let metrics = pool.metrics();
        assert_eq!((metrics.bytes_charged, metrics.bytes_resident, metrics.cold), (0, 0, 10));
    }
}

#[test]
fn the_least_recently_used_template_gives_up_its_slot() {
    let samples: Vec<_> = (0..4).map(Sample::image).collect();
    let pool = pool(Reset::WorkingSet, 3);
    let touch = |i: usize| Use::new(&pool, &samples[i]).release();
    [0, 1, 2].into_iter().for_each(touch);
    // Uses that find a slot in their thread's shard are noted now and then only.
    (0..20).for_each(|_| touch(0));
    [3, 0, 2].into_iter().for_each(touch);
    assert_eq!(pool.metrics().affinity_misses, 4, "3 took the slot of 1");
    touch(1);
    assert_eq!(pool.metrics().affinity_misses, 5);
}

#[test]
fn warm_slots_are_bounded_by_template() {
    for max in [0, 1, 3] {
        let pool = PoolOptions { max_warm_per_template: max, ..options(Reset::WorkingSet, 20) };
        let (pool, sample) = (Pool::new(pool).expect("pool"), Sample::image(1));
        for _ in 0..3 {
            let live: Vec<_> = (0..20).map(|_| Use::new(&pool, &sample)).collect();
            live.into_iter().for_each(Use::release);
            assert_eq!((pool.metrics().warm, pool.metrics().live), (max, 0));
        }
    }
}

#[test]
fn numbers_add_up_and_never_turn_negative() {
    let samples: Vec<_> = (0..5).map(Sample::image).collect();
    for reset in resets() {
        let pool = pool(reset, 7);
        let mut live = Vec::new();
        let mut random = common::Random(4);
        let (mut allocated, mut released) = (0, 0);
        for _ in 0..400 {
            if random.below(2) == 0
                && let Ok(used) = Use::try_new(&pool, &samples[random.below(5)])
            {
                live.push(used);
                allocated += 1;
            } else if !live.is_empty() {
                live.swap_remove(random.below(live.len())).release();
                released += 1;
            }
            let m = pool.metrics();
            assert_eq!(m.live, live.len());
            assert_eq!(m.live + m.warm + m.cold + m.withdrawn, 7);
            assert_eq!(m.affinity_hits + m.affinity_misses, allocated);
            assert_eq!(m.resets.iter().sum::<u64>(), released);
            assert_eq!(m.resets[reset as usize], released);
            assert!(m.bytes_charged <= 7 * SLOT_PAGES * PAGE && m.working_set_pages <= 7 * SLOT_PAGES);
        }
        live.into_iter().for_each(Use::release);
        pool.evict_warm();
        let m = pool.report();
        assert_eq!((m.cold, m.kernel_mappings, m.working_set_pages, m.bytes_charged), (7, 0, 0, 0));
    }
}

#[test]
fn many_templates_leave_nothing_behind() {
    // In a process of its own: what is counted below is the process's.
    const ALONE: &str = "HATCHERY_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut child = std::process::Command::new(std::env::current_exe().expect("this test"));
        let status = child.args(["--exact", "many_templates_leave_nothing_behind"]).env(ALONE, "1").status();
        return assert!(status.expect("a process").success());
    }
    for reset in resets() {
        let pool = pool(reset, 10);
        let mut before = (0, 0);
        for i in 0..600 {
            let sample = Sample::new(4, &[MEMORY..MEMORY + 2], i as u8, Hints::default());
            let mut used = Use::new(&pool, &sample);
            used.write_pages([1, MEMORY + i % 4], 3);
            used.release();
            if i == 100 {
                before = holdings();
            }
        }
        let (maps, files) = holdings();
        assert!(maps < before.0 + 400 && files < before.1 + 60, "{reset}: {before:?} became {maps}, {files}");
        pool.trim();
        let metrics = pool.metrics();
        assert_eq!((metrics.templates, metrics.warm, metrics.cold), (0, 0, 10));
    }
}

#[test]
fn waiting_ends_with_a_slot_or_in_time() {
    let (pool, sample) = (pool(Reset::WorkingSet, 1), Sample::image(1));
    let held = Use::new(&pool, &sample);
    let start = Instant::now();
    let refused = allocate_blocking(&pool, &sample.template, Some(Duration::from_millis(20)));
    assert!(matches!(refused, Err(AllocateError::Exhausted { limit: 1 })));
    assert!(start.elapsed() >= Duration::from_millis(20));
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4)
            .map(|i| {
                let (pool, sample) = (&pool, &sample);
                scope.spawn(move || {
                    let slot = match i % 2 {
                        0 => allocate_blocking(pool, &sample.template, Some(Duration::from_secs(60))),
                        _ => pollster::block_on(allocate_async(pool, &sample.template)),
                    };
                    Use::of(pool, slot.expect("a slot"), sample).release();
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20));
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        held.release();
        waiters.into_iter().for_each(|waiter| waiter.join().expect("waiter"));
    });
    assert_eq!(pool.metrics().live, 0);
}

#[test]
fn who_stops_waiting_hands_the_call_on() {
    use core::future::Future;
    use core::pin::pin;
    use core::task::{Context, Poll, Waker};
    let (pool, sample) = (pool(Reset::WorkingSet, 1), Sample::image(1));
    let held = Use::new(&pool, &sample);
    let mut context = Context::from_waker(Waker::noop());
    let mut first = Box::pin(allocate_async(&pool, &sample.template));
    assert!(first.as_mut().poll(&mut context).is_pending());
    let second = std::thread::scope(|scope| {
        let second = scope.spawn(|| allocate_blocking(&pool, &sample.template, Some(Duration::from_secs(60))));
        std::thread::sleep(Duration::from_millis(20));
        held.release();
        // The first was called, and is not interested any more.
        drop(first);
        second.join().expect("second")
    });
    let used = Use::of(&pool, second.expect("a slot"), &sample);
    let mut third = pin!(allocate_async(&pool, &sample.template));
    assert!(third.as_mut().poll(&mut context).is_pending());
    used.release();
    let Poll::Ready(Ok(slot)) = third.as_mut().poll(&mut context) else { panic!("there is a slot") };
    Use::of(&pool, slot, &sample).release();
}

#[test]
fn random_placement_is_seedable_and_not_the_usual_order() {
    let sample = Sample::image(1);
    let order = |placement| {
        let pool = Pool::new(PoolOptions { placement, ..options(Reset::Decommit, 50) }).expect("pool");
        let live: Vec<_> = (0..30).map(|_| Use::new(&pool, &sample)).collect();
        let lowest = live.iter().map(Use::base).min().unwrap_or(0);
        let order: Vec<_> = live.iter().map(|used| used.base() - lowest).collect();
        live.into_iter().for_each(Use::release);
        order
    };
    use hatchery_pool::Placement::{NextAvailable, Random};
    assert!(order(NextAvailable).is_sorted());
    assert!(!order(Random { seed: 1 }).is_sorted());
    assert_eq!(order(Random { seed: 1 }), order(Random { seed: 1 }));
    assert_ne!(order(Random { seed: 1 }), order(Random { seed: 2 }));
}

#[test]
fn a_larger_class_helps_out() {
    let sample = Sample::image(1);
    let class = |slots, pages| Class { slots, slot_bytes: pages * PAGE };
    let classes = vec![class(1, SLOT_PAGES), class(2, SLOT_PAGES + 50)];
    let pool = Pool::new(PoolOptions { classes, ..options(Reset::WorkingSet, 0) }).expect("pool");
    let live: Vec<_> = (0..3).map(|_| Use::new(&pool, &sample)).collect();
    assert!(Use::try_new(&pool, &sample).is_err());
    live.into_iter().for_each(Use::release);
}

#[test]
fn a_kernel_without_the_scan_has_the_other_strategies() {
    // Reserving the slots and the page maps comes first.
    let without = |reset| inject::failing(2, false, || Pool::new(options(reset, 2)));
    assert!(matches!(without(Reset::PagemapScan), Err(PoolError::NoPagemapScan { .. })));
    let sample = Sample::image(1);
    for reset in [Reset::WorkingSet, Reset::Decommit] {
        let pool = without(reset).expect("a pool that learns by faults, or does not learn");
        for round in 0..5 {
            let mut used = Use::new(&pool, &sample);
            assert!(used.write(MEMORY * PAGE..(MEMORY + 3) * PAGE, round));
            if reset == Reset::WorkingSet && round == 0 {
                assert_eq!(used.fault((MEMORY + 7) * PAGE, round), FaultVerdict::Retry);
            } else {
                used.write_pages([MEMORY + 7], round);
            }
            used.release();
        }
        let expected = if reset == Reset::WorkingSet { 4 } else { 0 };
        assert_eq!(pool.metrics().working_set_pages, expected, "{reset}");
    }
}
