//! What the peer's pool can be told, and which of it is best for a case.

use super::sides::{self, Spec};
use crate::measure::{self, Effort, Latencies, Side};
use crate::peer;
use std::fmt;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

/// A setting of the peer's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Knobs {
    /// Bytes of each memory that are cleaned by hand, not by the kernel.
    memory: usize,
    /// The same of each table.
    table: usize,
    /// Whether the kernel is asked which pages were written.
    scan: Enabled,
    /// How many slots are given back to the kernel at a time.
    batch: usize,
    /// Whether a store can run several tasks, which costs it something.
    concurrency: bool,
}

/// What one instance needs of the peer's pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    /// Core modules, each with a memory and a table.
    pub(crate) modules: usize,
    /// Elements of each table.
    pub(crate) elements: usize,
}

/// The peer's defaults, but for the scan, which it never does by itself.
const DEFAULT: Knobs = Knobs { memory: 0, table: 0, scan: Enabled::No, batch: 1, concurrency: true };
/// Without what costs and is not needed here.
pub(crate) const LEAN: Knobs = Knobs { concurrency: false, ..DEFAULT };
/// Tables are small: they are best kept.
const KEEP: Knobs = Knobs { table: 1 << 17, ..LEAN };

/// What is often best: up to a megabyte of each memory is kept, and only what was written is cleaned.
pub(crate) const KEEP_SCAN: Knobs = Knobs { memory: 1 << 20, scan: Enabled::Yes, ..KEEP };

/// All that are tried.
const TRIED: [Knobs; 11] = [
    DEFAULT,
    LEAN,
    KEEP,
    Knobs { batch: 16, ..LEAN },
    Knobs { batch: 100, ..LEAN },
    Knobs { batch: 16, ..KEEP },
    Knobs { memory: 64 << 10, ..KEEP },
    Knobs { memory: 64 << 10, scan: Enabled::Yes, ..KEEP },
    KEEP_SCAN,
    Knobs { memory: 4 << 20, scan: Enabled::Yes, ..KEEP },
    Knobs { batch: 16, ..KEEP_SCAN },
];

/// A median may be this much below its 99th percentile for a setting to count as good.
const STEADY: f64 = 2.0;

impl Knobs {
    /// A pool for this many instances at a time. Some are added where giving back waits for company.
    pub(crate) fn config(&self, slots: usize) -> Config {
        self.component_config(slots, Room { modules: 1, elements: 10_000 })
    }

    /// As [`config`](Self::config), for components that need this.
    pub(crate) fn component_config(&self, slots: usize, room: Room) -> Config {
        let total = u32::try_from((slots + self.batch) * room.modules).expect("a number of slots");
        let each = u32::try_from(room.modules).expect("a number of modules");
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(total);
        pool.total_memories(total);
        pool.total_tables(total);
        pool.total_stacks(total);
        pool.total_component_instances(total);
        pool.max_core_instances_per_component(each);
        pool.max_memories_per_component(each);
        pool.max_tables_per_component(each);
        pool.max_component_instance_size(8 << 20);
        pool.max_core_instance_size(8 << 20);
        pool.max_unused_warm_slots(total.max(100));
        pool.max_memory_size(64 << 20);
        pool.table_elements(room.elements);
        pool.linear_memory_keep_resident(self.memory);
        pool.table_keep_resident(self.table);
        pool.decommit_batch_size(self.batch);
        pool.pagemap_scan(self.scan);
        let mut config = peer::config();
        config.concurrency_support(self.concurrency);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config
    }
}

impl fmt::Display for Knobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Knobs { memory, table, scan, batch, concurrency } = *self;
        write!(
            f,
            "pooling, keeps {} KiB of memories and {} KiB of tables, pagemap scan {}, decommit batch {batch}, \
                concurrency {}, no protection keys",
            memory >> 10,
            table >> 10,
            if scan == Enabled::No { "off" } else { "on" },
            if concurrency { "on" } else { "off" },
        )
    }
}

/// The peer's best setting, and a remark.
pub(crate) fn best(spec: &Spec) -> anyhow::Result<(Knobs, &'static str)> {
    best_of(spec.warm_up(), |knobs| sides::peer(spec, knobs))
}

/// The best setting for what is made with one, and a remark: the lowest median of the settings whose 99th percentile is
/// within twice of it, or of all if none is like that.
pub(crate) fn best_of(
    warm_up: u64,
    peer: impl Fn(&Knobs) -> anyhow::Result<Side>,
) -> anyhow::Result<(Knobs, &'static str)> {
    let mut tried = Vec::new();
    for knobs in TRIED {
        // What this machine or this build of the peer does not have is refused.
        if let Ok(mut side) = peer(&knobs) {
            side(warm_up);
            tried.push((knobs, measure::latencies(&mut [&mut side], &Effort::GLANCE).remove(0)));
        }
    }
    let steady = |times: &Latencies| times.p99 <= STEADY * times.p50;
    let any = tried.iter().any(|(_, times)| steady(times));
    let (knobs, _) = tried
        .into_iter()
        .filter(|(_, times)| !any || steady(times))
        .min_by(|(_, a), (_, b)| a.p50.total_cmp(&b.p50))
        .ok_or_else(|| anyhow::anyhow!("the peer refuses all settings"))?;
    Ok((knobs, if any { "" } else { " (no setting has its p99 within twice its median)" }))
}
