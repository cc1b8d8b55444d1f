//! What a host function sees of the component that called it.

use super::context::sealed::AsAccess;
use super::instance::poisoned;
use super::state::HostState;
use crate::error::{Error, ErrorKind};
use hatchery_vm::{Access, HostContext, MemoryPlaceRef};
use std::fmt;

/// The instance that is calling a host function, for as long as the call takes.
pub struct Caller<'a, T> {
    vm: HostContext<'a, T>,
    /// Where it is noted that the instance must not go on, beside its state; that of a future is asked when it is ready.
    ended: Option<&'a mut bool>,
}

impl<'a, T: 'static> Caller<'a, T> {
    /// For a future; [`may_go_on`] says what became of the instance meanwhile.
    pub(crate) fn of_future(vm: HostContext<'a, T>) -> Caller<'a, T> {
        Caller { vm, ended: None }
    }

    /// The host data.
    #[inline(always)]
    pub fn data(&self) -> &T {
        self.vm.data()
    }

    /// The host data.
    #[inline(always)]
    pub fn data_mut(&mut self) -> &mut T {
        self.vm.data_mut()
    }

    /// The host data, for as long as the call takes.
    #[inline(always)]
    pub fn into_data_mut(self) -> &'a mut T {
        self.vm.into_access().into_data_mut()
    }

    /// For host functions that take long: whether the guest was asked to stop.
    ///
    /// # Errors
    ///
    /// When it was; return the error to end the guest's call with it.
    pub fn check_interrupt(&self) -> Result<(), Error> {
        self.vm.check_interrupt().map_err(Error::from_code)
    }

    /// All bytes of a memory of the guest.
    #[inline(always)]
    pub(crate) fn memory_bytes(&self, memory: Option<MemoryPlaceRef>) -> Result<&[u8], Error> {
        match memory {
            Some(memory) => self.vm.bytes_of(memory).map_err(|_| not_the_callers()),
            None => Ok(&[]),
        }
    }

    /// The host data, and all bytes of a memory of the guest.
    #[inline(always)]
    pub(crate) fn data_and_memory_bytes(&mut self, memory: Option<MemoryPlaceRef>) -> Result<(&mut T, &[u8]), Error> {
        match memory {
            Some(memory) => self.vm.data_and_bytes_of(memory).map_err(|_| not_the_callers()),
            None => Ok((self.data_mut(), &[])),
        }
    }
}

/// A value that is still in a guest's memory is looked for in another's.
#[cold]
fn not_the_callers() -> Error {
    let message = "the value was passed by an instance of another `Prepared` than the one that is calling";
    Error::message(ErrorKind::Usage, message)
}

/// Runs a host function, behind which the guest goes on: an error, unless it still can.
#[inline(always)]
pub(crate) fn run<T: 'static, R>(
    vm: HostContext<'_, T>,
    function: impl FnOnce(Caller<'_, T>) -> Result<R, Error>,
) -> Result<R, Error> {
    // A function that calls nothing of the guest never touches this, and it costs nothing.
    let mut ended = false;
    let result = function(Caller { vm, ended: Some(&mut ended) })?;
    if ended { Err(cannot_go_on()) } else { Ok(result) }
}

/// An error, unless the guest can go on.
pub(crate) fn may_go_on<T>(access: &Access<'_, T>) -> Result<(), Error> {
    if HostState::of(access)?.is_poisoned() { Err(cannot_go_on()) } else { Ok(()) }
}

/// A host function returns to an instance that it ended.
#[cold]
fn cannot_go_on() -> Error {
    Error::message(
        ErrorKind::Poisoned,
        "the component instance cannot go on: a destructor that the host function ran did not return",
    )
}

impl<T: 'static> AsAccess for Caller<'_, T> {
    type Data = T;

    fn guarded<R>(&mut self, run: impl FnOnce(&mut Access<'_, T>) -> Result<R, Error>) -> Result<R, Error> {
        let access = self.vm.reborrow();
        if HostState::of(&access)?.is_poisoned() {
            return Err(poisoned());
        }
        let mut inside = Inside { access, ended: self.ended.as_deref_mut(), returned: false };
        let result = run(&mut inside.access);
        inside.returned = !result.as_ref().is_err_and(Error::is_fatal);
        result
    }
}

/// A call of the instance that a host function makes. When it is dropped without having returned, by a panic too, which the
/// host function may catch, the instance is not used again.
struct Inside<'a, T> {
    access: Access<'a, T>,
    ended: Option<&'a mut bool>,
    returned: bool,
}

impl<T> Drop for Inside<'_, T> {
    fn drop(&mut self) {
        if self.returned {
            return;
        }
        HostState::of(&self.access).into_iter().for_each(HostState::poison);
        if let Some(ended) = &mut self.ended {
            **ended = true;
        }
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("data", self.data()).finish_non_exhaustive()
    }
}
