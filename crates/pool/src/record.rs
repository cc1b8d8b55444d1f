//! One slot's life. And the invariants of the pool, which `unsafe` blocks cite by number.
//!
//! * **P1 (place).** Slot *i* of a class occupies `class.start + i * slot_bytes` of the reservation; nothing else is
//!   mapped there, and something is, as long as the pool lives.
//! * **P2 (one owner).** A slot that is not Live is in exactly one of: a shard's cell, its stock's stack, the
//!   cold indices of its class, the withdrawn list, or the hands of one thread that took it from there. A Live one is its
//!   handle's. Whoever has it owns the record's attachment; putting back is release, taking is acquire.
//! * **P3 (protection).** Where a slot is guarded, a page of the accessible part of an image region is writable only
//!   if its bit is set.
//! * **P4 (purity).** Every page of a Warm slot shows what the template has there, and so does every page of a
//!   guarded slot whose bit is clear.
//! * **P5 (charge).** The charges of attached slots add up to the limit at most; no slot can make more resident
//!   than its charge.
//! * **P6 (stable places).** Records, bits and the reservation live as long as the pool, and the pool lives
//!   longer than every handle (C1: a slot is given to its allocator at last).

use crate::attachment::Attachment;
use crate::sync::AtomicU32;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Where in its life a slot is. Each state says where it goes from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    /// Inaccessible, of no template. To Live, by attaching; to Withdrawn, when that fails.
    Cold = 0,
    /// In use. To Warm or Cold by a release; to Withdrawn by one that fails.
    Live = 1,
    /// Clean and mapped. To Live by an allocation; to Cold by eviction; to Withdrawn when that fails.
    Warm = 2,
    /// In an unknown state. To Cold, when it was replaced by inaccessible memory.
    Withdrawn = 3,
}

impl State {
    fn of(byte: u8) -> State {
        [State::Cold, State::Live, State::Warm, State::Withdrawn][usize::from(byte)]
    }
}

/// What is known of a slot whoever owns it. Aligned so that two slots never share a cache line.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Record {
    pub(crate) index: u32,
    pub(crate) class: u32,
    /// The slot's offset in the reservation.
    pub(crate) start: usize,
    /// The owner's, from `Box::into_raw`; null while the slot is Cold or Withdrawn.
    pub(crate) attachment: AtomicPtr<Attachment>,
    state: AtomicU8,
    /// The next slot in a stack.
    pub(crate) link: AtomicU32,
    pub(crate) ledger: Ledger,
}

/// A slot's contribution to the metrics. Written by its owner alone, so plain loads and stores do; read by anybody.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) hits: Tally,
    pub(crate) misses: Tally,
    pub(crate) resets: [Tally; 3],
    pub(crate) pages_copied: Tally,
    pub(crate) pages_streamed: Tally,
    pub(crate) openings: Tally,
    pub(crate) withdrawals: Tally,
    /// Gauges, zero while the slot is attached to nothing.
    pub(crate) set_pages: AtomicUsize,
    pub(crate) mappings: AtomicUsize,
    pub(crate) charge: AtomicUsize,
}

/// A count that only its owner changes, and that only grows.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        // Relaxed, and no read-modify-write: the owner is the only writer (P2).
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Record {
    pub(crate) fn new(index: u32, class: u32, start: usize) -> Record {
        Record {
            index,
            class,
            start,
            attachment: AtomicPtr::new(ptr::null_mut()),
            state: AtomicU8::new(State::Cold as u8),
            link: AtomicU32::new(0),
            ledger: Ledger::default(),
        }
    }

    #[inline]
    pub(crate) fn state(&self) -> State {
        // Relaxed: the lists order what matters.
        State::of(self.state.load(Ordering::Relaxed))
    }

    /// Moves on. Whoever thinks that the slot is in another state than it is has a bug, and stops here.
    #[inline]
    pub(crate) fn pass(&self, from: State, to: State) {
        let is = self.state();
        assert!(is == from, "slot {} is {is:?}, not {from:?}", self.index);
        self.state.store(to as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_proposal_is_rejected() {
        let record = Record::new(0, 0, 0);
        record.pass(State::Cold, State::Live);
        let again = std::panic::catch_unwind(|| record.pass(State::Cold, State::Live));
        assert!(again.is_err());
        assert_eq!(record.state(), State::Live);
    }
}
