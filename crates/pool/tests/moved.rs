//! Pages that the kernel moves: joined to huge ones, merged with others, written to swap space. Each test sees for itself whether
//! the kernel did it; where that takes a setting of the machine, it is ignored unless asked for.

#![expect(clippy::print_stderr, reason = "says what is not tested")]

mod common;

use common::{Use, mapping, options, resets};
use hatchery_alloc::{Hints, PAGE, Region, RegionKind, SlotLayout, Tails, Template};
use hatchery_pool::{Pool, PoolOptions, Reset};
use rustix::mm::Advice;
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;

/// Pages of a huge page, and of the samples' memory and slot.
const HUGE: usize = 512;
const MEMORY: usize = 4 * HUGE;
const SLOT: usize = 16 * HUGE;

/// A slot of a header page and a memory of zeros that huge pages fit into, of which `tails` are kept or not.
fn sample(tails: Tails) -> common::Sample {
    let region = |kind, offset: usize, accessible: usize, limit: usize| Region {
        offset: offset * PAGE,
        kind,
        accessible: accessible * PAGE,
        limit: limit * PAGE,
    };
    let regions = [region(RegionKind::Volatile, 0, 1, 1), region(RegionKind::Image, HUGE, MEMORY, 2 * MEMORY)];
    let layout = SlotLayout::new(SLOT * PAGE, regions).expect("layout");
    let hints = Hints { tails, ..Hints::default() };
    let template = Template::new(layout, None, &[]).expect("template").with_hints(hints);
    common::Sample { template: Arc::new(template), contents: vec![0; SLOT * PAGE].into() }
}

fn pools() -> impl Iterator<Item = Pool> {
    let options = |reset| PoolOptions { ..options(reset, 2) };
    resets().into_iter().map(move |reset| {
        let mut options = options(reset);
        options.classes[0].slot_bytes = SLOT * PAGE;
        Pool::new(options).expect("pool")
    })
}

#[expect(unsafe_code, reason = "gives the kernel advice on a slot")]
fn advise(used: &Use<'_>, advice: Advice) -> bool {
    let part = used.accessible(1);
    let at = used.slot.base().as_ptr().wrapping_add(part.start);
    // SAFETY: advice of the kinds that are given here changes no contents.
    unsafe { rustix::mm::madvise(at.cast(), part.len(), advice) }.is_ok()
}

/// Bytes that the kernel counts under a name for the mapping of the memory's middle.
fn counted(used: &Use<'_>, name: &str) -> usize {
    let value = mapping(used.base() + (HUGE + MEMORY / 2) * PAGE, name);
    value.trim_end_matches(" kB").parse::<usize>().expect("a number") << 10
}

/// Uses a slot three times, and looks whether it is clean: the kernel does something to the pages that were written.
fn cycle(pool: &Pool, tails: Tails, moves: impl Fn(&mut Use<'_>)) {
    let sample = sample(tails);
    for round in 0..3 {
        let mut used = Use::new(pool, &sample);
        assert!(used.grow(1, MEMORY + HUGE));
        moves(&mut used);
        used.write_pages([HUGE + 1, HUGE + MEMORY / 2, HUGE + MEMORY + 3], 1 + round);
        used.check();
        used.release();
    }
    Use::new(pool, &sample).release();
}

fn has(file: &str, word: &str) -> bool {
    std::fs::read_to_string(file).is_ok_and(|text| text.contains(word))
}

const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";

#[test]
fn no_page_of_a_slot_becomes_huge_unasked() {
    // The scan came with the same version.
    if !Path::new(HUGE_PAGES).exists() || !resets().contains(&Reset::PagemapScan) {
        return eprintln!("this kernel has no huge pages, or cannot be told to make none");
    }
    for pool in pools() {
        for tails in [Tails::Shrink, Tails::Keep] {
            cycle(&pool, tails, |used| {
                used.write_pages([HUGE + MEMORY / 2 + 1], 9);
                let flags = mapping(used.base() + (HUGE + MEMORY / 2) * PAGE, "VmFlags");
                assert!(flags.split(' ').any(|flag| flag == "nh"), "{flags}");
                assert_eq!(counted(used, "AnonHugePages"), 0);
            });
        }
    }
}

#[test]
fn huge_pages_are_reset_like_others() {
    if !has(HUGE_PAGES, "[madvise]") && !has(HUGE_PAGES, "[always]") {
        return eprintln!("this machine makes no huge pages");
    }
    let made = Cell::new(false);
    for pool in pools() {
        for tails in [Tails::Shrink, Tails::Keep] {
            cycle(&pool, tails, |used| {
                let all = used.accessible(1);
                assert!(used.write(all.start..all.start + PAGE, 1) && advise(used, Advice::LinuxHugepage));
                // Open, so that it is one mapping.
                assert!(used.write(all, 7));
                made.set(made.get() || counted(used, "AnonHugePages") > 0);
            });
        }
    }
    if !made.get() {
        eprintln!("the kernel had no memory in pieces of that size");
    }
}

#[test]
#[ignore = "needs a kernel that merges pages: echo 1 > /sys/kernel/mm/ksm/run"]
fn merged_pages_are_reset_like_others() {
    for pool in pools() {
        cycle(&pool, Tails::Shrink, |used| {
            let all = used.accessible(1);
            assert!(used.write(all, 7) && advise(used, Advice::LinuxMergeable));
            let merged = || mapping(used.base() + (HUGE + MEMORY / 2) * PAGE, "KSM") != "0 kB";
            assert!((0..600).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(100));
                merged()
            }));
        });
    }
}

#[test]
#[ignore = "needs swap space"]
fn swapped_pages_are_reset_like_others() {
    for pool in pools() {
        cycle(&pool, Tails::Shrink, |used| {
            let all = used.accessible(1);
            assert!(used.write(all, 7) && advise(used, Advice::LinuxPageOut));
            assert!(counted(used, "Swap") > 0, "the kernel writes out what it is told to");
        });
    }
}

#[test]
fn advice_of_any_kind_changes_nothing() {
    let kinds = [Advice::LinuxPageOut, Advice::LinuxCold, Advice::LinuxMergeable, Advice::LinuxUnmergeable];
    for pool in pools() {
        for advice in kinds {
            cycle(&pool, Tails::Shrink, |used| {
                used.write_pages([HUGE + 7], 5);
                // Whether the kernel knows it or not.
                advise(used, advice);
            });
        }
    }
}
