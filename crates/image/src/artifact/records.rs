//! The records of an artifact's metadata: fixed layouts of little-endian fields without alignment, so
//! that they are read where they lie.
//!
//! Every byte of a record is a field; none is padding. What a field may contain is said where it is
//! read, in `decode`. Changing anything here changes the format: see [`VERSION`](super::VERSION).

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Stands for "none" in every field that holds an index, an offset or a start.
pub(super) const NONE: u32 = u32::MAX;

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident, $bytes:literal { $($field:ident: $ty:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
            #[repr(C)]
            pub(super) struct $name {
                $(pub(super) $field: $ty,)*
            }

            // A record that changes its size changes the format.
            const _: () = assert!(size_of::<$name>() == $bytes);
        )*
    };
}

records! {
    /// A string: a range of the strings, or of the function names. A start of [`NONE`] is no string.
    StrRecord, 8 { start: U32, length: U32, }

    /// A value type.
    ValRecord, 8 {
        // 1 i32, 2 i64, 3 f32, 4 f64, 5 v128, 6 reference.
        kind: u8,
        // 1 when null is a value of the reference type.
        nullable: u8,
        // 1 func, 2 extern, 3 function type, 4 nofunc, 5 noextern, 6 exn, 7 noexn; 0 where it is no reference.
        heap: u8,
        zero: u8,
        // The function type's number, or 0.
        ty: U32,
    }

    /// A function type: a range of the values, parameters first.
    TypeRecord, 12 { start: U32, params: U32, results: U32, }

    /// A memory and its place.
    MemoryRecord, 64 {
        minimum: U64,
        maximum: U64,
        offset: U64,
        place_minimum: U64,
        limit: U64,
        reserved: U64,
        guard: U64,
        length_offset: U32,
        memory64: u8,
        has_maximum: u8,
        // 0 guard, 1 explicit.
        bounds: u8,
        zero: u8,
    }

    /// A table and its place.
    TableRecord, 56 {
        minimum: U64,
        maximum: U64,
        place_minimum: U64,
        limit: U64,
        offset: U32,
        length_offset: U32,
        element: ValRecord,
        table64: u8,
        has_maximum: u8,
        growable: u8,
        zero: [u8; 5],
    }

    /// A global.
    GlobalRecord, 16 { ty: ValRecord, offset: U32, mutable: u8, zero: [u8; 3], }

    /// A data segment: a range of the data.
    DataSegmentRecord, 16 { start: U64, length: U32, dropped_offset: U32, }

    /// An element segment: a range of the elements.
    ElemSegmentRecord, 16 { start: U64, count: U32, dropped_offset: U32, }

    /// A core instance: a range of the exports and one of the steps.
    InstanceRecord, 28 {
        name: StrRecord,
        exports: U32,
        export_count: U32,
        steps: U32,
        step_count: U32,
        main_memory: U32,
    }

    /// An export.
    ExportRecord, 20 {
        name: StrRecord,
        // 0 function, 1 memory, 2 table, 3 global.
        kind: U32,
        // The function's type number, or the index of what it names.
        index: U32,
        // The function's code, or 0.
        code_offset: U32,
    }

    /// A function that the host provides.
    ImportRecord, 32 {
        module: StrRecord,
        name: StrRecord,
        instance: U32,
        ty: U32,
        thunk: U32,
        spill_shim: U32,
    }

    /// A step of the plan.
    StepRecord, 24 {
        // 0 check memory, 1 check table, 2 elements, 3 data, 4 drop elements, 5 start.
        kind: U32,
        instance: U32,
        // The segment where there is one, else the memory or table; a start function's code.
        subject: U32,
        // The memory or table that a segment is written to; a start function's number; or 0.
        target: U32,
        // A least length, or the offset in the target.
        value: U64,
    }

    /// Pages of the slot that instances use.
    LearnedRecord, 24 {
        slot_offset: U64,
        length: U64,
        // 0 written, 1 made accessible by growth.
        kind: U32,
        zero: U32,
    }

    /// A run of pages; `file_offset` is from the start of the section.
    RunRecord, 24 { slot_offset: U64, file_offset: U64, length: U64, }

    /// A call that can end with an exception: its handlers end here, and begin where those of the call before it end.
    CatchRecord, 8 { frame: U32, end: U32, }

    /// What becomes of exceptions with a tag, or of all, where that is [`NONE`].
    HandlerRecord, 12 {
        tag: U32,
        landing: U32,
        // 0 values, 1 reference, 2 barrier.
        kind: U32,
    }

    /// A function; its name is a range of the function names.
    FunctionEntry, 28 { start: U32, length: U32, instance: U32, index: U32, ty: U32, name: StrRecord, }
}

macro_rules! tables {
    ($($(#[$doc:meta])* $variant:ident: $record:ty, $name:literal;)*) => {
        /// The arrays of the metadata, in the order of their bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(usize)]
        pub(super) enum Table {
            $($(#[$doc])* $variant,)*
        }

        impl Table {
            /// Every table.
            pub(super) const ALL: &'static [Table] = &[$(Table::$variant),*];

            /// What messages call it.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Table::$variant => $name,)* }
            }

            /// Bytes of one of its records.
            pub(super) const fn width(self) -> u64 {
                match self { $(Table::$variant => size_of::<$record>() as u64,)* }
            }
        }
    };
}

tables! {
    // The surface: what linking and instantiating an image ask. Its size follows the program's
    // interface, not its code. It is copied and checked when the artifact is opened.
    Types: TypeRecord, "types";
    Values: ValRecord, "values";
    Trampolines: U32, "entry trampolines";
    Memories: MemoryRecord, "memories";
    Tables: TableRecord, "tables";
    Globals: GlobalRecord, "globals";
    DataSegments: DataSegmentRecord, "data segments";
    ElemSegments: ElemSegmentRecord, "element segments";
    Instances: InstanceRecord, "instances";
    Exports: ExportRecord, "exports";
    Imports: ImportRecord, "imports";
    Steps: StepRecord, "steps";
    Runs: RunRecord, "page runs";
    Learned: LearnedRecord, "learned ranges";
    Strings: u8, "strings";
    // The rest follows the code and its data. It is mapped, and read where it lies.
    Functions: FunctionEntry, "functions";
    FunctionNames: u8, "function names";
    TrapOffsets: U32, "trap offsets";
    TrapCodes: u8, "trap codes";
    AddressOffsets: U32, "address offsets";
    AddressWasm: U32, "wasm offsets";
    CatchOffsets: U32, "catch offsets";
    Catches: CatchRecord, "catches";
    Handlers: HandlerRecord, "handlers";
    Elements: U64, "elements";
    Data: u8, "data";
    Extension: u8, "extension";
}

impl Table {
    /// Number of tables.
    pub(super) const COUNT: usize = Table::ALL.len();

    /// Whether the table is part of the surface.
    pub(super) const fn is_surface(self) -> bool {
        (self as usize) <= (Table::Strings as usize)
    }
}

const _: () = assert!(Table::COUNT == 27, "the root has room for this many");

/// The records in these bytes; none when the bytes are no whole number of records, which opening has ruled out.
pub(super) fn slice<T: FromBytes + Immutable + KnownLayout + Unaligned>(bytes: &[u8]) -> &[T] {
    <[T]>::ref_from_bytes(bytes).unwrap_or(&[])
}
