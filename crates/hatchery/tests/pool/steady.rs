//! The steady state, watched by the kernel: a thread that may make no system call any more goes on making instances.

#![expect(unsafe_code, reason = "forbids a thread system calls, and ends it")]

use super::*;
use std::io::Read;
use std::os::fd::AsRawFd;

/// Has the kernel kill this thread for every call but to write and to end. Filters come in addition to those of whoever
/// started the process.
fn forbid_system_calls() -> std::io::Result<()> {
    const fn step(code: u32, yes: u8, k: u32) -> libc::sock_filter {
        libc::sock_filter { code: code as u16, jt: yes, jf: 0, k }
    }
    let filter = [
        // The number of the call is the first word of what a filter sees.
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 2, libc::SYS_write as u32),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, libc::SYS_exit as u32),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_KILL_THREAD),
        step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: options that the kernel knows, and a program that it reads and does not write.
    let result = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Runs cycles on a thread that then may make no system call, and more cycles there; and says whether it came to its end
/// within so many milliseconds. The thread is the kernel's to end, so nothing that it has is dropped.
fn makes_no_system_call(patience: i32, cycle: impl Fn(i32) + Send + 'static) -> bool {
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    std::thread::spawn(move || {
        (0..100).for_each(&cycle);
        forbid_system_calls().expect("a process may restrict itself");
        (100..1100).for_each(&cycle);
        // SAFETY: one byte that is there, and the call that ends this thread; what it leaves is nobody's.
        unsafe {
            libc::write(writer.as_raw_fd(), [1u8].as_ptr().cast(), 1);
            libc::syscall(libc::SYS_exit, 0);
        }
    });
    // A thread that was killed holds its end open.
    let mut end = libc::pollfd { fd: reader.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, which is open.
    let ready = unsafe { libc::poll(&raw mut end, 1, patience) };
    ready == 1 && matches!(reader.read(&mut [0]), Ok(1))
}

const GUEST: &str = r#"(module
    (import "host" "note" (func $note (param i32)))
    (memory (export "memory") 4 64)
    (data (i32.const 0) "contents")
    (func (export "run") (param i32)
      (i32.store (i32.const 5000) (local.get 0))
      (i32.store (i32.const 150000) (local.get 0))
      (drop (memory.grow (i32.const 2)))
      (i32.store (i32.const 350000) (local.get 0))
      (call $note (i32.load (i32.const 5000)))))"#;

#[test]
fn fresh_instances_and_calls_make_no_system_call() {
    let pooling = Pooling::new(3).verify(Verify::Off);
    let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(pooling))).expect("an engine");
    let mut linker = Linker::<i32>::new(&engine);
    linker
        .func("host", "note", |mut caller: hatchery::Caller<'_, i32>, value: i32| *caller.data_mut() = value)
        .expect("defined once");
    let prepared = linker.prepare(&module(&engine, GUEST)).expect("prepared");
    let cycle = move |value| {
        let mut instance = prepared.instantiate(0).expect("an instance");
        instance.func::<(i32,), ()>("run").expect("an export").call(&mut instance, (value,)).expect("a call");
        assert_eq!(*instance.data(), value);
    };
    assert!(makes_no_system_call(60_000, cycle));
}

#[test]
fn the_kernel_ends_a_thread_that_makes_one() {
    assert!(!makes_no_system_call(1000, |value| {
        if value == 1000 {
            drop(std::fs::File::open("/dev/null"));
        }
    }));
}
