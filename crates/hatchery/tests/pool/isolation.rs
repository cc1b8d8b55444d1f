//! Who shares slots with whom, and who learns from whom.

use super::*;

const WRITES: &str = r#"(module (memory (export "memory") 4)
    (func (export "write") (param $from i32) (param $pages i32)
      (loop $again
        (i32.store (i32.mul (local.get $from) (i32.const 4096)) (i32.const 1))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br_if $again (local.tee $pages (i32.sub (local.get $pages) (i32.const 1)))))))"#;

fn write(prepared: &Prepared<()>, from: i32, pages: i32) {
    let mut instance = prepared.instantiate(()).expect("an instance");
    () = call(&mut instance, "write", (from, pages));
}

/// Hits and misses since the last call.
fn found(engine: &Engine, last: &mut (u64, u64)) -> (u64, u64) {
    let m = metrics(engine);
    let since = (m.affinity_hits - last.0, m.affinity_misses - last.1);
    *last = (m.affinity_hits, m.affinity_misses);
    since
}

#[test]
fn what_is_prepared_of_one_module_shares_its_slots() {
    let engine = engine(Pooling::new(10));
    let module = module(&engine, WRITES);
    let prepare = || Linker::<()>::new(&engine).prepare(&module).expect("prepared");
    let (one, other) = (prepare(), prepare());
    let mut last = (0, 0);
    write(&one, 0, 3);
    write(&other, 0, 3);
    assert_eq!(found(&engine, &mut last), (1, 1));
    // Nor does it matter that both are gone, as long as the pool keeps their slot.
    drop((one, other));
    write(&prepare(), 0, 3);
    assert_eq!((found(&engine, &mut last), metrics(&engine).templates), ((1, 0), 1));
    engine.trim_pool();
    write(&prepare(), 0, 3);
    assert_eq!(found(&engine, &mut last), (0, 1), "it did not");
}

#[test]
fn tags_share_neither_slots_nor_working_sets() {
    let engine = engine(Pooling::new(10));
    let plain = prepared(&engine, WRITES);
    let tagged = |tag: &str| plain.isolated(&Isolation::new().tag(tag)).expect("isolated");
    let (a, b) = (tagged("a"), tagged("b"));
    let mut last = (0, 0);
    for prepared in [&plain, &a, &b] {
        write(prepared, 0, 5);
        assert_eq!(found(&engine, &mut last), (0, 1), "a slot of its own");
    }
    for prepared in [&plain, &tagged("a"), &b, &tagged("b")] {
        write(prepared, 0, 5);
        assert_eq!(found(&engine, &mut last), (1, 0), "the same tag, the same slot");
    }
    assert_eq!((metrics(&engine).templates, metrics(&engine).faults_learned), (3, 0));
    // What one tag writes beyond its set is learned for that tag only.
    write(&a, 20, 1);
    assert_eq!(metrics(&engine).faults_learned, 1);
    write(&a, 20, 1);
    assert_eq!(metrics(&engine).faults_learned, 1);
    write(&b, 20, 1);
    assert_eq!(metrics(&engine).faults_learned, 2);
}

#[test]
fn functions_that_were_looked_up_in_one_isolation_run_in_all() {
    let engine = engine(Pooling::new(2));
    let plain = prepared(&engine, WRITES);
    let tagged = plain.isolated(&Isolation::new().tag("a")).expect("isolated");
    let mut instance = plain.instantiate(()).expect("an instance");
    let write = instance.func::<(i32, i32), ()>("write").expect("an export");
    let mut elsewhere = tagged.instantiate(()).expect("an instance");
    write.call(&mut elsewhere, (1, 1)).expect("a call");
    // Another module's instance refuses it.
    let other = prepared(&engine, WRITES);
    drop(instance);
    let mut stranger = other.instantiate(()).expect("an instance");
    let refused = write.call(&mut stranger, (1, 1));
    assert_eq!(refused.expect_err("another module").kind(), ErrorKind::Usage);
}

#[test]
fn a_frozen_set_learns_nothing() {
    let engine = engine(Pooling::new(1));
    let frozen = prepared(&engine, WRITES).isolated(&Isolation::new().learning(Learning::Frozen)).expect("isolated");
    let mut before = 0;
    for round in 1..=6 {
        write(&frozen, 7, 2);
        let faults = metrics(&engine).faults_learned;
        assert!(faults > before, "round {round} ran without the faults of the first");
        before = faults;
        assert_eq!(metrics(&engine).working_set_pages, 0);
    }
    let free = engine_of_one(WRITES);
    (0..6).for_each(|_| write(&free.1, 7, 2));
    assert!(metrics(&free.0).faults_learned <= 1);
}

fn engine_of_one(text: &str) -> (Engine, Prepared<()>) {
    let engine = engine(Pooling::new(1));
    let prepared = prepared(&engine, text);
    (engine, prepared)
}

#[test]
fn tags_that_come_and_go_leave_nothing_behind() {
    let engine = engine(Pooling::new(4));
    let plain = prepared(&engine, WRITES);
    for tenant in 0..300 {
        let tagged = plain.isolated(&Isolation::new().tag(format!("tenant {tenant}"))).expect("isolated");
        write(&tagged, tenant % 60, 1);
    }
    engine.trim_pool();
    let m = metrics(&engine);
    assert!(m.templates <= 1, "{m:?}");
    assert_eq!((m.live, m.warm, m.cold, m.bytes_charged), (0, 0, 4, 0));
}
