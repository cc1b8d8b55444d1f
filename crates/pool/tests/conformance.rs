//! The suite of `hatchery-alloc`, over what can be chosen.

mod common;

use common::resets;
use hatchery_alloc::conformance;
use hatchery_pool::{Class, Discovery, Placement, Pool, PoolOptions, Reset, Verify, WorkingSets};

const PAGE: usize = hatchery_alloc::PAGE;

fn options(reset: Reset) -> PoolOptions {
    PoolOptions { reset, verify: Verify::EveryReset, ..PoolOptions::new(64, 100 * PAGE) }
}

fn conforms(options: PoolOptions) {
    let made = || Box::new(Pool::new(options.clone()).expect("pool"));
    conformance::run(|| made());
}

#[test]
fn every_reset_and_placement() {
    for reset in resets() {
        for placement in [Placement::NextAvailable, Placement::Random { seed: 5 }] {
            conforms(PoolOptions { placement, ..options(reset) });
        }
    }
}

#[test]
fn sets_learned_by_faults() {
    let working_sets = WorkingSets { discovery: Discovery::Faults, ..WorkingSets::default() };
    conforms(PoolOptions { working_sets, ..options(Reset::WorkingSet) });
}

#[test]
fn narrow_bounds_of_working_sets() {
    let cases = [
        (Discovery::Scan, 0, Some(1), 64, 16, 1024),
        (Discovery::Faults, 3, None, 64, 1, 1024),
        (Discovery::Scan, 4096, Some(1), 2, 1, 1024),
        (Discovery::Faults, 4096, None, 0, 0, 1),
        (Discovery::Scan, 8, Some(2), 64, 2, 0),
    ];
    for (discovery, max_pages, max_runs, max_openings, aging_interval, relearn_rate) in cases {
        let max_tail_bytes = max_pages * PAGE;
        let working_sets =
            WorkingSets { discovery, max_pages, max_runs, max_openings, aging_interval, relearn_rate, max_tail_bytes };
        conforms(PoolOptions { working_sets, ..options(Reset::WorkingSet) });
    }
}

#[test]
fn nothing_stays_warm() {
    for reset in resets() {
        conforms(PoolOptions { max_warm_per_template: reset as usize % 2, shards: 1, ..options(reset) });
    }
}

#[test]
fn several_classes() {
    let class = |slots, pages| Class { slots, slot_bytes: pages * PAGE };
    let classes = vec![class(3, 90), class(40, 33), class(30, 40), class(0, 1), class(64, 100)];
    for reset in resets() {
        conforms(PoolOptions { classes: classes.clone(), ..options(reset) });
    }
}

#[test]
fn exhaustion_is_said_and_ends() {
    for reset in resets() {
        for slots in [1, 5, 40] {
            let pool =
                Pool::new(PoolOptions { classes: vec![Class { slots, slot_bytes: 40 * PAGE }], ..options(reset) });
            let pool = pool.expect("pool");
            conformance::exhaustion(&pool, slots);
            let metrics = pool.metrics();
            assert_eq!((metrics.live, metrics.withdrawn), (0, 0));
        }
    }
}
