//! The guest's scattered buffers, and its memory as slices for vectored calls.
//!
//! Files are read and written straight from and to the guest's memory. How much one system call gets is bounded, as it
//! cannot be interrupted; a longer transfer is several calls.

use super::encode::u32_at;
use super::{Errno, Fault, Memory};
use std::io::{IoSlice, IoSliceMut};

/// As many buffers as the system takes at once (`IOV_MAX`, also wasi-libc's).
const MOST: u32 = 1024;

/// As many bytes as one system call gets.
const PORTION: u64 = 4 << 20;

/// How many bytes between buffers may be made ready for writing along with them, rather than use another call.
const GAP: u64 = 16 << 10;

/// One buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Buffer {
    at: u32,
    len: u32,
}

impl Buffer {
    fn end(self) -> u64 {
        u64::from(self.at) + u64::from(self.len)
    }
}

/// What is left of a list of buffers. None is empty, and all are inside the memory.
#[derive(Debug)]
pub(super) struct Buffers {
    list: Vec<Buffer>,
    /// The first that is not used up.
    first: usize,
}

impl Buffers {
    /// Reads a list from the guest's memory, once: it may lie in a buffer that is about to be overwritten.
    pub(super) fn read(memory: &impl Memory, at: i32, count: i32) -> Result<Self, Errno> {
        let count = count.cast_unsigned();
        if count > MOST {
            return Err(Errno::Inval);
        }
        let bytes = memory.bytes(at.cast_unsigned(), count * 8)?;
        let list: Vec<_> = bytes.chunks_exact(8).map(buffer).filter(|buffer| buffer.len > 0).collect();
        list.iter().try_for_each(|buffer| memory.check(buffer.at, buffer.len))?;
        let total: u64 = list.iter().map(|buffer| u64::from(buffer.len)).sum();
        u32::try_from(total).map_err(|_| Errno::Inval)?;
        Ok(Self { list, first: 0 })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.list.len()
    }

    /// Takes away what was transferred.
    pub(super) fn advance(&mut self, mut bytes: usize) {
        while bytes > 0 && !self.is_empty() {
            let buffer = &mut self.list[self.first];
            let taken = u32::try_from(bytes).unwrap_or(u32::MAX).min(buffer.len);
            // At the very end of a 4 GiB memory this wraps, with nothing left.
            buffer.at = buffer.at.wrapping_add(taken);
            buffer.len -= taken;
            bytes -= taken as usize;
            self.first += usize::from(buffer.len == 0);
        }
    }

    /// How many bytes are left.
    pub(super) fn len(&self) -> u64 {
        self.list[self.first..].iter().map(|buffer| u64::from(buffer.len)).sum()
    }

    /// The next buffers, cut off where a portion ends, or earlier.
    fn portion(&self, limit: u64) -> impl Iterator<Item = Buffer> {
        let mut room = PORTION.min(limit);
        self.list[self.first..].iter().map_while(move |buffer| {
            let len = u64::from(buffer.len).min(room);
            room -= len;
            let len = u32::try_from(len).ok().filter(|&len| len > 0)?;
            Some(Buffer { at: buffer.at, len })
        })
    }

    /// A portion to write from.
    pub(super) fn slices<'m>(&self, memory: &'m impl Memory) -> Result<Vec<IoSlice<'m>>, Fault> {
        self.portion(PORTION).map(|buffer| memory.bytes(buffer.at, buffer.len).map(IoSlice::new)).collect()
    }

    /// A portion to read into, of at most `limit` bytes: as many of the next buffers as lie close together and do not
    /// overlap, and at least one.
    pub(super) fn slices_mut<'m>(&self, memory: &'m mut impl Memory, limit: u64) -> Result<Vec<IoSliceMut<'m>>, Fault> {
        let cluster = cluster(self.portion(limit));
        let start = cluster.iter().map(|buffer| buffer.at).min().unwrap_or(0);
        let end = cluster.iter().map(|buffer| buffer.end()).max().unwrap_or(0);
        let len = u32::try_from(end.saturating_sub(u64::from(start))).map_err(|_| Fault)?;
        Ok(cut(memory.bytes_mut(start, len)?, start, &cluster))
    }
}

fn buffer(bytes: &[u8]) -> Buffer {
    Buffer { at: u32_at(bytes, 0), len: u32_at(bytes, 4) }
}

/// The longest start of the list that can be one borrowed range without much waste; only its first if two overlap,
/// as overlapping buffers must be filled one after the other.
fn cluster(buffers: impl Iterator<Item = Buffer>) -> Vec<Buffer> {
    let (mut start, mut end, mut sum) = (u64::MAX, 0, 0);
    let mut cluster: Vec<_> = buffers
        .take_while(|buffer| {
            start = start.min(u64::from(buffer.at));
            end = end.max(buffer.end());
            sum += u64::from(buffer.len);
            end - start <= sum + GAP
        })
        .collect();
    if overlap(&cluster) {
        cluster.truncate(1);
    }
    cluster
}

fn overlap(buffers: &[Buffer]) -> bool {
    let mut sorted = buffers.to_vec();
    sorted.sort_unstable_by_key(|buffer| buffer.at);
    sorted.windows(2).any(|pair| pair[0].end() > u64::from(pair[1].at))
}

/// Cuts a range that starts at `base` into the buffers in it, which do not overlap, in the buffers' order.
fn cut<'m>(mut range: &'m mut [u8], base: u32, buffers: &[Buffer]) -> Vec<IoSliceMut<'m>> {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_unstable_by_key(|&index| buffers[index].at);
    let mut slices: Vec<(usize, IoSliceMut<'m>)> = Vec::with_capacity(buffers.len());
    let mut at = u64::from(base);
    for index in order {
        let buffer = buffers[index];
        let (_, rest) = range.split_at_mut((u64::from(buffer.at) - at) as usize);
        let (slice, rest) = rest.split_at_mut(buffer.len as usize);
        slices.push((index, IoSliceMut::new(slice)));
        range = rest;
        at = buffer.end();
    }
    slices.sort_unstable_by_key(|(index, _)| *index);
    slices.into_iter().map(|(_, slice)| slice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(Vec<u8>);

    impl Memory for Bytes {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Fault> {
            self.check(at, len)?;
            Ok(&self.0[at as usize..][..len as usize])
        }

        fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Fault> {
            self.check(at, len)?;
            Ok(&mut self.0[at as usize..][..len as usize])
        }
    }

    /// A memory of 1 MiB with a list of buffers at its start.
    fn memory(buffers: &[(u32, u32)]) -> (Bytes, i32) {
        let mut bytes = vec![0; 1 << 20];
        for (place, (at, len)) in bytes.chunks_exact_mut(8).zip(buffers) {
            place[..4].copy_from_slice(&at.to_le_bytes());
            place[4..].copy_from_slice(&len.to_le_bytes());
        }
        (Bytes(bytes), i32::try_from(buffers.len()).unwrap())
    }

    fn lengths(buffers: &[(u32, u32)]) -> Vec<usize> {
        let (mut memory, count) = memory(buffers);
        let list = Buffers::read(&memory, 0, count).unwrap();
        list.slices_mut(&mut memory, PORTION).unwrap().iter().map(|slice| slice.len()).collect()
    }

    #[test]
    fn close_buffers_are_read_at_once_in_their_order() {
        assert_eq!(lengths(&[(9000, 3), (8000, 5), (8100, 7)]), [3, 5, 7]);
        assert_eq!(lengths(&[(8000, 4), (8004, 5)]), [4, 5]);
    }

    #[test]
    fn distant_and_overlapping_buffers_are_read_one_by_one() {
        assert_eq!(lengths(&[(8000, 4), (1_000_000, 5)]), [4]);
        assert_eq!(lengths(&[(8000, 10), (8009, 5)]), [10]);
        assert_eq!(lengths(&[(8000, 10), (8000, 10)]), [10]);
    }

    #[test]
    fn empty_lists_and_buffers_are_nothing() {
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[(1, 0), (u32::MAX, 0), (8000, 1)]), [1]);
    }

    #[test]
    fn too_many_and_outside_are_refused() {
        let (memory, _) = memory(&[(1 << 20, 1)]);
        assert_eq!(Buffers::read(&memory, 0, 1).err(), Some(Errno::Fault));
        assert_eq!(Buffers::read(&memory, 0, 1025).err(), Some(Errno::Inval));
        assert_eq!(Buffers::read(&memory, 0, -1).err(), Some(Errno::Inval));
        assert_eq!(Buffers::read(&memory, (1 << 20) - 4, 1).err(), Some(Errno::Fault));
    }

    #[test]
    fn advancing_crosses_buffers() {
        let (memory, count) = memory(&[(100, 3), (200, 5)]);
        let mut list = Buffers::read(&memory, 0, count).unwrap();
        list.advance(4);
        assert_eq!(list.portion(PORTION).collect::<Vec<_>>(), [Buffer { at: 201, len: 4 }]);
        list.advance(4);
        assert!(list.is_empty());
    }
}
