//! What does the first use of a cold slot cost that has a learned set?
//!
//! Allocates slots that were never used, of a template that says which pages are written, and writes these; against
//! mapping the same contents over reserved addresses, populating the same pages and writing them. Prints microseconds.

#![expect(unsafe_code, reason = "plays the part of a guest, and of the kernel's user")]
#![expect(clippy::print_stdout, reason = "prints a table")]

use hatchery_alloc::{Hints, InstanceAllocator, PAGE, Region, RegionKind, Run, SlotLayout, Template};
use hatchery_pool::{Pool, PoolOptions};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

const PAGES: usize = 512;
const SLOTS: usize = 64;

fn memfd() -> OwnedFd {
    let file = rustix::fs::memfd_create("contents", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
    let bytes: Vec<u8> = (0..PAGES * PAGE).map(|i| (i / 3) as u8).collect();
    assert_eq!(rustix::io::write(&file, &bytes).expect("write"), bytes.len());
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK).expect("seal");
    file
}

/// Offsets of the written pages behind the contents' start.
fn written(pages: usize, step: usize) -> impl Iterator<Item = usize> {
    (0..pages).map(move |i| i * step * PAGE)
}

/// The same, with neighbours joined.
fn runs(pages: usize, step: usize) -> Vec<Range<usize>> {
    match step {
        1 => std::iter::once(0..pages * PAGE).collect(),
        _ => written(pages, step).map(|at| at..at + PAGE).collect(),
    }
}

fn touch(base: *mut u8, pages: usize, step: usize) {
    for at in written(pages, step) {
        // SAFETY: the page is in a slot or mapping of ours, writable.
        unsafe { base.add(at).cast::<u64>().write_volatile(at as u64) };
    }
}

fn pool(pages: usize, step: usize) -> f64 {
    let region = |offset, kind, pages: usize| Region { offset, kind, accessible: pages * PAGE, limit: pages * PAGE };
    let regions = [region(0, RegionKind::Volatile, 1), region(PAGE, RegionKind::Image, PAGES)];
    let layout = SlotLayout::new((PAGES + 17) * PAGE, regions).expect("layout");
    let run = Run { slot_offset: PAGE, file_offset: 0, len: PAGES * PAGE };
    let written = runs(pages, step).into_iter().map(|r| r.start + PAGE..r.end + PAGE).collect();
    let hints = Hints { written, volatile: Some(PAGE - 512..PAGE), ..Hints::default() };
    let template = Arc::new(Template::new(layout, Some(memfd()), &[run]).expect("template").with_hints(hints));
    let pool = Pool::new(PoolOptions::new(SLOTS, (PAGES + 17) * PAGE)).expect("pool");
    // The pristine view, mapped by the first.
    let mut slots = vec![pool.allocate(&template).expect("a slot")];
    let start = Instant::now();
    for _ in 1..SLOTS {
        let slot = pool.allocate(&template).expect("a slot");
        // SAFETY: the set is writable.
        touch(unsafe { slot.base().as_ptr().add(PAGE) }, pages, step);
        slots.push(slot);
    }
    let took = start.elapsed();
    // SAFETY: the slots are this pool's, and nobody refers to them.
    slots.into_iter().for_each(|slot| unsafe { pool.release(slot) });
    took.as_nanos() as f64 / 1000.0 / (SLOTS - 1) as f64
}

fn floor(pages: usize, step: usize) -> f64 {
    let file = memfd();
    let bytes = (PAGES + 17) * PAGE;
    let none = ProtFlags::empty();
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
    // SAFETY: new mappings, the second one over the first; nothing else is there.
    let reserved =
        unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), SLOTS * bytes, none, flags) }.expect("mmap");
    let start = Instant::now();
    for i in 0..SLOTS {
        let base = reserved.cast::<u8>().wrapping_add(i * bytes);
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, flags | MapFlags::FIXED);
        // SAFETY: inside the reservation.
        let base = unsafe { rustix::mm::mmap(base.cast(), PAGES * PAGE, access, flags, &file, 0) }.expect("mmap");
        for run in runs(pages, step) {
            let at = base.cast::<u8>().wrapping_add(run.start).cast();
            // SAFETY: as above.
            unsafe { rustix::mm::madvise(at, run.len(), Advice::LinuxPopulateWrite) }.expect("madvise");
        }
        touch(base.cast(), pages, step);
    }
    let took = start.elapsed();
    // SAFETY: ours, and not used any more.
    unsafe { rustix::mm::munmap(reserved, SLOTS * bytes) }.expect("munmap");
    took.as_nanos() as f64 / 1000.0 / SLOTS as f64
}

fn main() {
    println!("{:>5} {:>7} {:>10} {:>10} {:>7}", "pages", "spread", "floor", "pool", "ratio");
    for (pages, step) in [(1, 1), (16, 1), (64, 1), (256, 1), (16, 32), (64, 8)] {
        let best = |measure: &dyn Fn() -> f64| (0..30).map(|_| measure()).fold(f64::MAX, f64::min);
        let (floor, pool) = (best(&|| floor(pages, step)), best(&|| pool(pages, step)));
        println!("{pages:>5} {step:>7} {floor:>10.1} {pool:>10.1} {:>7.2}", pool / floor);
    }
}
