//! Calls that are suspended, resumed elsewhere, cancelled.

use super::guest::{Function, Session, pool};
use crate::machine::thread::current_task;
use crate::machine::{Progress, Raise, Reason, Refusal, Resume, Resumed, raise, resume, suspend};
use hatchery_image::TrapCode;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// What the host function gives the guest next.
static INPUT: [AtomicI64; 64] = [const { AtomicI64::new(0) }; 64];

/// Suspends, then returns what is in its input; `parameter` is the guest's sum so far.
unsafe extern "C" fn wait_for_input(vmctx: *mut u8, _: i64) -> i64 {
    // SAFETY: the session is what called.
    let record = unsafe { Session::of(vmctx) }.record();
    // SAFETY: this frame keeps nothing of the thread, and nothing with a destructor.
    match unsafe { suspend(record) } {
        Resumed::Continue => {}
        // SAFETY: as above.
        Resumed::Cancelled => unsafe { raise(record, Raise::Cancelled) },
        // SAFETY: as above.
        Resumed::Impossible => unsafe { raise(record, Raise::Trap(TrapCode::CannotSuspend)) },
    }
    assert_eq!(current_task(), Some(record), "the task that runs is the current one, on whichever thread");
    // SAFETY: the page is readable.
    let slot = unsafe { vmctx.add(64).read() };
    INPUT[slot as usize].load(Ordering::Relaxed)
}

fn proceed(session: &Session, how: Resume) -> Progress {
    // SAFETY: the session is this thread's now.
    unsafe { resume(session.record(), how) }
}

/// A boxed session, as it must not move while it is suspended, with an input of its own.
fn session() -> (Box<Session>, &'static AtomicI64) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let input = NEXT.fetch_add(1, Ordering::Relaxed);
    let session = Box::new(Session::new());
    session.set_host(wait_for_input);
    session.call(Function::Store, 64).expect("stores");
    // SAFETY: the page is open now.
    unsafe { session.vmctx().add(64).write(input as u8) };
    (session, &INPUT[input])
}

#[test]
fn a_call_goes_on_where_it_was_suspended() {
    let (mut session, input) = session();
    assert!(matches!(session.start(Function::Sum, 0), Progress::Suspended));
    for n in [3, 4, 5] {
        assert_eq!(current_task(), None);
        input.store(n, Ordering::Relaxed);
        assert!(matches!(proceed(&session, Resume::Continue), Progress::Suspended));
    }
    input.store(0, Ordering::Relaxed);
    assert!(matches!(proceed(&session, Resume::Continue), Progress::Done(Ok(()))));
    assert_eq!(session.result(), 12);
    assert_eq!(session.call(Function::Increment, 1).expect("returns"), 2);
}

#[test]
fn a_call_that_is_never_suspended_just_ends() {
    let (mut session, _) = session();
    assert!(matches!(session.start(Function::Increment, 1), Progress::Done(Ok(()))));
    assert_eq!(session.result(), 2);
    let Progress::Done(Err(unwind)) = session.start(Function::Halt, 0) else { panic!("traps") };
    assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::Unreachable, .. }));
    assert_eq!(unwind.backtrace.frames().len(), 1);
}

#[test]
fn a_suspended_call_goes_on_on_other_threads() {
    let (mut session, input) = session();
    assert!(matches!(session.start(Function::Sum, 0), Progress::Suspended));
    for n in 1..=50 {
        session = std::thread::spawn(move || {
            input.store(n, Ordering::Relaxed);
            assert!(matches!(proceed(&session, Resume::Continue), Progress::Suspended));
            assert_eq!(current_task(), None);
            session
        })
        .join()
        .expect("the thread lives");
    }
    input.store(0, Ordering::Relaxed);
    assert!(matches!(proceed(&session, Resume::Continue), Progress::Done(Ok(()))));
    assert_eq!(session.result(), 50 * 51 / 2);
}

#[test]
fn a_trap_after_a_suspension_lands_on_the_thread_that_resumed() {
    unsafe extern "C" fn suspend_then_trap(vmctx: *mut u8, _: i64) -> i64 {
        // SAFETY: the session is what called; this frame keeps nothing of the thread.
        let session = unsafe { Session::of(vmctx) };
        // SAFETY: as above: it may be another thread that goes on.
        assert_eq!(unsafe { suspend(session.record()) }, Resumed::Continue);
        // Traps inside a nested call on the new thread, then outside.
        assert!(session.call(Function::Halt, 0).is_err());
        assert!(session.call(Function::Recurse, 0).is_err());
        // SAFETY: nothing in this frame has a destructor.
        unsafe { raise(session.record(), Raise::Trap(TrapCode::OutOfFuel)) }
    }
    let (mut session, _) = session();
    session.set_host(suspend_then_trap);
    assert!(matches!(session.start(Function::Import, 0), Progress::Suspended));
    let session = std::thread::spawn(move || {
        let Progress::Done(Err(unwind)) = proceed(&session, Resume::Continue) else { panic!("traps") };
        assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::OutOfFuel, .. }));
        assert_eq!(current_task(), None);
        session
    })
    .join()
    .expect("the thread lives");
    assert_eq!(session.call(Function::Increment, 1).expect("returns"), 2);
}

#[test]
fn a_cancelled_call_ends_and_the_task_is_usable() {
    let (mut session, _) = session();
    for _ in 0..100 {
        assert!(matches!(session.start(Function::Sum, 0), Progress::Suspended));
        let Progress::Done(Err(unwind)) = proceed(&session, Resume::Cancel) else { panic!("ends") };
        assert!(matches!(unwind.reason, Reason::Cancelled));
        assert_eq!(session.call(Function::Increment, 1).expect("returns"), 2);
    }
}

#[test]
fn while_a_call_is_cancelled_nothing_is_entered_or_suspended() {
    unsafe extern "C" fn resist(vmctx: *mut u8, _: i64) -> i64 {
        // SAFETY: the session is what called; this frame keeps nothing of the thread.
        let session = unsafe { Session::of(vmctx) };
        let record = session.record();
        // SAFETY: as above.
        unsafe {
            assert_eq!(suspend(record), Resumed::Cancelled);
            assert_eq!(suspend(record), Resumed::Cancelled);
        }
        let refused = session.call(Function::Increment, 1).expect_err("is refused").reason;
        assert!(matches!(refused, Reason::Cancelled));
        // SAFETY: nothing that is left in this frame has a destructor.
        unsafe { raise(record, Raise::Cancelled) }
    }
    let (mut session, _) = session();
    session.set_host(resist);
    assert!(matches!(session.start(Function::Import, 0), Progress::Suspended));
    assert!(matches!(proceed(&session, Resume::Cancel), Progress::Done(Err(_))));
}

#[test]
fn a_suspended_task_is_busy() {
    let (mut session, input) = session();
    input.store(0, Ordering::Relaxed);
    assert!(matches!(session.start(Function::Sum, 0), Progress::Suspended));
    let refused = session.call(Function::Increment, 1).expect_err("is refused").reason;
    assert!(matches!(refused, Reason::Refused(Refusal::Busy)));
    assert!(matches!(session.start(Function::Sum, 0), Progress::Done(Err(_))));
    assert!(matches!(proceed(&session, Resume::Continue), Progress::Done(Ok(()))));
    let Progress::Done(Err(unwind)) = proceed(&session, Resume::Continue) else { panic!("is refused") };
    assert!(matches!(unwind.reason, Reason::Refused(Refusal::Busy)));
}

#[test]
fn a_call_that_is_not_suspendable_refuses() {
    let (session, _) = session();
    let unwind = session.call(Function::Sum, 0).expect_err("traps");
    assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::CannotSuspend, .. }));
}

#[test]
fn a_nested_call_makes_suspension_impossible() {
    unsafe extern "C" fn nest(vmctx: *mut u8, depth: i64) -> i64 {
        // SAFETY: the session is what called.
        let session = unsafe { Session::of(vmctx) };
        if depth == 1 {
            return session.call(Function::Import, 0).expect("returns");
        }
        // SAFETY: this frame keeps nothing of the thread.
        assert_eq!(unsafe { suspend(session.record()) }, Resumed::Impossible);
        0
    }
    let (mut session, _) = session();
    session.set_host(nest);
    assert!(matches!(session.start(Function::Import, 1), Progress::Done(Ok(()))));
    assert_eq!(session.result(), 2000);
}

#[test]
fn another_sessions_call_in_between_makes_suspension_impossible() {
    unsafe extern "C" fn call_another(_: *mut u8, parameter: i64) -> i64 {
        // SAFETY: the parameter is the address of another session.
        unsafe { &*(parameter as *const Session) }.call(Function::Import, 0).expect("returns")
    }
    unsafe extern "C" fn suspend_the_outer(vmctx: *mut u8, _: i64) -> i64 {
        // SAFETY: the first word is the outer session's address; this frame keeps nothing of the thread.
        let resumed = unsafe { suspend((**vmctx.cast::<*const Session>()).record()) };
        i64::from(resumed == Resumed::Impossible)
    }
    let (mut outer, inner) = (Box::new(Session::new()), Session::new());
    outer.set_host(call_another);
    inner.set_host(suspend_the_outer);
    inner.call(Function::Store, 0).expect("stores");
    // SAFETY: the page is open now.
    unsafe { inner.vmctx().cast::<*const Session>().write(&raw const *outer) };
    assert!(matches!(outer.start(Function::Import, &raw const inner as i64), Progress::Done(Ok(()))));
    assert_eq!(outer.result(), 2001);
}

#[test]
fn a_dropped_task_cancels_its_suspended_call() {
    static CANCELLED: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn count_cancellation(vmctx: *mut u8, _: i64) -> i64 {
        // SAFETY: the session is what called; this frame keeps nothing of the thread.
        let record = unsafe { Session::of(vmctx) }.record();
        // SAFETY: as above.
        if unsafe { suspend(record) } == Resumed::Cancelled {
            CANCELLED.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: nothing in this frame has a destructor.
        unsafe { raise(record, Raise::Cancelled) }
    }
    let pool = pool();
    for _ in 0..10 {
        let mut session = Box::new(Session::in_pool(&pool));
        session.set_host(count_cancellation);
        assert!(matches!(session.start(Function::Import, 0), Progress::Suspended));
        // The task of another session takes this one's place, so that this one's is dropped first and alone.
        // SAFETY: the pool is dropped after it.
        let other = unsafe { crate::machine::Task::new(&pool, crate::machine::Scrub::Keep) }.expect("task");
        drop(std::mem::replace(&mut session.task, other));
    }
    assert_eq!(CANCELLED.load(Ordering::Relaxed), 10);
    assert_eq!(pool.mapped(), 2);
}
