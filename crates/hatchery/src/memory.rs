//! Memories, tables and globals of a guest, by checked access.

use crate::context::AsContext;
use crate::convert;
use crate::error::{Error, ErrorKind};
use crate::instance::no_such_item;
use crate::raw;
use crate::val::{Val, ValType};
use hatchery_image::{GlobalId, MemoryId, TableId};
use hatchery_vm::{Access, AccessError};
use std::fmt;

fn access_error(error: AccessError) -> Error {
    let kind = if matches!(error, AccessError::Pages(_)) { ErrorKind::Host } else { ErrorKind::Usage };
    Error::source_of(kind, error)
}

/// Whether a handle is one of this instance's module.
fn check<T>(access: &Access<'_, T>, owner: u64) -> Result<(), Error> {
    if access.prepared_id() == owner { Ok(()) } else { Err(no_such_item()) }
}

/// A memory of a guest, by its place in the module. Lengths and offsets are in bytes unless they say pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Memory {
    id: MemoryId,
    /// Of the prepared module.
    owner: u64,
}

impl Memory {
    pub(crate) fn of(owner: u64, id: MemoryId) -> Memory {
        Memory { id, owner }
    }

    /// Its number in the module, if that is the owner.
    #[inline]
    pub(crate) fn id_in(&self, owner: u64) -> Result<MemoryId, Error> {
        if self.owner == owner { Ok(self.id) } else { Err(no_such_item()) }
    }

    /// Borrows the memory.
    ///
    /// # Errors
    ///
    /// When the handle is another module's.
    ///
    /// ```
    /// # use hatchery::{Config, Engine, Linker, Module, Extern};
    /// # let engine = Engine::new(&Config::new())?;
    /// # let module = Module::new(&engine, r#"(module (memory (export "memory") 1))"#)?;
    /// # let mut instance = Linker::new(&engine).prepare(&module)?.instantiate(())?;
    /// let Some(Extern::Memory(memory)) = instance.export("memory") else { panic!("no memory") };
    /// memory.borrow(&mut instance, |mut bytes| {
    ///     bytes.slice_mut(16, 5)?.copy_from_slice(b"hello");
    ///     assert_eq!(bytes.slice(14, 4)?, b"\0\0he");
    ///     Ok(())
    /// })?;
    /// # Ok::<(), hatchery::Error>(())
    /// ```
    pub fn borrow<R>(
        &self,
        mut cx: impl AsContext,
        look: impl FnOnce(GuestMemory<'_>) -> Result<R, Error>,
    ) -> Result<R, Error> {
        let mut access = cx.access();
        let id = self.id_in(access.prepared_id())?;
        look(GuestMemory { vm: access.memory(id).ok_or_else(no_such_item)? })
    }

    /// Length in bytes; 0 for a handle of another module.
    pub fn size(&self, mut cx: impl AsContext) -> u64 {
        let mut access = cx.access();
        let Ok(id) = self.id_in(access.prepared_id()) else { return 0 };
        access.memory(id).map_or(0, |memory| memory.len())
    }

    /// Copies bytes out.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, or they are not all there.
    pub fn read(&self, cx: impl AsContext, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        self.borrow(cx, |memory| {
            into.copy_from_slice(memory.slice(offset, into.len() as u64)?);
            Ok(())
        })
    }

    /// Copies bytes in.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, or there is no room for all of them; then none are copied.
    pub fn write(&self, cx: impl AsContext, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        self.borrow(cx, |mut memory| {
            memory.slice_mut(offset, bytes.len() as u64)?.copy_from_slice(bytes);
            Ok(())
        })
    }

    /// Makes the memory longer by `pages` of 64 KiB and gives its old length in pages.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, or its maximum, its reservation or a limit of the instance does not allow it.
    pub fn grow(&self, mut cx: impl AsContext, pages: u64) -> Result<u64, Error> {
        let mut access = cx.access();
        let id = self.id_in(access.prepared_id())?;
        let mut memory = access.memory(id).ok_or_else(no_such_item)?;
        let length = memory.len();
        memory.grow(pages).ok_or_else(|| {
            let message = format!("the memory of {length} bytes cannot grow by {pages} pages of 64 KiB");
            Error::message(ErrorKind::Limit, message)
        })
    }
}

/// A guest's memory, borrowed. While it lives, the guest does not run.
pub struct GuestMemory<'a> {
    pub(crate) vm: hatchery_vm::Memory<'a>,
}

impl GuestMemory<'_> {
    /// Length in bytes.
    #[inline]
    pub fn len(&self) -> u64 {
        self.vm.len()
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `length` bytes from `offset`.
    ///
    /// # Errors
    ///
    /// When they are not all there.
    #[inline]
    pub fn slice(&self, offset: u64, length: u64) -> Result<&[u8], Error> {
        self.vm.slice(offset..offset.saturating_add(length)).map_err(access_error)
    }

    /// The `length` bytes from `offset`, to be written. Ask for no more than will be written: each page of
    /// it is made writable, and has to be restored later.
    ///
    /// # Errors
    ///
    /// When they are not all there, or the system cannot make them writable.
    #[inline]
    pub fn slice_mut(&mut self, offset: u64, length: u64) -> Result<&mut [u8], Error> {
        self.vm.slice_mut(offset..offset.saturating_add(length)).map_err(access_error)
    }
}

impl fmt::Debug for GuestMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuestMemory").field("len", &self.len()).finish()
    }
}

/// A global of a guest, by its place in the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Global {
    id: GlobalId,
    /// Of the prepared module.
    owner: u64,
}

impl Global {
    pub(crate) fn of(owner: u64, id: GlobalId) -> Global {
        Global { id, owner }
    }

    /// Type of its value, and whether it can change.
    ///
    /// # Errors
    ///
    /// When the handle is another module's.
    pub fn ty(&self, mut cx: impl AsContext) -> Result<(ValType, bool), Error> {
        let access = cx.access();
        check(&access, self.owner)?;
        let global = access.image().globals().get(self.id.index()).ok_or_else(no_such_item)?;
        Ok((convert::val_type(global.ty), global.mutable))
    }

    /// Its value.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, or the value a reference to an exception.
    pub fn get(&self, mut cx: impl AsContext) -> Result<Val, Error> {
        let access = cx.access();
        check(&access, self.owner)?;
        let ty = access.image().globals().get(self.id.index()).ok_or_else(no_such_item)?.ty;
        let raw = access.global_get(self.id).ok_or_else(no_such_item)?;
        raw::lift_stored(&access, ty, raw)
    }

    /// Changes its value.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, or the global immutable or of another type.
    pub fn set(&self, mut cx: impl AsContext, value: Val) -> Result<(), Error> {
        let mut access = cx.access();
        check(&access, self.owner)?;
        let ty = access.image().globals().get(self.id.index()).ok_or_else(no_such_item)?.ty;
        let raw = raw::lower(&access, ty, &value)?;
        access.global_set(self.id, raw).map_err(access_error)
    }
}

/// A table of a guest, by its place in the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Table {
    id: TableId,
    /// Of the prepared module.
    owner: u64,
}

impl Table {
    pub(crate) fn of(owner: u64, id: TableId) -> Table {
        Table { id, owner }
    }

    /// Number of elements; 0 for a handle of another module.
    pub fn size(&self, mut cx: impl AsContext) -> u64 {
        let access = cx.access();
        if access.prepared_id() == self.owner { access.table_len(self.id).unwrap_or(0) } else { 0 }
    }

    /// An element.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, there is none at this index, or it is a reference to an exception.
    pub fn get(&self, mut cx: impl AsContext, index: u64) -> Result<Val, Error> {
        let access = cx.access();
        check(&access, self.owner)?;
        let word = access.table_get(self.id, index).map_err(access_error)?;
        let element = access.image().tables().get(self.id.index()).ok_or_else(no_such_item)?.element;
        raw::lift_stored(&access, hatchery_image::ValType::Ref(element), raw::word(word))
    }

    /// Replaces an element.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, there is none at this index, or the value is of another type.
    pub fn set(&self, mut cx: impl AsContext, index: u64, value: Val) -> Result<(), Error> {
        let mut access = cx.access();
        check(&access, self.owner)?;
        let element = access.image().tables().get(self.id.index()).ok_or_else(no_such_item)?.element;
        let raw = raw::lower(&access, hatchery_image::ValType::Ref(element), &value)?;
        access.table_set(self.id, index, raw.get_reference()).map_err(access_error)
    }

    /// Makes the table longer by `delta` elements of this value and gives its old length. Only tables
    /// that the guest itself can grow have room for that.
    ///
    /// # Errors
    ///
    /// When the handle is another module's, or its maximum, its room or a limit of the instance does not allow it.
    pub fn grow(&self, mut cx: impl AsContext, delta: u64, value: Val) -> Result<u64, Error> {
        let mut access = cx.access();
        check(&access, self.owner)?;
        let element = access.image().tables().get(self.id.index()).ok_or_else(no_such_item)?.element;
        let raw = raw::lower(&access, hatchery_image::ValType::Ref(element), &value)?;
        let old = access.table_grow(self.id, delta, raw.get_reference()).map_err(access_error)?;
        old.ok_or_else(|| Error::message(ErrorKind::Limit, format!("the table cannot grow by {delta} elements")))
    }
}
