//! An allocator from outside, plugged in through the face.

use hatchery::{Allocation, Config, Engine, ErrorKind, Linker, Module};
use hatchery_alloc::{OnDemand, Options};
use std::sync::Arc;

const WAT: &str = r#"(module
    (memory 1 4)
    (data (i32.const 100) "\2a")
    (global $g (mut i32) (i32.const 5))
    (func (export "run") (result i32) (local $old i32)
      (local.set $old (i32.add (i32.load (i32.const 100)) (global.get $g)))
      (i32.store (i32.const 100) (i32.const 1000))
      (global.set $g (i32.const 1000))
      (if (i32.eqz (memory.grow (i32.const 1))) (then unreachable))
      (i32.store (i32.const 70000) (i32.add (i32.load (i32.const 70000)) (i32.const 1)))
      (i32.add (local.get $old) (i32.load (i32.const 70000)))))"#;

#[test]
fn a_third_partys_allocator_runs_guests_from_clean_slots() {
    let allocator = Arc::new(hatchery_thirdparty_alloc::Recycler::new(4));
    let engine = Engine::new(&Config::new().allocation(Allocation::Custom(allocator))).expect("an engine");
    let module = Module::new(&engine, WAT).expect("a module");
    let prepared = Linker::new(&engine).prepare(&module).expect("prepared");
    for _ in 0..20 {
        let mut instance = prepared.instantiate(()).expect("an instance");
        let run = instance.func::<(), (i32,)>("run").expect("run");
        assert_eq!(run.call(&mut instance, ()).expect("a call"), (48,));
        // Dirty now, which the next instance must not see.
        assert_eq!(run.call(&mut instance, ()).expect("a call"), (2002,));
    }
}

#[test]
fn exhaustion_is_an_error_of_its_own_and_passes() {
    let options = Options { max_live: 1, ..Options::default() };
    let allocation = Allocation::Custom(Arc::new(OnDemand::new(options)));
    let engine = Engine::new(&Config::new().allocation(allocation)).expect("an engine");
    let module = Module::new(&engine, WAT).expect("a module");
    let prepared = Linker::new(&engine).prepare(&module).expect("prepared");
    let first = prepared.instantiate(()).expect("an instance");
    let error = prepared.instantiate(()).expect_err("there is one slot");
    assert_eq!(error.kind(), ErrorKind::Exhausted);
    drop(first);
    prepared.instantiate(()).expect("an instance");
}
