//! The page that guests poll: how a request to stop reaches code that asks for none.
//!
//! A request is written to the header's word, and then the page is closed; it is taken back in the same order. Whoever does
//! either holds the lock of the instance's interrupt cell. The handler of the fault cannot take a lock: it believes the word,
//! and makes the page fit it.

#![expect(unsafe_code, reason = "protects a page of a slot, and reads and writes a word of its header")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use hatchery_image::TrapCode;
use hatchery_image::abi::{HEADER_BYTES, header};
use rustix::mm::MprotectFlags;
use std::io;

/// Bytes of the page.
const PAGE: usize = 4096;

/// The poll page of a slot, by its first byte, and the word that goes with it.
///
/// Invariant (promised to [`Poll::new`]): the page and the header page behind it are mapped, and the header is readable and
/// writable (H1). Nobody but this module protects the page, or reads or writes the word.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Poll(NonNull<u8>);

// SAFETY: the word is only accessed atomically, and the kernel lets any thread protect the page.
unsafe impl Send for Poll {}

/// A page that a test wants to be refused to protect.
#[cfg(test)]
pub(crate) static REFUSED: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);

/// What a guest's read that faulted means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Polled {
    /// The guest is to end with this.
    Stop(TrapCode),
    /// Nothing: it can read again.
    GoOn,
    /// Nothing, but the kernel does not open the page again.
    Stuck,
}

impl Poll {
    /// The page at this address.
    ///
    /// # Safety
    ///
    /// It is the first page of a slot whose header follows, and stays so for as long as the value is used.
    pub(crate) unsafe fn new(page: NonNull<u8>) -> Poll {
        Poll(page)
    }

    /// Where it is.
    #[cfg(test)]
    pub(crate) fn address(&self) -> usize {
        self.0.as_ptr() as usize
    }

    fn word(&self) -> &AtomicU64 {
        let offset = HEADER_BYTES.wrapping_add_signed(header::INTERRUPT as isize);
        // SAFETY: the invariant: a word of the header page, aligned, that is only accessed atomically.
        unsafe { self.0.add(offset).cast::<AtomicU64>().as_ref() }
    }

    /// Why the guest is to stop, if it is.
    pub(crate) fn request(&self) -> Option<TrapCode> {
        u8::try_from(self.word().load(Ordering::SeqCst)).ok().and_then(TrapCode::from_number)
    }

    /// Asks the guest to stop.
    ///
    /// # Errors
    ///
    /// The kernel's, when the page cannot be closed: then only host code sees the request.
    pub(crate) fn close(&self, code: TrapCode) -> io::Result<()> {
        self.word().store(code as u64, Ordering::SeqCst);
        self.protect(MprotectFlags::empty())
    }

    /// Takes the request back, before the page is opened.
    pub(crate) fn forget(&self) {
        self.word().store(0, Ordering::SeqCst);
    }

    /// Lets the guest read the page.
    ///
    /// # Errors
    ///
    /// The kernel's.
    pub(crate) fn open(&self) -> io::Result<()> {
        // Writable as its region is, so that its mapping and the header's are one.
        self.protect(MprotectFlags::READ | MprotectFlags::WRITE)
    }

    /// What a fault of the guest at this page means. Called by its handler: it takes no lock and allocates nothing.
    pub(crate) fn judge_fault(&self) -> Polled {
        loop {
            if let Some(code) = self.request() {
                return Polled::Stop(code);
            }
            // The request was taken back meanwhile, or the page could not be opened then.
            if self.open().is_err() {
                return Polled::Stuck;
            }
            if self.request().is_none() {
                return Polled::GoOn;
            }
            // Another one came between, and what closed the page for it may have been undone just now. Where it cannot be
            // closed again, the guest stops here all the same.
            let _ = self.protect(MprotectFlags::empty());
        }
    }

    fn protect(&self, flags: MprotectFlags) -> io::Result<()> {
        #[cfg(test)]
        if REFUSED.load(Ordering::SeqCst) == self.address() {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        // SAFETY: the invariant: the page is a slot's, and in it is nothing that anybody relies on.
        unsafe { rustix::mm::mprotect(self.0.as_ptr().cast(), PAGE, flags) }?;
        Ok(())
    }
}
