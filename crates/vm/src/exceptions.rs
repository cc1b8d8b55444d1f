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

#![expect(unsafe_code, reason = "reads the words of a stack")]

use crate::instance::Inner;
use crate::machine::{Fate, Landing, words};
use crate::stop::Stop;
use hatchery_image::abi::RawVal;
use hatchery_image::{GlobalId, TableId, TagId, TrapCode, ValType};

/// Least bytes of exceptions that are worth a sweep.
const SWEEP_AT: usize = 64 << 10;

/// What every serial number has.
const SERIAL: u32 = 1 << 31;

/// An exception on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Thrown {
    pub(crate) tag: TagId,
    /// Its word, if the guest has ever had a reference to it.
    word: Option<u64>,
}

/// An exception that the guest has, or had, a reference to.
struct Exception {
    word: u64,
    tag: TagId,
    values: Box<[RawVal]>,
    /// Whether the sweep that is going on came by.
    marked: bool,
}

impl Exception {
    fn bytes(&self) -> usize {
        size_of::<Exception>() + size_of_val(&*self.values)
    }
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
    /// How many bytes make the next sweep worth its while.
    sweep_at: usize,
}

impl Default for Exceptions {
    fn default() -> Exceptions {
        let (flight, places, free) = (Vec::new(), Vec::new(), Vec::new());
        Exceptions { flight, places, free, serial: SERIAL, bytes: 0, sweep_at: SWEEP_AT }
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
    fn values(&self, thrown: Thrown) -> &[RawVal] {
        match thrown.word {
            Some(word) => self.get(word).map_or(&[], |exception| &exception.values),
            None => &self.flight,
        }
    }

    /// Gives the exception in flight a place. `roots` are asked for all words that may be references, when it is time
    /// to sweep.
    ///
    /// # Errors
    ///
    /// When those that are still referred to take seven eighths of `limit` bytes, and it is reached.
    fn keep(&mut self, tag: TagId, limit: usize, roots: impl FnOnce(&mut dyn FnMut(u64))) -> Result<u64, Stop> {
        let values: Box<[RawVal]> = self.flight.as_slice().into();
        let mut exception = Exception { word: 0, tag, values, marked: false };
        let bytes = exception.bytes();
        if self.bytes + bytes > self.sweep_at.min(limit) {
            self.sweep(|mark| {
                exception.values.iter().for_each(|value| mark(value.get_reference()));
                roots(mark);
            });
            // What a sweep costs is paid for by the exceptions until the next one: there must be some.
            if self.bytes + bytes > limit - limit / 8 {
                return Err(Stop::Trap(TrapCode::ExceptionsExhausted));
            }
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        self.serial = self.serial.wrapping_add(1) | SERIAL;
        exception.word = u64::from(self.serial) << 32 | u64::from(place + 1);
        self.bytes += bytes;
        let word = exception.word;
        self.places[place as usize] = Some(exception);
        Ok(word)
    }

    /// Forgets what no word leads to.
    fn sweep(&mut self, roots: impl FnOnce(&mut dyn FnMut(u64))) {
        let mut found = Vec::new();
        roots(&mut |word| self.mark(word, &mut found));
        while let Some(place) = found.pop() {
            let Some(exception) = self.places[place].take() else { continue };
            // Whatever their types are: what is no reference hardly looks like one.
            exception.values.iter().for_each(|value| self.mark(value.get_reference(), &mut found));
            self.places[place] = Some(exception);
        }
        for (place, entry) in self.places.iter_mut().enumerate() {
            match entry {
                Some(exception) if exception.marked => exception.marked = false,
                Some(exception) => {
                    self.bytes -= exception.bytes();
                    self.free.push(place as u32);
                    *entry = None;
                }
                None => {}
            }
        }
        self.sweep_at = SWEEP_AT.max(2 * self.bytes);
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

impl Inner {
    /// What a landing pad gets of an exception: its reference, or 0, and its values.
    ///
    /// # Errors
    ///
    /// Why the guest stops instead.
    ///
    /// # Safety
    ///
    /// The fate was just found on this instance's stack, on which the caller runs.
    pub(crate) unsafe fn arrive(&self, thrown: Thrown, fate: Fate) -> Result<(Landing, u64, *const RawVal), Stop> {
        let landing = match fate {
            Fate::Caught(landing) => landing,
            Fate::Uncaught => return Err(Stop::Trap(TrapCode::UncaughtException)),
            Fate::Withdrawn => return Err(Stop::Withdrawn),
        };
        let mut exceptions = self.exceptions.borrow_mut();
        let reference = match thrown.word {
            Some(word) => word,
            None if landing.wants_reference => {
                let limit = self.prepared.limits.exception_bytes;
                exceptions.keep(thrown.tag, limit, |mark| {
                    // SAFETY: promised.
                    unsafe { self.exception_words(landing, mark) }
                })?
            }
            None => 0,
        };
        Ok((landing, reference, exceptions.values(thrown).as_ptr()))
    }

    /// Every word that may be a reference to an exception, those in other exceptions' values left out.
    ///
    /// # Safety
    ///
    /// As for [`arrive`](Self::arrive).
    unsafe fn exception_words(&self, landing: Landing, mark: &mut dyn FnMut(u64)) {
        let image = self.image();
        let tables = image.tables().iter().enumerate().filter(|(_, table)| table.element.is_exn());
        for (id, _) in tables {
            let id = TableId(id as u32);
            (0..self.table_length(id)).for_each(|index| self.table_get(id, index).into_iter().for_each(&mut *mark));
        }
        let is_exn = |ty| matches!(ty, ValType::Ref(reference) if reference.is_exn());
        let globals = image.globals().iter().enumerate().filter(|(_, global)| is_exn(global.ty));
        for (id, _) in globals {
            let value = self.global_get(GlobalId(id as u32));
            value.into_iter().for_each(|value| mark(value.get_reference()));
        }
        let Some(record) = self.record.get() else { return };
        // SAFETY: the record is of this instance's own task, on whose stack the caller runs; the landing is promised.
        unsafe { words(record, landing, mark) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: TagId = TagId(3);

    fn keep(exceptions: &mut Exceptions, limit: usize, roots: &[u64]) -> Option<u64> {
        exceptions.keep(TAG, limit, |mark| roots.iter().copied().for_each(mark)).ok()
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
        exceptions.sweep(|_| ());
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
        exceptions.sweep(|mark| mark(outer));
        assert!(exceptions.get(inner).is_some() && exceptions.get(outer).is_some() && exceptions.get(other).is_none());
        exceptions.sweep(|mark| mark(inner));
        assert!(exceptions.get(inner).is_some() && exceptions.get(outer).is_none());
        exceptions.sweep(|_| ());
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
}
