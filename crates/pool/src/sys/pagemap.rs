//! `PAGEMAP_SCAN`: which pages of a range are private copies. Linux 6.7 and later.

#![expect(unsafe_code, reason = "an ioctl that rustix does not know")]

use super::inject::gate;
use core::ops::Range;
use hatchery_alloc::PAGE;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// The page is of a file, not a private copy.
const FILE: u64 = 1 << 2;
/// The page is in memory.
const PRESENT: u64 = 1 << 3;
/// The page is in swap space.
const SWAPPED: u64 = 1 << 4;
/// The page is the kernel's page of zeros.
const ZERO: u64 = 1 << 5;

/// Ranges that one call can answer with.
const MOST: usize = 128;

#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Found {
    start: u64,
    end: u64,
    categories: u64,
}

#[repr(C)]
#[derive(Debug, Default)]
struct Question {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    found: u64,
    found_len: u64,
    max_pages: u64,
    inverted: u64,
    all_of: u64,
    any_of: u64,
    returned: u64,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::c_ulong = (3 << 30) | ((size_of::<Question>() as libc::c_ulong) << 16) | (0x66 << 8) | 16;

/// What is private in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Private {
    /// A copy: written, or only copied, or no longer in memory.
    Copy,
    /// The kernel's page of zeros. Over nothing it is as good as untouched; over a file the kernel may have merged a page
    /// with it that was overwritten with zeros.
    Zeros,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// The process forked: the open file tells about the parent.
    #[error("the process has forked since the pool was made")]
    Forked,
    /// The kernel refused.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// The process' page map.
#[derive(Debug)]
pub(crate) struct Pagemap {
    file: File,
    process: u32,
}

impl Pagemap {
    /// Opens the page map and asks it once, to see whether it answers.
    pub(crate) fn open() -> io::Result<Pagemap> {
        gate()?;
        let map = Pagemap { file: File::open("/proc/self/pagemap")?, process: std::process::id() };
        let here = core::ptr::from_ref(&map) as usize / PAGE * PAGE;
        match map.scan(here..here + PAGE, &mut |_, _| ()) {
            Ok(()) => Ok(map),
            Err(ScanError::System(error)) => Err(error),
            Err(ScanError::Forked) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Tells `each` the ranges of addresses whose pages are private, ascending. May tell too many; never too few.
    pub(crate) fn scan(
        &self,
        range: Range<usize>,
        each: &mut dyn FnMut(Range<usize>, Private),
    ) -> Result<(), ScanError> {
        if std::process::id() != self.process {
            return Err(ScanError::Forked);
        }
        let mut found = [Found::default(); MOST];
        let mut start = range.start as u64;
        while start < range.end as u64 {
            let mut question = Question {
                size: size_of::<Question>() as u64,
                start,
                end: range.end as u64,
                found: found.as_mut_ptr() as u64,
                found_len: found.len() as u64,
                inverted: FILE,
                all_of: FILE,
                any_of: PRESENT | SWAPPED,
                returned: PRESENT | SWAPPED | ZERO,
                ..Question::default()
            };
            gate()?;
            // SAFETY: the question has the layout and size that the kernel expects, and points to as many
            // writable entries as it says. The call only reads page tables.
            let n = unsafe { libc::ioctl(self.file.as_raw_fd(), PAGEMAP_SCAN, &raw mut question) };
            if n < 0 {
                return Err(io::Error::last_os_error().into());
            }
            for f in &found[..n as usize] {
                let private = if f.categories & ZERO != 0 { Private::Zeros } else { Private::Copy };
                each(f.start as usize..f.end as usize, private);
            }
            if question.walk_end <= start {
                return Err(io::Error::from(io::ErrorKind::InvalidData).into());
            }
            start = question.walk_end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Access, Reservation};

    fn private(map: &Pagemap, memory: &Reservation, kind: Private) -> Vec<Range<usize>> {
        let base = memory.base().as_ptr() as usize;
        let mut all = Vec::new();
        let ask = base..base + memory.bytes();
        map.scan(ask, &mut |r, is| {
            if is == kind {
                all.push((r.start - base) / PAGE..(r.end - base) / PAGE);
            }
        })
        .expect("scan");
        all
    }

    #[test]
    fn written_pages_are_found_and_read_ones_are_not() {
        let Ok(map) = Pagemap::open() else { return };
        let memory = Reservation::new(300 * PAGE, Access::ReadWrite).expect("memory");
        let page = |i: usize| memory.base().as_ptr().wrapping_add(i * PAGE);
        // SAFETY: inside the reservation, which is readable and writable.
        assert_eq!(unsafe { page(7).read_volatile() }, 0);
        assert!(private(&map, &memory, Private::Copy).is_empty());
        assert_eq!(private(&map, &memory, Private::Zeros), [7..8], "over a file it would be suspect");
        for i in (0..300).step_by(2) {
            // SAFETY: as above.
            unsafe { page(i).write_volatile(1) };
        }
        let expected: Vec<_> = (0..300).step_by(2).map(|i| i..i + 1).collect();
        assert_eq!(private(&map, &memory, Private::Copy), expected, "more ranges than one call returns");
    }
}
