//! What a host function sees of the component that called it.

use super::abi::memory_error;
use super::context::sealed::AsAccess;
use super::state::HostState;
use crate::error::Error;
use hatchery_vm::{Access, HostContext, MemoryPlaceRef};
use std::fmt;

/// The instance that is calling a host function, for as long as the call takes.
pub struct Caller<'a, T> {
    vm: HostContext<'a, T>,
}

impl<'a, T: 'static> Caller<'a, T> {
    #[inline(always)]
    pub(crate) fn new(vm: HostContext<'a, T>) -> Caller<'a, T> {
        Caller { vm }
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
            Some(memory) => self.vm.bytes_of(memory).map_err(memory_error),
            None => Ok(&[]),
        }
    }

    /// The host data, and all bytes of a memory of the guest.
    #[inline(always)]
    pub(crate) fn data_and_memory_bytes(&mut self, memory: Option<MemoryPlaceRef>) -> Result<(&mut T, &[u8]), Error> {
        match memory {
            Some(memory) => self.vm.data_and_bytes_of(memory).map_err(memory_error),
            None => Ok((self.data_mut(), &[])),
        }
    }
}

impl<T: 'static> AsAccess for Caller<'_, T> {
    type Data = T;

    fn guarded<R>(&mut self, run: impl FnOnce(&mut Access<'_, T>) -> Result<R, Error>) -> Result<R, Error> {
        let mut access = self.vm.reborrow();
        let result = run(&mut access);
        if result.as_ref().is_err_and(Error::is_fatal) {
            HostState::of(&access)?.poison();
        }
        result
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("data", self.data()).finish_non_exhaustive()
    }
}
