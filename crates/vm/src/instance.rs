//! An instance: a slot with its header written, and what the host keeps beside it.
//!
//! # Who owns what, who may write when
//!
//! * **I1.** An [`Inner`] is on the heap, at one address from creation to drop. It is only used through shared
//!   references; what changes is in cells. It is used by one thread at a time: the owner's, or the one to which
//!   the owner was moved ([`Instance`] is `Send`, not `Sync`).
//! * **I2 (the slot).** The slot is the instance's from allocation to drop (C1 of the allocator). Its header is
//!   written once, its image pages by guest code and by the host.
//! * **I3 (one access).** All host access goes through [`Access`], of which at most one is usable at a time:
//!   borrowed from the owner, or given to the host function that guest code is calling, whose caller's own access is
//!   borrowed by the call. Guest code runs only while an access is mutably borrowed by a call.
//! * **I4 (slices).** So while a slice of guest memory lives, which borrows an access, no guest code runs and no other
//!   host code writes. A mutable slice exists only for a range that was prepared (C4 of the allocator).
//! * **I5 (lengths).** The length words of memories and tables are in the state, where compiled code only reads them.
//!   [`Inner`] writes them, never beyond what the allocator made accessible: a length can be trusted.
//! * **I6 (the stack).** A stack is attached by the first call and stays. While a call is suspended on it, every entry is
//!   refused.

#![expect(unsafe_code, reason = "owns a slot and writes into it")]

use crate::access::Access;
use crate::beside::Beside;
use crate::call::CallError;
use crate::exceptions::Exceptions;
use crate::externref::ExternRefs;
use crate::header::{Vmctx, Words};
use crate::host::Pending;
use crate::interrupt::{self, InterruptHandle};
use crate::machine::{GuestContext, Progress, Resume, Scrub, Task, TaskRecord, resume};
use crate::prepared::{Prepared, PreparedCore};
use crate::striped::Handle;
use core::cell::{Cell, OnceCell, RefCell, UnsafeCell};
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Range;
use core::ptr::NonNull;
use hatchery_alloc::{AllocateError, Learning, PrepareError, Slot};
use hatchery_image::{Image, TrapCode};
use std::sync::Arc;
use std::time::Duration;

/// Fuel of an instance that was given none: as good as unlimited.
const FULL: i64 = i64::MAX;

/// The type-independent part of an instance; see the module's invariants.
pub(crate) struct Inner {
    pub(crate) vmctx: Vmctx,
    /// Copy of `prepared.id`, for the check of every call.
    pub(crate) prepared_id: u64,
    pub(crate) record: Cell<Option<NonNull<TaskRecord>>>,
    pub(crate) context: GuestContext,
    pub(crate) host_data: *mut (),
    pub(crate) prepared: Handle<Arc<PreparedCore>>,
    /// Mutably borrowed by `grow` only.
    slot: UnsafeCell<ManuallyDrop<Slot>>,
    task: OnceCell<Task>,
    pub(crate) externs: RefCell<ExternRefs>,
    pub(crate) exceptions: RefCell<Exceptions>,
    /// Made when somebody first wants to stop the instance; until then nobody can.
    interrupt: OnceCell<Arc<interrupt::Cell>>,
    /// The next step of the plan.
    pub(crate) cursor: Cell<usize>,
    /// Fuel until a stack is attached; the stack's record has it from then on.
    fuel: Cell<i64>,
    /// See [`Inner::generation`]; 0 until somebody asks, as most never do.
    generation: Cell<u64>,
    /// Bytes of all memories.
    pub(crate) memory_bytes: Cell<u64>,
    /// A range of the slot, from `vmctx`, that is accessible and writable as long as the instance lives.
    pub(crate) writable: Cell<(u64, u64)>,
    /// The request to stop that the host was told of, or a call inside ended because of; until it is answered.
    pub(crate) told: Cell<Option<TrapCode>>,
    /// What a suspended call waits for.
    pub(crate) pending: RefCell<Option<Pending>>,
    /// See [`Access::beside`].
    pub(crate) beside: Beside,
}

impl Inner {
    /// Makes one in `place`, in the image's state, with its header written. The slot is one of the image's, from its
    /// allocator.
    ///
    /// # Safety
    ///
    /// `place` can be written, and is where the instance will be until it is dropped; `host_data` is its host data.
    unsafe fn write(place: *mut Inner, prepared: Handle<Arc<PreparedCore>>, slot: Slot, host_data: *mut ()) {
        // SAFETY: the layout's `vmctx` lies inside the slot, behind the header page.
        let vmctx = unsafe { Vmctx::new(slot.base().add(prepared.image.layout().vmctx as usize)) };
        // SAFETY: the slot is where the context looks for it before any guest code runs, moves no more (I1), and is released
        // only by `drop`, when no activation exists; `grow` borrows it mutably while guest code does not run (I3).
        // The program is the prepared image's, which the instance keeps.
        let context = unsafe { GuestContext::new(&prepared.program, (&raw const (*place).slot).cast::<Slot>()) };
        let words = Words {
            code_base: prepared.image.text().base(),
            host_calls: prepared.host.calls(),
            builtins: crate::builtins::table(),
            instance: place,
            host_data,
        };
        let inner = Inner {
            vmctx,
            prepared_id: prepared.id,
            record: Cell::new(None),
            context,
            host_data,
            cursor: Cell::new(prepared.image.plan().cursor),
            memory_bytes: Cell::new(prepared.memory_bytes),
            writable: Cell::new((0, 0)),
            prepared,
            slot: UnsafeCell::new(ManuallyDrop::new(slot)),
            task: OnceCell::new(),
            externs: RefCell::default(),
            exceptions: RefCell::default(),
            interrupt: OnceCell::new(),
            fuel: Cell::new(FULL),
            generation: Cell::new(0),
            told: Cell::new(None),
            pending: RefCell::new(None),
            beside: Beside::new(),
        };
        // SAFETY: promised.
        unsafe { place.write(inner) };
        vmctx.write(&words);
    }

    pub(crate) fn image(&self) -> &Arc<Image> {
        &self.prepared.image
    }

    pub(crate) fn slot(&self) -> &Slot {
        // SAFETY: I1, I2; `grow` does not run at the same time, as it calls nothing of ours.
        unsafe { &*self.slot.get() }
    }

    /// Attaches a stack.
    #[cold]
    #[inline(never)]
    pub(crate) fn attach(&self) -> Result<NonNull<TaskRecord>, CallError> {
        let scrub = match self.slot().template().hints().learning {
            Learning::Free => Scrub::Keep,
            Learning::Frozen => Scrub::Discard,
        };
        // SAFETY: the prepared image keeps the pool and the instance that, until after `drop` has ended the task.
        let task = unsafe { Task::new(&self.prepared.stacks, scrub) }?;
        let record = task.record();
        // SAFETY: the record is the task's, which is idle.
        unsafe { (*record.as_ptr()).fuel = self.fuel.get() };
        self.vmctx.set_task(record);
        let attached = self.task.set(task);
        debug_assert!(attached.is_ok(), "a stack is attached once");
        self.record.set(Some(record));
        Ok(record)
    }

    /// Whether no call of this instance is active or suspended.
    pub(crate) fn is_idle(&self) -> bool {
        // SAFETY: the record lives as long as the task, which is this instance's.
        self.record.get().is_none_or(|record| unsafe { record.as_ref() }.is_idle())
    }

    /// A number that is this instance's alone; see [`Access::generation`].
    pub(crate) fn generation(&self) -> u64 {
        if self.generation.get() == 0 {
            self.generation.set(crate::generation::draw());
        }
        self.generation.get()
    }

    pub(crate) fn fuel(&self) -> i64 {
        // SAFETY: as above; compiled code does not run now (I3).
        self.record.get().map_or(self.fuel.get(), |record| unsafe { (*record.as_ptr()).fuel })
    }

    pub(crate) fn set_fuel(&self, fuel: i64) {
        self.fuel.set(fuel);
        if let Some(record) = self.record.get() {
            // SAFETY: as above.
            unsafe { (*record.as_ptr()).fuel = fuel };
        }
    }

    /// What is asked of the instance by those who may stop it.
    pub(crate) fn interrupt(&self) -> &Arc<interrupt::Cell> {
        // The page is there until `drop` retires the cell (H1).
        self.interrupt.get_or_init(|| interrupt::Cell::new(self.vmctx.poll()))
    }

    /// Makes `length` bytes of the slot, from `vmctx + offset`, writable for the host, and says how much around them is.
    pub(crate) fn prepare(&self, offset: u64, length: u64) -> Result<Range<u64>, PrepareError> {
        let vmctx = self.image().layout().vmctx;
        let start = (vmctx + offset) as usize;
        // SAFETY: I2 is C1; I1 and I3 are C2.
        let writable = unsafe { self.prepared.allocator.prepare_write(self.slot(), start..start + length as usize) }?;
        Ok((writable.start as u64).saturating_sub(vmctx)..(writable.end as u64).saturating_sub(vmctx))
    }

    /// The same for bytes of a memory, of which what was prepared last is remembered (G3: what is writable stays so).
    #[inline]
    pub(crate) fn prepare_memory(&self, offset: u64, length: u64) -> Result<(), PrepareError> {
        let (start, end) = self.writable.get();
        if start <= offset && offset + length <= end {
            return Ok(());
        }
        let writable = self.prepare(offset, length)?;
        self.writable.set((writable.start, writable.end));
        Ok(())
    }

    /// Makes a region of the slot longer.
    pub(crate) fn grow_region(&self, region: usize, accessible: usize) -> Result<(), hatchery_alloc::GrowError> {
        // SAFETY: I2 is C1; I1 and I3 are C2; nobody holds a reference to the slot's handle during the call.
        unsafe { self.prepared.allocator.grow(&mut *self.slot.get(), region, accessible) }
    }

    /// The address of a byte of the slot, from `vmctx`.
    pub(crate) fn at(&self, offset: u64) -> *mut u8 {
        self.vmctx.as_ptr().wrapping_add(offset as usize)
    }

    /// Ends a call that was suspended and then forgotten. The future that it waits for is forgotten as well: it may hold
    /// borrows of the host data, which ended when the call was forgotten.
    fn abandon(&self) {
        let Some(record) = self.record.get().filter(|_| !self.is_idle()) else { return };
        core::mem::forget(self.pending.take());
        // SAFETY: the record is of this instance's own task; nobody else uses it, as the owner is going away (I3). The
        // async shim raises; no guest code runs.
        let progress = unsafe { resume(record, Resume::Cancel) };
        debug_assert!(matches!(progress, Progress::Done(Err(_))), "a cancelled call ends");
    }

    /// Reads a word of the state.
    pub(crate) fn load(&self, offset: u64) -> u64 {
        debug_assert!(offset.is_multiple_of(8) && offset + 8 <= self.image().layout().state_bytes);
        // SAFETY: I2; the state is readable (G3), and the offset is one that the layout gave out.
        unsafe { self.at(offset).cast::<u64>().read() }
    }

    /// Writes a word of the state.
    pub(crate) fn store(&self, offset: u64, value: u64) -> Result<(), PrepareError> {
        self.prepare(offset, 8)?;
        // SAFETY: I2; the word is prepared; I3: nobody else accesses it.
        unsafe { self.at(offset).cast::<u64>().write(value) };
        Ok(())
    }

    /// A segment's drop flag.
    pub(crate) fn is_dropped(&self, flag: u32) -> bool {
        // SAFETY: as in `load`; flags are 4 bytes.
        unsafe { self.at(u64::from(flag)).cast::<u32>().read() != 0 }
    }

    pub(crate) fn set_dropped(&self, flag: u32) -> Result<(), PrepareError> {
        self.prepare(u64::from(flag), 4)?;
        // SAFETY: as in `store`.
        unsafe { self.at(u64::from(flag)).cast::<u32>().write(1) };
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let clean = self.interrupt.get().is_none_or(|interrupt| interrupt.retire());
        self.task.take();
        if !clean {
            // The kernel does not open a page that allocators count on (C5): the slot is given up.
            return;
        }
        // SAFETY: the handle is not used again.
        let slot = unsafe { ManuallyDrop::take(self.slot.get_mut()) };
        // SAFETY: I2 is C1; the instance is being dropped, so no access to it exists (I3): C2; nothing refers to
        // its bytes: C3.
        unsafe { self.prepared.allocator.release(slot) };
    }
}

/// What an instance has on the heap. The instance is first, so that a pointer to it is one to all; and it is dropped
/// first, as futures of a suspended call may refer to the data.
#[repr(C)]
struct Whole<T> {
    inner: Inner,
    /// What `inner.host_data` points to.
    data: T,
}

/// An instance of a prepared image, and its host data.
pub struct Instance<T> {
    /// The first field of a [`Whole`], which is from `Box::into_raw`.
    inner: NonNull<Inner>,
    /// Owns a `T`.
    data: PhantomData<T>,
}

// SAFETY: I1: an instance belongs to no thread. All that an `Inner` owns can be sent: slot, stack, host values,
// futures; and the host data if `T` can.
unsafe impl<T: Send> Send for Instance<T> {}

impl<T: 'static> Prepared<T> {
    /// Makes an instance. Steps of the plan that the image has not done are yet to be run:
    /// [`Access::initialize`].
    ///
    /// # Errors
    ///
    /// When the allocator has no slot.
    pub fn instantiate(&self, data: T) -> Result<Instance<T>, AllocateError> {
        Ok(self.instance_in(self.core.allocator.allocate(&self.template)?, data))
    }

    /// As [`instantiate`](Prepared::instantiate), but where there is no slot, blocks until one is released; at most
    /// for `timeout`, without an end if that is `None`.
    ///
    /// # Errors
    ///
    /// As those of [`allocate_blocking`](hatchery_alloc::allocate_blocking).
    pub fn instantiate_blocking(&self, data: T, timeout: Option<Duration>) -> Result<Instance<T>, AllocateError> {
        let core = &*self.core;
        let slot = hatchery_alloc::allocate_blocking(&*core.allocator, &self.template, timeout)?;
        Ok(self.instance_in(slot, data))
    }

    /// As [`instantiate`](Prepared::instantiate), but where there is no slot, the future is not ready before one was
    /// released.
    ///
    /// # Errors
    ///
    /// As those of [`allocate_async`](hatchery_alloc::allocate_async).
    pub async fn instantiate_async(&self, data: T) -> Result<Instance<T>, AllocateError> {
        let core = &*self.core;
        let slot = hatchery_alloc::allocate_async(&*core.allocator, &self.template).await?;
        Ok(self.instance_in(slot, data))
    }

    /// An instance in a new slot of the template.
    fn instance_in(&self, slot: Slot, data: T) -> Instance<T> {
        let whole = Box::into_raw(Box::<Whole<T>>::new_uninit()).cast::<Whole<T>>();
        // SAFETY: both fields are in the box, and are written where they will be: there are two, and both are.
        unsafe {
            let (inner, place) = (&raw mut (*whole).inner, &raw mut (*whole).data);
            place.write(data);
            Inner::write(inner, self.handles.handle(|| self.core.clone()), slot, place.cast());
        }
        // SAFETY: a box's address is not null.
        Instance { inner: unsafe { NonNull::new_unchecked(whole.cast()) }, data: PhantomData }
    }
}

impl<T> Instance<T> {
    /// Access to everything in it.
    #[inline]
    pub fn access(&mut self) -> Access<'_, T> {
        // SAFETY: I3: the owner is borrowed mutably for as long as the access lives.
        unsafe { Access::new(self.inner) }
    }

    #[inline(always)]
    pub(crate) fn inner(&self) -> &Inner {
        // SAFETY: I1.
        unsafe { self.inner.as_ref() }
    }

    /// The host data.
    pub fn data(&self) -> &T {
        // SAFETY: the data lives as long as the instance; no access exists while it is borrowed like this.
        unsafe { &*self.inner().host_data.cast::<T>() }
    }

    /// Asks the instance to stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(self.inner().interrupt().clone())
    }

    /// Drops the instance and keeps its host data.
    pub fn into_data(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the handle is not dropped; this does what its drop would do, and moves the data out last. The box that is
        // left has nothing in it that would be dropped.
        unsafe {
            this.inner.as_ref().abandon();
            let whole = this.inner.as_ptr().cast::<Whole<T>>();
            core::ptr::drop_in_place(&raw mut (*whole).inner);
            let data = (&raw const (*whole).data).read();
            drop(Box::from_raw(whole.cast::<core::mem::MaybeUninit<Whole<T>>>()));
            data
        }
    }
}

impl<T> Drop for Instance<T> {
    fn drop(&mut self) {
        // SAFETY: it is from `into_raw` in `instance_in`, and the owner is going away (I3).
        unsafe {
            self.inner.as_ref().abandon();
            drop(Box::from_raw(self.inner.as_ptr().cast::<Whole<T>>()));
        }
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").field("data", self.data()).finish_non_exhaustive()
    }
}
