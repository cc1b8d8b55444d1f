//! Every system call of the pool, behind one switch that can make any of them fail.

mod memory;
mod pagemap;

/// Makes system calls of the pool fail, on the thread that asks for it.
#[cfg(feature = "inject")]
pub mod inject {
    use core::cell::Cell;
    use std::io;

    thread_local! {
        static AHEAD: Cell<Option<u64>> = const { Cell::new(None) };
        static LASTING: Cell<bool> = const { Cell::new(false) };
        static MADE: Cell<u64> = const { Cell::new(0) };
    }

    /// Runs `body`; in it, the call after `ahead` others fails with `ENOMEM`, and later ones only if `lasting`.
    pub fn failing<R>(ahead: u64, lasting: bool, body: impl FnOnce() -> R) -> R {
        AHEAD.set(Some(ahead));
        LASTING.set(lasting);
        let result = body();
        AHEAD.set(None);
        result
    }

    /// How many calls this thread made so far.
    pub fn made() -> u64 {
        MADE.get()
    }

    /// Called before each call. Async-signal-safe: constant thread-locals without destructors.
    pub(super) fn gate() -> io::Result<()> {
        MADE.set(MADE.get() + 1);
        match AHEAD.get() {
            None => Ok(()),
            Some(0) => {
                AHEAD.set(LASTING.get().then_some(0));
                Err(io::Error::from_raw_os_error(libc::ENOMEM))
            }
            Some(n) => {
                AHEAD.set(Some(n - 1));
                Ok(())
            }
        }
    }
}

#[cfg(not(feature = "inject"))]
mod inject {
    /// Nothing fails but what the kernel refuses.
    #[inline(always)]
    pub(super) fn gate() -> std::io::Result<()> {
        Ok(())
    }
}

pub(crate) use memory::{Access, Populate, Reservation, View, max_mappings};
pub(crate) use pagemap::{Pagemap, Private, ScanError};
