//! What a pool is made of, and what can be chosen.

use core::fmt;

/// Slots of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Bytes of a slot, guards included; rounded up to pages.
    pub slot_bytes: usize,
    /// How many.
    pub slots: usize,
}

/// How a released slot becomes its template again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Reset {
    /// Pages that could have been written are copied back; all others are write-protected. No system call in
    /// the steady state.
    #[default]
    WorkingSet,
    /// The kernel is asked which pages were written, and these are copied back. Linux 6.7 and later.
    PagemapScan,
    /// All private pages go back to the kernel.
    Decommit,
}

impl Reset {
    /// All there are.
    pub const ALL: [Reset; 3] = [Reset::WorkingSet, Reset::PagemapScan, Reset::Decommit];
}

impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reset::WorkingSet => "working-set",
            Reset::PagemapScan => "pagemap-scan",
            Reset::Decommit => "decommit",
        })
    }
}

/// Which free slot is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Placement {
    /// The next one.
    #[default]
    NextAvailable,
    /// A random one of those that are cold, and of those that a thread has warm. The same seed gives one thread the same
    /// sequence.
    Random {
        /// Where the sequence starts.
        seed: u64,
    },
}

/// Whether resets are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Verify {
    /// No.
    #[default]
    Off,
    /// Every slot is compared with its template, byte for byte, after every reset; a difference panics, and
    /// its slot is withdrawn.
    EveryReset,
}

/// How the first working set of a template becomes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Discovery {
    /// The first use is not protected, and the kernel is asked afterwards; where it cannot tell, as `Faults`.
    #[default]
    Scan,
    /// Everything is protected from the start.
    Faults,
}

/// Bounds and pace of working sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkingSets {
    /// How the first one becomes known.
    pub discovery: Discovery,
    /// Most pages of a set. A slot that writes more is reset as with [`Reset::Decommit`].
    pub max_pages: usize,
    /// Most runs of contiguous pages of a set, each of which costs up to two kernel mappings; `None` for a fair share of
    /// what the kernel allows.
    pub max_runs: Option<usize>,
    /// Protected pages that one use opens one after the other, before everything is opened.
    pub max_openings: u32,
    /// Resets of a slot after which one compares before it copies. Zero for never.
    pub aging_interval: u32,
    /// Openings per second and template that are remembered, in the long run.
    pub relearn_rate: u32,
    /// Most bytes that stay mapped of a region's grown tail, where the template allows that. They count as resident.
    pub max_tail_bytes: usize,
}

impl Default for WorkingSets {
    fn default() -> WorkingSets {
        WorkingSets {
            discovery: Discovery::Scan,
            max_pages: 4096,
            max_runs: None,
            max_openings: 64,
            aging_interval: 16,
            relearn_rate: 1024,
            max_tail_bytes: 64 << 20,
        }
    }
}

/// What a pool is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// The slots. A template gets the smallest that it fits and of which there is one. Classes without slots count for
    /// nothing.
    pub classes: Vec<Class>,
    /// How released slots become clean.
    pub reset: Reset,
    /// Which free slot is taken.
    pub placement: Placement,
    /// Most slots of one template that stay mapped when they are released.
    pub max_warm_per_template: usize,
    /// Most bytes that all slots together can make resident: what their accessible parts add up to.
    pub max_resident_bytes: usize,
    /// Bounds and pace of working sets.
    pub working_sets: WorkingSets,
    /// Whether resets are checked.
    pub verify: Verify,
    /// Shards of free slots, rounded up to a power of two and 4,096 at most; as many threads do not disturb each other.
    pub shards: usize,
}

impl PoolOptions {
    /// This many slots of this size, and otherwise what is usual.
    pub fn new(slots: usize, slot_bytes: usize) -> PoolOptions {
        let threads = std::thread::available_parallelism().map_or(8, usize::from);
        PoolOptions {
            classes: vec![Class { slot_bytes, slots }],
            reset: Reset::default(),
            placement: Placement::default(),
            max_warm_per_template: 1024,
            max_resident_bytes: usize::MAX,
            working_sets: WorkingSets::default(),
            verify: Verify::default(),
            shards: (threads * 4).clamp(8, 64),
        }
    }
}

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// The classes together do not fit the address space.
    #[error("{slots} slots of {slot_bytes} bytes, with what comes before them, do not fit the address space")]
    AddressSpace {
        /// Slots of the first class that does not fit.
        slots: usize,
        /// Bytes of one of them.
        slot_bytes: usize,
    },
    /// More slots than can be numbered.
    #[error("{slots} slots are more than {limit}")]
    TooManySlots {
        /// Slots of all classes.
        slots: usize,
        /// How many there can be.
        limit: usize,
    },
    /// No class has a slot.
    #[error("a pool without slots has nothing to give")]
    NoSlots,
    /// A slot is larger than working sets can describe.
    #[error("slots of {slot_bytes} bytes are larger than {limit}")]
    SlotTooLarge {
        /// Bytes of a slot.
        slot_bytes: usize,
        /// How many there can be.
        limit: usize,
    },
    /// The kernel cannot tell which pages were written.
    #[error("the `pagemap-scan` reset needs PAGEMAP_SCAN, that is Linux 6.7 or later: {source}")]
    NoPagemapScan {
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The kernel refused.
    #[error("cannot make a pool: {step}: {source}")]
    System {
        /// What was being done.
        step: &'static str,
        /// The kernel's answer.
        source: std::io::Error,
    },
}
