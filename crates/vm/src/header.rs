//! The header page: the words that a slot's image does not have, because they are absolute.
//!
//! Invariants, cited below and by the other modules:
//!
//! * **H1.** A [`Vmctx`] points behind the poll page and the header page of a live instance's slot; the header page is readable and writable
//!   (a volatile region, G3 of the allocator) and its words are as [`Vmctx::write`] left them, but for `TASK`,
//!   which is null until a stack is attached, and `INTERRUPT`.
//! * **H2.** `INSTANCE` is the instance's own [`Inner`], `HOST_DATA` its host data; both outlive the slot's use.
//! * **H3.** All words but `INTERRUPT` are only written by the thread that uses the instance. `INTERRUPT` and the poll page
//!   are for [`Poll`] alone.

#![expect(unsafe_code, reason = "reads and writes words at fixed offsets of a slot")]

use crate::instance::Inner;
use crate::machine::TaskRecord;
use crate::poll::Poll;
use core::ptr::NonNull;
use hatchery_image::abi::{HostCall, header};

/// The first argument of every guest function: where the header ends and the state begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vmctx(NonNull<u8>);

/// The words that stay the same for the life of an instance.
pub(crate) struct Words {
    pub(crate) code_base: *const u8,
    pub(crate) host_calls: *const HostCall,
    pub(crate) builtins: *const *const u8,
    pub(crate) instance: *const Inner,
    pub(crate) host_data: *mut (),
}

impl Vmctx {
    /// # Safety
    ///
    /// H1 holds once [`write`](Self::write) has been called, for as long as the value is used.
    pub(crate) unsafe fn new(address: NonNull<u8>) -> Vmctx {
        Vmctx(address)
    }

    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.0.as_ptr()
    }

    /// The place of a header word.
    fn word<V>(self, offset: i32) -> *mut V {
        self.0.as_ptr().wrapping_offset(offset as isize).cast()
    }

    pub(crate) fn write(self, words: &Words) {
        // SAFETY: H1, H3: header words are in a mapped, writable page that nobody else uses yet.
        unsafe {
            self.word::<*const u8>(header::CODE_BASE).write(words.code_base);
            self.word::<*const HostCall>(header::HOST_CALLS).write(words.host_calls);
            self.word::<*const *const u8>(header::BUILTINS).write(words.builtins);
            self.word::<*const Inner>(header::INSTANCE).write(words.instance);
            self.word::<*mut ()>(header::HOST_DATA).write(words.host_data);
        }
    }

    /// The instance this is the context of.
    pub(crate) fn instance(self) -> NonNull<Inner> {
        // SAFETY: H1, H2: the word holds the address of a live `Inner`, which is not null.
        unsafe { NonNull::new_unchecked(self.word::<*mut Inner>(header::INSTANCE).read()) }
    }

    pub(crate) fn set_task(self, record: NonNull<TaskRecord>) {
        // SAFETY: H1, H3.
        unsafe { self.word::<*mut TaskRecord>(header::TASK).write(record.as_ptr()) }
    }

    /// The record of the guest stack that is running.
    ///
    /// # Safety
    ///
    /// Guest code of this context called the caller, so a stack is attached.
    pub(crate) unsafe fn task(self) -> NonNull<TaskRecord> {
        // SAFETY: H1, and the word is not null once a stack is attached.
        unsafe { NonNull::new_unchecked(self.word::<*mut TaskRecord>(header::TASK).read()) }
    }

    /// The page that guest code polls, and its word.
    pub(crate) fn poll(self) -> Poll {
        let page = self.0.as_ptr().wrapping_offset(header::POLL as isize);
        // SAFETY: H1, H3. Inside a slot no address is null.
        unsafe { Poll::new(NonNull::new_unchecked(page)) }
    }

    /// Whether somebody wants the guest to stop.
    pub(crate) fn is_interrupted(self) -> bool {
        self.poll().request().is_some()
    }
}
