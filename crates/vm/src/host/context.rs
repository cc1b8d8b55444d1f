//! What a host function is given besides its arguments.

#![expect(unsafe_code, reason = "is made from what compiled code passes")]

use crate::access::Access;
use crate::header::Vmctx;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use hatchery_image::abi::HostCall;
use hatchery_image::artifact::HostImportRef;
use hatchery_image::{FuncType, HostImportId, InstanceId, MemoryId};

/// The instance that is calling, for as long as the call takes.
pub struct HostContext<'a, T> {
    access: Access<'a, T>,
    instance: InstanceId,
    import: HostImportId,
}

impl<'a, T> HostContext<'a, T> {
    /// # Safety
    ///
    /// Guest code with this context is calling through this entry (S1, S2), and does not go on during `'a`.
    #[inline(always)]
    pub(super) unsafe fn new(context: *mut u8, call: *const HostCall) -> HostContext<'a, T> {
        // SAFETY: promised. The access that the running call borrows is not used until it returns (I3).
        unsafe {
            let vmctx = Vmctx::new(NonNull::new_unchecked(context));
            let access = Access::new(vmctx.instance());
            HostContext { access, instance: InstanceId((*call).instance), import: HostImportId((*call).import) }
        }
    }

    /// The core instance that is calling.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The import through which it calls.
    ///
    /// # Panics
    ///
    /// Never: compiled code passes the number of an import of its image.
    pub fn import(&self) -> HostImportRef<'a> {
        self.access.image().imports().get(self.import.index()).expect("compiled code names its own imports")
    }

    /// The type of that import.
    pub(super) fn ty(&self) -> &'a FuncType {
        self.access.image().types().get(self.access.inner().prepared.import_types[self.import.index()])
    }

    /// See [`Access::prepared_id`].
    #[inline(always)]
    pub fn prepared_id(&self) -> u64 {
        self.access.prepared_id()
    }

    /// The memory that the calling core instance exports as `memory`.
    pub fn main_memory(&self) -> Option<MemoryId> {
        self.access.inner().prepared.main_memories[self.instance.index()]
    }

    /// The same context, for a shorter time.
    pub fn lend(&mut self) -> HostContext<'_, T> {
        HostContext { access: self.access.reborrow(), instance: self.instance, import: self.import }
    }

    /// Access to the instance, for as long as the call takes.
    pub fn into_access(self) -> Access<'a, T> {
        self.access
    }
}

impl<'a, T> Deref for HostContext<'a, T> {
    type Target = Access<'a, T>;

    #[inline(always)]
    fn deref(&self) -> &Access<'a, T> {
        &self.access
    }
}

impl<'a, T> DerefMut for HostContext<'a, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Access<'a, T> {
        &mut self.access
    }
}

impl<T> core::fmt::Debug for HostContext<'_, T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("HostContext").field("instance", &self.instance).field("import", &self.import).finish()
    }
}
