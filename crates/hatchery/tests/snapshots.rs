//! A program that starts from a snapshot behaves as one that initialized itself.

use hatchery::{
    Config, Engine, Error, ErrorKind, Extern, ExternRef, InitImports, Instance, Interruption, Limits, Linker, Module,
    ModuleSet, SnapshotOptions, SnapshotReport, Trap, Val,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

fn engine() -> Engine {
    Engine::new(&Config::new()).expect("an engine")
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::with_name(engine, "program", text).expect("a module")
}

/// A snapshot without a host.
fn snapshot(engine: &Engine, text: &str) -> (Module, SnapshotReport) {
    module(engine, text).snapshot(&Linker::<()>::new(engine), SnapshotOptions::new(), || ()).expect("a snapshot")
}

fn instance(engine: &Engine, module: &Module) -> Instance<()> {
    Linker::new(engine).prepare(module).expect("prepared").instantiate(()).expect("an instance")
}

fn call<T: 'static>(instance: &mut Instance<T>, name: &str, args: &[Val]) -> Result<Vec<Val>, Error> {
    let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function `{name}`") };
    func.call_dynamic(instance, args)
}

fn i32_of<T: 'static>(instance: &mut Instance<T>, name: &str) -> i32 {
    match call(instance, name, &[]).as_deref() {
        Ok([Val::I32(value)]) => *value,
        other => panic!("`{name}` gave {other:?}"),
    }
}

/// A linker whose `host.now` counts its calls in `calls` and whose `host.pure` doubles.
fn host(engine: &Engine, calls: &Arc<AtomicU32>) -> Linker<()> {
    let (mut linker, calls) = (Linker::new(engine), calls.clone());
    linker.func("host", "now", move || calls.fetch_add(1, Ordering::Relaxed) as i32).expect("defined once");
    linker.func("host", "pure", |x: i32| x * 2).expect("defined once");
    linker
}

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
    let (module, _) = snapshot(&engine, text);
    let mut instance = instance(&engine, &module);
    let all = ["first", "last", "size", "more", "size", "too_much"].map(|name| i32_of(&mut instance, name));
    assert_eq!(all, [1, 2, 10, 10, 50, -1]);

    let small = Linker::<()>::new(&engine).prepare_with(&module, Limits::new().max_table(9));
    assert_eq!(small.expect_err("ten elements").kind(), ErrorKind::Exhausted);
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
    assert_eq!(error.kind(), ErrorKind::Exhausted);
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

const ASKS: &str = r#"(module (import "host" "now" (func $now (result i32))) (global $at (mut i32) (i32.const -1))
    (memory 1) (data (i32.const 0) "a")
    (func $clock (global.set $at (call $now))) (func $start (i32.store8 (i32.const 0) (i32.const 1)) (call $clock))
    (start $start) (func (export "at") (result i32) (global.get $at)))"#;

#[test]
fn a_denied_import_leaves_its_step_to_every_instance() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(5)));
    let linker = host(&engine, &calls);
    let (module, report) = module(&engine, ASKS).snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((report.steps_run(), report.steps_left()), (0, 1));
    let stop = report.stopped().expect("denied");
    assert_eq!(stop.import(), Some(("host", "now")));
    let names: Vec<_> = stop.backtrace().iter().map(|frame| frame.name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("clock".to_owned()), Some("start".to_owned())]);
    let text = format!("{report:#}");
    assert!(text.contains("program!clock called the import `host` `now`, which is not allowed"), "{text}");
    assert_eq!(calls.load(Ordering::Relaxed), 5, "denied, not called");
    let prepared = linker.prepare(&module).expect("prepared");
    for expected in [5, 6] {
        assert_eq!(i32_of(&mut prepared.instantiate(()).expect("an instance"), "at"), expected);
    }
}

#[test]
fn an_allowed_import_is_called_once_and_reported() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(5)));
    let linker = host(&engine, &calls);
    for allowed in [vec!["host".to_owned()], vec!["other".to_owned(), "host/now".to_owned()]] {
        calls.store(5, Ordering::Relaxed);
        let options = SnapshotOptions::new().imports(InitImports::Allow(allowed));
        let (module, report) = module(&engine, ASKS).snapshot(&linker, options, || ()).expect("a snapshot");
        assert_eq!(report.steps_left(), 0);
        assert_eq!(report.imports().collect::<Vec<_>>(), [("host", "now", 1)]);
        let prepared = linker.prepare(&module).expect("prepared");
        let all = [0, 1].map(|_| i32_of(&mut prepared.instantiate(()).expect("an instance"), "at"));
        assert_eq!((all, calls.load(Ordering::Relaxed)), ([5, 5], 6));
    }
}

#[test]
fn a_denied_import_need_not_be_defined_and_an_allowed_one_must() {
    let engine = engine();
    let options = |imports| SnapshotOptions::new().imports(imports);
    let empty = Linker::<()>::new(&engine);
    let asks = module(&engine, ASKS);
    for imports in [InitImports::Deny, InitImports::Allow(vec!["host/pure".into()]), InitImports::Record] {
        let (_, report) = asks.snapshot(&empty, options(imports), || ()).expect("a snapshot");
        assert_eq!(
            report.stopped().and_then(|stop| stop.import().map(|(_, name)| name.to_owned())).as_deref(),
            Some("now")
        );
    }
    let error = asks.snapshot(&empty, options(InitImports::Allow(vec!["host".into()])), || ());
    let error = error.expect_err("not defined");
    assert_eq!(error.kind(), ErrorKind::Link);
    assert!(error.to_string().contains("`host` `now`"), "{error}");
}

#[test]
fn recording_calls_what_the_host_has_and_counts() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(0)));
    let text = r#"(module (import "host" "now" (func $now (result i32)))
        (import "host" "pure" (func $pure (param i32) (result i32))) (import "host" "never" (func))
        (global $sum (mut i32) (i32.const 0))
        (func $start (local $i i32)
          (loop $again
            (global.set $sum (i32.add (global.get $sum) (call $pure (call $now))))
            (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 4)))))
        (start $start) (func (export "sum") (result i32) (global.get $sum)))"#;
    let mut linker = host(&engine, &calls);
    let options = SnapshotOptions::new().imports(InitImports::Record);
    let (module, report) = module(&engine, text).snapshot(&linker, options, || ()).expect("a snapshot");
    assert_eq!(report.imports().collect::<Vec<_>>(), [("host", "now", 4), ("host", "pure", 4)]);
    linker.func("host", "never", || ()).expect("defined once");
    let mut instance = linker.prepare(&module).expect("prepared").instantiate(()).expect("an instance");
    assert_eq!(i32_of(&mut instance, "sum"), 2 * (1 + 2 + 3));
}

/// Two instances of a set, each with a start function; the second asks the host.
fn two(engine: &Engine) -> Module {
    let mut set = ModuleSet::new(engine);
    let first = set.module(
        r#"(module (memory (export "memory") 1) (data (i32.const 0) "\01")
            (func $start (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 10)))) (start $start))"#,
    );
    let second = set.module(
        r#"(module (import "first" "memory" (memory 1)) (import "host" "now" (func $now (result i32)))
            (data (i32.const 1) "\02")
            (func $start (i32.store8 (i32.const 2) (i32.add (i32.load8_u (i32.const 0)) (call $now)))) (start $start)
            (func (export "byte") (param i32) (result i32) (i32.load8_u (local.get 0))))"#,
    );
    let first = set.instance(first.expect("a module"), Some("first"), &[]);
    set.instance(second.expect("a module"), Some("second"), &[("first", first)]);
    set.compile().expect("a set")
}

#[test]
fn what_worked_is_kept_and_what_follows_is_left() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(100)));
    let (linker, whole) = (host(&engine, &calls), two(&engine));
    let (module, report) = whole.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    // The first start function and the second instance's data; its own start function is left.
    assert_eq!((report.steps_run(), report.steps_left()), (2, 1));
    assert!(report.to_string().contains("left the start function of `second`"), "{report}");
    let bytes = |module: &Module| {
        calls.store(100, Ordering::Relaxed);
        let mut instance = linker.prepare(module).expect("prepared").instantiate(()).expect("an instance");
        [0, 1, 2].map(|at| match call(&mut instance, "byte", &[Val::I32(at)]).as_deref() {
            Ok([Val::I32(byte)]) => *byte,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(bytes(&module), [11, 2, 111]);
    assert_eq!(bytes(&module), bytes(&whole));

    // Each snapshot can be taken further.
    let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host/now".into()]));
    let (rest, report) = module.snapshot(&linker, options, || ()).expect("a snapshot");
    assert_eq!((report.steps_run(), report.steps_left()), (1, 0));
    assert_eq!(bytes(&rest)[..2], [11, 2]);
}

#[test]
fn any_number_of_steps_gives_the_same_program() {
    let (engine, calls) = (engine(), Arc::new(AtomicU32::new(3)));
    let (linker, whole) = (host(&engine, &calls), two(&engine));
    for steps in 0..=4 {
        let options = SnapshotOptions::new().imports(InitImports::Record).max_steps(steps);
        calls.store(3, Ordering::Relaxed);
        let (module, report) = whole.snapshot(&linker, options, || ()).expect("a snapshot");
        assert_eq!((report.steps_run(), report.steps_left()), (steps.min(3), 3 - steps.min(3)));
        let mut instance = linker.prepare(&module).expect("prepared").instantiate(()).expect("an instance");
        let byte = call(&mut instance, "byte", &[Val::I32(2)]);
        assert!(matches!(byte.as_deref(), Ok([Val::I32(14)])), "{byte:?}");
    }
}

#[test]
fn a_start_function_that_traps_traps_at_instantiation_as_before() {
    let engine = engine();
    let text = r#"(module (memory 1) (func $deep unreachable)
        (func $start (i32.store (i32.const 0) (i32.const 1)) (call $deep)) (start $start))"#;
    let (module, report) = snapshot(&engine, text);
    let stop = report.stopped().expect("trapped");
    assert_eq!((stop.trap(), stop.import(), stop.export()), (Some(Trap::Unreachable), None, None));
    let names: Vec<_> = stop.backtrace().iter().map(|frame| frame.name().map(str::to_owned)).collect();
    assert_eq!(names, [Some("deep".to_owned()), Some("start".to_owned())]);
    let error = Linker::new(&engine).prepare(&module).expect("prepared").instantiate(()).expect_err("it traps");
    assert_eq!(error.trap(), Some(Trap::Unreachable));
}

#[test]
fn a_segment_out_of_bounds_is_left_with_what_follows() {
    let engine = engine();
    let text = r#"(module (memory 1) (data (i32.const 0) "a") (data (i32.const 65536) "b"))"#;
    let (module, report) = snapshot(&engine, text);
    assert!(report.to_string().contains("left a data segment of `program`"), "{report}");
    let error = Linker::new(&engine).prepare(&module).expect("prepared").instantiate(()).expect_err("it traps");
    assert_eq!(error.trap(), Some(Trap::MemoryOutOfBounds));
}

const LONG: &str = r#"(module (global $n (mut i32) (i32.const 0))
    (func $start (loop $again (global.set $n (i32.add (global.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (global.get $n) (i32.const 100000))))) (start $start)
    (func (export "n") (result i32) (global.get $n)))"#;

#[test]
fn a_step_that_takes_too_much_fuel_is_left() {
    let engine = Engine::new(&Config::new().interruption(Interruption::Fuel)).expect("an engine");
    let (linker, long) = (Linker::<()>::new(&engine), module(&engine, LONG));
    let with = |fuel| SnapshotOptions::new().limits(Limits::new().fuel(fuel));
    let (left, report) = long.snapshot(&linker, with(1000), || ()).expect("a snapshot");
    assert_eq!(report.stopped().and_then(|stop| stop.trap()), Some(Trap::OutOfFuel));
    assert_eq!(i32_of(&mut instance(&engine, &left), "n"), 100_000);

    let (done, report) = long.snapshot(&linker, with(10_000_000), || ()).expect("a snapshot");
    assert!(report.stopped().is_none(), "{report}");
    // The instance pays nothing for what was done before it.
    let mut instance =
        linker.prepare_with(&done, Limits::new().fuel(50)).expect("prepared").instantiate(()).expect("ok");
    assert_eq!(instance.fuel(), 50);
    assert_eq!(i32_of(&mut instance, "n"), 100_000);
}

#[test]
fn a_step_that_takes_too_long_is_left() {
    let engine = Engine::new(&Config::new().interruption(Interruption::Deadline)).expect("an engine");
    let text = r#"(module (func $start (loop (br 0))) (start $start))"#;
    let options = SnapshotOptions::new().limits(Limits::new().deadline(Duration::from_millis(30)));
    let (_, report) = module(&engine, text).snapshot(&Linker::new(&engine), options, || ()).expect("a snapshot");
    assert_eq!(report.stopped().and_then(|stop| stop.trap()), Some(Trap::DeadlineExceeded));
}

#[test]
fn a_limit_that_nothing_would_enforce_is_refused() {
    let (engine, fuel) = (engine(), Limits::new().fuel(1));
    for limits in [fuel, Limits::new().deadline(Duration::from_secs(1))] {
        let options = SnapshotOptions::new().limits(limits);
        let error = module(&engine, LONG).snapshot(&Linker::new(&engine), options, || ()).expect_err("unstoppable");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains("not compiled to be stopped"), "{error}");
    }
}

#[test]
fn the_host_state_is_fresh_for_every_attempt_and_given_up_with_it() {
    let engine = engine();
    let mut set = ModuleSet::new(&engine);
    let counts = r#"(module (import "host" "count" (func $count (result i32)))
        (global $n (export "n") (mut i32) (i32.const 0))
        (func $start (global.set $n (call $count))) (start $start))"#;
    let fails = r#"(module (import "first" "n" (global $n (mut i32))) (import "host" "count" (func $count (result i32)))
        (import "host" "denied" (func $denied)) (func $start (drop (call $count)) (call $denied)) (start $start)
        (func (export "n") (result i32) (global.get $n)))"#;
    let first = set.module(counts).expect("a module");
    let first = set.instance(first, Some("first"), &[]);
    let second = set.module(fails).expect("a module");
    set.instance(second, Some("second"), &[("first", first)]);
    let module = set.compile().expect("a set");

    let mut linker = Linker::<u32>::new(&engine);
    linker
        .func("host", "count", |mut caller: hatchery::Caller<'_, u32>| {
            *caller.data_mut() += 1;
            *caller.data() as i32
        })
        .expect("defined once");
    let (made, seen) = (AtomicU32::new(0), Arc::new(AtomicU32::new(0)));
    let fresh = || {
        made.fetch_add(1, Ordering::Relaxed);
        0
    };
    let saw = seen.clone();
    let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host/count".into()])).at_rest(move |n| {
        saw.fetch_add(*n, Ordering::Relaxed);
        Ok(())
    });
    let (module, report) = module.snapshot(&linker, options, fresh).expect("a snapshot");
    assert_eq!((report.steps_run(), report.steps_left()), (1, 1));
    assert_eq!(made.load(Ordering::Relaxed), 2, "one for each attempt");
    assert_eq!(seen.load(Ordering::Relaxed), 1, "the second step's call was undone");
    assert_eq!(report.imports().collect::<Vec<_>>(), [("host", "count", 1)]);
    linker.func("host", "denied", || ()).expect("defined once");
    let mut instance = linker.prepare(&module).expect("prepared").instantiate(40).expect("an instance");
    assert_eq!((i32_of(&mut instance, "n"), *instance.data()), (1, 41));
}

#[test]
fn a_host_that_still_holds_something_refuses_by_its_name() {
    let (engine, text) = (engine(), r#"(module (func $start) (start $start))"#);
    let options = SnapshotOptions::new().at_rest(|(): &()| Err("descriptor 5 is open".to_owned()));
    let error = module(&engine, text).snapshot(&Linker::new(&engine), options, || ()).expect_err("refused");
    assert_eq!(error.to_string(), "the snapshot is refused: descriptor 5 is open");
}

/// A linker whose `host.value` gives a reference to a host value.
fn giving(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let ty = hatchery::FuncType::new([], [hatchery::ValType::ExternRef]);
    let give = |mut caller: hatchery::Caller<'_, ()>, _: &[Val], results: &mut [Val]| {
        results[0] = Val::ExternRef(Some(ExternRef::new(&mut caller, "a value")?));
        Ok(())
    };
    linker.func_dynamic("host", "value", ty, give).expect("defined once");
    linker
}

#[test]
fn references_to_host_values_refuse_by_where_they_are() {
    let engine = engine();
    let linker = giving(&engine);
    let import = r#"(import "host" "value" (func $value (result externref)))"#;
    let cases = [
        (
            r#"(table $t (export "things") 4 externref)"#,
            "(table.set $t (i32.const 2) (call $value))",
            "element 2 of the table `things` of `program` refers to a host value",
        ),
        (
            "(global $g (mut externref) (ref.null extern))",
            "(global.set $g (call $value))",
            "global 0 refers to a host value",
        ),
        ("", "(drop (call $value))", "the guest was given references to 1 host values"),
    ];
    for (item, body, expected) in cases {
        let text = format!("(module {import} {item} (func $start {body}) (start $start))");
        let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host".into()]));
        let error = module(&engine, &text).snapshot(&linker, options, || ()).expect_err("a live reference");
        assert_eq!(error.to_string(), format!("the snapshot is refused: {expected}"));
    }
}

const EXPORTS: &str = r#"(module (import "host" "now" (func $now (result i32)))
    (global $log (mut i32) (i32.const 0))
    (func $note (param i32) (global.set $log (i32.add (i32.mul (global.get $log) (i32.const 10)) (local.get 0))))
    (func $start (call $note (i32.const 1))) (start $start)
    (func (export "_initialize") (call $note (i32.const 2)))
    (func (export "wizer.initialize") (call $note (i32.const 3)))
    (func (export "mine") (call $note (i32.const 4)))
    (func (export "asks") (call $note (i32.const 5)) (drop (call $now)))
    (func (export "wrong") (param i32)) (global (export "item") i32 (i32.const 0))
    (func (export "log") (result i32) (global.get $log)))"#;

#[test]
fn exports_run_once_in_order_and_the_module_remembers() {
    let engine = engine();
    let linker = host(&engine, &Arc::default());
    let whole = module(&engine, EXPORTS);
    let log = |module: &Module| {
        i32_of(&mut linker.prepare(module).expect("prepared").instantiate(()).expect("an instance"), "log")
    };
    assert_eq!((log(&whole), whole.has_run("_initialize")), (1, false));

    let (known, report) = whole.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!(report.exports().collect::<Vec<_>>(), ["_initialize", "wizer.initialize"]);
    assert_eq!(log(&known), 123);
    assert!(known.has_run("_initialize") && known.has_run("wizer.initialize") && !known.has_run("mine"));

    let mine = || SnapshotOptions::new().export("mine");
    let (named, _) = whole.snapshot(&linker, mine(), || ()).expect("a snapshot");
    assert_eq!(log(&named), 124);

    // What ran does not run again, and what did not can.
    let (again, report) = known.snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((log(&again), report.exports().len()), (123, 0));
    let (more, _) = known.snapshot(&linker, mine(), || ()).expect("a snapshot");
    assert_eq!(log(&more), 1234);
    assert!(more.has_run("_initialize") && more.has_run("mine"));
}

#[test]
fn an_export_that_fails_is_as_if_it_had_not_been_called() {
    let engine = engine();
    let linker = host(&engine, &Arc::default());
    let options = SnapshotOptions::new().export("asks");
    let (module, report) = module(&engine, EXPORTS).snapshot(&linker, options, || ()).expect("a snapshot");
    let stop = report.stopped().expect("denied");
    assert_eq!((stop.export(), stop.import()), (Some("asks"), Some(("host", "now"))));
    assert!(report.to_string().contains("did not keep the call of `asks` of `program`"), "{report}");
    let mut instance = linker.prepare(&module).expect("prepared").instantiate(()).expect("an instance");
    assert_eq!(i32_of(&mut instance, "log"), 12);
    assert!(!module.has_run("asks"));
}

#[test]
fn an_export_behind_a_step_that_is_left_is_not_called() {
    let (engine, calls) = (engine(), Arc::default());
    let linker = host(&engine, &calls);
    let text =
        ASKS.replace(r#"(func (export "at")"#, r#"(func (export "_initialize") unreachable) (func (export "at")"#);
    let (module, report) = module(&engine, &text).snapshot(&linker, SnapshotOptions::new(), || ()).expect("a snapshot");
    assert_eq!((report.exports().len(), report.steps_left()), (0, 1));
    assert_eq!(report.stopped().and_then(|stop| stop.export().map(str::to_owned)), None);
    assert!(!module.has_run("_initialize"));
}

#[test]
fn an_export_that_cannot_initialize_is_refused() {
    let engine = engine();
    let linker = host(&engine, &Arc::default());
    for (name, expected) in [
        ("missing", "there is no exported function `missing`"),
        ("item", "there is no exported function `item`"),
        ("wrong", "it has parameters or results"),
    ] {
        let error = module(&engine, EXPORTS).snapshot(&linker, SnapshotOptions::new().export(name), || ());
        let error = error.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_export_that_is_also_the_start_function_counts_as_its_own_call() {
    let engine = engine();
    let text = r#"(module (global $n (mut i32) (i32.const 0))
        (func $init (export "_initialize") (global.set $n (i32.add (global.get $n) (i32.const 1)))) (start $init)
        (func (export "n") (result i32) (global.get $n)))"#;
    assert!(!module(&engine, text).has_run("_initialize"));
    let (module, _) = snapshot(&engine, text);
    assert!(module.has_run("_initialize"));
    assert_eq!(i32_of(&mut instance(&engine, &module), "n"), 2);
}

#[test]
fn host_code_cannot_hide_a_denied_import() {
    let engine = engine();
    let mut linker = Linker::<()>::new(&engine);
    linker.func("host", "now", || 1).expect("defined once");
    let swallow = |mut caller: hatchery::Caller<'_, ()>| {
        let Some(Extern::Func(inner)) = caller.export("inner") else { panic!("an export") };
        let _ = inner.call_dynamic(&mut caller, &[]);
    };
    linker.func("host", "swallow", swallow).expect("defined once");
    let text = r#"(module (import "host" "now" (func $now (result i32))) (import "host" "swallow" (func $swallow))
        (func (export "inner") (drop (call $now))) (func $start (call $swallow)) (start $start))"#;
    let options = SnapshotOptions::new().imports(InitImports::Allow(vec!["host/swallow".into()]));
    let (_, report) = module(&engine, text).snapshot(&linker, options, || ()).expect("a snapshot");
    assert_eq!(
        report.stopped().and_then(|stop| stop.import().map(|(_, name)| name.to_owned())).as_deref(),
        Some("now")
    );
    assert_eq!(report.steps_left(), 1);
}

#[test]
fn another_engines_linker_is_refused() {
    let (one, other) = (engine(), engine());
    let error = module(&one, LONG).snapshot(&Linker::<()>::new(&other), SnapshotOptions::new(), || ());
    assert_eq!(error.expect_err("two engines").kind(), ErrorKind::Usage);
}
