//! Components that wait without a thread.

use hatchery::component::{Component, Linker, Prepared};
use hatchery::{Config, Engine, Interruption, Trap};
use hatchery_wasi::{WasiCtx, p2};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Exports `nap`, which waits for so many nanoseconds.
const NAPPER: &str = r#"
    (component
      (import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type $pollable (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
      (alias export $poll "pollable" (type $pollable))
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $outer))
        (export "pollable" (type $own (eq $outer)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $own))))))
      (core func $subscribe (canon lower (func $clock "subscribe-duration")))
      (core func $block (canon lower (func $poll "[method]pollable.block")))
      (core func $drop (canon resource.drop $pollable))
      (core module $m
        (import "" "subscribe" (func $subscribe (param i64) (result i32)))
        (import "" "block" (func $block (param i32)))
        (import "" "drop" (func $drop (param i32)))
        (func (export "nap") (param i64) (local $pollable i32)
          (local.set $pollable (call $subscribe (local.get 0)))
          (call $block (local.get $pollable))
          (call $drop (local.get $pollable))))
      (core instance $i (instantiate $m (with "" (instance
        (export "subscribe" (func $subscribe)) (export "block" (func $block)) (export "drop" (func $drop))))))
      (func (export "nap") (param "nanos" u64) (canon lift (core func $i "nap"))))"#;

fn napper(config: &Config) -> Prepared<WasiCtx> {
    let engine = Engine::new(config).expect("an engine");
    let component = Component::new(&engine, NAPPER).expect("a component");
    let mut linker = Linker::new(&engine);
    p2::add_to_linker_async(&mut linker, |ctx: &mut WasiCtx| ctx).expect("nothing is defined twice");
    linker.prepare(&component).expect("everything is imported that is defined")
}

/// On one thread, who naps shortly is done, though another began to nap before, for an hour.
#[test]
fn a_guest_that_waits_holds_up_nobody() {
    let prepared = napper(&Config::new());
    let nap = prepared.func::<(u64,), ()>("nap").expect("an export");
    let mut instances = [(); 2].map(|()| prepared.instantiate(WasiCtx::builder().build()).expect("an instance"));
    let [long, short] = &mut instances;
    const HOUR: u64 = 3_600_000_000_000;
    let (mut long, mut short) = (pin!(nap.call_async(long, (HOUR,))), pin!(nap.call_async(short, (1_000_000,))));
    pollster::block_on(poll_fn(|cx| {
        assert!(long.as_mut().poll(cx).is_pending());
        short.as_mut().poll(cx)
    }))
    .expect("the nap is short");
}

/// Dropping the call ends the waiting; the instance is not used again, and its slot is.
#[test]
fn a_call_that_is_dropped_stops_waiting() {
    let prepared = napper(&Config::new());
    let nap = prepared.func::<(u64,), ()>("nap").expect("an export");
    let mut instance = prepared.instantiate(WasiCtx::builder().build()).expect("an instance");
    {
        let mut call = pin!(nap.call_async(&mut instance, (u64::MAX,)));
        pollster::block_on(poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }));
    }
    assert!(nap.call(&mut instance, (0,)).is_err());
    drop(instance);
    let mut instance = prepared.instantiate(WasiCtx::builder().build()).expect("an instance");
    pollster::block_on(nap.call_async(&mut instance, (0,))).expect("the nap is short");
}

/// A guest that waits for ever holds its slot no longer than it may.
#[test]
fn a_call_that_waits_ends_at_its_deadline() {
    let prepared = napper(&Config::new().interruption(Interruption::Deadline));
    let nap = prepared.func::<(u64,), ()>("nap").expect("an export");
    let mut instance = prepared.instantiate(WasiCtx::builder().build()).expect("an instance");
    instance.set_deadline(Some(Duration::from_millis(20)));
    let error = pollster::block_on(nap.call_async(&mut instance, (u64::MAX,))).expect_err("the nap is too long");
    assert_eq!(error.trap(), Some(Trap::DeadlineExceeded), "{error}");
}
