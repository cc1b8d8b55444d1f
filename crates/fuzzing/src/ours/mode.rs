//! The modes that our machine can run a program in.

use crate::late::Late;
use crate::paths::{Calls, Host};
use arbitrary::{Result as Random, Unstructured};
use hatchery::{
    Allocation, Bounds, Config, Cpu, Determinism, InitImports, Interruption, Optimization, Placement, Pooling, Reset,
    Speculation, Verify,
};

/// Instances that are made one after the other where slots are used again.
const USES_OF_A_SLOT: usize = 3;

/// How a program is compiled, made ready and run.
#[derive(Debug, Clone)]
pub(crate) struct Mode {
    pub(super) config: Config,
    /// How many steps of the initialization a snapshot contains, and which imports these may call.
    pub(super) snapshot: Option<(usize, InitImports)>,
    pub(super) instances: usize,
    pub(super) host: Host,
    pub(super) calls: Calls,
}

/// The [`Late`] choice of bounds as they are by default.
const AUTO_BOUNDS: u32 = 0;

impl Mode {
    /// Any mode in which results may not depend on the machine; where the modules make their own NaNs canonical, any mode.
    pub(crate) fn arbitrary(u: &mut Unstructured<'_>, canonical_nans: bool, late: Late) -> Random<Mode> {
        let determinism = if canonical_nans && u.arbitrary()? { Determinism::Relaxed } else { Determinism::Strict };
        let (allocation, instances) = match u.int_in_range(0..=3)? {
            0 => (Allocation::OnDemand, 1),
            1 => (Allocation::Strict, 1),
            _ => (Allocation::Pooling(pooling(u)?), USES_OF_A_SLOT),
        };
        let mut config = Config::new()
            .determinism(determinism)
            .allocation(allocation)
            .bounds(*u.choose(&[Bounds::Guard, Bounds::Explicit])?)
            .optimization(*u.choose(&[Optimization::Speed, Optimization::Speed, Optimization::None])?)
            .interruption(*u.choose(&[Interruption::None, Interruption::Deadline, Interruption::Fuel])?)
            .speculation(*u.choose(&[Speculation::Guarded, Speculation::Unguarded])?)
            .cpu(u.choose(&[Cpu::Native, Cpu::Native, Cpu::Baseline])?.clone());
        if u.ratio(1, 3)? {
            config = config.memory_reservation(*u.choose(&[4 << 20, 5 << 20, 16 << 20])?);
        }
        if late.says(AUTO_BOUNDS) {
            config = config.bounds(Bounds::Auto);
        }
        let snapshot = if u.ratio(1, 2)? { Some((u.int_in_range(0..=8)?, imports(u)?)) } else { None };
        let (host, calls) = (Host::of(late), Calls::of(late));
        Ok(Mode { config, snapshot, instances, host, calls })
    }

    /// The same, deterministic.
    pub(crate) fn strict(mut self) -> Mode {
        self.config = self.config.determinism(Determinism::Strict);
        self
    }

    /// Every choice the simplest.
    pub(crate) fn plain() -> Mode {
        let config = Config::new().determinism(Determinism::Strict).optimization(Optimization::None);
        Mode { config, snapshot: None, instances: 1, host: Host::Dynamic, calls: Calls::PLAIN }
    }

    /// Whether it starts from a snapshot.
    pub(crate) fn has_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }
}

fn pooling(u: &mut Unstructured<'_>) -> Random<Pooling> {
    let placement = [Placement::NextAvailable, Placement::Random { seed: 5 }];
    Ok(Pooling::new(2)
        .slot_bytes(20 << 30)
        .reset(*u.choose(&[Reset::WorkingSet, Reset::WorkingSet, Reset::PagemapScan, Reset::Decommit])?)
        .placement(*u.choose(&placement)?)
        .verify(Verify::EveryReset))
}

fn imports(u: &mut Unstructured<'_>) -> Random<InitImports> {
    Ok(match u.int_in_range(0..=2)? {
        0 => InitImports::Deny,
        1 => InitImports::Allow(vec!["host/mix".into(), "host/two".into(), "host/nothing".into()]),
        _ => InitImports::Record,
    })
}
