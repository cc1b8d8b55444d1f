//! What it takes to find what catches an exception.
//!
//! A throw looks at the frames that it passes, and at the handlers of each one's call. The frames were paid for when they were
//! called. But a call has as many handlers as the guest likes, so looking is paid for by what is looked at, which is the same however
//! code was compiled: what is metered has a frame for each call. And whoever wants the guest to stop is listened to now and
//! then. An exception that is caught nearby pays nothing, and asks nobody.

use crate::exceptions::LOOK;
use crate::instance::Inner;
use crate::stop::Stop;

/// Frames and handlers that a throw looks at for a unit of fuel.
const LOOKS_PER_FUEL: usize = 8;

/// A search that is going on.
pub(crate) struct Search<'a> {
    inner: &'a Inner,
    /// What it has looked at and not paid for.
    unpaid: usize,
}

impl<'a> Search<'a> {
    pub(crate) fn new(inner: &'a Inner) -> Search<'a> {
        Search { inner, unpaid: 0 }
    }

    /// It has looked at so many more frames and handlers.
    ///
    /// # Errors
    ///
    /// When the guest is to stop.
    pub(crate) fn looked(&mut self, at: usize) -> Result<(), Stop> {
        self.unpaid += at;
        if self.unpaid < LOOK {
            return Ok(());
        }
        self.pay()?;
        self.inner.check_interrupt()
    }

    /// It is over.
    ///
    /// # Errors
    ///
    /// When the guest has no fuel for it.
    pub(crate) fn pay(&mut self) -> Result<(), Stop> {
        let units = self.unpaid / LOOKS_PER_FUEL;
        self.unpaid %= LOOKS_PER_FUEL;
        self.inner.charge(units as u64)
    }
}
