//! Files that become shorter while they are mapped.
//!
//! An access to a mapped page that its file has lost raises `SIGBUS`. Whoever handles that signal asks here whether the
//! address is an image's. If so, the image is *withdrawn*: no instance of it is made any more, and the lost pages
//! become zeros that can be read and not executed. Readers of maps find something or nothing in zeros, as in any
//! damaged map; machine code is not executed, but faults again.
//!
//! What remains of the last page of a file is beyond this: the kernel fills it up with zeros and raises nothing.
//!
//! The registry is read by signal handlers: nodes are never freed, only used again, and what is in them is guarded by
//! a count that is odd while they change.

#![expect(unsafe_code, reason = "replaces pages of mappings that it has registered")]

use crate::pages::PAGE;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
use std::sync::{Mutex, PoisonError};

/// Text and maps.
const RANGES: usize = 2;

/// The mapped ranges of an image, or of none.
///
/// Invariant: while `version` is even and `start < end`, pages from `start` to `end` are mapped on behalf of a live
/// [`Watch`].
#[derive(Debug)]
struct Node {
    version: AtomicUsize,
    ranges: [(AtomicUsize, AtomicUsize); RANGES],
    withdrawn: AtomicBool,
    /// Written before the node is published.
    next: *const Node,
}

// SAFETY: all but `next` is atomic, and that is written once, before other threads see the node.
unsafe impl Sync for Node {}

static HEAD: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());
/// Nodes of images that are gone.
static FREE: Mutex<Vec<&'static Node>> = Mutex::new(Vec::new());

impl Node {
    fn new() -> &'static Node {
        let range = || (AtomicUsize::new(0), AtomicUsize::new(0));
        let ranges = [range(), range()];
        let node = Box::new(Node {
            version: AtomicUsize::new(0),
            ranges,
            withdrawn: AtomicBool::new(false),
            next: ptr::null(),
        });
        let node = Box::leak(node);
        let mut head = HEAD.load(Ordering::Acquire);
        loop {
            node.next = head;
            // Release: publishes the node. Acquire: those behind it are followed.
            match HEAD.compare_exchange_weak(head, node, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return node,
                Err(now) => head = now,
            }
        }
    }

    /// Only whoever took the node from `FREE`, or made it, changes it.
    fn set(&self, ranges: &[Range<usize>; RANGES]) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for ((start, end), range) in self.ranges.iter().zip(ranges) {
            start.store(range.start, Ordering::Relaxed);
            end.store(range.end, Ordering::Relaxed);
        }
        self.version.store(version + 2, Ordering::Release);
    }

    /// The range with this address. One that changes meanwhile has it not: whoever accesses an address keeps its image.
    fn range_of(&self, address: usize) -> Option<Range<usize>> {
        let version = self.version.load(Ordering::Acquire);
        let load =
            |(start, end): &(AtomicUsize, AtomicUsize)| start.load(Ordering::Relaxed)..end.load(Ordering::Relaxed);
        let range = self.ranges.iter().map(load).find(|range| range.contains(&address));
        fence(Ordering::Acquire);
        let same = version.is_multiple_of(2) && version == self.version.load(Ordering::Relaxed);
        range.filter(|_| same)
    }
}

/// Says that ranges are mapped, for as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    node: &'static Node,
}

impl Watch {
    /// # Safety
    ///
    /// The ranges, widened to whole pages, are mappings of files that stay until the watch is dropped, and whose
    /// readers accept that pages which the file loses become zeros.
    pub(super) unsafe fn new(ranges: [Range<usize>; RANGES]) -> Watch {
        let page = PAGE as usize;
        let whole = ranges.map(|range| range.start / page * page..range.end.next_multiple_of(page));
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let node = free.unwrap_or_else(Node::new);
        node.withdrawn.store(false, Ordering::Relaxed);
        node.set(&whole);
        Watch { node }
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        // Relaxed: a thread that caused it sees it; others learn it sometime.
        self.node.withdrawn.load(Ordering::Relaxed)
    }

    pub(super) fn withdraw(&self) {
        self.node.withdrawn.store(true, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.node.set(&[0..0, 0..0]);
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self.node);
    }
}

/// For handlers of `SIGBUS`: withdraws the image that has this address mapped, and puts zeros in the place of what
/// its file has lost there. Gives whether there is one; then the access can be tried again, though code cannot be executed.
///
/// Takes no lock and allocates nothing.
pub fn withdraw_at(address: usize) -> bool {
    let mut next = HEAD.load(Ordering::Acquire).cast_const();
    // SAFETY: nodes are published whole and never freed.
    while let Some(node) = unsafe { next.as_ref() } {
        if let Some(range) = node.range_of(address) {
            node.withdrawn.store(true, Ordering::Relaxed);
            return replace(address / PAGE as usize * PAGE as usize..range.end);
        }
        next = node.next;
    }
    false
}

/// Maps zeros over pages.
fn replace(pages: Range<usize>) -> bool {
    let (start, length) = (ptr::with_exposed_provenance_mut(pages.start), pages.end - pages.start);
    // SAFETY: the pages are a mapping of a live watch, whose maker accepted zeros; nothing else is in the range. Code in
    // them cannot run, as an access to them faulted because the file ends before.
    unsafe { mmap_anonymous(start, length, ProtFlags::READ, MapFlags::PRIVATE | MapFlags::FIXED) }.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use memmap2::MmapOptions;
    use std::fs::File;

    fn mapped(file: &File) -> memmap2::Mmap {
        // SAFETY: nobody but the test has the file, and it does not read what it cuts off.
        unsafe { MmapOptions::new().len(3 * 4096).map(file) }.expect("a mapping")
    }

    fn file() -> File {
        let file = tempfile::tempfile().expect("a file");
        std::os::unix::fs::FileExt::write_all_at(&file, &[7; 3 * 4096], 0).expect("written");
        file
    }

    #[test]
    fn what_a_file_has_lost_reads_as_zeros_and_withdraws_its_image_only() {
        let (short, whole) = (file(), file());
        let (a, b) = (mapped(&short), mapped(&whole));
        let at = |map: &memmap2::Mmap, offset: usize| map.as_ptr() as usize + offset;
        let range = |map: &memmap2::Mmap| at(map, 0)..at(map, 3 * 4096 - 5);
        // SAFETY: the mappings outlive the watches; the test reads bytes.
        let (one, two) = unsafe { (Watch::new([range(&a), 0..0]), Watch::new([0..0, range(&b)])) };
        short.set_len(4096).expect("shortened");
        assert!(withdraw_at(at(&a, 4096 + 9)));
        assert_eq!((one.is_withdrawn(), two.is_withdrawn()), (true, false));
        assert_eq!((a[4095], a[4096], a[3 * 4096 - 1]), (7, 0, 0));
        assert!(b.iter().all(|byte| *byte == 7));
        assert!(!withdraw_at(&raw const one as usize), "an address of nobody's");
        drop(one);
        assert!(!withdraw_at(at(&a, 4096)), "it is not watched any more");
        // The node is used again, and forgets.
        // SAFETY: as above.
        let again = unsafe { Watch::new([range(&a), 0..0]) };
        assert!(!again.is_withdrawn());
    }
}
