//! Guests that do not stop, that want too much, and allocators that have no more.

use hatchery::component::{self, Component};
use hatchery::{
    Allocation, Caller, Config, Engine, ErrorKind, Extern, Instance, InterruptHandle, Interruption, Limits, Linker,
    Module, ModuleSet, Pooling, Prepared, Trap, Verify,
};
use std::time::{Duration, Instant};

const SPIN: &str = r#"(module
    (memory (export "memory") 1 1000)
    (table 1 100 funcref)
    (global $n (mut i64) (i64.const 0))
    (func (export "spin") (loop $again (global.set $n (i64.add (global.get $n) (i64.const 1))) (br $again)))
    (func (export "tight") (loop $again (br $again)))
    (func $recurse (export "recurse") (param i64) (result i64)
      (i64.add (i64.const 1) (call $recurse (i64.add (local.get 0) (i64.const 1)))))
    (func (export "endless") (return_call 2 (i64.const 0)) )
    (func (export "fill") (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br $again)))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "grow-table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0)))
    (func (export "fine") (result i32) (i32.const 7)))"#;

fn prepared(interruption: Interruption, limits: Limits) -> Prepared<()> {
    let config = Config::new().allocation(Allocation::Strict).interruption(interruption);
    let engine = Engine::new(&config).expect("an engine");
    let wat = SPIN.replace(r#"(func (export "endless") (return_call 2 (i64.const 0)) )"#, "");
    let module = Module::new(&engine, wat).expect("a module");
    Linker::new(&engine).prepare_with(&module, limits).expect("no imports")
}

#[track_caller]
fn traps(instance: &mut Instance<()>, name: &str) -> Trap {
    let func = instance.func::<(), ()>(name).expect("an export");
    func.call(&mut *instance, ()).expect_err("a trap").trap().expect("a trap")
}

fn is_fine(instance: &mut Instance<()>) -> bool {
    let fine = instance.func::<(), (i32,)>("fine").expect("an export");
    fine.call(instance, ()).is_ok_and(|result| result == (7,))
}

#[test]
fn a_deadline_stops_every_kind_of_endless_loop() {
    let mut instance = prepared(Interruption::Deadline, Limits::new()).instantiate(()).expect("an instance");
    for name in ["spin", "tight", "fill"] {
        let start = Instant::now();
        instance.set_deadline(Some(Duration::from_millis(50)));
        assert_eq!(traps(&mut instance, name), Trap::DeadlineExceeded, "{name}");
        assert!(start.elapsed() >= Duration::from_millis(49), "{name}");
        assert!(is_fine(&mut instance), "{name}");
    }
}

#[test]
fn a_deadline_can_be_a_limit_of_every_instance() {
    let prepared = prepared(Interruption::Deadline, Limits::new().deadline(Duration::from_millis(20)));
    for _ in 0..2 {
        let mut instance = prepared.instantiate(()).expect("an instance");
        assert_eq!(traps(&mut instance, "spin"), Trap::DeadlineExceeded);
    }
}

#[test]
fn a_limit_that_nothing_would_enforce_is_refused_when_prepared() {
    let (fuel, deadline) = (Limits::new().fuel(10), Limits::new().deadline(Duration::from_millis(1)));
    let cases = [
        (Interruption::None, fuel, "Interruption::Fuel"),
        (Interruption::None, deadline, "Interruption::Deadline"),
        (Interruption::Deadline, fuel, "Interruption::Fuel"),
        (Interruption::Fuel, deadline, "Interruption::Deadline"),
        (Interruption::Fuel, fuel.deadline(Duration::from_millis(1)), "Interruption::Deadline"),
    ];
    for (interruption, limits, needed) in cases {
        let engine = Engine::new(&Config::new().interruption(interruption)).expect("an engine");
        let module = Module::new(&engine, "(module)").expect("a module");
        let component = Component::new(&engine, "(component)").expect("a component");
        let errors = [
            Linker::<()>::new(&engine).prepare_with(&module, limits).expect_err("nothing would enforce it"),
            component::Linker::<()>::new(&engine).prepare_with(&component, limits).expect_err("as above"),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
            assert!(error.to_string().contains(needed), "{interruption:?}: {error}");
        }
    }
}

#[test]
fn another_thread_can_cancel() {
    let mut instance = prepared(Interruption::Deadline, Limits::new()).instantiate(()).expect("an instance");
    let handle = instance.interrupt_handle();
    let other = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        handle.cancel();
        handle
    });
    assert_eq!(traps(&mut instance, "spin"), Trap::Cancelled);
    assert!(is_fine(&mut instance));
    let handle = other.join().expect("a thread");
    drop(instance);
    handle.cancel();
}

/// Requests that are taken back while a guest sees them, and that come for a slot's earlier user, stop nobody; the last one
/// always does.
#[test]
fn requests_that_race_with_the_guest_are_neither_lost_nor_left_behind() {
    let pooling = Pooling::new(1).verify(Verify::EveryReset);
    let allocations = [Allocation::OnDemand, Allocation::Pooling(pooling)];
    for allocation in allocations {
        let engine = Engine::new(&Config::new().allocation(allocation).interruption(Interruption::Deadline));
        let engine = engine.expect("an engine");
        let module = Module::new(
            &engine,
            r#"(module
            (func (export "spin") (loop $again (br $again)))
            (func (export "count") (param i32) (result i32)
              (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 7)))"#,
        );
        let prepared = Linker::new(&engine).prepare(&module.expect("a module")).expect("no imports");
        let until = Instant::now() + Duration::from_millis(400);
        let mut stale: Option<InterruptHandle> = None;
        while Instant::now() < until {
            let mut instance = prepared.instantiate(()).expect("an instance");
            let handle = instance.interrupt_handle();
            let (busy, old) = (handle.clone(), stale.replace(handle.clone()));
            let other = std::thread::spawn(move || {
                for round in 0..40 {
                    old.iter().for_each(InterruptHandle::cancel);
                    busy.set_deadline(Some(Duration::from_nanos(1)));
                    if round % 4 == 0 {
                        std::thread::yield_now();
                    }
                    busy.set_deadline(None);
                }
            });
            let count = instance.func::<(i32,), (i32,)>("count").expect("an export");
            for _ in 0..20 {
                match count.call(&mut instance, (2000,)) {
                    Ok(result) => assert_eq!(result, (7,)),
                    Err(error) => assert_eq!(error.trap(), Some(Trap::DeadlineExceeded)),
                }
            }
            other.join().expect("the other thread");
            let other = std::thread::spawn(move || handle.cancel());
            assert_eq!(traps(&mut instance, "spin"), Trap::Cancelled);
            other.join().expect("the other thread");
            assert_eq!(count.call(&mut instance, (10,)).expect("nobody asks any more"), (7,));
        }
    }
}

/// A guest that calls the host, which looks whether it should stop; through another call of the guest, or at once.
const ASKS: &str = r#"(module
    (import "h" "look" (func $look))
    (import "h" "through" (func $through))
    (func (export "asks") (call $look))
    (func (export "nested") (call $through))
    (func (export "spin") (loop $again (br $again)))
    (func (export "fine") (result i32) (loop) (i32.const 7)))"#;

#[test]
fn a_request_that_ended_a_call_by_way_of_the_host_is_answered() {
    let engine = Engine::new(&Config::new().interruption(Interruption::Deadline)).expect("an engine");
    let module = Module::new(&engine, ASKS).expect("a module");
    let mut linker = Linker::<()>::new(&engine);
    linker.func("h", "look", |caller: Caller<'_, ()>| caller.check_interrupt()).expect("defined");
    let through = |mut caller: Caller<'_, ()>| {
        let Some(Extern::Func(spin)) = caller.export("spin") else { panic!("no export") };
        spin.typed::<(), ()>(&mut caller)?.call(&mut caller, ())
    };
    linker.func("h", "through", through).expect("defined");
    let mut instance = linker.prepare(&module).expect("prepared").instantiate(()).expect("an instance");
    for name in ["asks", "nested"] {
        instance.interrupt_handle().cancel();
        assert_eq!(traps(&mut instance, name), Trap::Cancelled, "{name}");
        assert!(is_fine(&mut instance), "{name}: the request is still there");
        instance.set_deadline(Some(Duration::from_millis(1)));
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(traps(&mut instance, name), Trap::DeadlineExceeded, "{name}");
        assert!(is_fine(&mut instance), "{name}: the deadline passes again");
    }
}

#[test]
fn a_request_that_nobody_answered_goes_with_its_instance() {
    let pooling = Pooling::new(1).verify(Verify::EveryReset);
    let config = Config::new().allocation(Allocation::Pooling(pooling)).interruption(Interruption::Deadline);
    let engine = Engine::new(&config).expect("an engine");
    let module = Module::new(&engine, r#"(module (func (export "f") (loop)))"#).expect("a module");
    let prepared = Linker::new(&engine).prepare(&module).expect("no imports");
    for round in 0..6 {
        let mut instance = prepared.instantiate(()).expect("the only slot");
        let f = instance.func::<(), ()>("f").expect("an export");
        f.call(&mut instance, ()).expect("nobody asked this one to stop");
        let handle = instance.interrupt_handle();
        handle.set_deadline(Some(Duration::from_nanos(1)));
        if round % 2 == 0 {
            handle.cancel();
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn fuel_is_spent_and_can_be_refilled() {
    let limits = Limits::new().fuel(10_000);
    let mut instance = prepared(Interruption::Fuel, limits).instantiate(()).expect("an instance");
    assert_eq!(instance.fuel(), 10_000);
    assert!(is_fine(&mut instance));
    let left = instance.fuel();
    assert!((9_990..10_000).contains(&left), "{left}");
    for name in ["spin", "tight", "fill"] {
        instance.set_fuel(10_000);
        assert_eq!(traps(&mut instance, name), Trap::OutOfFuel, "{name}");
        assert_eq!(instance.fuel(), 0);
    }
    instance.set_fuel(100);
    assert!(is_fine(&mut instance));
}

#[test]
fn fuel_is_the_same_however_code_is_compiled() {
    let spent = |config: Config| {
        let engine = Engine::new(&config.interruption(Interruption::Fuel)).expect("an engine");
        let wat = r#"(module (memory 1) (func (export "f") (param $n i32) (result i32) (local $x i32)
            (loop $again
              (if (i32.and (local.get $n) (i32.const 1))
                (then (local.set $x (i32.add (local.get $x) (i32.load (local.get $n)))))
                (else (i32.store (local.get $n) (local.get $x))))
              (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
            (local.get $x)))"#;
        let module = Module::new(&engine, wat).expect("a module");
        let mut instance =
            Linker::new(&engine).prepare(&module).expect("prepared").instantiate(()).expect("an instance");
        instance.set_fuel(1_000_000);
        let f = instance.func::<(i32,), (i32,)>("f").expect("f");
        f.call(&mut instance, (1001,)).expect("a call");
        1_000_000 - instance.fuel()
    };
    let reference = spent(Config::new());
    assert!(reference > 10_000, "{reference}");
    assert_eq!(spent(Config::new().optimization(hatchery::Optimization::None)), reference);
    assert_eq!(spent(Config::new().bounds(hatchery::Bounds::Explicit)), reference);
}

#[test]
fn infinite_recursion_is_a_trap_every_time() {
    let mut instance = prepared(Interruption::None, Limits::new()).instantiate(()).expect("an instance");
    let recurse = instance.func::<(i64,), (i64,)>("recurse").expect("recurse");
    for _ in 0..10 {
        let error = recurse.call(&mut instance, (0,)).expect_err("a trap");
        assert_eq!(error.trap(), Some(Trap::StackOverflow));
        assert!(!error.backtrace().is_empty());
        assert!(is_fine(&mut instance));
    }
}

#[test]
fn growing_stops_at_the_limits() {
    let limits = Limits::new().max_memory(3 << 16).max_table(10);
    let mut instance = prepared(Interruption::None, limits).instantiate(()).expect("an instance");
    let grow = instance.func::<(i32,), (i32,)>("grow").expect("grow");
    assert_eq!(grow.call(&mut instance, (3,)).expect("a call"), (-1,));
    assert_eq!(grow.call(&mut instance, (2,)).expect("a call"), (1,));
    assert_eq!(grow.call(&mut instance, (1,)).expect("a call"), (-1,));
    let table = instance.func::<(i32,), (i32,)>("grow-table").expect("grow-table");
    assert_eq!(table.call(&mut instance, (10,)).expect("a call"), (-1,));
    assert_eq!(table.call(&mut instance, (9,)).expect("a call"), (1,));
    let Some(Extern::Memory(memory)) = instance.export("memory") else { panic!("no memory") };
    assert_eq!(memory.grow(&mut instance, 1).expect_err("the limit").kind(), ErrorKind::Limit);
    assert_eq!(memory.size(&mut instance), 3 << 16);
}

#[test]
fn a_module_that_starts_beyond_a_limit_is_refused_when_prepared() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let module = Module::new(&engine, "(module (memory 10))").expect("a module");
    let limits = Limits::new().max_memory(1 << 16);
    let error = Linker::<()>::new(&engine).prepare_with(&module, limits).expect_err("too much");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("655360") && error.to_string().contains("65536"), "{error}");
}

#[test]
fn contents_in_more_places_than_a_slot_should_map_are_a_limit_when_prepared() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let tables = "(table 1 200000 funcref (ref.func $f))".repeat(100);
    let grows: String = (0..100).map(|n| format!("(drop (table.grow {n} (ref.null func) (i32.const 1)))")).collect();
    let mut set = ModuleSet::new(&engine);
    for _ in 0..6 {
        let module = set.module(format!("(module {tables} (func $f {grows}))")).expect("a module");
        set.instance(module, None, &[]);
    }
    let error = Linker::<()>::new(&engine).prepare(&set.compile().expect("compiles")).expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("runs, and the limit is 256"), "{error}");
}
