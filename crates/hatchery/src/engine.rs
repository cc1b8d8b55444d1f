//! What compiles and what runs: shared by all modules and instances made with it.

use crate::config::{Allocation, Bounds, Config, Interruption};
use crate::convert;
use crate::error::{Error, ErrorKind};
use crate::metrics::{PoolMetrics, StackMetrics};
use hatchery_alloc::{InstanceAllocator, OnDemand, Tuning};
use hatchery_compile::Budget;
use hatchery_image::Tunables;
use hatchery_pool::Pool;
use hatchery_vm::{StackConfig, StackPool};
use std::fmt;
use std::sync::Arc;

/// Compiles modules and owns what their instances share: an allocator and a pool of stacks.
///
/// Cloning it is cheap and gives another handle of the same engine.
///
/// # Signals
///
/// Guests, and the host functions that they call, run on stacks of their own, which a guest may use up to the last bytes. A
/// handler that the host or one of its libraries installs for any signal therefore has to be installed with `SA_ONSTACK`, as
/// the engine's own are: each thread that has run a guest has a signal stack of 64 KiB or more. A handler without it runs on
/// the guest's stack. Where the guest has left no room for the kernel's part, the signal is lost and the guest traps with
/// [`StackOverflow`](crate::Trap::StackOverflow); where it has left none for the handler's, the process is aborted. Blocking
/// such signals on the threads that run guests is as good.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) tunables: Tunables,
    pub(crate) budget: Budget,
    pub(crate) allocator: Arc<dyn InstanceAllocator>,
    /// The same, if it is a pool.
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) stacks: Arc<StackPool>,
}

impl Engine {
    /// An engine with this configuration.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself or the system cannot provide what it asks for.
    pub fn new(config: &Config) -> Result<Engine, Error> {
        let pool = match &config.allocation {
            Allocation::Pooling(pooling) => Some(Arc::new(pooling.pool(&convert::tunables(config))?)),
            _ => None,
        };
        let allocator: Arc<dyn InstanceAllocator> = match (&config.allocation, &pool) {
            (_, Some(pool)) => pool.clone(),
            (Allocation::Custom(allocator), _) => allocator.clone(),
            (Allocation::Strict, _) => Arc::new(OnDemand::strict()),
            _ => Arc::new(OnDemand::default()),
        };
        let mut tunables = convert::tunables(config);
        tune(&*allocator, config.bounds, &mut tunables)?;
        let mut stacks = StackConfig::default();
        stacks.guest = config.stack_bytes.unwrap_or(stacks.guest);
        // Whoever gets a slot should get a stack.
        let slots = pool.as_ref().map_or(0, |pool| pool.slots());
        stacks.limit = config.stacks.unwrap_or(stacks.limit.max(slots));
        stacks.scrub = convert::scrub(config.scrub_stacks);
        let stacks = Arc::new(StackPool::new(stacks).map_err(|e| Error::source_of(ErrorKind::Usage, e))?);
        if config.interruption == Interruption::Deadline {
            let failed = |e| Error::source_of(ErrorKind::Host, e).context("starting the thread that watches deadlines");
            hatchery_vm::start_timer().map_err(failed)?;
        }
        let budget = convert::budget(config);
        Ok(Engine { inner: Arc::new(Inner { tunables, budget, allocator, pool, stacks }) })
    }

    /// What the engine's pool did and has; `None` where instances do not come from one. Looks at every slot that was
    /// ever used.
    pub fn pool_metrics(&self) -> Option<PoolMetrics> {
        self.inner.pool.as_ref().map(|pool| PoolMetrics::new(&pool.metrics()))
    }

    /// As [`pool_metrics`](Engine::pool_metrics), and as a `tracing` event of the level `INFO`, `pool`, whose fields have
    /// the names of the struct's.
    pub fn report_pool(&self) -> Option<PoolMetrics> {
        self.inner.pool.as_ref().map(|pool| PoolMetrics::new(&pool.report()))
    }

    /// The stacks of guests, which are no part of a pool's slots.
    pub fn stack_metrics(&self) -> StackMetrics {
        StackMetrics::new(&self.inner.stacks)
    }

    /// Gives up the pool's slots that are kept for modules which nobody can instantiate any more, and all stacks that no
    /// instance has.
    pub fn trim_pool(&self) {
        self.inner.pool.iter().for_each(|pool| pool.trim());
        self.inner.stacks.trim();
    }
}

/// Lets the allocator have its say in how code is compiled.
fn tune(allocator: &dyn InstanceAllocator, bounds: Bounds, tunables: &mut Tunables) -> Result<(), Error> {
    let size = |bytes: u64| {
        let message = || format!("{bytes} bytes are more than this machine can address; reserve less");
        usize::try_from(bytes).map_err(|_| Error::message(ErrorKind::Usage, message()))
    };
    let mut tuning = Tuning {
        reservation: size(tunables.memory32_reservation)?,
        guard: size(tunables.memory_guard)?,
        explicit_bounds: tunables.explicit_bounds,
        explicit_growth: tunables.explicit_growth,
    };
    let asked = tuning;
    allocator.tune(&mut tuning);
    if tuning.reservation != asked.reservation {
        tunables.memory32_reservation = tuning.reservation as u64;
        tunables.memory64_reservation = tunables.memory64_reservation.min(tuning.reservation as u64);
    }
    tunables.memory_guard = tuning.guard as u64;
    tunables.explicit_bounds = tuning.explicit_bounds;
    if bounds == Bounds::Auto {
        tunables.explicit_growth = tuning.explicit_growth;
    }
    Ok(())
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("tunables", &self.inner.tunables).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pooling;

    #[test]
    fn there_are_as_many_stacks_as_slots_unless_set() {
        let limit = |config: Config| Engine::new(&config).expect("an engine").inner.stacks.config().limit;
        let pool = |slots| Config::new().allocation(Allocation::Pooling(Pooling::new(slots).slot_bytes(1 << 20)));
        let usual = limit(Config::new());
        assert_eq!(limit(pool(5)), usual);
        assert_eq!(limit(pool(2 * usual)), 2 * usual);
        assert_eq!(limit(pool(2 * usual).stacks(7)), 7);
    }
}
