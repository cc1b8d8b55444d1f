//! What happens to the process: handlers that were there before, and faults that are nobody's trap.

use super::guest::{Function, SLOT, Session};
use crate::machine::{HostFailure, Raise, Reason, Scrub, StackConfig, StackPool, raise};
use libc::{c_int, c_void, siginfo_t};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

const CHILD: &str = "HATCHERY_TEST_CHILD";
/// Exit status of a child that came to its end: no test harness has it.
const SURVIVED: i32 = 66;

/// Runs `body` in a process of its own: this test's, started again.
fn in_child(test: &str, body: impl FnOnce()) -> Output {
    if std::env::var_os(CHILD).is_some_and(|name| name == test) {
        body();
        std::process::exit(SURVIVED);
    }
    let path = format!("machine::tests::process::{test}");
    Command::new(std::env::current_exe().expect("a path"))
        .args([&path, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, test)
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("a child")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A test whose child is killed by `signal` and says `message`.
#[track_caller]
fn killed(test: &str, signal: c_int, message: &str, body: impl FnOnce()) {
    let output = in_child(test, body);
    assert_eq!(output.status.signal(), Some(signal), "{}", stderr(&output));
    assert!(stderr(&output).contains(message), "{}", stderr(&output));
}

/// A test whose child exits with this status.
#[track_caller]
fn exits(test: &str, status: i32, body: impl FnOnce()) {
    let output = in_child(test, body);
    assert_eq!(output.status.code(), Some(status), "{:?}: {}", output.status, stderr(&output));
}

fn fault() {
    // SAFETY: not at all: this is what is being tested.
    unsafe { std::hint::black_box(8 as *const u8).read_volatile() };
}

fn set_handler(signal: c_int, handler: usize, flags: c_int) {
    // SAFETY: an action of zeroes, with a handler of the kind the flags say.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, std::ptr::null_mut()), 0);
    }
}

/// A session that has trapped, so that everything is installed.
fn trapped() -> Session {
    let session = Session::new();
    assert!(session.call(Function::Halt, 0).is_err());
    session
}

#[test]
fn a_fault_of_the_host_kills_the_process() {
    killed("a_fault_of_the_host_kills_the_process", libc::SIGSEGV, "", || {
        let _session = trapped();
        fault();
    });
}

#[test]
fn a_page_that_a_file_of_the_host_lost_kills_the_process() {
    killed("a_page_that_a_file_of_the_host_lost_kills_the_process", libc::SIGBUS, "", || {
        let _session = trapped();
        let file = tempfile::tempfile().expect("a file");
        file.set_len(8192).expect("two pages");
        // SAFETY: what is read is a byte that is there, or none.
        let map = unsafe { memmap2::Mmap::map(&file) }.expect("a mapping");
        file.set_len(4096).expect("one page");
        std::hint::black_box(map[5000]);
    });
}

#[test]
fn a_fault_of_a_host_function_kills_the_process() {
    unsafe extern "C" fn broken(_: *mut u8, _: i64) -> i64 {
        fault();
        0
    }
    killed("a_fault_of_a_host_function_kills_the_process", libc::SIGSEGV, "", || {
        let session = trapped();
        session.set_host(broken);
        let _ = session.call(Function::Import, 0);
    });
}

#[test]
fn a_fault_of_guest_code_where_none_should_be_kills_the_process() {
    killed("a_fault_of_guest_code_where_none_should_be_kills_the_process", libc::SIGSEGV, "", || {
        let _ = trapped().call(Function::Careless, SLOT - 1);
    });
}

#[test]
fn an_access_outside_the_slot_kills_the_process_even_where_a_trap_can_be() {
    killed("an_access_outside_the_slot_kills_the_process_even_where_a_trap_can_be", libc::SIGSEGV, "", || {
        // A page of nobody's.
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping.
        let page = unsafe { libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, flags, -1, 0) };
        let _ = trapped().call(Function::Peek, page as i64);
    });
}

#[test]
fn host_code_that_overflows_a_guest_stack_kills_the_process_with_a_message() {
    #[expect(unconditional_recursion, reason = "that is the test")]
    #[inline(never)]
    unsafe extern "C" fn endless(_vmctx: *mut u8, n: i64) -> i64 {
        let local = std::hint::black_box([n; 32]);
        // SAFETY: the stack will not bear it.
        unsafe { endless(_vmctx, local[3] + 1) + local[7] }
    }
    let message = "host code has overflowed the guest stack";
    killed("host_code_that_overflows_a_guest_stack_kills_the_process_with_a_message", libc::SIGABRT, message, || {
        let session = trapped();
        session.set_host(endless);
        let _ = session.call(Function::Import, 0);
    });
}

#[test]
fn an_overflow_of_the_threads_own_stack_is_still_reported_by_rust() {
    #[expect(unconditional_recursion, reason = "that is the test")]
    fn endless(n: u64) -> u64 {
        let local = std::hint::black_box([n; 32]);
        endless(local[3] + 1) + local[7]
    }
    killed(
        "an_overflow_of_the_threads_own_stack_is_still_reported_by_rust",
        libc::SIGABRT,
        "has overflowed its stack",
        || {
            let _session = trapped();
            std::hint::black_box(endless(0));
        },
    );
}

#[test]
fn a_signal_that_somebody_sends_does_what_it_did() {
    killed("a_signal_that_somebody_sends_does_what_it_did", libc::SIGFPE, "", || {
        set_handler(libc::SIGFPE, libc::SIG_DFL, 0);
        let _session = trapped();
        // SAFETY: a plain system call.
        unsafe { libc::raise(libc::SIGFPE) };
        std::thread::sleep(std::time::Duration::from_secs(1));
    });
}

#[test]
fn an_ignored_signal_that_somebody_sends_stays_ignored() {
    exits("an_ignored_signal_that_somebody_sends_stays_ignored", SURVIVED, || {
        set_handler(libc::SIGFPE, libc::SIG_IGN, 0);
        let session = trapped();
        // SAFETY: a plain system call.
        unsafe { libc::raise(libc::SIGFPE) };
        assert!(session.call(Function::Divide, 0).is_err());
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGFPE) };
    });
}

#[test]
fn threads_leave_nothing_mapped() {
    fn mappings() -> usize {
        std::fs::read_to_string("/proc/self/maps").expect("maps").lines().count()
    }
    exits("threads_leave_nothing_mapped", SURVIVED, || {
        let pool = super::guest::pool();
        let run = |threads: usize| {
            for _ in 0..threads {
                let pool = pool.clone();
                let trap = move || Session::in_pool(&pool).call(Function::Recurse, 0).is_err();
                assert!(std::thread::spawn(trap).join().expect("the thread lives"));
            }
        };
        run(20);
        let before = mappings();
        run(100);
        let after = mappings();
        // A signal stack and its guard would be two for each thread.
        assert!(after < before + 100, "{before} mappings became {after}");
    });
}

#[test]
fn unwinding_and_backtraces_of_the_host_stop_at_the_guests_frames() {
    unsafe extern "C" fn panics(vmctx: *mut u8, _: i64) -> i64 {
        {
            let here = std::backtrace::Backtrace::force_capture().to_string();
            assert!(here.contains("panics"), "{here}");
        }
        let caught = std::panic::catch_unwind(|| panic!("in a host function"));
        let payload = caught.expect_err("it panicked");
        // SAFETY: the payload moves into the record; nothing else here has a destructor that matters.
        unsafe { raise(Session::of(vmctx).record(), Raise::Host(HostFailure::Panic(payload))) }
    }
    exits("unwinding_and_backtraces_of_the_host_stop_at_the_guests_frames", SURVIVED, || {
        let session = trapped();
        session.set_host(panics);
        for _ in 0..3 {
            let unwind = session.call(Function::Import, 0).expect_err("fails");
            assert!(matches!(unwind.reason, Reason::Host(HostFailure::Panic(_))));
        }
    });
}

#[test]
fn a_handler_that_was_there_before_still_handles_what_is_its_own() {
    extern "C" fn exit_7(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
        // SAFETY: the kernel's arguments, passed on; `_exit` is async-signal-safe.
        unsafe {
            let right = signal == libc::SIGSEGV && (*info).si_addr() as usize == 8 && !context.is_null();
            libc::_exit(if right { 7 } else { 8 })
        }
    }
    exits("a_handler_that_was_there_before_still_handles_what_is_its_own", 7, || {
        set_handler(libc::SIGSEGV, exit_7 as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
        let session = trapped();
        assert!(session.call(Function::Recurse, 0).is_err());
        fault();
    });
}

#[test]
fn a_handler_of_the_older_kind_is_called_too() {
    extern "C" fn exit_9(signal: c_int) {
        // SAFETY: async-signal-safe.
        unsafe { libc::_exit(if signal == libc::SIGILL { 9 } else { 10 }) }
    }
    exits("a_handler_of_the_older_kind_is_called_too", 9, || {
        set_handler(libc::SIGILL, exit_9 as *const () as usize, 0);
        let session = trapped();
        assert!(session.call(Function::Undefined, 0).is_err());
        // SAFETY: not at all: this is what is being tested.
        unsafe { core::arch::asm!("ud2") };
    });
}

#[test]
fn stacks_that_were_reserved_and_not_used_go_with_their_pool() {
    const STACK: usize = 64 << 20;
    let mapped = || {
        let sizes = std::fs::read_to_string("/proc/self/statm").expect("the kernel's count");
        sizes.split(' ').next().expect("a first word").parse::<usize>().expect("a number") * 4096
    };
    exits("stacks_that_were_reserved_and_not_used_go_with_their_pool", SURVIVED, || {
        let pool = StackPool::new(StackConfig { guest: STACK, ..StackConfig::default() }).expect("pool");
        let before = mapped();
        let stacks: Vec<_> = (0..4).map(|_| pool.acquire(Scrub::Keep).expect("stack")).collect();
        assert!(mapped() - before >= 7 * STACK, "of one, two and four, three are left");
        stacks.into_iter().for_each(|stack| pool.release(stack, Scrub::Keep, false));
        drop(pool);
        assert!(mapped().abs_diff(before) < STACK);
    });
}
