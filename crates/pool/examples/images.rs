//! What does a use cost of an image that was never used, where all slots have to be taken from others?
//!
//! Each of many templates is used once: a slot is allocated, a page of its state and one of its memory is written, it is
//! released. Prints microseconds in which the thread had a CPU.

#![expect(unsafe_code, reason = "plays the part of a guest")]
#![expect(clippy::print_stdout, reason = "prints a table")]

use hatchery_alloc::{InstanceAllocator, PAGE, Region, RegionKind, Run, SlotLayout, Template};
use hatchery_pool::{Pool, PoolOptions};
use rustix::fs::{MemfdFlags, SealFlags};
use std::os::fd::OwnedFd;
use std::sync::Arc;

const IMAGES: usize = 5000;
const SLOTS: usize = 256;
const SLOT_BYTES: usize = (4 << 30) + (64 << 20);

fn memfd() -> OwnedFd {
    let file = rustix::fs::memfd_create("contents", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
    assert_eq!(rustix::io::write(&file, &[1; PAGE]).expect("write"), PAGE);
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK).expect("seal");
    file
}

/// A header, a page of state with contents, a memory of 64 KiB without.
fn template() -> Arc<Template> {
    let region = |offset, kind, pages: usize| Region { offset, kind, accessible: pages * PAGE, limit: pages * PAGE };
    let regions = [
        region(0, RegionKind::Volatile, 1),
        region(PAGE, RegionKind::Image, 1),
        region(16 * PAGE, RegionKind::Image, 16),
    ];
    let layout = SlotLayout::new(SLOT_BYTES, regions).expect("layout");
    let run = Run { slot_offset: PAGE, file_offset: 0, len: PAGE };
    Arc::new(Template::new(layout, Some(memfd()), &[run]).expect("template"))
}

fn cycle(pool: &Pool, template: &Arc<Template>) {
    let slot = pool.allocate(template).expect("a slot");
    for at in [0, PAGE, 16 * PAGE] {
        // SAFETY: the slot is this pool's, and only ours.
        unsafe { pool.prepare_write(&slot, at..at + 8) }.expect("accessible");
        // SAFETY: just prepared.
        unsafe { slot.base().as_ptr().add(at).cast::<u64>().write_volatile(7) };
    }
    // SAFETY: the slot is this pool's, and nobody refers to it.
    unsafe { pool.release(slot) };
}

/// Seconds in which this thread had a CPU.
fn busy() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn main() {
    // Files are what there are most of.
    let _ = rustix::process::setrlimit(
        rustix::process::Resource::Nofile,
        rustix::process::Rlimit { current: Some(20_000), maximum: Some(20_000) },
    );
    let templates: Vec<_> = (0..IMAGES).map(|_| template()).collect();
    let pool = Pool::new(PoolOptions::new(SLOTS, SLOT_BYTES)).expect("pool");
    for chunk in templates.chunks(500) {
        let start = busy();
        chunk.iter().for_each(|template| cycle(&pool, template));
        println!("{:.1}", (busy() - start) * 1e6 / chunk.len() as f64);
    }
}
