//! What a guest did that the canonical ABI forbids: the traps that the host raises.

use crate::error::{Error, ErrorKind};

/// A trap of the canonical ABI. The texts are those of the component model's test suite where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("unaligned pointer: {pointer:#x} is no multiple of {align}")]
    Unaligned { pointer: u64, align: u32 },
    #[error("pointer out of bounds of memory: {bytes} bytes at {pointer:#x}, and there are {length}")]
    OutOfBounds { pointer: u64, bytes: u64, length: u64 },
    #[error("string pointer/length out of bounds of memory: {bytes} bytes at {pointer:#x}, and there are {length}")]
    StringOutOfBounds { pointer: u64, bytes: u64, length: u64 },
    #[error("list content out-of-bounds: {bytes} bytes at {pointer:#x}, and there are {length}")]
    ListOutOfBounds { pointer: u64, bytes: u64, length: u64 },
    #[error("string or list exceeds the maximum byte length: {0} bytes")]
    TooLong(u64),
    #[error("realloc return: result not aligned: {pointer:#x} is no multiple of {align}")]
    ReallocUnaligned { pointer: u64, align: u32 },
    #[error("realloc return: beyond end of memory: {bytes} bytes at {pointer:#x}, and there are {length}")]
    ReallocOutOfBounds { pointer: u64, bytes: u64, length: u64 },
    #[error("invalid variant discriminant: {found}, and there are {cases} cases")]
    Discriminant { found: u32, cases: u32 },
    #[error("invalid `char` bit pattern: {0:#x}")]
    Char(u32),
    #[error("{0} of a string")]
    Utf8(std::str::Utf8Error),
    #[error("invalid UTF-16 in a string: a surrogate without its other half")]
    Utf16,
    #[error(
        "the guest makes the host allocate more than the {limit} bytes that one call may; see `Limits::max_lifted`"
    )]
    Budget { limit: usize },
}

impl Violation {
    /// As an error.
    #[cold]
    #[inline(never)]
    pub(crate) fn error(self) -> Error {
        Error::source_of(ErrorKind::Trap, self)
    }
}
