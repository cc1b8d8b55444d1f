//! What the paths cost: `cargo test --release -p hatchery-vm --lib measure -- --ignored --nocapture`.

#![expect(clippy::print_stderr, reason = "figures are for people")]

use super::guest::{Function, Session, USABLE, pool};
use crate::machine::{Progress, Raise, Resume, Resumed, Task, raise, resume, suspend};
use hatchery_image::TrapCode;
use std::time::Instant;

/// The best of several rounds, in nanoseconds per time: other work on the machine only makes it slower.
fn best(times: usize, mut body: impl FnMut(usize)) -> f64 {
    let round = |_| {
        let start = Instant::now();
        body(times);
        start.elapsed().as_nanos() as f64 / times as f64
    };
    (0..25).map(round).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "measures"]
fn paths() {
    unsafe extern "C" fn nothing(_: *mut u8, n: i64) -> i64 {
        n
    }
    unsafe extern "C" fn fail(vmctx: *mut u8, _: i64) -> i64 {
        // SAFETY: nothing in this frame has a destructor.
        unsafe { raise(Session::of(vmctx).record(), Raise::Trap(TrapCode::OutOfFuel)) }
    }
    unsafe extern "C" fn pause(vmctx: *mut u8, _: i64) -> i64 {
        // SAFETY: this frame keeps nothing of the thread, and nothing with a destructor.
        unsafe {
            let record = Session::of(vmctx).record();
            match suspend(record) {
                Resumed::Continue => 1,
                _ => raise(record, Raise::Cancelled),
            }
        }
    }
    let mut session = Session::new();
    let calls = |function, parameter, failing: bool, times| {
        best(times, |times| {
            assert_eq!(session.repeat(function, parameter, times), if failing { times } else { 0 });
        })
    };
    eprintln!("call                      {:8.1} ns", calls(Function::Increment, 1, false, 200_000));
    session.set_host(nothing);
    eprintln!("call, which calls back    {:8.1} ns", calls(Function::Import, 1, false, 200_000));
    eprintln!("trap by hlt               {:8.1} ns", calls(Function::Halt, 1, true, 5000));
    eprintln!("trap by ud2               {:8.1} ns", calls(Function::Undefined, 1, true, 5000));
    eprintln!("trap by guard page        {:8.1} ns", calls(Function::Load, USABLE, true, 5000));
    eprintln!("stack overflow            {:8.1} ns", calls(Function::Recurse, 1, true, 1000));
    session.set_host(fail);
    eprintln!("raise                     {:8.1} ns", calls(Function::Import, 1, true, 100_000));
    session.set_host(pause);
    assert!(matches!(session.start(Function::Sum, 0), Progress::Suspended));
    let resumed = best(200_000, |times| {
        for _ in 0..times {
            // SAFETY: the session is this thread's own.
            assert!(matches!(unsafe { resume(session.record(), Resume::Continue) }, Progress::Suspended));
        }
    });
    eprintln!("resume and suspend        {resumed:8.1} ns");
    let pool = pool();
    let attached = best(200_000, |times| {
        for _ in 0..times {
            // SAFETY: the pool outlives it.
            drop(std::hint::black_box(unsafe { Task::new(&pool, crate::machine::Scrub::Keep) }.expect("task")));
        }
    });
    eprintln!("attach and detach a stack {attached:8.1} ns");
}
