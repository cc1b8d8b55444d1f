//! Calling a guest function from the host.

#![expect(unsafe_code, reason = "enters guest code")]

use crate::access::Access;
use crate::host::HostError;
use crate::instance::Inner;
use crate::machine::{
    Backtrace as GuestBacktrace, Entry, HostFailure, Ready, Reason, Refusal, StackError, Trampoline, Unwind,
    Unwritable, enter,
};
use core::fmt;
use hatchery_alloc::PrepareError;
use hatchery_image::abi::RawVal;
use hatchery_image::{FuncType, HeapType, TrapCode, TypeId, ValType};

/// A guest function, ready to be called in any instance of the prepared image it is from.
///
/// Invariant: `trampoline` is the image's for the type of the function at `code`, and `slots` are enough
/// for that type's parameters and for its results. Whoever calls it has checked `prepared`.
#[derive(Debug, Clone, Copy)]
pub struct Callee {
    pub(crate) prepared: u64,
    pub(crate) trampoline: Trampoline,
    pub(crate) code: *const u8,
    pub(crate) ty: TypeId,
    pub(crate) slots: u32,
    /// Whether some parameter is a reference that guest code trusts.
    pub(crate) checked: bool,
}

// SAFETY: addresses of code, which is immutable; they are only followed for a live instance of the image.
unsafe impl Send for Callee {}
// SAFETY: as above.
unsafe impl Sync for Callee {}

impl Callee {
    /// # Safety
    ///
    /// `text` is the image's, `trampoline` the offset of its entry trampoline for `ty`, `code` the offset of
    /// a function of that type, whose signature is `signature`.
    pub(crate) unsafe fn new(
        prepared: u64,
        text: *const u8,
        trampoline: u32,
        code: u32,
        ty: TypeId,
        signature: &FuncType,
    ) -> Callee {
        let trampoline = text.wrapping_add(trampoline as usize);
        // SAFETY: the trampoline is a function of this type by the contract between compiler and machine.
        let trampoline = unsafe { core::mem::transmute::<*const u8, Trampoline>(trampoline) };
        let slots = signature.params.len().max(signature.results.len()) as u32;
        let checked = signature.params.iter().any(|ty| is_trusted(*ty));
        Callee { prepared, trampoline, code: text.wrapping_add(code as usize), ty, slots, checked }
    }

    /// Its type, in the image's type table.
    pub fn ty(&self) -> TypeId {
        self.ty
    }

    /// Values that a call needs room for: parameters, and then results.
    pub fn slots(&self) -> usize {
        self.slots as usize
    }
}

/// Whether a wrong value of this type could make guest code misbehave: a funcref that names no function, a
/// null that cannot be.
pub(crate) fn is_trusted(ty: ValType) -> bool {
    matches!(ty, ValType::Ref(reference) if !reference.nullable || reference.heap != HeapType::Extern)
}

/// Why a funcref cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CalleeError {
    /// It is null.
    #[error("a null function reference cannot be called")]
    Null,
    /// The image has no such function.
    #[error("the function reference is not of this image")]
    Unknown,
    /// Functions of its type are not called from the host.
    #[error("the image has no way to call a function of this type from the host")]
    NotCallable,
}

/// Why a call did not return.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The guest trapped.
    #[error(transparent)]
    Trap(Box<Trap>),
    /// A host function that the guest called failed.
    #[error("{error}")]
    Host {
        /// What it returned.
        error: HostError,
        /// Where the guest was.
        frames: GuestBacktrace,
    },
    /// The file that the image is mapped from has become shorter, and the guest needed what it lost.
    #[error("{}", crate::stop::LOST)]
    Withdrawn,
    /// The call was given up while it was suspended.
    #[error("the call was cancelled")]
    Cancelled,
    /// The instance's stack is in use.
    #[error("the instance cannot be entered: a call of it is suspended, or it is active further out")]
    Busy,
    /// The thread cannot be prepared for guest code.
    #[error("cannot handle faults of guest code on this thread: {0}")]
    Thread(#[source] std::io::Error),
    /// The call was suspended, and the thread that is to go on with it cannot be prepared for guest code.
    #[error("cannot go on with the call, as faults of guest code cannot be handled on this thread: {0}")]
    Stranded(#[source] std::io::Error),
    /// There is no guest stack. The guest was never entered before: otherwise it would have one.
    #[error(transparent)]
    Stack(#[from] StackError),
    /// The function is of another prepared image, which may be of the same modules.
    #[error("the function was found in another `Prepared` than the instance is made of; find it in that one")]
    WrongInstance,
    /// There is no room for the parameters or the results.
    #[error("the call needs {needed} values, and {given} are given")]
    Values {
        /// Values needed.
        needed: usize,
        /// Values given.
        given: usize,
    },
    /// A parameter is not a value of its type.
    #[error("parameter {index} is not a reference of the type that the function expects")]
    Reference {
        /// Which one.
        index: usize,
    },
}

impl CallError {
    /// Whether the guest, or a host function that it called, brought it about. All else tells about the process, its load, or
    /// whoever called, and the same call may return at another time.
    pub fn is_of_guest(&self) -> bool {
        match self {
            CallError::Trap(_) => true,
            // What was raised in a host function's place, as the system lacked something.
            CallError::Host { error, .. } => !error.is::<PrepareError>() && !error.is::<Unwritable>(),
            _ => false,
        }
    }
}

/// A trap, and where it happened.
#[derive(Debug)]
pub struct Trap {
    /// Why.
    pub code: TrapCode,
    /// The number that it is about, such as a handle's index.
    pub detail: Option<u32>,
    /// The address whose access faulted, as an offset from the slot's base, where the trap was a fault.
    pub slot_offset: Option<usize>,
    /// Where the guest was.
    pub backtrace: GuestBacktrace,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.describe(self.detail).fmt(f)
    }
}

impl std::error::Error for Trap {}

impl<T> Access<'_, T> {
    /// Whether a function is one of this instance's image.
    ///
    /// # Errors
    ///
    /// When it is another's.
    pub fn check(&self, callee: &Callee) -> Result<(), CallError> {
        if callee.prepared == self.inner().prepared_id { Ok(()) } else { Err(CallError::WrongInstance) }
    }

    /// Calls a guest function. `values` has its parameters, and then its results.
    ///
    /// # Errors
    ///
    /// Why it did not return. The instance stays usable.
    ///
    /// # Panics
    ///
    /// With the payload of a host function's panic, when one that the guest called panicked.
    #[inline]
    pub fn call(&mut self, callee: &Callee, values: &mut [RawVal]) -> Result<(), CallError> {
        self.call_ready(callee, values, Ready::here())
    }

    /// As [`call`](Access::call), for a thread of which that is known or not.
    #[inline(always)]
    pub(crate) fn call_ready(
        &mut self,
        callee: &Callee,
        values: &mut [RawVal],
        ready: Option<Ready>,
    ) -> Result<(), CallError> {
        let inner = self.inner();
        if callee.prepared != inner.prepared_id || values.len() < callee.slots as usize || callee.checked {
            inner.check_call(callee, values)?;
        }
        let record = match inner.record.get() {
            Some(record) => record,
            None => inner.attach()?,
        };
        let entry = Entry {
            guest: &inner.context,
            trampoline: callee.trampoline,
            vmctx: inner.vmctx.as_ptr(),
            callee: callee.code,
            args: values.as_mut_ptr(),
        };
        // SAFETY: the record is of the instance's own task, which lives as long as it. By the invariant of `Callee` and the
        // check of `prepared`, trampoline, function and values belong together and to this instance's image;
        // its header names the record. Host functions are called through shims that keep the machine's rules.
        match unsafe { enter(record, &entry, ready) } {
            Ok(()) => Ok(()),
            Err(unwind) => Err(inner.ended(*unwind)),
        }
    }
}

impl Inner {
    #[cold]
    #[inline(never)]
    pub(crate) fn check_call(&self, callee: &Callee, values: &[RawVal]) -> Result<(), CallError> {
        if callee.prepared != self.prepared_id {
            return Err(CallError::WrongInstance);
        }
        let (needed, given) = (callee.slots(), values.len());
        if given < needed {
            return Err(CallError::Values { needed, given });
        }
        let params = &self.image().types().get(callee.ty).params;
        let wrong =
            |(ty, value): (&ValType, &RawVal)| is_trusted(*ty) && !self.prepared.accepts(*ty, value.get_reference());
        match params.iter().zip(values).position(wrong) {
            Some(index) => Err(CallError::Reference { index }),
            None => Ok(()),
        }
    }

    /// Turns the machine's reason into the caller's error, or into the panic that it was.
    #[cold]
    #[inline(never)]
    pub(crate) fn ended(&self, unwind: Unwind) -> CallError {
        let Unwind { reason, backtrace } = unwind;
        self.answer_interrupt(&reason);
        match reason {
            Reason::Trap { code, address, detail } => {
                let slot_offset = address.and_then(|address| self.slot().offset_of(address));
                CallError::Trap(Box::new(Trap { code, detail, slot_offset, backtrace }))
            }
            Reason::Host(HostFailure::Error(error)) => CallError::Host { error, frames: backtrace },
            Reason::Host(HostFailure::Panic(payload)) => std::panic::resume_unwind(payload),
            Reason::Withdrawn => CallError::Withdrawn,
            Reason::Cancelled => CallError::Cancelled,
            Reason::Refused(Refusal::Busy) => CallError::Busy,
            Reason::Refused(Refusal::Thread(error)) => CallError::Thread(error),
        }
    }

    /// A request to stop is answered when the outermost call has ended because of it, by a trap or by a host function
    /// that was told; until then, calls further out must see it too.
    fn answer_interrupt(&self, reason: &Reason) {
        if let Reason::Trap { code: code @ (TrapCode::Cancelled | TrapCode::DeadlineExceeded), .. } = reason {
            self.told.set(Some(*code));
        }
        if self.is_idle()
            && let Some(code) = self.told.take()
        {
            self.interrupt().answered(code);
        }
    }
}
