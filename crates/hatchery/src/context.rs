//! Where an instance is reached from: its owner, or a host function that it is calling.

use crate::caller::Caller;
use crate::instance::Instance;

/// Access to an instance: an [`Instance`], or the [`Caller`] of a host function.
///
/// Handles such as [`Func`](crate::Func) and [`Memory`](crate::Memory) are plain numbers; whatever they are
/// asked to do is done to the instance behind this.
pub trait AsContext: sealed::AsAccess {}

/// Named by the bounds of public traits, and by nobody else.
pub(crate) mod sealed {
    use hatchery_vm::Access;

    pub trait AsAccess {
        type Data: 'static;
        fn access(&mut self) -> Access<'_, Self::Data>;
    }
}

impl<T: 'static> AsContext for Instance<T> {}

impl<T: 'static> sealed::AsAccess for Instance<T> {
    type Data = T;

    #[inline(always)]
    fn access(&mut self) -> hatchery_vm::Access<'_, T> {
        self.vm.access()
    }
}

impl<T: 'static> AsContext for Caller<'_, T> {}

impl<T: 'static> sealed::AsAccess for Caller<'_, T> {
    type Data = T;

    #[inline(always)]
    fn access(&mut self) -> hatchery_vm::Access<'_, T> {
        self.vm.reborrow()
    }
}

impl<C: AsContext> AsContext for &mut C {}

impl<C: AsContext> sealed::AsAccess for &mut C {
    type Data = C::Data;

    #[inline(always)]
    fn access(&mut self) -> hatchery_vm::Access<'_, C::Data> {
        (**self).access()
    }
}
