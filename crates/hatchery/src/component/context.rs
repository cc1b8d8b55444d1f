//! Where an instance of a component is reached from: its owner, or a host function that it is calling.

use super::caller::Caller;
use super::instance::Instance;

/// Access to an instance of a component: an [`Instance`], or the [`Caller`] of a host function.
pub trait AsContext: sealed::AsAccess {}

/// Named by the bounds of public traits, and by nobody else.
pub(crate) mod sealed {
    use crate::error::Error;
    use hatchery_vm::Access;

    pub trait AsAccess {
        type Data: 'static;

        /// Runs something that may call the guest. When that traps, the instance is not used again.
        fn guarded<R>(&mut self, run: impl FnOnce(&mut Access<'_, Self::Data>) -> Result<R, Error>)
        -> Result<R, Error>;
    }
}

impl<T: 'static> AsContext for Instance<T> {}

impl<T: 'static> AsContext for Caller<'_, T> {}

impl<C: AsContext> AsContext for &mut C {}

impl<C: AsContext> sealed::AsAccess for &mut C {
    type Data = C::Data;

    fn guarded<R>(
        &mut self,
        run: impl FnOnce(&mut hatchery_vm::Access<'_, C::Data>) -> Result<R, crate::Error>,
    ) -> Result<R, crate::Error> {
        (**self).guarded(run)
    }
}
