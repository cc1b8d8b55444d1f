//! One guest stack: a mapping with a guard at the low end. And the sizes that all of a pool have.

#![expect(unsafe_code, reason = "maps and unmaps stacks")]

use core::ops::Range;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::ptr::{self, NonNull};

const PAGE: usize = 4096;
/// Host code without stack probes, such as a C library's, must not be able to step over the guard.
pub(super) const LEAST_GUARD: usize = 64 << 10;
/// A host function of the smallest kind, and the shim around it.
pub(super) const LEAST_RESERVE: usize = 16 << 10;
pub(super) const LEAST_GUEST: usize = 16 << 10;
/// Bytes at the top that usual calls use. What was used below is given back to the kernel with the stack.
pub(super) const SHALLOW: usize = 64 << 10;
/// Bytes below those by which one sees whether a use went deeper. They are zero until it does.
///
/// Frames leave gaps, but each begins with two words that are not zero: a return address and a frame pointer. So whoever
/// goes deeper by frames of up to so many bytes is seen for sure, and by larger ones most likely. Code made for it can step over
/// them: who cannot have that [discards](Scrub::Discard).
const MARK: usize = 128;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scrub {
    /// They stay, and no system call is made; unless the use was found to have gone deeper than usual calls: then what
    /// lies deeper than 64 KiB is given back to the kernel.
    #[default]
    Keep,
    /// They are given back to the kernel, and are zero at the next use; which cannot tell by its page faults, either, how deep
    /// an earlier one went. One system call.
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

impl StackConfig {
    pub(super) fn rounded(self) -> StackConfig {
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

    /// Bytes of address space of each.
    pub(super) fn mapping(&self) -> usize {
        self.guard + self.usable()
    }

    /// Bytes of each that can be made resident.
    pub fn usable(&self) -> usize {
        self.host_reserve + self.guest
    }
}

/// Reserves room for stacks, inaccessible.
pub(super) fn reserve(config: &StackConfig, stacks: usize) -> rustix::io::Result<NonNull<u8>> {
    let flags = MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK;
    let bytes = config.mapping().saturating_mul(stacks);
    // SAFETY: a new mapping where the kernel finds room touches no existing one.
    let base = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), bytes, ProtFlags::empty(), flags) }?;
    Ok(NonNull::new(base.cast::<u8>()).expect("the kernel maps nothing at address zero unasked"))
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
    pub(super) fn new(base: NonNull<u8>, config: &StackConfig) -> GuestStack {
        GuestStack { base, bytes: config.mapping(), guard: config.guard, host_reserve: config.host_reserve }
    }

    /// Makes all above the guard accessible.
    pub(super) fn open(&self) -> rustix::io::Result<()> {
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

    /// Its first byte, the guard's.
    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(super) fn lowest_pointer(&self) -> *mut u8 {
        // SAFETY: the guard is the lower part of the mapping.
        unsafe { self.base.as_ptr().add(self.guard) }
    }

    /// What lies deeper than usual calls go, from the base; empty where none of it does.
    fn deep(&self) -> Range<usize> {
        self.guard..self.bytes.saturating_sub(SHALLOW).max(self.guard)
    }

    /// Whether a use went deeper than usual calls do, as far as one look can tell. No frame is live.
    #[inline]
    pub(super) fn was_deep(&self) -> bool {
        let deep = self.deep();
        if deep.len() < MARK {
            return false;
        }
        // SAFETY: the bytes are accessible, as all above the guard are, and aligned, as what lies deep ends with a page. With no
        // frame live nobody writes them, and pages that nobody ever wrote read as zeros.
        let mark = unsafe { self.base.as_ptr().add(deep.end - MARK).cast::<[u64; MARK / 8]>().read() };
        mark.iter().fold(0, |all, word| all | word) != 0
    }

    /// Gives back to the kernel what lies deeper than usual calls go. No frame is live.
    #[cold]
    pub(super) fn discard_deep(&self) -> rustix::io::Result<()> {
        self.give_back(self.deep())
    }

    /// Makes it as if nobody had used it but for what everybody does: have a task's record at the top. No frame is live.
    pub(super) fn discard(&self) -> rustix::io::Result<()> {
        let top = self.bytes - PAGE;
        // SAFETY: the last page, which is accessible and in which nothing lives. To zero it takes less than to fault it in again.
        unsafe { self.base.as_ptr().add(top).write_bytes(0, PAGE) };
        self.give_back(self.guard..top)
    }

    fn give_back(&self, range: Range<usize>) -> rustix::io::Result<()> {
        // SAFETY: the range is in this stack's accessible part, in which no frame is live; private anonymous pages
        // read as zero afterwards.
        unsafe {
            let start = self.base.as_ptr().add(range.start);
            rustix::mm::madvise(start.cast(), range.len(), Advice::LinuxDontNeed)
        }
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
