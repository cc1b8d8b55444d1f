//! A small number for each thread, given to another one when it ends.

use core::cell::Cell;
use std::sync::{Mutex, PoisonError};

static FREE: Mutex<(Vec<u32>, u32)> = Mutex::new((Vec::new(), 0));

const NONE: u32 = u32::MAX;

thread_local! {
    static NUMBER: Cell<u32> = const { Cell::new(NONE) };
    /// Separate, so that reading the number needs no test whether a destructor is registered.
    static GUARD: Guard = const { Guard };
}

/// Gives the number back when the thread ends.
struct Guard;

impl Drop for Guard {
    fn drop(&mut self) {
        let number = NUMBER.replace(NONE);
        if number != NONE {
            FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(number);
        }
    }
}

/// This thread's number.
#[inline]
pub(crate) fn number() -> u32 {
    match NUMBER.get() {
        NONE => fetch(),
        number => number,
    }
}

#[cold]
fn fetch() -> u32 {
    // A thread that is ending already goes without a number: it shares shard 0.
    if GUARD.try_with(|_| ()).is_err() {
        return 0;
    }
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let number = free.0.pop().unwrap_or_else(|| {
        free.1 += 1;
        free.1 - 1
    });
    NUMBER.set(number);
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_at_a_time_have_different_numbers() {
        let own = number();
        assert_eq!(own, number());
        let other = std::thread::spawn(number).join().expect("thread");
        assert_ne!(own, other);
    }
}
