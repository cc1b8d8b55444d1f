//! Exclusive access to an instance: from its owner, or from the host function that it is calling.

#![expect(unsafe_code, reason = "an access is a claim that nobody else has one")]

use crate::call::{Callee, CalleeError};
use crate::externref::{ExternRefsExhausted, HostValue};
use crate::guest::UnknownData;
use crate::instance::Inner;
use crate::interrupt::InterruptHandle;
use crate::memory::Memory;
use crate::prepared::Prepared;
use crate::stop::Stop;
use core::marker::PhantomData;
use core::ptr::NonNull;
use hatchery_image::abi::{PackedFuncRef, RawVal};
use hatchery_image::{GlobalId, Image, MemoryId, TableId, TrapCode};
use std::any::Any;
use std::sync::Arc;

/// Exclusive access to an instance with host data `T` (I3 of the module `instance`).
pub struct Access<'a, T> {
    inner: NonNull<Inner>,
    exclusive: PhantomData<&'a mut T>,
}

// SAFETY: I1, I3: an access is a mutable borrow of an instance, which can be sent if `T` can.
unsafe impl<T: Send> Send for Access<'_, T> {}

impl<T> core::fmt::Debug for Access<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Access")
    }
}

/// Why an item of an instance cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The image has no such memory, table or global.
    #[error("there is no such memory, table or global")]
    NoSuchItem,
    /// Some byte or element is beyond the end.
    #[error("{start}..{end} is not inside the {length} that there are")]
    OutOfBounds {
        /// First byte or element.
        start: u64,
        /// One past the last.
        end: u64,
        /// How many there are.
        length: u64,
    },
    /// The value is no reference of the right type.
    #[error("the value is not a reference of the right type")]
    Reference,
    /// An immutable global cannot be written.
    #[error("the global is immutable")]
    Immutable,
    /// The pages cannot be written.
    #[error(transparent)]
    Pages(#[from] hatchery_alloc::PrepareError),
}

impl<'a, T> Access<'a, T> {
    /// # Safety
    ///
    /// I3: `inner` is live for `'a`, with host data of type `T`, and no other access to it is used meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn new(inner: NonNull<Inner>) -> Access<'a, T> {
        Access { inner, exclusive: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn inner(&self) -> &'a Inner {
        // SAFETY: I1, and `new`'s promise.
        unsafe { self.inner.as_ref() }
    }

    /// The same access, for a shorter time.
    pub fn reborrow(&mut self) -> Access<'_, T> {
        // SAFETY: this one is borrowed mutably as long as the other lives.
        unsafe { Access::new(self.inner) }
    }

    /// The same access, by somebody who does not know the host data's type.
    #[inline(always)]
    pub fn unknown(self) -> Access<'a, UnknownData> {
        // SAFETY: this one is used up. The host data is reached as an `UnknownData` at most, which has no bytes and of which
        // nobody can make a value.
        unsafe { Access::new(self.inner) }
    }

    /// The image.
    pub fn image(&self) -> &'a Arc<Image> {
        self.inner().image()
    }

    /// What it is an instance of.
    pub fn prepared(&self) -> Prepared<T> {
        let inner = self.inner();
        Prepared {
            core: Arc::clone(&inner.prepared),
            handles: Arc::default(),
            template: inner.slot().template().clone(),
            data: PhantomData,
        }
    }

    /// The function behind a funcref word, ready to be called.
    ///
    /// # Errors
    ///
    /// When the word is null, or no function of the image has this place and type.
    pub fn callee(&self, word: PackedFuncRef) -> Result<Callee, CalleeError> {
        self.inner().prepared.callee(word)
    }

    /// A number that no other [`Prepared`] of the process has.
    pub fn prepared_id(&self) -> u64 {
        self.inner().prepared_id
    }

    /// The host data.
    #[inline(always)]
    pub fn data(&self) -> &T {
        // SAFETY: H2; the data is only reached through an access, and this one is borrowed.
        unsafe { &*self.inner().host_data.cast::<T>() }
    }

    /// The host data.
    #[inline(always)]
    pub fn data_mut(&mut self) -> &mut T {
        // SAFETY: as above, mutably.
        unsafe { &mut *self.inner().host_data.cast::<T>() }
    }

    /// The host data, for as long as the access would live.
    #[inline(always)]
    pub fn into_data_mut(self) -> &'a mut T {
        // SAFETY: as above; the access is used up.
        unsafe { &mut *self.inner().host_data.cast::<T>() }
    }

    /// A memory, to be read and written.
    pub fn memory(&mut self, id: MemoryId) -> Option<Memory<'_>> {
        Memory::new(self.inner(), id)
    }

    /// The host data and a memory at once.
    pub fn data_and_memory(&mut self, id: MemoryId) -> Option<(&mut T, Memory<'_>)> {
        let memory = Memory::new(self.inner(), id)?;
        // SAFETY: as in `data_mut`; a memory does not reach the host data.
        Some((unsafe { &mut *self.inner().host_data.cast::<T>() }, memory))
    }

    /// The bytes of a memory.
    pub fn memory_bytes(&self, id: MemoryId) -> Option<&[u8]> {
        // SAFETY: I3, I4: this access is borrowed as long as the slice lives, so that nothing writes.
        (id.index() < self.image().memories().len()).then(|| unsafe { self.inner().memory_bytes(id) })
    }

    /// Elements of a table.
    pub fn table_len(&self, id: TableId) -> Option<u64> {
        (id.index() < self.image().tables().len()).then(|| self.inner().table_length(id))
    }

    /// The word of a table's element.
    ///
    /// # Errors
    ///
    /// When there is no such table or element.
    pub fn table_get(&self, id: TableId, index: u64) -> Result<u64, AccessError> {
        self.inner().table_get(id, index)
    }

    /// Replaces a table's element.
    ///
    /// # Errors
    ///
    /// When there is no such table or element, or the word is not of its type.
    pub fn table_set(&mut self, id: TableId, index: u64, word: u64) -> Result<(), AccessError> {
        self.inner().table_set(id, index, word)
    }

    /// Makes a table longer by `delta` elements and gives its old length; `None` when it cannot be.
    ///
    /// # Errors
    ///
    /// When there is no such table, or the word is not of its type.
    pub fn table_grow(&mut self, id: TableId, delta: u64, word: u64) -> Result<Option<u64>, AccessError> {
        self.inner().host_table_grow(id, delta, word)
    }

    /// The value of a global.
    pub fn global_get(&self, id: GlobalId) -> Option<RawVal> {
        self.inner().global_get(id)
    }

    /// Changes the value of a mutable global.
    ///
    /// # Errors
    ///
    /// When there is no such global, it is immutable, or the value is no reference of its type.
    pub fn global_set(&mut self, id: GlobalId, value: RawVal) -> Result<(), AccessError> {
        self.inner().global_set(id, value)
    }

    /// Gives the guest a reference to a host value: a word that is not null.
    ///
    /// # Errors
    ///
    /// When it holds too many.
    pub fn externref_new(&mut self, value: HostValue) -> Result<u64, ExternRefsExhausted> {
        let limit = self.inner().prepared.limits.externrefs;
        self.inner().externs.borrow_mut().add(value, limit)
    }

    /// The host value behind a reference's word, lent to `look`.
    pub fn externref<R>(&self, word: u64, look: impl FnOnce(Option<&(dyn Any + Send + Sync)>) -> R) -> R {
        look(self.inner().externs.borrow().get(word))
    }

    /// A number that is this instance's alone: no other instance of this process has it, and one of another process is
    /// unlikely to. Never 0. It is not secret, and does not hold across `fork`.
    pub fn generation(&self) -> u64 {
        self.inner().generation()
    }

    /// Fuel left. Only images compiled for fuel use any.
    pub fn fuel(&self) -> i64 {
        self.inner().fuel()
    }

    /// Sets the fuel that is left.
    pub fn set_fuel(&mut self, fuel: i64) {
        self.inner().set_fuel(fuel);
    }

    /// Whether the instance was asked to stop; for host functions that take long.
    ///
    /// # Errors
    ///
    /// Why, if it was. The host function's call then ends with an error of its own, which answers the request.
    pub fn check_interrupt(&self) -> Result<(), TrapCode> {
        let code = self.inner().check_interrupt().map_err(|stop| match stop {
            Stop::Trap(code) | Stop::About(code, _) => code,
            Stop::Withdrawn | Stop::Pages(_) => TrapCode::Cancelled,
        });
        code.inspect_err(|code| self.inner().told.set(Some(*code)))
    }

    /// Asks the instance to stop, from any thread. Only images compiled for interruption look.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(self.inner().interrupt().clone())
    }
}
