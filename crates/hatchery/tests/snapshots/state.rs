//! What is in a snapshot.

use super::*;

#[test]
fn a_start_function_runs_once_and_never_again() {
    let engine = engine();
    let text = r#"(module (memory (export "memory") 1) (data (i32.const 8) "\05")
        (global $runs (mut i32) (i32.const 0))
        (func $start
          (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
          (i32.store (i32.const 8) (i32.mul (i32.load (i32.const 8)) (i32.const 7))))
        (start $start)
        (func (export "runs") (result i32) (global.get $runs))
        (func (export "product") (result i32) (i32.load (i32.const 8))))"#;
    let (module, report) = snapshot(&engine, text);
    assert_eq!((report.steps_run(), report.steps_left()), (1, 0));
    assert!(report.stopped().is_none(), "{report}");
    for _ in 0..2 {
        let mut instance = instance(&engine, &module);
        assert_eq!((i32_of(&mut instance, "runs"), i32_of(&mut instance, "product")), (1, 35));
    }
}

#[test]
fn dropped_segments_stay_dropped() {
    let engine = engine();
    let text = r#"(module (memory 1) (table 2 funcref) (data $gone "abc") (data $kept "xyz")
        (elem $gone_too func $f) (elem $kept_too func $f) (func $f)
        (func $start (data.drop $gone) (elem.drop $gone_too)) (start $start)
        (func (export "data") (memory.init $gone (i32.const 0) (i32.const 0) (i32.const 1)))
        (func (export "elem") (table.init $gone_too (i32.const 0) (i32.const 0) (i32.const 1)))
        (func (export "kept") (result i32)
          (memory.init $kept (i32.const 0) (i32.const 0) (i32.const 3))
          (table.init $kept_too (i32.const 1) (i32.const 0) (i32.const 1))
          (call_indirect (i32.const 1)) (i32.load8_u (i32.const 2))))"#;
    let (module, _) = snapshot(&engine, text);
    let mut instance = instance(&engine, &module);
    let trap = |r: Result<_, Error>| r.expect_err("dropped").trap();
    assert_eq!(trap(call(&mut instance, "data", &[])), Some(Trap::MemoryOutOfBounds));
    assert_eq!(trap(call(&mut instance, "elem", &[])), Some(Trap::TableOutOfBounds));
    assert_eq!(i32_of(&mut instance, "kept"), i32::from(b'z'));
}

#[test]
fn tables_keep_what_was_set_and_how_far_they_grew() {
    let engine = engine();
    let text = r#"(module (table $t (export "t") 1 50 funcref) (elem declare func $one $two)
        (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
        (func $start
          (table.set $t (i32.const 0) (ref.func $one))
          (drop (table.grow $t (ref.func $two) (i32.const 9))))
        (start $start)
        (func (export "first") (result i32) (call_indirect (result i32) (i32.const 0)))
        (func (export "last") (result i32) (call_indirect (result i32) (i32.const 9)))
        (func (export "size") (result i32) (table.size $t))
        (func (export "more") (result i32) (table.grow $t (ref.null func) (i32.const 40)))
        (func (export "too_much") (result i32) (table.grow $t (ref.null func) (i32.const 1))))"#;
    let (module, report) = snapshot(&engine, text);
    let grew = "table 0 grew from 1 to 10 elements, which every instance needs now";
    assert!(report.to_string().contains(grew), "{report}");
    let mut instance = instance(&engine, &module);
    let all = ["first", "last", "size", "more", "size", "too_much"].map(|name| i32_of(&mut instance, name));
    assert_eq!(all, [1, 2, 10, 10, 50, -1]);

    let small = Linker::<()>::new(&engine).prepare_with(&module, Limits::new().max_table(9));
    assert_eq!(small.expect_err("ten elements").kind(), ErrorKind::Limit);
}

#[test]
fn globals_of_every_type_keep_their_values() {
    let engine = engine();
    let text = r#"(module
        (global $v (export "v") (mut v128) (v128.const i64x2 0 0)) (global $f (mut funcref) (ref.null func))
        (global $d (export "d") (mut f64) (f64.const 0)) (global $l (export "l") (mut i64) (i64.const 0))
        (global $s (export "s") (mut f32) (f32.const 0)) (global $e (export "e") (mut externref) (ref.null extern))
        (table 1 funcref) (elem declare func $seven) (func $seven (result i32) (i32.const 7))
        (func $start
          (global.set $v (v128.const i64x2 0x1122334455667788 0x99aabbccddeeff00))
          (global.set $f (ref.func $seven)) (global.set $d (f64.const nan:0x123)) (global.set $l (i64.const -5))
          (global.set $s (f32.const -0)))
        (start $start)
        (func (export "seven") (result i32)
          (table.set (i32.const 0) (global.get $f)) (call_indirect (result i32) (i32.const 0))))"#;
    let (module, _) = snapshot(&engine, text);
    let mut instance = instance(&engine, &module);
    let mut get = |name: &str| match instance.export(name) {
        Some(Extern::Global(global)) => global.get(&mut instance).expect("its own"),
        _ => panic!("no global `{name}`"),
    };
    assert!(matches!(get("v"), Val::V128(0x99aa_bbcc_ddee_ff00_1122_3344_5566_7788)));
    assert!(matches!(get("d"), Val::F64(0x7ff0_0000_0000_0123)));
    assert!(matches!(get("l"), Val::I64(-5)));
    assert!(matches!(get("s"), Val::F32(0x8000_0000)));
    assert!(matches!(get("e"), Val::ExternRef(None)));
    assert_eq!(i32_of(&mut instance, "seven"), 7);
}

const GROWS: &str = r#"(module (memory (export "memory") 1 4)
    (func $start (drop (memory.grow (i32.const 2))) (i32.store (i32.const 196604) (i32.const 9))) (start $start)
    (func (export "size") (result i32) (memory.size))
    (func (export "last") (result i32) (i32.load (i32.const 196604)))
    (func (export "beyond") (result i32) (i32.load (i32.const 196605)))
    (func (export "more") (result i32) (memory.grow (i32.const 1)))
    (func (export "end") (result i32) (i32.store8 (i32.const 262143) (i32.const 3)) (i32.load8_u (i32.const 262143))))"#;

#[test]
fn memory_that_grew_is_there_from_the_start_and_goes_on_growing() {
    for config in [Config::new(), Config::new().bounds(hatchery::Bounds::Explicit)] {
        let engine = Engine::new(&config).expect("an engine");
        let (module, report) = snapshot(&engine, GROWS);
        assert!(report.to_string().contains("memory 0 grew from 65536 to 196608 bytes"), "{report}");
        let mut instance = instance(&engine, &module);
        assert_eq!(["size", "last"].map(|name| i32_of(&mut instance, name)), [3, 9]);
        let beyond = call(&mut instance, "beyond", &[]).expect_err("behind the end");
        assert_eq!(beyond.trap(), Some(Trap::MemoryOutOfBounds));
        assert_eq!(["more", "size", "end", "more"].map(|name| i32_of(&mut instance, name)), [3, 4, 3, -1]);
    }
}

#[test]
fn memory_that_grew_counts_when_prepared() {
    let engine = engine();
    let limits = Limits::new().max_memory(2 << 16);
    let prepare = |module: &Module| Linker::<()>::new(&engine).prepare_with(module, limits);
    assert!(prepare(&module(&engine, GROWS)).is_ok());
    let error = prepare(&snapshot(&engine, GROWS).0).expect_err("three pages");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("196608"), "{error}");
}

#[test]
fn a_limit_at_build_time_is_what_the_guest_sees() {
    let engine = engine();
    let options = SnapshotOptions::new().limits(Limits::new().max_memory(1 << 16));
    let (module, report) = module(&engine, GROWS).snapshot(&Linker::new(&engine), options, || ()).expect("a snapshot");
    // The store beyond what did not grow traps, and the step is left.
    assert_eq!(report.stopped().and_then(|stop| stop.trap()), Some(Trap::MemoryOutOfBounds));
    assert_eq!(i32_of(&mut instance(&engine, &module), "size"), 3);
}
