//! What every part of the pool may use: the address space, the bounds, the accounts.

use crate::bits::{Bitmap, Bits};
use crate::config::{Discovery, PoolError, PoolOptions, Reset};
use crate::sys::{Access, Pagemap, Reservation, max_mappings};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use hatchery_alloc::PAGE;

/// Where the slots of a class are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClassPlan {
    /// Offset of the first slot in the reservation.
    pub(crate) start: usize,
    pub(crate) slot_bytes: usize,
    /// Number of the first slot.
    pub(crate) first: u32,
    pub(crate) slots: u32,
    /// Word of the bitmap where the first slot's bits begin.
    first_word: usize,
}

/// The largest contiguous part of the address space that a process has for sure: Linux loads programs at two thirds
/// of the user half, and what they map themselves at its end.
const ADDRESS_SPACE: usize = (1 << 47) / 3 * 2 - (1 << 36);
/// Most pages of a slot: they are numbered with 32 bits.
const MAX_SLOT_BYTES: usize = u32::MAX as usize * PAGE;
/// Most slots: each costs a pointer of address space.
const MAX_SLOTS: usize = 1 << 26;

/// Lays the classes out side by side, the smallest slots first. Those without slots are left out: what does not fit the last
/// one fits none.
pub(crate) fn plan(options: &PoolOptions) -> Result<Vec<ClassPlan>, PoolError> {
    let mut classes = options.classes.clone();
    classes.sort_by_key(|class| class.slot_bytes);
    let (mut start, mut first, mut first_word) = (0usize, 0usize, 0);
    let mut plans = Vec::with_capacity(classes.len());
    for class in classes {
        if class.slot_bytes > MAX_SLOT_BYTES {
            return Err(PoolError::SlotTooLarge { slot_bytes: class.slot_bytes, limit: MAX_SLOT_BYTES });
        }
        let slot_bytes = class.slot_bytes.max(1).next_multiple_of(PAGE);
        let slots = first.saturating_add(class.slots);
        if slots > MAX_SLOTS {
            return Err(PoolError::TooManySlots { slots, limit: MAX_SLOTS });
        }
        let end = slot_bytes.checked_mul(class.slots).and_then(|bytes| bytes.checked_add(start));
        let end = end
            .filter(|end| *end <= ADDRESS_SPACE)
            .ok_or(PoolError::AddressSpace { slots: class.slots, slot_bytes })?;
        if class.slots == 0 {
            continue;
        }
        plans.push(ClassPlan { start, slot_bytes, first: first as u32, slots: class.slots as u32, first_word });
        first_word += Bitmap::class_words(class.slots, slot_bytes);
        (start, first) = (end, slots);
    }
    Ok(plans)
}

/// How many slots of a size the address space holds, nothing else being in it.
pub(crate) fn most_slots(slot_bytes: usize) -> usize {
    let slot_bytes = slot_bytes.max(1).checked_next_multiple_of(PAGE).unwrap_or(usize::MAX);
    if slot_bytes > MAX_SLOT_BYTES { 0 } else { (ADDRESS_SPACE / slot_bytes).min(MAX_SLOTS) }
}

/// Bytes taken of a limited number.
#[derive(Debug)]
pub(crate) struct Account {
    limit: usize,
    taken: AtomicUsize,
}

impl Account {
    pub(crate) fn new(limit: usize) -> Account {
        Account { limit, taken: AtomicUsize::new(0) }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Whether there is a limit that could be reached.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit < usize::MAX
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// Takes an amount if the limit allows it. Relaxed: the number orders nothing but itself.
    pub(crate) fn take(&self, amount: usize) -> bool {
        let more = |taken: usize| taken.checked_add(amount).filter(|sum| *sum <= self.limit);
        amount == 0 || self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    pub(crate) fn give(&self, amount: usize) {
        if amount > 0 {
            let before = self.taken.fetch_sub(amount, Ordering::Relaxed);
            debug_assert!(before >= amount, "more was given back than taken");
        }
    }
}

/// Whether slots change hands before they are used again: many more images than slots, each used now and then. What a
/// first use teaches is wasted then.
#[derive(Debug, Default)]
pub(crate) struct Haste(AtomicU32);

impl Haste {
    /// Evictions in a row of slots that were used once from which on the next ones are expected to be like that.
    const DUE: u32 = 16;

    /// A slot is evicted that was used so often.
    pub(crate) fn note(&self, uses: u64) {
        // Relaxed, and not exchanged: it is a guess.
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(if uses <= 1 { before.saturating_add(1) } else { 0 }, Ordering::Relaxed);
    }

    pub(crate) fn is_due(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Haste::DUE
    }
}

/// Shared by all parts of a pool.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) options: PoolOptions,
    pub(crate) classes: Vec<ClassPlan>,
    pub(crate) space: Reservation,
    bitmap: Bitmap,
    /// Where resets may ask for written pages.
    pub(crate) pagemap: Option<Pagemap>,
    /// Bytes that attached slots can make resident (P5).
    pub(crate) resident: Account,
    /// Kernel mappings that each slot may have in any case, and those that all together may have beyond that.
    share: usize,
    extra: Account,
    pub(crate) haste: Haste,
    /// Counts attachments: the clock by which stocks are used recently or not.
    pub(crate) clock: AtomicU64,
}

impl Core {
    pub(crate) fn new(options: PoolOptions) -> Result<Core, PoolError> {
        let system = |step| move |source| PoolError::System { step, source };
        let classes = plan(&options)?;
        let bytes = classes.last().map_or(0, |class| class.start + class.slot_bytes * class.slots as usize);
        let space = Reservation::new(bytes, Access::None).map_err(system("reserving address space"))?;
        let sizes = classes.iter().map(|class| (class.slots as usize, class.slot_bytes));
        let bitmap = Bitmap::new(sizes).map_err(system("mapping the page maps"))?;
        let pagemap = match (options.reset, options.working_sets.discovery) {
            (Reset::PagemapScan, _) => Some(Pagemap::open().map_err(|source| PoolError::NoPagemapScan { source })?),
            (Reset::WorkingSet, Discovery::Scan) => Pagemap::open().ok(),
            _ => None,
        };
        let slots = classes.iter().map(|class| class.slots as usize).sum::<usize>();
        // A quarter is left for what else there is in the process. Half of the rest is divided evenly.
        let mappings = max_mappings() / 4 * 3;
        let share = mappings / 2 / slots.max(1);
        let resident = Account::new(options.max_resident_bytes);
        let extra = Account::new(mappings / 2);
        Ok(Core {
            options,
            classes,
            space,
            bitmap,
            pagemap,
            resident,
            share,
            extra,
            haste: Haste::default(),
            clock: AtomicU64::new(1),
        })
    }

    /// Slots of all classes.
    pub(crate) fn slots(&self) -> usize {
        self.classes.last().map_or(0, |class| class.first as usize + class.slots as usize)
    }

    /// The class of a slot.
    pub(crate) fn class_of(&self, index: u32) -> usize {
        self.classes.partition_point(|class| class.first + class.slots <= index)
    }

    /// The offset of a slot in the reservation (P1).
    pub(crate) fn start_of(&self, index: u32) -> usize {
        let class = &self.classes[self.class_of(index)];
        class.start + (index - class.first) as usize * class.slot_bytes
    }

    /// The bits of a slot.
    pub(crate) fn bits_of(&self, index: u32) -> Bits {
        let class = &self.classes[self.class_of(index)];
        self.bitmap.slot(class.first_word, (index - class.first) as usize, class.slot_bytes)
    }

    /// Runs that a slot's set may have whose slot has this many mappings: its share, or what it has, or part of what
    /// nobody uses. A run costs two mappings.
    pub(crate) fn max_runs(&self, mappings: usize) -> usize {
        let free = self.extra.limit().saturating_sub(self.extra.taken()) / 16;
        let most = self.share.max(mappings).max(self.share + free) / 2;
        self.options.working_sets.max_runs.unwrap_or(most)
    }

    /// Books a change of a slot's kernel mappings. Only a measure for `max_runs`: the kernel has the last word.
    pub(crate) fn book_mappings(&self, before: usize, now: usize) {
        let beyond = |mappings: usize| mappings.saturating_sub(self.share);
        self.extra.give(beyond(before));
        // Relaxed, and without a look at the limit, which `max_runs` has looked at.
        let _ = self.extra.taken.fetch_add(beyond(now), Ordering::Relaxed);
    }

    pub(crate) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Class;
    use proptest::prelude::*;

    fn with(classes: Vec<Class>) -> PoolOptions {
        PoolOptions { classes, ..PoolOptions::new(0, 0) }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let of = |slots, slot_bytes| plan(&with(vec![Class { slots, slot_bytes }]));
        assert!(matches!(of(usize::MAX, PAGE), Err(PoolError::TooManySlots { .. })));
        assert!(matches!(of(1 << 16, 4 << 30), Err(PoolError::AddressSpace { .. })));
        assert!(matches!(of(0, usize::MAX), Err(PoolError::SlotTooLarge { .. })));
        assert_eq!(of(0, 0).expect("no slots"), []);
        let most = most_slots(4 << 30);
        assert!(of(most, 4 << 30).is_ok() && of(most + 1, 4 << 30).is_err());
    }

    #[test]
    fn an_account_keeps_its_limit() {
        let account = Account::new(10);
        assert!(account.take(7) && !account.take(4) && account.take(3) && !account.take(1) && account.take(0));
        account.give(10);
        assert!(account.taken() == 0 && !account.take(usize::MAX));
    }

    proptest! {
        #[test]
        fn slots_of_all_classes_are_apart(sizes in proptest::collection::vec((0..5usize, 0..6usize), 0..5)) {
            let classes = sizes.iter().map(|(slots, pages)| Class { slots: *slots, slot_bytes: pages * PAGE + 1 });
            let core = Core::new(with(classes.collect())).expect("core");
            let mut free = 0;
            for index in 0..core.slots() as u32 {
                let class = core.classes[core.class_of(index)];
                prop_assert!(class.first <= index && index < class.first + class.slots);
                prop_assert_eq!(core.start_of(index), free);
                free += class.slot_bytes;
                core.bits_of(index).put(0..class.slot_bytes / PAGE, index % 2 == 0);
            }
            prop_assert!(free <= core.space.bytes());
            for index in 0..core.slots() as u32 {
                let pages = core.classes[core.class_of(index)].slot_bytes / PAGE;
                prop_assert_eq!(core.bits_of(index).find(0..pages, index % 2 != 0), pages);
            }
        }
    }
}
