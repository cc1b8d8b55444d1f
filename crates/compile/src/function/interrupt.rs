//! Checks that let a host stop a guest: a page that somebody makes inaccessible, or fuel that runs out.
//!
//! The first is one instruction, see [`hatchery_image::abi`]. The second calls a thunk that preserves every register, from a
//! cold block: nothing is spilled on the way that is taken.
//!
//! Fuel is what a function's WebAssembly costs, one unit per instruction, whatever becomes of it in
//! machine code. It is charged per *region*: a stretch of instructions of which all run if the first
//! does (a trap aside). The charge stands before the region's first instruction and is filled in when
//! the region ends.

use super::{Translator, trap};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::immediates::Imm64;
use cranelift_codegen::ir::{Inst, InstBuilder, InstructionData, MemFlagsData, Opcode, Value, types};
use hatchery_image::abi::{Builtin, header, task};
use hatchery_image::{Interruption, TrapCode};
use wasmparser::Operator;

/// How much of the current region has been counted.
#[derive(Debug, Default)]
pub(super) enum Fuel {
    /// A region starts at the next instruction that costs anything.
    #[default]
    Due,
    /// `amount` is the constant to be charged, `count` what it will be.
    Open { amount: Inst, count: i64 },
}

impl Translator<'_, '_> {
    /// At the start of a function or loop: stops if the host says so.
    pub(super) fn check_interrupt(&mut self) {
        if self.env.tunables.interruption != Interruption::Poll {
            return;
        }
        // Atomic, so that it is done as often as it stands there, though nobody wants the value: one instruction
        // that needs no register for longer than itself.
        let flags = MemFlagsData::new().with_aligned().with_trap_code(Some(trap(TrapCode::Cancelled)));
        let page = self.builder.ins().iadd_imm_s(self.vmctx, i64::from(header::POLL));
        self.builder.ins().atomic_load(types::I32, flags, page);
    }

    /// From here on, other instructions run together than before.
    pub(super) fn begin_region(&mut self) {
        if self.env.tunables.interruption == Interruption::Fuel {
            self.end_region();
        }
    }

    /// Fills in what the current region costs.
    pub(super) fn end_region(&mut self) {
        if let Fuel::Open { amount, count } = std::mem::take(&mut self.fuel) {
            let imm = Imm64::new(-count);
            self.builder.func.dfg.insts[amount] = InstructionData::UnaryImm { opcode: Opcode::Iconst, imm };
        }
    }

    /// Counts an instruction.
    pub(super) fn count(&mut self, op: &Operator<'_>) {
        if self.env.tunables.interruption != Interruption::Fuel || matches!(op, Operator::End | Operator::Else) {
            return;
        }
        if let Fuel::Due = self.fuel {
            self.fuel = Fuel::Open { amount: self.charge(), count: 0 };
        }
        if let Fuel::Open { count, .. } = &mut self.fuel {
            *count += 1;
        }
    }

    /// Charges an amount that is not known yet: a constant, negative.
    fn charge(&mut self) -> Inst {
        // A function runs on one stack, whose record stays where it is.
        let flags = self.state_flags().with_readonly().with_can_move();
        let record = self.builder.ins().load(types::I64, flags, self.vmctx, header::TASK);
        let flags = self.state_flags();
        let fuel = self.builder.ins().load(types::I64, flags, record, task::FUEL);
        let amount = self.builder.ins().iconst(types::I64, 0);
        let fuel = self.builder.ins().iadd(fuel, amount);
        self.builder.ins().store(flags, fuel, record, task::FUEL);
        let empty = self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, fuel, 0);
        self.call_if(empty, Builtin::OutOfFuel);
        self.builder.func.dfg.value_def(amount).unwrap_inst()
    }

    /// Calls a thunk without arguments from a cold block.
    fn call_if(&mut self, condition: Value, builtin: Builtin) {
        let cold = self.builder.create_block();
        let next = self.builder.create_block();
        self.builder.set_cold_block(cold);
        self.builder.ins().brif(condition, cold, [], next, []);
        self.builder.seal_block(cold);
        self.builder.switch_to_block(cold);
        self.builtin(builtin, &[]);
        self.builder.ins().jump(next, []);
        self.builder.seal_block(next);
        self.builder.switch_to_block(next);
    }
}
