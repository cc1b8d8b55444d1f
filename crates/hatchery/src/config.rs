//! Every choice an embedder has, as plain enums and numbers.

use crate::pooling::Pooling;
use hatchery_alloc::InstanceAllocator;
use std::fmt;
use std::sync::Arc;

/// Where the memory of instances comes from.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Allocation {
    /// Mapped when an instance is made and unmapped when it is dropped.
    #[default]
    OnDemand,
    /// As [`OnDemand`](Allocation::OnDemand), with every page write-protected until it is first
    /// written. Slow; finds host code that writes to a guest without preparing it.
    Strict,
    /// From a pool of slots that are kept mapped and clean.
    Pooling(Pooling),
    /// An allocator from outside.
    Custom(Arc<dyn InstanceAllocator>),
}

impl fmt::Debug for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Allocation::OnDemand => "OnDemand",
            Allocation::Strict => "Strict",
            Allocation::Pooling(_) => "Pooling(..)",
            Allocation::Custom(_) => "Custom(..)",
        })
    }
}

/// How accesses to memories are kept inside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Bounds {
    /// As the allocator profits from it: with a pool, by comparison in modules whose code grows a memory, so that what
    /// an instance grew stays mapped for the next one; otherwise as [`Guard`](Bounds::Guard). That saves several microseconds
    /// for each instance that grows, and makes loops that do little but access memory up to a fifth slower, few of
    /// them more: where instances compute for long, [`Guard`](Bounds::Guard) is better.
    #[default]
    Auto,
    /// By guard pages where the reservation allows, by comparison elsewhere.
    Guard,
    /// By comparison everywhere.
    Explicit,
    /// By comparison in modules whose code grows a memory, and as [`Guard`](Bounds::Guard) in others.
    Growing,
}

/// How a running guest can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Interruption {
    /// Not at all. A guest that spins, spins forever.
    #[default]
    None,
    /// By a deadline, or by [`InterruptHandle::cancel`](crate::InterruptHandle::cancel). One thread of the process watches all
    /// deadlines; it starts with the first such engine. A forked child needs one of its own, which its first deadline
    /// starts, and passes at once where that fails.
    Deadline,
    /// By running out of fuel, the same on every machine. An instruction takes a unit; one that fills, copies or initializes
    /// many bytes of a memory takes another for each 64 of them, and of a table for each 8 elements. A throw takes
    /// one for each 8 frames and handlers that it looks at, and exceptions that are caught with a reference cost more, too.
    Fuel,
}

/// Whether results may depend on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Determinism {
    /// NaN bits and relaxed SIMD as the machine has them.
    #[default]
    Relaxed,
    /// Canonical NaNs and the specification's deterministic relaxed SIMD.
    Strict,
}

/// How much time to spend on making code fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Optimization {
    /// Least time to compile.
    None,
    /// Fastest code.
    #[default]
    Speed,
}

/// The CPU to compile for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Cpu {
    /// x86-64-v2: every x86-64 server since 2009.
    Baseline,
    /// This machine.
    #[default]
    Native,
    /// A microarchitecture by name, such as `haswell`, `skylake`, `znver3` or `x86-64-v3`.
    Named(String),
}

/// Which WebAssembly a module is validated as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Version {
    /// Exactly version 2.0 of the specification: what came later is invalid.
    Wasm2,
    /// All that is supported.
    #[default]
    Latest,
}

/// Whether bounds checks also hold while the CPU speculates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Speculation {
    /// They do.
    #[default]
    Guarded,
    /// They do not: for guests that are trusted not to look.
    Unguarded,
}

/// What is done to a guest's stack before another instance gets it. No guest can read what is left on one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Scrub {
    /// Nothing, as long as calls stay within 64 KiB. What was used beyond is given back to the system, if it was
    /// noticed: calls that nest deeply are, but code can be made that steps over where one looks.
    #[default]
    Keep,
    /// All of it is zeroed or given back to the system, for one system call for each instance. With
    /// [`Learning::Frozen`](crate::Learning::Frozen) it is in any case.
    Discard,
}

/// How an [`Engine`](crate::Engine) compiles and runs.
///
/// ```
/// use hatchery::{Config, Determinism, Engine, Interruption};
///
/// let engine = Engine::new(&Config::new().interruption(Interruption::Fuel).determinism(Determinism::Strict))?;
/// # Ok::<(), hatchery::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) allocation: Allocation,
    pub(crate) bounds: Bounds,
    pub(crate) interruption: Interruption,
    pub(crate) determinism: Determinism,
    pub(crate) optimization: Optimization,
    pub(crate) cpu: Cpu,
    pub(crate) speculation: Speculation,
    pub(crate) memory_reservation: Option<u64>,
    pub(crate) memory_guard: Option<u64>,
    pub(crate) table_room: Option<u64>,
    pub(crate) stack_bytes: Option<usize>,
    pub(crate) stacks: Option<usize>,
    pub(crate) scrub_stacks: Scrub,
    pub(crate) max_core_instances: Option<usize>,
    pub(crate) max_functions: Option<usize>,
    pub(crate) max_code_bytes: Option<u64>,
    pub(crate) max_repeated_code_bytes: Option<u64>,
}

/// One setter a line: name, field, type, and what it means.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $wrap:expr;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, value: $ty) -> Config {
                self.$name = $wrap(value);
                self
            }
        )*
    };
}

impl Config {
    /// The defaults: on-demand allocation, guard pages, no interruption, native code for this machine.
    pub fn new() -> Config {
        Config {
            allocation: Allocation::default(),
            bounds: Bounds::default(),
            interruption: Interruption::default(),
            determinism: Determinism::default(),
            optimization: Optimization::default(),
            cpu: Cpu::default(),
            speculation: Speculation::default(),
            memory_reservation: None,
            memory_guard: None,
            table_room: None,
            stack_bytes: None,
            stacks: None,
            scrub_stacks: Scrub::default(),
            max_core_instances: None,
            max_functions: None,
            max_code_bytes: None,
            max_repeated_code_bytes: None,
        }
    }

    setters! {
        /// Where the memory of instances comes from.
        allocation: Allocation = std::convert::identity;
        /// How accesses to memories are kept inside them.
        bounds: Bounds = std::convert::identity;
        /// How a running guest can be stopped.
        interruption: Interruption = std::convert::identity;
        /// Whether results may depend on the machine.
        determinism: Determinism = std::convert::identity;
        /// How much time to spend on making code fast.
        optimization: Optimization = std::convert::identity;
        /// The CPU to compile for.
        cpu: Cpu = std::convert::identity;
        /// Whether bounds checks also hold while the CPU speculates.
        speculation: Speculation = std::convert::identity;
        /// Bytes of address space reserved for each memory, guard excluded; 4 GiB unless set. With
        /// less, accesses are checked by comparison, and a memory cannot grow beyond its reservation.
        memory_reservation: u64 = Some;
        /// Bytes of inaccessible address space behind each memory; 32 MiB unless set.
        memory_guard: u64 = Some;
        /// Elements up to which a table without a smaller maximum can grow; 10,000 unless set.
        table_room: u64 = Some;
        /// Bytes of a guest's stack; 768 KiB unless set. The host functions it calls have a reserve of
        /// their own.
        stack_bytes: usize = Some;
        /// Most guest stacks at a time, in use and kept for reuse; 10,000 unless set, or as many as a pool has slots, if these
        /// are more.
        stacks: usize = Some;
        /// What is done to a guest's stack before another instance gets it.
        scrub_stacks: Scrub = std::convert::identity;
        /// Most core instances that are linked into one module; 10,000 unless set.
        max_core_instances: usize = Some;
        /// Most functions in one module, over all its instances; 1,000,000 unless set.
        max_functions: usize = Some;
        /// Most bytes of WebAssembly code in one module, over all its instances; 512 MiB unless set.
        max_code_bytes: u64 = Some;
        /// Most bytes of WebAssembly code that are compiled again because their modules are instantiated again;
        /// 32 MiB unless set.
        max_repeated_code_bytes: u64 = Some;
    }
}

impl Config {
    /// How a running guest can be stopped.
    pub fn interrupted_by(&self) -> Interruption {
        self.interruption
    }
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}
