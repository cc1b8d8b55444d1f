//! Modules that are ready for instances.

use crate::engine::Engine;
use crate::error::{Error, ErrorKind};
use crate::instance::Instance;
use crate::isolation::Isolation;
use crate::limits::Limits;
use crate::module::Module;
use hatchery_alloc::AllocateError;
use hatchery_init::{OnFailure, Scheduler};
use hatchery_vm::{CallError, HostFunction, PrepareImageError, Striped};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A module whose imports are found and checked: everything that does not differ between instances is done.
///
/// Cloning it is cheap and gives another handle of the same.
pub struct Prepared<T> {
    pub(crate) vm: hatchery_vm::Prepared<T>,
    module: Module,
    /// What instances have of the module.
    handles: Arc<Striped<Module>>,
    limits: Limits,
}

impl<T> Clone for Prepared<T> {
    fn clone(&self) -> Prepared<T> {
        let (vm, module, handles) = (self.vm.clone(), self.module.clone(), self.handles.clone());
        Prepared { vm, module, handles, limits: self.limits }
    }
}

impl<T: 'static> Prepared<T> {
    pub(crate) fn new(
        engine: &Engine,
        module: &Module,
        functions: Vec<HostFunction<T>>,
        limits: Limits,
    ) -> Result<Prepared<T>, Error> {
        check(module)?;
        limits.check_noticed(module.inner.image.tunables().interruption)?;
        let defaults = hatchery_vm::Limits::default();
        let vm_limits = hatchery_vm::Limits {
            memory_bytes: limits.memory.unwrap_or(defaults.memory_bytes),
            table_elements: limits.table.unwrap_or(defaults.table_elements),
            externrefs: limits.externrefs.unwrap_or(defaults.externrefs),
            exception_bytes: limits.exceptions.unwrap_or(defaults.exception_bytes),
        };
        let (templates, engine) = (module.inner.templates.clone(), &engine.inner);
        let (allocator, stacks) = (engine.allocator.clone(), engine.stacks.clone());
        let vm = hatchery_vm::Prepared::sharing(templates, allocator, stacks, functions, vm_limits);
        let vm = vm.map_err(prepare_error)?;
        Ok(Prepared { vm, module: module.clone(), handles: Arc::default(), limits })
    }

    /// Makes an instance and initializes it: runs what the image's plan has left, start functions included.
    ///
    /// # Errors
    ///
    /// When there is no slot, of the kind [`Exhausted`](ErrorKind::Exhausted), or the initialization traps.
    pub fn instantiate(&self, data: T) -> Result<Instance<T>, Error> {
        self.initialized(self.vm.instantiate(data))
    }

    /// As [`instantiate`](Prepared::instantiate), but where there is no slot, blocks until an instance is dropped; at most
    /// for `timeout`, without an end if that is `None`.
    ///
    /// ```
    /// use hatchery::{Allocation, Config, Engine, ErrorKind, Linker, Module, Pooling};
    /// use std::time::Duration;
    ///
    /// let engine = Engine::new(&Config::new().allocation(Allocation::Pooling(Pooling::new(1))))?;
    /// let prepared = Linker::new(&engine).prepare(&Module::new(&engine, "(module)")?)?;
    /// let first = prepared.instantiate(())?;
    /// let second = prepared.instantiate_blocking((), Some(Duration::from_millis(1)));
    /// assert_eq!(second.unwrap_err().kind(), ErrorKind::Exhausted);
    /// std::thread::scope(|scope| {
    ///     scope.spawn(|| drop(first));
    ///     prepared.instantiate_blocking((), None)
    /// })?;
    /// # Ok::<(), hatchery::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`instantiate`](Prepared::instantiate), when time is up. Instances of an
    /// [`Allocation::Custom`](crate::Allocation::Custom) that cannot tell when a slot is released are not waited for.
    pub fn instantiate_blocking(&self, data: T, timeout: Option<Duration>) -> Result<Instance<T>, Error> {
        self.initialized(self.vm.instantiate_blocking(data, timeout))
    }

    /// As [`instantiate`](Prepared::instantiate), but where there is no slot, the future is not ready before an instance
    /// was dropped. No thread waits; a future that is dropped waits no more. The initialization is not suspended.
    ///
    /// # Errors
    ///
    /// As for [`instantiate`](Prepared::instantiate), but for want of a slot only where an
    /// [`Allocation::Custom`](crate::Allocation::Custom) cannot tell when one is released.
    pub async fn instantiate_async(&self, data: T) -> Result<Instance<T>, Error> {
        self.initialized(self.vm.instantiate_async(data).await)
    }

    fn initialized(&self, vm: Result<hatchery_vm::Instance<T>, AllocateError>) -> Result<Instance<T>, Error> {
        let mut instance = self.instance(vm, OnFailure::Poison)?;
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
        self.instance(self.vm.instantiate(data), OnFailure::GoOn)
    }

    fn instance(
        &self,
        vm: Result<hatchery_vm::Instance<T>, AllocateError>,
        on_failure: OnFailure,
    ) -> Result<Instance<T>, Error> {
        check(&self.module)?;
        let vm = vm.map_err(allocate_error)?;
        let mut instance =
            Instance { vm, module: self.handles.handle(|| self.module.clone()), scheduler: Scheduler::new(on_failure) };
        if let Some(fuel) = self.limits.fuel {
            instance.set_fuel(fuel);
        }
        if let Some(deadline) = self.limits.deadline {
            instance.set_deadline(Some(deadline));
        }
        Ok(instance)
    }

    /// The same, with instances of another isolation. Everything that was made ready is shared: functions that were looked
    /// up in an instance of one can be called in those of the other. What is prepared of one module, with or without this,
    /// is of the default isolation unless it says otherwise.
    ///
    /// ```
    /// use hatchery::{Config, Engine, Isolation, Learning, Linker, Module};
    ///
    /// let engine = Engine::new(&Config::new())?;
    /// let prepared = Linker::new(&engine).prepare(&Module::new(&engine, "(module)")?)?;
    /// let tenants = ["one", "another"].map(|tenant| prepared.isolated(&Isolation::new().tag(tenant)));
    /// let predictable = prepared.isolated(&Isolation::new().learning(Learning::Frozen))?;
    /// predictable.instantiate(())?;
    /// # Ok::<(), hatchery::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the operating system refuses another handle of the module's pages.
    pub fn isolated(&self, isolation: &Isolation) -> Result<Prepared<T>, Error> {
        let vm = self.vm.isolated(isolation.vm()).map_err(prepare_error)?;
        Ok(Prepared { vm, module: self.module.clone(), handles: self.handles.clone(), limits: self.limits })
    }

    /// What instances are made of.
    pub fn module(&self) -> &Module {
        &self.module
    }
}

/// Nothing is made of a module whose file has lost some of it.
pub(crate) fn check(module: &Module) -> Result<(), Error> {
    if module.inner.image.is_withdrawn() { Err(Error::from_call(CallError::Withdrawn)) } else { Ok(()) }
}

impl<T> fmt::Debug for Prepared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared").field("module", &self.module).finish_non_exhaustive()
    }
}

pub(crate) fn allocate_error(error: AllocateError) -> Error {
    let kind = match &error {
        passing if passing.passes() => ErrorKind::Exhausted,
        AllocateError::Layout(_) => ErrorKind::Limit,
        _ => ErrorKind::Host,
    };
    Error::source_of(kind, error)
}

fn prepare_error(error: PrepareImageError) -> Error {
    let kind = match error {
        PrepareImageError::ReadOnly => ErrorKind::Usage,
        PrepareImageError::Import(_) => ErrorKind::Link,
        PrepareImageError::Layout(_)
        | PrepareImageError::Memory { .. }
        | PrepareImageError::Table { .. }
        | PrepareImageError::Runs { .. } => ErrorKind::Limit,
        PrepareImageError::Flaw(_) => ErrorKind::Bug,
        _ => ErrorKind::Host,
    };
    Error::source_of(kind, error)
}
