//! Choices of the pool.

use crate::error::{Error, ErrorKind};
use hatchery_image::{STATE_GUARD, Tunables};
use hatchery_pool::{Pool, PoolError, PoolOptions};

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
    reset: Reset,
    placement: Placement,
    warm_per_module: Option<usize>,
    resident_bytes: Option<u64>,
    verify: Verify,
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
    /// This many slots, each large enough for a module with one memory and a few megabytes of tables.
    pub fn new(slots: usize) -> Pooling {
        Pooling {
            slots,
            slot_bytes: None,
            reset: Reset::default(),
            placement: Placement::default(),
            warm_per_module: None,
            resident_bytes: None,
            verify: Verify::default(),
        }
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
        /// Most bytes that all slots together may make resident; unlimited unless set.
        resident_bytes: u64 = Some;
        /// Whether every reset is checked.
        verify: Verify = std::convert::identity;
    }

    /// The pool, for code compiled like this.
    pub(crate) fn pool(&self, tunables: &Tunables) -> Result<Pool, Error> {
        /// Room for header, state and tables.
        const STATE: u64 = 16 << 20;
        let usual = || tunables.memory32_reservation + tunables.memory_guard + STATE_GUARD + STATE;
        let slot_bytes = size(self.slot_bytes.unwrap_or_else(usual));
        let mut options = PoolOptions::new(self.slots, slot_bytes);
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
        Pool::new(options).map_err(|error: PoolError| Error::source_of(ErrorKind::Exhausted, error))
    }
}

/// A size that is too large for this machine is as large as it gets, which the pool then refuses.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
