//! The module that holds what component instances have besides their core instances: flags and handle tables.
//!
//! ```text
//!  memory   0      16                        heap                                        max
//!           │ free │ a descriptor per table │ arrays, each twice as large as the one it replaces │
//!                    base, capacity, length, first free index
//!
//!  entry    tag: resource type + 1, or 0 │ rep, or next free index │ scope of a borrow, or 0 │ lends
//! ```
//!
//! Source: component model, `CanonicalABI.md`, *Table State* and *Resource State*. Index 0 is never used; freed indices
//! are reused last in, first out. Calls nest, so that two stacks are enough for what the specification keeps in its
//! tasks: *scopes*, one for each export being called that was lent handles, counts those it has still to drop; *lends*
//! has the index of each handle that is lent to a call further in.

use super::budget::Meter;
use super::error::GlueError;
use super::fun::{Fun, Mem};
use super::module::ModuleBuilder;
use crate::types::ResourceId;
use hatchery_image::TrapCode;
use wasm_encoder::{Instruction as I, MemoryType, ValType};

/// Most pages of all handle tables: 64 MiB, some two million handles.
const MAX_PAGES: u64 = 1024;

/// Bytes of a descriptor and of an entry.
const RECORD: u64 = 16;

/// Offsets in a descriptor.
const BASE: u64 = 0;
const CAPACITY: u64 = 4;
const LENGTH: u64 = 8;
const FREE: u64 = 12;

/// Offsets in an entry.
const TAG: u64 = 0;
const REP: u64 = 4;
const SCOPE: u64 = 8;
const LENDS: u64 = 12;

/// Entries of a table's first array.
const FIRST: i32 = 16;

/// The module's only memory.
const MEM: Mem = Mem { index: 0, wide: false };

/// Indices of the globals.
const HEAP: u32 = 0;
const SCOPES: u32 = 1;
const SCOPES_CAPACITY: u32 = 2;
const SCOPES_TOP: u32 = 3;
const LENDS_BASE: u32 = 4;
const LENDS_CAPACITY: u32 = 5;
const LENDS_TOP: u32 = 6;

/// Functions of the module, in the order of their numbers. `table` is a descriptor's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Service {
    /// `(tag, found, index)`: says what is wrong about a handle.
    Wrong,
    /// `(base, old bytes, new bytes) -> base`: a larger array with the contents of another.
    Grow,
    /// `(table, tag, rep, scope) -> index`: adds an entry.
    Add,
    /// `(table, tag, rep) -> index`: adds a handle that a call further out owns.
    LowerBorrow,
    /// `(table, tag, index) -> rep`: takes an owned handle out.
    LiftOwn,
    /// `(table, tag, index) -> rep`: lends a handle.
    LiftBorrow,
    /// `(table, top)`: gives back what was lent since there were `top` lends.
    Release,
    /// `(table, tag, index) -> i64`: takes a handle out; `rep`, and bit 32 if it was owned.
    Drop,
    /// `(table, tag, index) -> rep`.
    Rep,
    /// `() -> scope`.
    BeginCall,
    /// `(scope)`.
    EndCall,
}

impl Service {
    const ALL: [Service; 11] = [
        Service::Wrong,
        Service::Grow,
        Service::Add,
        Service::LowerBorrow,
        Service::LiftOwn,
        Service::LiftBorrow,
        Service::Release,
        Service::Drop,
        Service::Rep,
        Service::BeginCall,
        Service::EndCall,
    ];

    /// Its number in the module, under which it is exported.
    pub(super) fn number(self) -> u32 {
        self as u32
    }

    /// Parameters and results.
    pub(super) fn signature(self) -> (Vec<ValType>, Vec<ValType>) {
        let (params, results): (usize, &[ValType]) = match self {
            Service::Wrong => (3, &[]),
            Service::Grow => (3, &[ValType::I32]),
            Service::Add => (4, &[ValType::I32]),
            Service::LowerBorrow | Service::LiftOwn | Service::LiftBorrow | Service::Rep => (3, &[ValType::I32]),
            Service::Release => (2, &[]),
            Service::Drop => (3, &[ValType::I64]),
            Service::BeginCall => (0, &[ValType::I32]),
            Service::EndCall => (1, &[]),
        };
        (vec![ValType::I32; params], results.to_vec())
    }
}

/// Under which name the number of lends is exported.
pub(super) const LENDS_EXPORT: &str = "lends";

/// What a resource type is in an entry.
pub(super) fn tag(resource: ResourceId) -> i32 {
    resource.0 as i32 + 1
}

/// The address of a table's descriptor.
pub(super) fn descriptor(table: u32) -> u32 {
    RECORD as u32 * (1 + table)
}

/// The name under which the flag of this number is exported.
pub(super) fn flag_export(flag: u32) -> String {
    format!("leave{flag}")
}

/// The module, with this many flags, all set, and this many empty tables. `host` says which resource types are a host's: there
/// is code for each of them.
pub(super) fn module(
    flags: u32,
    tables: u32,
    host: &[ResourceId],
    meter: &mut Meter,
) -> Result<ModuleBuilder, GlueError> {
    let mut module = ModuleBuilder::default();
    if tables > 0 {
        let heap = u64::from(descriptor(tables));
        let minimum = heap.div_ceil(hatchery_image::WASM_PAGE).min(MAX_PAGES);
        let (maximum, memory64) = (Some(MAX_PAGES), false);
        module.memories.push(MemoryType { minimum, maximum, memory64, shared: false, page_size_log2: None });
        let names = ["heap", "scopes", "scopes capacity", "scope", "lends base", "lends capacity", LENDS_EXPORT];
        let value = |name| if name == "heap" { heap as i32 } else { 0 };
        module.globals.extend(names.map(|name| (name.into(), value(name))));
        for service in Service::ALL {
            let (params, results) = service.signature();
            let mut fun = Fun::new(params, results);
            body(&mut fun, service, host);
            meter.function(&fun)?;
            module.add(format!("handles: {service:?}"), fun);
        }
    }
    module.globals.extend((0..flags).map(|flag| (flag_export(flag).into(), 1)));
    Ok(module)
}

fn body(f: &mut Fun, service: Service, host: &[ResourceId]) {
    match service {
        Service::Wrong => wrong(f, host),
        Service::Grow => grow(f),
        Service::Add => add(f),
        Service::LowerBorrow => lower_borrow(f),
        Service::LiftOwn => lift_own(f),
        Service::LiftBorrow => lift_borrow(f),
        Service::Release => release(f),
        Service::Drop => drop_handle(f),
        Service::Rep => {
            let entry = lookup(f);
            load(f, entry, REP);
        }
        Service::BeginCall => begin_call(f),
        Service::EndCall => end_call(f),
    }
}

/// Pushes a field of the record that a local points to.
fn load(f: &mut Fun, record: u32, field: u64) {
    f.get(record);
    f.op(I::I32Load(MEM.at(field)));
}

/// Sets a field of the record that a local points to.
fn store(f: &mut Fun, record: u32, field: u64, value: impl FnOnce(&mut Fun)) {
    f.get(record);
    value(f);
    f.op(I::I32Store(MEM.at(field)));
}

/// Adds a constant to a field.
fn add_to(f: &mut Fun, record: u32, field: u64, by: i32) {
    store(f, record, field, |f| {
        load(f, record, field);
        f.i32(by);
        f.op(I::I32Add);
    });
}

/// A new local: the address of entry `index` of `table`.
fn entry(f: &mut Fun, table: u32, index: u32) -> u32 {
    let entry = f.local(ValType::I32);
    load(f, table, BASE);
    f.get(index);
    f.ops([I::I32Const(4), I::I32Shl, I::I32Add]);
    f.set(entry);
    entry
}

/// The entry that the parameters `(table, tag, index)` name; stops the guest when there is none.
fn lookup(f: &mut Fun) -> u32 {
    let (table, tag, index) = (0, 1, 2);
    f.get(index);
    load(f, table, LENGTH);
    f.op(I::I32GeU);
    f.trap_if_about(TrapCode::UnknownHandle, index);
    let entry = entry(f, table, index);
    load(f, entry, TAG);
    f.get(tag);
    f.op(I::I32Ne);
    f.when(|f| {
        f.get(tag);
        load(f, entry, TAG);
        f.get(index);
        f.call_local(Service::Wrong.number());
    });
    entry
}

/// Takes an entry out: its index is the next to be used.
fn free(f: &mut Fun, table: u32, index: u32, entry: u32) {
    store(f, entry, TAG, |f| f.i32(0));
    store(f, entry, REP, |f| load(f, table, FREE));
    store(f, table, FREE, |f| f.get(index));
}

fn wrong(f: &mut Fun, host: &[ResourceId]) {
    let (wanted, found, index) = (0, 1, 2);
    f.get(found);
    f.op(I::I32Eqz);
    f.trap_if_about(TrapCode::UnknownHandle, index);
    let is_host = |f: &mut Fun, tagged| {
        f.i32(0);
        for resource in host {
            f.get(tagged);
            f.i32(tag(*resource));
            f.ops([I::I32Eq, I::I32Or]);
        }
    };
    is_host(f, wanted);
    f.either(
        |f| {
            is_host(f, found);
            f.trap_if_about(TrapCode::OtherHostResource, index);
            f.get(index);
            f.raise(TrapCode::GuestNotHostResource);
        },
        |f| {
            is_host(f, found);
            f.trap_if_about(TrapCode::HostNotGuestResource, index);
            f.get(index);
            f.raise(TrapCode::OtherGuestResource);
        },
    );
}

fn grow(f: &mut Fun) {
    let (base, old, new) = (0, 1, 2);
    let (end, pages) = (f.local(ValType::I32), f.local(ValType::I32));
    // Both are at most 64 MiB here: an array is at most half of what there can be, or does not fit.
    f.get(new);
    f.i32((MAX_PAGES << 16) as i32);
    f.op(I::I32GtU);
    f.trap_if(TrapCode::HandleTableFull);
    f.ops([I::GlobalGet(HEAP), I::LocalGet(new), I::I32Add, I::LocalTee(end)]);
    f.ops([
        I::I32Const(0xffff),
        I::I32Add,
        I::I32Const(16),
        I::I32ShrU,
        I::MemorySize(0),
        I::I32Sub,
        I::LocalTee(pages),
    ]);
    f.ops([I::I32Const(0), I::I32GtS]);
    f.when(|f| {
        f.ops([I::LocalGet(pages), I::MemoryGrow(0), I::I32Const(-1), I::I32Eq]);
        f.trap_if(TrapCode::HandleTableFull);
    });
    f.ops([I::GlobalGet(HEAP), I::LocalGet(base), I::LocalGet(old), I::MemoryCopy { src_mem: 0, dst_mem: 0 }]);
    f.ops([I::GlobalGet(HEAP), I::LocalGet(end), I::GlobalSet(HEAP)]);
}

fn add(f: &mut Fun) {
    let (table, tag, rep, scope) = (0, 1, 2, 3);
    let index = f.local(ValType::I32);
    let entry_local = f.local(ValType::I32);
    load(f, table, FREE);
    f.tee(index);
    f.either(
        |f| {
            let entry = entry(f, table, index);
            f.get(entry);
            f.set(entry_local);
            f.release(entry);
            store(f, table, FREE, |f| load(f, entry_local, REP));
        },
        |f| {
            load(f, table, LENGTH);
            f.tee(index);
            load(f, table, CAPACITY);
            f.op(I::I32Eq);
            f.when(|f| grow_table(f, table, index));
            let entry = entry(f, table, index);
            f.get(entry);
            f.set(entry_local);
            f.release(entry);
            store(f, table, LENGTH, |f| {
                f.get(index);
                f.ops([I::I32Const(1), I::I32Add]);
            });
        },
    );
    store(f, entry_local, TAG, |f| f.get(tag));
    store(f, entry_local, REP, |f| f.get(rep));
    store(f, entry_local, SCOPE, |f| f.get(scope));
    store(f, entry_local, LENDS, |f| f.i32(0));
    f.get(index);
}

/// Doubles a table that is full up to `index`; makes its first array if it has none, whose entry 0 is never used.
fn grow_table(f: &mut Fun, table: u32, index: u32) {
    store(f, table, BASE, |f| {
        load(f, table, BASE);
        f.get(index);
        f.ops([I::I32Const(4), I::I32Shl, I::LocalGet(index)]);
        f.ops([I::I32Const(5), I::I32Shl, I::I32Const(FIRST << 4), I::LocalGet(index), I::Select]);
        f.call_local(Service::Grow.number());
    });
    store(f, table, CAPACITY, |f| {
        f.get(index);
        f.ops([I::I32Const(1), I::I32Shl, I::I32Const(FIRST), I::LocalGet(index), I::Select]);
    });
    f.ops([I::LocalGet(index), I::I32Eqz]);
    f.when(|f| {
        f.i32(1);
        f.set(index);
    });
}

/// Makes room for one more word on a stack whose base, capacity and top, in words, are these globals.
fn reserve(f: &mut Fun, base: u32, capacity: u32, top: u32) {
    f.ops([I::GlobalGet(top), I::GlobalGet(capacity), I::I32GeU]);
    f.when(|f| {
        f.ops([I::GlobalGet(base), I::GlobalGet(capacity), I::I32Const(2), I::I32Shl]);
        f.ops([I::GlobalGet(capacity), I::I32Const(3), I::I32Shl, I::I32Const(4 * FIRST)]);
        f.ops([I::GlobalGet(capacity), I::Select]);
        f.call_local(Service::Grow.number());
        f.op(I::GlobalSet(base));
        f.ops([I::GlobalGet(capacity), I::I32Const(1), I::I32Shl, I::I32Const(FIRST), I::GlobalGet(capacity)]);
        f.ops([I::Select, I::GlobalSet(capacity)]);
    });
}

/// Pushes the address of word `at`, a global, of the stack at `base`.
fn word(f: &mut Fun, base: u32, at: I<'static>) {
    f.ops([I::GlobalGet(base), at, I::I32Const(2), I::I32Shl, I::I32Add]);
}

fn lower_borrow(f: &mut Fun) {
    let (table, tag, rep) = (0, 1, 2);
    word(f, SCOPES, I::GlobalGet(SCOPES_TOP));
    word(f, SCOPES, I::GlobalGet(SCOPES_TOP));
    f.ops([I::I32Load(MEM.at(0)), I::I32Const(1), I::I32Add, I::I32Store(MEM.at(0))]);
    f.ops([I::LocalGet(table), I::LocalGet(tag), I::LocalGet(rep), I::GlobalGet(SCOPES_TOP)]);
    f.call_local(Service::Add.number());
}

fn lift_own(f: &mut Fun) {
    let (table, index) = (0, 2);
    let entry = lookup(f);
    load(f, entry, LENDS);
    f.trap_if(TrapCode::LentHandle);
    load(f, entry, SCOPE);
    f.trap_if_about(TrapCode::NotOwned, index);
    load(f, entry, REP);
    free(f, table, index, entry);
}

fn lift_borrow(f: &mut Fun) {
    let index = 2;
    let entry = lookup(f);
    add_to(f, entry, LENDS, 1);
    reserve(f, LENDS_BASE, LENDS_CAPACITY, LENDS_TOP);
    word(f, LENDS_BASE, I::GlobalGet(LENDS_TOP));
    f.ops([I::LocalGet(index), I::I32Store(MEM.at(0))]);
    f.ops([I::GlobalGet(LENDS_TOP), I::I32Const(1), I::I32Add, I::GlobalSet(LENDS_TOP)]);
    load(f, entry, REP);
}

fn release(f: &mut Fun) {
    let (table, top) = (0, 1);
    let index = f.local(ValType::I32);
    f.repeat(|f| {
        f.ops([I::GlobalGet(LENDS_TOP), I::LocalGet(top), I::I32LeU]);
        f.br_if(1);
        f.ops([I::GlobalGet(LENDS_TOP), I::I32Const(1), I::I32Sub, I::GlobalSet(LENDS_TOP)]);
        word(f, LENDS_BASE, I::GlobalGet(LENDS_TOP));
        f.ops([I::I32Load(MEM.at(0)), I::LocalSet(index)]);
        let entry = entry(f, table, index);
        add_to(f, entry, LENDS, -1);
        f.br(0);
    });
}

fn drop_handle(f: &mut Fun) {
    let (table, index) = (0, 2);
    let entry = lookup(f);
    let scope = f.local(ValType::I32);
    load(f, entry, LENDS);
    f.trap_if(TrapCode::LentHandle);
    load(f, entry, SCOPE);
    f.tee(scope);
    f.when(|f| {
        word(f, SCOPES, I::LocalGet(scope));
        word(f, SCOPES, I::LocalGet(scope));
        f.ops([I::I32Load(MEM.at(0)), I::I32Const(1), I::I32Sub, I::I32Store(MEM.at(0))]);
    });
    load(f, entry, REP);
    f.op(I::I64ExtendI32U);
    f.ops([I::I64Const(0), I::I64Const(1 << 32), I::LocalGet(scope), I::Select, I::I64Or]);
    free(f, table, index, entry);
}

fn begin_call(f: &mut Fun) {
    f.ops([I::GlobalGet(SCOPES_TOP), I::I32Const(1), I::I32Add, I::GlobalSet(SCOPES_TOP)]);
    reserve(f, SCOPES, SCOPES_CAPACITY, SCOPES_TOP);
    word(f, SCOPES, I::GlobalGet(SCOPES_TOP));
    f.ops([I::I32Const(0), I::I32Store(MEM.at(0)), I::GlobalGet(SCOPES_TOP)]);
}

fn end_call(f: &mut Fun) {
    let scope = 0;
    word(f, SCOPES, I::LocalGet(scope));
    f.op(I::I32Load(MEM.at(0)));
    f.trap_if(TrapCode::BorrowsRemain);
    f.ops([I::LocalGet(scope), I::I32Const(1), I::I32Sub, I::GlobalSet(SCOPES_TOP)]);
}
