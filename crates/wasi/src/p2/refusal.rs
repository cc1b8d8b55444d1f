//! Why a guest's call ends when the interface has no word for what it did.

use hatchery::Error;

/// What a guest did that its interface does not allow, or what it has used up. The guest's call ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Too many handles of host values.
    #[error("the guest holds {limit} WASI resources, as many as it may; it must drop some, or be given a higher limit")]
    TooManyResources {
        /// How many it may hold.
        limit: usize,
    },
    /// A host value is gone while there is a handle of it.
    #[error("there is no {kind} with the number {number} any more")]
    NoSuchResource {
        /// What was expected.
        kind: &'static str,
        /// Its number.
        number: u32,
    },
    /// `poll` takes a list that is neither empty nor endless.
    #[error("`poll` was called with {count} pollables; it takes 1 to {most}")]
    Pollables {
        /// How many there were.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// More was written than `check-write` permitted.
    #[error("{wrote} bytes were written to a stream that had permitted {permit}; ask `check-write` before each write")]
    Excess {
        /// How many.
        wrote: u64,
        /// How many were permitted.
        permit: u64,
    },
    /// More datagrams were sent than `check-send` permitted.
    #[error("{sent} datagrams were sent where {permit} were permitted; ask `check-send` before each send")]
    ExcessDatagrams {
        /// How many.
        sent: u64,
        /// How many were permitted.
        permit: u64,
    },
    /// A request for more random bytes than are given at once.
    #[error("{asked} random bytes were asked for; at most {most} are given at once")]
    Entropy {
        /// How many.
        asked: u64,
        /// How many there may be.
        most: u64,
    },
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::host(refusal)
    }
}
