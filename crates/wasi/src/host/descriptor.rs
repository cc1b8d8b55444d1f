//! Anything a guest can hold open.

use super::{Dir, Durability, File, FileType, InputStream, OutputStream, Position, Result, Stat};
use std::fmt;
use std::os::fd::BorrowedFd;

/// Something open: a stream, a file or a directory.
pub enum Descriptor {
    /// A stream that is read.
    Input(Box<dyn InputStream>),
    /// A stream that is written.
    Output(Box<dyn OutputStream>),
    /// A file that is not a directory.
    File(File),
    /// A directory.
    Dir(Dir),
}

impl Descriptor {
    /// What kind of thing it is.
    pub fn file_type(&self) -> FileType {
        match self {
            Self::Input(stream) => stream.file_type(),
            Self::Output(stream) => stream.file_type(),
            Self::File(file) => file.file_type(),
            Self::Dir(_) => FileType::Directory,
        }
    }

    /// Its attributes; of most streams only the kind.
    ///
    /// # Errors
    ///
    /// Whatever the system says.
    pub fn stat(&self) -> Result<Stat> {
        match self {
            Self::Input(stream) => stream.stat(),
            Self::Output(stream) => stream.stat(),
            Self::File(file) => file.stat(),
            Self::Dir(dir) => dir.stat(),
        }
    }

    /// Waits until what was written has reached its destination.
    ///
    /// # Errors
    ///
    /// Whatever the system or the embedder's stream says.
    pub fn sync(&mut self, durability: Durability) -> Result<()> {
        match self {
            Self::Input(_) => Ok(()),
            Self::Output(stream) => stream.sync(durability),
            Self::File(file) => file.sync(durability),
            Self::Dir(dir) => dir.sync(durability),
        }
    }

    /// What can be waited on until it is ready. None means that it always is.
    pub fn watched(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Input(stream) => stream.watched(),
            Self::Output(stream) => stream.watched(),
            Self::File(file) => file.watched(),
            Self::Dir(_) => None,
        }
    }

    /// How many bytes can be read without waiting, if that is known.
    pub fn available(&self, position: Position) -> Option<u64> {
        match self {
            Self::Input(stream) => stream.available(),
            Self::File(file) => file.available(position),
            Self::Output(_) | Self::Dir(_) => None,
        }
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(_) => f.write_str("Input"),
            Self::Output(_) => f.write_str("Output"),
            Self::File(file) => file.fmt(f),
            Self::Dir(dir) => dir.fmt(f),
        }
    }
}
