//! Exceptions that are thrown, and those that a guest holds references to.
//!
//! An exception that is thrown is *in flight*: one buffer per instance has its values until a handler has loaded
//! them. Only where a handler wants a reference does it get a place in the instance's table. Its *word*, which is all
//! that the guest has of it, is the place and a serial number:
//!
//! ```text
//!  63   62                 32 31                        0
//! +---+----------------------+---------------------------+
//! | 1 | serial number        | place in the table, from 1 |     0 is null
//! +---+----------------------+---------------------------+
//! ```
//!
//! References are nowhere but in tables and globals of their types, in values of other exceptions, and on the
//! stack, where no map says which words they are. But few other words look like one. So when the table has grown, what no such
//! word leads to is forgotten, and its place is used again: a sweep that may keep too much, and never too little.
//!
//! # What a sweep costs
//!
//! It looks at every word that may be a reference, at every place, and at the values of what it keeps. So there is none before
//! as many bytes of exceptions have got a place as there are words that may be references, as places, and as bytes that the last
//! sweep has kept: for each byte it looks at a few words. Only where the limit is near does it come earlier, and an
//! eighth of the limit is always between two.
//!
//! Guests that are metered pay for it: each exception that gets a place, for its share of the next sweep
//! ([`Exceptions::price`]). How many words a sweep finds on the stack, and what they make it keep, depends on how code was
//! compiled; fuel must not. So the price takes the whole stack for granted, and asks only for what is the same everywhere.
//! And whoever wants the guest to stop is listened to in the middle of a sweep, which then has kept too much.

use crate::stop::Stop;
use hatchery_image::abi::RawVal;
use hatchery_image::{TagId, TrapCode};

/// Least bytes of exceptions that are worth a sweep.
const SWEEP_AT: usize = 64 << 10;

/// Words, values or places that a sweep looks at between two looks whether the guest is to stop; frames and handlers that a
/// throw looks at.
pub(crate) const LOOK: usize = 1 << 16;

/// Words that a sweep looks at for a unit of fuel.
const WORDS_PER_FUEL: u64 = 8;

/// Where references may be, other than in exceptions.
pub(crate) trait Roots {
    /// How many words there are at most. The same wherever the guest runs, and however it was compiled.
    fn count(&self) -> usize;

    /// Shows every word that may be a reference.
    ///
    /// # Errors
    ///
    /// When the guest is to stop.
    fn show(&self, see: &mut dyn FnMut(u64)) -> Result<(), Stop>;

    /// Whether the guest may go on.
    ///
    /// # Errors
    ///
    /// When it is to stop.
    fn check(&self) -> Result<(), Stop>;
}

/// What every serial number has.
const SERIAL: u32 = 1 << 31;

/// An exception on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thrown {
    pub(crate) tag: TagId,
    /// Its word, if the guest has ever had a reference to it.
    pub(crate) word: Option<u64>,
}

/// An exception that the guest has, or had, a reference to.
struct Exception {
    word: u64,
    tag: TagId,
    values: Box<[RawVal]>,
    /// Whether the sweep that is going on came by.
    marked: bool,
}

/// Bytes of an exception with these values.
fn bytes_of(values: &[RawVal]) -> usize {
    size_of::<Exception>() + size_of_val(values)
}

/// Bytes that a sweep may leave. The rest is for the exceptions until the next one: they pay for it, so there must be some.
fn most(limit: usize) -> usize {
    limit - limit / 8
}

/// The exceptions of an instance.
pub(crate) struct Exceptions {
    /// Values of the one in flight, where that has no place yet.
    flight: Vec<RawVal>,
    places: Vec<Option<Exception>>,
    free: Vec<u32>,
    serial: u32,
    /// Of all that have a place.
    bytes: usize,
    /// Of those that the last sweep has kept.
    kept: usize,
    /// Elements of all tables that can hold references, once somebody had to know.
    pub(crate) elements: Option<usize>,
}

impl Default for Exceptions {
    fn default() -> Exceptions {
        let (flight, places, free) = (Vec::new(), Vec::new(), Vec::new());
        Exceptions { flight, places, free, serial: SERIAL, bytes: 0, kept: 0, elements: None }
    }
}

impl Exceptions {
    /// A new exception is thrown.
    pub(crate) fn throw(&mut self, tag: TagId, values: &[RawVal]) -> Thrown {
        self.flight.clear();
        self.flight.extend_from_slice(values);
        Thrown { tag, word: None }
    }

    /// The exception with this word is thrown again, if there is one.
    pub(crate) fn throw_again(&self, word: u64) -> Option<Thrown> {
        Some(Thrown { tag: self.get(word)?.tag, word: Some(word) })
    }

    fn place(word: u64) -> usize {
        (word as u32).wrapping_sub(1) as usize
    }

    fn get(&self, word: u64) -> Option<&Exception> {
        self.places.get(Exceptions::place(word))?.as_ref().filter(|exception| exception.word == word)
    }

    /// The values of an exception that is caught. They are there until the next one is thrown.
    pub(crate) fn values(&self, thrown: Thrown) -> &[RawVal] {
        match thrown.word {
            Some(word) => self.get(word).map_or(&[], |exception| &exception.values),
            None => &self.flight,
        }
    }

    /// Fuel for a place for the exception in flight, where there are so many roots: its share of what the next sweep looks at,
    /// whenever that comes.
    ///
    /// # Errors
    ///
    /// When there can be no place for it.
    pub(crate) fn price(&self, limit: usize, roots: usize) -> Result<u64, Stop> {
        let bytes = bytes_of(&self.flight);
        if bytes > most(limit) {
            return Err(Stop::Trap(TrapCode::ExceptionsExhausted));
        }
        // Bytes until the next sweep, at least; and what that looks at, if there are so many words of exceptions as well.
        let between = SWEEP_AT.max(roots).min(limit / 8).max(1) as u64;
        let words = between.saturating_add(roots as u64);
        Ok((bytes as u64).saturating_mul(words).div_ceil(between * WORDS_PER_FUEL))
    }

    /// Bytes that make the next sweep worth its while.
    fn sweep_at(&self, roots: usize) -> usize {
        self.kept.saturating_add(SWEEP_AT.max(self.kept).max(self.places.len()).max(roots))
    }

    /// Gives the exception in flight a place. `roots` are looked at when it is time to sweep.
    ///
    /// # Errors
    ///
    /// When those that are still referred to take seven eighths of `limit` bytes, and it is reached; or the guest is to stop.
    pub(crate) fn keep(&mut self, tag: TagId, limit: usize, roots: &impl Roots) -> Result<u64, Stop> {
        let values: Box<[RawVal]> = self.flight.as_slice().into();
        let bytes = bytes_of(&values);
        if self.bytes + bytes > limit.min(self.sweep_at(roots.count())) {
            self.sweep(&values, roots)?;
            if self.bytes + bytes > most(limit) {
                return Err(Stop::Trap(TrapCode::ExceptionsExhausted));
            }
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.serial = self.serial.wrapping_add(1) | SERIAL;
        let word = u64::from(self.serial) << 32 | u64::from(place + 1);
        self.bytes += bytes;
        self.places[place as usize] = Some(Exception { word, tag, values, marked: false });
        Ok(word)
    }

    /// Forgets what no word leads to, neither of the roots nor of these values.
    ///
    /// # Errors
    ///
    /// When the guest is to stop. What was to be forgotten by then stays until the next sweep.
    fn sweep(&mut self, values: &[RawVal], roots: &impl Roots) -> Result<(), Stop> {
        let swept = self.mark_all(values, roots).and_then(|()| self.forget_unmarked(roots));
        match swept {
            Ok(()) => self.kept = self.bytes,
            Err(_) => self.places.iter_mut().flatten().for_each(|exception| exception.marked = false),
        }
        swept
    }

    fn mark_all(&mut self, values: &[RawVal], roots: &impl Roots) -> Result<(), Stop> {
        let mut found = Vec::new();
        values.iter().for_each(|value| self.mark(value.get_reference(), &mut found));
        roots.show(&mut |word| self.mark(word, &mut found))?;
        let mut seen = 0;
        while let Some(place) = found.pop() {
            let Some(exception) = self.places[place].take() else { continue };
            // Whatever their types are: what is no reference hardly looks like one.
            exception.values.iter().for_each(|value| self.mark(value.get_reference(), &mut found));
            seen += 1 + exception.values.len();
            self.places[place] = Some(exception);
            if seen >= LOOK {
                roots.check()?;
                seen = 0;
            }
        }
        Ok(())
    }

    fn forget_unmarked(&mut self, roots: &impl Roots) -> Result<(), Stop> {
        for (place, entry) in self.places.iter_mut().enumerate() {
            if place.is_multiple_of(LOOK) {
                roots.check()?;
            }
            match entry {
                Some(exception) if exception.marked => exception.marked = false,
                Some(exception) => {
                    self.bytes -= bytes_of(&exception.values);
                    self.free.push(place as u32);
                    *entry = None;
                }
                None => {}
            }
        }
        Ok(())
    }

    fn mark(&mut self, word: u64, found: &mut Vec<usize>) {
        let place = Exceptions::place(word);
        if let Some(Some(exception)) = self.places.get_mut(place)
            && exception.word == word
            && !exception.marked
        {
            exception.marked = true;
            found.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;

    const TAG: TagId = TagId(3);

    /// Words, of which there could be more, and a guest that is to stop at a look.
    #[derive(Default)]
    struct Words<'a> {
        words: &'a [u64],
        count: usize,
        shown: Cell<usize>,
        looks: Cell<usize>,
        stop_at: Option<usize>,
    }

    impl Roots for Words<'_> {
        fn count(&self) -> usize {
            self.count
        }

        fn show(&self, see: &mut dyn FnMut(u64)) -> Result<(), Stop> {
            self.shown.set(self.shown.get() + 1);
            self.words.iter().copied().for_each(see);
            self.check()
        }

        fn check(&self) -> Result<(), Stop> {
            self.looks.set(self.looks.get() + 1);
            match self.stop_at {
                Some(at) if at == self.looks.get() => Err(Stop::Trap(TrapCode::Cancelled)),
                _ => Ok(()),
            }
        }
    }

    fn keep(exceptions: &mut Exceptions, limit: usize, words: &[u64]) -> Option<u64> {
        exceptions.keep(TAG, limit, &Words { words, ..Words::default() }).ok()
    }

    fn sweep(exceptions: &mut Exceptions, words: &[u64]) {
        exceptions.sweep(&[], &Words { words, ..Words::default() }).expect("nobody stops it");
    }

    #[test]
    fn an_exception_in_flight_has_its_values_and_no_place() {
        let mut exceptions = Exceptions::default();
        let thrown = exceptions.throw(TAG, &[RawVal::from_i32(7)]);
        assert_eq!((thrown.tag, thrown.word), (TAG, None));
        assert_eq!(exceptions.values(thrown)[0].get_i32(), 7);
        assert!(exceptions.places.is_empty());
    }

    #[test]
    fn a_word_refers_to_its_exception_and_to_no_later_one_in_the_same_place() {
        let mut exceptions = Exceptions::default();
        exceptions.throw(TAG, &[RawVal::from_i32(1)]);
        let first = keep(&mut exceptions, usize::MAX, &[]).expect("room");
        sweep(&mut exceptions, &[]);
        let second = keep(&mut exceptions, usize::MAX, &[]).expect("room");
        assert_eq!(first as u32, second as u32);
        assert!(exceptions.throw_again(first).is_none() && exceptions.throw_again(second).is_some());
        assert!([0, 1, u64::MAX, 1 << 63].iter().all(|word| exceptions.throw_again(*word).is_none()));
    }

    #[test]
    fn what_is_referred_to_through_other_exceptions_is_kept() {
        let mut exceptions = Exceptions::default();
        let inner = keep(&mut exceptions, usize::MAX, &[]).expect("room");
        exceptions.throw(TAG, &[RawVal::from_i32(1), RawVal::from_reference(inner)]);
        let outer = keep(&mut exceptions, usize::MAX, &[]).expect("room");
        exceptions.throw(TAG, &[]);
        let other = keep(&mut exceptions, usize::MAX, &[]).expect("room");
        sweep(&mut exceptions, &[outer]);
        assert!(exceptions.get(inner).is_some() && exceptions.get(outer).is_some() && exceptions.get(other).is_none());
        sweep(&mut exceptions, &[inner]);
        assert!(exceptions.get(inner).is_some() && exceptions.get(outer).is_none());
        sweep(&mut exceptions, &[]);
        assert_eq!(exceptions.bytes, 0);
    }

    #[test]
    fn there_is_no_room_only_where_all_are_referred_to() {
        let mut exceptions = Exceptions::default();
        let limit = 8 * size_of::<Exception>();
        let words: Vec<u64> = (0..8).map(|_| keep(&mut exceptions, limit, &[]).expect("room")).collect();
        assert_eq!(keep(&mut exceptions, limit, &words), None);
        assert_eq!(keep(&mut exceptions, limit, &words[..7]), None, "the next sweep would come at once");
        assert!(keep(&mut exceptions, limit, &words[..7]).is_some(), "there is room for one before it");
        assert!(keep(&mut exceptions, limit, &words[..6]).is_some());
        assert!(exceptions.get(words[6]).is_none() && exceptions.get(words[5]).is_some());
        assert_eq!(exceptions.places.len(), 8);
    }

    #[test]
    fn the_more_roots_there_are_the_later_are_they_looked_at() {
        for (count, limit) in [(0, usize::MAX), (1 << 20, usize::MAX), (1 << 20, 1 << 18)] {
            let (mut exceptions, roots) = (Exceptions::default(), Words { count, ..Words::default() });
            let mut bytes = 0;
            while roots.shown.get() < 4 {
                exceptions.keep(TAG, limit, &roots).expect("room");
                bytes += bytes_of(&[]);
            }
            let between = SWEEP_AT.max(count).min(limit / 8);
            assert!(bytes + 4 * bytes_of(&[]) >= 4 * between, "{count} roots were looked at after {bytes} bytes");
        }
    }

    /// What all exceptions pay until a sweep is what that looks at.
    #[test]
    fn exceptions_pay_for_the_sweep_that_they_bring_nearer() {
        for (count, limit) in [(0, 16 << 20), (100_000, 16 << 20), (100_000_000, 16 << 20), (1 << 20, 1 << 14)] {
            let (mut exceptions, roots) = (Exceptions::default(), Words { count, ..Words::default() });
            let mut paid = 0;
            while roots.shown.get() < 3 {
                exceptions.throw(TAG, &[RawVal::from_i32(1); 3]);
                paid += exceptions.price(limit, count).expect("it fits");
                exceptions.keep(TAG, limit, &roots).expect("room");
            }
            let looked_at = 3 * (count + exceptions.places.len()) as u64;
            assert!(paid * WORDS_PER_FUEL >= looked_at, "{paid} was paid for {looked_at} words");
        }
    }

    #[test]
    fn what_can_never_have_a_place_is_not_paid_for() {
        let mut exceptions = Exceptions::default();
        exceptions.throw(TAG, &[RawVal::ZERO; 10]);
        for limit in [0, 7, bytes_of(&[]), bytes_of(&[RawVal::ZERO; 10])] {
            assert!(exceptions.price(limit, 1 << 20).is_err(), "{limit}");
        }
        assert!(exceptions.price(bytes_of(&[RawVal::ZERO; 12]), 1 << 20).is_ok());
    }

    /// At whatever look a sweep is stopped: all that is referred to is still there, and the next one finds what is not.
    #[test]
    fn a_sweep_that_is_stopped_keeps_too_much_and_leaves_no_mark() {
        let mut exceptions = Exceptions::default();
        let never = Words { count: usize::MAX, ..Words::default() };
        let mut place = || exceptions.keep(TAG, usize::MAX, &never).expect("room");
        let words: Vec<u64> = (0..2 * LOOK + 2).map(|_| place()).collect();
        let held = &words[..LOOK + 1];
        let whole = Words { words: held, ..Words::default() };
        let looks = |roots: &Words<'_>| roots.looks.get();
        for stop_at in 1..6 {
            let roots = Words { words: held, stop_at: Some(stop_at), ..Words::default() };
            let stopped = exceptions.sweep(&[], &roots);
            assert!(matches!(stopped, Err(Stop::Trap(TrapCode::Cancelled))), "look {stop_at}");
            assert!(held.iter().all(|word| exceptions.get(*word).is_some()), "look {stop_at}");
            assert!(exceptions.places.iter().flatten().all(|exception| !exception.marked), "look {stop_at}");
        }
        exceptions.sweep(&[], &whole).expect("nobody stops it");
        assert_eq!((looks(&whole), exceptions.bytes), (5, held.len() * bytes_of(&[])));
        sweep(&mut exceptions, &[]);
        assert_eq!((exceptions.bytes, exceptions.free.len()), (0, exceptions.places.len()));
    }
}
