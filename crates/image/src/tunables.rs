//! The choices a compilation depends on. They are recorded in the image and checked against the
//! allocator before an instance is made.

/// How accesses to 32-bit memories are kept inside them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bounds {
    /// The reservation holds every 32-bit index and the guard every small offset; hardware checks.
    Guard,
    /// Compiled code compares with the memory's length, with a speculation guard.
    Explicit,
}

/// How a running guest can be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Interruption {
    /// Not at all: no check is compiled.
    #[default]
    None,
    /// A page is read at loop headers and function entries, which is closed to stop the guest; see [`abi`](crate::abi).
    Poll,
    /// Fuel is counted per executed instruction, deterministically.
    Fuel,
}

/// Whether results may depend on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Determinism {
    /// NaN bits and relaxed SIMD as the machine has them.
    #[default]
    Relaxed,
    /// Canonical NaNs and the specification's deterministic relaxed SIMD.
    Strict,
}

/// How much the code generator optimizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OptLevel {
    /// Least time to compile.
    None,
    /// Fastest code.
    #[default]
    Speed,
}

/// The CPU that code is compiled for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum CpuTarget {
    /// x86-64-v2 (SSE4.2, POPCNT): every x86-64 server since 2009.
    Baseline,
    /// This machine.
    #[default]
    Native,
    /// A code generator preset, such as `haswell`, `skylake`, `znver3`, `x86-64-v3`.
    Named(String),
}

/// The choices of a compilation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tunables {
    /// Bytes reserved for a 32-bit memory, guard excluded; a multiple of 64 KiB. A memory whose
    /// declared maximum is smaller still reserves this much; one whose minimum is larger reserves its
    /// minimum.
    pub memory32_reservation: u64,
    /// Bytes reserved for a 64-bit memory, guard excluded, unless its maximum is smaller.
    pub memory64_reservation: u64,
    /// Inaccessible bytes behind each memory; a multiple of the page size.
    pub memory_guard: u64,
    /// Elements for which a growable table has room, unless its minimum is larger or its maximum smaller.
    pub table_room: u64,
    /// Explicit bounds checks also where guard pages would do.
    pub explicit_bounds: bool,
    /// Explicit bounds checks where some code grows a memory: what it grew may then stay mapped behind the length.
    pub explicit_growth: bool,
    /// Whether bounds checks of memories and tables also hold under misspeculation.
    pub speculation_guards: bool,
    /// How a running guest can be stopped.
    pub interruption: Interruption,
    /// Whether results may depend on the machine.
    pub determinism: Determinism,
    /// How much the code generator optimizes.
    pub opt_level: OptLevel,
    /// The CPU that code is compiled for.
    pub cpu: CpuTarget,
}

impl Tunables {
    /// Bytes addressable by a 32-bit index.
    pub const FOUR_GIB: u64 = 1 << 32;

    /// How a memory with these index type and reservation is kept in bounds.
    pub fn bounds(&self, memory64: bool, reserved: u64) -> Bounds {
        if memory64 || self.explicit_bounds || reserved < Self::FOUR_GIB { Bounds::Explicit } else { Bounds::Guard }
    }
}

impl Default for Tunables {
    fn default() -> Tunables {
        Tunables {
            memory32_reservation: Self::FOUR_GIB,
            memory64_reservation: Self::FOUR_GIB,
            memory_guard: 32 << 20,
            table_room: 10_000,
            explicit_bounds: false,
            explicit_growth: false,
            speculation_guards: true,
            interruption: Interruption::None,
            determinism: Determinism::Relaxed,
            opt_level: OptLevel::Speed,
            cpu: CpuTarget::Native,
        }
    }
}
