//! Exceptions as a host sees them: traps, and references that it never has.

#![expect(unsafe_code, reason = "opens an artifact that the test has made")]

use hatchery::{
    Allocation, Caller, Config, Engine, Error, ErrorKind, Extern, FuncType, HostFuture, Instance, InterruptHandle,
    Interruption, Limits, Linker, Module, Pooling, SnapshotOptions, Trap, Val, ValType, Verify,
};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

/// Keeps references to as many exceptions as it is told, and throws.
const GUEST: &str = r#"(module
    (tag $e (param i32)) (table $t (export "table") 4 exnref) (global $g (export "global") (mut exnref) (ref.null exn))
    (func $throw (export "throw") (param i32) (throw $e (local.get 0)))
    (func $ref (param i32) (result exnref) (local $r exnref)
      (block $h (result i32 exnref) (try_table (catch_ref $e $h) (call $throw (local.get 0))) (unreachable))
      (local.set $r) (drop) (local.get $r))
    (func (export "catch") (param i32) (result i32)
      (block $h (result i32) (try_table (catch $e $h) (call $throw (local.get 0))) (unreachable)))
    (func (export "hoard") (param i32) (local $i i32)
      (drop (table.grow $t (ref.null exn) (local.get 0)))
      (loop $again
        (table.set $t (local.get $i) (call $ref (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (local.get 0)))))
    (func (export "set-global") (global.set $g (call $ref (i32.const 1))))
    (func (export "set-table") (table.set $t (i32.const 3) (call $ref (i32.const 1))))
    (func (export "clear") (global.set $g (ref.null exn)) (table.set $t (i32.const 3) (ref.null exn)))
    (func (export "is-fresh") (result i32)
      (i32.and (ref.is_null (global.get $g)) (ref.is_null (table.get $t (i32.const 0))))))"#;

fn module(engine: &Engine, text: &str) -> Module {
    Module::with_name(engine, "guest", text).expect("a module")
}

fn call(instance: &mut Instance<()>, name: &str, params: &[Val]) -> Result<Vec<Val>, Error> {
    let Some(Extern::Func(func)) = instance.export(name) else { panic!("no function `{name}`") };
    func.call_dynamic(instance, params)
}

fn i32_of(result: Result<Vec<Val>, Error>) -> i32 {
    match result.as_deref() {
        Ok([Val::I32(value)]) => *value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_uncaught_exception_is_a_trap_of_its_own_kind() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let prepared = Linker::<()>::new(&engine).prepare(&module(&engine, GUEST)).expect("no imports");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let error = call(&mut instance, "throw", &[Val::I32(1)]).expect_err("uncaught");
    assert_eq!((error.kind(), error.trap()), (ErrorKind::Trap, Some(Trap::UncaughtException)));
    assert_eq!(error.to_string(), "wasm trap: uncaught exception");
    assert_eq!(error.backtrace()[0].name(), Some("throw"));
    assert_eq!(i32_of(call(&mut instance, "catch", &[Val::I32(5)])), 5);
}

/// A reset gives back the room of every exception, and no reference outlives it.
#[test]
fn an_instance_in_a_used_slot_has_no_exceptions() {
    let pooling = Pooling::new(1).verify(Verify::EveryReset);
    let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(pooling))).expect("an engine");
    let limits = Limits::new().max_exceptions(10_000);
    let prepared = Linker::<()>::new(&engine).prepare_with(&module(&engine, GUEST), limits).expect("no imports");
    for _ in 0..3 {
        let mut instance = prepared.instantiate(()).expect("the slot");
        assert_eq!(i32_of(call(&mut instance, "is-fresh", &[])), 1);
        call(&mut instance, "hoard", &[Val::I32(100)]).expect("room");
        call(&mut instance, "set-global", &[]).expect("room");
        assert_eq!(i32_of(call(&mut instance, "is-fresh", &[])), 0);
        let error = call(&mut instance, "hoard", &[Val::I32(1000)]).expect_err("no room");
        assert_eq!(error.trap(), Some(Trap::ExceptionsExhausted));
    }
}

#[test]
fn a_live_reference_refuses_a_snapshot_by_where_it_is() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let cases = [
        ("set-global", Some("the global `global` of `guest` refers to an exception")),
        ("set-table", Some("element 3 of the table `table` of `guest` refers to an exception")),
        ("clear", None),
    ];
    for (name, expected) in cases {
        let text = GUEST.replace(&format!(r#"(func (export "{name}")"#), &format!(r#"(func $start (export "{name}")"#));
        let text = format!("{} (start $start))", text.strip_suffix(')').expect("the module ends"));
        let result = module(&engine, &text).snapshot(&Linker::<()>::new(&engine), SnapshotOptions::new(), || ());
        match expected {
            Some(expected) => {
                let error = result.expect_err("a live reference").to_string();
                assert_eq!(error, format!("the snapshot is refused: {expected}"));
            }
            None => assert_eq!(result.expect("no reference").1.steps_run(), 1),
        }
    }
}

#[test]
fn handlers_are_part_of_an_artifact() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("guest.hatch");
    let engine = Engine::new(&Config::new()).expect("an engine");
    module(&engine, GUEST).save(&path).expect("saved");
    // SAFETY: the test made the file, and nobody writes to it.
    let opened = unsafe { Module::open(&engine, &path) }.expect("opens");
    let prepared = Linker::<()>::new(&engine).prepare(&opened).expect("no imports");
    let mut instance = prepared.instantiate(()).expect("an instance");
    assert_eq!(i32_of(call(&mut instance, "catch", &[Val::I32(7)])), 7);
}

#[test]
fn the_host_neither_gives_tags_nor_has_references() {
    let engine = Engine::new(&Config::new()).expect("an engine");
    let refused = |text: &str| Module::new(&engine, text).expect_err("refused");
    let error = refused(r#"(module (import "host" "e" (tag)))"#);
    assert_eq!(error.kind(), ErrorKind::Link);
    assert!(error.to_string().contains("is a tag, and the host provides only functions"), "{error}");
    let error = refused(r#"(module (import "host" "f" (func (result exnref))))"#);
    assert_eq!(error.kind(), ErrorKind::Link);
    assert!(error.to_string().contains("references to exceptions"), "{error}");

    let text = r#"(module (global (export "g") (mut exnref) (ref.null exn)) (func (export "f") (param exnref)))"#;
    let prepared = Linker::<()>::new(&engine).prepare(&module(&engine, text)).expect("no imports");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let Some(Extern::Global(global)) = instance.export("g") else { panic!("a global") };
    assert_eq!(global.ty(&mut instance).expect("its own"), (ValType::ExnRef, true));
    assert_eq!(global.get(&mut instance).expect_err("no value").kind(), ErrorKind::Usage);
    assert_eq!(global.set(&mut instance, Val::ExternRef(None)).expect_err("no value").kind(), ErrorKind::Usage);
    if let Some(Extern::Func(func)) = instance.export("f") {
        assert_eq!(func.ty(&mut instance).expect("its own"), FuncType::new([ValType::ExnRef], []));
        let error = func.call_dynamic(&mut instance, &[Val::ExternRef(None)]).expect_err("not callable");
        assert_eq!(error.kind(), ErrorKind::Usage);
    }
}

/// A future that is pending once.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn wait<'a>(_: Caller<'a, ()>, (): ()) -> HostFuture<'a, ()> {
    Box::pin(async {
        Yield(false).await;
        Ok(())
    })
}

/// The frame that catches was suspended meanwhile, and goes on under a frame of another thread.
#[test]
fn an_exception_is_caught_behind_a_suspension() {
    let text = r#"(module (import "host" "wait" (func $wait)) (tag $e (param i32))
        (func $throw (call $wait) (throw $e (i32.const 9)))
        (func (export "run") (result i32)
          (block $h (result i32) (try_table (catch $e $h) (call $throw)) (unreachable))
          (call $wait)))"#;
    let engine = Engine::new(&Config::new()).expect("an engine");
    let mut linker = Linker::<()>::new(&engine);
    linker.func_async("host", "wait", wait).expect("defined once");
    let prepared = linker.prepare(&module(&engine, text)).expect("prepared");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let run = instance.func::<(), i32>("run").expect("run");
    let mut future = Box::pin(run.call_async(&mut instance, ()));
    let mut polls = 0;
    let result = loop {
        polls += 1;
        let poll = std::thread::scope(|scope| {
            let thread = scope.spawn(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop())));
            thread.join().expect("no panic")
        });
        if let Poll::Ready(result) = poll {
            break result;
        }
    };
    assert_eq!((result.expect("caught"), polls), (9, 3));
}

/// Fuel is spent the same on every run, and a loop that throws is stopped by it.
#[test]
fn a_loop_of_exceptions_is_stopped_by_fuel() {
    let text = r#"(module (tag $e) (func $throw (throw $e))
        (func (export "run") (loop $again (block $h (try_table (catch $e $h) (call $throw))) (br $again))))"#;
    let engine = Engine::new(&Config::new().interruption(Interruption::Fuel)).expect("an engine");
    let limits = Limits::new().fuel(10_000);
    let prepared = Linker::<()>::new(&engine).prepare_with(&module(&engine, text), limits).expect("no imports");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let error = call(&mut instance, "run", &[]).expect_err("stopped");
    assert_eq!(error.trap(), Some(Trap::OutOfFuel));
}

/// Catches as many exceptions with a reference as it is told. None of them is kept; the table is looked at all the same.
fn catches(elements: u32) -> String {
    format!(
        r#"(module (tag $e (param i64 i64)) (table (export "table") {elements} {elements} exnref)
            (func $throw (throw $e (i64.const 1) (i64.const 2)))
            (func (export "run") (param i32) (local exnref)
              (loop $again
                (block $h (result i64 i64 exnref) (try_table (catch_ref $e $h) (call $throw)) (unreachable))
                (local.set 1) (drop) (drop)
                (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))"#
    )
}

/// What a guest has us look at is paid for, before it is looked at, and the same however its code is compiled.
#[test]
fn looking_for_references_is_paid_for_with_fuel() {
    const CAUGHT: i32 = 2000;
    let spent = |elements: u32, config: Config| {
        let engine = Engine::new(&config.interruption(Interruption::Fuel)).expect("an engine");
        let limits = Limits::new().fuel(1 << 40).max_exceptions(1 << 16);
        let module = module(&engine, &catches(elements));
        let prepared = Linker::<()>::new(&engine).prepare_with(&module, limits).expect("no imports");
        let mut instance = prepared.instantiate(()).expect("an instance");
        call(&mut instance, "run", &[Val::I32(CAUGHT)]).expect("enough fuel");
        (1 << 40) - instance.fuel()
    };
    let (none, many) = (spent(0, Config::new()), spent(400_000, Config::new()));
    // They have more than 64 bytes each: the table is looked at once for each 64 KiB, at least. A unit is eight words.
    let looks = u64::from(CAUGHT as u32) * 64 / (1 << 16);
    assert!(many - none >= looks * 400_000 / 8, "{many} units, and {none} without a table");
    assert_eq!(spent(400_000, Config::new().optimization(hatchery::Optimization::None)), many);
    let engine = Engine::new(&Config::new().interruption(Interruption::Fuel)).expect("an engine");
    let limits = Limits::new().fuel(none).max_exceptions(1 << 16);
    let prepared = Linker::<()>::new(&engine).prepare_with(&module(&engine, &catches(400_000)), limits);
    let mut instance = prepared.expect("no imports").instantiate(()).expect("an instance");
    let error = call(&mut instance, "run", &[Val::I32(CAUGHT)]).expect_err("stopped");
    assert_eq!(error.trap(), Some(Trap::OutOfFuel));
}

/// A table that grows is looked at, and paid for, from then on.
#[test]
fn a_table_that_grows_makes_references_dearer() {
    let engine = Engine::new(&Config::new().interruption(Interruption::Fuel)).expect("an engine");
    let limits = Limits::new().fuel(1 << 40).max_exceptions(1 << 16);
    let text = r#"(module (tag $e) (table $t 0 exnref) (table $other 0 funcref)
        (func $throw (throw $e))
        (func (export "catch") (local exnref)
          (block $h (result exnref) (try_table (catch_ref $e $h) (call $throw)) (unreachable)) (local.set 0))
        (func (export "grow") (param i32) (drop (table.grow $t (ref.null exn) (local.get 0))))
        (func (export "grow-other") (param i32) (drop (table.grow $other (ref.null func) (local.get 0)))))"#;
    let prepared = Linker::<()>::new(&engine).prepare_with(&module(&engine, text), limits).expect("no imports");
    let mut instance = prepared.instantiate(()).expect("an instance");
    let catch = |instance: &mut Instance<()>| {
        let before = instance.fuel();
        call(instance, "catch", &[]).expect("caught");
        before - instance.fuel()
    };
    let first = catch(&mut instance);
    call(&mut instance, "grow-other", &[Val::I32(9000)]).expect("grown");
    assert_eq!(catch(&mut instance), first);
    call(&mut instance, "grow", &[Val::I32(9000)]).expect("grown");
    assert!(catch(&mut instance) > first);
}

/// An exception passes as many frames as it is told. The call in each of them has so many handlers for others, and the last
/// calls the host before it throws.
fn passes(handlers: usize) -> String {
    let catches: String = (0..handlers).map(|tag| format!("(catch {} 0)", tag + 1)).collect();
    let tags = "(tag)".repeat(handlers);
    format!(
        r#"(module (import "host" "hook" (func $hook)) (tag $e) {tags} (global $caught (mut i32) (i32.const 0))
            (func $dive (param i32)
              (if (i32.eqz (local.get 0)) (then (call $hook) (throw $e)))
              (block (try_table {catches} (call $dive (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "run") (param i32)
              (block $h (try_table (catch $e $h) (call $dive (local.get 0))) (unreachable))
              (global.set $caught (i32.const 1))
              (loop))
            (func (export "caught") (result i32) (global.get $caught)))"#
    )
}

/// Whom a throw passes is looked at, and paid for: the same however code is compiled.
#[test]
fn looking_for_a_handler_is_paid_for_with_fuel() {
    const DEPTH: i32 = 64;
    const FUEL: u64 = 1 << 40;
    let run = |handlers: usize, fuel: u64, config: Config| {
        let engine = Engine::new(&config.interruption(Interruption::Fuel)).expect("an engine");
        let mut linker = Linker::<()>::new(&engine);
        linker.func("host", "hook", |_: Caller<'_, ()>| ()).expect("defined once");
        let prepared = linker.prepare_with(&module(&engine, &passes(handlers)), Limits::new().fuel(fuel));
        let mut instance = prepared.expect("prepared").instantiate(()).expect("an instance");
        call(&mut instance, "run", &[Val::I32(DEPTH)]).map(|_| fuel - instance.fuel())
    };
    let spent = |handlers: usize, config: Config| run(handlers, FUEL, config).expect("enough fuel");
    let (few, many) = (spent(1, Config::new()), spent(1001, Config::new()));
    // A unit for eight handlers; the frames are the same.
    assert_eq!(many - few, DEPTH as u64 * 1000 / 8);
    assert_eq!(spent(1001, Config::new().optimization(hatchery::Optimization::None)), many);
    assert_eq!(spent(1001, Config::new().bounds(hatchery::Bounds::Explicit)), many);
    let error = run(1001, many - 1, Config::new()).expect_err("not enough");
    assert_eq!(error.trap(), Some(Trap::OutOfFuel));
}

/// The guest has called no function and begun no loop since it was asked to stop. So only the throw can have noticed.
#[test]
fn a_throw_that_looks_at_many_handlers_can_be_stopped() {
    for (depth, handlers, caught) in [(1, 1, 1), (100, 1000, 0)] {
        let engine = Engine::new(&Config::new().interruption(Interruption::Deadline)).expect("an engine");
        let mut linker = Linker::<()>::new(&engine);
        let handle = Arc::new(OnceLock::<InterruptHandle>::new());
        let asked = handle.clone();
        let cancel = move |_: Caller<'_, ()>| asked.get().expect("an instance").cancel();
        linker.func("host", "hook", cancel).expect("defined once");
        let prepared = linker.prepare(&module(&engine, &passes(handlers))).expect("prepared");
        let mut instance = prepared.instantiate(()).expect("an instance");
        handle.set(instance.interrupt_handle()).expect("the first");
        let error = call(&mut instance, "run", &[Val::I32(depth)]).expect_err("stopped");
        assert_eq!(error.trap(), Some(Trap::Cancelled));
        assert_eq!(i32_of(call(&mut instance, "caught", &[])), caught, "{depth} frames with {handlers} handlers each");
    }
}
