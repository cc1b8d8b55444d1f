//! Streams in the host's memory, for embedders that want a guest's output as bytes.

use super::{Error, InputStream, OutputStream, Result};
use rustix::io::Errno;
use std::io::{IoSlice, IoSliceMut, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Input that is known in advance.
#[derive(Clone, Debug)]
pub struct MemoryInput {
    bytes: std::io::Cursor<Arc<[u8]>>,
}

impl MemoryInput {
    /// The guest reads these bytes, then the end.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { bytes: std::io::Cursor::new(bytes.into()) }
    }
}

impl InputStream for MemoryInput {
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> Result<usize> {
        Ok(self.bytes.read_vectored(buffers)?)
    }

    fn available(&self) -> Option<u64> {
        Some((self.bytes.get_ref().len() as u64).saturating_sub(self.bytes.position()))
    }
}

/// Output that is collected, up to a capacity. Clones share what they collect, so one can be kept while the guest
/// writes to the other.
#[derive(Clone, Debug)]
pub struct MemoryOutput {
    bytes: Arc<Mutex<Vec<u8>>>,
    capacity: usize,
}

impl MemoryOutput {
    /// Collects at most `capacity` bytes; what a guest writes beyond is refused as if a disk were full.
    pub fn new(capacity: usize) -> Self {
        Self { bytes: Arc::default(), capacity }
    }

    /// What was written so far.
    pub fn contents(&self) -> Vec<u8> {
        self.lock().clone()
    }

    /// Takes what was written so far, which makes room for more.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock())
    }

    /// A panic cannot leave the vector half written in a way that matters here.
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputStream for MemoryOutput {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        let mut bytes = self.lock();
        let before = bytes.len();
        for buffer in buffers {
            let room = self.capacity - bytes.len();
            bytes.extend_from_slice(&buffer[..buffer.len().min(room)]);
        }
        match bytes.len() - before {
            0 if buffers.iter().any(|buffer| !buffer.is_empty()) => Err(Error::Os(Errno::NOSPC)),
            written => Ok(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_read_to_its_end() {
        let mut input = MemoryInput::new(*b"hello");
        let (mut a, mut b) = ([0; 2], [0; 8]);
        assert_eq!(input.available(), Some(5));
        assert_eq!(input.read(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]), Ok(5));
        assert_eq!((&a, &b[..3]), (b"he", &b"llo"[..]));
        assert_eq!(input.read(&mut [IoSliceMut::new(&mut a)]), Ok(0));
    }

    #[test]
    fn output_stops_at_its_capacity() {
        let kept = MemoryOutput::new(4);
        let mut out = kept.clone();
        assert_eq!(out.write(&[IoSlice::new(b"abc"), IoSlice::new(b"def")]), Ok(4));
        assert_eq!(out.write(&[IoSlice::new(b"x")]), Err(Error::Os(Errno::NOSPC)));
        assert_eq!(out.write(&[]), Ok(0));
        assert_eq!(kept.take(), b"abcd");
        assert_eq!(out.write(&[IoSlice::new(b"x")]), Ok(1));
    }
}
