//! Instances of components.

use super::context::sealed::AsAccess;
use super::exports::{ExportPath, Exports};
use super::func::{Func, TypedFunc};
use super::prepared::Prepared;
use super::state::HostState;
use super::traits::{Lift, Lower, Params, Results};
use crate::error::{Error, ErrorKind};
use crate::interrupt::InterruptHandle;
use hatchery_vm::{Access, Handle};
use std::fmt;
use std::time::Duration;

/// An instance of a prepared component, with host data `T`.
///
/// ```text
///  Ready --call--> Running --returned--> Ready
///                  Running --trapped, host function failed, future dropped--> Poisoned
/// ```
///
/// A poisoned instance refuses every call. Dropping it is all that is left.
pub struct Instance<T> {
    core: crate::Instance<T>,
    prepared: Handle<Prepared<T>>,
    poisoned: bool,
}

impl<T: fmt::Debug> fmt::Debug for Instance<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("poisoned", &self.poisoned).finish_non_exhaustive()
    }
}

impl<T: 'static> Instance<T> {
    pub(crate) fn new(core: crate::Instance<T>, prepared: Handle<Prepared<T>>) -> Instance<T> {
        Instance { core, prepared, poisoned: false }
    }

    /// The exported function at this path, with these types; see [`Prepared::func`], which finds it for all instances.
    ///
    /// # Errors
    ///
    /// When there is none, or it has other types; the message has both.
    pub fn func<P, R>(&self, path: impl ExportPath) -> Result<TypedFunc<P, R>, Error>
    where
        P: Params + Lower,
        R: Results + Lift,
    {
        self.prepared.func(path)
    }

    /// The exported function at this path, to be called with dynamic values.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn func_dynamic(&self, path: impl ExportPath) -> Result<Func, Error> {
        self.prepared.func_dynamic(path)
    }

    /// What it exports.
    pub fn exports(&self) -> Exports<'_> {
        self.prepared.component().exports()
    }

    /// What it is an instance of.
    pub fn prepared(&self) -> &Prepared<T> {
        &self.prepared
    }

    /// Whether a call trapped or was given up, so that every further call is refused.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned || self.core.vm.beside::<HostState>().is_some_and(HostState::is_poisoned)
    }

    /// The host data.
    pub fn data(&self) -> &T {
        self.core.data()
    }

    /// The host data.
    pub fn data_mut(&mut self) -> &mut T {
        self.core.data_mut()
    }

    /// Drops the instance and keeps its host data.
    pub fn into_data(self) -> T {
        self.core.into_data()
    }

    /// Asks the instance to stop, from any thread.
    pub fn interrupt_handle(&self) -> InterruptHandle {
        self.core.interrupt_handle()
    }

    /// Stops whatever the instance runs when this much time has passed; `None` takes that back. Only engines with
    /// [`Interruption::Deadline`](crate::Interruption::Deadline) look at the clock.
    pub fn set_deadline(&self, after: Option<Duration>) {
        self.core.set_deadline(after);
    }

    /// Fuel that is left; 0 when it is used up. Only engines with
    /// [`Interruption::Fuel`](crate::Interruption::Fuel) use any.
    pub fn fuel(&mut self) -> u64 {
        self.core.fuel()
    }

    /// Sets the fuel that is left.
    pub fn set_fuel(&mut self, fuel: u64) {
        self.core.set_fuel(fuel);
    }

    /// Access for a call, during which the instance counts as poisoned: only [`leave`](Instance::leave) takes that back.
    #[inline(always)]
    pub(crate) fn enter(&mut self) -> Result<Access<'_, T>, Error> {
        let state = self.core.vm.beside::<HostState>();
        if self.poisoned || state.is_some_and(|state| !state.begin_call()) {
            return Err(poisoned());
        }
        self.poisoned = true;
        Ok(self.core.vm.access())
    }

    /// Ends a call.
    #[inline(always)]
    pub(crate) fn leave<R>(&mut self, result: Result<R, Error>) -> Result<R, Error> {
        self.poisoned = match &result {
            Ok(_) => false,
            Err(error) => error.is_fatal(),
        };
        result
    }
}

/// A call of an instance that must not be called.
#[cold]
pub(crate) fn poisoned() -> Error {
    Error::message(ErrorKind::Poisoned, "cannot enter component instance: an earlier call trapped or was given up")
}

impl<T: 'static> AsAccess for Instance<T> {
    type Data = T;

    fn guarded<R>(&mut self, run: impl FnOnce(&mut Access<'_, T>) -> Result<R, Error>) -> Result<R, Error> {
        let mut access = self.enter()?;
        let result = run(&mut access);
        self.leave(result)
    }
}
