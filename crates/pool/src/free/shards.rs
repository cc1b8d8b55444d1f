//! Free slots that threads put aside: a few per template, on cache lines that normally one thread touches.
//!
//! ```text
//!  shard of a thread      set = one cache line
//!  +-----+-----+-         +----------+------+------+------+-
//!  | set | set | ...      | key      | cell | cell | cell | ...     a cell: index of a free slot + 1, or 0
//!  +-----+-----+-         +----------+------+------+------+-
//! ```
//!
//! A key is the address of a template. It is a proposal: another thread that shares the shard may change
//! it at any time, so who takes a slot compares the slot's own template.

use super::thread;
use crate::sync::{AtomicU32, AtomicUsize, Ordering, order};

/// Cells of a set: as many as fit a cache line beside the key.
const CELLS: usize = if cfg!(all(loom, test)) { 2 } else { 14 };

/// A few free slots of one template.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Set {
    key: AtomicUsize,
    cells: [AtomicU32; CELLS],
}

impl Set {
    fn new() -> Set {
        Set { key: AtomicUsize::new(0), cells: core::array::from_fn(|_| AtomicU32::new(0)) }
    }

    #[inline]
    fn has(&self, key: usize) -> bool {
        // Relaxed: only a proposal.
        self.key.load(Ordering::Relaxed) == key
    }

    /// Takes a slot out, looking at all cells from one on. Acquires what its last owner wrote.
    #[inline]
    pub(crate) fn take(&self, from: usize) -> Option<u32> {
        order();
        for i in 0..CELLS {
            let cell = &self.cells[(from + i) % CELLS];
            // The test keeps the line from being claimed for nothing. SeqCst, both: see `wait`.
            if cell.load(Ordering::SeqCst) != 0
                && let Some(index) = cell.swap(0, Ordering::SeqCst).checked_sub(1)
            {
                return Some(index);
            }
        }
        None
    }

    /// Puts a slot in if there is room. Releases what its owner wrote to whoever takes it.
    #[inline]
    pub(crate) fn give(&self, index: u32) -> bool {
        for cell in &self.cells {
            if cell.load(Ordering::Relaxed) == 0
                && cell.compare_exchange(0, index + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok()
            {
                order();
                return true;
            }
        }
        false
    }
}

/// Sets of one shard.
const SETS: usize = 16;

/// Most shards. Each has more than a kilobyte, and whoever finds nothing in its own looks at all.
const MOST_SHARDS: usize = 4096;

#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    sets: [Set; SETS],
    /// State of the random numbers that choose a cell.
    random: AtomicUsize,
}

/// The shards of a pool.
#[derive(Debug)]
pub(crate) struct Shards {
    shards: Box<[Shard]>,
    seed: Option<u64>,
}

/// The two sets of a shard that a key may use.
#[inline]
fn places(key: usize) -> (usize, usize) {
    let first = (key as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60;
    (first as usize % SETS, (first as usize % SETS) ^ 1)
}

impl Shards {
    /// A power of two of shards, whatever is asked for; with a seed, cells are chosen at random.
    pub(crate) fn new(count: usize, seed: Option<u64>) -> Shards {
        let count = count.clamp(1, MOST_SHARDS).next_power_of_two();
        let shard = |i: usize| Shard {
            sets: core::array::from_fn(|_| Set::new()),
            random: AtomicUsize::new((seed.unwrap_or(0) as usize ^ i.wrapping_mul(0x9e37_79b9)) | 1),
        };
        Shards { shards: (0..count).map(shard).collect(), seed }
    }

    #[inline]
    fn own(&self) -> &Shard {
        &self.shards[thread::number() as usize & (self.shards.len() - 1)]
    }

    #[inline]
    fn start(&self, shard: &Shard) -> usize {
        if self.seed.is_none() {
            return 0;
        }
        // Xorshift. Relaxed: two threads that share the shard may draw the same number.
        let mut x = shard.random.load(Ordering::Relaxed);
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        shard.random.store(x, Ordering::Relaxed);
        x % CELLS
    }

    /// A slot that this thread put aside for a template; probably of that template.
    #[inline]
    pub(crate) fn take(&self, key: usize) -> Option<u32> {
        let shard = self.own();
        let (first, second) = places(key);
        let from = self.start(shard);
        [first, second].into_iter().map(|i| &shard.sets[i]).filter(|set| set.has(key)).find_map(|set| set.take(from))
    }

    /// Puts a slot aside for this thread. If both sets serve other templates, one is reused: what it
    /// holds goes to `displaced`. `false` if there is no room.
    #[inline]
    pub(crate) fn give(&self, key: usize, index: u32, displaced: impl FnMut(u32)) -> bool {
        let shard = self.own();
        let (first, second) = places(key);
        for i in [first, second] {
            if shard.sets[i].has(key) {
                return shard.sets[i].give(index);
            }
        }
        self.claim(&shard.sets[first], key, displaced).give(index)
    }

    #[cold]
    fn claim<'a>(&self, set: &'a Set, key: usize, mut displaced: impl FnMut(u32)) -> &'a Set {
        set.key.store(key, Ordering::Relaxed);
        while let Some(index) = set.take(0) {
            displaced(index);
        }
        set
    }

    /// A slot that any thread put aside for a template; probably of that template.
    pub(crate) fn steal(&self, key: usize) -> Option<u32> {
        let (first, second) = places(key);
        let sets = self.shards.iter().flat_map(|shard| [&shard.sets[first], &shard.sets[second]]);
        sets.filter(|set| set.has(key)).find_map(|set| set.take(0))
    }

    /// Takes out everything that all threads put aside.
    pub(crate) fn drain(&self, mut each: impl FnMut(u32)) {
        for set in self.shards.iter().flat_map(|shard| &shard.sets) {
            while let Some(index) = set.take(0) {
                each(index);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_a_cache_line() {
        assert_eq!(size_of::<Set>(), 64);
    }

    #[test]
    fn what_is_put_aside_comes_back_for_its_key_only() {
        for seed in [None, Some(7)] {
            let shards = Shards::new(3, seed);
            let none = |_| panic!("nothing to displace");
            assert!((0..CELLS as u32).all(|i| shards.give(0x1000, i, none)));
            assert!(!shards.give(0x1000, 99, none), "there is no room");
            assert_eq!(shards.take(0x2000), None);
            let mut all: Vec<_> = core::iter::from_fn(|| shards.take(0x1000)).collect();
            all.sort_unstable();
            assert_eq!(all, Vec::from_iter(0..CELLS as u32));
        }
    }

    #[test]
    fn a_set_that_changes_its_key_gives_up_what_it_holds() {
        let shards = Shards::new(1, None);
        let (mut other, mut displaced) = (0x1000, Vec::new());
        while places(other).0 != places(0x20).0 || other == 0x20 {
            other += 16;
        }
        assert!(shards.give(0x20, 5, |_| ()));
        assert!(shards.give(other, 6, |i| displaced.push(i)));
        assert_eq!(displaced, [5]);
        assert_eq!((shards.take(0x20), shards.take(other)), (None, Some(6)));
    }

    #[test]
    fn any_number_of_shards_can_be_asked_for() {
        for (count, shards) in [(0, 1), (1, 1), (5, 8), (MOST_SHARDS, MOST_SHARDS), (usize::MAX, MOST_SHARDS)] {
            assert_eq!(Shards::new(count, None).shards.len(), shards);
        }
    }

    #[test]
    fn thieves_find_what_other_threads_put_aside() {
        let shards = Shards::new(8, None);
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(shards.give(0x1000, 3, |_| ()) && shards.give(0x1000, 4, |_| ())));
        });
        assert_eq!(shards.steal(0x1000), Some(3));
        let mut rest = Vec::new();
        shards.drain(|i| rest.push(i));
        assert_eq!(rest, [4]);
        assert_eq!(shards.steal(0x1000), None);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    struct Model {
        set: Set,
        contents: [UnsafeCell<u32>; 2],
        /// Where a slot goes that finds no room: a cell that was just emptied may still look full.
        shelf: Mutex<Vec<u32>>,
    }

    impl Model {
        #[expect(unsafe_code, reason = "loom's cells check what they are given")]
        fn cycle(&self) {
            let Some(index) = self.set.take(0) else { return };
            // SAFETY: loom panics when this access is not exclusive, which is what the model is about.
            self.contents[index as usize].with_mut(|at| unsafe { *at += 1 });
            if !self.set.give(index) {
                self.shelf.lock().expect("lock").push(index);
            }
        }
    }

    fn model(body: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(body);
    }

    #[test]
    fn loom_owner_and_thief_never_have_the_same_slot() {
        model(|| {
            let contents = [UnsafeCell::new(0), UnsafeCell::new(0)];
            let model = Arc::new(Model { set: Set::new(), contents, shelf: Mutex::new(Vec::new()) });
            assert!(model.set.give(0) && model.set.give(1));
            let thief = {
                let model = model.clone();
                thread::spawn(move || model.cycle())
            };
            model.cycle();
            model.cycle();
            thief.join().expect("thief");
            let mut all = core::mem::take(&mut *model.shelf.lock().expect("lock"));
            all.extend(core::iter::from_fn(|| model.set.take(0)));
            all.sort_unstable();
            assert_eq!(all, [0, 1], "no slot is lost, none is there twice");
        });
    }

    #[test]
    fn loom_who_waits_sees_the_slot_or_is_seen() {
        model(|| {
            let shared = Arc::new((Set::new(), AtomicUsize::new(0)));
            let waiter = {
                let shared = shared.clone();
                thread::spawn(move || {
                    shared.1.fetch_add(1, Ordering::SeqCst);
                    order();
                    shared.0.take(0).is_some()
                })
            };
            assert!(shared.0.give(0));
            order();
            let seen = shared.1.load(Ordering::SeqCst) > 0;
            let found = waiter.join().expect("waiter");
            assert!(seen || found, "a waiter would sleep beside a free slot");
        });
    }
}
