//! The pool: what is hot of it. What is not is in `slow`.

#![expect(unsafe_code, reason = "implements the allocator trait on raw mappings")]

use crate::attachment::Attachment;
use crate::config::{Placement, PoolError, PoolOptions, Reset, Verify};
use crate::free::{Links, Shards};
use crate::ground::{Core, most_slots};
use crate::metrics::Metrics;
use crate::record::{Record, State};
use crate::registry::Registry;
use crate::reset;
use crate::stock::key_of;
use crate::sync::AtomicU32;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use hatchery_alloc::{
    AllocateError, FaultVerdict, GrowError, InstanceAllocator, LayoutRefused, Learned, PAGE, PrepareError, Slot,
    SlotLayout, SlotToken, Template, Tuning, Waiters,
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Slots of address space that stay mapped and clean between uses.
///
/// The pool must live as long as its slots: whoever keeps a slot keeps the pool.
#[derive(Debug)]
pub struct Pool {
    pub(crate) core: Core,
    /// Made when a slot is first used; freed with the pool (P6).
    records: Box<[AtomicPtr<Record>]>,
    pub(crate) shards: Shards,
    registry: Mutex<Registry>,
    pub(crate) waiters: Waiters,
}

impl Pool {
    /// Reserves the address space. Nothing of it costs memory before it is used.
    ///
    /// # Errors
    ///
    /// When there are no slots, they do not fit the address space, or the kernel lacks what the reset needs.
    pub fn new(options: PoolOptions) -> Result<Pool, PoolError> {
        let seed = match options.placement {
            Placement::NextAvailable => None,
            Placement::Random { seed } => Some(seed),
        };
        let shards = Shards::new(options.shards, seed);
        let core = Core::new(options)?;
        if core.slots() == 0 {
            return Err(PoolError::NoSlots);
        }
        let registry = Mutex::new(Registry::new(&core, seed));
        // SAFETY: a null pointer is all zeros.
        let records = unsafe { Box::<[AtomicPtr<Record>]>::new_zeroed_slice(core.slots()).assume_init() };
        Ok(Pool { core, records, shards, registry, waiters: Waiters::new() })
    }

    /// How many slots of this size a pool can have that has nothing else.
    pub fn most_slots(slot_bytes: usize) -> usize {
        most_slots(slot_bytes)
    }

    /// Slots of all classes.
    pub fn slots(&self) -> usize {
        self.core.slots()
    }

    /// What it was made of.
    pub fn options(&self) -> &PoolOptions {
        &self.core.options
    }

    /// The records of all slots that were ever used.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        let records = self.records.iter().map(|record| record.load(Ordering::Acquire)).filter(|r| !r.is_null());
        // SAFETY: records live as long as the pool (P6) and are only ever shared.
        records.map(|record| unsafe { &*record })
    }

    /// What it did and has. Looks at every slot.
    pub fn metrics(&self) -> Metrics {
        let slots = self.core.slots();
        let (templates, bytes_charged) = (self.registry().len(), self.core.resident.taken());
        let mut metrics = Metrics { slots, templates, bytes_charged, ..Metrics::default() };
        let mut seen = 0;
        for record in self.records() {
            metrics.add(record.state(), &record.ledger, PAGE);
            seen += 1;
        }
        metrics.cold += slots - seen;
        metrics
    }

    /// As [`Pool::metrics`], and as a `tracing` event.
    pub fn report(&self) -> Metrics {
        let m = self.metrics();
        tracing::info!(
            slots = m.slots,
            live = m.live,
            warm = m.warm,
            cold = m.cold,
            withdrawn = m.withdrawn,
            templates = m.templates,
            affinity_hits = m.affinity_hits,
            affinity_misses = m.affinity_misses,
            withdrawals = m.withdrawals,
            resets_working_set = m.resets[Reset::WorkingSet as usize],
            resets_pagemap_scan = m.resets[Reset::PagemapScan as usize],
            resets_decommit = m.resets[Reset::Decommit as usize],
            pages_copied = m.pages_copied,
            pages_streamed = m.pages_streamed,
            faults_learned = m.faults_learned,
            working_set_pages = m.working_set_pages,
            kernel_mappings = m.kernel_mappings,
            bytes_charged = m.bytes_charged,
            bytes_resident = m.bytes_resident,
            "pool"
        );
        m
    }

    pub(crate) fn registry(&self) -> MutexGuard<'_, Registry> {
        // A panic under the lock is a bug that was reported already; lists stay lists.
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record of a slot, made if it has none.
    #[inline]
    pub(crate) fn record(&self, index: u32) -> &Record {
        let place = &self.records[index as usize];
        let record = place.load(Ordering::Acquire);
        if record.is_null() {
            return self.make_record(place, index);
        }
        // SAFETY: P6: records are freed with the pool, and only ever shared.
        unsafe { &*record }
    }

    #[cold]
    fn make_record<'a>(&'a self, place: &'a AtomicPtr<Record>, index: u32) -> &'a Record {
        let class = self.core.class_of(index) as u32;
        let new = Box::into_raw(Box::new(Record::new(index, class, self.core.start_of(index))));
        let placed = place.compare_exchange(ptr::null_mut(), new, Ordering::AcqRel, Ordering::Acquire);
        let record = placed.map_or_else(
            |other| {
                // SAFETY: ours was not published.
                drop(unsafe { Box::from_raw(new) });
                other
            },
            |_| new,
        );
        // SAFETY: as in `record`.
        unsafe { &*record }
    }

    /// The attachment of a slot that was just taken out of a list.
    ///
    /// # Safety
    ///
    /// The caller owns the slot (P2) and makes no other reference while this one lives.
    #[expect(clippy::mut_from_ref, reason = "the slot's ownership is what is exclusive, not the record's")]
    #[inline]
    pub(crate) unsafe fn attachment<'a>(&self, record: &'a Record) -> Option<&'a mut Attachment> {
        // SAFETY: the pointer is null or from `Box::into_raw`, freed only by the slot's owner, who the caller is.
        unsafe { record.attachment.load(Ordering::Relaxed).as_mut() }
    }

    /// Makes the handle of a slot that the caller owns, which is in the template's state.
    #[inline]
    pub(crate) fn hand_out(&self, record: &Record, a: &mut Attachment, from: State) -> Slot {
        record.pass(from, State::Live);
        let template = a.parked.take().expect("a free slot keeps a reference for its next handle");
        let token = SlotToken(ptr::from_mut(a).expose_provenance() as u64);
        // SAFETY: a Warm slot is clean (P4), a new one was just mapped; its access is what its mode says
        // (P3); nobody else has it (P2), and nothing overlaps it (P1).
        unsafe { Slot::new(a.base, template, token) }
    }

    /// Puts a Warm slot where its template's next allocation finds it. Releases it: the caller owns it no more.
    #[inline]
    fn park(&self, key: usize, index: u32) {
        if !self.shards.give(key, index, |displaced| self.shelve(displaced)) {
            self.shelve(index);
        }
    }

    /// Puts a Warm slot that the caller owns into its stock's stack.
    pub(crate) fn shelve(&self, index: u32) {
        let record = self.record(index);
        // SAFETY: the caller owns the slot.
        let a = unsafe { self.attachment(record) }.expect("a warm slot is attached");
        let stock = a.stock.clone();
        stock.stacks[record.class as usize].push(self, index);
    }

    /// The slot's attachment.
    ///
    /// # Safety
    ///
    /// C1; the slot is not released while the reference lives.
    #[inline]
    unsafe fn attached<'a>(&self, slot: &'a Slot) -> &'a Attachment {
        // SAFETY: by C1 the token is from `hand_out`; while the slot is in use its attachment is only shared.
        unsafe { &*ptr::with_exposed_provenance(slot.token().0 as usize) }
    }
}

impl Links for Pool {
    fn link(&self, index: u32) -> &AtomicU32 {
        &self.record(index).link
    }
}

// SAFETY: G1 is P1. G2 is P4, verified by every test; tails are zeroed or given back before they become inaccessible or
// are left (`take_tails`). G3 is P3, and its other half: whatever is in the set or was opened is writable. G4: `attach` opens
// accessible parts only, growth adds to them, `take_tails` takes that away. G5: `Attachment::fault` checks kind, accessible
// part and bit, and uses atomics and mprotect. G6: growth undoes what it did; a failed allocation withdraws the slot. G7: slots
// are private mappings, so that what was written, by uses and resets alike, is a copy.
unsafe impl InstanceAllocator for Pool {
    fn validate(&self, layout: &SlotLayout) -> Result<(), LayoutRefused> {
        let limit = self.core.classes.last().map_or(0, |class| class.slot_bytes);
        if layout.bytes() > limit {
            return Err(LayoutRefused::Slot { needed: layout.bytes(), limit });
        }
        let (needed, limit) = (layout.accessible_bytes(), self.core.resident.limit());
        if needed > limit {
            return Err(LayoutRefused::Accessible { needed, limit });
        }
        Ok(())
    }

    /// Where a whole reservation does not fit the largest slots, code gets half a slot and compares addresses. Where code
    /// grows memories it had better compare as well: a tail that may stay mapped costs no system call.
    fn tune(&self, tuning: &mut Tuning) {
        tuning.explicit_growth = true;
        let limit = self.core.classes.last().map_or(0, |class| class.slot_bytes);
        if tuning.reservation.saturating_add(tuning.guard) > limit {
            tuning.reservation = limit / 2 / PAGE * PAGE;
            tuning.guard = tuning.guard.min(limit / 8 / PAGE * PAGE);
            tuning.explicit_bounds = true;
        }
    }

    #[inline]
    fn allocate(&self, template: &Arc<Template>) -> Result<Slot, AllocateError> {
        let key = key_of(template);
        while let Some(index) = self.shards.take(key) {
            let record = self.record(index);
            // SAFETY: it was just taken from a shard (P2).
            let a = unsafe { self.attachment(record) }.expect("a warm slot is attached");
            if a.key == key {
                record.ledger.hits.add(1);
                return Ok(self.hand_out(record, a, State::Warm));
            }
            self.shelve(index);
            self.waiters.call();
        }
        self.allocate_slowly(template)
    }

    unsafe fn grow(&self, slot: &mut Slot, region: usize, accessible: usize) -> Result<(), GrowError> {
        // SAFETY: C1, and the handle is borrowed.
        let a = unsafe { self.attached(slot) };
        loop {
            match a.grow(&self.core, region, accessible) {
                // Warm slots are charged for, and nobody's.
                Err(GrowError::Memory { .. }) if self.make_room(a, a.uncharged(region, accessible)) => {}
                result => {
                    if matches!(result, Err(GrowError::System { .. })) {
                        // What it was charged for is free again, which others may have found missing meanwhile.
                        self.waiters.call();
                    }
                    return result;
                }
            }
        }
    }

    #[inline]
    unsafe fn prepare_write(&self, slot: &Slot, range: Range<usize>) -> Result<Range<usize>, PrepareError> {
        // SAFETY: C1, and the handle is borrowed.
        let a = unsafe { self.attached(slot) };
        a.prepare(&self.core, range)
    }

    unsafe fn write_fault(&self, slot: &Slot, address: usize) -> FaultVerdict {
        // SAFETY: C1, and the handle is borrowed.
        let a = unsafe { self.attached(slot) };
        match slot.offset_of(address) {
            Some(offset) => a.fault(&self.core, offset),
            None => FaultVerdict::Refused,
        }
    }

    #[inline]
    unsafe fn release(&self, slot: Slot) {
        let token = slot.token().0 as usize;
        // SAFETY: by C1 the token is from `hand_out`, by C2 and C3 nobody else refers to the attachment, and the handle
        // ends here: we own the slot (P2).
        let a: &mut Attachment = unsafe { &mut *ptr::with_exposed_provenance_mut(token) };
        a.parked = Some(slot.into_template());
        let (key, surplus) = (a.key, a.surplus);
        // SAFETY: P6.
        let record = unsafe { a.record.as_ref() };
        if a.is_quiet() {
            reset::quick(a);
        } else if let Err(failure) = reset::thorough(&self.core, a) {
            return self.withdraw_after_use(record, &failure);
        }
        if self.core.options.verify != Verify::Off
            && let Err(failure) = self.verify(record)
        {
            return self.withdraw_after_use(record, &failure);
        }
        if surplus {
            return self.retire(record);
        }
        record.pass(State::Live, State::Warm);
        self.park(key, record.index);
        self.waiters.call();
    }

    fn waiters(&self) -> Option<&Waiters> {
        Some(&self.waiters)
    }

    fn touched(&self, slot: &Slot, range: Range<usize>) -> Vec<Range<usize>> {
        hatchery_alloc::private_pages(slot, range)
    }

    fn learned(&self, template: &Arc<Template>) -> Learned {
        self.registry().find(key_of(template)).map_or_else(Learned::default, |stock| stock.learned())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for place in &mut self.records {
            let record = *place.get_mut();
            if record.is_null() {
                continue;
            }
            // SAFETY: from `make_record`; nobody else has the pool any more, and by P6 no handle is left but
            // those that were dropped without being released.
            let record = unsafe { Box::from_raw(record) };
            let attachment = record.attachment.load(Ordering::Relaxed);
            if !attachment.is_null() {
                // SAFETY: from `Box::into_raw` in `slow`, and freed by the slot's owner only, which we are now.
                drop(unsafe { Box::from_raw(attachment) });
            }
        }
    }
}
