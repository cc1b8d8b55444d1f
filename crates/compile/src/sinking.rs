//! Functions that the code generator's optimizer would blow up.
//!
//! The optimizer takes pure instructions out of the code and puts each back where its value is used: again for every use
//! that no earlier one dominates. A chain of them whose links are used in an arm of an `if` each is so written as often
//! as it has links, and 15 KB of WebAssembly take most of a minute. What would be blown up is compiled without optimization.
//!
//! What a use costs is estimated by the instructions that its value is made of, those left out that have a use in
//! the block where they stand, as that is where they stay. It is more than it will be where uses share something.

use cranelift_codegen::entity::SecondaryMap;
use cranelift_codegen::ir::{Block, Function, Inst, InstructionData, Value};

/// Instructions that may be added to any function, and for each that it has.
const FREE: u64 = 50_000;
const FACTOR: u64 = 4;

/// Blocks below which a function is not looked at, and instructions that it may have then for each of them to be written in
/// each block.
const FEW: u64 = 100;
const LITTLE: u64 = 1_000_000;

/// Whether optimizing would add far more instructions than there are.
pub(crate) fn explodes(func: &Function) -> bool {
    let (instructions, blocks) = (func.dfg.num_insts() as u64, func.dfg.num_blocks() as u64);
    // Each block writes what it uses once: that is not much where there are few of them, or little else.
    if blocks < FEW && blocks.saturating_mul(instructions) <= LITTLE {
        return false;
    }
    Estimate::new(func).cost() > FREE + FACTOR * instructions
}

/// What is known of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Where it stands, if it is the result of a pure instruction.
    home: Option<Block>,
    /// Whether it stays there.
    anchored: bool,
    /// Instructions that a use elsewhere writes.
    weight: u64,
}

struct Estimate<'a> {
    func: &'a Function,
    values: SecondaryMap<Value, Known>,
    /// Number of pure instructions: no use writes more.
    pure: u64,
}

impl<'a> Estimate<'a> {
    fn new(func: &'a Function) -> Estimate<'a> {
        let mut estimate = Estimate { func, values: SecondaryMap::with_capacity(func.dfg.num_values()), pure: 0 };
        func.layout.blocks().for_each(|block| estimate.anchor(block));
        estimate
    }

    /// Backwards: what an instruction that stays uses stays as well, with what that is made of in this block.
    fn anchor(&mut self, block: Block) {
        for inst in self.func.layout.block_insts(block) {
            if let Some(result) = pure_result(self.func, inst) {
                self.values[result].home = Some(block);
                self.pure += 1;
            }
        }
        for inst in self.func.layout.block_insts(block).rev() {
            let stays = pure_result(self.func, inst).is_none_or(|result| self.values[result].anchored);
            for value in self.func.dfg.inst_values(inst).filter(|_| stays) {
                let known = &mut self.values[self.func.dfg.resolve_aliases(value)];
                known.anchored |= known.home == Some(block);
            }
        }
    }

    /// Forwards, as values are made of earlier ones: what all uses outside of their values' blocks write.
    fn cost(mut self) -> u64 {
        let mut cost = 0u64;
        for block in self.func.layout.blocks() {
            for inst in self.func.layout.block_insts(block) {
                let used =
                    self.func.dfg.inst_values(inst).map(|value| self.values[self.func.dfg.resolve_aliases(value)]);
                let moved = used.filter(|known| known.home.is_some() && !known.anchored);
                let result = pure_result(self.func, inst);
                if result.is_none_or(|result| self.values[result].anchored) {
                    let away = moved.filter(|known| known.home != Some(block));
                    cost = away.fold(cost, |cost, known| cost.saturating_add(known.weight));
                } else if let Some(result) = result {
                    let weight = moved.fold(1u64, |weight, known| weight.saturating_add(known.weight));
                    self.values[result].weight = weight.min(self.pure);
                }
            }
        }
        cost
    }
}

/// The result of an instruction that the optimizer moves: one that only computes.
fn pure_result(func: &Function, inst: Inst) -> Option<Value> {
    let data = &func.dfg.insts[inst];
    let opcode = data.opcode();
    let acts = opcode.is_call()
        || opcode.is_branch()
        || opcode.is_terminator()
        || opcode.can_trap()
        || opcode.other_side_effects()
        || opcode.can_store();
    let loads = match *data {
        InstructionData::Load { flags, .. } => {
            let flags = func.dfg.mem_flags[flags];
            !(flags.readonly() && flags.notrap() && flags.can_move())
        }
        _ => opcode.can_load(),
    };
    match func.dfg.inst_results(inst) {
        [result] if !acts && !loads => Some(*result),
        _ => None,
    }
}
