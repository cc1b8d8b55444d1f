//! What the host keeps beside an instance of a component: which handles of its resources it holds.

use super::options::bug;
use super::passed::Passed;
use crate::error::Error;
use hatchery_component::types::ResourceId;
use hatchery_vm::{Access, Callee};
use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the host keeps beside an instance; made when somebody first needs it.
#[derive(Debug, Default)]
pub(crate) struct HostState {
    /// Different for all of the process that were asked; 0 for those that were not.
    id: Cell<u64>,
    handles: RefCell<Handles>,
    /// Calls of the instance before the one that runs or was the last, since this was made. Calls of one instance do not nest.
    calls: Cell<u64>,
    /// Whether a destructor that a host function ran did not return.
    poisoned: Cell<bool>,
}

/// What all instances of a prepared component share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// What is called to drop a resource that the component defines, by its number.
    pub(crate) drops: Box<[Option<Callee>]>,
}

/// Handles that the host has of resources that the component defines. A number has the place of its handle in its low half,
/// and how often that place changed in the other, so that no number is one's twice.
#[derive(Debug, Default)]
struct Handles {
    places: Vec<Place>,
    free: Vec<u32>,
    /// Numbers of the handles that end when the host function returns that they were passed to.
    borrows: Vec<u64>,
    /// Handles of host resources that the guest owns, by resource.
    given: Vec<i64>,
    /// What one call has passed, and the number of that.
    passed: (u64, Vec<Passed>),
}

#[derive(Debug, Default)]
struct Place {
    /// How often it was taken or given up: an odd number while there is a handle.
    changes: u32,
    /// The number of the call that its handle was lent to last; 0 before the first time.
    lent: u64,
}

/// What happens to a handle that is to be given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is gone now.
    Done,
    /// It was not there.
    Missing,
    /// It is lent to a call that has not returned, and stays.
    Lent,
}

impl Handles {
    fn add(&mut self) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            self.places.len() as u32 - 1
        });
        let place = &mut self.places[at as usize];
        place.changes += 1;
        u64::from(place.changes) << 32 | u64::from(at)
    }

    /// The place of a handle, if it is there.
    fn find(&mut self, number: u64) -> Option<&mut Place> {
        self.places.get_mut(number as u32 as usize).filter(|place| u64::from(place.changes) == number >> 32)
    }

    /// Gives a handle up, unless it is lent to this call.
    fn remove(&mut self, number: u64, call: u64) -> Removal {
        let Some(place) = self.find(number) else { return Removal::Missing };
        if place.lent == call {
            return Removal::Lent;
        }
        place.changes = place.changes.wrapping_add(1);
        // A place whose changes cannot be counted any more is not used again.
        if place.changes != 0 {
            self.free.push(number as u32);
        }
        Removal::Done
    }

    /// Takes a removal back, as long as nothing was added behind it.
    fn put_back(&mut self, number: u64) {
        let at = number as u32;
        self.free.retain(|free| *free != at);
        self.places[at as usize].changes = (number >> 32) as u32;
    }
}

impl HostState {
    /// The state beside an instance.
    #[inline(always)]
    pub(crate) fn of<'a, T>(access: &'a Access<'_, T>) -> Result<&'a HostState, Error> {
        access.beside().ok_or_else(not_ours)
    }

    pub(crate) fn id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        if self.id.get() == 0 {
            // Relaxed: only uniqueness matters.
            self.id.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        self.id.get()
    }

    /// Begins a call of the instance, to which nothing is lent yet; false when there must be none.
    #[inline(always)]
    pub(crate) fn begin_call(&self) -> bool {
        self.calls.set(self.call());
        !self.is_poisoned()
    }

    /// The number of the call that runs or was the last.
    fn call(&self) -> u64 {
        self.calls.get() + 1
    }

    /// Ends the instance.
    pub(crate) fn poison(&self) {
        self.poisoned.set(true);
    }

    #[inline(always)]
    pub(crate) fn is_poisoned(&self) -> bool {
        self.poisoned.get()
    }

    /// Counts handles of the host's resources that the guest owns.
    pub(crate) fn count(&self, resource: ResourceId, change: i64) {
        let (given, at) = (&mut self.handles.borrow_mut().given, resource.0 as usize);
        if given.len() <= at {
            given.resize(at + 1, 0);
        }
        given[at] += change;
    }

    /// The first resource of the host that the guest owns handles of.
    pub(crate) fn given(&self) -> Option<ResourceId> {
        let at = self.handles.borrow().given.iter().position(|count| *count > 0)?;
        Some(ResourceId(at as u32))
    }

    /// The number of a new handle.
    pub(crate) fn add(&self, owned: bool) -> u64 {
        let mut handles = self.handles.borrow_mut();
        let number = handles.add();
        if !owned {
            handles.borrows.push(number);
        }
        number
    }

    /// Lends a handle to the call of the instance; whether the host has it.
    pub(crate) fn lend(&self, number: u64) -> bool {
        let call = self.call();
        self.handles.borrow_mut().find(number).map(|place| place.lent = call).is_some()
    }

    /// Gives a handle up, unless it is lent.
    pub(crate) fn remove(&self, number: u64) -> Removal {
        self.handles.borrow_mut().remove(number, self.call())
    }

    /// Notes what the call that runs has passed.
    pub(crate) fn pass(&self, handle: Passed) {
        let (call, passed) = &mut self.handles.borrow_mut().passed;
        if *call != self.call() {
            *call = self.call();
            passed.clear();
        }
        passed.push(handle);
    }

    /// What the call that runs has passed so far.
    pub(crate) fn take_passed(&self) -> Vec<Passed> {
        let (call, passed) = &mut self.handles.borrow_mut().passed;
        if *call == self.call() { std::mem::take(passed) } else { Vec::new() }
    }

    /// Takes the removal of a handle back, as long as nothing was done behind it.
    pub(crate) fn put_back(&self, number: u64) {
        self.handles.borrow_mut().put_back(number);
    }

    /// Borrows so far.
    pub(crate) fn mark(&self) -> usize {
        self.handles.borrow().borrows.len()
    }

    /// Ends the borrows that came after the mark, as the host function that they were passed to has returned.
    pub(crate) fn end_borrows(&self, mark: usize) {
        let handles = &mut *self.handles.borrow_mut();
        while handles.borrows.len() > mark {
            if let Some(number) = handles.borrows.pop() {
                // What was lent to a host function is not lent on to a call of the instance.
                handles.remove(number, self.call());
            }
        }
    }
}

#[cold]
pub(crate) fn not_ours() -> Error {
    bug("something else is kept beside the instance")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(state: &HostState, number: u64) -> bool {
        state.handles.borrow_mut().find(number).is_some()
    }

    #[test]
    fn no_number_is_used_twice_and_borrows_end() {
        let state = HostState::default();
        let owned = state.add(true);
        let mark = state.mark();
        let borrowed = [state.add(false), state.add(false)];
        assert!(borrowed.iter().all(|number| has(&state, *number)));
        state.end_borrows(mark);
        assert!(has(&state, owned) && !borrowed.iter().any(|number| has(&state, *number)));
        assert_eq!([state.remove(owned), state.remove(owned)], [Removal::Done, Removal::Missing]);
        let next = state.add(true);
        assert!(next != owned && borrowed.iter().all(|number| *number != next) && !has(&state, owned));
    }

    #[test]
    fn a_place_is_given_up_when_its_changes_cannot_be_counted() {
        let place = Place { changes: u32::MAX - 1, lent: 0 };
        let mut handles = Handles { places: vec![place], free: vec![0], ..Handles::default() };
        let last = handles.add();
        assert_eq!(handles.remove(last, 1), Removal::Done);
        assert_eq!((handles.add() as u32, handles.find(last).is_some()), (1, false));
    }

    #[test]
    fn what_is_lent_stays_until_another_call_begins() {
        let state = HostState::default();
        let (one, two) = (state.add(true), state.add(true));
        assert!(state.lend(one) && state.lend(one));
        assert_eq!([state.remove(one), state.remove(two)], [Removal::Lent, Removal::Done]);
        assert!(!state.lend(two));
        assert!(state.begin_call());
        assert_eq!(state.remove(one), Removal::Done);
    }

    #[test]
    fn a_removal_that_is_taken_back_did_not_happen() {
        let mut handles = Handles::default();
        let (one, two) = (handles.add(), handles.add());
        assert_eq!([handles.remove(two, 1), handles.remove(one, 1)], [Removal::Done; 2]);
        handles.put_back(one);
        assert!(handles.find(one).is_some() && handles.find(two).is_none());
        assert_ne!(handles.add() as u32, one as u32);
        let last = Place { changes: u32::MAX, lent: 0 };
        let mut handles = Handles { places: vec![last], ..Handles::default() };
        let one = u64::from(u32::MAX) << 32;
        assert_eq!(handles.remove(one, 1), Removal::Done);
        handles.put_back(one);
        assert!(handles.find(one).is_some());
    }

    #[test]
    fn what_the_guest_owns_is_counted_by_resource() {
        let state = HostState::default();
        state.count(ResourceId(3), 1);
        state.count(ResourceId(1), 1);
        state.count(ResourceId(1), -1);
        assert_eq!(state.given(), Some(ResourceId(3)));
    }
}
