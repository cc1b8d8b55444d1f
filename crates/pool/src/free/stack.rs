//! A Treiber stack of slot indices: what a stock holds beyond the shards.
//!
//! R. K. Treiber, *Systems Programming: Coping with Parallelism*, 1986; with a version beside the head, so
//! that a head that left and came back is noticed. Links are in the records, which are never freed
//! while the pool lives (P6): a stale read of one is harmless, because the exchange then fails.

use crate::sync::{AtomicU32, AtomicU64, Ordering, order};

/// Where the links of a stack are.
pub(crate) trait Links {
    /// The link of a slot; meaningful while the slot is in a stack.
    fn link(&self, index: u32) -> &AtomicU32;
}

/// Indices of free slots, last in, first out.
///
/// The head's low half is the index of the top plus one, or zero; its high half counts changes.
#[derive(Debug)]
pub(crate) struct Stack {
    head: AtomicU64,
}

const LOW: u64 = 0xffff_ffff;

fn changed(head: u64, top: u32) -> u64 {
    ((head >> 32).wrapping_add(1) << 32) | u64::from(top)
}

impl Stack {
    pub(crate) fn new() -> Stack {
        Stack { head: AtomicU64::new(0) }
    }

    /// Puts a slot in. Releases what its owner wrote to whoever takes it out.
    pub(crate) fn push(&self, links: &impl Links, index: u32) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            links.link(index).store((head & LOW) as u32, Ordering::Relaxed);
            // SeqCst: whoever waits for a slot and does not see this one is seen by us; see `wait`.
            match self.head.compare_exchange_weak(head, changed(head, index + 1), Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return order(),
                Err(now) => head = now,
            }
        }
    }

    /// Takes a slot out. Acquires what its last owner wrote.
    pub(crate) fn pop(&self, links: &impl Links) -> Option<u32> {
        order();
        let mut head = self.head.load(Ordering::SeqCst);
        loop {
            let index = ((head & LOW) as u32).checked_sub(1)?;
            let next = links.link(index).load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, changed(head, next), Ordering::SeqCst, Ordering::SeqCst) {
                Ok(_) => return Some(index),
                Err(now) => head = now,
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Table(Vec<AtomicU32>);

    impl Links for Table {
        fn link(&self, index: u32) -> &AtomicU32 {
            &self.0[index as usize]
        }
    }

    #[test]
    fn last_in_first_out() {
        let (stack, table) = (Stack::new(), Table((0..3).map(|_| AtomicU32::new(9)).collect()));
        assert_eq!(stack.pop(&table), None);
        for i in [2, 0, 1] {
            stack.push(&table, i);
        }
        assert_eq!([(); 4].map(|()| stack.pop(&table)), [Some(1), Some(0), Some(2), None]);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    struct Slots {
        stack: Stack,
        links: Vec<AtomicU32>,
        /// Stands for a record's contents: loom reports two accesses that nothing orders.
        contents: Vec<UnsafeCell<u32>>,
    }

    impl Links for Slots {
        fn link(&self, index: u32) -> &AtomicU32 {
            &self.links[index as usize]
        }
    }

    impl Slots {
        #[expect(unsafe_code, reason = "loom's cells check what they are given")]
        fn cycle(&self) -> bool {
            let Some(index) = self.stack.pop(self) else { return false };
            // SAFETY: loom panics when this access is not exclusive, which is what the model is about.
            self.contents[index as usize].with_mut(|at| unsafe { *at += 1 });
            self.stack.push(self, index);
            true
        }
    }

    #[test]
    fn loom_a_slot_has_one_owner_at_a_time() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let slots = Arc::new(Slots {
                stack: Stack::new(),
                links: (0..2).map(|_| AtomicU32::new(0)).collect(),
                contents: (0..2).map(|_| UnsafeCell::new(0)).collect(),
            });
            slots.stack.push(&*slots, 0);
            slots.stack.push(&*slots, 1);
            let threads: Vec<_> = (0..2)
                .map(|_| {
                    let slots = slots.clone();
                    thread::spawn(move || assert!(slots.cycle() && slots.cycle(), "two slots are enough for two"))
                })
                .collect();
            threads.into_iter().for_each(|t| t.join().expect("thread"));
            assert!(slots.stack.pop(&*slots) != slots.stack.pop(&*slots));
            assert_eq!(slots.stack.pop(&*slots), None);
        });
    }
}
