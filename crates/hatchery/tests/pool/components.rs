//! Components in a slot whose last tree was left in the middle of something: handles, what is lent, and flags are the image's.

use super::*;
use hatchery::component::{self, Component, Resource};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};

/// A value of the host.
struct Thing;

/// What the host knows of one tree.
#[derive(Default)]
struct Things {
    made: u32,
    dropped: Vec<u32>,
}

/// `run` makes a handle of the host's resource and one of its own, lends the first to the host, which is told how to go on,
/// writes around, and says which index the next handle has.
const TREE: &str = r#"(component
    (import "host" (instance $host
      (export "thing" (type $thing (sub resource)))
      (export "make" (func (result (own $thing))))
      (export "lend" (func (param "thing" (borrow $thing)) (param "how" u32)))))
    (alias export $host "thing" (type $thing))
    (core func $make (canon lower (func $host "make")))
    (core func $lend (canon lower (func $host "lend")))
    (type $own (resource (rep i32)))
    (core func $new (canon resource.new $own))
    (core module $m
      (import "" "make" (func $make (result i32)))
      (import "" "lend" (func $lend (param i32 i32)))
      (import "" "new" (func $new (param i32) (result i32)))
      (memory 1 8)
      (global $runs (mut i32) (i32.const 0))
      (func (export "run") (param $how i32) (result i32) (local $thing i32)
        (local.set $thing (call $make))
        (drop (call $new (i32.const 7)))
        (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
        (drop (memory.grow (i32.const 1)))
        (memory.fill (i32.const 100) (i32.const 0xaa) (i32.const 90000))
        (call $lend (local.get $thing) (local.get $how))
        (i32.add (call $make) (i32.mul (global.get $runs) (i32.const 1000)))))
    (core instance $i (instantiate $m (with "" (instance
      (export "make" (func $make)) (export "lend" (func $lend)) (export "new" (func $new))))))
    (func (export "run") (param "how" u32) (result u32) (canon lift (core func $i "run"))))"#;

fn tree(engine: &Engine) -> component::Prepared<Things> {
    let mut linker = component::Linker::<Things>::new(engine);
    let mut host = linker.instance("host").expect("a name");
    host.resource::<Thing>("thing", |mut caller, thing| {
        caller.data_mut().dropped.push(thing.rep());
        Ok(())
    })
    .expect("defined once");
    host.func("make", |mut caller, (): ()| {
        caller.data_mut().made += 1;
        Ok((Resource::<Thing>::new_own(caller.data().made),))
    })
    .expect("defined once");
    host.func_async("lend", |_, (thing, how): (Resource<Thing>, u32)| {
        Box::pin(async move {
            assert!(!thing.owned());
            match how {
                0 => Ok(()),
                1 => Err(Error::host("host trouble")),
                2 => panic!("host panic"),
                _ => std::future::pending().await,
            }
        })
    })
    .expect("defined once");
    linker.prepare(&Component::new(engine, TREE).expect("a component")).expect("prepared")
}

#[test]
fn a_tree_that_was_left_in_the_middle_of_a_call_leaves_nothing() {
    for reset in RESETS {
        let engine = engine(Pooling::new(1).reset(reset));
        let prepared = tree(&engine);
        let run = prepared.func::<(u32,), (u32,)>("run").expect("an export");
        for round in 0..12 {
            let mut instance = prepared.instantiate(Things::default()).expect("the slot came back");
            let answers = [0; 2].map(|how| pollster::block_on(run.call_async(&mut instance, (how,))).expect("a call"));
            assert_eq!(answers, [(1003,), (2006,)], "{reset:?} {round}: the handles are those of a first use");
            let mut call = Box::pin(run.call_async(&mut instance, (1 + round % 4,)));
            let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut Context::from_waker(Waker::noop()))));
            match (round % 4, polled) {
                (0, Ok(Poll::Ready(Err(error)))) => {
                    assert_eq!(error.kind(), ErrorKind::Host);
                    drop(call);
                }
                (1, Err(_)) | (2, Ok(Poll::Pending)) => drop(call),
                (3, Ok(Poll::Pending)) => std::mem::forget(call),
                (_, polled) => panic!("{reset:?} {round}: {polled:?}"),
            }
            if round % 4 != 3 {
                let again = pollster::block_on(run.call_async(&mut instance, (0,)));
                assert!(again.is_err(), "{reset:?} {round}: the tree is not entered again");
            }
            drop(instance);
            assert_eq!(metrics(&engine).live, 0);
        }
        assert_eq!(metrics(&engine).withdrawals, 0);
    }
}
