//! What can go wrong between a guest's wish and the operating system.

use rustix::io::Errno;
use std::io;

/// Why the host layer did not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The path, or a symbolic link in it, leads out of the directory it starts from.
    #[error("the path leads out of its directory")]
    Escape,
    /// The embedder gave the directory or file without permission for this.
    #[error("the permissions of the directory or file do not allow this")]
    NotPermitted,
    /// Nothing can be read, or nothing more be written, right now.
    #[error("the operation would block")]
    WouldBlock,
    /// The operating system refused.
    #[error("{0}")]
    Os(#[from] Errno),
}

/// What most of the host layer returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::AGAIN) => Self::WouldBlock,
            Some(errno) => Self::Os(errno),
            None => from_kind(error.kind()),
        }
    }
}

/// Errors without a number are made by libraries: cap-std's only one says that a path would escape; the others come
/// from the embedder's own streams.
fn from_kind(kind: io::ErrorKind) -> Error {
    match kind {
        io::ErrorKind::PermissionDenied => Error::Escape,
        io::ErrorKind::WouldBlock => Error::WouldBlock,
        io::ErrorKind::Interrupted => Error::Os(Errno::INTR),
        io::ErrorKind::BrokenPipe | io::ErrorKind::WriteZero => Error::Os(Errno::PIPE),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Error::Os(Errno::INVAL),
        io::ErrorKind::NotFound => Error::Os(Errno::NOENT),
        io::ErrorKind::Unsupported => Error::Os(Errno::NOTSUP),
        io::ErrorKind::OutOfMemory => Error::Os(Errno::NOMEM),
        _ => Error::Os(Errno::IO),
    }
}

/// Runs a system call again until no signal interrupts it, and translates its error.
pub(super) fn uninterrupted<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> Result<T> {
    match rustix::io::retry_on_intr(&mut call) {
        Ok(value) => Ok(value),
        Err(Errno::AGAIN) => Err(Error::WouldBlock),
        Err(errno) => Err(Error::Os(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive_and_kinds_are_translated() {
        let cases = [
            (io::Error::from_raw_os_error(Errno::NOTDIR.raw_os_error()), Error::Os(Errno::NOTDIR)),
            (io::Error::from_raw_os_error(Errno::ACCESS.raw_os_error()), Error::Os(Errno::ACCESS)),
            (io::Error::from_raw_os_error(Errno::AGAIN.raw_os_error()), Error::WouldBlock),
            (io::Error::new(io::ErrorKind::PermissionDenied, "outside"), Error::Escape),
            (io::Error::other("custom"), Error::Os(Errno::IO)),
        ];
        for (from, to) in cases {
            assert_eq!(Error::from(from), to);
        }
    }
}
