//! Guest stacks: mappings with a guard at the low end, kept in a bounded pool.

#![expect(unsafe_code, reason = "maps and unmaps stacks")]

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

const PAGE: usize = 4096;
/// Host code without stack probes, such as a C library's, must not be able to step over the guard.
const LEAST_GUARD: usize = 64 << 10;
/// A host function of the smallest kind, and the shim around it.
const LEAST_RESERVE: usize = 16 << 10;
const LEAST_GUEST: usize = 16 << 10;
/// Free lists. A power of two, no less than the threads that attach stacks at the same time on common hosts.
const SHARDS: usize = 16;
/// Most stacks that are reserved at a time. Each reservation is twice the last one.
const MOST_RESERVED: usize = 16;

/// Sizes of guest stacks, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackConfig {
    /// Bytes that guest code can use before it can call no host function any more. Code that calls none
    /// can use the reserve as well.
    pub guest: usize,
    /// Bytes left for host functions, which run on the guest's stack.
    pub host_reserve: usize,
    /// Inaccessible bytes at the low end.
    pub guard: usize,
    /// Most stacks at the same time, used and free.
    pub limit: usize,
    /// What is done to a stack before another instance gets it.
    pub scrub: Scrub,
}

impl Default for StackConfig {
    fn default() -> StackConfig {
        StackConfig { guest: 768 << 10, host_reserve: 256 << 10, guard: 64 << 10, limit: 10_000, scrub: Scrub::Keep }
    }
}

/// What happens to the bytes of a stack that is given back. Compiled code never reads a stack slot that it
/// has not written, so a guest cannot observe them either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scrub {
    /// They stay. No system call.
    #[default]
    Keep,
    /// They are given back to the kernel, and are zero at the next use.
    Discard,
}

/// Why there is no stack.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// All are in use: detach one and try again.
    #[error("all {limit} guest stacks are in use")]
    Exhausted {
        /// How many there are.
        limit: usize,
    },
    /// The kernel refused.
    #[error("cannot make a guest stack of {bytes} bytes: {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// Bytes of the whole mapping.
        bytes: usize,
        /// The kernel's answer.
        source: std::io::Error,
    },
}

/// Guest stacks for any number of threads.
#[derive(Debug)]
pub struct StackPool {
    config: StackConfig,
    /// Stacks that are mapped, used or free.
    mapped: AtomicUsize,
    shards: [Shard; SHARDS],
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

/// Reserves room for stacks, inaccessible.
fn reserve(config: &StackConfig, stacks: usize) -> rustix::io::Result<NonNull<u8>> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
    let bytes = config.mapping().saturating_mul(stacks);
    // SAFETY: a new mapping where the kernel finds room touches no existing one.
    let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }?;
    Ok(NonNull::new(base.cast::<u8>()).expect("the kernel maps nothing at address zero unasked"))
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
        let base = stack.base.as_ptr();
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
            self.others.lock().unwrap_or_else(PoisonError::into_inner).push(stack);
        }
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

    /// A stack that nobody uses: this thread's last one, if it is still free.
    #[inline]
    pub(super) fn acquire(&self) -> Result<GuestStack, StackError> {
        match self.shards[home()].take_front(&self.config) {
            Some(stack) => Ok(stack),
            None => self.search(),
        }
    }

    #[cold]
    #[inline(never)]
    fn search(&self) -> Result<GuestStack, StackError> {
        match self.reuse() {
            Some(stack) => Ok(stack),
            None => self.map(),
        }
    }

    /// Takes a stack back on which no frame is live.
    pub(super) fn release(&self, stack: GuestStack) {
        if self.config.scrub == Scrub::Discard && stack.discard().is_err() {
            return self.forget(stack);
        }
        self.shards[home()].give(stack);
    }

    /// Gives up a stack that still has frames. It stays mapped, and counted as such.
    pub(super) fn lose(&self, stack: GuestStack) {
        std::mem::forget(stack);
    }

    fn forget(&self, stack: GuestStack) {
        drop(stack);
        self.mapped.fetch_sub(1, Ordering::Relaxed);
    }

    fn reuse(&self) -> Option<GuestStack> {
        let home = home();
        let shards = (0..SHARDS).map(|distance| &self.shards[(home + distance) % SHARDS]);
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
        shards.map(|shard| shard.others.lock().unwrap_or_else(PoisonError::into_inner).pop()).find_map(|stack| stack)
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
        for shard in &self.shards {
            drop(shard.take_front(&self.config));
        }
        let reserve = self.reserve.get_mut().unwrap_or_else(PoisonError::into_inner);
        while reserve.left > 0 {
            drop(reserve.take(&self.config, 1));
        }
    }
}

impl StackConfig {
    fn rounded(self) -> StackConfig {
        let round = |bytes: usize, least: usize| {
            // A size near the end of the address space is refused when a stack is mapped, not here.
            bytes.clamp(least, isize::MAX as usize / 8).next_multiple_of(PAGE)
        };
        StackConfig {
            guest: round(self.guest, LEAST_GUEST),
            host_reserve: round(self.host_reserve, LEAST_RESERVE),
            guard: round(self.guard, LEAST_GUARD),
            ..self
        }
    }

    fn mapping(&self) -> usize {
        self.guard + self.host_reserve + self.guest
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

/// One stack. The guard is inaccessible; once it was opened, everything above is readable and writable.
#[derive(Debug)]
pub(super) struct GuestStack {
    base: NonNull<u8>,
    bytes: usize,
    guard: usize,
    host_reserve: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread, and the handle is its only owner.
unsafe impl Send for GuestStack {}

impl GuestStack {
    /// The handle of a mapping of these sizes.
    #[inline]
    fn new(base: NonNull<u8>, config: &StackConfig) -> GuestStack {
        GuestStack { base, bytes: config.mapping(), guard: config.guard, host_reserve: config.host_reserve }
    }

    /// Makes all above the guard accessible.
    fn open(&self) -> rustix::io::Result<()> {
        let usable = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the range is the upper part of this stack, in which nothing lives yet.
        unsafe { rustix::mm::mprotect(self.lowest_pointer().cast(), self.bytes - self.guard, usable) }
    }

    /// First byte of the guard.
    pub(super) fn guard_start(&self) -> usize {
        self.base.as_ptr() as usize
    }

    /// First accessible byte.
    pub(super) fn lowest(&self) -> usize {
        self.guard_start() + self.guard
    }

    /// Stack pointers below this leave too little for a host function.
    pub(super) fn host_limit(&self) -> usize {
        self.lowest() + self.host_reserve
    }

    /// One past the last byte.
    pub(super) fn top(&self) -> NonNull<u8> {
        // SAFETY: one past the end of the mapping.
        unsafe { self.base.add(self.bytes) }
    }

    fn lowest_pointer(&self) -> *mut u8 {
        // SAFETY: the guard is the lower part of the mapping.
        unsafe { self.base.as_ptr().add(self.guard) }
    }

    fn discard(&self) -> rustix::io::Result<()> {
        let accessible = self.bytes - self.guard;
        // SAFETY: the range is this stack's accessible part; no frame is live on a stack that is given back, and
        // private anonymous pages read as zero afterwards.
        unsafe { rustix::mm::madvise(self.lowest_pointer().cast(), accessible, rustix::mm::Advice::LinuxDontNeed) }
    }
}

impl Drop for GuestStack {
    fn drop(&mut self) {
        // SAFETY: the mapping is this handle's own, and no frame is live on it: a task gives up a handle
        // whose stack has frames without dropping it.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
        debug_assert!(unmapped.is_ok(), "a mapping made by mmap can be unmapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(config: StackConfig) -> StackPool {
        StackPool::new(config).expect("pool")
    }

    #[test]
    fn sizes_are_rounded_up_to_what_is_least() {
        let config = pool(StackConfig { guest: 1, host_reserve: 1, guard: 1, ..StackConfig::default() }).config;
        assert_eq!((config.guest, config.host_reserve, config.guard), (LEAST_GUEST, LEAST_RESERVE, LEAST_GUARD));
    }

    #[test]
    fn a_stack_ends_where_its_parts_end() {
        let pool = pool(StackConfig::default());
        let stack = pool.acquire().expect("stack");
        let config = pool.config();
        assert_eq!(stack.lowest() - stack.guard_start(), config.guard);
        assert_eq!(stack.host_limit() - stack.lowest(), config.host_reserve);
        assert_eq!(stack.top().as_ptr() as usize - stack.host_limit(), config.guest);
        pool.release(stack);
    }

    #[test]
    fn a_bounded_pool_is_exhausted_and_recovers() {
        let pool = pool(StackConfig { limit: 2, ..StackConfig::default() });
        let (a, b) = (pool.acquire().expect("a"), pool.acquire().expect("b"));
        assert!(matches!(pool.acquire(), Err(StackError::Exhausted { limit: 2 })));
        let address = a.guard_start();
        pool.release(a);
        let again = pool.acquire().expect("again");
        assert_eq!(again.guard_start(), address);
        pool.release(again);
        pool.release(b);
        assert_eq!(pool.mapped(), 2);
    }

    #[test]
    fn a_stack_freed_on_one_thread_serves_another() {
        let pool = pool(StackConfig { limit: 1, ..StackConfig::default() });
        for _ in 0..SHARDS + 1 {
            std::thread::scope(|scope| {
                scope.spawn(|| pool.release(pool.acquire().expect("the only stack")));
            });
        }
        assert_eq!(pool.mapped(), 1);
    }

    #[test]
    fn discarding_leaves_zeroes_and_keeping_does_not() {
        for (scrub, expected) in [(Scrub::Keep, 7), (Scrub::Discard, 0)] {
            let pool = pool(StackConfig { scrub, ..StackConfig::default() });
            let stack = pool.acquire().expect("stack");
            // SAFETY: the last byte of a mapping that nobody else uses.
            unsafe { stack.top().sub(1).write(7) };
            pool.release(stack);
            let stack = pool.acquire().expect("stack");
            // SAFETY: as above.
            assert_eq!(unsafe { stack.top().sub(1).read() }, expected);
            pool.release(stack);
        }
    }

    #[test]
    fn stacks_that_were_reserved_together_are_apart_and_go_with_their_pool() {
        let pool = pool(StackConfig { limit: 40, ..StackConfig::default() });
        let bytes = pool.config().mapping();
        let mut stacks: Vec<_> = (0..40).map(|_| pool.acquire().expect("stack")).collect();
        assert!(matches!(pool.acquire(), Err(StackError::Exhausted { .. })));
        assert_eq!(pool.reserve.lock().expect("reserve").left, 0, "no more was reserved than can be used");
        for stack in &stacks {
            // SAFETY: the first and the last byte of a stack that nobody else uses.
            unsafe { (stack.lowest_pointer().write(1), stack.top().sub(1).write(1)) };
        }
        stacks.sort_by_key(GuestStack::guard_start);
        assert!(stacks.windows(2).all(|pair| pair[0].guard_start() + bytes <= pair[1].guard_start()));
        stacks.into_iter().for_each(|stack| pool.release(stack));
        assert_eq!(pool.mapped(), 40);
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        let pool = pool(StackConfig { guest: usize::MAX, ..StackConfig::default() });
        assert!(matches!(pool.acquire(), Err(StackError::System { step: "mmap", .. })));
        assert_eq!(pool.mapped(), 0);
    }
}
