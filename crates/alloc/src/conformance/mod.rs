//! The suite that every implementation of [`InstanceAllocator`] is judged by.
//!
//! Each slot is compared, byte by byte and page by page, with a plain vector and with what the kernel
//! lists as its mappings. A violation panics and names the guarantee.
//!
//! ```
//! use hatchery_alloc::{OnDemand, conformance};
//! conformance::run(|| Box::new(OnDemand::strict()));
//! ```

#![expect(unsafe_code, reason = "plays the part of the machine: stores to slots and answers their faults")]

mod maps;
mod subject;

use crate::{AllocateError, InstanceAllocator, PAGE, Region, RegionKind, SlotLayout, Template};
use core::task::{Context, Waker};
use core::time::Duration;
use std::sync::Arc;
use subject::{Sample, Subject};

/// Runs everything that holds for any implementation, each part on an allocator of its own. Up to 64 slots
/// are live at a time.
///
/// # Panics
///
/// When the implementation breaks a guarantee.
pub fn run(make: impl Fn() -> Box<dyn InstanceAllocator>) {
    fresh_slots_are_their_template(&*make());
    odd_ranges_are_judged_exactly(&*make());
    nothing_survives_a_release(&*make());
    many_slots_are_isolated(&*make());
    slots_pass_between_threads(&*make());
    for seed in 0..6 {
        random_history(&*make(), seed);
    }
}

/// Checks that an allocator with room for exactly `slots` says so, and has room again after a release.
///
/// # Panics
///
/// When it does not.
pub fn exhaustion(allocator: &dyn InstanceAllocator, slots: usize) {
    let sample = &samples()[0];
    let mut live: Vec<_> = (0..slots).map(|_| Subject::new(allocator, sample)).collect();
    for _ in 0..3 {
        let refused = allocator.allocate(&sample.template);
        assert!(matches!(refused, Err(AllocateError::Exhausted { limit }) if limit == slots), "{refused:?}");
        live.pop().expect("at least one slot").release();
        live.push(Subject::new(allocator, sample));
    }
    if allocator.waiters().is_some() {
        live = waiting_ends_with_a_slot(allocator, sample, live);
    }
    live.into_iter().for_each(Subject::release);
}

/// With all slots in use: who waits gets one that is released, and only then.
fn waiting_ends_with_a_slot<'a>(
    allocator: &'a dyn InstanceAllocator,
    sample: &'a Sample,
    mut live: Vec<Subject<'a>>,
) -> Vec<Subject<'a>> {
    let moment = Duration::from_millis(5);
    let refused = crate::allocate_blocking(allocator, &sample.template, Some(moment));
    assert!(matches!(refused, Err(AllocateError::Exhausted { .. })), "{refused:?}");
    let mut future = Box::pin(crate::allocate_async(allocator, &sample.template));
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "there is no slot");
    drop(future);
    let slot = std::thread::scope(|scope| {
        let waiter = scope.spawn(|| crate::allocate_blocking(allocator, &sample.template, None));
        std::thread::sleep(moment);
        assert!(!waiter.is_finished(), "there is no slot");
        live.pop().expect("at least one slot").release();
        waiter.join().expect("a waiter").expect("a slot")
    });
    live.push(Subject::of(allocator, slot, sample));
    live
}

/// Allocates a slot and releases it at once.
///
/// # Panics
///
/// When there is none.
pub fn cycle(allocator: &dyn InstanceAllocator, template: &Arc<Template>) {
    let slot = allocator.allocate(template).expect("a slot");
    // SAFETY: C1: it was allocated a line above; C2, C3: nobody else has it.
    unsafe { allocator.release(slot) };
}

/// Sizes zero, one page and many; regions side by side and apart; contents everywhere, nowhere, across guards.
fn samples() -> Vec<Sample> {
    use RegionKind::{Image, Volatile};
    let region = |kind, offset: usize, accessible: usize, limit: usize| Region {
        offset: offset * PAGE,
        kind,
        accessible: accessible * PAGE,
        limit: limit * PAGE,
    };
    let of = |bytes: usize, regions: &[Region], runs: &[(usize, usize)], seed| {
        let layout = SlotLayout::new(bytes * PAGE, regions).expect("a sound layout");
        let runs: Vec<_> = runs.iter().map(|(start, end)| start * PAGE..end * PAGE).collect();
        Sample::new(layout, &runs, seed)
    };
    let usual = [region(Volatile, 0, 1, 1), region(Image, 1, 3, 3), region(Image, 9, 4, 20)];
    vec![
        of(40, &usual, &[(1, 3), (10, 12)], 1),
        of(40, &usual, &[(0, 13)], 2),
        of(40, &usual, &[], 3),
        of(1, &[], &[], 4),
        of(1, &[region(Volatile, 0, 1, 1)], &[], 5),
        of(33, &[region(Image, 0, 0, 17), region(Image, 17, 1, 1), region(Image, 20, 0, 0)], &[(17, 18)], 6),
        of(90, &[region(Volatile, 0, 2, 2), region(Image, 2, 70, 70)], &[(2, 3), (30, 40), (71, 72)], 7),
    ]
}

fn fresh_slots_are_their_template(allocator: &dyn InstanceAllocator) {
    for sample in samples() {
        allocator.validate(sample.template.layout()).expect("small layouts are accepted");
        // `new` compares with the model.
        let (first, second) = (Subject::new(allocator, &sample), Subject::new(allocator, &sample));
        first.release();
        second.check();
        second.release();
    }
}

fn odd_ranges_are_judged_exactly(allocator: &dyn InstanceAllocator) {
    for sample in samples() {
        let mut subject = Subject::new(allocator, &sample);
        let end = subject.layout().bytes();
        let mut edges = vec![0, end, usize::MAX];
        for region in 0..subject.layout().regions().len() {
            let (limit, part) = (subject.layout().regions()[region].range().end, subject.accessible(region));
            edges.extend([part.start.wrapping_sub(1), part.start, part.start + 1, part.end, part.end + 1, limit]);
        }
        for (i, from) in edges.iter().enumerate() {
            for to in &edges[i..] {
                subject.write(*from..*to, i as u8);
            }
            subject.fault((*from).min(2 * end), i as u8);
        }
        for region in 0..=subject.layout().regions().len() {
            for accessible in [0, 1, PAGE, PAGE + 1, 20 * PAGE, end, end + PAGE, usize::MAX, usize::MAX / PAGE * PAGE] {
                subject.grow(region, accessible);
            }
        }
        subject.check();
        subject.release();
    }
}

fn nothing_survives_a_release(allocator: &dyn InstanceAllocator) {
    for round in 0..3 {
        for sample in samples() {
            let mut subject = Subject::new(allocator, &sample);
            subject.scribble(0xee);
            subject.release();
            let mut subject = Subject::new(allocator, &sample);
            for region in 0..subject.layout().regions().len() {
                subject.grow(region, subject.layout().regions()[region].limit);
            }
            subject.check();
            subject.fault(round * PAGE, 0xdd);
            subject.release();
        }
    }
}

fn many_slots_are_isolated(allocator: &dyn InstanceAllocator) {
    let samples = samples();
    let mut live: Vec<_> = (0..64).map(|i| Subject::new(allocator, &samples[i % samples.len()])).collect();
    for (i, a) in live.iter().enumerate() {
        for b in &live[..i] {
            let (a, b) = (a.range(), b.range());
            assert!(a.end <= b.start || b.end <= a.start, "G1: slots {a:x?} and {b:x?} overlap");
        }
    }
    for (i, subject) in live.iter_mut().enumerate() {
        subject.scribble(i as u8);
    }
    live.iter().for_each(Subject::check);
    live.into_iter().for_each(Subject::release);
}

fn slots_pass_between_threads(allocator: &dyn InstanceAllocator) {
    let samples = samples();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let samples = &samples;
            scope.spawn(move || {
                for round in 0..16 {
                    let sample = &samples[(round + usize::from(thread)) % samples.len()];
                    let slot = allocator.allocate(&sample.template).expect("a slot");
                    let other = move || {
                        let mut subject = Subject::of(allocator, slot, sample);
                        subject.scribble(thread);
                        subject.check();
                        subject.release();
                    };
                    scope.spawn(other).join().expect("no violation on the other thread");
                }
            });
        }
    });
}

/// A sequence of everything, in an order that only the seed decides.
fn random_history(allocator: &dyn InstanceAllocator, seed: u64) {
    let samples = samples();
    let mut random = Random(seed);
    let mut live: Vec<Subject<'_>> = Vec::new();
    for _ in 0..250 {
        if live.is_empty() || (live.len() < 8 && random.below(10) == 0) {
            live.push(Subject::new(allocator, &samples[random.below(samples.len())]));
        }
        let chosen = random.below(live.len());
        let subject = &mut live[chosen];
        let (bytes, regions) = (subject.layout().bytes(), subject.layout().regions().len());
        let value = random.below(256) as u8;
        match random.below(16) {
            0..6 => {
                let start = random.below(bytes + 1);
                subject.write(start..start + random.below(3 * PAGE), value);
            }
            6..11 => subject.fault(random.below(bytes + PAGE), value),
            11..13 => subject.grow(random.below(regions + 1), random.below(24) * PAGE),
            13..15 => subject.check(),
            _ => live.swap_remove(chosen).release(),
        }
    }
    for subject in live {
        subject.check();
        subject.release();
    }
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit as u64) as usize
    }
}
