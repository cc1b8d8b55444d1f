//! Instances, and what they export.

use crate::context::sealed::AsAccess;
use crate::error::{Error, ErrorKind};
use crate::func::{Func, TypedFunc};
use crate::interrupt::InterruptHandle;
use crate::memory::{Global, Memory, Table};
use crate::module::{InstanceRef, Module};
use crate::prepared::check;
use crate::step;
use crate::typed::WasmValues;
use hatchery_image::{InstanceId, Shown};
use hatchery_init::Scheduler;
use hatchery_vm::{Access, Export, Handle};
use std::fmt;
use std::time::Duration;

/// Something that a module exports.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Extern {
    /// A function.
    Func(Func),
    /// A memory.
    Memory(Memory),
    /// A table.
    Table(Table),
    /// A global.
    Global(Global),
}

/// An instance of a prepared module, with host data `T`.
pub struct Instance<T> {
    pub(crate) vm: hatchery_vm::Instance<T>,
    pub(crate) module: Handle<Module>,
    pub(crate) scheduler: Scheduler,
}

pub(crate) fn no_such_item() -> Error {
    Error::message(ErrorKind::Usage, "the handle is of another module: this one has no such memory, table or global")
}

/// The export of a core instance with this name.
pub(crate) fn export<T: 'static>(access: &Access<'_, T>, instance: InstanceId, name: &str) -> Option<Extern> {
    Some(match access.export(instance, name)? {
        Export::Func(callee) => Extern::Func(Func { callee }),
        Export::Memory(id) => Extern::Memory(Memory::of(access.prepared_id(), id)),
        Export::Table(id) => Extern::Table(Table::of(access.prepared_id(), id)),
        Export::Global(id) => Extern::Global(Global::of(access.prepared_id(), id)),
    })
}

impl<T: 'static> Instance<T> {
    /// The export with this name.
    pub fn export(&mut self, name: &str) -> Option<Extern> {
        let root = self.module.inner.root;
        export(&self.access(), root, name)
    }

    /// The export with this name of an instance of a set.
    pub fn export_of(&mut self, instance: InstanceRef, name: &str) -> Option<Extern> {
        export(&self.access(), instance.0, name)
    }

    /// All exports, in the module's order.
    pub fn exports(&mut self) -> Vec<(String, Extern)> {
        self.exports_of(InstanceRef(self.module.inner.root))
    }

    /// All exports of an instance of a set, in its module's order.
    pub fn exports_of(&mut self, instance: InstanceRef) -> Vec<(String, Extern)> {
        let access = self.access();
        let Some(found) = access.image().instances().get(instance.0.index()) else { return Vec::new() };
        let names = found.exports();
        let item = |name: &str| Some((name.to_owned(), export(&access, instance.0, name)?));
        names.iter().filter_map(|export| item(export.name)).collect()
    }

    /// The exported function with this name and these types.
    ///
    /// # Errors
    ///
    /// When there is none, or it has other types; the message says which.
    pub fn func<P: WasmValues, R: WasmValues>(&mut self, name: &str) -> Result<TypedFunc<P, R>, Error> {
        match self.export(name) {
            Some(Extern::Func(func)) => {
                func.typed(self).map_err(|e| e.context(format!("cannot use `{}`", Shown(name))))
            }
            Some(_) => Err(Error::message(ErrorKind::Usage, format!("the export `{}` is not a function", Shown(name)))),
            None => {
                // Names are found in what was copied, functions in what is mapped.
                check(&self.module)?;
                Err(Error::message(ErrorKind::Usage, format!("there is no export `{}`", Shown(name))))
            }
        }
    }

    /// The host data.
    pub fn data(&self) -> &T {
        self.vm.data()
    }

    /// The host data.
    pub fn data_mut(&mut self) -> &mut T {
        self.vm.access().into_data_mut()
    }

    /// Drops the instance and keeps its host data.
    pub fn into_data(self) -> T {
        self.vm.into_data()
    }

    /// What it is an instance of.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// A number that is this instance's alone: no other instance of this process has it, and one of another process is
    /// unlikely to. Never 0, not secret, and not unique across `fork`.
    ///
    /// Instances made from a snapshot are equal otherwise. Guests read it by importing `generation`, a function without
    /// parameters that returns an `i64`, from the module `hatchery:snapshot`, which every [`Linker`](crate::Linker) has
    /// unless it defines another.
    pub fn generation(&mut self) -> u64 {
        self.vm.access().generation()
    }

    /// Asks the instance to stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle { vm: self.vm.interrupt_handle() }
    }

    /// Stops whatever the instance runs when this much time has passed; `None` takes that back. Only engines with
    /// [`Interruption::Deadline`](crate::Interruption::Deadline) look at the clock.
    pub fn set_deadline(&self, after: Option<Duration>) {
        self.interrupt_handle().set_deadline(after);
    }

    /// Fuel that is left; 0 when it is used up. Only engines with
    /// [`Interruption::Fuel`](crate::Interruption::Fuel) use any.
    pub fn fuel(&mut self) -> u64 {
        self.access().fuel().max(0) as u64
    }

    /// Sets the fuel that is left.
    pub fn set_fuel(&mut self, fuel: u64) {
        self.access().set_fuel(i64::try_from(fuel).unwrap_or(i64::MAX));
    }

    /// For scripts: runs what is left of the plan for one instance of the set, and, before that, for those
    /// that come earlier.
    ///
    /// # Errors
    ///
    /// When a step fails. Its effects stay, and the next instance can be initialized.
    pub fn initialize_instance(&mut self, instance: InstanceRef) -> Result<(), Error> {
        let mut access = self.vm.access();
        let steps = access.image().instances().get(instance.0.index()).map(|instance| instance.steps);
        let steps = steps.ok_or_else(no_such_item)?;
        self.scheduler.start(&mut access, steps.end).map_err(|error| step::failed(access.image(), error))
    }

    /// For scripts: runs what is left of the plan.
    ///
    /// # Errors
    ///
    /// When a step fails.
    pub fn initialize(&mut self) -> Result<(), Error> {
        let mut access = self.vm.access();
        self.scheduler.run(&mut access).map_err(|error| step::failed(access.image(), error))
    }
}

impl<T: fmt::Debug> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("data", self.vm.data()).finish_non_exhaustive()
    }
}
