//! Maps a slot for every allocation and unmaps it at release: the simple reference implementation.

#![expect(unsafe_code, reason = "implements the allocator trait on raw mappings")]

use crate::allocator::{
    AllocateError, FaultVerdict, GrowError, InstanceAllocator, LayoutRefused, PrepareError, Slot, SlotToken, Tuning,
};
use crate::layout::{PAGE, RegionKind, SlotLayout};
use crate::sys::{Access, Reservation};
use crate::template::Template;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::Arc;

/// Whether image pages start write-protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protection {
    /// They are writable from the start; the kernel copies them when they are written.
    #[default]
    Open,
    /// *Strict mode*: every image page starts write-protected and is opened by the first write, a granule
    /// at a time. Slower; it proves that every write of the host is prepared.
    UntilWritten {
        /// Pages opened at a time.
        granule_pages: usize,
    },
}

impl Protection {
    /// Strict mode, page by page.
    pub const STRICT: Protection = Protection::UntilWritten { granule_pages: 1 };
}

/// What an [`OnDemand`] allocator does and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether image pages start write-protected.
    pub protection: Protection,
    /// Most slots in use at a time.
    pub max_live: usize,
    /// Most bytes of a slot, guards included.
    pub max_slot_bytes: usize,
    /// Most bytes accessible when a slot is allocated.
    pub max_accessible_bytes: usize,
    /// Openings of single granules in a region, after which the whole of it is opened: each may cost a
    /// kernel mapping, of which a process has some ten thousands.
    pub max_openings: u32,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            protection: Protection::Open,
            max_live: usize::MAX,
            max_slot_bytes: 1 << 46,
            max_accessible_bytes: 1 << 46,
            max_openings: 2000,
        }
    }
}
