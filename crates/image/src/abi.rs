//! The contract between compiled code and the machine that runs it: every offset and every
//! signature that both sides must agree on, in one place.
//!
//! ```text
//!            lower addresses                            vmctx             higher addresses
//!  +------------------+----------------------------------+------------------------------------------+
//!  | poll page, which | header page; its last words are  | state: lengths, globals, tables, flags   |
//!  | nobody writes    | the fields below, 8 bytes each   | (part of the image, position independent)|
//!  +------------------+----------------------------------+------------------------------------------+
//! ```
//!
//! Both pages in front of the state are volatile. The header is the only place with absolute pointers. It is written at
//! instantiation and is no part of an image. It ends where the state begins so that the hot words of both sides are within
//! a signed byte of `vmctx`.
//!
//! # Interruption
//!
//! Code that can be interrupted reads a word of the poll page at the start of every function and loop, and does nothing
//! with it. To stop a guest, the machine writes why to the word [`header::INTERRUPT`] and then makes the page
//! inaccessible: the next read faults.
//!
//! # Calling conventions
//!
//! *Guest functions* use Cranelift's `tail` convention: `(vmctx, params…) -> results`. Results that
//! do not fit the result registers ([`MAX_INT_RESULTS`], [`MAX_FLOAT_RESULTS`]) are stored to a return
//! area, whose address is then the last parameter; see [`ReturnPlace`].
//!
//! *Entry trampolines*, one per function type: `extern "C" fn(vmctx, callee code address, *mut RawVal)`.
//! The array holds the parameters on entry and the results on exit, 16 bytes each.
//!
//! *Host functions*: `extern "C" fn(vmctx, *const HostCall, …)`, either in *native* form (parameters
//! and at most one result as SysV scalars: integers and references as themselves) or in *array* form
//! (`*mut RawVal`, as above). See [`HostAbi`](crate::HostAbi).
//!
//! *Built-ins*: `extern "C"`, `vmctx` first; see [`Builtin`].
//!
//! # Exceptions
//!
//! Code that catches says so in the image's [`CatchSite`](crate::CatchSite)s, one for each call that can end
//! with an exception. The machine continues at a handler's landing pad with the frame's own stack and frame
//! pointers, the exception's exnref word in `rax` (0 where the handler wants none) and the address of the
//! exception's values in `rdx`, 16 bytes each, as [`RawVal`]s. The values are there until the guest next leaves its code. Every
//! other register is undefined.

/// Bytes in front of the state: the poll page and the header page.
pub const HEADER_BYTES: usize = 2 * 4096;

/// Bytes at the end of the header page that are ever written: the words of [`header`].
pub const HEADER_USED_BYTES: usize = 64;

/// Byte offsets of the header's words from `vmctx`; all negative, all 8 bytes wide.
pub mod header {
    /// Address of the first byte of the image's text. Funcrefs hold offsets from it.
    pub const CODE_BASE: i32 = -8;
    /// The task record of the guest stack that is running; see [`super::task`].
    pub const TASK: i32 = -16;
    /// The first of the image's [`super::HostCall`] entries, indexed by `HostImportId`.
    pub const HOST_CALLS: i32 = -24;
    /// The first of the built-in functions' addresses, indexed by [`super::Builtin`].
    pub const BUILTINS: i32 = -32;
    /// The number of the [`TrapCode`](crate::TrapCode) that the guest is to end with, or 0. Not read by compiled code.
    pub const INTERRUPT: i32 = -40;
    /// The virtual machine's instance, opaque to compiled code.
    pub const INSTANCE: i32 = -48;
    /// The embedder's host data, opaque to compiled code.
    pub const HOST_DATA: i32 = -56;
    /// Where compiled code polls: the first word of the poll page.
    pub const POLL: i32 = -(super::HEADER_BYTES as i32);
}

/// Byte offsets inside a task record that compiled code reads or writes.
pub mod task {
    /// Remaining fuel, `i64`; code is out of fuel when it is negative.
    pub const FUEL: i32 = 0;
    /// Frame pointer of the thunk through which the guest last left its code. The word above it is a
    /// return address in guest code, the word at it the guest's frame pointer.
    pub const EXIT_FRAME: i32 = 8;
    /// Stack pointers below this address leave too little room for a host function.
    pub const HOST_LIMIT: i32 = 16;
}

/// One entry of the host-call table. A thunk passes its own entry's address to the function.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct HostCall {
    /// The function in the form that the import's `HostAbi` asks for. For a function that only has
    /// an array form behind an import with native form, this is the image's spill shim.
    pub entry: *const u8,
    /// The function in array form, for spill shims; null when it has none.
    pub array: *const u8,
    /// The embedder's closure, opaque to compiled code.
    pub environment: *const u8,
    /// The core instance whose import this is.
    pub instance: u32,
    /// The import's number in the image.
    pub import: u32,
}

/// Byte offset of [`HostCall::entry`].
pub const HOST_CALL_ENTRY: i32 = 0;
/// Byte offset of [`HostCall::array`].
pub const HOST_CALL_ARRAY: i32 = 8;
/// Bytes of a [`HostCall`].
pub const HOST_CALL_BYTES: i32 = 32;

const _: () = assert!(-header::HOST_DATA as usize <= HEADER_USED_BYTES);

const _: () = {
    assert!(size_of::<HostCall>() == HOST_CALL_BYTES as usize);
    assert!(core::mem::offset_of!(HostCall, entry) == HOST_CALL_ENTRY as usize);
    assert!(core::mem::offset_of!(HostCall, array) == HOST_CALL_ARRAY as usize);
};

/// A value between host and guest: 16 bytes, the low ones used by narrower types.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub union RawVal {
    /// An `i32`; the bytes above it are unspecified.
    pub i32: i32,
    /// An `i64`.
    pub i64: i64,
    /// The bits of an `f32`.
    pub f32: u32,
    /// The bits of an `f64`.
    pub f64: u64,
    /// A `v128`, little endian.
    pub v128: [u8; 16],
    /// A reference: a packed funcref, an externref index or an exnref word; 0 is null.
    pub reference: u64,
}

#[expect(unsafe_code, reason = "reads a union whose every bit pattern is valid in every field")]
mod values {
    use super::RawVal;

    macro_rules! accessors {
        ($($(#[$doc:meta])* $field:ident, $from:ident, $get:ident, $ty:ty;)*) => {
            impl RawVal {
                $(
                    /// This value, and zero in all bytes that it does not have.
                    #[inline(always)]
                    pub const fn $from(value: $ty) -> RawVal {
                        let mut raw = RawVal::ZERO;
                        raw.$field = value;
                        raw
                    }

                    $(#[$doc])*
                    #[inline(always)]
                    pub const fn $get(self) -> $ty {
                        // SAFETY: all 16 bytes of a `RawVal` are initialized, and every pattern of them
                        // is a value of every field.
                        unsafe { self.$field }
                    }
                )*
            }
        };
    }

    accessors! {
        /// The low 4 bytes.
        i32, from_i32, get_i32, i32;
        /// The low 8 bytes.
        i64, from_i64, get_i64, i64;
        /// The low 4 bytes, as the bits of a float.
        f32, from_f32_bits, get_f32_bits, u32;
        /// The low 8 bytes, as the bits of a float.
        f64, from_f64_bits, get_f64_bits, u64;
        /// All bytes.
        v128, from_v128, get_v128, [u8; 16];
        /// The low 8 bytes, as a reference's word.
        reference, from_reference, get_reference, u64;
    }
}

impl RawVal {
    /// All bytes zero: zero of every number type, null of every reference type.
    pub const ZERO: RawVal = RawVal { v128: [0; 16] };
}

impl core::fmt::Debug for RawVal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RawVal")
    }
}

/// Most results of class integer or reference that a guest function returns in registers.
pub const MAX_INT_RESULTS: usize = 8;
/// Most results of class float or vector that a guest function returns in registers.
pub const MAX_FLOAT_RESULTS: usize = 8;

/// Where the results of a guest function go: registers first, in order, while their class has room;
/// the others, in order, 16 bytes each, to the return area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReturnPlace {
    /// The next result register of its class.
    Register,
    /// This many bytes into the return area.
    Area(u32),
}

/// Places of all results of a function with these result types.
pub fn return_places(results: &[crate::ValType]) -> impl Iterator<Item = ReturnPlace> + '_ {
    let (mut ints, mut floats, mut area) = (0, 0, 0u32);
    results.iter().map(move |ty| {
        let (used, max) =
            if ty.is_float_class() { (&mut floats, MAX_FLOAT_RESULTS) } else { (&mut ints, MAX_INT_RESULTS) };
        if *used < max {
            *used += 1;
            ReturnPlace::Register
        } else {
            area += 16;
            ReturnPlace::Area(area - 16)
        }
    })
}

/// Bytes of the return area of a function with these results; 0 when it has none.
pub fn return_area_bytes(results: &[crate::ValType]) -> u32 {
    return_places(results).filter(|place| matches!(place, ReturnPlace::Area(_))).count() as u32 * 16
}

/// Services of the virtual machine that compiled code calls through the header's table.
///
/// Compiled code never calls one directly: it calls the image's *built-in thunk*, which has the guest
/// calling convention, stores the exit frame and forwards the arguments. Memories, tables and segments
/// are named by their number in the image. A built-in that traps does not return.
#[repr(u32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Builtin {
    /// `(vmctx, memory: i32, delta_pages: i64) -> i64`: the old size in pages, or -1.
    MemoryGrow,
    /// `(vmctx, memory: i32, to: i64, value: i32, length: i64)`.
    MemoryFill,
    /// `(vmctx, to_memory: i32, from_memory: i32, to: i64, from: i64, length: i64)`.
    MemoryCopy,
    /// `(vmctx, segment: i32, memory: i32, to: i64, from: i32, length: i32)`.
    MemoryInit,
    /// `(vmctx, segment: i32)`.
    DataDrop,
    /// `(vmctx, table: i32, init: i64, delta: i64) -> i64`: the old length, or -1.
    TableGrow,
    /// `(vmctx, table: i32, to: i64, value: i64, length: i64)`.
    TableFill,
    /// `(vmctx, to_table: i32, from_table: i32, to: i64, from: i64, length: i64)`.
    TableCopy,
    /// `(vmctx, segment: i32, table: i32, to: i64, from: i32, length: i32)`.
    TableInit,
    /// `(vmctx, segment: i32)`.
    ElemDrop,
    /// `(vmctx)`: fuel went negative. Returns to continue, traps otherwise.
    OutOfFuel,
    /// `(vmctx, code: i32, detail: i32)`: raises the [`TrapCode`](crate::TrapCode) with that number, about `detail`.
    /// Never returns.
    Raise,
    /// `(vmctx, a: f32, b: f32, c: f32) -> f32`: fused multiply-add where the target has no instruction.
    FmaF32,
    /// `(vmctx, a: f64, b: f64, c: f64) -> f64`.
    FmaF64,
    /// `(vmctx, tag: i32, values: i64, count: i32)`: throws a new exception with this tag. `values` is the address of
    /// its values, `count` [`RawVal`]s. Never returns to its caller, but to a handler, if there is one.
    Throw,
    /// `(vmctx, exception: i64)`: throws the exception with this exnref word, which is not null. Returns as
    /// [`Builtin::Throw`] does.
    ThrowRef,
}

/// A parameter or result of a built-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// Single float.
    F32,
    /// Double float.
    F64,
}

impl Builtin {
    /// All built-ins, in the order of their numbers.
    pub const ALL: [Builtin; 16] = [
        Builtin::MemoryGrow,
        Builtin::MemoryFill,
        Builtin::MemoryCopy,
        Builtin::MemoryInit,
        Builtin::DataDrop,
        Builtin::TableGrow,
        Builtin::TableFill,
        Builtin::TableCopy,
        Builtin::TableInit,
        Builtin::ElemDrop,
        Builtin::OutOfFuel,
        Builtin::Raise,
        Builtin::FmaF32,
        Builtin::FmaF64,
        Builtin::Throw,
        Builtin::ThrowRef,
    ];

    /// What tools call it.
    pub const fn name(self) -> &'static str {
        match self {
            Builtin::MemoryGrow => "memory_grow",
            Builtin::MemoryFill => "memory_fill",
            Builtin::MemoryCopy => "memory_copy",
            Builtin::MemoryInit => "memory_init",
            Builtin::DataDrop => "data_drop",
            Builtin::TableGrow => "table_grow",
            Builtin::TableFill => "table_fill",
            Builtin::TableCopy => "table_copy",
            Builtin::TableInit => "table_init",
            Builtin::ElemDrop => "elem_drop",
            Builtin::OutOfFuel => "out_of_fuel",
            Builtin::Raise => "raise",
            Builtin::FmaF32 => "fma_f32",
            Builtin::FmaF64 => "fma_f64",
            Builtin::Throw => "throw",
            Builtin::ThrowRef => "throw_ref",
        }
    }

    /// Parameters after `vmctx`.
    pub const fn params(self) -> &'static [Scalar] {
        use Scalar::{F32, F64, I32, I64};
        match self {
            Builtin::MemoryGrow => &[I32, I64],
            Builtin::MemoryFill => &[I32, I64, I32, I64],
            Builtin::MemoryCopy | Builtin::TableCopy => &[I32, I32, I64, I64, I64],
            Builtin::MemoryInit | Builtin::TableInit => &[I32, I32, I64, I32, I32],
            Builtin::DataDrop | Builtin::ElemDrop => &[I32],
            Builtin::Raise => &[I32, I32],
            Builtin::TableGrow => &[I32, I64, I64],
            Builtin::TableFill => &[I32, I64, I64, I64],
            Builtin::OutOfFuel => &[],
            Builtin::FmaF32 => &[F32, F32, F32],
            Builtin::FmaF64 => &[F64, F64, F64],
            Builtin::Throw => &[I32, I64, I32],
            Builtin::ThrowRef => &[I64],
        }
    }

    /// The result, if there is one.
    pub const fn result(self) -> Option<Scalar> {
        match self {
            Builtin::MemoryGrow | Builtin::TableGrow => Some(Scalar::I64),
            Builtin::FmaF32 => Some(Scalar::F32),
            Builtin::FmaF64 => Some(Scalar::F64),
            _ => None,
        }
    }
}

const _: () = {
    let mut i = 0;
    while i < Builtin::ALL.len() {
        assert!(Builtin::ALL[i] as usize == i);
        i += 1;
    }
};

/// A packed function reference: type id in the low half, code offset in the high half; null is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct PackedFuncRef(pub u64);

impl PackedFuncRef {
    /// The null reference.
    pub const NULL: PackedFuncRef = PackedFuncRef(0);

    /// A reference to the code at `code_offset` with this type.
    pub const fn new(ty: crate::TypeId, code_offset: u32) -> PackedFuncRef {
        PackedFuncRef(ty.get() as u64 | (code_offset as u64) << 32)
    }

    /// The type id; 0 for null.
    pub const fn type_id(self) -> u32 {
        self.0 as u32
    }

    /// Offset of the function's first instruction from the image's text.
    pub const fn code_offset(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether this is the null reference.
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}
