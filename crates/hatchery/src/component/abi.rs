//! The guest's side of a call: its memory, its allocator, its handle table.

use super::layout::{Extent, MAX_LIST_BYTES};
use super::options::Options;
use super::state::{HostState, not_ours};
use super::violation::Violation;
use crate::error::{Error, ErrorKind};
use hatchery_image::abi::RawVal;
use hatchery_vm::{Access, AccessError, CallError, Callee, Guest};
use std::fmt;

/// What values are lifted from and lowered to. Derived code passes it on.
pub struct Abi<'a> {
    guest: Guest<'a>,
    pub(crate) options: &'a Options,
    /// Bytes that the host may still allocate for this guest.
    budget: usize,
}

impl fmt::Debug for Abi<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Abi").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl<'a> Abi<'a> {
    /// For a call with these options.
    #[inline(always)]
    pub(crate) fn new<T>(access: Access<'a, T>, options: &'a Options) -> Result<Abi<'a>, Error> {
        let guest = access.with_memory(options.memory).map_err(|_| of_another())?;
        Ok(Abi { guest, options, budget: options.budget })
    }

    /// What the host keeps beside the instance.
    #[inline(always)]
    pub(crate) fn state(&self) -> Result<&HostState, Error> {
        self.guest.beside().ok_or_else(not_ours)
    }

    /// Whether addresses have 64 bits.
    #[inline(always)]
    pub(crate) fn is_wide(&self) -> bool {
        self.options.wide
    }

    /// All of the memory.
    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.guest.bytes()
    }

    /// Whether a value can be at a pointer.
    #[inline(always)]
    pub(crate) fn check(&self, pointer: u64, extent: Extent) -> Result<(), Error> {
        if !pointer.is_multiple_of(u64::from(extent.align)) {
            return Err(Violation::Unaligned { pointer, align: extent.align }.error());
        }
        let (bytes, length) = (u64::from(extent.bytes), self.bytes().len() as u64);
        if pointer.saturating_add(bytes) > length {
            return Err(Violation::OutOfBounds { pointer, bytes, length }.error());
        }
        Ok(())
    }

    /// Reads bytes of a range that is known to be inside.
    #[inline(always)]
    pub(crate) fn read<const N: usize>(&self, at: u64) -> Result<[u8; N], Error> {
        let bytes = usize::try_from(at).ok().and_then(|at| self.bytes().get(at..)?.first_chunk::<N>());
        bytes.copied().ok_or_else(|| self.out_of_bounds(at, N as u64))
    }

    /// Bytes of the memory.
    #[inline(always)]
    pub(crate) fn slice(&self, at: u64, length: u64) -> Result<&[u8], Error> {
        let range = usize::try_from(at).ok().zip(usize::try_from(at.saturating_add(length)).ok());
        let bytes = range.and_then(|(start, end)| self.bytes().get(start..end));
        bytes.ok_or_else(|| self.out_of_bounds(at, length))
    }

    #[cold]
    fn out_of_bounds(&self, pointer: u64, bytes: u64) -> Error {
        Violation::OutOfBounds { pointer, bytes, length: self.bytes().len() as u64 }.error()
    }

    /// Writes bytes to a range that is known to be inside.
    #[inline(always)]
    pub(crate) fn write<const N: usize>(&mut self, at: u64, bytes: [u8; N]) -> Result<(), Error> {
        self.slice_mut(at, N as u64)?.copy_from_slice(&bytes);
        Ok(())
    }

    /// Bytes of the memory, to be written.
    #[inline(always)]
    pub(crate) fn slice_mut(&mut self, at: u64, length: u64) -> Result<&mut [u8], Error> {
        self.guest.bytes_mut(at, length).map_err(memory_error)
    }

    /// Says that a value of this many bytes will be written here, piece by piece.
    pub(crate) fn will_write(&mut self, at: u64, length: u64) -> Result<(), Error> {
        self.slice_mut(at, length).map(drop)
    }

    /// Has the guest allocate room for a value.
    #[inline]
    pub(crate) fn allocate(&mut self, bytes: u64, align: u32) -> Result<u64, Error> {
        if bytes > MAX_LIST_BYTES {
            let message = format!("{bytes} bytes are more than a string or a list may have ({MAX_LIST_BYTES})");
            return Err(Error::message(ErrorKind::Usage, message));
        }
        let pointer = match &self.options.realloc {
            Some(realloc) if self.options.wide => {
                let numbers = [0, 0, u64::from(align), bytes];
                let mut values = numbers.map(|number| RawVal::from_i64(number as i64));
                self.guest.call(realloc, &mut values).map_err(Error::from_call)?;
                values[0].get_i64() as u64
            }
            Some(realloc) => {
                let mut values = [0, 0, align, bytes as u32].map(|number| RawVal::from_i32(number as i32));
                self.guest.call(realloc, &mut values).map_err(Error::from_call)?;
                u64::from(values[0].get_i32() as u32)
            }
            None => return Err(no_realloc()),
        };
        let length = self.bytes().len() as u64;
        if !pointer.is_multiple_of(u64::from(align)) {
            return Err(Violation::ReallocUnaligned { pointer, align }.error());
        }
        if pointer.saturating_add(bytes) > length {
            return Err(Violation::ReallocOutOfBounds { pointer, bytes, length }.error());
        }
        Ok(pointer)
    }

    /// Takes from what the host may allocate for the guest.
    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), Error> {
        match self.budget.checked_sub(bytes) {
            Some(left) => {
                self.budget = left;
                Ok(())
            }
            None => Err(Violation::Budget { limit: self.options.budget }.error()),
        }
    }

    /// Calls a guest function of numbers.
    #[inline(always)]
    pub(crate) fn call(&mut self, callee: &Callee, values: &mut [RawVal]) -> Result<(), Error> {
        self.guest.call(callee, values).map_err(Error::from_call)
    }

    /// Calls a function of the handle table.
    pub(crate) fn call_table(&mut self, callee: &Callee, resource: u32, number: u32) -> Result<u32, Error> {
        let mut values = [resource, number].map(|number| RawVal::from_i32(number as i32));
        self.call(callee, &mut values)?;
        Ok(values[0].get_i32() as u32)
    }
}

/// The function's memory is none of the instance's: what calling a function without one says, too.
#[cold]
fn of_another() -> Error {
    Error::from_call(CallError::WrongInstance)
}

#[cold]
fn no_realloc() -> Error {
    Error::message(ErrorKind::Bug, "a value needs memory of the guest, and the function has no `realloc`")
}

/// What goes wrong when memory is written: only what the host is at fault for, as all ranges are checked before.
#[cold]
fn memory_error(error: AccessError) -> Error {
    match error {
        AccessError::OutOfBounds { start, end, length } => {
            Violation::OutOfBounds { pointer: start, bytes: end.saturating_sub(start), length }.error()
        }
        error => Error::source_of(ErrorKind::Host, error),
    }
}
