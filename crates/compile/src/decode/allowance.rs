//! How many values bodies may have, asked while they are validated.
//!
//! The link budget is checked when all modules are there, as it is a sum over instances. But validating looks at values, too: at
//! those of a type for each label of a branch table, which is a byte. So validating ends where no sum could allow what has
//! been counted.

use crate::error::BudgetError;
use core::sync::atomic::{AtomicU64, Ordering};

/// How too many values are called.
pub(crate) const VALUES: &str = "values passed by as little code";

/// Values that a body counts before it says so: threads should not meet at every instruction.
const STEP: u64 = 10_000;

/// What all bodies that are validated together may have.
#[derive(Debug)]
pub(crate) struct Allowance {
    allowed: u64,
    /// Said so far, by all threads. Relaxed: a sum, which orders nothing.
    used: AtomicU64,
}

impl Allowance {
    pub(crate) fn new(allowed: u64) -> Allowance {
        Allowance { allowed, used: AtomicU64::new(0) }
    }

    /// The same, with nothing used.
    pub(super) fn again(&self) -> Allowance {
        Allowance::new(self.allowed)
    }
}

/// What one body has used of it.
#[derive(Debug)]
pub(super) struct Share<'a> {
    allowance: &'a Allowance,
    said: u64,
}

impl<'a> Share<'a> {
    pub(super) fn of(allowance: &'a Allowance) -> Share<'a> {
        Share { allowance, said: 0 }
    }

    /// The body has at least so many values.
    ///
    /// # Errors
    ///
    /// When that is too many, with those of the others.
    pub(super) fn has(&mut self, values: u64) -> Result<(), BudgetError> {
        if values.saturating_sub(self.said) < STEP { Ok(()) } else { self.ends_with(values) }
    }

    /// The body has so many values in all.
    ///
    /// # Errors
    ///
    /// As for [`has`](Share::has).
    pub(super) fn ends_with(&mut self, values: u64) -> Result<(), BudgetError> {
        let more = values.saturating_sub(self.said);
        self.said = values;
        let needed = self.allowance.used.fetch_add(more, Ordering::Relaxed).saturating_add(more);
        let allowed = self.allowance.allowed;
        if needed <= allowed { Ok(()) } else { Err(BudgetError { what: VALUES, needed, allowed }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_what_is_allowed() {
        let allowance = Allowance::new(3 * STEP);
        let (mut first, mut second) = (Share::of(&allowance), Share::of(&allowance));
        for _ in 0..2 {
            assert!(first.has(2 * STEP).is_ok() && second.has(STEP - 1).is_ok(), "a share is said once");
        }
        assert!(second.has(STEP).is_ok());
        assert!(second.has(2 * STEP - 1).is_ok(), "it is not said yet");
        assert_eq!(second.ends_with(2 * STEP - 1).map_err(|error| error.needed), Err(4 * STEP - 1));
        assert!(first.ends_with(2 * STEP).is_err(), "nor has any other");
        assert!(Share::of(&allowance.again()).ends_with(3 * STEP).is_ok());
    }
}
