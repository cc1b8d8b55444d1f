//! What compiles and what runs: shared by all modules and instances made with it.

use crate::config::{Allocation, Bounds, Config};
use crate::convert;
use crate::error::{Error, ErrorKind};
use hatchery_alloc::{InstanceAllocator, OnDemand, Tuning};
use hatchery_compile::Budget;
use hatchery_image::Tunables;
use hatchery_vm::{StackConfig, StackPool};
use std::fmt;
use std::sync::Arc;

/// Compiles modules and owns what their instances share: an allocator and a pool of stacks.
///
/// Cloning it is cheap and gives another handle of the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) tunables: Tunables,
    pub(crate) budget: Budget,
    pub(crate) allocator: Arc<dyn InstanceAllocator>,
    pub(crate) stacks: Arc<StackPool>,
}

impl Engine {
    /// An engine with this configuration.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself or the system cannot provide what it asks for.
    pub fn new(config: &Config) -> Result<Engine, Error> {
        let allocator: Arc<dyn InstanceAllocator> = match &config.allocation {
            Allocation::OnDemand => Arc::new(OnDemand::default()),
            Allocation::Strict => Arc::new(OnDemand::strict()),
            Allocation::Pooling(pooling) => Arc::new(pooling.pool(&convert::tunables(config))?),
            Allocation::Custom(allocator) => allocator.clone(),
        };
        let mut tunables = convert::tunables(config);
        tune(&*allocator, config.bounds, &mut tunables)?;
        let mut stacks = StackConfig::default();
        stacks.guest = config.stack_bytes.unwrap_or(stacks.guest);
        stacks.limit = config.stacks.unwrap_or(stacks.limit);
        let stacks = Arc::new(StackPool::new(stacks).map_err(|e| Error::source_of(ErrorKind::Usage, e))?);
        let budget = convert::budget(config);
        Ok(Engine { inner: Arc::new(Inner { tunables, budget, allocator, stacks }) })
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
