//! Branches and returns, and the values that they pass.

use super::Translator;
use crate::error::CompileError;
use cranelift_codegen::ir::{Block, BlockArg, BlockCall, InstBuilder, JumpTableData, MemFlagsData, Value};
use hatchery_image::abi::{ReturnPlace, return_places};
use std::collections::HashMap;
use wasmparser::BrTable;

/// Most values that a function may pass along its edges. Two bytes of WebAssembly can pass a thousand:
/// without a limit, a small module takes all memory.
const MAX_EDGE_VALUES: usize = 2_000_000;

impl Translator<'_, '_> {
    /// Returns the topmost operands.
    pub(super) fn return_results(&mut self) {
        let types = &self.env.function_type().results;
        let values = self.stack.split_off(self.stack.len() - types.len());
        let mut registers = std::mem::take(&mut self.scratch);
        registers.clear();
        for (value, place) in values.into_iter().zip(return_places(types)) {
            match place {
                ReturnPlace::Register => registers.push(value),
                ReturnPlace::Area(offset) => {
                    let area = self.return_area.expect("functions with such results have an area");
                    self.builder.ins().store(MemFlagsData::trusted(), value, area, offset as i32);
                }
            }
        }
        self.builder.ins().return_(&registers);
        self.scratch = registers;
    }

    pub(super) fn br(&mut self, depth: u32) -> Result<(), CompileError> {
        if depth as usize + 1 == self.frames.len() {
            self.return_results();
        } else {
            let (target, arity) = self.target(depth)?;
            self.jump(target, arity)?;
        }
        self.leave();
        Ok(())
    }

    pub(super) fn br_if(&mut self, depth: u32) -> Result<(), CompileError> {
        let condition = self.pop();
        let (target, arity) = self.target(depth)?;
        let next = self.builder.create_block();
        let args = self.edge(arity)?;
        self.builder.ins().brif(condition, target, &args, next, []);
        self.edge = args;
        self.continue_in(next);
        Ok(())
    }

    pub(super) fn br_on_null(&mut self, depth: u32) -> Result<(), CompileError> {
        let reference = self.pop();
        let (target, arity) = self.target(depth)?;
        let next = self.builder.create_block();
        let args = self.edge(arity)?;
        self.builder.ins().brif(reference, next, [], target, &args);
        self.edge = args;
        self.continue_in(next);
        self.push(reference);
        Ok(())
    }

    pub(super) fn br_on_non_null(&mut self, depth: u32) -> Result<(), CompileError> {
        let reference = self.peek();
        let (target, arity) = self.target(depth)?;
        let next = self.builder.create_block();
        let args = self.edge(arity)?;
        self.builder.ins().brif(reference, target, &args, next, []);
        self.edge = args;
        self.pop();
        self.continue_in(next);
        Ok(())
    }

    /// A table has one entry for each of its labels, which may be many times the same; values are passed
    /// from one block per distinct label.
    pub(super) fn br_table(&mut self, targets: &BrTable<'_>) -> Result<(), CompileError> {
        if targets.is_empty() {
            self.pop();
            return self.br(targets.default());
        }
        let index = self.pop();
        let mut blocks = HashMap::new();
        let mut arms = Vec::new();
        let default = self.table_entry(targets.default(), &mut blocks, &mut arms)?;
        let mut entries = Vec::with_capacity(targets.len() as usize);
        for depth in targets.targets() {
            let depth = depth.map_err(|e| self.env.invalid(&e))?;
            entries.push(self.table_entry(depth, &mut blocks, &mut arms)?);
        }
        let lists = &mut self.builder.func.dfg.value_lists;
        let default = BlockCall::new(default, [], lists);
        let entries: Vec<_> = entries.into_iter().map(|block| BlockCall::new(block, [], lists)).collect();
        let table = self.builder.create_jump_table(JumpTableData::new(default, &entries));
        self.builder.ins().br_table(index, table);
        for (arm, depth) in arms {
            self.builder.seal_block(arm);
            self.builder.switch_to_block(arm);
            let (target, arity) = self.target(depth)?;
            self.jump(target, arity)?;
        }
        self.leave();
        Ok(())
    }

    /// The block that a table's entry for this label jumps to.
    fn table_entry(
        &mut self,
        depth: u32,
        blocks: &mut HashMap<u32, Block>,
        arms: &mut Vec<(Block, u32)>,
    ) -> Result<Block, CompileError> {
        if let Some(block) = blocks.get(&depth) {
            return Ok(*block);
        }
        let (target, arity) = self.target(depth)?;
        let block = if arity == 0 {
            target
        } else {
            let arm = self.builder.create_block();
            arms.push((arm, depth));
            arm
        };
        blocks.insert(depth, block);
        Ok(block)
    }

    /// Where a branch to the label at this depth goes, and how many values it passes.
    pub(super) fn target(&mut self, depth: u32) -> Result<(Block, usize), CompileError> {
        let at = self.frames.len() - 1 - depth as usize;
        let mut frame = self.frames.get_mut(at).map(std::mem::take).expect("the validator checked the label");
        let target = self.exit(&mut frame);
        let arity = frame.arity();
        if let Some(place) = self.frames.get_mut(at) {
            *place = frame;
        }
        Ok((target?, arity))
    }

    /// Jumps with the topmost operands, which stay on the stack.
    pub(super) fn jump(&mut self, target: Block, arity: usize) -> Result<(), CompileError> {
        let args = self.edge(arity)?;
        self.builder.ins().jump(target, &args);
        self.edge = args;
        Ok(())
    }

    /// The topmost operands as arguments of an edge; to be given back as `self.edge`.
    fn edge(&mut self, arity: usize) -> Result<Vec<BlockArg>, CompileError> {
        self.pass(arity)?;
        let mut args = std::mem::take(&mut self.edge);
        args.clear();
        args.extend(self.top(arity).iter().map(|value| BlockArg::Value(*value)));
        Ok(args)
    }

    pub(super) fn pass(&mut self, values: usize) -> Result<(), CompileError> {
        self.edge_values += values;
        if self.edge_values > MAX_EDGE_VALUES {
            return Err(self.env.limit("its branches pass too many values"));
        }
        Ok(())
    }

    /// The topmost operands.
    pub(super) fn top(&self, count: usize) -> &[Value] {
        self.stack.get(self.stack.len() - count..).expect("the validator checked the operands")
    }
}
