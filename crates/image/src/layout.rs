//! Where everything is in a slot, as a pure function of what the tree needs.
//!
//! ```text
//!  0        8192 = vmctx
//!  +--------+--------------------------------------------------+-------+----------+-------+----------+
//!  | poll   | memory lengths | globals | table lengths | drop   | guard | memory 0 | guard | memory 1 |
//!  | page,  |                |         |               | flags, |       | reserved |       | …        |
//!  | header |                |         |               | tables |       |          |       |          |
//!  +--------+--------------------------------------------------+-------+----------+-------+----------+
//! ```
//!
//! The words that code touches most stand first, so that their displacement is one byte.

use crate::abi::HEADER_BYTES;
use crate::pages::PAGE;
use crate::tunables::{Bounds, Tunables};
use core::ops::Range;

/// Bytes of a WebAssembly page.
pub const WASM_PAGE: u64 = 64 << 10;

/// Inaccessible bytes between the state and the first memory, so that a small negative offset from a
/// memory cannot reach the state.
pub const STATE_GUARD: u64 = 1 << 20;

/// Most bytes of state: constant offsets from `vmctx` to anything in it, and to the first memory,
/// must stay within a signed 32-bit displacement with room for an instruction's own offset.
pub const MAX_STATE: u64 = 1 << 30;

/// What a tree needs of its slot.
#[derive(Debug, Clone, Default)]
pub struct LayoutNeeds {
    /// Its memories.
    pub memories: Vec<MemoryNeed>,
    /// Its tables.
    pub tables: Vec<TableNeed>,
    /// Its globals.
    pub globals: Vec<GlobalNeed>,
    /// Number of data segments that need a drop flag.
    pub data_segments: u32,
    /// Number of element segments that need a drop flag.
    pub elem_segments: u32,
}

/// A memory to find room for; lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Whether indices are 64 bits wide.
    pub memory64: bool,
    /// Initial length, a multiple of [`WASM_PAGE`].
    pub minimum: u64,
    /// Declared maximum, if any.
    pub maximum: Option<u64>,
    /// Whether to reserve the declared maximum and no more, so that it costs little address space and code
    /// compares with its length. For memories of our own making.
    pub exact: bool,
}

/// A table to find room for; lengths in elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableNeed {
    /// Initial length.
    pub minimum: u64,
    /// Declared maximum, if any.
    pub maximum: Option<u64>,
    /// Whether anything can grow it.
    pub growable: bool,
}

/// How much room a global's value takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GlobalNeed {
    /// 8 bytes: integers, floats, references.
    Word,
    /// 16 bytes: vectors.
    Vector,
}

/// A memory's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryPlace {
    /// First byte, from `vmctx`; a multiple of the page size.
    pub offset: u64,
    /// Offset from `vmctx` of the `u64` that holds the current length in bytes.
    pub length_offset: u32,
    /// Initial length in bytes.
    pub minimum: u64,
    /// Length in bytes beyond which it cannot grow here, whatever it declares.
    pub limit: u64,
    /// Bytes from `offset` that belong to the memory: its limit, rounded up, without the guard.
    pub reserved: u64,
    /// Inaccessible bytes behind that.
    pub guard: u64,
    /// How accesses are kept inside.
    pub bounds: Bounds,
}

/// A table's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TablePlace {
    /// First element, from `vmctx`; elements are 8 bytes.
    pub offset: u32,
    /// Offset from `vmctx` of the `u64` that holds the current length in elements.
    pub length_offset: u32,
    /// Initial length in elements.
    pub minimum: u64,
    /// Length in elements beyond which it cannot grow here, whatever it declares.
    pub limit: u64,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutPlan {
    /// Offset of `vmctx` from the slot's base.
    pub vmctx: u64,
    /// Bytes of state from `vmctx`, a multiple of the page size.
    pub state_bytes: u64,
    /// Places of the memories.
    pub memories: Vec<MemoryPlace>,
    /// Places of the tables.
    pub tables: Vec<TablePlace>,
    /// Offsets of the globals from `vmctx`.
    pub globals: Vec<u32>,
    /// Offset from `vmctx` of the first data segment's `u32` drop flag; the others follow.
    pub data_dropped: u32,
    /// Offset from `vmctx` of the first element segment's `u32` drop flag; the others follow.
    pub elem_dropped: u32,
    /// Bytes of the whole slot, guards included; a multiple of the page size.
    pub slot_bytes: u64,
}

/// Why there is no layout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Tables and globals are too large.
    #[error(
        "tables and globals need {needed} bytes of state and at most {limit} are supported; \
         give large tables a smaller minimum, or lower the room for growable tables"
    )]
    StateTooLarge {
        /// What they need.
        needed: u64,
        /// What there can be.
        limit: u64,
    },
    /// The slot would not fit an address space.
    #[error("the memories need a slot of more than {limit} bytes, which no address space has; reserve less for each")]
    SlotTooLarge {
        /// What there can be.
        limit: u64,
    },
}

/// Most bytes of a slot: a quarter of what an x86-64 process can address.
pub const MAX_SLOT: u64 = 1 << 45;

/// Hands out offsets from `vmctx`, ascending.
struct Cursor(u64);

impl Cursor {
    fn take(&mut self, bytes: u64, align: u64) -> Option<u64> {
        let at = self.0.checked_next_multiple_of(align)?;
        self.0 = at.checked_add(bytes)?;
        Some(at)
    }

    fn state(&mut self, bytes: u64, align: u64) -> Result<u32, LayoutError> {
        let too_large = LayoutError::StateTooLarge { needed: self.0.saturating_add(bytes), limit: MAX_STATE };
        match self.take(bytes, align) {
            Some(at) if self.0 <= MAX_STATE => Ok(at as u32),
            _ => Err(too_large),
        }
    }
}

impl LayoutPlan {
    /// Finds a place for everything.
    ///
    /// # Errors
    ///
    /// When the state exceeds [`MAX_STATE`] or the slot [`MAX_SLOT`].
    pub fn new(needs: &LayoutNeeds, tunables: &Tunables) -> Result<LayoutPlan, LayoutError> {
        let mut cursor = Cursor(0);
        let memory_lengths = cursor.state(8 * needs.memories.len() as u64, 8)?;
        let globals = place_globals(&mut cursor, &needs.globals)?;
        let table_lengths = cursor.state(8 * needs.tables.len() as u64, 8)?;
        let data_dropped = cursor.state(4 * u64::from(needs.data_segments), 4)?;
        let elem_dropped = cursor.state(4 * u64::from(needs.elem_segments), 4)?;
        let mut tables = Vec::with_capacity(needs.tables.len());
        for (i, need) in needs.tables.iter().enumerate() {
            tables.push(place_table(&mut cursor, need, table_lengths + 8 * i as u32, tunables)?);
        }
        // There is always a page of state, so that `vmctx` itself is mapped.
        let state_bytes = cursor.0.max(1).next_multiple_of(PAGE);
        let mut cursor = Cursor(state_bytes);
        let mut memories = Vec::with_capacity(needs.memories.len());
        if !needs.memories.is_empty() {
            let too_large = LayoutError::SlotTooLarge { limit: MAX_SLOT };
            cursor.0 += STATE_GUARD;
            for (i, need) in needs.memories.iter().enumerate() {
                let place = place_memory(&mut cursor, need, memory_lengths + 8 * i as u32, tunables);
                memories.push(place.filter(|_| cursor.0 <= MAX_SLOT).ok_or(too_large.clone())?);
            }
        }
        let vmctx = HEADER_BYTES as u64;
        let slot_bytes = vmctx + cursor.0;
        Ok(LayoutPlan { vmctx, state_bytes, memories, tables, globals, data_dropped, elem_dropped, slot_bytes })
    }

    /// The state's range in the slot.
    pub fn state(&self) -> Range<u64> {
        self.vmctx..self.vmctx + self.state_bytes
    }

    /// The range in the slot of a memory's reservation, guard excluded.
    pub fn memory(&self, index: usize) -> Range<u64> {
        let place = &self.memories[index];
        let start = self.vmctx + place.offset;
        start..start + place.reserved
    }
}

/// Words first, then vectors, so that the words stay close to `vmctx`.
fn place_globals(cursor: &mut Cursor, needs: &[GlobalNeed]) -> Result<Vec<u32>, LayoutError> {
    let mut places = vec![0; needs.len()];
    for (kind, bytes) in [(GlobalNeed::Word, 8), (GlobalNeed::Vector, 16)] {
        for (place, _) in places.iter_mut().zip(needs).filter(|(_, need)| **need == kind) {
            *place = cursor.state(bytes, bytes)?;
        }
    }
    Ok(places)
}

fn place_table(
    cursor: &mut Cursor,
    need: &TableNeed,
    length_offset: u32,
    tunables: &Tunables,
) -> Result<TablePlace, LayoutError> {
    let wanted = if need.growable { tunables.table_room } else { need.minimum };
    let limit = need.maximum.unwrap_or(u64::MAX).min(wanted.max(need.minimum));
    let bytes = limit.saturating_mul(8);
    let offset = cursor.state(bytes, 8)?;
    Ok(TablePlace { offset, length_offset, minimum: need.minimum, limit })
}

fn place_memory(
    cursor: &mut Cursor,
    need: &MemoryNeed,
    length_offset: u32,
    tunables: &Tunables,
) -> Option<MemoryPlace> {
    let maximum = need.maximum.unwrap_or(u64::MAX).max(need.minimum);
    let room = if need.exact && need.maximum.is_some() {
        maximum
    } else if need.memory64 {
        tunables.memory64_reservation.min(maximum).max(need.minimum)
    } else {
        tunables.memory32_reservation.max(need.minimum)
    };
    let reserved = room.checked_next_multiple_of(WASM_PAGE)?;
    let bounds = tunables.bounds(need.memory64, reserved);
    // What a 32-bit index can reach is the most that a 32-bit memory can have.
    let addressable = if need.memory64 { u64::MAX } else { Tunables::FOUR_GIB };
    let limit = maximum.min(reserved).min(addressable);
    let guard = tunables.memory_guard.checked_next_multiple_of(PAGE)?;
    let offset = cursor.take(reserved.checked_add(guard)?, PAGE)?;
    Some(MemoryPlace { offset, length_offset, minimum: need.minimum, limit, reserved, guard, bounds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn memory() -> impl Strategy<Value = MemoryNeed> {
        (any::<bool>(), 0u64..70_000, prop::option::of(0u64..70_000)).prop_map(|(memory64, min, more)| MemoryNeed {
            memory64,
            minimum: min.min(65_536) * WASM_PAGE,
            exact: min % 7 == 0,
            maximum: more
                .map(|more| (min + more).min(if memory64 { 1 << 20 } else { 65_536 }).max(min.min(65_536)) * WASM_PAGE),
        })
    }

    fn table() -> impl Strategy<Value = TableNeed> {
        (0u64..20_000, prop::option::of(0u64..30_000), any::<bool>()).prop_map(|(minimum, more, growable)| TableNeed {
            minimum,
            maximum: more.map(|more| minimum + more),
            growable,
        })
    }

    fn global() -> impl Strategy<Value = GlobalNeed> {
        prop_oneof![Just(GlobalNeed::Word), Just(GlobalNeed::Vector)]
    }

    fn needs() -> impl Strategy<Value = LayoutNeeds> {
        let lists = (
            prop::collection::vec(memory(), 0..5),
            prop::collection::vec(table(), 0..5),
            prop::collection::vec(global(), 0..40),
        );
        (lists, 0u32..50, 0u32..50).prop_map(|((memories, tables, globals), data_segments, elem_segments)| {
            LayoutNeeds { memories, tables, globals, data_segments, elem_segments }
        })
    }

    fn tunables() -> impl Strategy<Value = Tunables> {
        (any::<bool>(), 0u64..1000, 0u64..40_000, any::<bool>()).prop_map(|(dense, guard, table_room, explicit)| {
            Tunables {
                memory32_reservation: if dense { 1 << 20 } else { 1 << 32 },
                memory_guard: guard * PAGE,
                table_room,
                explicit_bounds: explicit,
                ..Tunables::default()
            }
        })
    }

    /// Everything that owns bytes of the slot, as ranges from `vmctx`.
    fn claims(needs: &LayoutNeeds, plan: &LayoutPlan) -> Vec<Range<u64>> {
        let at = |offset: u32, bytes: u64| u64::from(offset)..u64::from(offset) + bytes;
        let mut claims = Vec::new();
        claims.extend(plan.memories.iter().map(|m| at(m.length_offset, 8)));
        claims.extend(plan.memories.iter().map(|m| m.offset..m.offset + m.reserved + m.guard));
        claims.extend(plan.tables.iter().map(|t| at(t.length_offset, 8)));
        claims.extend(plan.tables.iter().map(|t| at(t.offset, 8 * t.limit)));
        let size = |need: &GlobalNeed| if *need == GlobalNeed::Word { 8 } else { 16 };
        claims.extend(plan.globals.iter().zip(&needs.globals).map(|(g, need)| at(*g, size(need))));
        claims.push(at(plan.data_dropped, 4 * u64::from(needs.data_segments)));
        claims.push(at(plan.elem_dropped, 4 * u64::from(needs.elem_segments)));
        claims.retain(|claim| !claim.is_empty());
        claims.sort_by_key(|claim| claim.start);
        claims
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_all_is_inside(needs in needs(), tunables in tunables()) {
            let plan = LayoutPlan::new(&needs, &tunables).expect("small needs have a layout");
            let claims = claims(&needs, &plan);
            for pair in claims.windows(2) {
                prop_assert!(pair[0].end <= pair[1].start, "{pair:?}");
            }
            if let Some(last) = claims.last() {
                prop_assert!(plan.vmctx + last.end <= plan.slot_bytes);
            }
            prop_assert_eq!(plan.slot_bytes % PAGE, 0);
        }

        #[test]
        fn memories_hold_what_they_promise(needs in needs(), tunables in tunables()) {
            let plan = LayoutPlan::new(&needs, &tunables).expect("small needs have a layout");
            for (need, place) in needs.memories.iter().zip(&plan.memories) {
                prop_assert!(place.minimum <= place.limit && place.limit <= place.reserved);
                prop_assert!(need.maximum.is_none_or(|maximum| place.limit <= maximum));
                if need.exact && let Some(maximum) = need.maximum {
                    prop_assert_eq!(place.reserved, maximum.max(need.minimum));
                }
                prop_assert_eq!(place.offset % PAGE, 0);
                prop_assert!(place.offset >= plan.state_bytes + STATE_GUARD);
                if place.bounds == Bounds::Guard {
                    prop_assert!(!need.memory64 && place.reserved >= Tunables::FOUR_GIB);
                }
            }
            if let Some(first) = plan.memories.first() {
                prop_assert!(first.offset < 1 << 31);
            }
        }

        #[test]
        fn tables_hold_what_they_promise(needs in needs(), tunables in tunables()) {
            let plan = LayoutPlan::new(&needs, &tunables).expect("small needs have a layout");
            for (need, place) in needs.tables.iter().zip(&plan.tables) {
                prop_assert!(place.minimum <= place.limit);
                prop_assert!(need.maximum.is_none_or(|maximum| place.limit <= maximum));
                prop_assert!(need.growable || place.limit == need.minimum);
            }
        }
    }

    #[test]
    fn a_table_beyond_the_state_is_refused_with_both_numbers() {
        let table = TableNeed { minimum: u64::MAX, maximum: None, growable: false };
        let needs = LayoutNeeds { tables: vec![table], ..LayoutNeeds::default() };
        let error = LayoutPlan::new(&needs, &Tunables::default()).expect_err("too large");
        assert!(matches!(error, LayoutError::StateTooLarge { limit: MAX_STATE, .. }), "{error}");
    }

    #[test]
    fn a_memory_beyond_the_address_space_is_refused() {
        let memory = MemoryNeed { memory64: true, minimum: 1 << 48, maximum: None, exact: false };
        let needs = LayoutNeeds { memories: vec![memory], ..LayoutNeeds::default() };
        let error = LayoutPlan::new(&needs, &Tunables::default()).expect_err("too large");
        assert_eq!(error, LayoutError::SlotTooLarge { limit: MAX_SLOT });
    }

    #[test]
    fn an_empty_tree_still_has_a_page_of_state() {
        let plan = LayoutPlan::new(&LayoutNeeds::default(), &Tunables::default()).expect("layout");
        assert_eq!(plan.state_bytes, PAGE);
        assert_eq!(plan.slot_bytes, HEADER_BYTES as u64 + PAGE);
    }
}
