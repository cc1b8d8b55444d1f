//! Which pages of a slot can differ from its template: for those who copy it, so that what nobody touched costs nothing.

use crate::allocator::Slot;
use crate::layout::PAGE;
use core::ops::Range;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The page is in memory, or in swap space.
const THERE: u64 = 1 << 63 | 1 << 62;
/// The page is one of the file's, and no copy of it.
const OF_FILE: u64 = 1 << 61;

/// Bytes of an entry of the page map.
const ENTRY: usize = size_of::<u64>();

/// The pages of a range of the slot that are private: for [`InstanceAllocator::touched`](crate::InstanceAllocator::touched)
/// of allocators whose slots are private mappings, of the template's file where it has contents and of nothing elsewhere.
/// All of the range where the kernel does not tell.
pub fn private_pages(slot: &Slot, range: Range<usize>) -> Vec<Range<usize>> {
    let base = slot.base().as_ptr() as usize;
    let pages = (base + range.start) / PAGE..(base + range.end).div_ceil(PAGE);
    let Ok(map) = read_map(&pages) else { return vec![range] };
    let mut found: Vec<Range<usize>> = Vec::new();
    for (entry, page) in map.chunks_exact(ENTRY).zip(pages) {
        let entry = entry.try_into().map_or(THERE, u64::from_ne_bytes);
        if entry & THERE == 0 || entry & OF_FILE != 0 {
            continue;
        }
        let start = page * PAGE - base;
        match found.last_mut() {
            Some(last) if last.end == start => last.end += PAGE,
            _ => found.push(start..start + PAGE),
        }
    }
    found
}

/// The entries of these pages. The file is opened for each question: after a fork, an open one tells about the parent.
fn read_map(pages: &Range<usize>) -> io::Result<Vec<u8>> {
    let mut map = vec![0; pages.len() * ENTRY];
    File::open("/proc/self/pagemap")?.read_exact_at(&mut map, (pages.start * ENTRY) as u64)?;
    Ok(map)
}
