//! Sizes at both ends, and such that end inside a page.

use super::*;

/// Grows by as many pages of 64 KiB as it is told, writes the first and the last byte of what it has, and reads any.
const GROWS: &str = r#"
    (func (export "grow") (param $pages i64) (local $end i64)
      (if (i64.lt_s (call $more (local.get $pages)) (i64.const 0)) (then unreachable))
      (local.set $end (i64.mul (call $size) (i64.const 65536)))
      (if (i64.ne (i64.const 0) (local.get $end)) (then
        (i64.store8 (call $at (i64.const 0)) (i64.const 0xff))
        (i64.store8 (call $at (i64.sub (local.get $end) (i64.const 1))) (i64.const 0xff)))))
    (func (export "read") (param i64) (result i64) (i64.load8_u (call $at (local.get 0)))))"#;

/// The same for both types of addresses.
fn grows(memory: &str) -> String {
    let conversions = match memory.starts_with("i64") {
        true => {
            r#"(func $at (param i64) (result i64) (local.get 0))
               (func $size (result i64) (memory.size))
               (func $more (param i64) (result i64) (memory.grow (local.get 0)))"#
        }
        false => {
            r#"(func $at (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
               (func $size (result i64) (i64.extend_i32_u (memory.size)))
               (func $more (param i64) (result i64) (i64.extend_i32_s (memory.grow (i32.wrap_i64 (local.get 0)))))"#
        }
    };
    format!("(module (memory (export \"memory\") {memory}) {conversions} {GROWS}")
}

#[test]
fn a_grown_tail_is_not_readable_by_a_smaller_successor() {
    for reset in RESETS {
        for bounds in [Bounds::Guard, Bounds::Explicit] {
            let engine = Engine::new(&config(Pooling::new(1).reset(reset)).bounds(bounds)).expect("an engine");
            let sizes = ["2 40", "i64 2 40", "1 40", "i64 1 40", "0 40", "i64 0 40"];
            let all = sizes.map(|memory| prepared(&engine, &grows(memory)));
            for round in 0..3 {
                for (larger, smaller) in [(0, 2), (1, 3), (1, 2), (0, 5), (3, 4), (1, 1), (0, 0)] {
                    let mut instance = all[larger].instantiate(()).expect("an instance");
                    () = call(&mut instance, "grow", (20i64 + round,));
                    drop(instance);
                    let mut instance = all[smaller].instantiate(()).expect("an instance");
                    let pages: i64 = sizes[smaller].trim_start_matches("i64 ")[..1].parse().expect("a digit");
                    for beyond in [pages << 16, 21 << 16, (20 + round) << 16] {
                        let trap =
                            try_call::<_, _, (i64,)>(&mut instance, "read", (beyond,)).expect_err("out of bounds");
                        assert_eq!(trap.trap(), Some(Trap::MemoryOutOfBounds));
                    }
                    let Some(Extern::Memory(memory)) = instance.export("memory") else { panic!("no memory") };
                    memory.grow(&mut instance, 30).expect("room");
                    let mut bytes = vec![1; memory.size(&mut instance) as usize];
                    memory.read(&mut instance, 0, &mut bytes).expect("all of it");
                    assert!(bytes.iter().all(|byte| *byte == 0), "{reset:?} {bounds:?} {larger} then {smaller}");
                }
            }
        }
    }
}

/// Tables, globals and data that end inside a page; what comes after differs from module to module.
fn odd(elements: u32, globals: usize, data: u32) -> String {
    let globals: String =
        (0..globals).map(|i| format!("(global (export \"g{i}\") (mut i32) (i32.const {i}))")).collect();
    format!(
        r#"(module (memory (export "memory") 1 3) (table (export "table") {elements} {} funcref) {globals}
            (data (i32.const {data}) "\01\02\03")
            (elem (i32.const 0) $f) (func $f) (elem declare func $f)
            (func (export "dirty")
              (drop (table.grow (ref.func $f) (i32.const 700)))
              (table.fill (i32.const 0) (ref.func $f) (table.size))
              (memory.fill (i32.const 0) (i32.const 0xcc) (i32.const 65536))
              (global.set 0 (i32.const -1))))"#,
        elements + 1000
    )
}

#[test]
fn state_that_ends_inside_a_page_leaves_nothing_behind_it() {
    for reset in RESETS {
        let engine = engine(Pooling::new(1).reset(reset));
        let shapes = [(1, 1, 4094), (517, 3, 1), (100, 200, 8191), (3000, 1, 65533), (1, 1000, 5)];
        let all: Vec<_> = shapes.iter().map(|(e, g, d)| prepared(&engine, &odd(*e, *g, *d))).collect();
        let fresh: Vec<_> = all.iter().map(|p| observe(&mut p.instantiate(()).expect("an instance"))).collect();
        for round in 0..25 {
            let (at, next) = (round % 5, (round * 3 + 1) % 5);
            let mut instance = all[at].instantiate(()).expect("an instance");
            () = call(&mut instance, "dirty", ());
            drop(instance);
            let mut instance = all[next].instantiate(()).expect("an instance");
            assert!(observe(&mut instance) == fresh[next], "{reset:?}: {next} after {at}");
            let Some(Extern::Table(table)) = instance.export("table") else { panic!("no table") };
            let before = table.grow(&mut instance, 999, Val::FuncRef(None)).expect("room");
            let is_null = |i| matches!(table.get(&mut instance, i), Ok(Val::FuncRef(None)));
            assert!((before..before + 999).all(is_null), "{reset:?}: the grown part of {next} after {at}");
        }
    }
}

#[test]
fn nothing_and_the_most_are_sizes_too() {
    let smallest = engine(Pooling::new(1));
    for text in [
        "(module)",
        "(module (memory 0))",
        "(module (memory 0 0))",
        "(module (table 0 funcref))",
        "(module (memory i64 0))",
    ] {
        let prepared = prepared(&smallest, text);
        (0..3).for_each(|_| drop(prepared.instantiate(()).expect("an instance")));
    }
    // The whole address space of a 32-bit memory; and a 64-bit one as large as its reservation.
    for (reset, memory) in RESETS.into_iter().flat_map(|reset| [(reset, "0 65536"), (reset, "i64 0 65536")]) {
        let engine = engine(Pooling::new(1).reset(reset));
        let prepared = prepared(&engine, &grows(memory));
        for _ in 0..3 {
            let mut instance = prepared.instantiate(()).expect("an instance");
            let empty = try_call::<_, _, (i64,)>(&mut instance, "read", (0i64,)).expect_err("empty");
            assert_eq!(empty.trap(), Some(Trap::MemoryOutOfBounds));
            let Some(Extern::Memory(memory)) = instance.export("memory") else { panic!("no memory") };
            memory.grow(&mut instance, 65536).expect("all there is");
            for at in [0i64, 1 << 20, 1 << 31, (1 << 32) - 1] {
                assert_eq!(call::<_, _, (i64,)>(&mut instance, "read", (at,)), (0,), "{reset:?} {at:#x}");
            }
            () = call(&mut instance, "grow", (0i64,));
            assert_eq!(call::<_, _, (i64,)>(&mut instance, "read", ((1i64 << 32) - 1,)), (0xff,));
        }
    }
}

#[test]
fn a_pool_without_slots_is_refused() {
    for pooling in [Pooling::new(0), Pooling::new(0).class(0, 64 << 20)] {
        let error = Engine::new(&config(pooling)).expect_err("there is nothing to wait for");
        assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    }
}

/// Slots of one's own size only: code is compiled for those that there are, not for the usual ones.
#[test]
fn a_class_without_slots_counts_for_nothing() {
    let engine = engine(Pooling::new(0).class(2, 64 << 20));
    let prepared = prepared(&engine, "(module (memory (export \"memory\") 1))");
    let held: Vec<_> = (0..2).map(|_| prepared.instantiate(()).expect("an instance")).collect();
    let refused = prepared.instantiate_blocking((), Some(Duration::from_millis(2))).expect_err("both are in use");
    assert_eq!(refused.kind(), ErrorKind::Exhausted);
    assert_eq!(metrics(&engine).live, held.len());
    let large =
        Module::new(&engine, "(module (memory 4000))").map(|module| Linker::<()>::new(&engine).prepare(&module));
    let error = large.and_then(|prepared| prepared.map(drop)).expect_err("it fits no slot that there is");
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
}

#[test]
fn as_many_shards_as_can_be_named_are_as_many_as_there_can_be() {
    for shards in [0, 1 << 40, usize::MAX] {
        let engine = engine(Pooling::new(1).shards(shards));
        prepared(&engine, "(module (memory 1))").instantiate(()).expect("an instance");
    }
}

#[test]
fn more_than_the_address_space_holds_is_a_limit() {
    let error = Engine::new(&config(Pooling::new(1 << 20))).expect_err("six petabytes");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("1048576 slots"), "{error}");
}

#[test]
fn modules_go_to_the_smallest_class_that_they_fit() {
    // Small memories, compared explicitly; one class for them, and one for a whole reservation.
    let engine = engine(Pooling::new(1).class(2, 64 << 20).class(0, 32 << 20));
    let prepared = prepared(&engine, "(module (memory 1 1))");
    let mut held: Vec<_> = (0..1).map(|_| prepared.instantiate(()).expect("an instance")).collect();
    assert_eq!(metrics(&engine).slots, 3);
    while let Ok(instance) = prepared.instantiate(()) {
        held.push(instance);
    }
    assert!((1..=3).contains(&held.len()));
    assert_eq!(metrics(&engine).live, held.len());
    held.clear();
    assert_eq!((metrics(&engine).live, metrics(&engine).withdrawn), (0, 0));
}
