//! The memory calls of Linux, with the state they leave written down.

#![expect(unsafe_code, reason = "maps, protects and unmaps address space")]

use core::ops::Range;
use core::ptr::NonNull;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
use std::os::fd::BorrowedFd;

/// Whether pages can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads only.
    Read,
    /// Reads and writes.
    ReadWrite,
}

impl Access {
    fn map(self) -> ProtFlags {
        match self {
            Access::Read => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        }
    }

    fn protect(self) -> MprotectFlags {
        match self {
            Access::Read => MprotectFlags::READ,
            Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        }
    }
}

/// A range of address space of its own, inaccessible at first, unmapped when dropped.
///
/// Invariant: `base..base + bytes` is mapped, and nobody but the owner knows of it.
#[derive(Debug)]
pub(crate) struct Reservation {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a reservation is plain address space; calls on it are system calls that any thread may make.
unsafe impl Send for Reservation {}
// SAFETY: as above; the kernel serializes changes of mappings.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves `bytes`, a positive number of pages.
    pub(crate) fn new(bytes: usize) -> std::io::Result<Reservation> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { rustix::mm::mmap_anonymous(core::ptr::null_mut(), bytes, ProtFlags::empty(), flags) }?;
        let base = NonNull::new(base.cast()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        Ok(Reservation { base, bytes })
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// Asserts that the range is inside and gives its address.
    fn at(&self, range: &Range<usize>) -> *mut core::ffi::c_void {
        assert!(range.start <= range.end && range.end <= self.bytes, "a range outside its reservation");
        self.base.as_ptr().wrapping_add(range.start).cast()
    }

    /// Replaces a range by a private mapping of a file.
    pub(crate) fn map_file(
        &self,
        range: Range<usize>,
        file: BorrowedFd<'_>,
        offset: u64,
        access: Access,
    ) -> std::io::Result<()> {
        let at = self.at(&range);
        let flags = MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE;
        // SAFETY: the range is inside this reservation (asserted), so only our own pages are replaced.
        unsafe { rustix::mm::mmap(at, range.len(), access.map(), flags, file, offset) }?;
        Ok(())
    }

    /// Makes a range of whole pages accessible. Async-signal-safe: one system call, no lock.
    pub(crate) fn protect(&self, range: Range<usize>, access: Access) -> std::io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let at = self.at(&range);
        // SAFETY: the range is inside this reservation (asserted); making pages accessible, or read-only
        // while nothing writes them, changes no memory that anybody holds a reference to.
        unsafe { rustix::mm::mprotect(at, range.len(), access.protect()) }?;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours by the invariant, and the owner gave it up.
        // The kernel refuses only when splitting a mapping would exceed its limit, which unmapping a
        // whole one cannot; then the address range would leak, and nothing else.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
