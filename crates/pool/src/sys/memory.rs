//! The memory calls of Linux.

#![expect(unsafe_code, reason = "maps, protects and unmaps address space")]

use super::inject::gate;
use core::ops::Range;
use core::ptr::NonNull;
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use std::io;
use std::os::fd::BorrowedFd;

/// What can be done with pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Nothing.
    None,
    /// Reads only.
    Read,
    /// Reads and writes.
    ReadWrite,
}

impl Access {
    fn map(self) -> ProtFlags {
        match self {
            Access::None => ProtFlags::empty(),
            Access::Read => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        }
    }

    fn protect(self) -> MprotectFlags {
        match self {
            Access::None => MprotectFlags::empty(),
            Access::Read => MprotectFlags::READ,
            Access::ReadWrite => MprotectFlags::READ | MprotectFlags::WRITE,
        }
    }
}

/// Whether a mapping's pages are brought in when it is made. Only saves faults: where the kernel cannot, they happen later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Populate {
    /// When they are touched.
    No,
    /// At once; those that can be written become private.
    Yes,
}

impl Populate {
    fn flag(self) -> MapFlags {
        match self {
            Populate::No => MapFlags::empty(),
            Populate::Yes => MapFlags::POPULATE,
        }
    }
}

/// What all mappings of a reservation have in common. `STACK`, from Linux 6.7, keeps the kernel from making huge pages of
/// them: where a guest writes a byte, a reset would put back two megabytes.
fn flags() -> MapFlags {
    MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::STACK
}

/// A range of address space of its own, unmapped when dropped. May be empty.
///
/// Invariant: `base..base + bytes` is mapped, and nobody but the owner knows of it.
#[derive(Debug)]
pub(crate) struct Reservation {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: plain address space; its methods are system calls that any thread may make.
unsafe impl Send for Reservation {}
// SAFETY: as above; the kernel serializes changes of mappings.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Reserves whole pages with one access, zero where accessible. None of it costs memory before it is touched.
    pub(crate) fn new(bytes: usize, access: Access) -> io::Result<Reservation> {
        if bytes == 0 {
            return Ok(Reservation { base: NonNull::dangling(), bytes });
        }
        gate()?;
        // SAFETY: an anonymous mapping at an address of the kernel's choice touches no existing memory.
        let base = unsafe { rustix::mm::mmap_anonymous(core::ptr::null_mut(), bytes, access.map(), flags()) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Reservation { base, bytes })
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

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
        populate: Populate,
    ) -> io::Result<()> {
        let at = self.at(&range);
        gate()?;
        let flags = flags() | MapFlags::FIXED | populate.flag();
        // SAFETY: the range is inside this reservation (asserted), so only our own pages are replaced.
        unsafe { rustix::mm::mmap(at, range.len(), access.map(), flags, file, offset) }?;
        Ok(())
    }

    /// Replaces a range, whatever state it is in, by inaccessible memory.
    pub(crate) fn vanish(&self, range: Range<usize>) -> io::Result<()> {
        self.map_zeros(range, Access::None, Populate::No)
    }

    /// Replaces a range, whatever state it is in, by zeros.
    pub(crate) fn map_zeros(&self, range: Range<usize>, access: Access, populate: Populate) -> io::Result<()> {
        let at = self.at(&range);
        gate()?;
        let flags = flags() | MapFlags::FIXED | populate.flag();
        // SAFETY: the range is inside this reservation (asserted), so only our own pages are replaced.
        unsafe { rustix::mm::mmap_anonymous(at, range.len(), access.map(), flags) }?;
        Ok(())
    }

    /// Changes the access to a range of whole pages. Async-signal-safe: one system call, no lock.
    pub(crate) fn protect(&self, range: Range<usize>, access: Access) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let at = self.at(&range);
        gate()?;
        // SAFETY: the range is inside this reservation (asserted). Access is taken away only from memory
        // that nobody holds a reference to: at release (C3), and from free slots.
        unsafe { rustix::mm::mprotect(at, range.len(), access.protect()) }?;
        Ok(())
    }

    /// Gives a range's private pages back to the kernel: it shows its file again, or zeros.
    pub(crate) fn decommit(&self, range: Range<usize>) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let at = self.at(&range);
        gate()?;
        // SAFETY: the range is inside this reservation (asserted); its contents are given up only at
        // release (C3), and for free slots.
        unsafe { rustix::mm::madvise(at, range.len(), Advice::LinuxDontNeed) }?;
        Ok(())
    }

    /// Makes the pages of a writable range resident and private. Only saves faults: where the kernel
    /// cannot, they happen later.
    pub(crate) fn populate(&self, range: Range<usize>) {
        if range.is_empty() || gate().is_err() {
            return;
        }
        let at = self.at(&range);
        // SAFETY: the range is inside this reservation (asserted); populating changes no contents.
        let _ = unsafe { rustix::mm::madvise(at, range.len(), Advice::LinuxPopulateWrite) };
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: the mapping is ours by the invariant, and the owner gave it up. If the kernel refuses,
            // address space leaks, and nothing else.
            let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
        }
    }
}

/// A read-only shared mapping of a part of a file, unmapped when dropped.
///
/// Invariant: `base..base + bytes` is mapped readable and never written.
#[derive(Debug)]
pub(crate) struct View {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: memory that nobody writes may be read by any thread.
unsafe impl Send for View {}
// SAFETY: as above.
unsafe impl Sync for View {}

/// Views up to this size are brought into the page tables at once.
const POPULATED: usize = 4 << 20;

impl View {
    pub(crate) fn new(file: BorrowedFd<'_>, offset: u64, bytes: usize) -> io::Result<View> {
        let map = |flags| {
            gate()?;
            // SAFETY: a mapping at an address of the kernel's choice touches no existing memory.
            let base = unsafe { rustix::mm::mmap(core::ptr::null_mut(), bytes, ProtFlags::READ, flags, file, offset) }?;
            NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::from(io::ErrorKind::OutOfMemory))
        };
        // Kernels before 6.7 refuse to share a file that is sealed against writing. A private mapping that is never
        // written shows the same pages.
        let base = map(MapFlags::SHARED).or_else(|_| map(MapFlags::PRIVATE | MapFlags::NORESERVE))?;
        let view = View { base, bytes };
        if bytes <= POPULATED {
            // SAFETY: the range is ours; populating changes no contents. Where it is refused, faults do it later.
            let _ = unsafe { rustix::mm::madvise(base.as_ptr().cast(), bytes, Advice::LinuxPopulateRead) };
        }
        Ok(view)
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours by the invariant, and the owner gave it up.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

/// How many mappings the kernel allows this process.
pub(crate) fn max_mappings() -> usize {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count");
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(65_530)
}
