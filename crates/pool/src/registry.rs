//! All stocks, and which of them gives up a warm slot first. Behind a lock: the slow path only.

use crate::free::Indices;
use crate::ground::Core;
use crate::slow::Without;
use crate::stock::{Stock, key_of};
use core::cmp::Reverse;
use core::sync::atomic::Ordering;
use hatchery_alloc::Template;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// Stocks that one visit looks at to see whether they are forgotten.
const SWEEP: usize = 4;

/// Everything that the slow path changes under one lock.
#[derive(Debug)]
pub(crate) struct Registry {
    stocks: HashMap<usize, Arc<Stock>>,
    /// Keys of all stocks, those that were looked at last at the end.
    round: VecDeque<usize>,
    /// By class.
    pub(crate) cold: Vec<Indices>,
    recent: Vec<Recency>,
    /// Slots in an unknown state.
    pub(crate) withdrawn: Vec<u32>,
    /// State of the random numbers that choose a cold slot.
    random: Option<u64>,
}

/// Stocks that have attached slots of a class, least recently used first; with times that may be out of date.
#[derive(Debug, Default)]
struct Recency {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    present: HashSet<usize>,
}

impl Registry {
    pub(crate) fn new(core: &Core, seed: Option<u64>) -> Registry {
        Registry {
            stocks: HashMap::new(),
            round: VecDeque::new(),
            cold: core.classes.iter().map(|class| Indices::new(class.slots)).collect(),
            recent: core.classes.iter().map(|_| Recency::default()).collect(),
            withdrawn: Vec::new(),
            random: seed,
        }
    }

    /// The stock of a template, if there is one.
    pub(crate) fn find(&self, key: usize) -> Option<Arc<Stock>> {
        self.stocks.get(&key).cloned()
    }

    /// The stock of a template, made if there is none.
    pub(crate) fn stock(&mut self, core: &Core, template: &Arc<Template>) -> Arc<Stock> {
        let key = key_of(template);
        if let Some(stock) = self.stocks.get(&key) {
            return stock.clone();
        }
        let stock = Arc::new(Stock::new(template, core.classes.len(), &core.options.working_sets));
        self.stocks.insert(key, stock.clone());
        self.round.push_back(key);
        stock
    }

    pub(crate) fn stocks(&self) -> impl Iterator<Item = &Arc<Stock>> {
        self.stocks.values()
    }

    /// Looks at some stocks whose template nobody can ask for any more. Those without slots are dropped here;
    /// those with slots are returned, for their warm ones to be evicted.
    pub(crate) fn sweep(&mut self, most: usize) -> Vec<Arc<Stock>> {
        let mut forgotten = Vec::new();
        for _ in 0..most.min(self.round.len()) {
            let Some(key) = self.round.pop_front() else { break };
            let Some(stock) = self.stocks.get(&key) else { continue };
            if !stock.is_forgotten() {
                self.round.push_back(key);
            } else if Arc::strong_count(stock) == 1 {
                // Only this registry knows it: no slot is attached, and nobody is about to attach one.
                self.stocks.remove(&key);
            } else {
                forgotten.push(stock.clone());
                self.round.push_back(key);
            }
        }
        forgotten
    }

    /// The usual number of stocks to sweep when a slot is attached.
    pub(crate) fn sweep_some(&mut self) -> Vec<Arc<Stock>> {
        self.sweep(SWEEP)
    }

    /// How many stocks there are.
    pub(crate) fn len(&self) -> usize {
        self.stocks.len()
    }

    /// Takes a cold slot of a class, and charges for it: both or neither.
    ///
    /// # Errors
    ///
    /// Which of the two there is not.
    pub(crate) fn take_cold(&mut self, core: &Core, class: usize, charge: usize) -> Result<u32, Without> {
        if self.cold[class].len() == 0 {
            return Err(Without::Slots);
        }
        if !core.resident.take(charge) {
            return Err(Without::Memory);
        }
        Ok(self.place(core, class).expect("one of those that were there"))
    }

    /// Takes a cold slot of a class, as the placement wants it.
    fn place(&mut self, core: &Core, class: usize) -> Option<u32> {
        let cold = &mut self.cold[class];
        let taken = match &mut self.random {
            None => cold.take_next(),
            Some(state) if cold.len() > 0 => {
                // SplitMix64.
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                cold.take_at(((z ^ (z >> 31)) % u64::from(cold.len())) as u32)
            }
            Some(_) => None,
        };
        taken.map(|at| core.classes[class].first + at)
    }

    /// Puts a slot back that is cold again.
    pub(crate) fn give_cold(&mut self, core: &Core, index: u32) {
        let class = core.class_of(index);
        self.cold[class].give(index - core.classes[class].first);
    }

    /// A stock has a slot of a class attached.
    pub(crate) fn note_use(&mut self, class: usize, stock: &Stock, now: u64) {
        stock.last_used.store(now, Ordering::Relaxed);
        let recency = &mut self.recent[class];
        if recency.present.insert(stock.key()) {
            recency.heap.push(Reverse((now, stock.key())));
        }
    }

    /// Lets `take` have a warm slot of the least recently used stock that has one in a class.
    pub(crate) fn evict(&mut self, class: usize, mut take: impl FnMut(&Stock) -> Option<u32>) -> Option<u32> {
        let recency = &mut self.recent[class];
        let mut without = Vec::new();
        let mut evicted = None;
        while let Some(Reverse((time, key))) = recency.heap.pop() {
            let Some(stock) = self.stocks.get(&key).filter(|stock| Arc::strong_count(stock) > 1) else {
                recency.present.remove(&key);
                continue;
            };
            let used = stock.last_used.load(Ordering::Relaxed);
            if used > time {
                recency.heap.push(Reverse((used, key)));
                continue;
            }
            evicted = take(stock);
            without.push(Reverse((time, key)));
            if evicted.is_some() {
                break;
            }
        }
        recency.heap.extend(without);
        evicted
    }
}
