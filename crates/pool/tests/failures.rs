//! Every system call of the pool fails once, at every point; and then all of them from there on.

#![allow(clippy::single_range_in_vec_init, reason = "contents are lists of ranges, some with one")]

mod common;

use common::{MEMORY, Sample, Use, options};
use hatchery_alloc::{Hints, PAGE, Tails};
use hatchery_pool::{Discovery, Pool, PoolOptions, Reset, WorkingSets, inject};

/// A little of everything. Stops where something fails, but gives back what it has.
fn scenario(pool: &Pool, samples: &[Sample]) {
    let mut held = Vec::new();
    for round in 0..3 {
        for sample in samples {
            let Ok(mut used) = Use::try_new(pool, sample) else { continue };
            used.write(MEMORY * PAGE..MEMORY * PAGE + 8, 1);
            used.fault((MEMORY + 3) * PAGE, 2);
            if used.grow(2, 30) {
                used.write((MEMORY + 20) * PAGE..(MEMORY + 22) * PAGE, 3);
            }
            for page in 0..round * 5 {
                used.write((MEMORY + page) * PAGE..(MEMORY + page) * PAGE + 1, 4);
            }
            used.check();
            if round == 1 { held.push(used) } else { used.release() }
        }
    }
    held.into_iter().for_each(Use::release);
}

fn pools() -> Vec<PoolOptions> {
    let sets = |sets| PoolOptions { working_sets: sets, ..options(Reset::WorkingSet, 3) };
    let usual = WorkingSets::default();
    vec![
        options(Reset::WorkingSet, 3),
        sets(WorkingSets { discovery: Discovery::Faults, aging_interval: 1, ..usual }),
        sets(WorkingSets { max_openings: 1, aging_interval: 1, ..usual }),
        options(Reset::PagemapScan, 3),
        options(Reset::Decommit, 3),
    ]
}

#[test]
fn every_call_fails_at_every_point() {
    let keep = Hints { tails: Tails::Keep, ..Hints::default() };
    let samples = [Sample::image(1), Sample::blank(), Sample::new(8, &[MEMORY..MEMORY + 2], 7, keep), Sample::image(9)];
    for options in pools() {
        for lasting in [false, true] {
            let mut reached = true;
            let mut ahead = 0;
            let mut withdrawals = 0;
            while reached {
                let pool = Pool::new(options.clone()).expect("pool");
                let before = inject::made();
                inject::failing(ahead, lasting, || scenario(&pool, &samples));
                reached = inject::made() - before > ahead;
                withdrawals += pool.metrics().withdrawals;
                assert_eq!(pool.metrics().live, 0, "call {ahead} of {options:?} lost a slot");
                // Everything works again, in all slots, and nothing is left of what was.
                for _ in 0..2 {
                    let all: Vec<_> = (0..3).map(|i| Use::new(&pool, &samples[i])).collect();
                    all.into_iter().for_each(Use::release);
                }
                scenario(&pool, &samples);
                pool.evict_warm();
                let m = pool.metrics();
                assert_eq!((m.cold, m.withdrawn, m.bytes_charged), (3, 0, 0), "call {ahead} of {options:?}");
                ahead += 1;
            }
            assert!(ahead > 20 && withdrawals > 0, "the failures reached the pool");
        }
    }
}

#[test]
fn every_call_of_first_uses_fails_at_every_point() {
    // More runs than a new slot is protected for at once, some of them in a tail that stays.
    let spread = (0..8).map(|i| (MEMORY + 3 * i) * PAGE..(MEMORY + 3 * i + 1) * PAGE).collect();
    let grown = vec![(MEMORY + 16) * PAGE..(MEMORY + 28) * PAGE];
    let known = Hints { tails: Tails::Keep, written: spread, grown, ..Hints::default() };
    let samples = [Sample::image(1), Sample::new(16, &[1..2, MEMORY..MEMORY + 6], 7, known), Sample::image(9)];
    for lasting in [false, true] {
        // With more images than slots before, first uses are not learned from.
        for images in [0, 20] {
            let mut reached = true;
            let mut ahead = 0;
            while reached {
                let pool = Pool::new(options(Reset::WorkingSet, 1)).expect("pool");
                (0..images).for_each(|seed| Use::new(&pool, &Sample::image(seed)).release());
                let before = inject::made();
                inject::failing(ahead, lasting, || scenario(&pool, &samples));
                reached = inject::made() - before > ahead;
                assert_eq!(pool.metrics().live, 0, "call {ahead} lost a slot");
                scenario(&pool, &samples);
                pool.evict_warm();
                let m = pool.metrics();
                assert_eq!((m.cold, m.withdrawn, m.bytes_charged), (1, 0, 0), "call {ahead}");
                ahead += 1;
            }
            assert!(ahead > 20, "the failures reached the pool");
        }
    }
}
