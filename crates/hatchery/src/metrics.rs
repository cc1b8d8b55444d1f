//! What an engine has, as numbers; and what its pool did.

/// What a pool did and has. Taken while other threads go on, so the numbers may be of slightly different moments; none
/// is ever negative, and what counts events never decreases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolMetrics {
    /// Slots, of all sizes. They are live, warm, cold or withdrawn.
    pub slots: usize,
    /// Slots in use.
    pub live: usize,
    /// Clean slots, kept mapped for a module.
    pub warm: usize,
    /// Slots that are mapped for nothing.
    pub cold: usize,
    /// Slots in an unknown state, that are not used until they have been unmapped whole.
    pub withdrawn: usize,
    /// Modules that the pool knows, each as often as there are isolation tags for it.
    pub templates: usize,
    /// Instances that found a warm slot of their module.
    pub affinity_hits: u64,
    /// Instances for which one had to be mapped.
    pub affinity_misses: u64,
    /// Slots that were withdrawn so far.
    pub withdrawals: u64,
    /// Resets by [`Reset::WorkingSet`](crate::Reset::WorkingSet).
    pub resets_working_set: u64,
    /// Resets by [`Reset::PagemapScan`](crate::Reset::PagemapScan).
    pub resets_pagemap_scan: u64,
    /// Resets by [`Reset::Decommit`](crate::Reset::Decommit).
    pub resets_decommit: u64,
    /// Pages that resets put back.
    pub pages_copied: u64,
    /// Protected pages, or groups of them, that were opened because somebody wrote to them.
    pub faults_learned: u64,
    /// Pages in the working sets of all live and warm slots.
    pub working_set_pages: usize,
    /// Kernel mappings of all live and warm slots, about.
    pub kernel_mappings: usize,
    /// Bytes that live and warm slots can make resident: what [`Pooling::resident_bytes`](crate::Pooling::resident_bytes)
    /// limits.
    pub bytes_charged: usize,
    /// Bytes that live and warm slots have resident of their own, about: their working sets, and all of a slot without one.
    pub bytes_resident: usize,
}

/// The stacks of an engine's guests. An instance has one from its first call until it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StackMetrics {
    /// Stacks that are mapped; [`Config::stacks`](crate::Config::stacks) limits them.
    pub mapped: usize,
    /// Those of them that no instance has.
    pub idle: usize,
    /// Bytes that those that are mapped can make resident. While they are idle it is 64 KiB each, about, whatever it was before.
    pub bytes_mapped: u64,
}

impl StackMetrics {
    pub(crate) fn new(stacks: &hatchery_vm::StackPool) -> StackMetrics {
        let mapped = stacks.mapped();
        let bytes_mapped = (mapped as u64).saturating_mul(stacks.config().usable() as u64);
        StackMetrics { mapped, idle: stacks.idle(), bytes_mapped }
    }
}

impl PoolMetrics {
    pub(crate) fn new(m: &hatchery_pool::Metrics) -> PoolMetrics {
        let resets = |reset| m.resets[reset as usize];
        PoolMetrics {
            slots: m.slots,
            live: m.live,
            warm: m.warm,
            cold: m.cold,
            withdrawn: m.withdrawn,
            templates: m.templates,
            affinity_hits: m.affinity_hits,
            affinity_misses: m.affinity_misses,
            withdrawals: m.withdrawals,
            resets_working_set: resets(hatchery_pool::Reset::WorkingSet),
            resets_pagemap_scan: resets(hatchery_pool::Reset::PagemapScan),
            resets_decommit: resets(hatchery_pool::Reset::Decommit),
            pages_copied: m.pages_copied,
            faults_learned: m.faults_learned,
            working_set_pages: m.working_set_pages,
            kernel_mappings: m.kernel_mappings,
            bytes_charged: m.bytes_charged,
            bytes_resident: m.bytes_resident,
        }
    }
}
