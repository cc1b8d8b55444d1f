//! What the layer above keeps beside an instance, and what it keeps for all instances of a prepared image.
//!
//! Both are of one type each, which that layer knows. An instance's is made when it is first asked for, as most never need
//! it; it is reached with or without knowing the host data's type.

use crate::access::Access;
use crate::guest::Guest;
use crate::instance::{Inner, Instance};
use crate::prepared::Prepared;
use core::any::Any;
use core::cell::OnceCell;

/// Something that an instance keeps for the layer above.
pub(crate) type Beside = OnceCell<Box<dyn Any + Send>>;

impl Inner {
    #[inline(always)]
    fn beside<S: Any + Send + Default>(&self) -> Option<&S> {
        self.beside.get_or_init(|| Box::new(S::default())).downcast_ref()
    }
}

impl<T> Instance<T> {
    /// What is kept beside the instance, if it is an `S` and somebody has asked for it by an access.
    #[inline(always)]
    pub fn beside<S: Any>(&self) -> Option<&S> {
        self.inner().beside.get()?.downcast_ref()
    }
}

impl<T> Access<'_, T> {
    /// What is kept beside the instance; `None` if that is not an `S`.
    #[inline(always)]
    pub fn beside<S: Any + Send + Default>(&self) -> Option<&S> {
        self.inner().beside()
    }

    /// What is [kept](Prepared::keep) for all instances, if it is an `S`.
    pub fn kept<S: Any>(&self) -> Option<&S> {
        self.inner().prepared.kept.get()?.downcast_ref()
    }
}

impl Guest<'_> {
    /// As [`Access::beside`].
    #[inline(always)]
    pub fn beside<S: Any + Send + Default>(&self) -> Option<&S> {
        self.inner().beside()
    }
}

impl<T> Prepared<T> {
    /// Keeps something for all instances, which [`Access::kept`] finds. Only the first is kept.
    pub fn keep(&self, value: impl Any + Send + Sync) {
        // Whoever comes second has nothing to add.
        let _ = self.core.kept.set(Box::new(value));
    }
}
