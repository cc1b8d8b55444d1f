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
        Ok(StackPool { config, mapped: AtomicUsize::new(0), shards: Default::default() })
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
        GuestStack::map(&self.config).inspect_err(|_| {
            self.mapped.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

impl Drop for StackPool {
    fn drop(&mut self) {
        for shard in &self.shards {
            drop(shard.take_front(&self.config));
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

/// One stack. The guard is inaccessible, everything above it is readable and writable.
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

    fn map(config: &StackConfig) -> Result<GuestStack, StackError> {
        let bytes = config.mapping();
        let failed = |step| move |source: rustix::io::Errno| StackError::System { step, bytes, source: source.into() };
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
        // SAFETY: a new mapping where the kernel finds room touches no existing one.
        let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }
            .map_err(failed("mmap"))?;
        let base = NonNull::new(base.cast::<u8>()).expect("the kernel maps nothing at address zero unasked");
        // From here on dropping it unmaps it.
        let stack = GuestStack::new(base, config);
        let usable = MprotectFlags::READ | MprotectFlags::WRITE;
        // SAFETY: the range is the upper part of the mapping just made, in which nothing lives yet.
        unsafe { rustix::mm::mprotect(stack.lowest_pointer().cast(), bytes - config.guard, usable) }
            .map_err(failed("mprotect"))?;
        Ok(stack)
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
    fn an_impossible_size_is_an_error() {
        let pool = pool(StackConfig { guest: usize::MAX, ..StackConfig::default() });
        assert!(matches!(pool.acquire(), Err(StackError::System { step: "mmap", .. })));
        assert_eq!(pool.mapped(), 0);
    }
}
