//! Plain stores, as compiled code makes them: the faults go through a signal handler to the pool. One test in a process of
//! its own, because handlers are the process'.

#![expect(unsafe_code, reason = "handles signals and stores to slots")]

mod common;

use common::{MEMORY, Sample, Use, options};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use hatchery_alloc::{FaultVerdict, InstanceAllocator, PAGE, Slot};
use hatchery_pool::{Discovery, Pool, PoolOptions, Reset, WorkingSets};

static POOL: AtomicPtr<Pool> = AtomicPtr::new(core::ptr::null_mut());
static SLOT: AtomicPtr<Slot> = AtomicPtr::new(core::ptr::null_mut());
static FAULTS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_fault(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    FAULTS.fetch_add(1, Ordering::Relaxed);
    // SAFETY: both were stored before anything could fault, and live until the test ends; the fault is of this thread.
    let verdict = unsafe {
        let (pool, slot) = (&*POOL.load(Ordering::Relaxed), &*SLOT.load(Ordering::Relaxed));
        pool.write_fault(slot, (*info).si_addr() as usize)
    };
    if verdict != FaultVerdict::Retry {
        // SAFETY: ends the process with a number that tells why.
        unsafe { libc::_exit(86) };
    }
}

fn install() {
    // SAFETY: the handler is async-signal-safe, and the struct is as the kernel wants it.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = on_fault as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(libc::sigaction(libc::SIGSEGV, &raw const action, core::ptr::null_mut()), 0);
    }
}

/// Stores to these pages without preparing them, and gives the number of faults.
fn store(used: &mut Use<'_>, pages: impl Iterator<Item = usize>) -> usize {
    let before = FAULTS.load(Ordering::Relaxed);
    SLOT.store(&raw mut used.slot, Ordering::Relaxed);
    for page in pages {
        // SAFETY: accessible; if it is protected, the handler opens it.
        unsafe { used.slot.base().as_ptr().add(page * PAGE + 5).write_volatile(0x77) };
    }
    FAULTS.load(Ordering::Relaxed) - before
}

#[test]
fn stores_fault_once_and_then_never_again() {
    install();
    let sample = Sample::image(1);
    for discovery in [Discovery::Scan, Discovery::Faults] {
        let working_sets = WorkingSets { discovery, ..WorkingSets::default() };
        let mut pool = Pool::new(PoolOptions { working_sets, ..options(Reset::WorkingSet, 1) }).expect("pool");
        POOL.store(&raw mut pool, Ordering::Relaxed);
        let faults = |pages: Vec<usize>| {
            let mut used = Use::new(&pool, &sample);
            let faults = store(&mut used, pages.into_iter());
            used.release();
            faults
        };
        let some = || vec![1, MEMORY, MEMORY + 4, MEMORY + 10];
        let first = faults(some());
        assert_eq!(first, if discovery == Discovery::Scan { 0 } else { 4 });
        assert_eq!(faults(some()), 0, "they are in the set now");
        let more = || some().into_iter().chain([MEMORY + 7]).collect();
        assert_eq!((faults(more()), faults(more())), (1, 0));
        // Every page, one after the other: the more, the larger the steps.
        let all = || (MEMORY..MEMORY + 16).collect::<Vec<_>>();
        assert!((1..12).contains(&faults(all())));
        assert_eq!(faults(all()), 0);
    }
}
