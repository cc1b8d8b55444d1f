//! Guest stacks, kept in a bounded pool.

#![expect(unsafe_code, reason = "hands out mappings one behind the other")]

use super::stack::{GuestStack, Scrub, StackConfig, StackError, reserve};
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Free lists of a kind. A power of two, no less than the threads that attach stacks at the same time on common hosts.
const SHARDS: usize = 16;
/// Most stacks that are reserved at a time. Each reservation is twice the last one.
const MOST_RESERVED: usize = 16;

/// Guest stacks for any number of threads.
#[derive(Debug)]
pub struct StackPool {
    config: StackConfig,
    /// Stacks that are mapped, used or free.
    mapped: AtomicUsize,
    /// Free ones, by what was done to them. A stack that was discarded is not kept for those who do not ask for that, nor the
    /// other way round, as long as there may be more: how much of it is there shows in how long a use takes.
    shards: [[Shard; SHARDS]; 2],
    reserve: Mutex<Reserve>,
}

/// Address space for stacks that nobody has used yet: one call for many of them.
///
/// Invariant: `left` mappings of the pool's sizes, inaccessible and nobody else's, lie one behind the other at `next`.
#[derive(Debug)]
struct Reserve {
    next: NonNull<u8>,
    left: usize,
    /// How many to reserve next time.
    batch: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and this is its only owner.
unsafe impl Send for Reserve {}

impl Reserve {
    const EMPTY: Reserve = Reserve { next: NonNull::dangling(), left: 0, batch: 1 };

    /// The next stack, inaccessible; of which `most` more may be needed.
    fn take(&mut self, config: &StackConfig, most: usize) -> rustix::io::Result<GuestStack> {
        if self.left == 0 {
            let batch = self.batch.min(most).max(1);
            // Where there is no room for many, there may be for one.
            let (next, left) = match reserve(config, batch) {
                Ok(next) => (next, batch),
                Err(_) if batch > 1 => (reserve(config, 1)?, 1),
                Err(errno) => return Err(errno),
            };
            (self.next, self.left) = (next, left);
            self.batch = (self.batch * 2).min(MOST_RESERVED);
        }
        let stack = GuestStack::new(self.next, config);
        // SAFETY: at most one past the end of the mappings.
        self.next = unsafe { self.next.add(config.mapping()) };
        self.left -= 1;
        Ok(stack)
    }
}

/// Free stacks, on cache lines of their own, for the threads whose number falls on them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// One stack's base, or null: what a thread that needs one at a time takes and gives back without a lock.
    front: AtomicPtr<u8>,
    others: Mutex<Vec<GuestStack>>,
}

impl Shard {
    /// Takes the stack at the front. Acquires what its last user wrote.
    #[inline]
    fn take_front(&self, config: &StackConfig) -> Option<GuestStack> {
        if self.front.load(Ordering::Relaxed).is_null() {
            return None;
        }
        let base = NonNull::new(self.front.swap(ptr::null_mut(), Ordering::Acquire))?;
        // The pool's stacks all have its sizes, and whoever put it there gave up its handle.
        Some(GuestStack::new(base, config))
    }

    /// Puts a stack at the front, unless there is one. Releases what its user wrote.
    #[inline]
    fn give_front(&self, stack: GuestStack) -> Result<(), GuestStack> {
        let base = stack.base().as_ptr();
        match self.front.compare_exchange(ptr::null_mut(), base, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => {
                std::mem::forget(stack);
                Ok(())
            }
            Err(_) => Err(stack),
        }
    }

    fn give(&self, stack: GuestStack) {
        if let Err(stack) = self.give_front(stack) {
            self.others().push(stack);
        }
    }

    fn others(&self) -> MutexGuard<'_, Vec<GuestStack>> {
        // Nothing under the lock panics halfway through a change.
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StackPool {
    /// A pool of stacks of these sizes, each rounded up to what is least and to whole pages. Maps nothing yet.
    ///
    /// Installs this process's handlers for the signals by which guest code traps, if that was not done.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the handlers.
    pub fn new(config: StackConfig) -> Result<StackPool, StackError> {
        let config = config.rounded();
        super::signals::install().map_err(|source| StackError::System {
            step: "sigaction",
            bytes: config.mapping(),
            source,
        })?;
        Ok(StackPool {
            config,
            mapped: AtomicUsize::new(0),
            shards: Default::default(),
            reserve: Mutex::new(Reserve::EMPTY),
        })
    }

    /// The sizes in use.
    pub fn config(&self) -> &StackConfig {
        &self.config
    }

    /// Stacks that are mapped, used or free.
    pub fn mapped(&self) -> usize {
        self.mapped.load(Ordering::Relaxed)
    }

    /// Those of them that are free.
    pub fn idle(&self) -> usize {
        let free = |shard: &Shard| {
            // Relaxed: a statistic.
            usize::from(!shard.front.load(Ordering::Relaxed).is_null()) + shard.others().len()
        };
        self.shards.iter().flatten().map(free).sum()
    }

    /// Unmaps those that are free.
    pub fn trim(&self) {
        for shard in self.shards.iter().flatten() {
            let front = shard.take_front(&self.config);
            let others = std::mem::take(&mut *shard.others());
            front.into_iter().chain(others).for_each(|stack| self.forget(stack));
        }
    }

    /// What is done to a stack of a user who wants this.
    #[inline]
    fn scrub(&self, wanted: Scrub) -> Scrub {
        wanted.max(self.config.scrub)
    }

    /// A stack that nobody uses: this thread's last one, if it is still free. For a use after which this is to be done to it.
    #[inline]
    pub(super) fn acquire(&self, scrub: Scrub) -> Result<GuestStack, StackError> {
        let scrub = self.scrub(scrub);
        match self.shards[scrub as usize][home()].take_front(&self.config) {
            Some(stack) => Ok(stack),
            None => self.search(scrub),
        }
    }

    #[cold]
    #[inline(never)]
    fn search(&self, scrub: Scrub) -> Result<GuestStack, StackError> {
        if let Some(stack) = self.reuse(scrub) {
            return Ok(stack);
        }
        let exhausted = match self.map() {
            Err(error @ StackError::Exhausted { .. }) => error,
            result => return result,
        };
        match scrub {
            Scrub::Keep => self.reuse(Scrub::Discard).ok_or(exhausted),
            Scrub::Discard => {
                let stack = self.reuse(Scrub::Keep).ok_or(exhausted)?;
                let bytes = self.config.mapping();
                if let Err(source) = stack.discard() {
                    self.forget(stack);
                    return Err(StackError::System { step: "madvise", bytes, source: source.into() });
                }
                Ok(stack)
            }
        }
    }

    /// Takes a stack back on which no frame is live; with whether it is known to have been used to its end.
    pub(super) fn release(&self, stack: GuestStack, scrub: Scrub, overflowed: bool) {
        let scrub = self.scrub(scrub);
        let scrubbed = match scrub {
            Scrub::Discard => stack.discard(),
            Scrub::Keep if overflowed || stack.was_deep() => stack.discard_deep(),
            Scrub::Keep => Ok(()),
        };
        match scrubbed {
            Ok(()) => self.shards[scrub as usize][home()].give(stack),
            Err(_) => self.forget(stack),
        }
    }

    /// Gives up a stack that still has frames. It stays mapped, and counted as such.
    pub(super) fn lose(&self, stack: GuestStack) {
        std::mem::forget(stack);
    }

    fn forget(&self, stack: GuestStack) {
        drop(stack);
        self.mapped.fetch_sub(1, Ordering::Relaxed);
    }

    /// A free stack to which this was done.
    fn reuse(&self, scrub: Scrub) -> Option<GuestStack> {
        let home = home();
        let shards = (0..SHARDS).map(|distance| &self.shards[scrub as usize][(home + distance) % SHARDS]);
        let mut contended = false;
        for shard in shards.clone() {
            if let Some(stack) = shard.take_front(&self.config) {
                return Some(stack);
            }
            match shard.others.try_lock() {
                Ok(mut free) => {
                    if let Some(stack) = free.pop() {
                        return Some(stack);
                    }
                }
                Err(TryLockError::Poisoned(free)) => {
                    if let Some(stack) = free.into_inner().pop() {
                        return Some(stack);
                    }
                }
                Err(TryLockError::WouldBlock) => contended = true,
            }
        }
        // Only when no more can be mapped is it worth waiting for a list that somebody else is using.
        if !contended || self.mapped() < self.config.limit {
            return None;
        }
        shards.map(|shard| shard.others().pop()).find_map(|stack| stack)
    }

    fn map(&self) -> Result<GuestStack, StackError> {
        let limit = self.config.limit;
        let room = |mapped: usize| (mapped < limit).then_some(mapped + 1);
        if self.mapped.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return Err(StackError::Exhausted { limit });
        }
        self.open().inspect_err(|_| {
            self.mapped.fetch_sub(1, Ordering::Relaxed);
        })
    }

    /// A new stack, of the reserve.
    fn open(&self) -> Result<GuestStack, StackError> {
        let bytes = self.config.mapping();
        let failed = |step| move |source: rustix::io::Errno| StackError::System { step, bytes, source: source.into() };
        // Nothing under the lock panics halfway through a change.
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        let most = 1 + self.config.limit.saturating_sub(self.mapped());
        let stack = reserve.take(&self.config, most).map_err(failed("mmap"))?;
        drop(reserve);
        stack.open().map_err(failed("mprotect"))?;
        Ok(stack)
    }
}

impl Drop for StackPool {
    fn drop(&mut self) {
        for shard in self.shards.iter().flatten() {
            drop(shard.take_front(&self.config));
        }
        let reserve = self.reserve.get_mut().unwrap_or_else(PoisonError::into_inner);
        while reserve.left > 0 {
            drop(reserve.take(&self.config, 1));
        }
    }
}

/// The free list of the calling thread.
fn home() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static HOME: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    HOME.with(|home| {
        if home.get() == usize::MAX {
            home.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        home.get()
    })
}

#[cfg(test)]
mod tests;
