//! References whose counts threads do not share.
//!
//! What every instance refers to is counted, and a count that two threads change is a line of a cache that goes back and forth
//! between them: longer than all else that a cycle of a small guest takes. So there are several references, one for each of a few
//! groups of threads, and instances count those.

use core::cell::Cell;
use core::fmt;
use core::ops::Deref;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Groups of threads. Most hosts have as many CPUs, or a few times more.
const STRIPES: usize = 16;

/// Handles of one value, which is cheap to clone.
pub struct Striped<H> {
    stripes: [OnceLock<Handle<H>>; STRIPES],
}

/// A clone of the value, and a count of those who refer to it that is mostly one thread's.
pub struct Handle<H>(Arc<Line<H>>);

/// Alone in its lines of a cache, of which CPUs fetch two at a time.
#[repr(align(128))]
struct Line<H>(H);

impl<H> Striped<H> {
    /// Without any handle yet.
    pub const fn new() -> Striped<H> {
        Striped { stripes: [const { OnceLock::new() }; STRIPES] }
    }

    /// The running thread's handle; `value` is asked for one that is not there yet.
    #[inline]
    pub fn handle(&self, value: impl FnOnce() -> H) -> Handle<H> {
        self.stripes[stripe()].get_or_init(|| Handle(Arc::new(Line(value())))).clone()
    }
}

impl<H> Default for Striped<H> {
    fn default() -> Striped<H> {
        Striped::new()
    }
}

impl<H> fmt::Debug for Striped<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Striped")
    }
}

impl<H> Clone for Handle<H> {
    #[inline]
    fn clone(&self) -> Handle<H> {
        Handle(self.0.clone())
    }
}

impl<H> Deref for Handle<H> {
    type Target = H;

    #[inline]
    fn deref(&self) -> &H {
        &self.0.0
    }
}

impl<H: fmt::Debug> fmt::Debug for Handle<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// The running thread's group.
#[inline]
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    OWN.with(|own| {
        if own.get() == usize::MAX {
            // Relaxed: only that threads go on in turns matters.
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        own.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_the_same_handle_and_neighbours_get_others() {
        let striped = Striped::new();
        let address = |handle: &Handle<u32>| &raw const **handle as usize;
        let (first, second) = (striped.handle(|| 7), striped.handle(|| 8));
        assert_eq!((*first, address(&first)), (7, address(&second)));
        let others: Vec<Handle<u32>> = std::thread::scope(|scope| {
            (0..3).map(|_| scope.spawn(|| striped.handle(|| 9)).join().expect("ends")).collect()
        });
        assert!(others.iter().all(|other| address(other) != address(&first)), "their counts are in other lines");
        assert_eq!(address(&first) % 128, 0);
    }

    #[test]
    fn a_value_lives_as_long_as_its_last_handle_on_whichever_thread() {
        let value = Arc::new(());
        let striped = Striped::new();
        let handles: Vec<_> = std::thread::scope(|scope| {
            let spawned = (0..40).map(|_| scope.spawn(|| striped.handle(|| value.clone())));
            spawned.collect::<Vec<_>>().into_iter().map(|thread| thread.join().expect("ends")).collect()
        });
        drop(striped);
        assert!(Arc::strong_count(&value) > 1);
        std::thread::scope(|scope| handles.into_iter().for_each(|handle| drop(scope.spawn(|| drop(handle)))));
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
