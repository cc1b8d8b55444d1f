//! Instances from the pool: clean every time, whatever the one before did, in every strategy.

use hatchery::{
    Allocation, Bounds, Config, Engine, Error, ErrorKind, Extern, Instance, Linker, Module, ModuleSet, Placement,
    Pooling, Prepared, Reset, Trap, Val, Verify,
};
use std::time::Duration;

const WAT: &str = r#"(module
    (import "host" "trouble" (func $trouble (param i32)))
    (memory (export "memory") 2 64)
    (table (export "table") 4 100 funcref)
    (global $g (export "g") (mut i64) (i64.const 5))
    (data (i32.const 100) "a few bytes of data")
    (data $passive "dropped later")
    (elem (i32.const 0) $f $f)
    (func $f)
    (func (export "dirty") (param $pages i32) (param $grow i32) (local $at i32)
      (global.set $g (i64.const 77))
      (table.set (i32.const 1) (ref.null func))
      (drop (table.grow (ref.func $f) (i32.const 3)))
      (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 7))
      (data.drop $passive)
      (drop (memory.grow (local.get $grow)))
      (loop $again
        (i32.store (i32.add (i32.const 100) (local.get $at)) (i32.const -1))
        (local.set $at (i32.add (local.get $at) (i32.const 4096)))
        (br_if $again (local.tee $pages (i32.sub (local.get $pages) (i32.const 1)))))
      (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 9)))
    (func (export "trouble") (param i32) (call $trouble (local.get 0)))
    (func (export "trap") (i32.store (i32.const 5000) (i32.const 1)) unreachable)
    (elem declare func $f))"#;

fn engine(pooling: Pooling, bounds: Bounds) -> Engine {
    let pooling = pooling.verify(Verify::EveryReset);
    Engine::new(&Config::new().allocation(Allocation::Pooling(pooling)).bounds(bounds)).expect("an engine")
}

fn prepared(engine: &Engine) -> Prepared<()> {
    let module = Module::new(engine, WAT).expect("a module");
    let mut linker = Linker::new(engine);
    let trouble = |kind: i32| -> Result<(), Error> {
        assert!(kind != 0, "host trouble");
        Err(Error::host("host trouble"))
    };
    linker.func("host", "trouble", trouble).expect("defined");
    linker.prepare(&module).expect("prepared")
}

/// Everything that can be seen of an instance.
fn observe(instance: &mut Instance<()>) -> (u64, Vec<u8>, String, Vec<String>) {
    let Some(Extern::Memory(memory)) = instance.export("memory") else { panic!("no memory") };
    let Some(Extern::Global(global)) = instance.export("g") else { panic!("no global") };
    let Some(Extern::Table(table)) = instance.export("table") else { panic!("no table") };
    let size = memory.size(&mut *instance);
    let mut bytes = vec![0; size as usize];
    memory.read(&mut *instance, 0, &mut bytes).expect("all of it");
    let element = |instance: &mut Instance<()>, i| match table.get(instance, i).expect("an element") {
        Val::FuncRef(reference) => format!("{}", reference.is_some()),
        value => format!("{value:?}"),
    };
    let elements = (0..table.size(&mut *instance)).map(|i| element(instance, i)).collect();
    (size, bytes, format!("{:?}", global.get(&mut *instance)), elements)
}

fn cycle(prepared: &Prepared<()>, clean: &(u64, Vec<u8>, String, Vec<String>), round: i32) {
    let mut instance = prepared.instantiate(()).expect("an instance");
    assert!(observe(&mut instance) == *clean, "round {round} starts dirty");
    let dirty = instance.func::<(i32, i32), ()>("dirty").expect("dirty");
    dirty.call(&mut instance, (1 + round * 7 % 30, round % 5)).expect("a call");
    match round % 4 {
        1 => {
            let trap = instance.func::<(), ()>("trap").expect("trap").call(&mut instance, ()).expect_err("a trap");
            assert_eq!(trap.trap(), Some(Trap::Unreachable));
        }
        2 => {
            let trouble = instance.func::<(i32,), ()>("trouble").expect("trouble");
            assert_eq!(trouble.call(&mut instance, (1,)).expect_err("an error").kind(), ErrorKind::Host);
        }
        3 => {
            let trouble = instance.func::<(i32,), ()>("trouble").expect("trouble");
            let call = std::panic::AssertUnwindSafe(|| trouble.call(&mut instance, (0,)));
            std::panic::catch_unwind(call).expect_err("a panic");
        }
        _ => {}
    }
    assert!(observe(&mut instance) != *clean);
}

#[test]
fn every_instance_starts_clean_in_every_strategy() {
    for reset in [Reset::WorkingSet, Reset::PagemapScan, Reset::Decommit] {
        for placement in [Placement::NextAvailable, Placement::Random { seed: 7 }] {
            for bounds in [Bounds::Guard, Bounds::Explicit] {
                let engine = engine(Pooling::new(3).reset(reset).placement(placement), bounds);
                let prepared = prepared(&engine);
                let clean = observe(&mut prepared.instantiate(()).expect("an instance"));
                (0..40).for_each(|round| cycle(&prepared, &clean, round));
            }
        }
    }
}

#[test]
fn modules_take_turns_in_one_slot() {
    let engine = engine(Pooling::new(1), Bounds::Guard);
    let first = prepared(&engine);
    let clean = observe(&mut first.instantiate(()).expect("an instance"));
    let small = Module::new(&engine, r#"(module (memory (export "memory") 1))"#).expect("a module");
    let small = Linker::new(&engine).prepare(&small).expect("prepared");
    for round in 0..20 {
        cycle(&first, &clean, round);
        let mut instance = small.instantiate(()).expect("an instance");
        let Some(Extern::Memory(memory)) = instance.export("memory") else { panic!("no memory") };
        let mut bytes = vec![1; 65536];
        memory.read(&mut instance, 0, &mut bytes).expect("all of it");
        assert!(bytes.iter().all(|byte| *byte == 0), "round {round}");
    }
}

#[test]
fn threads_share_a_pool() {
    let engine = engine(Pooling::new(8), Bounds::Guard);
    let prepared = prepared(&engine);
    let clean = observe(&mut prepared.instantiate(()).expect("an instance"));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (prepared, clean) = (&prepared, &clean);
            scope.spawn(move || (0..50).for_each(|round| cycle(prepared, clean, round + thread)));
        }
    });
}

#[test]
fn an_empty_pool_is_exhausted_and_a_slot_that_comes_back_is_used() {
    let engine = engine(Pooling::new(1), Bounds::Guard);
    let prepared = prepared(&engine);
    let first = prepared.instantiate(()).expect("an instance");
    assert_eq!(prepared.instantiate(()).expect_err("one slot").kind(), ErrorKind::Exhausted);
    drop(first);
    prepared.instantiate(()).expect("an instance");
}

#[test]
fn a_bound_on_memory_is_exhausted_like_slots() {
    // Room for one of two: each has 128 KiB of memory.
    let engine = engine(Pooling::new(2).resident_bytes(200 << 10), Bounds::Guard);
    let prepared = prepared(&engine);
    let first = prepared.instantiate(()).expect("an instance");
    assert_eq!(prepared.instantiate(()).expect_err("no memory").kind(), ErrorKind::Exhausted);
    drop(first);
    prepared.instantiate(()).expect("an instance");
    let error = Module::new(&engine, "(module (memory 4))").expect_err("more than the bound");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("204800"), "{error}");
}

#[test]
fn who_waits_gets_the_slot_of_an_instance_that_is_dropped() {
    use std::task::{Context, Poll, Waker};
    let engine = engine(Pooling::new(2), Bounds::Guard);
    let prepared = prepared(&engine);
    let mut held: Vec<_> = (0..2).map(|_| prepared.instantiate(()).expect("an instance")).collect();
    let refused = prepared.instantiate_blocking((), Some(Duration::from_millis(5)));
    assert_eq!(refused.expect_err("time is up").kind(), ErrorKind::Exhausted);
    let mut context = Context::from_waker(Waker::noop());
    let mut future = Box::pin(prepared.instantiate_async(()));
    assert!(future.as_mut().poll(&mut context).is_pending());
    held.pop();
    let Poll::Ready(Ok(instance)) = future.as_mut().poll(&mut context) else { panic!("there is a slot") };
    held.push(instance);
    // More who wait than there are slots, both ways; each leaves its instance dirty.
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..8)
            .map(|i| {
                let prepared = &prepared;
                scope.spawn(move || {
                    let mut instance = match i % 2 {
                        0 => prepared.instantiate_blocking((), None),
                        _ => pollster::block_on(prepared.instantiate_async(())),
                    }
                    .expect("an instance");
                    instance
                        .func::<(i32, i32), ()>("dirty")
                        .expect("dirty")
                        .call(&mut instance, (3, 1))
                        .expect("a call");
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(10));
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        drop(held);
    });
    assert_eq!(engine.pool_metrics().map(|metrics| metrics.live), Some(0));
}

#[test]
fn a_module_that_needs_a_larger_slot_is_told_so_before_it_is_compiled() {
    let engine = engine(Pooling::new(1).slot_bytes(1 << 20), Bounds::Guard);
    let mut set = ModuleSet::new(&engine);
    let module = set.module("(module (memory 1) (func))").expect("text");
    set.instance(module, None, &[]);
    let translated = std::sync::atomic::AtomicBool::new(false);
    let progress = |_, _| translated.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = set.compile_with(&progress).expect_err("too large");
    assert!(!translated.into_inner(), "a function was translated");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("bytes"), "{error}");
}
