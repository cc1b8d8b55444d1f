//! Faults of guest code.

use super::guest::{Function, SLOT, Session, USABLE};
use crate::machine::Reason;
use hatchery_image::TrapCode;
use std::sync::atomic::Ordering;

/// What a call traps with, and the address of the fault from vmctx.
#[track_caller]
fn trap(session: &Session, function: Function, parameter: i64) -> (TrapCode, Option<i64>) {
    let unwind = session.call(function, parameter).expect_err("traps");
    let Reason::Trap { code, address, .. } = unwind.reason else { panic!("{unwind:?}") };
    (code, address.map(|address| address as i64 - session.vmctx() as i64))
}

#[test]
fn explicit_traps_are_known_by_their_instruction() {
    let session = Session::new();
    for _ in 0..10_000 {
        assert_eq!(trap(&session, Function::Halt, 0), (TrapCode::Unreachable, None));
        assert_eq!(session.call(Function::Increment, 1).expect("returns"), 2);
    }
    assert_eq!(trap(&session, Function::Undefined, 0), (TrapCode::Unreachable, None));
}

#[test]
fn registers_of_the_host_survive_a_trap() {
    let session = Session::new();
    let (mut a, mut b, mut c, mut d, mut e, mut f) = (1u64, 2u64, 3u64, 5u64, 7u64, 11u64);
    for _ in 0..1000 {
        std::hint::black_box(session.call(Function::Halt, 0).is_err());
        (a, b, c, d, e, f) = (b, c, d, e, f, a.wrapping_mul(3));
    }
    let mut expected = [1u64, 2, 3, 5, 7, 11];
    for _ in 0..1000 {
        let [a, rest @ ..] = expected;
        expected = [rest[0], rest[1], rest[2], rest[3], rest[4], a.wrapping_mul(3)];
    }
    assert_eq!([a, b, c, d, e, f], expected);
}

#[test]
fn division_by_zero_traps_and_others_do_not() {
    let session = Session::new();
    assert_eq!(session.call(Function::Divide, 1).expect("returns"), 1);
    assert_eq!(trap(&session, Function::Divide, 0), (TrapCode::IntegerDivideByZero, None));
    assert_eq!(session.call(Function::Divide, 2).expect("returns"), 0);
}

#[test]
fn accesses_to_the_slots_guard_trap() {
    let session = Session::new();
    assert_eq!(session.call(Function::Load, USABLE - 1).expect("returns"), 0);
    for offset in [USABLE, USABLE + 1, SLOT - 1] {
        let expected = (TrapCode::MemoryOutOfBounds, Some(offset));
        assert_eq!(trap(&session, Function::Load, offset), expected);
        assert_eq!(trap(&session, Function::Store, offset), expected);
    }
    for _ in 0..10_000 {
        assert_eq!(trap(&session, Function::Load, USABLE).0, TrapCode::MemoryOutOfBounds);
    }
}

#[test]
fn a_failed_check_that_was_redirected_to_address_zero_traps() {
    let session = Session::new();
    assert_eq!(trap(&session, Function::Peek, 0).0, TrapCode::MemoryOutOfBounds);
}

#[test]
fn a_page_that_cannot_be_opened_stops_the_guest_and_not_the_process() {
    let session = Session::new();
    session.allocator.short.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        let unwind = session.call(Function::Store, 8).expect_err("stops");
        let Reason::Host(failure) = &unwind.reason else { panic!("{unwind:?}") };
        assert!(format!("{failure:?}").contains("Unwritable"), "{failure:?}");
    }
    // Reading does not need it, and later it works.
    assert_eq!(session.call(Function::Load, 8).expect("returns"), 0);
    session.allocator.short.store(false, Ordering::Relaxed);
    assert_eq!(session.call(Function::Store, 8).expect("returns"), 1);
}

#[test]
fn protected_pages_open_at_the_first_write() {
    let session = Session::new();
    let counts = || {
        let allocator = &session.allocator;
        (allocator.asked.load(Ordering::Relaxed), allocator.opened.load(Ordering::Relaxed))
    };
    assert_eq!(session.call(Function::Load, 8).expect("returns"), 0);
    assert_eq!(counts(), (0, 0));
    for expected in 1..=3 {
        assert_eq!(session.call(Function::Store, 8).expect("returns"), expected);
        assert_eq!(counts(), (1, 1));
    }
    assert_eq!(session.call(Function::Store, 5000).expect("returns"), 1);
    assert_eq!(counts(), (2, 2));
    // The allocator is asked about a write to the guard, and refuses; about a read it is not asked.
    assert_eq!(trap(&session, Function::Store, USABLE).0, TrapCode::MemoryOutOfBounds);
    assert_eq!(trap(&session, Function::Load, USABLE).0, TrapCode::MemoryOutOfBounds);
    assert_eq!(counts(), (3, 2));
}

#[test]
fn recursion_without_end_is_a_trap_every_time() {
    let session = Session::new();
    for _ in 0..200 {
        let unwind = session.call(Function::Recurse, 0).expect_err("traps");
        assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::StackOverflow, .. }));
        assert!(unwind.backtrace.is_truncated());
        assert!(unwind.backtrace.frames().iter().all(|f| f.index() == Function::Recurse.index()));
        assert_eq!(session.call(Function::Increment, 1).expect("returns"), 2);
    }
}

#[test]
fn huge_frames_do_not_step_over_the_guard() {
    let session = Session::new();
    for _ in 0..100 {
        assert_eq!(trap(&session, Function::Huge, 0).0, TrapCode::StackOverflow);
    }
}

#[test]
fn a_backtrace_names_functions_and_offsets() {
    let session = Session::new();
    let unwind = session.call(Function::Halt, 0).expect_err("traps");
    let [frame] = unwind.backtrace.frames() else { panic!("one frame: {:?}", unwind.backtrace) };
    assert_eq!(frame.index(), Function::Halt.index());
    assert_eq!(frame.wasm_offset(), Some(Function::Halt.index() * 1000 + 1));
    assert!(!unwind.backtrace.is_truncated());
}

#[test]
fn overflow_in_a_prologue_has_the_caller_in_its_backtrace() {
    let session = Session::new();
    // SAFETY: the record is the session's own.
    let lowest = unsafe { session.record().as_ref() }.lowest as i64;
    let functions = |room: i64| -> Vec<u32> {
        let unwind = session.call(Function::Brink, lowest + room).expect_err("traps");
        assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::StackOverflow, .. }));
        unwind.backtrace.frames().iter().map(|f| f.index()).collect()
    };
    // No room for the return address; for it alone; for it and the frame pointer.
    assert_eq!(functions(0), [Function::Brink.index()]);
    assert_eq!(functions(8), [Function::Increment.index(), Function::Brink.index()]);
    assert!(session.call(Function::Brink, lowest + 16).is_ok());
}
