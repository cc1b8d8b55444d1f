//! Tables: what built-ins, steps and the host do with them.

#![expect(unsafe_code, reason = "reads and writes table elements")]

use crate::access::AccessError;
use crate::instance::Inner;
use crate::stop::{Stop, within};
use hatchery_image::artifact::ElemSegmentRef;
use hatchery_image::{ElemSegmentId, TableId, TablePlace, TrapCode, ValType};

const ELEMENT: u64 = 8;
/// Elements that a bulk instruction handles for a unit of fuel.
const ELEMENTS_PER_FUEL: u64 = 8;

impl Inner {
    fn table_place(&self, id: TableId) -> &TablePlace {
        &self.image().layout().tables[id.index()]
    }

    pub(crate) fn elem_segment(&self, segment: ElemSegmentId) -> ElemSegmentRef<'_> {
        self.image().elem_segments().get(segment.index()).expect("compiled code and steps name segments of their image")
    }

    pub(crate) fn table_length(&self, id: TableId) -> u64 {
        self.load(u64::from(self.table_place(id).length_offset))
    }

    /// Offset from `vmctx` of an element.
    fn element(&self, id: TableId, index: u64) -> u64 {
        u64::from(self.table_place(id).offset) + index * ELEMENT
    }

    fn element_in_bounds(&self, id: TableId, index: u64) -> Result<u64, AccessError> {
        if id.index() >= self.image().tables().len() {
            return Err(AccessError::NoSuchItem);
        }
        let length = self.table_length(id);
        if index >= length {
            return Err(AccessError::OutOfBounds { start: index, end: index.saturating_add(1), length });
        }
        Ok(self.element(id, index))
    }

    /// All elements. Nothing writes the table while the slice lives.
    pub(crate) fn table_words(&self, id: TableId) -> &[u64] {
        let (at, length) = (self.element(id, 0), self.table_length(id));
        // SAFETY: I2, I5: that many elements are in the state, which is readable (G3); built-ins and the host, who write
        // them, and guest code do so at other times (I3).
        unsafe { core::slice::from_raw_parts(self.at(at).cast::<u64>(), length as usize) }
    }

    pub(crate) fn table_get(&self, id: TableId, index: u64) -> Result<u64, AccessError> {
        Ok(self.load(self.element_in_bounds(id, index)?))
    }

    pub(crate) fn table_set(&self, id: TableId, index: u64, word: u64) -> Result<(), AccessError> {
        let at = self.element_in_bounds(id, index)?;
        self.check_element(id, word)?;
        Ok(self.store(at, word)?)
    }

    pub(crate) fn host_table_grow(&self, id: TableId, delta: u64, word: u64) -> Result<Option<u64>, AccessError> {
        let table = self.image().tables().get(id.index()).ok_or(AccessError::NoSuchItem)?;
        self.check_element(id, word)?;
        // Compiled code has the length of any other table as a constant.
        if !table.growable {
            return Ok((delta == 0).then(|| self.table_length(id)));
        }
        Ok(self.table_grow(id, word, delta))
    }

    fn check_element(&self, id: TableId, word: u64) -> Result<(), AccessError> {
        let ty = ValType::Ref(self.image().tables().get(id.index()).ok_or(AccessError::NoSuchItem)?.element);
        if self.prepared.accepts(ty, word) { Ok(()) } else { Err(AccessError::Reference) }
    }

    /// The old length, unless a limit is in the way or pages cannot be written.
    pub(crate) fn table_grow(&self, id: TableId, word: u64, delta: u64) -> Option<u64> {
        let place = self.table_place(id);
        let limit = place.limit.min(self.prepared.limits.table_elements);
        let old = self.table_length(id);
        let new = old.checked_add(delta).filter(|new| *new <= limit || delta == 0)?;
        self.write_words(id, old, delta, word).ok()?;
        self.store(u64::from(place.length_offset), new).ok()?;
        self.note_longer_table(id, delta);
        Some(old)
    }

    /// Fills elements, which need not be inside the length yet.
    fn write_words(&self, id: TableId, to: u64, length: u64, word: u64) -> Result<(), Stop> {
        let at = self.element(id, to);
        self.prepare(at, length * ELEMENT)?;
        // SAFETY: I2, I5: the table's place has room for its limit, and the range is prepared; I3: nobody else
        // accesses it.
        unsafe { core::slice::from_raw_parts_mut(self.at(at).cast::<u64>(), length as usize) }.fill(word);
        Ok(())
    }

    pub(crate) fn table_fill(&self, id: TableId, to: u64, word: u64, length: u64) -> Result<(), Stop> {
        within(to, length, self.table_length(id), TrapCode::TableOutOfBounds)?;
        self.charge(length / ELEMENTS_PER_FUEL)?;
        self.in_chunks(length, |start, length| self.write_words(id, to + start, length, word))
    }

    pub(crate) fn table_copy(
        &self,
        (to_table, to): (TableId, u64),
        (from_table, from): (TableId, u64),
        length: u64,
    ) -> Result<(), Stop> {
        within(from, length, self.table_length(from_table), TrapCode::TableOutOfBounds)?;
        within(to, length, self.table_length(to_table), TrapCode::TableOutOfBounds)?;
        self.charge(length / ELEMENTS_PER_FUEL)?;
        let (to, from) = (self.element(to_table, to), self.element(from_table, from));
        self.in_chunks(length, |start, chunk| {
            let at = ELEMENT * if to <= from { start } else { length - start - chunk };
            self.prepare(to + at, chunk * ELEMENT)?;
            // SAFETY: I2, I5: both inside their tables, the target prepared; `copy` allows overlap.
            unsafe {
                core::ptr::copy(self.at(from + at).cast::<u64>(), self.at(to + at).cast::<u64>(), chunk as usize)
            };
            Ok(())
        })
    }

    pub(crate) fn table_init(
        &self,
        segment: ElemSegmentId,
        (table, to): (TableId, u64),
        from: u32,
        length: u32,
    ) -> Result<(), Stop> {
        let elem = self.elem_segment(segment);
        let available = if self.is_dropped(elem.dropped_offset) { 0 } else { elem.len() as u64 };
        let (from, length) = (u64::from(from), u64::from(length));
        within(from, length, available, TrapCode::TableOutOfBounds)?;
        within(to, length, self.table_length(table), TrapCode::TableOutOfBounds)?;
        self.charge(length / ELEMENTS_PER_FUEL)?;
        let words = elem.range(from as usize..(from + length) as usize).into_iter().flatten();
        let at = self.element(table, to);
        self.prepare(at, length * ELEMENT)?;
        // SAFETY: I2, I5: inside the table, prepared; I3: nobody else accesses it.
        let elements = unsafe { core::slice::from_raw_parts_mut(self.at(at).cast::<u64>(), length as usize) };
        elements.iter_mut().zip(words).for_each(|(element, word)| *element = word);
        self.check_image()
    }

    pub(crate) fn elem_drop(&self, segment: ElemSegmentId) -> Result<(), Stop> {
        Ok(self.set_dropped(self.elem_segment(segment).dropped_offset)?)
    }
}
