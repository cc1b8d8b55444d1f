//! The process has no kernel mappings left. One test in a process of its own, because it takes them all.

#![expect(unsafe_code, reason = "takes all mappings")]

mod common;

use common::{MEMORY, Sample, Use, options, resets};
use hatchery_alloc::PAGE;
use hatchery_pool::{Pool, PoolOptions, WorkingSets};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};

/// Takes mappings until the kernel has no more; gives them back when dropped.
struct Hoard {
    base: *mut core::ffi::c_void,
    bytes: usize,
}

impl Hoard {
    fn new() -> Hoard {
        let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").expect("the kernel says its limit");
        let pages = 2 * limit.trim().parse::<usize>().expect("a number") + 2;
        let bytes = pages * PAGE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping, of which every other page gets another protection.
        unsafe {
            let base =
                rustix::mm::mmap_anonymous(core::ptr::null_mut(), bytes, ProtFlags::empty(), flags).expect("room");
            let mut page = 0;
            while rustix::mm::mprotect(base.wrapping_byte_add(page * PAGE), PAGE, MprotectFlags::READ).is_ok() {
                page += 2;
                assert!(page < pages, "the kernel keeps to its limit");
            }
            Hoard { base, bytes }
        }
    }
}

impl Drop for Hoard {
    fn drop(&mut self) {
        // SAFETY: our own mapping, used by nobody.
        unsafe { rustix::mm::munmap(self.base, self.bytes) }.expect("a whole mapping");
    }
}

#[test]
fn a_pool_without_mappings_goes_on() {
    let (sample, other) = (Sample::image(1), Sample::image(2));
    // Many runs each, however many there are.
    let working_sets = WorkingSets { max_runs: Some(1000), ..WorkingSets::default() };
    for reset in resets() {
        let pool = Pool::new(PoolOptions { working_sets, ..options(reset, 4) }).expect("pool");
        let cycle = |sample, step: usize| {
            let mut used = Use::new(&pool, sample);
            used.write_pages((MEMORY..MEMORY + 16).step_by(step), 5);
            used.check();
            used.release();
        };
        (0..3).for_each(|_| cycle(&sample, 8));
        let mut held = Use::new(&pool, &sample);
        let hoard = Hoard::new();
        // Deviations cannot be opened page by page any more, nor remembered as many runs.
        for page in (MEMORY..MEMORY + 16).step_by(2) {
            assert!(held.write(page * PAGE..page * PAGE + 1, 6), "{reset}: opening everything takes no mapping");
        }
        held.check();
        held.release();
        for round in 0..6 {
            cycle(&sample, 1 + round % 3);
        }
        // A slot of another template needs the mappings of one that it replaces; it may be refused, and withdrawn.
        let _ = Use::try_new(&pool, &other).map(Use::release);
        drop(hoard);
        for round in 0..6 {
            cycle(&other, 1 + round % 3);
            cycle(&sample, 2);
        }
        let all: Vec<_> = (0..4).map(|_| Use::new(&pool, &other)).collect();
        all.into_iter().for_each(Use::release);
        let metrics = pool.metrics();
        assert_eq!((metrics.live, metrics.withdrawn), (0, 0), "{reset}: what was withdrawn is in use again");
    }
}
