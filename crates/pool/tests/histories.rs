//! Random histories over several templates and threads, each slot beside a model of it.

#![allow(clippy::single_range_in_vec_init, reason = "contents are lists of ranges, some with one")]

mod common;

use common::{MEMORY, Random, SLOT_PAGES, Sample, Use, options, resets};
use hatchery_alloc::{Hints, Learning, PAGE, Tails, allocate_async, allocate_blocking};
use hatchery_pool::{Discovery, Placement, Pool, PoolOptions, Reset, WorkingSets};
use proptest::prelude::*;

fn samples() -> Vec<Sample> {
    let hints = |tails, learning| Hints { tails, learning, written: vec![PAGE..2 * PAGE], ..Hints::default() };
    vec![
        Sample::image(1),
        Sample::blank(),
        Sample::new(0, &[1..3], 3, Hints::default()),
        Sample::new(40, &[1..2, MEMORY..MEMORY + 1, MEMORY + 7..MEMORY + 30], 4, hints(Tails::Keep, Learning::Free)),
        Sample::new(16, &[MEMORY..MEMORY + 16], 5, hints(Tails::Shrink, Learning::Frozen)),
        Sample::new(16, &[MEMORY..MEMORY + 16], 6, hints(Tails::Keep, Learning::Frozen)),
    ]
}

/// One step of a history with at most a few slots in use.
fn step<'a>(pool: &'a Pool, samples: &[Sample], live: &mut Vec<Use<'a>>, random: &mut Random) {
    if live.is_empty() || random.below(6) == 0 {
        if let Ok(used) = Use::try_new(pool, &samples[random.below(samples.len())]) {
            live.push(used);
        }
        return;
    }
    let chosen = random.below(live.len());
    let (used, value) = (&mut live[chosen], random.below(256) as u8);
    match random.below(12) {
        0..4 => {
            let start = random.below(SLOT_PAGES * PAGE);
            used.write(start..start + random.below(3 * PAGE), value);
        }
        4..7 => {
            used.fault(random.below(SLOT_PAGES * PAGE), value);
        }
        7 => {
            let part = used.accessible(random.below(3));
            assert!(used.write(part, value));
        }
        8 => {
            used.grow(2, random.below(66));
        }
        9 => used.check(),
        _ => live.swap_remove(chosen).release(),
    }
}

fn any_options() -> impl Strategy<Value = PoolOptions> {
    let sets = (any::<bool>(), 0..80usize, proptest::option::of(1..5usize), 0..20u32, 0..4u32, 0..50u32);
    (proptest::sample::select(resets()), sets, 1..6usize, 0..3usize, any::<bool>()).prop_map(
        |(reset, sets, slots, warm, random)| {
            let (scan, max_pages, max_runs, max_openings, aging_interval, relearn_rate) = sets;
            let discovery = if scan { Discovery::Scan } else { Discovery::Faults };
            let placement = if random { Placement::Random { seed: slots as u64 } } else { Placement::NextAvailable };
            PoolOptions {
                working_sets: WorkingSets {
                    discovery,
                    max_pages,
                    max_runs,
                    max_openings,
                    aging_interval,
                    relearn_rate,
                    max_tail_bytes: max_pages / 2 * PAGE,
                },
                max_warm_per_template: warm,
                placement,
                ..options(reset, slots)
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_history_on_one_thread(options in any_options(), seed in any::<u64>()) {
        let (pool, samples) = (Pool::new(options).expect("pool"), samples());
        let (mut random, mut live) = (Random(seed), Vec::new());
        for _ in 0..250 {
            step(&pool, &samples, &mut live, &mut random);
        }
        for used in live {
            used.check();
            used.release();
        }
        prop_assert_eq!((pool.metrics().live, pool.metrics().withdrawals), (0, 0));
    }
}

#[test]
fn histories_on_many_threads() {
    let samples = samples();
    for (reset, shards) in
        [(Reset::WorkingSet, 8), (Reset::WorkingSet, 1), (Reset::PagemapScan, 8), (Reset::Decommit, 2)]
    {
        let pool = Pool::new(PoolOptions { shards, ..options(reset, 9) }).expect("pool");
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let (pool, samples) = (&pool, &samples);
                scope.spawn(move || {
                    let (mut random, mut live) = (Random(thread), Vec::new());
                    for _ in 0..1500 {
                        step(pool, samples, &mut live, &mut random);
                        if live.len() > 2 {
                            live.remove(0).release();
                        }
                    }
                    live.into_iter().for_each(Use::release);
                });
            }
        });
        let m = pool.metrics();
        assert_eq!((m.live, m.withdrawals, m.warm + m.cold), (0, 0, 9), "{reset}");
    }
}

#[test]
fn waiting_threads_all_get_their_turn() {
    let sample = Sample::image(1);
    let pool = Pool::new(options(Reset::WorkingSet, 2)).expect("pool");
    std::thread::scope(|scope| {
        for thread in 0..6u8 {
            let (pool, sample) = (&pool, &sample);
            scope.spawn(move || {
                for _ in 0..300 {
                    let slot = match thread % 2 {
                        0 => allocate_blocking(pool, &sample.template, Some(std::time::Duration::from_secs(100))),
                        _ => pollster::block_on(allocate_async(pool, &sample.template)),
                    };
                    let mut used = Use::of(pool, slot.expect("a slot"), sample);
                    used.write_pages([MEMORY + usize::from(thread)], thread);
                    used.release();
                }
            });
        }
    });
    assert_eq!(pool.metrics().live, 0);
}
