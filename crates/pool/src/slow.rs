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
enum Without {
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
                self.shards.drain(|index| self.shelve(index));
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

    /// A warm slot of a stock, in a class, from the stack or any thread's shard.
    fn take_warm(&self, stock: &Stock, class: usize) -> Option<u32> {
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
        }
        None
    }

    /// Maps a slot of a class for a template: a cold one, or one that another template gives up.
    fn attach_in(&self, class: usize, stock: &Arc<Stock>) -> Result<Slot, Without> {
        self.evict_forgotten();
        let index = self.find_cold(class).ok_or(Without::Slots)?;
        let record = self.record(index);
        self.charge(record, stock)?;
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

    /// Charges a cold slot for what the template's slots have; where that is too much, the slot is given back.
    fn charge(&self, record: &Record, stock: &Stock) -> Result<(), Without> {
        let charge = stock.template.layout().accessible_bytes();
        while !self.core.resident.take(charge) {
            if !self.evict_any() {
                self.registry().give_cold(&self.core, record.index);
                return Err(Without::Memory);
            }
        }
        record.ledger.charge.store(charge, Ordering::Relaxed);
        Ok(())
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

    /// A cold slot of a class that the caller then owns, made by eviction or scrubbing if there is none.
    fn find_cold(&self, class: usize) -> Option<u32> {
        loop {
            let mut registry = self.registry();
            if let Some(index) = registry.take_cold(&self.core, class) {
                return Some(index);
            }
            let Some(index) = registry.evict(class, |stock| self.take_warm(stock, class)) else {
                drop(registry);
                return self.scrub_one(class);
            };
            drop(registry);
            let record = self.record(index);
            // SAFETY: it was just taken from its stock (P2).
            let a = unsafe { self.attachment(record) }.expect("a warm slot is attached");
            self.core.haste.note(a.uses);
            if self.detach(record, State::Warm) {
                return Some(index);
            }
        }
    }

    /// Evicts one warm slot, of whatever class; `false` if there is none.
    pub(crate) fn evict_any(&self) -> bool {
        for class in 0..self.core.classes.len() {
            let evicted = self.registry().evict(class, |stock| self.take_warm(stock, class));
            if let Some(index) = evicted {
                self.cool(index);
                return true;
            }
        }
        false
    }

    /// Makes a warm slot that the caller owns cold, for anybody.
    fn cool(&self, index: u32) {
        if self.detach(self.record(index), State::Warm) {
            self.registry().give_cold(&self.core, index);
        }
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
        self.shards.drain(|index| self.shelve(index));
        for _ in 0..2 {
            let all = self.registry().len();
            let forgotten = self.registry().sweep(all);
            forgotten.iter().for_each(|stock| self.evict_all(stock));
        }
    }

    /// Gives up all warm slots.
    pub fn evict_warm(&self) {
        self.shards.drain(|index| self.shelve(index));
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
        if let Some(index) = self.scrub_one(record.class as usize) {
            self.registry().give_cold(&self.core, index);
        }
    }

    /// Replaces a withdrawn slot of a class whole; the caller then owns it, cold.
    fn scrub_one(&self, class: usize) -> Option<u32> {
        let index = {
            let mut registry = self.registry();
            let at = registry.withdrawn.iter().rposition(|index| self.core.class_of(*index) == class)?;
            registry.withdrawn.swap_remove(at)
        };
        let record = self.record(index);
        if self.core.space.vanish(self.whole(record)).is_err() {
            self.registry().withdrawn.push(index);
            return None;
        }
        self.settle_accounts(record);
        record.pass(State::Withdrawn, State::Cold);
        Some(index)
    }

    /// After a release whose reset failed.
    #[cold]
    pub(crate) fn withdraw_after_use(&self, record: &Record, failure: &Failure) {
        self.forget(record);
        record.pass(State::Live, State::Withdrawn);
        self.withdraw(record, failure);
        self.waiters.call();
    }

    /// After the release of a slot beyond what its template may keep.
    #[cold]
    pub(crate) fn retire(&self, record: &Record) {
        if self.detach(record, State::Live) {
            self.registry().give_cold(&self.core, record.index);
        }
        self.waiters.call();
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
