//! Snapshots meet the pool: an initialized image starts from it as a plain one does.

use super::*;

/// A program that fills most of its memory, a table and globals when it starts, and whose users write little.
const PROGRAM: &str = r#"(module
    (memory (export "memory") 2 40)
    (table (export "table") 2 100 funcref)
    (global $ready (export "ready") (mut i32) (i32.const 0))
    (data $passive "passive")
    (func $f)
    (elem declare func $f)
    (func $initialize (local $at i32)
      (drop (memory.grow (i32.const 6)))
      (loop $again
        (i32.store (local.get $at) (i32.mul (local.get $at) (i32.const 0x9e3779b1)))
        (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 500000))))
      (memory.init $passive (i32.const 500000) (i32.const 0) (i32.const 7))
      (data.drop $passive)
      (drop (table.grow (ref.func $f) (i32.const 30)))
      (global.set $ready (i32.const 1)))
    (start $initialize)
    (func (export "serve") (param i32) (result i32)
      (i32.store (i32.const 64) (local.get 0))
      (i32.store (i32.const 300000) (i32.add (i32.load (i32.const 300000)) (local.get 0)))
      (global.set $ready (i32.add (global.get $ready) (i32.const 1)))
      (i32.load (i32.const 300000)))
    (func (export "spoil") (memory.fill (i32.const 0) (i32.const 0xaa) (i32.const 524288))
      (drop (memory.grow (i32.const 4))) (memory.fill (i32.const 524288) (i32.const 0xaa) (i32.const 262144))))"#;

fn snapshot(engine: &Engine) -> Module {
    snapshot_of(engine, &module(engine, PROGRAM))
}

fn snapshot_of(engine: &Engine, module: &Module) -> Module {
    let linker = Linker::<()>::new(engine);
    let (module, report) = module.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((report.steps_left(), report.stopped().is_none()), (0, true));
    module
}

/// Pages copied and faults of one more cycle, once it is like every other.
fn steady(engine: &Engine, prepared: &Prepared<()>) -> (u64, u64) {
    let cycle = |n: i32| {
        let mut instance = prepared.instantiate(()).expect("an instance");
        call::<_, _, (i32,)>(&mut instance, "serve", (n,)).0
    };
    let first = cycle(1);
    (2..5).for_each(|n| assert_eq!(cycle(n), first - 1 + n));
    let before = metrics(engine);
    assert_eq!(cycle(7), first + 6);
    let after = metrics(engine);
    assert_eq!((after.affinity_hits, after.affinity_misses), (before.affinity_hits + 1, before.affinity_misses));
    (after.pages_copied - before.pages_copied, after.faults_learned - before.faults_learned)
}

#[test]
fn an_initialized_image_starts_from_the_pool_as_one_that_ran() {
    for reset in RESETS {
        let engine = engine(Pooling::new(2).reset(reset));
        let ran = observe(&mut prepared(&engine, PROGRAM).instantiate(()).expect("an instance"));
        let initialized = Linker::new(&engine).prepare(&snapshot(&engine)).expect("prepared");
        for round in 0..12 {
            let mut instance = initialized.instantiate(()).expect("an instance");
            assert!(observe(&mut instance) == ran, "{reset:?} {round}");
            if round % 3 == 0 {
                () = call(&mut instance, "spoil", ());
            } else {
                call::<_, _, (i32,)>(&mut instance, "serve", (round,));
            }
        }
        assert_eq!((metrics(&engine).live, metrics(&engine).withdrawals), (0, 0));
    }
}

#[test]
fn it_costs_what_its_users_write_and_not_what_its_initialization_wrote() {
    // A plain image with the same contents as data: what it costs is the measure.
    let plain = PROGRAM
        .replace("(start $initialize)", &format!("(data (i32.const 0) \"{}\")", "abcdefgh".repeat(62_500)))
        .replace("2 40", "8 40");
    let (one, other) = (engine(Pooling::new(1)), engine(Pooling::new(1)));
    let initialized = Linker::new(&one).prepare(&snapshot(&one)).expect("prepared");
    let ours = steady(&one, &initialized);
    let theirs = steady(&other, &prepared(&other, &plain));
    assert_eq!(ours, theirs, "pages copied and faults of a cycle");
    assert!(ours.0 <= 4 && ours.1 == 0, "{ours:?}");
}

#[test]
fn what_was_learned_before_the_initialization_is_not_what_is_written_behind_it() {
    let engine = engine(Pooling::new(1));
    let plain = module(&engine, PROGRAM);
    let learned = {
        let prepared = Linker::<()>::new(&engine).prepare(&plain).expect("prepared");
        for _ in 0..3 {
            call::<_, _, (i32,)>(&mut prepared.instantiate(()).expect("an instance"), "serve", (1,));
        }
        plain.with_learned(&prepared.learned()).expect("of this module")
    };
    let written: u64 = learned.learned().written().map(|range| range.end - range.start).sum();
    assert!(written >= 500_000, "{written}: its start function writes that much");
    let initialized = snapshot_of(&engine, &learned);
    assert!(initialized.learned().is_empty());
    let prepared = Linker::new(&engine).prepare(&initialized).expect("prepared");
    let (pages, faults) = steady(&engine, &prepared);
    assert!(pages <= 4 && faults == 0, "{pages}, {faults}");
}

#[test]
fn from_a_file_it_is_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("program.hatch");
    let ran = {
        let engine = engine(Pooling::new(1));
        snapshot(&engine).save(&path).expect("saved");
        observe(&mut prepared(&engine, PROGRAM).instantiate(()).expect("an instance"))
    };
    let engine = engine(Pooling::new(1));
    // SAFETY: written by ourselves a moment ago, in a directory of our own.
    #[expect(unsafe_code, reason = "opens what was just saved")]
    let opened = unsafe { Module::open(&engine, &path) }.expect("opened");
    let prepared = Linker::new(&engine).prepare(&opened).expect("prepared");
    for round in 0..5 {
        let mut instance = prepared.instantiate(()).expect("an instance");
        assert!(observe(&mut instance) == ran, "round {round}");
        () = call(&mut instance, "spoil", ());
    }
    assert!(steady(&engine, &prepared).0 > 0);
}
