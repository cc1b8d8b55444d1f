//! What the pool did and has, as numbers.

use crate::record::{Ledger, State};
use core::sync::atomic::Ordering;

/// What the pool did and has. Taken while other threads go on, so the numbers may be of slightly different
/// moments; none is ever negative, and what counts events never decreases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Slots of all classes.
    pub slots: usize,
    /// Slots in use.
    pub live: usize,
    /// Clean slots, mapped for a template.
    pub warm: usize,
    /// Slots that are mapped for nothing.
    pub cold: usize,
    /// Slots in an unknown state, that are not used until they have been unmapped whole.
    pub withdrawn: usize,
    /// Templates that the pool knows.
    pub templates: usize,
    /// Allocations that found a warm slot of their template.
    pub affinity_hits: u64,
    /// Allocations that had to map one.
    pub affinity_misses: u64,
    /// Slots that were withdrawn so far.
    pub withdrawals: u64,
    /// Resets by working set, by scan, by decommit.
    pub resets: [u64; 3],
    /// Pages put back.
    pub pages_copied: u64,
    /// Those of them that went around the caches.
    pub pages_streamed: u64,
    /// Protected pages, or groups of them, that were opened because somebody wrote to them.
    pub faults_learned: u64,
    /// Pages in the working sets of attached slots.
    pub working_set_pages: usize,
    /// Kernel mappings of attached slots, about.
    pub kernel_mappings: usize,
    /// Bytes that attached slots can make resident; what `max_resident_bytes` limits.
    pub bytes_charged: usize,
    /// Bytes that attached slots have resident of their own: their working sets, and all of those without one.
    pub bytes_resident: usize,
}

impl Metrics {
    /// Adds one slot.
    pub(crate) fn add(&mut self, state: State, ledger: &Ledger, page: usize) {
        match state {
            State::Cold => self.cold += 1,
            State::Live => self.live += 1,
            State::Warm => self.warm += 1,
            State::Withdrawn => self.withdrawn += 1,
        }
        self.affinity_hits += ledger.hits.get();
        self.affinity_misses += ledger.misses.get();
        self.withdrawals += ledger.withdrawals.get();
        for (sum, resets) in self.resets.iter_mut().zip(&ledger.resets) {
            *sum += resets.get();
        }
        self.pages_copied += ledger.pages_copied.get();
        self.pages_streamed += ledger.pages_streamed.get();
        self.faults_learned += ledger.openings.get();
        let (pages, charge) = (ledger.set_pages.load(Ordering::Relaxed), ledger.charge.load(Ordering::Relaxed));
        self.working_set_pages += pages;
        self.kernel_mappings += ledger.mappings.load(Ordering::Relaxed);
        self.bytes_resident += if pages > 0 { (pages * page).min(charge) } else { charge };
    }
}
