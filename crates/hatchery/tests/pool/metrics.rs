//! What a pool says of itself, and that its choices reach it.

use super::*;

const WRITES: &str = r#"(module (memory (export "memory") 4)
    (func (export "write") (param i32) (i32.store (local.get 0) (i32.const 1))))"#;

fn write(prepared: &Prepared<()>, at: i32) {
    () = call(&mut prepared.instantiate(()).expect("an instance"), "write", (at,));
}

#[test]
fn numbers_add_up() {
    for reset in RESETS {
        let engine = engine(Pooling::new(3).reset(reset));
        let prepared = prepared(&engine, WRITES);
        let mut held = Vec::new();
        for round in 0..12 {
            write(&prepared, 4096 * round);
            if round % 4 == 0 && held.len() < 2 {
                held.push(prepared.instantiate(()).expect("an instance"));
            }
            let m = metrics(&engine);
            assert_eq!((m.slots, m.live, m.withdrawn, m.withdrawals), (3, held.len(), 0, 0), "{reset:?} {m:?}");
            assert_eq!(m.live + m.warm + m.cold, 3);
            let resets = [m.resets_working_set, m.resets_pagemap_scan, m.resets_decommit];
            assert_eq!(resets.iter().sum::<u64>(), round as u64 + 1);
            assert_eq!(resets[RESETS.iter().position(|r| *r == reset).unwrap_or(0)], round as u64 + 1);
            assert_eq!(m.affinity_hits + m.affinity_misses, round as u64 + 1 + held.len() as u64);
            assert!(m.kernel_mappings > 0 && m.bytes_charged >= m.bytes_resident && m.bytes_resident > 0);
        }
        let m = metrics(&engine);
        assert!(reset == Reset::Decommit || m.pages_copied > 0);
        assert_eq!(reset == Reset::WorkingSet, m.working_set_pages > 0);
    }
    let without = Engine::new(&Config::new()).expect("an engine");
    assert_eq!((without.pool_metrics(), without.report_pool()), (None, None));
}

#[test]
fn choices_reach_the_pool() {
    // Warm slots are bounded.
    let engine = engine(Pooling::new(6).warm_per_module(2));
    let prepared_few = prepared(&engine, WRITES);
    let all: Vec<_> = (0..6).map(|_| prepared_few.instantiate(()).expect("an instance")).collect();
    drop(all);
    assert_eq!((metrics(&engine).warm, metrics(&engine).cold), (2, 4));
    // Working sets are bounded, and can be told to learn by faults.
    let by_faults = WorkingSets::new().discovery(hatchery::Discovery::Faults).aging_interval(0).relearn_rate(1 << 20);
    let learns = |sets: WorkingSets| {
        let engine = super::engine(Pooling::new(1).working_sets(sets).shards(1));
        let prepared = prepared(&engine, WRITES);
        (0..8).for_each(|page| write(&prepared, page * 8192));
        metrics(&engine)
    };
    let (usual, faults) = (learns(WorkingSets::new()), learns(by_faults));
    assert!(faults.faults_learned > usual.faults_learned, "{faults:?} {usual:?}");
    let few = learns(by_faults.max_pages(2));
    assert!(few.working_set_pages <= 2 && faults.working_set_pages > 2, "{few:?}");
    let joined = learns(by_faults.max_runs(1));
    assert!(joined.working_set_pages > faults.working_set_pages, "one run covers the gaps: {joined:?}");
    let opened = learns(by_faults.max_openings(0));
    assert_eq!(opened.working_set_pages, 0, "each use opens everything: {opened:?}");
    // Grown tails stay, as far as they may.
    let kept = |sets: WorkingSets| {
        let engine = super::engine(Pooling::new(1).working_sets(sets));
        let text = r#"(module (memory 1 9) (func (export "grow") (drop (memory.grow (i32.const 3)))))"#;
        let prepared = prepared(&engine, text);
        (0..3).for_each(|_| call(&mut prepared.instantiate(()).expect("an instance"), "grow", ()));
        metrics(&engine).bytes_charged
    };
    assert_eq!(kept(WorkingSets::new()) - kept(WorkingSets::new().max_tail_bytes(0)), 3 << 16);
    // The same seed, the same places.
    for placement in [Placement::NextAvailable, Placement::Random { seed: 3 }] {
        let engine = super::engine(Pooling::new(3).placement(placement));
        let prepared = prepared(&engine, WRITES);
        (0..10).for_each(|page| write(&prepared, page));
        assert_eq!(metrics(&engine).live, 0);
    }
}
