//! Threads: each enters with a signal stack and a signal mask of its own.

use super::guest::{Function, Session, pool};
use crate::machine::Reason;
use hatchery_image::TrapCode;
use std::mem::MaybeUninit;
use std::sync::Arc;

#[test]
fn many_threads_trap_at_the_same_time() {
    let pool = pool();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let session = Session::in_pool(&pool);
                for n in 0..2000 {
                    assert_eq!(session.call(Function::Increment, n).expect("returns"), n + 1);
                    assert!(session.call(Function::Halt, 0).is_err());
                    assert!(session.call(Function::Load, super::guest::USABLE).is_err());
                }
                assert!(session.call(Function::Recurse, 0).is_err());
            });
        }
    });
    assert!(pool.mapped() <= 16);
}

#[test]
fn threads_that_come_and_go_can_all_trap() {
    let pool = pool();
    for _ in 0..500 {
        let pool = Arc::clone(&pool);
        let thread = std::thread::spawn(move || Session::in_pool(&pool).call(Function::Recurse, 0).is_err());
        assert!(thread.join().expect("the thread lives"));
    }
    assert_eq!(pool.mapped(), 1);
}

#[test]
fn a_session_moves_between_threads() {
    let mut session = Session::new();
    for n in 0..20 {
        session = std::thread::spawn(move || {
            assert_eq!(session.call(Function::Increment, n).expect("returns"), n + 1);
            assert!(session.call(Function::Recurse, 0).is_err());
            session
        })
        .join()
        .expect("the thread lives");
    }
}

fn set_mask(how: libc::c_int) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the set is initialized first; no mask is asked back.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGSEGV);
        libc::sigaddset(set.as_mut_ptr(), libc::SIGFPE);
        assert_eq!(libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut()), 0);
    }
}

#[test]
fn a_thread_that_starts_with_the_signals_blocked_traps_all_the_same() {
    let thread = std::thread::spawn(|| {
        set_mask(libc::SIG_BLOCK);
        let session = Session::new();
        (session.call(Function::Halt, 0).is_err(), session.call(Function::Divide, 0).is_err())
    });
    assert_eq!(thread.join().expect("the thread lives"), (true, true));
}

fn signal_stack(new: Option<libc::stack_t>) -> libc::stack_t {
    let mut old = MaybeUninit::uninit();
    let new = new.as_ref().map_or(std::ptr::null(), |new| new as *const _);
    // SAFETY: the new stack, if any, outlives its use; the old one is stored.
    unsafe {
        assert_eq!(libc::sigaltstack(new, old.as_mut_ptr()), 0);
        old.assume_init()
    }
}

#[test]
fn a_signal_stack_that_is_large_enough_is_kept_and_a_small_one_replaced() {
    for (size, kept) in [(256 << 10, true), (16 << 10, false)] {
        let thread = std::thread::spawn(move || {
            let mut memory = vec![0u128; size / 16];
            let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: size };
            let before = signal_stack(Some(stack));
            assert!(Session::new().call(Function::Recurse, 0).is_err());
            let after = signal_stack(None);
            if kept {
                // The memory is about to go, and the standard library wants its own back.
                signal_stack(Some(before));
            }
            (after.ss_sp == stack.ss_sp, after.ss_size)
        });
        let (same, bytes) = thread.join().expect("the thread lives");
        assert_eq!(same, kept);
        assert!(bytes >= 64 << 10);
    }
}

#[test]
fn a_signal_that_finds_no_room_on_the_guests_stack_is_an_overflow() {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: an action of zeroes with a handler that does nothing; without SA_ONSTACK, as careless hosts have it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGUSR2, &action, std::ptr::null_mut()), 0);
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        let session = Session::new();
        // SAFETY: the record is the session's own.
        let near = unsafe { session.record().as_ref() }.lowest as i64 + 128;
        // SAFETY: this thread's own handle.
        sender.send(unsafe { libc::pthread_self() }).expect("somebody listens");
        let unwind = session.call(Function::Wait, near).expect_err("traps");
        assert!(matches!(unwind.reason, Reason::Trap { code: TrapCode::StackOverflow, .. }));
        assert_eq!(session.call(Function::Increment, 1).expect("returns"), 2);
    });
    let target = receiver.recv().expect("a thread");
    while !thread.is_finished() {
        // SAFETY: the thread has not been joined, so that its handle is valid.
        unsafe { libc::pthread_kill(target, libc::SIGUSR2) };
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    thread.join().expect("the thread lives");
}
