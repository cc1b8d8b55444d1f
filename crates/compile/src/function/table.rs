//! Tables: words in the state, at constant distances from `vmctx`.

use super::bounds::Address;
use super::env::Table;
use super::{Translator, trap};
use crate::signature::WORD;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types};
use hatchery_image::TrapCode;
use hatchery_image::abi::Builtin;
use wasmparser::Operator;

/// `log2` of an element's size.
const ELEMENT_BITS: i64 = 3;

impl Translator<'_, '_> {
    pub(super) fn table(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::TableGet { table } => {
                let table = self.env.table(table);
                let Address { base, offset, flags } = self.element(&table, TrapCode::TableOutOfBounds);
                let value = self.builder.ins().load(WORD, flags, base, offset);
                self.push(value);
            }
            Operator::TableSet { table } => {
                let table = self.env.table(table);
                let value = self.pop();
                let Address { base, offset, flags } = self.element(&table, TrapCode::TableOutOfBounds);
                self.builder.ins().store(flags, value, base, offset);
            }
            Operator::TableSize { table } => {
                let table = self.env.table(table);
                let length = self.table_length(&table);
                self.push_index(length, table.defined.table64);
            }
            _ => return self.whole_table(op),
        }
        true
    }

    fn whole_table(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::TableGrow { table } => {
                let table = self.env.table(table);
                let delta = self.pop_index(table.defined.table64);
                let init = self.pop();
                let id = self.number(table.id.0);
                let length = self.builtin(Builtin::TableGrow, &[id, init, delta]).expect("it has a result");
                self.push_index(length, table.defined.table64);
            }
            Operator::TableFill { table } => {
                let table = self.env.table(table);
                let length = self.pop_index(table.defined.table64);
                let value = self.pop();
                let to = self.pop_index(table.defined.table64);
                let id = self.number(table.id.0);
                self.builtin(Builtin::TableFill, &[id, to, value, length]);
            }
            Operator::TableCopy { dst_table, src_table } => {
                let (into, out_of) = (self.env.table(dst_table), self.env.table(src_table));
                let length = self.pop_index(into.defined.table64 && out_of.defined.table64);
                let from = self.pop_index(out_of.defined.table64);
                let to = self.pop_index(into.defined.table64);
                let ids = (self.number(into.id.0), self.number(out_of.id.0));
                self.builtin(Builtin::TableCopy, &[ids.0, ids.1, to, from, length]);
            }
            Operator::TableInit { elem_index, table } => {
                let table = self.env.table(table);
                let (from, length) = self.pop2();
                let to = self.pop_index(table.defined.table64);
                let segment = self.number(self.env.elem(elem_index).0);
                let id = self.number(table.id.0);
                self.builtin(Builtin::TableInit, &[segment, id, to, from, length]);
            }
            Operator::ElemDrop { elem_index } => {
                let segment = self.number(self.env.elem(elem_index).0);
                self.builtin(Builtin::ElemDrop, &[segment]);
            }
            _ => return false,
        }
        true
    }

    fn table_length(&mut self, table: &Table<'_>) -> Value {
        match table.fixed_length() {
            Some(length) => self.builder.ins().iconst(types::I64, length as i64),
            None => {
                let flags = self.state_flags();
                self.builder.ins().load(types::I64, flags, self.vmctx, table.place.length_offset as i32)
            }
        }
    }

    /// Pops an index and checks it: where the element is. An access out of bounds traps with `code`.
    pub(super) fn element(&mut self, table: &Table<'_>, code: TrapCode) -> Address {
        let narrow = self.pop();
        let index = self.extend_index(narrow, table.defined.table64);
        let out_of_bounds = match table.fixed_length() {
            // State is small, so that the length of a table fits its index type.
            Some(length) => self.builder.ins().icmp_imm_u(IntCC::UnsignedGreaterThanOrEqual, narrow, length as i64),
            None => {
                let length = self.table_length(table);
                self.builder.ins().icmp(IntCC::UnsignedGreaterThanOrEqual, index, length)
            }
        };
        let scaled = self.builder.ins().ishl_imm_u(index, ELEMENT_BITS);
        let base = self.builder.ins().iadd(self.vmctx, scaled);
        let offset = table.place.offset as i32;
        let flags = MemFlagsData::trusted().with_alias_region(Some(self.regions.table));
        if !self.env.tunables.speculation_guards {
            self.builder.ins().trapnz(out_of_bounds, trap(code));
            return Address { base, offset, flags };
        }
        let inside = self.builder.ins().iadd_imm_s(base, i64::from(offset));
        let outside = self.builder.ins().iconst(WORD, 0);
        let base = self.builder.ins().select_spectre_guard(out_of_bounds, outside, inside);
        Address { base, offset: 0, flags: flags.with_trap_code(Some(trap(code))) }
    }
}
