//! Atomics of the free lists: the standard ones, or loom's when its models run.

#[cfg(all(loom, test))]
pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

#[cfg(not(all(loom, test)))]
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Orders what was written before with what is read after, where the operations themselves do: on the
/// real machine they are sequentially consistent. Loom knows that ordering for fences only.
#[inline(always)]
pub(crate) fn order() {
    #[cfg(all(loom, test))]
    fence(Ordering::SeqCst);
}
