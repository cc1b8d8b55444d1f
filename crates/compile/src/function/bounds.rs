//! Where a memory access goes, and how it is kept inside its memory.
//!
//! ```text
//!  vmctx ── distance ──► memory ── index ──► ── offset ──► access
//!  base      constant              operand      constant
//! ```
//!
//! The constants become the displacement of the load or store itself where they fit; the base is then
//! `vmctx + index`, which one x86-64 instruction adds on its own. A memory further away is reached from
//! `vmctx + distance`, which is the same everywhere in a function and moves out of its loops.
//!
//! Two ways keep an access inside. *Guard*: every 32-bit index plus a small offset lands in the
//! reservation or in the guard behind it, and the hardware checks. *Explicit*: code compares with the
//! memory's length. Where an index can reach what is not the memory's, an access that would be out of bounds goes to
//! address 0 instead, by a conditional move, and faults there: no misprediction makes an access outside. Where
//! every index lands in the reservation or the guard, a branch does: behind the length there are zeros that
//! the memory can still grow over, and inaccessible pages, which tell a misprediction nothing.

use super::Translator;
use super::env::Memory;
use super::trap;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use hatchery_image::{Bounds, TrapCode, Tunables};
use wasmparser::{MemArg, MemArgTarget};

/// Displacements are signed 32-bit numbers.
const MAX_DISPLACEMENT: u64 = i32::MAX as u64;

/// Operands of a load or store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address {
    /// An address.
    pub(super) base: Value,
    /// Displacement to it.
    pub(super) offset: i32,
    /// Flags that the access must have: its trap code, its region.
    pub(super) flags: MemFlagsData,
}

impl Translator<'_, '_> {
    /// Pops the index of an access to `bytes` bytes and checks it, or arranges for the hardware to.
    pub(super) fn address(&mut self, memarg: &MemArg, bytes: u32) -> Address {
        let memory = match memarg.target {
            MemArgTarget::Memory(index) => self.env.memory(index),
            MemArgTarget::Array(_) => unreachable!("the validator refuses arrays"),
        };
        let index = self.pop();
        let index = self.extend_index(index, memory.memory64);
        if hardware_checks(&memory, memarg.offset, bytes) {
            return self.displaced(&memory, index, memarg.offset);
        }
        let Some(out_of_bounds) = self.out_of_bounds(&memory, index, memarg.offset, bytes) else {
            // No length that this memory can have admits the access.
            let base = self.builder.ins().iconst(types::I64, 0);
            return Address { base, offset: 0, flags: self.heap_flags() };
        };
        if !self.env.tunables.speculation_guards || stays_inside(&memory, memarg.offset, bytes) {
            self.builder.ins().trapnz(out_of_bounds, trap(TrapCode::MemoryOutOfBounds));
            return self.displaced(&memory, index, memarg.offset);
        }
        let Address { base, offset, flags } = self.displaced(&memory, index, memarg.offset);
        let inside = self.builder.ins().iadd_imm_s(base, i64::from(offset));
        let outside = self.builder.ins().iconst(types::I64, 0);
        let base = self.builder.ins().select_spectre_guard(out_of_bounds, outside, inside);
        Address { base, offset: 0, flags }
    }

    /// An index or length as 64 bits.
    pub(super) fn extend_index(&mut self, index: Value, wide: bool) -> Value {
        if wide { index } else { self.builder.ins().uextend(types::I64, index) }
    }

    /// The memory's length in bytes.
    pub(super) fn memory_length(&mut self, memory: &Memory<'_>) -> Value {
        match memory.fixed_length() {
            Some(length) => self.builder.ins().iconst(types::I64, length as i64),
            None => {
                let flags = self.state_flags();
                self.builder.ins().load(types::I64, flags, self.vmctx, memory.place.length_offset as i32)
            }
        }
    }

    fn heap_flags(&self) -> MemFlagsData {
        MemFlagsData::new()
            .with_trap_code(Some(trap(TrapCode::MemoryOutOfBounds)))
            .with_alias_region(Some(self.regions.heap))
    }

    /// The address of `index + offset`, unchecked.
    fn displaced(&mut self, memory: &Memory<'_>, index: Value, offset: u64) -> Address {
        let distance = memory.place.offset;
        let (origin, displacement) = match distance.checked_add(offset) {
            Some(sum) if sum <= MAX_DISPLACEMENT => (self.vmctx, sum),
            _ if offset <= MAX_DISPLACEMENT => (self.origin(distance), offset),
            _ => (self.origin(distance.wrapping_add(offset)), 0),
        };
        let base = self.builder.ins().iadd(origin, index);
        Address { base, offset: displacement as i32, flags: self.heap_flags() }
    }

    /// `vmctx` plus a constant that is no displacement.
    fn origin(&mut self, distance: u64) -> Value {
        let distance = self.builder.ins().iconst(types::I64, distance as i64);
        self.builder.ins().iadd(self.vmctx, distance)
    }

    /// Whether `index..index + offset + bytes` ends behind the memory; `None` if it does for every index.
    fn out_of_bounds(&mut self, memory: &Memory<'_>, index: Value, offset: u64, bytes: u32) -> Option<Value> {
        let reach = offset.checked_add(u64::from(bytes)).filter(|reach| *reach <= memory.place.limit)?;
        if let Some(length) = memory.fixed_length() {
            return Some(self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThan, index, (length - reach) as i64));
        }
        let length = self.memory_length(memory);
        if !memory.memory64 {
            // Both are far below 2^63.
            let end = self.builder.ins().iadd_imm_s(index, reach as i64);
            return Some(self.builder.ins().icmp(IntCC::UnsignedGreaterThan, end, length));
        }
        let last = self.builder.ins().iadd_imm_s(length, (reach as i64).wrapping_neg());
        let beyond = self.builder.ins().icmp(IntCC::UnsignedGreaterThan, index, last);
        if reach <= memory.place.minimum {
            // A memory never shrinks, so that the difference is no less than 0.
            return Some(beyond);
        }
        let short = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, length, reach as i64);
        Some(self.builder.ins().bor(short, beyond))
    }
}

/// Whether every access with this offset and size that is outside the memory meets an inaccessible page.
fn hardware_checks(memory: &Memory<'_>, offset: u64, bytes: u32) -> bool {
    memory.place.bounds == Bounds::Guard && stays_inside(memory, offset, bytes)
}

/// Whether every access with this offset and size stays inside the memory's reservation and the guard behind it.
fn stays_inside(memory: &Memory<'_>, offset: u64, bytes: u32) -> bool {
    let place = memory.place;
    let Some(beyond) = (place.reserved + place.guard).checked_sub(Tunables::FOUR_GIB) else { return false };
    let reach = offset.saturating_add(u64::from(bytes));
    // The largest index is one less than the space that it addresses.
    !memory.memory64 && reach <= beyond + 1
}
