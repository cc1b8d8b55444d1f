//! What an address in the text means: which function, which wasm offset, which trap.
//!
//! Offsets are from the start of the text. All maps are sorted arrays searched by bisection; looking
//! up allocates nothing and takes no lock, so a signal handler may do it.

use crate::image::InstanceId;
use crate::trap::TrapCode;
use crate::types::TypeId;

/// A guest function's number in its image, over all core instances. Imported functions have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub u32);

/// A function defined by some core instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRecord {
    /// First byte of its code.
    pub start: u32,
    /// Bytes of its code.
    pub length: u32,
    /// The core instance it belongs to.
    pub instance: InstanceId,
    /// Its index in that instance's module, imports counted.
    pub index: u32,
    /// Its type; what a funcref from outside is checked against.
    pub ty: TypeId,
    /// Its name, from the name section.
    pub name: Option<Box<str>>,
}

/// All functions by id; ids are in the order of their code.
#[derive(Debug, Clone, Default)]
pub struct FunctionMap {
    records: Vec<FunctionRecord>,
}

impl FunctionMap {
    /// A map of these records, which must be in the order of their code.
    pub fn new(records: Vec<FunctionRecord>) -> FunctionMap {
        debug_assert!(records.is_sorted_by_key(|r| r.start));
        FunctionMap { records }
    }

    /// The function whose code contains this offset. The byte behind a function's last instruction
    /// counts as that function's: a return address can point there.
    pub fn find(&self, offset: u32) -> Option<&FunctionRecord> {
        let at = self.records.partition_point(|r| r.start <= offset).checked_sub(1)?;
        let record = &self.records[at];
        (offset - record.start <= record.length).then_some(record)
    }

    /// The function with this id.
    pub fn get(&self, id: FunctionId) -> Option<&FunctionRecord> {
        self.records.get(id.0 as usize)
    }

    /// All functions.
    pub fn iter(&self) -> core::slice::Iter<'_, FunctionRecord> {
        self.records.iter()
    }
}

/// The instructions that can trap.
#[derive(Debug, Clone, Default)]
pub struct TrapMap {
    offsets: Vec<u32>,
    codes: Vec<TrapCode>,
}

impl TrapMap {
    /// A map of these entries, which must be sorted by offset.
    pub fn new(entries: impl IntoIterator<Item = (u32, TrapCode)>) -> TrapMap {
        let (offsets, codes) = entries.into_iter().unzip();
        let map = TrapMap { offsets, codes };
        debug_assert!(map.offsets.is_sorted());
        map
    }

    /// The trap of the instruction that starts at `offset`.
    pub fn find(&self, offset: u32) -> Option<TrapCode> {
        self.offsets.binary_search(&offset).ok().map(|at| self.codes[at])
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether no instruction can trap.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
}

/// From text offsets to offsets in the wasm binary.
#[derive(Debug, Clone, Default)]
pub struct AddressMap {
    offsets: Vec<u32>,
    wasm: Vec<u32>,
}

impl AddressMap {
    /// No wasm instruction belongs to code from here on.
    pub const NONE: u32 = u32::MAX;

    /// A map of these entries, sorted by text offset: from each on, code belongs to the instruction at
    /// that wasm offset, until the next entry.
    pub fn new(entries: impl IntoIterator<Item = (u32, u32)>) -> AddressMap {
        let (offsets, wasm) = entries.into_iter().unzip();
        let map = AddressMap { offsets, wasm };
        debug_assert!(map.offsets.is_sorted());
        map
    }

    /// Offset in its module's binary of the wasm instruction that the code at `offset` belongs to.
    pub fn find(&self, offset: u32) -> Option<u32> {
        let at = self.offsets.partition_point(|o| *o <= offset).checked_sub(1)?;
        Some(self.wasm[at]).filter(|wasm| *wasm != Self::NONE)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether the map has no entries.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_map_answers_until_the_next_entry() {
        let map = AddressMap::new([(16, 100), (20, 104), (64, AddressMap::NONE)]);
        assert_eq!(map.find(15), None);
        assert_eq!(map.find(16), Some(100));
        assert_eq!(map.find(19), Some(100));
        assert_eq!(map.find(63), Some(104));
        assert_eq!(map.find(64), None);
    }

    #[test]
    fn a_return_address_behind_the_last_call_is_the_callers() {
        let ty = TypeId::from_index(0);
        let record =
            |start, length| FunctionRecord { start, length, instance: InstanceId(0), index: 0, ty, name: None };
        let map = FunctionMap::new(vec![record(0, 10), record(64, 5)]);
        assert_eq!(map.find(10).map(|r| r.start), Some(0));
        assert_eq!(map.find(11), None);
        assert_eq!(map.find(69).map(|r| r.start), Some(64));
        assert_eq!(map.find(70), None);
    }

    #[test]
    fn a_trap_is_found_at_its_instruction_only() {
        let map = TrapMap::new([(3, TrapCode::Unreachable), (9, TrapCode::IntegerOverflow)]);
        assert_eq!(map.find(3), Some(TrapCode::Unreachable));
        assert_eq!(map.find(4), None);
    }
}
