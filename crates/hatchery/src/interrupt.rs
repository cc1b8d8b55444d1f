//! Stopping a guest from outside.

use std::time::Duration;

/// Asks an instance to stop, from any thread, also after the instance is gone. Only engines with
/// [`Interruption::Deadline`](crate::Interruption::Deadline) compile guests that look.
#[derive(Debug, Clone)]
pub struct InterruptHandle {
    pub(crate) vm: hatchery_vm::InterruptHandle,
}

impl InterruptHandle {
    /// Ends the running call, or the next one, with [`Trap::Cancelled`](crate::Trap::Cancelled). A guest that was not compiled to
    /// look goes on.
    pub fn cancel(&self) {
        self.vm.cancel();
    }

    /// Ends what is running after this time with [`Trap::DeadlineExceeded`](crate::Trap::DeadlineExceeded);
    /// `None` takes an earlier deadline back.
    pub fn set_deadline(&self, after: Option<Duration>) {
        self.vm.set_deadline(after);
    }
}
