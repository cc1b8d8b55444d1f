//! The slow path: attaching, evicting, withdrawing.

#![expect(unsafe_code, reason = "owns slots that it took out of lists")]

use crate::attach::{Thrift, attach, clear_bits};
use crate::attachment::Attachment;
use crate::pool::Pool;
use crate::record::{Record, State};
use crate::reset::{Failure, difference};
use crate::stock::Stock;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};
use hatchery_alloc::{AllocateError, InstanceAllocator, Slot, Template};
use std::io;
use std::sync::Arc;

/// How often an attachment that the kernel refused is tried again, each time after an eviction and with as few mappings
/// as possible: mappings and memory are what it may lack.
const RETRIES: usize = 3;

/// Why a class has no slot for a template.
#[derive(Debug)]
pub(crate) enum Without {
    /// All slots are in use.
    Slots,
    /// The slots in use may fill the memory.
    Memory,
    /// The kernel refused.
    System(io::Error),
}

fn system(source: io::Error) -> AllocateError {
    AllocateError::System { step: "mapping a slot", source }
}

impl Pool {
    /// Everything that `allocate` tries when its thread has put nothing aside, the cheapest first.
    #[cold]
    pub(crate) fn allocate_slowly(&self, template: &Arc<Template>) -> Result<Slot, AllocateError> {
        self.validate(template.layout())?;
        let stock = self.registry().stock(&self.core, template);
        let classes = self.core.classes.partition_point(|class| class.slot_bytes < template.layout().bytes());
        let classes = classes..self.core.classes.len();
        let mut without = Without::Slots;
        // What threads have put aside under keys that were changed meanwhile is found by the second attempt.
        for drained in [false, true] {
            if drained {
                self.gather();
            }
            if let Some(index) = classes.clone().find_map(|class| self.take_warm(&stock, class)) {
                return Ok(self.hand_out_warm(index));
            }
            for class in classes.clone() {
                match self.attach_in(class, &stock) {
                    Ok(slot) => return Ok(slot),
                    Err(Without::System(source)) => return Err(system(source)),
                    Err(Without::Memory) => without = Without::Memory,
                    Err(Without::Slots) => (),
                }
            }
        }
        match without {
            Without::Memory => Err(AllocateError::Memory { limit: self.core.resident.limit() }),
            _ => Err(AllocateError::Exhausted { limit: self.core.slots() }),
        }
    }

    fn hand_out_warm(&self, index: u32) -> Slot {
        let record = self.record(index);
        // SAFETY: the caller took it out of a list (P2).
        let a = unsafe { self.attachment(record) }.expect("a warm slot is attached");
        record.ledger.hits.add(1);
        self.hand_out(record, a, State::Warm)
    }

    /// Puts what threads have put aside into the stacks of its templates.
    fn gather(&self) {
        let mut moved = false;
        self.shards.drain(|index| {
            self.shelve(index);
            moved = true;
        });
        self.call_after(moved);
    }

    /// Calls who waits, if a free slot was in this thread's hands: others may have found it in no list.
    fn call_after(&self, moved: bool) {
        if moved {
            self.waiters.call();
        }
    }

    /// A warm slot of a stock, in a class, from the stack or any thread's shard.
    fn take_warm(&self, stock: &Stock, class: usize) -> Option<u32> {
        let mut moved = false;
        let taken = self.find_warm(stock, class, &mut moved);
        self.call_after(moved);
        taken
    }

    /// The same under the registry's lock, where nobody may be called; says whether slots were moved on the way.
    fn find_warm(&self, stock: &Stock, class: usize, moved: &mut bool) -> Option<u32> {
        if let Some(index) = stock.stacks[class].pop(self) {
            return Some(index);
        }
        // At most as many as are attached: those of other classes go to their stacks.
        for _ in 0..=stock.attached.load(Ordering::Relaxed) {
            let index = self.shards.steal(stock.key())?;
            let record = self.record(index);
            // SAFETY: it was just taken from a shard (P2).
            let a = unsafe { self.attachment(record) }.expect("a warm slot is attached");
            if a.key == stock.key() && record.class as usize == class {
                return Some(index);
            }
            self.shelve(index);
            *moved = true;
        }
        None
    }

    /// A warm slot of a class, of the stock that was used least recently.
    fn take_oldest(&self, class: usize) -> Option<u32> {
        let mut moved = false;
        let taken = self.registry().evict(class, |stock| self.find_warm(stock, class, &mut moved));
        self.call_after(moved);
        taken
    }

    /// Maps a slot of a class for a template: a cold one, or one that another template gives up.
    fn attach_in(&self, class: usize, stock: &Arc<Stock>) -> Result<Slot, Without> {
        self.evict_forgotten();
        let charge = stock.template.layout().accessible_bytes();
        let record = self.record(self.find_cold(class, charge)?);
        record.ledger.charge.store(charge, Ordering::Relaxed);
        let surplus = !take_share(&stock.kept, self.core.options.max_warm_per_template);
        stock.attached.fetch_add(1, Ordering::Relaxed);
        let now = self.core.tick();
        self.registry().note_use(class, stock, now);
        match self.attach_trying(record, stock, surplus) {
            Ok(attached) => Ok(self.hand_out_new(record, attached)),
            Err(error) => {
                leave(stock, surplus);
                record.pass(State::Cold, State::Withdrawn);
                self.withdraw(record, &error);
                Err(Without::System(error))
            }
        }
    }

    fn attach_trying(&self, record: &Record, stock: &Arc<Stock>, surplus: bool) -> io::Result<Box<Attachment>> {
        let mut attached = attach(&self.core, record, stock, surplus, Thrift::Usual);
        for _ in 0..RETRIES {
            // What was mapped of the slot must not survive a failure.
            if attached.is_ok() || self.core.space.vanish(self.whole(record)).is_err() {
                break;
            }
            // And of what it was charged for beyond its layout, nothing is there any more.
            let charge = stock.template.layout().accessible_bytes();
            let charged = record.ledger.charge.swap(charge, Ordering::Relaxed);
            self.core.resident.give(charged.saturating_sub(charge));
            self.waiters.call();
            self.evict_any();
            attached = attach(&self.core, record, stock, surplus, Thrift::Utmost);
        }
        attached
    }

    fn hand_out_new(&self, record: &Record, attached: Box<Attachment>) -> Slot {
        record.ledger.misses.add(1);
        let a = Box::into_raw(attached);
        record.attachment.store(a, Ordering::Relaxed);
        // SAFETY: just made, and ours as the slot is (P2).
        let a = unsafe { &mut *a };
        tracing::debug!(slot = record.index, template = a.stock.template.id().get(), "slot attached");
        self.hand_out(record, a, State::Cold)
    }

    /// A cold slot of a class that the caller then owns, and is charged for; made by eviction or scrubbing if there is none.
    ///
    /// It is taken together with the memory for it, so that nobody who waits finds one of them missing because it is in the
    /// hands of somebody else who waits, for the other: two such would call each other without end.
    fn find_cold(&self, class: usize, charge: usize) -> Result<u32, Without> {
        loop {
            let taken = self.registry().take_cold(&self.core, class, charge);
            let Err(without) = taken else { return taken };
            let more = match without {
                Without::Memory => self.evict_any(),
                _ => self.evict_from(class) || self.scrub(class),
            };
            if !more {
                return Err(without);
            }
        }
    }

    /// Evicts one warm slot of a class, for another template; `false` if there is none.
    fn evict_from(&self, class: usize) -> bool {
        let Some(index) = self.take_oldest(class) else { return false };
        // SAFETY: it was just taken from its stock (P2).
        let a = unsafe { self.attachment(self.record(index)) }.expect("a warm slot is attached");
        self.core.haste.note(a.uses);
        self.cool(index);
        true
    }

    /// Evicts one warm slot, of whatever class; `false` if there is none.
    pub(crate) fn evict_any(&self) -> bool {
        let evicted = (0..self.core.classes.len()).find_map(|class| self.take_oldest(class));
        evicted.is_some_and(|index| {
            self.cool(index);
            true
        })
    }

    /// Makes a warm slot that the caller owns cold, for anybody.
    fn cool(&self, index: u32) {
        if self.detach(self.record(index), State::Warm) {
            self.give_cold(index);
        }
    }

    /// Puts a cold slot that the caller owns where everybody finds it, and tells who waits.
    fn give_cold(&self, index: u32) {
        self.registry().give_cold(&self.core, index);
        self.waiters.call();
    }

    /// Evicts warm slots of some templates that nobody can ask for any more.
    fn evict_forgotten(&self) {
        let forgotten = self.registry().sweep_some();
        forgotten.iter().for_each(|stock| self.evict_all(stock));
    }

    fn evict_all(&self, stock: &Stock) {
        for class in 0..self.core.classes.len() {
            while let Some(index) = self.take_warm(stock, class) {
                self.cool(index);
            }
        }
    }

    /// Gives up the warm slots of all templates that nobody can ask for any more, and with them the templates.
    pub fn trim(&self) {
        self.gather();
        for _ in 0..2 {
            let all = self.registry().len();
            let forgotten = self.registry().sweep(all);
            forgotten.iter().for_each(|stock| self.evict_all(stock));
        }
    }

    /// Gives up all warm slots.
    pub fn evict_warm(&self) {
        self.gather();
        let stocks: Vec<_> = self.registry().stocks().cloned().collect();
        stocks.iter().for_each(|stock| self.evict_all(stock));
    }

    /// All that a slot's class gives it.
    fn whole(&self, record: &Record) -> core::ops::Range<usize> {
        record.start..record.start + self.core.classes[record.class as usize].slot_bytes
    }

    /// Takes a slot away from its template and makes it cold; `false` if it had to be withdrawn. The
    /// caller owns the slot, which then is in no list.
    fn detach(&self, record: &Record, from: State) -> bool {
        tracing::debug!(slot = record.index, "slot detached");
        self.forget(record);
        if let Err(error) = self.core.space.vanish(self.whole(record)) {
            record.pass(from, State::Withdrawn);
            self.withdraw(record, &error);
            return false;
        }
        self.settle_accounts(record);
        record.pass(from, State::Cold);
        true
    }

    /// Frees the attachment of a slot that the caller owns. Its pages are as they were.
    fn forget(&self, record: &Record) {
        let attachment = record.attachment.swap(ptr::null_mut(), Ordering::Relaxed);
        // SAFETY: from `Box::into_raw` in `hand_out_new`; the slot's owner is the only one who frees it.
        let a = unsafe { Box::from_raw(attachment) };
        clear_bits(&a);
        self.core.book_mappings(a.mappings, 0);
        record.ledger.set_pages.store(0, Ordering::Relaxed);
        record.ledger.mappings.store(0, Ordering::Relaxed);
        leave(&a.stock, a.surplus);
    }

    /// A slot that is cold holds nothing.
    fn settle_accounts(&self, record: &Record) {
        self.core.resident.give(record.ledger.charge.swap(0, Ordering::Relaxed));
    }

    /// A slot whose state is not known: replaced whole, or kept aside until that succeeds. Until then it stays
    /// charged, as it may hold memory.
    fn withdraw(&self, record: &Record, why: &dyn core::fmt::Display) {
        record.ledger.withdrawals.add(1);
        tracing::warn!(slot = record.index, %why, "slot withdrawn");
        self.registry().withdrawn.push(record.index);
        if !self.scrub(record.class as usize) {
            // Whoever tries next may succeed.
            self.waiters.call();
        }
    }

    /// Replaces a withdrawn slot of a class whole, which then is cold; `false` if there is none, or the kernel refuses.
    fn scrub(&self, class: usize) -> bool {
        let Some(index) = self.take_withdrawn(class) else { return false };
        let record = self.record(index);
        if self.core.space.vanish(self.whole(record)).is_err() {
            self.registry().withdrawn.push(index);
            return false;
        }
        self.settle_accounts(record);
        record.pass(State::Withdrawn, State::Cold);
        self.give_cold(index);
        true
    }

    fn take_withdrawn(&self, class: usize) -> Option<u32> {
        let mut registry = self.registry();
        let at = registry.withdrawn.iter().rposition(|index| self.core.class_of(*index) == class)?;
        Some(registry.withdrawn.swap_remove(at))
    }

    /// After a release whose reset failed.
    #[cold]
    pub(crate) fn withdraw_after_use(&self, record: &Record, failure: &Failure) {
        self.forget(record);
        record.pass(State::Live, State::Withdrawn);
        self.withdraw(record, failure);
    }

    /// After the release of a slot beyond what its template may keep.
    #[cold]
    pub(crate) fn retire(&self, record: &Record) {
        if self.detach(record, State::Live) {
            self.give_cold(record.index);
        }
    }

    /// Compares a slot that was just reset, and that the caller owns, with its template.
    ///
    /// # Errors
    ///
    /// When the template cannot be read.
    #[cold]
    pub(crate) fn verify(&self, record: &Record) -> Result<(), Failure> {
        // SAFETY: the caller owns the slot (P2) and keeps no other reference in use.
        let a = unsafe { self.attachment(record) }.expect("a live slot is attached");
        if let Some(at) = difference(a)? {
            let mode = a.mode();
            self.forget(record);
            record.pass(State::Live, State::Withdrawn);
            self.withdraw(record, &"a reset left a byte of an earlier use");
            panic!("G2: byte {at:#x} of slot {} differs from its template after a reset ({mode:?})", record.index);
        }
        Ok(())
    }
}

/// Takes one of a limited number.
fn take_share(count: &AtomicUsize, limit: usize) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < limit).then_some(n + 1)).is_ok()
}

/// A slot is not attached to a stock any more.
fn leave(stock: &Stock, surplus: bool) {
    stock.attached.fetch_sub(1, Ordering::Relaxed);
    if !surplus {
        stock.kept.fetch_sub(1, Ordering::Relaxed);
    }
}
