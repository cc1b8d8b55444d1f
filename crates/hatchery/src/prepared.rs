//! Modules that are ready for instances.

use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::instance::Instance;
use crate::limits::Limits;
use crate::module::Module;
use hatchery_alloc::AllocateError;
use hatchery_init::{OnFailure, Scheduler};
use hatchery_vm::{HostFunction, PrepareImageError};
use std::fmt;

/// A module whose imports are found and checked: everything that does not differ between instances is done.
///
/// Cloning it is cheap and gives another handle of the same.
pub struct Prepared<T> {
    pub(crate) vm: hatchery_vm::Prepared<T>,
    module: Module,
    limits: Limits,
}

impl<T> Clone for Prepared<T> {
    fn clone(&self) -> Prepared<T> {
        Prepared { vm: self.vm.clone(), module: self.module.clone(), limits: self.limits }
    }
}

impl<T: 'static> Prepared<T> {
    pub(crate) fn new(
        engine: &Engine,
        module: &Module,
        functions: Vec<HostFunction<T>>,
        limits: Limits,
    ) -> Result<Prepared<T>, Error> {
        let defaults = hatchery_vm::Limits::default();
        let vm_limits = hatchery_vm::Limits {
            memory_bytes: limits.memory.unwrap_or(defaults.memory_bytes),
            table_elements: limits.table.unwrap_or(defaults.table_elements),
            externrefs: limits.externrefs.unwrap_or(defaults.externrefs),
        };
        let (image, engine) = (module.inner.image.clone(), &engine.inner);
        let (allocator, stacks) = (engine.allocator.clone(), engine.stacks.clone());
        let vm = hatchery_vm::Prepared::new(image, allocator, stacks, functions, vm_limits).map_err(prepare_error)?;
        Ok(Prepared { vm, module: module.clone(), limits })
    }

    /// Makes an instance and initializes it: runs what the image's plan has left, start functions included.
    ///
    /// # Errors
    ///
    /// When there is no slot or the initialization traps.
    pub fn instantiate(&self, data: T) -> Result<Instance<T>, Error> {
        let mut instance = self.make(data, OnFailure::Poison)?;
        instance.initialize()?;
        Ok(instance)
    }

    /// For scripts: makes an instance that is not initialized. See
    /// [`Instance::initialize_instance`].
    ///
    /// # Errors
    ///
    /// When there is no slot.
    pub fn allocate(&self, data: T) -> Result<Instance<T>, Error> {
        self.make(data, OnFailure::GoOn)
    }

    fn make(&self, data: T, on_failure: OnFailure) -> Result<Instance<T>, Error> {
        let vm = self.vm.instantiate(data).map_err(allocate_error)?;
        let mut instance = Instance { vm, module: self.module.clone(), scheduler: Scheduler::new(on_failure) };
        if let Some(fuel) = self.limits.fuel {
            instance.set_fuel(fuel);
        }
        if let Some(deadline) = self.limits.deadline {
            instance.set_deadline(Some(deadline));
        }
        Ok(instance)
    }

    /// What instances are made of.
    pub fn module(&self) -> &Module {
        &self.module
    }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("module", &self.module).finish_non_exhaustive()
    }
}

pub(crate) fn allocate_error(error: AllocateError) -> Error {
    let kind = if matches!(error, AllocateError::Exhausted { .. }) { ErrorKind::Exhausted } else { ErrorKind::Host };
    Error::source_of(kind, error)
}

fn prepare_error(error: PrepareImageError) -> Error {
    let kind = match error {
        PrepareImageError::Import(_) => ErrorKind::Link,
        PrepareImageError::Layout(_) | PrepareImageError::Memory { .. } | PrepareImageError::Table { .. } => {
            ErrorKind::Exhausted
        }
        PrepareImageError::Flaw(_) => ErrorKind::Bug,
        _ => ErrorKind::Host,
    };
    Error::source_of(kind, error)
}
