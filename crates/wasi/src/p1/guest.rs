//! What a function of the interface sees of the guest that called it.

use super::Errno;
use crate::host::Error;
use crate::{I32Exit, WasiCtx};

/// A range that is not, or not any more, inside the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the range is outside the guest's memory")]
pub struct Fault;

/// The guest's memory, by checked ranges.
pub trait Memory {
    /// Its length in bytes.
    fn size(&self) -> u64;

    /// The bytes of a range.
    ///
    /// # Errors
    ///
    /// When the range is not inside.
    fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Fault>;

    /// The bytes of a range, made ready to be written to. That can cost something for each page, so callers ask for
    /// what they are about to write and not for what the guest offered.
    ///
    /// # Errors
    ///
    /// When the range is not inside, or cannot be made ready.
    fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Fault>;

    /// Whether a range is inside, without making it ready.
    ///
    /// # Errors
    ///
    /// When it is not.
    fn check(&self, at: u32, len: u32) -> Result<(), Fault> {
        let end = u64::from(at) + u64::from(len);
        if end <= self.size() { Ok(()) } else { Err(Fault) }
    }
}

/// The guest that called.
pub trait Guest {
    /// Its memory, borrowed.
    type Memory<'a>: Memory
    where
        Self: 'a;

    /// What ends the guest's call.
    type Trap: From<I32Exit>;

    /// The memory and the context, which belong to the same guest and are used together.
    ///
    /// # Errors
    ///
    /// When the guest has no memory to speak of.
    fn split(&mut self) -> Result<(Self::Memory<'_>, &mut WasiCtx), Fault>;

    /// Whether the guest is still wanted; asked before and between everything that can take long.
    ///
    /// # Errors
    ///
    /// When it must stop, which is then what the call ends with.
    fn check_interrupt(&mut self) -> Result<(), Self::Trap>;
}

/// Why a function did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<Trap> {
    /// The guest is told this number and goes on.
    Errno(Errno),
    /// The guest does not go on.
    Trap(Trap),
}

/// What a function answers; results go to the guest's memory.
pub type Answer<G> = Result<(), Failure<<G as Guest>::Trap>>;

impl<Trap, E: Into<Errno>> From<E> for Failure<Trap> {
    fn from(error: E) -> Self {
        Self::Errno(error.into())
    }
}

/// Asks whether the guest is still wanted, in the form that `?` passes on.
pub(super) fn still_wanted<G: Guest>(guest: &mut G) -> Answer<G> {
    guest.check_interrupt().map_err(Failure::Trap)
}

/// What a host call that may block answered, when it did not fail for good.
pub(super) enum Attempt<T> {
    Done(T),
    Blocked,
}

/// Separates "not now" from success and from failure; a signal that got in between is also "not now".
pub(super) fn attempt<T>(result: Result<T, Error>) -> Result<Attempt<T>, Errno> {
    match result {
        Ok(value) => Ok(Attempt::Done(value)),
        Err(Error::WouldBlock | Error::Os(rustix::io::Errno::INTR)) => Ok(Attempt::Blocked),
        Err(error) => Err(error.into()),
    }
}
