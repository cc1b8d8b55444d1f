//! Memories: what built-ins, steps and the host do with them.

#![expect(unsafe_code, reason = "reads and writes guest memory")]

use crate::access::AccessError;
use crate::instance::Inner;
use crate::prepared::FIRST_MEMORY_REGION;
use crate::stop::{Stop, within};
use core::ops::Range;
use hatchery_image::{DataSegment, DataSegmentId, MemoryId, MemoryPlace, PAGE, TrapCode, WASM_PAGE};

/// Bytes, or elements, that are copied or filled between two looks at the interrupt word.
const CHUNK: u64 = 1 << 20;
/// Bytes that a bulk instruction handles for a unit of fuel.
const BYTES_PER_FUEL: u64 = 64;

/// A memory of an instance, borrowed from an [`Access`](crate::Access).
pub struct Memory<'a> {
    inner: &'a Inner,
    id: MemoryId,
}

impl<'a> Memory<'a> {
    pub(crate) fn new(inner: &'a Inner, id: MemoryId) -> Option<Memory<'a>> {
        (id.index() < inner.image().memories().len()).then_some(Memory { inner, id })
    }

    /// Length in bytes.
    pub fn len(&self) -> u64 {
        self.inner.memory_length(self.id)
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: I3, I4: the access this was borrowed from is borrowed as long as the slice lives.
        unsafe { self.inner.memory_bytes(self.id) }
    }

    /// The bytes of a range.
    ///
    /// # Errors
    ///
    /// When they are not all there.
    pub fn slice(&self, range: Range<u64>) -> Result<&[u8], AccessError> {
        let (start, end) = (range.start, range.end);
        let bytes = self.bytes();
        let length = bytes.len() as u64;
        if start > end || end > length {
            return Err(AccessError::OutOfBounds { start, end, length });
        }
        Ok(&bytes[start as usize..end as usize])
    }

    /// The bytes of a range, to be written.
    ///
    /// # Errors
    ///
    /// When they are not all there, or the kernel refuses to make them writable.
    pub fn slice_mut(&mut self, range: Range<u64>) -> Result<&mut [u8], AccessError> {
        let address = self.prepared(&range)?;
        // SAFETY: I4: the range is inside the memory and prepared; the memory is borrowed mutably.
        Ok(unsafe { core::slice::from_raw_parts_mut(address, (range.end - range.start) as usize) })
    }

    /// Several ranges at once, to be written.
    ///
    /// # Errors
    ///
    /// When they are not all there or overlap (the error names a range that does), or the kernel refuses.
    pub fn slices_mut(&mut self, ranges: &[Range<u64>]) -> Result<Vec<&mut [u8]>, AccessError> {
        let mut sorted: Vec<&Range<u64>> = ranges.iter().filter(|range| range.start < range.end).collect();
        sorted.sort_unstable_by_key(|range| range.start);
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0].end > pair[1].start) {
            return Err(AccessError::OutOfBounds { start: pair[1].start, end: pair[1].end, length: self.len() });
        }
        let slice = |range: &Range<u64>| {
            let address = self.prepared(range)?;
            // SAFETY: I4, as in `slice_mut`; the ranges are disjoint, or empty.
            Ok(unsafe { core::slice::from_raw_parts_mut(address, (range.end - range.start) as usize) })
        };
        ranges.iter().map(slice).collect()
    }

    /// Copies bytes out.
    ///
    /// # Errors
    ///
    /// When they are not all there.
    pub fn read(&self, start: u64, into: &mut [u8]) -> Result<(), AccessError> {
        into.copy_from_slice(self.slice(start..start.saturating_add(into.len() as u64))?);
        Ok(())
    }

    /// Copies bytes in.
    ///
    /// # Errors
    ///
    /// When there is no room for all, or the kernel refuses; then none are copied.
    pub fn write(&mut self, start: u64, bytes: &[u8]) -> Result<(), AccessError> {
        self.slice_mut(start..start.saturating_add(bytes.len() as u64))?.copy_from_slice(bytes);
        Ok(())
    }

    /// Makes it longer by `delta` pages of 64 KiB and gives its old length in pages; `None` when it cannot be.
    pub fn grow(&mut self, delta: u64) -> Option<u64> {
        self.inner.memory_grow(self.id, delta)
    }

    /// Checks and prepares a range and gives its address.
    fn prepared(&self, range: &Range<u64>) -> Result<*mut u8, AccessError> {
        let (start, end, length) = (range.start, range.end, self.len());
        if start > end || end > length {
            return Err(AccessError::OutOfBounds { start, end, length });
        }
        let offset = self.inner.place(self.id).offset + start;
        self.inner.prepare_memory(offset, end - start)?;
        Ok(self.inner.at(offset))
    }
}

impl core::fmt::Debug for Memory<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Memory").field("id", &self.id).field("len", &self.len()).finish()
    }
}

impl Inner {
    fn place(&self, id: MemoryId) -> &MemoryPlace {
        &self.image().layout().memories[id.index()]
    }

    pub(crate) fn data_segment(&self, segment: DataSegmentId) -> DataSegment {
        self.image().data_segments().get(segment.index()).expect("compiled code and steps name segments of their image")
    }

    pub(crate) fn memory_length(&self, id: MemoryId) -> u64 {
        self.length_of(self.place(id))
    }

    fn length_of(&self, place: &MemoryPlace) -> u64 {
        self.load(u64::from(place.length_offset))
    }

    /// Where a range of a memory starts, from `vmctx`, if all of it is in the memory.
    fn range_of(&self, id: MemoryId, start: u64, length: u64) -> Result<u64, Stop> {
        let place = self.place(id);
        within(start, length, self.length_of(place), TrapCode::MemoryOutOfBounds)?;
        Ok(place.offset + start)
    }

    /// # Safety
    ///
    /// I4: while the slice lives, no guest code runs and nothing writes the memory.
    pub(crate) unsafe fn memory_bytes(&self, id: MemoryId) -> &[u8] {
        let (offset, length) = (self.place(id).offset, self.memory_length(id));
        // SAFETY: I5: that many bytes are accessible; the caller promised that nobody writes them.
        unsafe { core::slice::from_raw_parts(self.at(offset), length as usize) }
    }

    /// The old length in pages, unless a limit is in the way or the allocator refuses.
    pub(crate) fn memory_grow(&self, id: MemoryId, delta: u64) -> Option<u64> {
        let place = self.place(id);
        let old = self.memory_length(id);
        let more = delta.checked_mul(WASM_PAGE)?;
        let new = old.checked_add(more).filter(|new| *new <= place.limit)?;
        let total = self.memory_bytes.get().checked_add(more)?;
        if total > self.prepared.limits.memory_bytes {
            return None;
        }
        if more > 0 {
            // Prepared first, so that nothing has to be undone when that fails.
            self.prepare(u64::from(place.length_offset), 8).ok()?;
            let accessible = new.next_multiple_of(PAGE) as usize;
            self.grow_region(FIRST_MEMORY_REGION + id.index(), accessible).ok()?;
            self.store(u64::from(place.length_offset), new).ok()?;
            self.memory_bytes.set(total);
        }
        Some(old / WASM_PAGE)
    }

    pub(crate) fn memory_fill(&self, id: MemoryId, to: u64, value: u8, length: u64) -> Result<(), Stop> {
        let to = self.range_of(id, to, length)?;
        self.charge(length / BYTES_PER_FUEL)?;
        self.in_chunks(length, |start, length| {
            self.prepare_memory(to + start, length)?;
            // SAFETY: I4, I5: inside the memory, prepared; guest code does not run.
            unsafe { self.at(to + start).write_bytes(value, length as usize) };
            Ok(())
        })
    }

    pub(crate) fn memory_copy(
        &self,
        (to_memory, to): (MemoryId, u64),
        (from_memory, from): (MemoryId, u64),
        length: u64,
    ) -> Result<(), Stop> {
        let from = self.range_of(from_memory, from, length)?;
        let to = self.range_of(to_memory, to, length)?;
        self.charge(length / BYTES_PER_FUEL)?;
        let copy = |at: u64, chunk: u64| {
            self.prepare_memory(to + at, chunk)?;
            // SAFETY: I4, I5: both inside their memories, the target prepared; `copy` allows overlap.
            unsafe { core::ptr::copy(self.at(from + at), self.at(to + at), chunk as usize) };
            Ok(())
        };
        // Programs copy little at a time, and often.
        if length <= CHUNK {
            return copy(0, length);
        }
        // Where the ranges overlap, the chunks go in the direction that reads each byte before it is written.
        self.in_chunks(length, |start, chunk| copy(if to <= from { start } else { length - start - chunk }, chunk))
    }

    pub(crate) fn memory_init(
        &self,
        segment: DataSegmentId,
        (memory, to): (MemoryId, u64),
        from: u32,
        length: u32,
    ) -> Result<(), Stop> {
        let data = self.data_segment(segment);
        let available = if self.is_dropped(data.dropped_offset) { 0 } else { data.length };
        let (from, length) = (u64::from(from), u64::from(length));
        within(from, length, u64::from(available), TrapCode::MemoryOutOfBounds)?;
        let to = self.range_of(memory, to, length)?;
        self.charge(length / BYTES_PER_FUEL)?;
        let from = data.start + from as usize;
        let bytes = &self.image().data()[from..from + length as usize];
        self.in_chunks(length, |start, chunk| {
            self.prepare_memory(to + start, chunk)?;
            let bytes = &bytes[start as usize..(start + chunk) as usize];
            // SAFETY: I4, I5: inside the memory, prepared; the image's data is elsewhere.
            unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at(to + start), bytes.len()) };
            Ok(())
        })?;
        self.check_image()
    }

    /// Whether what was read of the image can have been its contents.
    pub(crate) fn check_image(&self) -> Result<(), Stop> {
        if self.image().is_withdrawn() { Err(Stop::Withdrawn) } else { Ok(()) }
    }

    pub(crate) fn data_drop(&self, segment: DataSegmentId) -> Result<(), Stop> {
        Ok(self.set_dropped(self.data_segment(segment).dropped_offset)?)
    }

    /// Does something to `0..length` piece by piece, and looks between pieces whether the guest is to stop.
    pub(crate) fn in_chunks(
        &self,
        length: u64,
        mut piece: impl FnMut(u64, u64) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let mut start = 0;
        while start < length {
            if start > 0 {
                self.check_interrupt()?;
            }
            let chunk = CHUNK.min(length - start);
            piece(start, chunk)?;
            start += chunk;
        }
        Ok(())
    }

    /// Whether somebody wants the guest to stop.
    pub(crate) fn check_interrupt(&self) -> Result<(), Stop> {
        if !self.vmctx.is_interrupted() {
            return Ok(());
        }
        self.interrupt().reason().map_or(Ok(()), |code| Err(Stop::Trap(code)))
    }

    /// Takes fuel for what one instruction does many times.
    pub(crate) fn charge(&self, units: u64) -> Result<(), Stop> {
        if units == 0 || self.image().tunables().interruption != hatchery_image::Interruption::Fuel {
            return Ok(());
        }
        let left = self.fuel().saturating_sub(i64::try_from(units).unwrap_or(i64::MAX));
        self.set_fuel(left);
        if left < 0 { Err(Stop::Trap(TrapCode::OutOfFuel)) } else { Ok(()) }
    }
}
