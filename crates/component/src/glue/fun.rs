//! One generated function: instructions, locals, and the few patterns that all of them are made of.

use crate::abi::Flat;
use hatchery_image::TrapCode;
use std::borrow::Cow;
use wasm_encoder::{BlockType, Instruction as I, MemArg, MemArgTarget, ValType};

/// A memory, as the functions of one generated module see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Mem {
    /// Its index in the module.
    pub(super) index: u32,
    /// Whether its addresses are 64 bits wide.
    pub(super) wide: bool,
}

/// An instruction, or what becomes some once the module is complete.
#[derive(Debug, Clone)]
pub(super) enum Op {
    Plain(I<'static>),
    /// A call of a function that this module defines.
    Local(u32),
    /// Stops the guest; the topmost operand is what the trap is about.
    Raise(TrapCode),
}

/// A function under construction.
#[derive(Debug)]
pub(super) struct Fun {
    pub(super) params: Vec<ValType>,
    pub(super) results: Vec<ValType>,
    pub(super) locals: Vec<ValType>,
    pub(super) ops: Vec<Op>,
    /// Locals that can be used again.
    free: Vec<u32>,
}

impl Fun {
    pub(super) fn new(params: Vec<ValType>, results: Vec<ValType>) -> Fun {
        Fun { params, results, locals: Vec::new(), ops: Vec::new(), free: Vec::new() }
    }

    /// A local of this type, with any value.
    pub(super) fn local(&mut self, ty: ValType) -> u32 {
        let params = self.params.len() as u32;
        let reusable = |local: &u32| self.locals.get((*local - params) as usize) == Some(&ty);
        if let Some(at) = self.free.iter().position(reusable) {
            return self.free.swap_remove(at);
        }
        self.locals.push(ty);
        params + self.locals.len() as u32 - 1
    }

    /// Gives a local back. Parameters stay what they are.
    pub(super) fn release(&mut self, local: u32) {
        if local >= self.params.len() as u32 && !self.free.contains(&local) {
            self.free.push(local);
        }
    }

    pub(super) fn release_all(&mut self, locals: &[u32]) {
        locals.iter().for_each(|local| self.release(*local));
    }

    pub(super) fn op(&mut self, op: I<'static>) {
        self.ops.push(Op::Plain(op));
    }

    pub(super) fn ops<const N: usize>(&mut self, ops: [I<'static>; N]) {
        self.ops.extend(ops.map(Op::Plain));
    }

    pub(super) fn get(&mut self, local: u32) {
        self.op(I::LocalGet(local));
    }

    pub(super) fn set(&mut self, local: u32) {
        self.op(I::LocalSet(local));
    }

    pub(super) fn tee(&mut self, local: u32) {
        self.op(I::LocalTee(local));
    }

    pub(super) fn i32(&mut self, value: i32) {
        self.op(I::I32Const(value));
    }

    pub(super) fn i64(&mut self, value: i64) {
        self.op(I::I64Const(value));
    }

    pub(super) fn call(&mut self, imported: u32) {
        self.op(I::Call(imported));
    }

    pub(super) fn call_local(&mut self, function: u32) {
        self.ops.push(Op::Local(function));
    }

    /// Stops the guest.
    pub(super) fn trap(&mut self, code: TrapCode) {
        self.i32(0);
        self.raise(code);
    }

    /// Stops the guest; the topmost operand is what the trap is about.
    pub(super) fn raise(&mut self, code: TrapCode) {
        self.ops.push(Op::Raise(code));
    }

    /// Stops the guest if the topmost operand is not zero.
    pub(super) fn trap_if(&mut self, code: TrapCode) {
        self.when(|f| f.trap(code));
    }

    /// As `trap_if`; the trap is about the value of a local.
    pub(super) fn trap_if_about(&mut self, code: TrapCode, about: u32) {
        self.when(|f| {
            f.get(about);
            f.raise(code);
        });
    }

    /// `if`: what `body` does happens when the topmost operand is not zero.
    pub(super) fn when(&mut self, body: impl FnOnce(&mut Fun)) {
        self.op(I::If(BlockType::Empty));
        body(self);
        self.op(I::End);
    }

    /// `if` and `else`.
    pub(super) fn either(&mut self, then: impl FnOnce(&mut Fun), otherwise: impl FnOnce(&mut Fun)) {
        self.op(I::If(BlockType::Empty));
        then(self);
        self.op(I::Else);
        otherwise(self);
        self.op(I::End);
    }

    pub(super) fn block(&mut self, body: impl FnOnce(&mut Fun)) {
        self.op(I::Block(BlockType::Empty));
        body(self);
        self.op(I::End);
    }

    pub(super) fn looping(&mut self, body: impl FnOnce(&mut Fun)) {
        self.op(I::Loop(BlockType::Empty));
        body(self);
        self.op(I::End);
    }

    /// A loop that `body` goes round again with `br 0` and leaves with `br 1`; it ends without either by leaving.
    pub(super) fn repeat(&mut self, body: impl FnOnce(&mut Fun)) {
        self.block(|f| f.looping(body));
    }

    pub(super) fn br(&mut self, depth: u32) {
        self.op(I::Br(depth));
    }

    pub(super) fn br_if(&mut self, depth: u32) {
        self.op(I::BrIf(depth));
    }

    pub(super) fn br_table(&mut self, targets: Vec<u32>, default: u32) {
        self.op(I::BrTable(Cow::Owned(targets), default));
    }

    /// `br_if` when the topmost operand is zero.
    pub(super) fn br_unless(&mut self, depth: u32) {
        self.op(I::I32Eqz);
        self.br_if(depth);
    }

    // Addresses, as wide as a memory wants them.

    pub(super) fn ptr(&mut self, wide: bool, value: i64) {
        if wide { self.i64(value) } else { self.i32(value as i32) }
    }

    pub(super) fn ptr_add(&mut self, wide: bool) {
        self.op(if wide { I::I64Add } else { I::I32Add });
    }

    pub(super) fn ptr_sub(&mut self, wide: bool) {
        self.op(if wide { I::I64Sub } else { I::I32Sub });
    }

    pub(super) fn ptr_ge(&mut self, wide: bool) {
        self.op(if wide { I::I64GeU } else { I::I32GeU });
    }

    pub(super) fn ptr_ne(&mut self, wide: bool) {
        self.op(if wide { I::I64Ne } else { I::I32Ne });
    }

    /// A local is advanced by a constant.
    pub(super) fn advance(&mut self, wide: bool, local: u32, by: i64) {
        self.get(local);
        self.ptr(wide, by);
        self.ptr_add(wide);
        self.set(local);
    }

    /// The topmost operand, an address, becomes an `i64`.
    pub(super) fn extend(&mut self, wide: bool) {
        if !wide {
            self.op(I::I64ExtendI32U);
        }
    }

    /// The topmost operand, an address below 2^32, becomes an `i32`.
    pub(super) fn wrap(&mut self, wide: bool) {
        if wide {
            self.op(I::I32WrapI64);
        }
    }

    /// Stops the guest unless an address is a multiple of `align`.
    pub(super) fn check_aligned(&mut self, wide: bool, address: u32, align: u32) {
        if align > 1 {
            self.get(address);
            self.wrap(wide);
            self.i32(align as i32 - 1);
            self.op(I::I32And);
            self.trap_if(TrapCode::UnalignedPointer);
        }
    }

    /// Stops the guest unless so many bytes, an `i64` below 2^63, from an address are inside of a memory.
    pub(super) fn check_inside(&mut self, mem: Mem, address: u32, bytes: Bytes, code: TrapCode) {
        if !mem.wide {
            self.get(address);
            self.op(I::I64ExtendI32U);
            self.bytes(bytes);
            self.op(I::I64Add);
            self.length(mem);
            self.op(I::I64GtU);
            return self.trap_if(code);
        }
        // What is left of the memory behind the bytes is where they can start.
        self.bytes(bytes);
        self.length(mem);
        self.op(I::I64GtU);
        self.get(address);
        self.length(mem);
        self.bytes(bytes);
        self.ops([I::I64Sub, I::I64GtU, I::I32Or]);
        self.trap_if(code);
    }

    /// Bytes of a memory, as an `i64`.
    fn length(&mut self, mem: Mem) {
        self.op(I::MemorySize(mem.index));
        self.extend(mem.wide);
        self.ops([I::I64Const(16), I::I64Shl]);
    }

    fn bytes(&mut self, bytes: Bytes) {
        match bytes {
            Bytes::Constant(bytes) => self.i64(bytes as i64),
            Bytes::Local(local) => self.get(local),
        }
    }
}

/// How many bytes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bytes {
    Constant(u64),
    /// The value of a local of type `i64`.
    Local(u32),
}

impl Mem {
    /// Operands of a load or store with natural alignment at most.
    pub(super) fn at(self, offset: u64) -> MemArg {
        MemArg { offset, align: 0, target: MemArgTarget::Memory(self.index), ordering: None }
    }
}

/// The core type of a flat value.
pub(super) fn val_type(flat: Flat) -> ValType {
    match flat {
        Flat::I32 => ValType::I32,
        Flat::I64 => ValType::I64,
        Flat::F32 => ValType::F32,
        Flat::F64 => ValType::F64,
    }
}

pub(super) fn val_types(flat: &[Flat]) -> Vec<ValType> {
    flat.iter().map(|flat| val_type(*flat)).collect()
}

/// The type of an address.
pub(super) fn address(wide: bool) -> ValType {
    if wide { ValType::I64 } else { ValType::I32 }
}
