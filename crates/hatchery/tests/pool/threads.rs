//! Many threads: instances made, run, trapped, moved and dropped, under engines that come and go.

use super::*;
use std::sync::Mutex;
use std::sync::mpsc;

const PROGRAM: &str = r#"(module
    (memory (export "memory") 2 10)
    (global $owner (export "owner") (mut i64) (i64.const 0))
    (data (i32.const 70000) "contents")
    ;; Whoever owns the instance writes its number everywhere; 0 if somebody else's is there.
    (func (export "own") (param $mine i64) (param $before i64) (result i32) (local $at i32) (local $ok i32)
      (local.set $ok (i64.eq (global.get $owner) (local.get $before)))
      (loop $again
        (local.set $ok (i32.and (local.get $ok) (i64.eq (i64.load (local.get $at)) (local.get $before))))
        (i64.store (local.get $at) (local.get $mine))
        (br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 12288))) (i32.const 69000))))
      (global.set $owner (local.get $mine))
      (local.get $ok))
    (func (export "grow") (drop (memory.grow (i32.const 3)))
      (memory.fill (i32.const 131072) (i32.const 0xbb) (i32.const 196608)))
    (func (export "trap") (param i32) (i32.store8 (i32.const 100) (i32.const 1))
      (i32.store (i32.add (local.get 0) (i32.mul (memory.size) (i32.const 65536))) (i32.const 1)))
    (func $deep (export "overflow") (i64.store (i32.const 200) (i64.const -1)) (call $deep)))"#;

fn own(instance: &mut Instance<()>, mine: i64, before: i64) {
    assert_eq!(call::<_, _, (i32,)>(instance, "own", (mine, before)), (1,), "{mine} found what was not {before}'s");
}

/// Uses an instance in one of several ways, and leaves it dirty.
fn use_up(instance: &mut Instance<()>, way: usize) {
    match way % 4 {
        0 => call(instance, "grow", ()),
        1 => {
            let trap = try_call::<_, _, ()>(instance, "trap", (way as i32,)).expect_err("out of bounds");
            assert_eq!(trap.trap(), Some(Trap::MemoryOutOfBounds));
        }
        2 => {
            let trap = try_call::<_, _, ()>(instance, "overflow", ()).expect_err("no end");
            assert_eq!(trap.trap(), Some(Trap::StackOverflow));
        }
        _ => {}
    }
}

#[test]
fn threads_make_run_trap_and_drop_while_engines_come_and_go() {
    let made = |round: usize| {
        let engine = engine(Pooling::new(6).reset(RESETS[round % 3]).shards(round % 4 + 1));
        prepared(&engine, PROGRAM)
    };
    let shelf: Mutex<Vec<_>> = Mutex::new((0..3).map(made).collect());
    std::thread::scope(|scope| {
        for thread in 0..5usize {
            let shelf = &shelf;
            scope.spawn(move || {
                let mut held: Vec<(Instance<()>, i64)> = Vec::new();
                for round in 0..60 {
                    let prepared = shelf.lock().expect("shelf")[(thread + round) % 3].clone();
                    if thread == 0 && round % 10 == 9 {
                        // The last handles of an engine may be the instances of other threads.
                        shelf.lock().expect("shelf")[round % 3] = made(round);
                    }
                    let number = (thread * 1000 + round + 1) as i64;
                    if let Ok(mut instance) = prepared.instantiate(()) {
                        own(&mut instance, number, 0);
                        use_up(&mut instance, round + thread);
                        held.push((instance, number));
                    }
                    if held.len() > 2 {
                        let (mut instance, number) = held.remove(round % 3);
                        own(&mut instance, -1, number);
                    }
                }
            });
        }
    });
}

#[test]
fn instances_are_handed_from_thread_to_thread() {
    let engine = engine(Pooling::new(4));
    let prepared = prepared(&engine, PROGRAM);
    std::thread::scope(|scope| {
        let (first, mut next) = mpsc::channel::<(Instance<()>, i64)>();
        for thread in 1..4i64 {
            let (sender, receiver) = mpsc::channel();
            let from = std::mem::replace(&mut next, receiver);
            scope.spawn(move || {
                for (mut instance, owner) in from {
                    own(&mut instance, owner + thread, owner);
                    use_up(&mut instance, owner as usize);
                    // The last thread, and each now and then, ends it where it is.
                    if owner % 7 != thread {
                        drop(sender.send((instance, owner + thread)));
                    }
                }
            });
        }
        scope.spawn(move || next.into_iter().for_each(drop));
        for round in 0..200 {
            let mut instance = prepared.instantiate_blocking((), None).expect("an instance");
            own(&mut instance, 100 + round, 0);
            first.send((instance, 100 + round)).expect("somebody listens");
        }
        drop(first);
    });
    let m = metrics(&engine);
    assert_eq!((m.live, m.withdrawals, m.resets_working_set), (0, 0, 200));
}

#[test]
fn more_threads_than_slots_and_than_shards() {
    let engine = engine(Pooling::new(3).shards(2).warm_per_module(2));
    let modules =
        [PROGRAM.to_owned(), PROGRAM.replace("contents", "other contents")].map(|text| prepared(&engine, &text));
    std::thread::scope(|scope| {
        for thread in 0..8usize {
            let modules = &modules;
            scope.spawn(move || {
                for round in 0..40 {
                    let mut instance =
                        modules[(thread + round) % 2].instantiate_blocking((), None).expect("an instance");
                    own(&mut instance, thread as i64 + 1, 0);
                    use_up(&mut instance, round);
                }
            });
        }
    });
    let m = metrics(&engine);
    assert_eq!((m.live, m.withdrawals, m.resets_working_set), (0, 0, 320));
    assert_eq!(m.affinity_hits + m.affinity_misses, 320);
}
