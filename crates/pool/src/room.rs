//! Room for growth, where memory is limited: what warm slots hold is nobody's, and is given up for it.
//!
//! A guest that asks for what cannot be had must cost others nothing: neither warm slots, which are evicted only when all of
//! them together would be enough, nor time. How much they hold is in no counter, which each cycle of each thread would have to
//! write. It is added up over all slots when somebody must know. So that a guest cannot spend its time with that, what a slot's
//! user has found stays true for it for a multiple of the time that it took to find out.

use crate::attachment::Attachment;
use crate::pool::Pool;
use crate::record::State;
use core::sync::atomic::Ordering;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

/// How many times as long as it took to make one a survey is good: looking takes a sixteenth of a guest's time at most.
const GOOD_FOR: u32 = 16;

/// What warm slots were found to hold.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The use of the slot that it is for, and until when it is good; none before the first.
    good: Option<(u64, Instant)>,
    /// Bytes, less what was evicted since.
    warm: usize,
}

impl Survey {
    fn is_good(&self, uses: u64, now: Instant) -> bool {
        self.good.is_some_and(|(whose, until)| whose == uses && now < until)
    }

    fn made(uses: u64, warm: usize, now: Instant, took: Duration) -> Survey {
        Survey { good: now.checked_add(took * GOOD_FOR).map(|until| (uses, until)), warm }
    }
}

impl Pool {
    /// Evicts a warm slot, if as many as there are would make room for this many bytes, which the user of a slot asks for.
    #[cold]
    pub(crate) fn make_room(&self, a: &Attachment, bytes: usize) -> bool {
        // Nothing under the lock panics halfway through a change.
        let mut survey = a.survey.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        if !survey.is_good(a.uses, start) {
            let warm = self.warm_charges();
            let now = Instant::now();
            *survey = Survey::made(a.uses, warm, now, now - start);
        }
        let free = self.free_bytes();
        if bytes > free.saturating_add(survey.warm) {
            return false;
        }
        let evicted = self.evict_any();
        let gained = self.free_bytes().saturating_sub(free);
        survey.warm = if evicted { survey.warm.saturating_sub(gained) } else { 0 };
        evicted
    }

    fn free_bytes(&self) -> usize {
        let resident = &self.core.resident;
        resident.limit().saturating_sub(resident.taken())
    }

    /// Bytes that warm slots are charged for. Looks at every slot.
    fn warm_charges(&self) -> usize {
        let warm = self.records().filter(|record| record.state() == State::Warm);
        warm.map(|record| record.ledger.charge.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_is_good_for_one_use_and_for_a_while() {
        let (now, took) = (Instant::now(), Duration::from_micros(10));
        let survey = Survey::made(3, 7, now, took);
        assert!(survey.is_good(3, now) && survey.is_good(3, now + 15 * took));
        assert!(!survey.is_good(3, now + 16 * took) && !survey.is_good(4, now));
        assert!(!Survey::default().is_good(0, now));
    }
}
