//! What does a cycle cost beyond putting its pages back?
//!
//! Allocates, writes `k` pages that the slot's working set has already, releases; against copying the same pages
//! and nothing else. Prints nanoseconds per cycle.

#![expect(unsafe_code, reason = "plays the part of a guest: stores to prepared pages")]
#![expect(clippy::print_stdout, reason = "prints a table")]

use hatchery_alloc::{Hints, InstanceAllocator, PAGE, Region, RegionKind, Run, Slot, SlotLayout, Template};
use hatchery_pool::{Placement, Pool, PoolOptions, Reset};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

const PAGES: usize = 512;

fn memfd() -> OwnedFd {
    use rustix::fs::{MemfdFlags, SealFlags};
    let file = rustix::fs::memfd_create("contents", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memfd");
    let bytes: Vec<u8> = (0..PAGES * PAGE).map(|i| (i / 3) as u8).collect();
    assert_eq!(rustix::io::write(&file, &bytes).expect("write"), bytes.len());
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK).expect("seal");
    file
}

/// A header, and 2 MiB of contents with a guard behind.
fn template() -> Arc<Template> {
    let region = |offset, kind, pages: usize| Region { offset, kind, accessible: pages * PAGE, limit: pages * PAGE };
    let regions = [region(0, RegionKind::Volatile, 1), region(PAGE, RegionKind::Image, PAGES)];
    let layout = SlotLayout::new((PAGES + 17) * PAGE, regions).expect("layout");
    let run = Run { slot_offset: PAGE, file_offset: 0, len: PAGES * PAGE };
    let hints = Hints { volatile: Some(PAGE - 512..PAGE), ..Hints::default() };
    Arc::new(Template::new(layout, Some(memfd()), &[run]).expect("template").with_hints(hints))
}

/// Which pages a use writes.
#[derive(Clone, Copy)]
struct Pattern {
    pages: usize,
    step: usize,
}

fn touch(pool: &Pool, slot: &Slot, pattern: Pattern) {
    for i in 0..pattern.pages {
        let at = PAGE + i * pattern.step * PAGE;
        // SAFETY: the slot is this pool's, and only ours.
        unsafe { pool.prepare_write(slot, at..at + 8) }.expect("accessible");
        // SAFETY: just prepared.
        unsafe { slot.base().as_ptr().add(at).cast::<u64>().write_volatile(at as u64) };
    }
}

fn release(pool: &Pool, slot: Slot) {
    // SAFETY: the slot is this pool's, and nobody refers to it.
    unsafe { pool.release(slot) };
}

/// Best nanoseconds per cycle with `live` slots in use, the oldest of which is released for each that is allocated.
fn rotate(pool: &Pool, template: &Arc<Template>, pattern: Pattern, live: usize, time: Duration) -> f64 {
    let mut slots: VecDeque<Slot> = VecDeque::new();
    let mut cycle = || {
        if slots.len() == live {
            release(pool, slots.pop_front().expect("a slot"));
        }
        let slot = pool.allocate(template).expect("a slot");
        touch(pool, &slot, pattern);
        slots.push_back(slot);
    };
    for _ in 0..live * 4 {
        cycle();
    }
    let each = best(time, || (0..64.max(live)).for_each(|_| cycle()), 64.max(live));
    slots.into_iter().for_each(|slot| release(pool, slot));
    each
}

/// Nanoseconds for copying the same pages over as many copies of them.
fn floor(pattern: Pattern, live: usize, time: Duration) -> f64 {
    let source = vec![1u8; PAGES * PAGE];
    let mut copies: Vec<_> = (0..live).map(|_| vec![0u8; pattern.pages * PAGE]).collect();
    let copy_all = || {
        for copy in &mut copies {
            if pattern.step == 1 {
                copy.copy_from_slice(&source[..pattern.pages * PAGE]);
            } else {
                for (i, page) in copy.chunks_exact_mut(PAGE).enumerate() {
                    page.copy_from_slice(&source[i * pattern.step * PAGE..][..PAGE]);
                }
            }
            std::hint::black_box(copy);
        }
    };
    best(time, copy_all, live)
}

/// Nanoseconds that one of `n` repetitions took, in the slice of time in which the machine did least else.
fn best(time: Duration, mut repeated: impl FnMut(), n: usize) -> f64 {
    let (start, mut best) = (Instant::now(), f64::MAX);
    while start.elapsed() < time {
        let (slice, mut done) = (Instant::now(), 0);
        while slice.elapsed() < time / 100 {
            repeated();
            done += n;
        }
        best = best.min(slice.elapsed().as_nanos() as f64 / done as f64);
    }
    best
}

fn threads(count: usize, run: impl Fn() -> f64 + Sync) -> f64 {
    let barrier = Barrier::new(count);
    let each: Vec<f64> = std::thread::scope(|scope| {
        let body = || {
            barrier.wait();
            run()
        };
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(body)).collect();
        threads.into_iter().map(|t| t.join().expect("thread")).collect()
    });
    each.iter().sum::<f64>() / count as f64
}

fn main() {
    let time = Duration::from_millis(150);
    let chosen = std::env::args().nth(1);
    let reset = Reset::ALL.into_iter().find(|r| chosen.as_deref() == Some(r.to_string().as_str()));
    println!("reset {}", reset.unwrap_or_default());
    println!("{:>5} {:>7} {:>6} {:>10} {:>10} {:>10}", "pages", "spread", "slots", "floor", "1 thread", "2 threads");
    for live in [1, 256] {
        for (pages, step) in [(0, 1), (1, 1), (4, 1), (16, 1), (64, 1), (256, 1), (16, 32), (64, 8), (256, 2)] {
            let pattern = Pattern { pages, step };
            let options = PoolOptions {
                reset: reset.unwrap_or_default(),
                placement: Placement::NextAvailable,
                ..PoolOptions::new(2 * live.max(2), (PAGES + 17) * PAGE)
            };
            let pool = Pool::new(options).expect("pool");
            let template = template();
            let floor = floor(pattern, live, time);
            let one = rotate(&pool, &template, pattern, live, time);
            let two = threads(2, || rotate(&pool, &template, pattern, live, time));
            println!("{pages:>5} {step:>7} {live:>6} {floor:>10.0} {one:>10.0} {two:>10.0}");
        }
    }
}
