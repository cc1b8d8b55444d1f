//! The arena: a memory of our own for values on their way, where lifting and lowering cannot be one step.
//!
//! * When a component instance calls itself, both sides of the call have one memory and one handle table. The specification
//!   lifts all values before it lowers any, which shows there: in which indices handles get, and in what `realloc` does
//!   to memory that has not been read yet.
//! * When the root exports a function that it imports, the host is on both sides, and no component instance has memory
//!   for what is not passed flat.
//!
//! What is in the arena was checked when it was lifted: strings keep their encoding, handles are representations.
//!
//! ```text
//!  0    16                top                                max
//!       │ values on their way │                                │
//! ```
//!
//! Calls nest, so that it is enough to set `top` back to what it was before.

use super::fun::{Fun, Mem};
use super::module::ModuleBuilder;
use wasm_encoder::{Instruction as I, MemoryType, ValType};

/// Most pages: 128 MiB, as much as a host takes from a guest by default.
const MAX_PAGES: u64 = 2048;

/// Where the first value is: no address is zero.
pub(super) const START: i32 = 16;

/// Names under which the memory and the global are exported.
pub(super) const MEMORY_EXPORT: &str = "memory";
pub(super) const TOP_EXPORT: &str = "top";

const MEM: Mem = Mem { index: 0, wide: false };

/// Index of the only global.
const TOP: u32 = 0;

/// Functions of the module, in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ArenaFunc {
    /// `(old, old bytes, alignment, new bytes) -> address`: what is asked of a guest's `realloc`. Out of bounds when
    /// there is no room.
    Realloc,
    /// `(resource, x) -> x`: what handles are turned to and from is their representation.
    Same,
    /// `() -> 0`: what is lent to the host by itself needs no scope.
    Begin,
    /// `(scope)`.
    End,
    /// `()`: forgets the values that the host has put there for a call that is not made.
    Clear,
}

impl ArenaFunc {
    const ALL: [ArenaFunc; 5] =
        [ArenaFunc::Realloc, ArenaFunc::Same, ArenaFunc::Begin, ArenaFunc::End, ArenaFunc::Clear];

    /// Its number in the module, under which it is exported.
    pub(super) fn number(self) -> u32 {
        self as u32
    }

    /// How many parameters and results it has, which are all `i32`.
    pub(super) fn signature(self) -> (Vec<ValType>, Vec<ValType>) {
        let (params, results) = match self {
            ArenaFunc::Realloc => (4, 1),
            ArenaFunc::Same => (2, 1),
            ArenaFunc::Begin => (0, 1),
            ArenaFunc::End => (1, 0),
            ArenaFunc::Clear => (0, 0),
        };
        (vec![ValType::I32; params], vec![ValType::I32; results])
    }
}

/// The module.
pub(super) fn module() -> ModuleBuilder {
    let mut module = ModuleBuilder::default();
    module.memory_export = Some(MEMORY_EXPORT);
    let (maximum, memory64) = (Some(MAX_PAGES), false);
    module.memories.push(MemoryType { minimum: 1, maximum, memory64, shared: false, page_size_log2: None });
    module.globals.push((TOP_EXPORT.into(), START));
    for func in ArenaFunc::ALL {
        let (params, results) = func.signature();
        let mut f = Fun::new(params, results);
        match func {
            ArenaFunc::Realloc => realloc(&mut f),
            ArenaFunc::Same => f.get(1),
            ArenaFunc::Begin => f.i32(0),
            ArenaFunc::End => {}
            ArenaFunc::Clear => f.ops([I::I32Const(START), I::GlobalSet(TOP)]),
        }
        module.add(format!("arena: {func:?}"), f);
    }
    module
}

fn realloc(f: &mut Fun) {
    let (old, old_bytes, align, bytes) = (0, 1, 2, 3);
    let (at, end) = (f.local(ValType::I32), f.local(ValType::I64));
    // The top and an alignment are small; a number of bytes need not be.
    f.ops([I::GlobalGet(TOP), I::LocalGet(align), I::I32Add, I::I32Const(1), I::I32Sub]);
    f.ops([I::I32Const(0), I::LocalGet(align), I::I32Sub, I::I32And, I::LocalTee(at)]);
    f.ops([I::I64ExtendI32U, I::LocalGet(bytes), I::I64ExtendI32U, I::I64Add, I::LocalSet(end)]);
    make_room(f, end);
    f.ops([I::LocalGet(end), I::I32WrapI64, I::GlobalSet(TOP)]);
    f.get(old_bytes);
    f.when(|f| {
        f.ops([I::LocalGet(at), I::LocalGet(old), I::LocalGet(old_bytes), I::LocalGet(bytes)]);
        f.ops([I::LocalGet(old_bytes), I::LocalGet(bytes), I::I32LtU, I::Select]);
        f.op(I::MemoryCopy { src_mem: MEM.index, dst_mem: MEM.index });
    });
    f.get(at);
}

/// Grows the memory to `end` bytes, or returns an address that is aligned and beyond it.
fn make_room(f: &mut Fun, end: u32) {
    let pages = f.local(ValType::I64);
    f.ops([I::LocalGet(end), I::I64Const(0xffff), I::I64Add, I::I64Const(16), I::I64ShrU]);
    f.ops([I::MemorySize(MEM.index), I::I64ExtendI32U, I::I64Sub, I::LocalTee(pages), I::I64Const(0), I::I64GtS]);
    f.when(|f| {
        f.ops([I::LocalGet(pages), I::I32WrapI64, I::MemoryGrow(MEM.index), I::I32Const(-1), I::I32Eq]);
        f.when(|f| f.ops([I::I32Const(-8), I::Return]));
    });
    f.release(pages);
}
