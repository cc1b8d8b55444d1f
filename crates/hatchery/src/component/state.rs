//! What the host keeps beside an instance of a component: which handles of its resources it holds.

use super::options::bug;
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
    /// Whether a destructor trapped that a host function had called.
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
    /// How often each place was taken or given up: an odd number while there is a handle.
    places: Vec<u32>,
    free: Vec<u32>,
    /// Numbers of the handles that end when the host function returns that they were passed to.
    borrows: Vec<u64>,
    /// Handles of host resources that the guest owns, by resource.
    given: Vec<i64>,
}

impl Handles {
    fn add(&mut self) -> u64 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(0);
            self.places.len() as u32 - 1
        });
        let changes = &mut self.places[place as usize];
        *changes += 1;
        u64::from(*changes) << 32 | u64::from(place)
    }

    fn has(&self, number: u64) -> bool {
        self.places.get(number as u32 as usize).is_some_and(|changes| u64::from(*changes) == number >> 32)
    }

    fn remove(&mut self, number: u64) -> bool {
        if !self.has(number) {
            return false;
        }
        let place = number as u32;
        let changes = &mut self.places[place as usize];
        *changes = changes.wrapping_add(1);
        // A place whose changes cannot be counted any more is not used again.
        if *changes != 0 {
            self.free.push(place);
        }
        true
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

    /// Whether the host has this handle.
    pub(crate) fn has(&self, number: u64) -> bool {
        self.handles.borrow().has(number)
    }

    /// Gives a handle up; whether the host had it.
    pub(crate) fn remove(&self, number: u64) -> bool {
        self.handles.borrow_mut().remove(number)
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
                handles.remove(number);
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

    #[test]
    fn no_number_is_used_twice_and_borrows_end() {
        let state = HostState::default();
        let owned = state.add(true);
        let mark = state.mark();
        let borrowed = [state.add(false), state.add(false)];
        assert!(borrowed.iter().all(|number| state.has(*number)));
        state.end_borrows(mark);
        assert!(state.has(owned) && !borrowed.iter().any(|number| state.has(*number)));
        assert!(state.remove(owned) && !state.remove(owned));
        let next = state.add(true);
        assert!(next != owned && borrowed.iter().all(|number| *number != next) && !state.has(owned));
    }

    #[test]
    fn a_place_is_given_up_when_its_changes_cannot_be_counted() {
        let mut handles = Handles { places: vec![u32::MAX - 1], free: vec![0], ..Handles::default() };
        let last = handles.add();
        assert!(handles.remove(last));
        assert_eq!((handles.add() as u32, handles.has(last)), (1, false));
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
