//! Choices of the pool.

use crate::error::{Error, ErrorKind};
use hatchery_image::{STATE_GUARD, Tunables};
use hatchery_pool::{Class, Pool, PoolError, PoolOptions};

/// How a slot becomes clean when its instance is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Reset {
    /// Pages that could have been written are copied back; all others are write-protected. No system call in
    /// the steady state.
    #[default]
    WorkingSet,
    /// The kernel is asked which pages were written, and these are copied back. Linux 6.7 and later.
    PagemapScan,
    /// All written pages go back to the kernel.
    Decommit,
}

/// Which free slot an instance gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Placement {
    /// The next one.
    #[default]
    NextAvailable,
    /// A random one; the same seed gives one thread the same sequence.
    Random {
        /// Where the sequence starts.
        seed: u64,
    },
}

/// Whether every reset is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Verify {
    /// No.
    #[default]
    Off,
    /// Every slot is compared with its image, byte for byte, after every reset; a difference panics. For tests.
    EveryReset,
}

/// How the pages that a module's instances write become known first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Discovery {
    /// The first use is not protected, and the kernel is asked afterwards; where it cannot tell, as
    /// [`Faults`](Discovery::Faults).
    #[default]
    Scan,
    /// Everything is protected from the start, and each page that is written faults once.
    Faults,
}

/// Bounds and pace of working sets, for [`Reset::WorkingSet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkingSets {
    sets: hatchery_pool::WorkingSets,
}

impl WorkingSets {
    /// What is usual.
    pub fn new() -> WorkingSets {
        WorkingSets::default()
    }

    /// How the first one becomes known.
    #[must_use]
    pub fn discovery(mut self, discovery: Discovery) -> WorkingSets {
        self.sets.discovery = match discovery {
            Discovery::Scan => hatchery_pool::Discovery::Scan,
            Discovery::Faults => hatchery_pool::Discovery::Faults,
        };
        self
    }

    /// Most pages of 4 KiB in a set; 4,096 unless set. A slot in which more are written is reset by giving all its pages
    /// back to the kernel.
    #[must_use]
    pub fn max_pages(mut self, pages: usize) -> WorkingSets {
        self.sets.max_pages = pages;
        self
    }

    /// Most runs of contiguous pages in a set, each of which costs up to two kernel mappings; a fair share of what the kernel
    /// allows unless set. To have fewer, the smallest gaps between them are filled.
    #[must_use]
    pub fn max_runs(mut self, runs: usize) -> WorkingSets {
        self.sets.max_runs = Some(runs);
        self
    }

    /// Protected pages that one use opens one after the other, before all are opened; 64 unless set.
    #[must_use]
    pub fn max_openings(mut self, openings: u32) -> WorkingSets {
        self.sets.max_openings = openings;
        self
    }

    /// Most bytes that each memory keeps accessible beyond its first length when its instance is gone, for the next one that
    /// grows it, where code compares addresses with lengths; 64 MiB unless set, 0 for none.
    #[must_use]
    pub fn max_tail_bytes(mut self, bytes: u64) -> WorkingSets {
        self.sets.max_tail_bytes = size(bytes);
        self
    }

    /// Resets of a slot after which one finds out which pages of the set are not written any more; 16 unless set, 0 for
    /// never.
    #[must_use]
    pub fn aging_interval(mut self, resets: u32) -> WorkingSets {
        self.sets.aging_interval = resets;
        self
    }

    /// Openings per second and module that are remembered in the long run; 1,024 unless set. A module that needs more is
    /// not protected for a while.
    #[must_use]
    pub fn relearn_rate(mut self, openings: u32) -> WorkingSets {
        self.sets.relearn_rate = openings;
        self
    }
}

/// A pool of slots: how many, how large, and how they become clean.
///
/// ```
/// use hatchery::{Allocation, Config, Engine, Linker, Module, Pooling};
///
/// let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(Pooling::new(100))))?;
/// let module = Module::new(&engine, r#"(module (memory 1) (func (export "f") (i32.store (i32.const 0) (i32.const 1))))"#)?;
/// let prepared = Linker::new(&engine).prepare(&module)?;
/// for _ in 0..1000 {
///     let mut instance = prepared.instantiate(())?;
///     instance.func::<(), ()>("f")?.call(&mut instance, ())?;
/// }
/// # Ok::<(), hatchery::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pooling {
    slots: usize,
    slot_bytes: Option<u64>,
    classes: Vec<(usize, u64)>,
    reset: Reset,
    placement: Placement,
    warm_per_module: Option<usize>,
    resident_bytes: Option<u64>,
    working_sets: WorkingSets,
    verify: Verify,
    shards: Option<usize>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $wrap:expr;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, value: $ty) -> Pooling {
                self.$name = $wrap(value);
                self
            }
        )*
    };
}

impl Pooling {
    /// This many slots, each large enough for a module with one memory and a few megabytes of tables, or for a component
    /// with one memory.
    pub fn new(slots: usize) -> Pooling {
        Pooling {
            slots,
            slot_bytes: None,
            classes: Vec::new(),
            reset: Reset::default(),
            placement: Placement::default(),
            warm_per_module: None,
            resident_bytes: None,
            working_sets: WorkingSets::default(),
            verify: Verify::default(),
            shards: None,
        }
    }

    /// More slots, of another size: bytes of address space, guards included. A module gets the smallest slot that it fits
    /// and of which there is one. Some size must have slots; for such sizes only, ask [`new`](Pooling::new) for none.
    #[must_use]
    pub fn class(mut self, slots: usize, slot_bytes: u64) -> Pooling {
        self.classes.push((slots, slot_bytes));
        self
    }

    setters! {
        /// Bytes of address space of a slot, guards included, for modules that need more than usual.
        slot_bytes: u64 = Some;
        /// How a slot becomes clean.
        reset: Reset = std::convert::identity;
        /// Which free slot an instance gets.
        placement: Placement = std::convert::identity;
        /// Most slots that stay mapped for one prepared module while they are free; 1,024 unless set.
        warm_per_module: usize = Some;
        /// Most bytes that all slots together may make resident; unlimited unless set. The stacks of guests come on top:
        /// see [`Config::stacks`](crate::Config::stacks) and [`Engine::stack_metrics`](crate::Engine::stack_metrics).
        resident_bytes: u64 = Some;
        /// Bounds and pace of working sets.
        working_sets: WorkingSets = std::convert::identity;
        /// Whether every reset is checked.
        verify: Verify = std::convert::identity;
        /// Groups of threads that put free slots aside for themselves, rounded up to a power of two and 4,096 at most; four
        /// times as many as there are CPUs unless set, 8 to 64.
        shards: usize = Some;
    }

    /// The pool, for code compiled like this.
    pub(crate) fn pool(&self, tunables: &Tunables) -> Result<Pool, Error> {
        /// Room for header, state and tables.
        const STATE: u64 = 16 << 20;
        /// Room for the handle tables of a component.
        const HANDLES: u64 = 128 << 20;
        let memory = tunables.memory32_reservation.saturating_add(tunables.memory_guard);
        let usual = || memory.saturating_add(STATE_GUARD + STATE + HANDLES);
        let slot_bytes = size(self.slot_bytes.unwrap_or_else(usual));
        let mut options = PoolOptions::new(self.slots, slot_bytes);
        options
            .classes
            .extend(self.classes.iter().map(|(slots, bytes)| Class { slots: *slots, slot_bytes: size(*bytes) }));
        options.working_sets = self.working_sets.sets;
        options.shards = self.shards.unwrap_or(options.shards);
        options.reset = match self.reset {
            Reset::WorkingSet => hatchery_pool::Reset::WorkingSet,
            Reset::PagemapScan => hatchery_pool::Reset::PagemapScan,
            Reset::Decommit => hatchery_pool::Reset::Decommit,
        };
        options.placement = match self.placement {
            Placement::NextAvailable => hatchery_pool::Placement::NextAvailable,
            Placement::Random { seed } => hatchery_pool::Placement::Random { seed },
        };
        options.verify = match self.verify {
            Verify::Off => hatchery_pool::Verify::Off,
            Verify::EveryReset => hatchery_pool::Verify::EveryReset,
        };
        options.max_warm_per_template = self.warm_per_module.unwrap_or(options.max_warm_per_template);
        options.max_resident_bytes = self.resident_bytes.map_or(options.max_resident_bytes, size);
        Pool::new(options).map_err(pool_error)
    }
}

fn pool_error(error: PoolError) -> Error {
    let kind = match error {
        PoolError::NoPagemapScan { .. } | PoolError::System { .. } => ErrorKind::Host,
        PoolError::NoSlots => ErrorKind::Usage,
        _ => ErrorKind::Limit,
    };
    Error::source_of(kind, error)
}

/// A size that is too large for this machine is as large as it gets, which the pool then refuses.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
