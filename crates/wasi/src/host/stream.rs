//! Streams a guest reads from or writes to: standard input, output and error.

use super::{Durability, FileType, Result, Stat};
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::os::fd::BorrowedFd;

/// Bytes that come from the host.
pub trait InputStream: Send {
    /// Reads what is there into the buffers, in order. Zero bytes mean the end, unless the buffers are empty.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`](super::Error::WouldBlock) when nothing is there *now*. A stream that cannot tell may
    /// block instead; no deadline interrupts that.
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize>;

    /// What can be waited on until the stream is readable. None means that it always is.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// How many bytes can be read without waiting, if that is known.
    fn available(&self) -> Option<u64> {
        None
    }

    /// What the guest is told the stream is; a terminal is a [`FileType::CharacterDevice`].
    fn file_type(&self) -> FileType {
        FileType::Unknown
    }

    /// The attributes that the guest is told; only the kind, unless it is more than a stream.
    ///
    /// # Errors
    ///
    /// Whatever the source says.
    fn stat(&self) -> Result<Stat> {
        Ok(Stat::of_stream(self.file_type()))
    }
}

/// Bytes that go to the host.
pub trait OutputStream: Send {
    /// Writes as much of the buffers, in order, as there is room for.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`](super::Error::WouldBlock) when there is no room *now*. A stream that cannot tell may
    /// block instead; no deadline interrupts that.
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize>;

    /// Makes sure that what was written is on its way.
    ///
    /// # Errors
    ///
    /// Whatever the destination says.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Waits until what was written is where it outlasts a crash of the system, as far as the destination has such a
    /// place. Only guests that ask for this wait for it: what [`flush`](OutputStream::flush) does comes with every write
    /// of some guests.
    ///
    /// # Errors
    ///
    /// Whatever the destination says.
    fn sync(&mut self, _durability: Durability) -> Result<()> {
        self.flush()
    }

    /// What can be waited on until the stream is writable. None means that it always is.
    fn watched(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// What the guest is told the stream is; a terminal is a [`FileType::CharacterDevice`].
    fn file_type(&self) -> FileType {
        FileType::Unknown
    }

    /// The attributes that the guest is told; only the kind, unless it is more than a stream.
    ///
    /// # Errors
    ///
    /// Whatever the destination says.
    fn stat(&self) -> Result<Stat> {
        Ok(Stat::of_stream(self.file_type()))
    }
}

/// Ends at once when read, and forgets what is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullStream;

impl InputStream for NullStream {
    fn read(&mut self, _buffers: &mut [IoSliceMut<'_>]) -> Result<usize> {
        Ok(0)
    }
}

impl OutputStream for NullStream {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        Ok(buffers.iter().map(|buffer| buffer.len()).sum())
    }
}

/// Any [`Read`] as a stream.
#[derive(Debug)]
pub struct ReadStream<R>(pub R);

impl<R: Read + Send> InputStream for ReadStream<R> {
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize> {
        Ok(self.0.read_vectored(buffers)?)
    }
}

/// Any [`Write`] as a stream.
#[derive(Debug)]
pub struct WriteStream<W>(pub W);

impl<W: Write + Send> OutputStream for WriteStream<W> {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        Ok(self.0.write_vectored(buffers)?)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(self.0.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_null_stream_takes_all_and_gives_nothing() {
        let mut room = [0; 4];
        assert_eq!(NullStream.read(&mut [IoSliceMut::new(&mut room)]), Ok(0));
        assert_eq!(NullStream.write(&[IoSlice::new(b"abc"), IoSlice::new(b"de")]), Ok(5));
    }

    #[test]
    fn readers_and_writers_are_streams() {
        let mut room = [0; 4];
        assert_eq!(ReadStream(&b"hello"[..]).read(&mut [IoSliceMut::new(&mut room)]), Ok(4));
        assert_eq!(&room, b"hell");
        let mut out = WriteStream(Vec::new());
        assert_eq!(out.write(&[IoSlice::new(b"abc"), IoSlice::new(b"de")]), Ok(5));
        assert_eq!(out.0, b"abcde");
    }
}
