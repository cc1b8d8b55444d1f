//! Why an activation ended other than by returning.

use super::backtrace::Backtrace;
use hatchery_image::TrapCode;
use std::any::Any;
use std::error::Error;
use std::fmt;

/// The end of an activation that did not return, and where the guest was.
#[derive(Debug)]
pub(crate) struct Unwind {
    /// Why it ended.
    pub(crate) reason: Reason,
    /// Where the guest was; empty when it was not entered.
    pub(crate) backtrace: Backtrace,
}

/// Why an activation ended early, or did not begin.
#[derive(Debug)]
pub(crate) enum Reason {
    /// The guest trapped.
    Trap {
        /// Which trap.
        code: TrapCode,
        /// The address whose access faulted, where the trap was a page fault.
        address: Option<usize>,
        /// The number that it is about, where somebody gave one.
        detail: Option<u32>,
    },
    /// The image's file has lost what the guest needed.
    Withdrawn,
    /// A host function failed.
    Host(HostFailure),
    /// The call was cancelled while it was suspended, or an entry was tried while it was being cancelled.
    Cancelled,
    /// The guest was not entered.
    Refused(Refusal),
}

/// Why the guest was not entered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The task's stack is in use, by a suspended call or by one further out on this thread.
    #[error("the guest stack is in use by another call, which is suspended or further out")]
    Busy,
    /// Faults of the guest could not be handled on this thread.
    #[error("this thread cannot be prepared for faults of guest code: {0}")]
    Thread(#[source] std::io::Error),
}

/// The system did not let a page be accessed that the guest may access.
#[derive(Debug, thiserror::Error)]
#[error("the system cannot make a page accessible that the guest needs: memory, or mappings, are exhausted")]
pub(crate) struct Unwritable;

/// What a host function raises; see [`raise`](super::raise).
#[derive(Debug)]
pub(crate) enum Raise {
    /// A trap.
    Trap(TrapCode),
    /// A trap, and the number that it is about.
    About(TrapCode, u32),
    /// Its own failure.
    Host(HostFailure),
    /// The image's file has lost what was read.
    Withdrawn,
    /// The answer to [`Resumed::Cancelled`](super::Resumed::Cancelled).
    Cancelled,
}

/// How a host function failed.
pub enum HostFailure {
    /// It returned an error.
    Error(Box<dyn Error + Send + Sync>),
    /// It panicked, with this payload.
    Panic(Box<dyn Any + Send>),
}

impl fmt::Debug for HostFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostFailure::Error(error) => f.debug_tuple("Error").field(error).finish(),
            HostFailure::Panic(_) => f.write_str("Panic(..)"),
        }
    }
}

impl From<Raise> for Reason {
    fn from(raise: Raise) -> Reason {
        match raise {
            Raise::Trap(code) => Reason::Trap { code, address: None, detail: None },
            Raise::About(code, detail) => Reason::Trap { code, address: None, detail: Some(detail) },
            Raise::Host(failure) => Reason::Host(failure),
            Raise::Withdrawn => Reason::Withdrawn,
            Raise::Cancelled => Reason::Cancelled,
        }
    }
}

impl Unwind {
    /// The guest was not entered.
    #[cold]
    pub(super) fn refused(reason: Reason) -> Box<Unwind> {
        Box::new(Unwind { reason, backtrace: Backtrace::default() })
    }
}
