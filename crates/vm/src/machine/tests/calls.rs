//! Entering, returning, nesting.

use super::guest::{Function, Session, pool};
use crate::machine::thread::current_task;
use crate::machine::{HostFailure, Raise, Reason, Refusal, Task, raise};
use hatchery_image::TrapCode;

#[test]
fn a_call_returns_what_the_guest_returns() {
    let session = Session::new();
    assert_eq!(session.call(Function::Increment, 41).expect("returns"), 42);
    assert_eq!(session.call(Function::Increment, -1).expect("returns"), 0);
    assert_eq!(current_task(), None);
}

#[test]
fn a_task_runs_on_its_own_stack() {
    unsafe extern "C" fn where_am_i(vmctx: *mut u8, _: i64) -> i64 {
        let local = 0u8;
        // SAFETY: the session is what called.
        let session = unsafe { Session::of(vmctx) };
        let distance = session.record().as_ptr() as i64 - &raw const local as i64;
        assert_eq!(current_task(), Some(session.record()));
        distance
    }
    let session = Session::new();
    session.set_host(where_am_i);
    let distance = session.call(Function::Import, 0).expect("returns") - 1000;
    assert!((0..65536).contains(&distance), "{distance} bytes below the record");
}

#[test]
fn host_functions_find_the_stack_aligned() {
    unsafe extern "C" fn nest(vmctx: *mut u8, depth: i64) -> i64 {
        // An aligned local is where the compiler relies on the stack pointer's alignment.
        #[repr(align(16))]
        struct Aligned([u8; 16]);
        let local = std::hint::black_box(Aligned([1; 16]));
        assert_eq!(&raw const local as usize % 16, 0);
        // SAFETY: the session is what called.
        let session = unsafe { Session::of(vmctx) };
        let deeper = if depth == 0 { 0 } else { session.call(Function::Import, depth - 1).expect("returns") };
        deeper + i64::from(local.0[0])
    }
    let session = Session::new();
    session.set_host(nest);
    assert_eq!(session.call(Function::Import, 9).expect("returns"), 10 * 1001);
}

#[test]
fn a_trap_ends_the_innermost_call_only() {
    unsafe extern "C" fn try_and_go_on(vmctx: *mut u8, parameter: i64) -> i64 {
        // SAFETY: the session is what called.
        let session = unsafe { Session::of(vmctx) };
        let before = session.call(Function::Increment, parameter).expect("returns");
        let unwind = session.call(Function::Halt, 0).expect_err("traps");
        assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::Unreachable, .. }));
        // Itself, then the caller of this host function.
        let functions: Vec<u32> = unwind.backtrace.frames().iter().map(|f| f.index()).collect();
        let expected = [Function::Halt, Function::Import];
        assert_eq!(functions, expected.map(Function::index)[..]);
        before
    }
    let session = Session::new();
    session.set_host(try_and_go_on);
    assert_eq!(session.call(Function::Import, 6).expect("returns"), 1007);
    assert_eq!(session.call(Function::Import, 7).expect("returns"), 1008);
}

#[test]
fn what_a_host_function_raises_ends_the_call_that_led_to_it() {
    unsafe extern "C" fn fail(vmctx: *mut u8, parameter: i64) -> i64 {
        // SAFETY: the session is what called.
        let record = unsafe { Session::of(vmctx) }.record();
        let why = match parameter {
            0 => Raise::Trap(TrapCode::DeadlineExceeded),
            1 => Raise::Host(HostFailure::Error("no such file".into())),
            2 => Raise::Host(HostFailure::Panic(Box::new("a bug"))),
            _ => Raise::Cancelled,
        };
        // SAFETY: nothing in this frame has a destructor; the reason moves into the record.
        unsafe { raise(record, why) }
    }
    let session = Session::new();
    session.set_host(fail);
    for round in 0..100 {
        let mut unwound = (0..4).map(|n| *session.call(Function::Import, n).expect_err("fails"));
        let mut next = || unwound.next().expect("four").reason;
        assert!(matches!(next(), Reason::Trap { code: TrapCode::DeadlineExceeded, address: None, detail: None }));
        let Reason::Host(HostFailure::Error(error)) = next() else { panic!("an error in round {round}") };
        assert_eq!(error.to_string(), "no such file");
        let Reason::Host(HostFailure::Panic(payload)) = next() else { panic!("a panic in round {round}") };
        assert_eq!(payload.downcast_ref(), Some(&"a bug"));
        assert!(matches!(next(), Reason::Cancelled));
    }
}

#[test]
fn a_raise_in_an_outer_host_function_after_a_nested_call_has_its_own_backtrace() {
    unsafe extern "C" fn nest_then_fail(vmctx: *mut u8, depth: i64) -> i64 {
        // SAFETY: the session is what called.
        let session = unsafe { Session::of(vmctx) };
        if depth > 0 {
            // Goes through the thunk again, which overwrites the exit frame.
            drop(session.call(Function::Sum, depth - 1).expect_err("fails"));
        }
        // SAFETY: nothing in this frame has a destructor.
        unsafe { raise(session.record(), Raise::Trap(TrapCode::OutOfFuel)) }
    }
    let session = Session::new();
    session.set_host(nest_then_fail);
    let unwind = session.call(Function::Import, 1).expect_err("fails");
    let frames: Vec<u32> = unwind.backtrace.frames().iter().map(|f| f.index()).collect();
    assert_eq!(frames, [Function::Import.index()]);
}

#[test]
fn one_session_calls_another_on_its_own_stack() {
    unsafe extern "C" fn call_another(vmctx: *mut u8, parameter: i64) -> i64 {
        // SAFETY: the session is what called, with the address of another.
        let (session, other) = unsafe { (Session::of(vmctx), &*(parameter as *const Session)) };
        let unwind = other.call(Function::Halt, 0).expect_err("traps");
        assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::Unreachable, .. }));
        assert_eq!(unwind.backtrace.frames().len(), 1);
        assert_eq!(current_task(), Some(session.record()));
        other.call(Function::Increment, 1).expect("returns")
    }
    let (a, b) = (Session::new(), Session::new());
    a.set_host(call_another);
    assert_eq!(a.call(Function::Import, &raw const b as i64).expect("returns"), 1002);
}

#[test]
fn a_task_further_out_is_busy() {
    unsafe extern "C" fn call_another(_: *mut u8, parameter: i64) -> i64 {
        // SAFETY: the parameter is the address of another session.
        let other = unsafe { &*(parameter as *const Session) };
        other.call(Function::Import, 0).expect("returns")
    }
    unsafe extern "C" fn call_back(vmctx: *mut u8, _: i64) -> i64 {
        // SAFETY: the session is what called; where it keeps its host's own word is the outer one.
        let outer = unsafe { &*Session::of(vmctx).vmctx().cast::<*const Session>().read() };
        let unwind = outer.call(Function::Increment, 0).expect_err("is refused");
        assert!(matches!(unwind.reason, Reason::Refused(Refusal::Busy)));
        1
    }
    let (a, b) = (Session::new(), Session::new());
    a.set_host(call_another);
    b.set_host(call_back);
    // Opens the page, then tells it who is outer.
    b.call(Function::Store, 4).expect("stores");
    // SAFETY: the first word from vmctx, on a page that is open now.
    unsafe { b.vmctx().cast::<*const Session>().write(&raw const a) };
    assert_eq!(a.call(Function::Import, &raw const b as i64).expect("returns"), 2001);
}

#[test]
fn a_dropped_task_gives_its_stack_back() {
    let pool = pool();
    // SAFETY: the pool is dropped after them.
    let [first, second] =
        [(); 2].map(|()| unsafe { Task::new(&pool, crate::machine::Scrub::Keep) }.expect("task").record());
    assert_eq!(first, second);
    assert_eq!(pool.mapped(), 1);
}

#[test]
fn guest_code_runs_under_default_floating_point_control() {
    fn control() -> u32 {
        let mut value = 0u32;
        // SAFETY: stores four bytes to a local of that size.
        unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &mut value, options(nostack)) };
        value
    }
    unsafe extern "C" fn report(vmctx: *mut u8, parameter: i64) -> i64 {
        if parameter == 1 {
            // SAFETY: nothing in this frame has a destructor.
            unsafe { raise(Session::of(vmctx).record(), Raise::Cancelled) }
        }
        i64::from(control() & 0xffc0)
    }
    let session = Session::new();
    session.set_host(report);
    let flush_to_zero: u32 = 0x9fc0;
    // SAFETY: flushing denormals affects results of float arithmetic only, of which there is none here.
    unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &flush_to_zero, options(nostack)) };
    let inside = session.call(Function::Import, 0);
    let after = control();
    let failed = session.call(Function::Import, 1);
    let after_failure = control();
    // SAFETY: the default.
    unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &0x1f80u32, options(nostack)) };
    assert_eq!(inside.expect("returns"), 1000 + 0x1f80);
    assert!(failed.is_err());
    assert_eq!((after & 0xffc0, after_failure & 0xffc0), (flush_to_zero, flush_to_zero));
}
