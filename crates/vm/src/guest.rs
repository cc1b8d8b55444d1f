//! An access with one memory at hand, for code that reads and writes values between calls of guest functions.

#![expect(unsafe_code, reason = "reads and writes guest memory")]

use crate::access::{Access, AccessError};
use crate::call::{CallError, Callee};
use crate::instance::Inner;
use crate::machine::Ready;
use crate::prepared::Prepared;
use core::marker::PhantomData;
use core::ops::Range;
use hatchery_image::MemoryId;
use hatchery_image::abi::RawVal;

/// Stands for host data of a type that is not known. There is no value of it, so that no instance can be made with it;
/// a reference to it reaches no byte. Data of that type may be bound to its thread, so an access is:
///
/// ```compile_fail
/// fn moves<T: Send>() {}
/// moves::<hatchery_vm::Access<'static, hatchery_vm::UnknownData>>();
/// ```
#[derive(Debug)]
pub struct UnknownData(PhantomData<*mut ()>);

/// Where a memory of a prepared image is. Found once, it saves every call the search.
///
/// Invariant: both are those of a memory of the image that `prepared` was made of.
#[derive(Debug, Clone, Copy)]
pub struct MemoryPlaceRef {
    prepared: u64,
    id: MemoryId,
    /// Of the first byte, from `vmctx`.
    offset: u64,
    /// Of the length, from `vmctx`.
    length_offset: u64,
}

impl<T: 'static> Prepared<T> {
    /// Where a memory is, if the image has it.
    pub fn memory(&self, id: MemoryId) -> Option<MemoryPlaceRef> {
        let place = self.core.image.layout().memories.get(id.index())?;
        let (offset, length_offset) = (place.offset, u64::from(place.length_offset));
        Some(MemoryPlaceRef { prepared: self.core.id, id, offset, length_offset })
    }
}

/// Ranges that are remembered as prepared.
const WINDOWS: usize = 2;

/// Access to an instance and to one of its memories, whatever its host data is. It stays on its thread:
///
/// ```compile_fail
/// fn moves<T: Send>() {}
/// moves::<hatchery_vm::Guest<'static>>();
/// ```
pub struct Guest<'a> {
    access: Access<'a, UnknownData>,
    /// The memory, or one without bytes.
    memory: Option<MemoryPlaceRef>,
    base: *mut u8,
    /// Bytes of the memory; exact whenever guest code does not run.
    length: usize,
    /// Ranges of the memory that are prepared (G3: what is writable stays so).
    windows: [Range<u64>; WINDOWS],
    next: usize,
    /// Whether this thread can enter guest code, once that was asked. So this stays on its thread.
    ready: Option<Ready>,
    exclusive: PhantomData<&'a mut u8>,
}

impl core::fmt::Debug for Guest<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Guest").field("memory", &self.memory.map(|m| m.id)).field("len", &self.length).finish()
    }
}

impl<'a, T> Access<'a, T> {
    /// The same access with a memory at hand.
    ///
    /// # Errors
    ///
    /// When the memory is another image's.
    #[inline(always)]
    pub fn with_memory(self, memory: Option<MemoryPlaceRef>) -> Result<Guest<'a>, AccessError> {
        let inner = self.inner();
        let (base, length) = match memory {
            Some(place) if place.prepared == inner.prepared_id => (inner.at(place.offset), length(inner, place)),
            Some(_) => return Err(AccessError::NoSuchItem),
            None => (core::ptr::dangling_mut(), 0),
        };
        let (windows, next) = ([const { 0..0 }; WINDOWS], 0);
        Ok(Guest { access: self.unknown(), memory, base, length, windows, next, ready: None, exclusive: PhantomData })
    }
}

impl<T> Access<'_, T> {
    /// All bytes of a memory.
    ///
    /// # Errors
    ///
    /// When the memory is another image's.
    #[inline(always)]
    pub fn bytes_of(&self, memory: MemoryPlaceRef) -> Result<&[u8], AccessError> {
        let inner = self.inner();
        if memory.prepared != inner.prepared_id {
            return Err(AccessError::NoSuchItem);
        }
        // SAFETY: I3, I4, I5: as in `Guest::bytes`.
        Ok(unsafe { core::slice::from_raw_parts(inner.at(memory.offset), length(inner, memory)) })
    }

    /// The host data and all bytes of a memory.
    ///
    /// # Errors
    ///
    /// When the memory is another image's.
    #[inline(always)]
    pub fn data_and_bytes_of(&mut self, memory: MemoryPlaceRef) -> Result<(&mut T, &[u8]), AccessError> {
        self.bytes_of(memory)?;
        let inner = self.inner();
        // SAFETY: as above; the memory is in the slot, where no host data is. Both borrow this access.
        let bytes = unsafe { core::slice::from_raw_parts(inner.at(memory.offset), length(inner, memory)) };
        Ok((self.data_mut(), bytes))
    }
}

#[inline(always)]
fn length(inner: &Inner, place: MemoryPlaceRef) -> usize {
    inner.load(place.length_offset) as usize
}

impl Guest<'_> {
    #[inline(always)]
    pub(crate) fn inner(&self) -> &Inner {
        self.access.inner()
    }

    /// All bytes of the memory.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: I3, I4, I5: `base` and `length` are the memory's; no guest code runs while this is borrowed, and whoever
        // writes borrows it mutably.
        unsafe { core::slice::from_raw_parts(self.base, self.length) }
    }

    /// Some bytes of the memory, to be written.
    ///
    /// # Errors
    ///
    /// When they are not all there, or the kernel refuses to make them writable.
    #[inline(always)]
    pub fn bytes_mut(&mut self, start: u64, length: u64) -> Result<&mut [u8], AccessError> {
        let end = start.saturating_add(length);
        if !self.windows.iter().any(|window| window.start <= start && end <= window.end) {
            self.prepare(start, end)?;
        }
        // SAFETY: I3, I4: a window is inside the memory and prepared; this is borrowed mutably.
        Ok(unsafe { core::slice::from_raw_parts_mut(self.base.add(start as usize), length as usize) })
    }

    /// Checks and prepares a range and remembers it.
    #[inline(never)]
    fn prepare(&mut self, start: u64, end: u64) -> Result<(), AccessError> {
        let length = self.length as u64;
        let out_of_bounds = AccessError::OutOfBounds { start, end, length };
        let Some(place) = self.memory.filter(|_| start <= end && end <= length) else { return Err(out_of_bounds) };
        let inner = self.access.inner();
        inner.prepare_memory(place.offset + start, end - start)?;
        let (from, to) = inner.writable.get();
        self.windows[self.next] = from.saturating_sub(place.offset)..to.saturating_sub(place.offset).min(length);
        self.next = (self.next + 1) % WINDOWS;
        Ok(())
    }

    /// Calls a guest function; see [`Access::call`].
    ///
    /// # Errors
    ///
    /// Why it did not return.
    ///
    /// # Panics
    ///
    /// As [`Access::call`].
    #[inline(always)]
    pub fn call(&mut self, callee: &Callee, values: &mut [RawVal]) -> Result<(), CallError> {
        self.ready = self.ready.or_else(Ready::here);
        let result = self.access.call_ready(callee, values, self.ready);
        // It may have grown the memory.
        if let Some(place) = self.memory {
            self.length = length(self.access.inner(), place);
        }
        result
    }
}
