//! What an address in the text means, looked up where the tables lie.
//!
//! Looking up allocates nothing, takes no lock and initializes nothing, so a signal handler may do it.
//! The tables are as large as the code demands and are not checked when an artifact is opened: whatever
//! they contain, an answer is some answer or none. `verify` says whether they are sound.

use super::catches::Catches;
use super::records::{FunctionEntry, NONE, Table, slice};
use super::surface::Surface;
use crate::items::InstanceId;
use crate::maps::{FunctionId, NO_WASM_OFFSET};
use crate::trap::TrapCode;
use crate::types::TypeId;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// The metadata behind the surface.
#[derive(Clone, Copy)]
pub(super) struct Code<'a> {
    /// All of it, beginning where the surface ends.
    pub(super) bytes: &'a [u8],
    pub(super) surface_bytes: usize,
    pub(super) surface: &'a Surface,
}

impl<'a> Code<'a> {
    pub(super) fn records<T: FromBytes + Immutable + KnownLayout + Unaligned>(self, table: Table) -> &'a [T] {
        let range = self.surface.range(table);
        let range = range.start.wrapping_sub(self.surface_bytes)..range.end.wrapping_sub(self.surface_bytes);
        slice(self.bytes.get(range).unwrap_or(&[]))
    }

    pub(super) fn traps(self) -> Traps<'a> {
        Traps { offsets: self.records(Table::TrapOffsets), codes: self.records(Table::TrapCodes) }
    }

    pub(super) fn addresses(self) -> Addresses<'a> {
        Addresses { offsets: self.records(Table::AddressOffsets), wasm: self.records(Table::AddressWasm) }
    }

    pub(super) fn catches(self) -> Catches<'a> {
        let (offsets, sites) = (self.records(Table::CatchOffsets), self.records(Table::Catches));
        Catches { offsets, sites, handlers: self.records(Table::Handlers) }
    }

    pub(super) fn functions(self) -> Functions<'a> {
        Functions {
            entries: self.records(Table::Functions),
            names: self.records(Table::FunctionNames),
            surface: self.surface,
        }
    }

    pub(super) fn elements(self) -> &'a [U64] {
        self.records(Table::Elements)
    }
}

/// The instructions that can trap, in place.
#[derive(Debug, Clone, Copy)]
pub struct Traps<'a> {
    pub(super) offsets: &'a [U32],
    pub(super) codes: &'a [u8],
}

impl Traps<'_> {
    /// The trap of the instruction that starts at `offset`.
    pub fn find(&self, offset: u32) -> Option<TrapCode> {
        let at = self.offsets.binary_search_by_key(&offset, |entry| entry.get()).ok()?;
        TrapCode::from_number(*self.codes.get(at)?)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether no instruction can trap.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// All entries, by ascending offset.
    pub fn iter(&self) -> impl Iterator<Item = (u32, TrapCode)> {
        let codes = self.codes.iter().map(|code| TrapCode::from_number(*code));
        self.offsets.iter().zip(codes).filter_map(|(offset, code)| Some((offset.get(), code?)))
    }
}

/// From text offsets to offsets in the wasm binary, in place.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    pub(super) offsets: &'a [U32],
    pub(super) wasm: &'a [U32],
}

impl Addresses<'_> {
    /// Offset in its module's binary of the wasm instruction that the code at `offset` belongs to.
    pub fn find(&self, offset: u32) -> Option<u32> {
        let at = self.offsets.partition_point(|entry| entry.get() <= offset).checked_sub(1)?;
        Some(self.wasm.get(at)?.get()).filter(|wasm| *wasm != NO_WASM_OFFSET)
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether the map has no entries.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// All entries, by ascending text offset.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        self.offsets.iter().zip(self.wasm).map(|(offset, wasm)| (offset.get(), wasm.get()))
    }
}

/// A function defined by some core instance, in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionRef<'a> {
    /// First byte of its code.
    pub start: u32,
    /// Bytes of its code.
    pub length: u32,
    /// The core instance it belongs to.
    pub instance: InstanceId,
    /// Its index in that instance's module, imports counted.
    pub index: u32,
    /// Its type.
    pub ty: TypeId,
    /// Its name, from the name section.
    pub name: Option<&'a str>,
}

/// All functions by id, in place; ids are in the order of their code.
#[derive(Debug, Clone, Copy)]
pub struct Functions<'a> {
    pub(super) entries: &'a [FunctionEntry],
    names: &'a [u8],
    surface: &'a Surface,
}

impl<'a> Functions<'a> {
    /// The function whose code contains this offset. The byte behind a function's last instruction
    /// counts as that function's: a return address can point there.
    pub fn find(&self, offset: u32) -> Option<FunctionRef<'a>> {
        self.get(self.find_id(offset)?)
    }

    /// The id of the function that [`Functions::find`] finds.
    pub fn find_id(&self, offset: u32) -> Option<FunctionId> {
        let at = self.entries.partition_point(|entry| entry.start.get() <= offset).checked_sub(1)?;
        let entry = self.entries.get(at)?;
        let within = offset.checked_sub(entry.start.get())? <= entry.length.get();
        within.then_some(FunctionId(at as u32))
    }

    /// The type of the function whose code starts at this offset.
    pub fn type_at(&self, start: u32) -> Option<TypeId> {
        let at = self.entries.binary_search_by_key(&start, |entry| entry.start.get()).ok()?;
        self.surface.type_id(self.entries.get(at)?.ty).ok()
    }

    /// The function with this id.
    pub fn get(&self, id: FunctionId) -> Option<FunctionRef<'a>> {
        let entry = self.entries.get(id.0 as usize)?;
        Some(FunctionRef {
            start: entry.start.get(),
            length: entry.length.get(),
            instance: InstanceId(self.surface.index(Table::Instances, entry.instance).ok()?),
            index: entry.index.get(),
            ty: self.surface.type_id(entry.ty).ok()?,
            name: self.name(entry),
        })
    }

    fn name(&self, entry: &FunctionEntry) -> Option<&'a str> {
        let start = entry.name.start.get();
        if start == NONE {
            return None;
        }
        let range = start as usize..(start as usize).checked_add(entry.name.length.get() as usize)?;
        core::str::from_utf8(self.names.get(range)?).ok()
    }

    /// Number of functions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All functions.
    pub fn iter(self) -> impl Iterator<Item = FunctionRef<'a>> {
        (0..self.entries.len()).filter_map(move |at| self.get(FunctionId(at as u32)))
    }
}
