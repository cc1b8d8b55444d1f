//! What a host function sees of the guest that called it.

use crate::context::sealed::AsAccess;
use crate::error::Error;
use crate::instance::{self, Extern};
use crate::memory::{GuestMemory, Memory};
use hatchery_vm::HostContext;
use std::fmt;

/// The instance that is calling a host function, for as long as the call takes.
pub struct Caller<'a, T> {
    pub(crate) vm: HostContext<'a, T>,
}

impl<'a, T: 'static> Caller<'a, T> {
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

    /// The memory that the calling module exports as `memory`, if it does.
    #[inline]
    pub fn memory(&self) -> Option<Memory> {
        self.vm.main_memory().map(|id| Memory::of(self.vm.prepared_id(), id))
    }

    /// A memory and the host data at once.
    ///
    /// # Errors
    ///
    /// When the memory is another module's.
    #[inline]
    pub fn memory_and_data(&mut self, memory: Memory) -> Result<(GuestMemory<'_>, &mut T), Error> {
        let id = memory.id_in(self.vm.prepared_id())?;
        let (data, vm) = self.vm.data_and_memory(id).ok_or_else(instance::no_such_item)?;
        Ok((GuestMemory { vm }, data))
    }

    /// A number that is the calling instance's alone; see [`Instance::generation`](crate::Instance::generation).
    pub fn generation(&self) -> u64 {
        self.vm.generation()
    }

    /// An export of the calling module.
    pub fn export(&mut self, name: &str) -> Option<Extern> {
        let instance = self.vm.instance();
        instance::export(&self.access(), instance, name)
    }

    /// For host functions that take long: whether the guest was asked to stop.
    ///
    /// # Errors
    ///
    /// When it was; return the error to end the guest's call with it.
    pub fn check_interrupt(&self) -> Result<(), Error> {
        self.vm.check_interrupt().map_err(Error::from_code)
    }
}

impl<T: fmt::Debug + 'static> fmt::Debug for Caller<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").field("data", self.data()).finish_non_exhaustive()
    }
}
