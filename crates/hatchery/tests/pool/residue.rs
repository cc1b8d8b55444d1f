//! One test for each way in which an instance could end, or be left.

use super::*;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::task::{Context, Poll, Waker};

/// A program whose start function writes everywhere, and then asks the host how to go on.
const STARTS: &str = r#"(module
    (import "host" "how" (func $how (result i32)))
    (memory (export "memory") 2 8)
    (table (export "table") 3 30 funcref)
    (global $g (export "g") (mut i64) (i64.const 5))
    (data (i32.const 70000) "contents")
    (data $passive "passive")
    (elem (i32.const 1) $f)
    (func $f)
    (elem declare func $f)
    (func $start (local $how i32)
      (global.set $g (i64.const 6))
      (table.set (i32.const 0) (ref.func $f))
      (table.set (i32.const 1) (ref.null func))
      (drop (table.grow (ref.func $f) (i32.const 4)))
      (memory.init $passive (i32.const 69999) (i32.const 0) (i32.const 7))
      (data.drop $passive)
      (drop (memory.grow (i32.const 2)))
      (memory.fill (i32.const 5000) (i32.const 0xee) (i32.const 200000))
      (local.set $how (call $how))
      (if (i32.eq (local.get $how) (i32.const 1)) (then unreachable))
      (if (i32.eq (local.get $how) (i32.const 2)) (then (loop $forever (br $forever)))))
    (start $start))"#;

/// The same program without the start function.
fn without_start() -> String {
    STARTS.replace("(start $start)", "")
}

/// How the host answers: 0 to 2 go to the guest, 3 is an error, 4 a panic.
fn starts(engine: &Engine, how: &Arc<AtomicI32>, text: &str, limits: Limits) -> Prepared<()> {
    let (mut linker, how) = (Linker::new(engine), how.clone());
    let answer = move || match how.load(Ordering::Relaxed) {
        3 => Err(Error::host("host trouble")),
        4 => panic!("host panic"),
        how => Ok(how),
    };
    linker.func("host", "how", answer).expect("defined once");
    linker.prepare_with(&module(engine, text), limits).expect("prepared")
}

#[test]
fn release_after_a_failed_or_trapped_initialization() {
    for reset in RESETS {
        let engine = Engine::new(&config(Pooling::new(1).reset(reset)).interruption(Interruption::Fuel));
        let (engine, how) = (engine.expect("an engine"), Arc::new(AtomicI32::new(0)));
        let limits = Limits::new().fuel(100_000);
        let (starting, other) =
            (starts(&engine, &how, STARTS, limits), starts(&engine, &how, &without_start(), limits));
        let started = observe(&mut starting.instantiate(()).expect("an instance"));
        let fresh = observe(&mut other.instantiate(()).expect("an instance"));
        assert_ne!(started, fresh);
        for round in 0..12 {
            how.store(1 + round % 4, Ordering::Relaxed);
            let failed =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| starting.instantiate(()).map(|_| ())));
            match round % 4 {
                0 => assert_eq!(failed.expect("no panic").expect_err("it traps").trap(), Some(Trap::Unreachable)),
                1 => assert_eq!(failed.expect("no panic").expect_err("it traps").trap(), Some(Trap::OutOfFuel)),
                2 => assert_eq!(failed.expect("no panic").expect_err("it fails").kind(), ErrorKind::Host),
                _ => assert!(failed.is_err(), "the host's panic comes through"),
            }
            assert_eq!(metrics(&engine).live, 0, "{reset:?} {round}: the slot came back");
            how.store(0, Ordering::Relaxed);
            if round % 2 == 0 {
                assert!(observe(&mut other.instantiate(()).expect("an instance")) == fresh, "{reset:?} {round}");
            }
            assert!(observe(&mut starting.instantiate(()).expect("an instance")) == started, "{reset:?} {round}");
        }
        assert_eq!(metrics(&engine).withdrawals, 0);
    }
}

/// Pending for ever.
struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

fn wait<'a>(_: hatchery::Caller<'a, ()>, (): ()) -> HostFuture<'a, ()> {
    Box::pin(async {
        Never.await;
        Ok(())
    })
}

const WAITS: &str = r#"(module
    (import "host" "wait" (func $wait))
    (memory (export "memory") 1 4)
    (global $g (export "g") (mut i32) (i32.const 1))
    (data (i32.const 0) "contents")
    (func (export "write-and-wait")
      (global.set $g (i32.const 2))
      (drop (memory.grow (i32.const 3)))
      (memory.fill (i32.const 0) (i32.const 0xdd) (i32.const 250000))
      (call $wait)
      (global.set $g (i32.const 3))))"#;

#[test]
fn release_after_a_cancelled_async_call() {
    for reset in RESETS {
        let engine = engine(Pooling::new(1).reset(reset));
        let mut linker = Linker::new(&engine);
        linker.func_async("host", "wait", wait).expect("defined once");
        let prepared = linker.prepare(&module(&engine, WAITS)).expect("prepared");
        let fresh = observe(&mut prepared.instantiate(()).expect("an instance"));
        for round in 0..9 {
            let mut instance = prepared.instantiate(()).expect("an instance");
            assert!(observe(&mut instance) == fresh, "{reset:?} {round}");
            let func = instance.func::<(), ()>("write-and-wait").expect("an export");
            let mut call = Box::pin(func.call_async(&mut instance, ()));
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            match round % 3 {
                // Dropped where it is, dropped by another thread, forgotten.
                0 => drop(call),
                1 => std::thread::scope(|scope| drop(scope.spawn(move || drop(call)))),
                _ => std::mem::forget(call),
            }
            drop(instance);
            assert_eq!(metrics(&engine).live, 0);
        }
        assert_eq!(metrics(&engine).withdrawals, 0);
    }
}

#[test]
fn an_instance_in_a_host_that_panics_is_dropped_like_any_other() {
    for reset in RESETS {
        let (engine, how) = (engine(Pooling::new(1).reset(reset)), Arc::new(AtomicI32::new(0)));
        let prepared = starts(&engine, &how, &without_start(), Limits::new());
        let fresh = observe(&mut prepared.instantiate(()).expect("an instance"));
        for _ in 0..4 {
            let panicked = std::thread::scope(|scope| {
                let use_and_panic = || {
                    let mut instance = prepared.instantiate(()).expect("an instance");
                    let Some(Extern::Memory(memory)) = instance.export("memory") else { panic!("no memory") };
                    memory.grow(&mut instance, 3).expect("room");
                    memory.borrow(&mut instance, |mut memory| {
                        memory.slice_mut(60_000, 250_000)?.fill(7);
                        assert!(memory.is_empty(), "a panic while the guest's memory is borrowed");
                        Ok(())
                    })
                };
                scope.spawn(use_and_panic).join()
            });
            assert!(panicked.is_err());
            assert!(observe(&mut prepared.instantiate(()).expect("an instance")) == fresh, "{reset:?}");
        }
    }
}

/// A guest that fills its stack with a pattern, or looks for what its locals start with.
const DEEP: &str = r#"(module
    (func $write (export "write") (param $depth i32) (param $v i64) (result i64) (local $a i64) (local $b i64) (local $c i64)
      (local.set $a (i64.add (local.get $v) (i64.const 1)))
      (local.set $b (i64.mul (local.get $v) (i64.const 3)))
      (local.set $c (i64.xor (local.get $v) (i64.const 0x55555555)))
      (if (i32.eqz (local.get $depth)) (then (return (local.get $v))))
      (local.set $v (call $write (i32.sub (local.get $depth) (i32.const 1)) (local.get $v)))
      (i64.add (i64.add (local.get $v) (local.get $a)) (i64.add (local.get $b) (local.get $c))))
    (func $look (export "look") (param $depth i32) (result i64)
      (local $a i64) (local $b v128) (local $c f64) (local $d externref) (local $e funcref) (local $sum i64)
      (if (local.get $depth) (then (local.set $sum (call $look (i32.sub (local.get $depth) (i32.const 1))))))
      (local.set $sum (i64.or (local.get $sum) (local.get $a)))
      (local.set $sum (i64.or (local.get $sum) (i64x2.extract_lane 1 (local.get $b))))
      (local.set $sum (i64.or (local.get $sum) (i64.reinterpret_f64 (local.get $c))))
      (if (i32.eqz (i32.and (ref.is_null (local.get $d)) (ref.is_null (local.get $e))))
        (then (local.set $sum (i64.const -1))))
      (local.get $sum))
    (func (export "overflow") (result i64) (call $write (i32.const 0x7fffffff) (i64.const -1))))"#;

#[test]
fn residue_on_guest_stacks_is_not_seen() {
    let engine = Engine::new(&config(Pooling::new(1)).stacks(1)).expect("an engine");
    let prepared = prepared(&engine, DEEP);
    for round in 0..6 {
        let mut instance = prepared.instantiate(()).expect("an instance");
        assert_eq!(call::<_, _, (i64,)>(&mut instance, "look", (3000,)), (0,), "round {round}");
        drop(instance);
        let mut instance = prepared.instantiate(()).expect("an instance");
        call::<_, _, (i64,)>(&mut instance, "write", (3000, -1i64));
        if round % 2 == 0 {
            let overflow = try_call::<_, _, (i64,)>(&mut instance, "overflow", ()).expect_err("no end");
            assert_eq!(overflow.trap(), Some(Trap::StackOverflow));
        }
    }
}

#[test]
fn two_engines_in_one_process() {
    let text = without_start();
    let how = Arc::new(AtomicI32::new(0));
    let one = engine(Pooling::new(2));
    let fresh = {
        let other = engine(Pooling::new(1).reset(Reset::Decommit));
        let (a, b) = (starts(&one, &how, &text, Limits::new()), starts(&other, &how, &text, Limits::new()));
        let fresh = observe(&mut a.instantiate(()).expect("an instance"));
        for round in 0..8 {
            let (mut x, mut y) = (a.instantiate(()).expect("an instance"), b.instantiate(()).expect("an instance"));
            assert!(observe(&mut x) == fresh && observe(&mut y) == fresh, "round {round}");
            let Some(Extern::Memory(memory)) = x.export("memory") else { panic!("no memory") };
            memory.write(&mut x, 4096 * (round % 30), &[9; 100]).expect("in bounds");
            assert!(observe(&mut y) == fresh, "round {round}: the engines' slots are apart");
        }
        // Modules and linkers of one engine are of no use to the other.
        let mixed = Linker::<()>::new(&one).prepare(&module(&other, "(module)"));
        assert_eq!(mixed.expect_err("another engine").kind(), ErrorKind::Usage);
        fresh
    };
    let a = starts(&one, &how, &text, Limits::new());
    assert!(observe(&mut a.instantiate(()).expect("an instance")) == fresh, "the other engine is gone");
}

#[test]
fn a_reference_to_a_host_value_ends_with_its_instance() {
    let engine = engine(Pooling::new(1));
    let text = r#"(module (table (export "table") 2 externref) (global $g (export "g") (mut externref) (ref.null extern))
        (func (export "keep") (param externref)
          (global.set $g (local.get 0)) (table.set (i32.const 1) (local.get 0))))"#;
    let prepared = prepared(&engine, text);
    let fresh = observe(&mut prepared.instantiate(()).expect("an instance"));
    let value = Arc::new(());
    for _ in 0..5 {
        let mut instance = prepared.instantiate(()).expect("an instance");
        assert!(observe(&mut instance) == fresh);
        let reference = hatchery::ExternRef::new(&mut instance, value.clone()).expect("room");
        let Some(Extern::Func(keep)) = instance.export("keep") else { panic!("no export") };
        keep.call_dynamic(&mut instance, &[Val::ExternRef(Some(reference))]).expect("a call");
        assert_eq!(Arc::strong_count(&value), 2);
        drop(instance);
        assert_eq!(Arc::strong_count(&value), 1, "nobody holds it any more");
    }
}
