//! Scalar loads and stores, and what is done to memories as a whole.

use super::Translator;
use super::bounds::Address;
use super::env::Memory;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value, types};
use hatchery_image::abi::Builtin;
use wasmparser::{MemArg, Operator};

/// A load with extension, as the instruction builder spells it.
type Extending = fn(&mut Translator<'_, '_>, MemFlagsData, Value, i32) -> Value;
/// A store of the low bits.
type Truncating = fn(&mut Translator<'_, '_>, MemFlagsData, Value, Value, i32);

/// `log2` of a WebAssembly page.
const PAGE_BITS: i64 = hatchery_image::WASM_PAGE.trailing_zeros() as i64;

impl Translator<'_, '_> {
    pub(super) fn memory(&mut self, op: &Operator<'_>) -> bool {
        self.load(op) || self.store(op) || self.whole_memory(op)
    }

    fn load(&mut self, op: &Operator<'_>) -> bool {
        use types::{F32, F64, I32, I64};
        match op {
            Operator::I32Load { memarg } => self.plain_load(memarg, I32),
            Operator::I64Load { memarg } => self.plain_load(memarg, I64),
            Operator::F32Load { memarg } => self.plain_load(memarg, F32),
            Operator::F64Load { memarg } => self.plain_load(memarg, F64),
            Operator::I32Load8U { memarg } => {
                self.extending_load(memarg, 1, |t, f, p, o| t.builder.ins().uload8(I32, f, p, o))
            }
            Operator::I32Load8S { memarg } => {
                self.extending_load(memarg, 1, |t, f, p, o| t.builder.ins().sload8(I32, f, p, o))
            }
            Operator::I32Load16U { memarg } => {
                self.extending_load(memarg, 2, |t, f, p, o| t.builder.ins().uload16(I32, f, p, o))
            }
            Operator::I32Load16S { memarg } => {
                self.extending_load(memarg, 2, |t, f, p, o| t.builder.ins().sload16(I32, f, p, o))
            }
            Operator::I64Load8U { memarg } => {
                self.extending_load(memarg, 1, |t, f, p, o| t.builder.ins().uload8(I64, f, p, o))
            }
            Operator::I64Load8S { memarg } => {
                self.extending_load(memarg, 1, |t, f, p, o| t.builder.ins().sload8(I64, f, p, o))
            }
            Operator::I64Load16U { memarg } => {
                self.extending_load(memarg, 2, |t, f, p, o| t.builder.ins().uload16(I64, f, p, o))
            }
            Operator::I64Load16S { memarg } => {
                self.extending_load(memarg, 2, |t, f, p, o| t.builder.ins().sload16(I64, f, p, o))
            }
            Operator::I64Load32U { memarg } => {
                self.extending_load(memarg, 4, |t, f, p, o| t.builder.ins().uload32(f, p, o))
            }
            Operator::I64Load32S { memarg } => {
                self.extending_load(memarg, 4, |t, f, p, o| t.builder.ins().sload32(f, p, o))
            }
            _ => return false,
        }
        true
    }

    fn plain_load(&mut self, memarg: &MemArg, ty: Type) {
        let Address { base, offset, flags } = self.address(memarg, ty.bytes());
        let value = self.builder.ins().load(ty, flags, base, offset);
        self.push(value);
    }

    fn extending_load(&mut self, memarg: &MemArg, bytes: u32, load: Extending) {
        let Address { base, offset, flags } = self.address(memarg, bytes);
        let value = load(self, flags, base, offset);
        self.push(value);
    }

    fn store(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I32Store { memarg }
            | Operator::I64Store { memarg }
            | Operator::F32Store { memarg }
            | Operator::F64Store { memarg } => self.plain_store(memarg),
            Operator::I32Store8 { memarg } | Operator::I64Store8 { memarg } => {
                self.truncating_store(memarg, 1, |t, f, v, p, o| _ = t.builder.ins().istore8(f, v, p, o));
            }
            Operator::I32Store16 { memarg } | Operator::I64Store16 { memarg } => {
                self.truncating_store(memarg, 2, |t, f, v, p, o| _ = t.builder.ins().istore16(f, v, p, o));
            }
            Operator::I64Store32 { memarg } => {
                self.truncating_store(memarg, 4, |t, f, v, p, o| _ = t.builder.ins().istore32(f, v, p, o));
            }
            _ => return false,
        }
        true
    }

    fn plain_store(&mut self, memarg: &MemArg) {
        let value = self.pop();
        let bytes = self.type_of(value).bytes();
        let Address { base, offset, flags } = self.address(memarg, bytes);
        self.builder.ins().store(flags, value, base, offset);
    }

    fn truncating_store(&mut self, memarg: &MemArg, bytes: u32, store: Truncating) {
        let value = self.pop();
        let Address { base, offset, flags } = self.address(memarg, bytes);
        store(self, flags, value, base, offset);
    }

    fn whole_memory(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::MemorySize { mem } => {
                let memory = self.env.memory(mem);
                let length = self.memory_length(&memory);
                let pages = self.builder.ins().ushr_imm_u(length, PAGE_BITS);
                self.push_index(pages, memory.memory64);
            }
            Operator::MemoryGrow { mem } => {
                let memory = self.env.memory(mem);
                let delta = self.pop_index(memory.memory64);
                let id = self.memory_number(&memory);
                let pages = self.builtin(Builtin::MemoryGrow, &[id, delta]).expect("it has a result");
                self.push_index(pages, memory.memory64);
            }
            Operator::MemoryFill { mem } => {
                let memory = self.env.memory(mem);
                let length = self.pop_index(memory.memory64);
                let value = self.pop();
                let to = self.pop_index(memory.memory64);
                let id = self.memory_number(&memory);
                self.builtin(Builtin::MemoryFill, &[id, to, value, length]);
            }
            Operator::MemoryCopy { dst_mem, src_mem } => {
                let (into, out_of) = (self.env.memory(dst_mem), self.env.memory(src_mem));
                let length = self.pop_index(into.memory64 && out_of.memory64);
                let from = self.pop_index(out_of.memory64);
                let to = self.pop_index(into.memory64);
                let ids = (self.memory_number(&into), self.memory_number(&out_of));
                self.builtin(Builtin::MemoryCopy, &[ids.0, ids.1, to, from, length]);
            }
            Operator::MemoryInit { data_index, mem } => {
                let memory = self.env.memory(mem);
                let (from, length) = self.pop2();
                let to = self.pop_index(memory.memory64);
                let segment = self.number(self.env.data(data_index).0);
                let id = self.memory_number(&memory);
                self.builtin(Builtin::MemoryInit, &[segment, id, to, from, length]);
            }
            Operator::DataDrop { data_index } => {
                let segment = self.number(self.env.data(data_index).0);
                self.builtin(Builtin::DataDrop, &[segment]);
            }
            _ => return false,
        }
        true
    }

    fn memory_number(&mut self, memory: &Memory<'_>) -> Value {
        self.number(memory.id.0)
    }

    /// A number of the image as an argument of a built-in.
    pub(super) fn number(&mut self, number: u32) -> Value {
        self.builder.ins().iconst(types::I32, i64::from(number))
    }

    /// Pops an index or length, as 64 bits.
    pub(super) fn pop_index(&mut self, wide: bool) -> Value {
        let index = self.pop();
        self.extend_index(index, wide)
    }

    /// Pushes a 64-bit length or the like in the index type.
    pub(super) fn push_index(&mut self, value: Value, wide: bool) {
        let value = if wide { value } else { self.builder.ins().ireduce(types::I32, value) };
        self.push(value);
    }
}
