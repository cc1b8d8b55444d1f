//! Blocks, branches and returns.
//!
//! Every open block has a [`Frame`]. The block of the code generator where it continues is made when a
//! branch first needs it; a block that nothing branches to costs nothing. Operands that are not passed
//! along an edge stay what they are.
//!
//! Code that cannot be reached is validated and otherwise skipped; its blocks have frames too, so that
//! their ends are recognized.

use super::Translator;
use super::{operand_type, trap};
use crate::error::CompileError;
use crate::signature::clif_type;
use cranelift_codegen::ir::{Block, BlockArg, Inst, InstBuilder, JumpTableData, MemFlagsData, Type, Value};
use hatchery_image::abi::{ReturnPlace, return_places};
use hatchery_image::{TrapCode, ValType};
use std::collections::HashMap;
use wasmparser::{BlockType, BrTable, Operator};

/// Most values that a function may pass along its edges. Two bytes of WebAssembly can pass a thousand:
/// without a limit, a small module takes all memory.
const MAX_EDGE_VALUES: usize = 10_000_000;

/// An open block.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    kind: Kind,
    /// Number of parameters.
    params: usize,
    results: Results<'a>,
    /// Operands below the block's parameters.
    height: usize,
    /// Where the block continues behind its end, once something branches there.
    exit: Option<Block>,
}

#[derive(Debug)]
enum Kind {
    /// The function's body.
    Function,
    Block,
    Loop {
        header: Block,
    },
    /// The first arm of an `if`.
    If {
        branch: Inst,
        /// The second arm. Where there is none and nothing is passed, also the exit.
        otherwise: Block,
        /// What the second arm starts with.
        params: Box<[Value]>,
    },
    Else,
    /// A block that cannot be reached.
    Dead,
}

/// Types of a block's results.
#[derive(Debug, Clone, Copy)]
enum Results<'a> {
    None,
    One(Type),
    Many(&'a [ValType]),
}

impl Results<'_> {
    fn len(&self) -> usize {
        match self {
            Results::None => 0,
            Results::One(_) => 1,
            Results::Many(types) => types.len(),
        }
    }
}

impl Frame<'_> {
    /// Number of values that a branch to the block passes.
    fn arity(&self) -> usize {
        if matches!(self.kind, Kind::Loop { .. }) { self.params } else { self.results.len() }
    }

    /// Whether it takes nothing and leaves nothing.
    fn is_empty(&self) -> bool {
        self.params == 0 && self.results.len() == 0
    }
}

impl<'a> Translator<'a, '_> {
    /// Opens the function's own block; the locals are declared.
    pub(super) fn enter_function(&mut self) {
        let results = Results::Many(&self.env.function_type().results);
        self.frames.push(Frame { kind: Kind::Function, params: 0, results, height: 0, exit: None });
        self.check_interrupt();
        self.begin_region();
    }

    pub(super) fn control(&mut self, op: &Operator<'_>) -> Result<bool, CompileError> {
        match op {
            Operator::Block { blockty } => self.open(Kind::Block, *blockty),
            Operator::Loop { blockty } => self.open_loop(*blockty)?,
            Operator::If { blockty } => self.open_if(*blockty),
            Operator::Else => self.otherwise()?,
            Operator::End => self.end()?,
            Operator::Br { relative_depth } => self.br(*relative_depth)?,
            Operator::BrIf { relative_depth } => self.br_if(*relative_depth)?,
            Operator::BrTable { targets } => self.br_table(targets)?,
            Operator::BrOnNull { relative_depth } => self.br_on_null(*relative_depth)?,
            Operator::BrOnNonNull { relative_depth } => self.br_on_non_null(*relative_depth)?,
            Operator::Return => {
                self.return_results();
                self.leave();
            }
            Operator::Unreachable => {
                self.builder.ins().trap(trap(TrapCode::Unreachable));
                self.leave();
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An instruction that cannot be reached: only its blocks matter.
    pub(super) fn unreachable_operator(&mut self, op: &Operator<'_>) -> Result<(), CompileError> {
        match op {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                let height = self.stack.len();
                self.frames.push(Frame { kind: Kind::Dead, params: 0, results: Results::None, height, exit: None });
                Ok(())
            }
            Operator::Else => self.otherwise(),
            Operator::End => self.end(),
            _ => Ok(()),
        }
    }

    /// What follows cannot be reached.
    pub(super) fn leave(&mut self) {
        self.reachable = false;
        let height = self.frames.last().map_or(0, |frame| frame.height);
        self.stack.truncate(height);
    }

    /// Continues in `block`, all branches to which are there.
    fn continue_in(&mut self, block: Block) {
        self.builder.seal_block(block);
        self.builder.switch_to_block(block);
        self.reachable = true;
        self.begin_region();
    }

    fn open(&mut self, kind: Kind, ty: BlockType) {
        let (params, results) = self.block_type(ty);
        let height = self.stack.len() - params;
        self.frames.push(Frame { kind, params, results, height, exit: None });
    }

    fn block_type(&self, ty: BlockType) -> (usize, Results<'a>) {
        match ty {
            BlockType::Empty => (0, Results::None),
            BlockType::Type(ty) => (0, Results::One(operand_type(ty))),
            BlockType::FuncType(index) => {
                let ty = self.env.func_type(self.env.type_at(index));
                (ty.params.len(), Results::Many(&ty.results))
            }
        }
    }

    fn open_loop(&mut self, ty: BlockType) -> Result<(), CompileError> {
        let header = self.builder.create_block();
        self.open(Kind::Loop { header }, ty);
        let params = self.frames.last().map_or(0, |frame| frame.params);
        let first = self.stack.len() - params;
        for at in first..self.stack.len() {
            let ty = self.stack.get(at).map(|value| self.type_of(*value)).expect("a parameter of the loop");
            self.builder.append_block_param(header, ty);
        }
        self.jump(header, params)?;
        self.builder.switch_to_block(header);
        self.stack.truncate(first);
        self.stack.extend_from_slice(self.builder.block_params(header));
        self.check_interrupt();
        self.begin_region();
        Ok(())
    }

    fn open_if(&mut self, ty: BlockType) {
        let condition = self.pop();
        let (params, _) = self.block_type(ty);
        let params = self.top(params).into();
        let then = self.builder.create_block();
        let otherwise = self.builder.create_block();
        let branch = self.builder.ins().brif(condition, then, [], otherwise, []);
        self.open(Kind::If { branch, otherwise, params }, ty);
        self.continue_in(then);
    }

    fn otherwise(&mut self) -> Result<(), CompileError> {
        let mut frame = self.frames.pop().expect("the validator checked the nesting");
        let Kind::If { branch, mut otherwise, params } = std::mem::replace(&mut frame.kind, Kind::Else) else {
            // The arm of a dead `if`.
            frame.kind = Kind::Dead;
            self.frames.push(frame);
            return Ok(());
        };
        if frame.exit == Some(otherwise) {
            // Branches took the second arm for the exit; now there is a second arm.
            let arm = self.builder.create_block();
            self.builder.change_jump_destination(branch, otherwise, arm);
            otherwise = arm;
        }
        if self.reachable {
            let exit = self.exit(&mut frame)?;
            self.jump(exit, frame.results.len())?;
        }
        self.stack.truncate(frame.height);
        self.stack.extend_from_slice(&params);
        self.frames.push(frame);
        self.continue_in(otherwise);
        Ok(())
    }

    fn end(&mut self) -> Result<(), CompileError> {
        let mut frame = self.frames.pop().expect("the validator checked the nesting");
        match frame.kind {
            Kind::Dead => {}
            Kind::Function => self.end_function(&frame),
            Kind::Loop { header } => self.builder.seal_block(header),
            Kind::Block | Kind::Else => self.end_block(&frame)?,
            Kind::If { otherwise, ref params, .. } if params.is_empty() && frame.results.len() == 0 => {
                frame.exit = Some(otherwise);
                self.end_block(&frame)?;
            }
            Kind::If { otherwise, ref params, .. } => {
                let params = params.clone();
                if self.reachable {
                    let exit = self.exit(&mut frame)?;
                    self.jump(exit, frame.results.len())?;
                }
                self.stack.truncate(frame.height);
                self.stack.extend_from_slice(&params);
                self.continue_in(otherwise);
                self.end_block(&frame)?;
            }
        }
        Ok(())
    }

    /// Goes on behind a block: where its branches meet, if there are any.
    fn end_block(&mut self, frame: &Frame<'_>) -> Result<(), CompileError> {
        let Some(exit) = frame.exit else { return Ok(()) };
        if self.reachable {
            self.jump(exit, frame.results.len())?;
        }
        self.stack.truncate(frame.height);
        self.continue_in(exit);
        self.stack.extend_from_slice(self.builder.block_params(exit));
        Ok(())
    }

    fn end_function(&mut self, frame: &Frame<'_>) {
        if self.reachable {
            self.return_results();
        }
        if let Some(exit) = frame.exit {
            self.stack.clear();
            self.continue_in(exit);
            self.stack.extend_from_slice(self.builder.block_params(exit));
            self.return_results();
        }
        self.end_region();
        self.reachable = false;
    }

    /// Returns the topmost operands.
    fn return_results(&mut self) {
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

    fn br(&mut self, depth: u32) -> Result<(), CompileError> {
        if depth as usize + 1 == self.frames.len() {
            self.return_results();
        } else {
            let (target, arity) = self.target(depth)?;
            self.jump(target, arity)?;
        }
        self.leave();
        Ok(())
    }

    fn br_if(&mut self, depth: u32) -> Result<(), CompileError> {
        let condition = self.pop();
        let (target, arity) = self.target(depth)?;
        let next = self.builder.create_block();
        let args = self.edge(arity)?;
        self.builder.ins().brif(condition, target, &args, next, []);
        self.edge = args;
        self.continue_in(next);
        Ok(())
    }

    fn br_on_null(&mut self, depth: u32) -> Result<(), CompileError> {
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

    fn br_on_non_null(&mut self, depth: u32) -> Result<(), CompileError> {
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
    fn br_table(&mut self, targets: &BrTable<'_>) -> Result<(), CompileError> {
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
        let default = cranelift_codegen::ir::BlockCall::new(default, [], lists);
        let entries: Vec<_> =
            entries.into_iter().map(|block| cranelift_codegen::ir::BlockCall::new(block, [], lists)).collect();
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
    fn target(&mut self, depth: u32) -> Result<(Block, usize), CompileError> {
        let at = self.frames.len() - 1 - depth as usize;
        let mut frame = self.frames.get_mut(at).map(std::mem::take).expect("the validator checked the label");
        let target = self.exit(&mut frame);
        let arity = frame.arity();
        if let Some(place) = self.frames.get_mut(at) {
            *place = frame;
        }
        Ok((target?, arity))
    }

    /// Where branches to a block go: to the header of a loop, to what is behind any other.
    fn exit(&mut self, frame: &mut Frame<'_>) -> Result<Block, CompileError> {
        if let Kind::Loop { header } = frame.kind {
            return Ok(header);
        }
        if let Some(exit) = frame.exit {
            return Ok(exit);
        }
        let exit = match frame.kind {
            Kind::If { otherwise, .. } if frame.is_empty() => otherwise,
            _ => self.builder.create_block(),
        };
        frame.exit = Some(exit);
        self.pass(frame.results.len())?;
        match frame.results {
            Results::None => {}
            Results::One(ty) => {
                self.builder.append_block_param(exit, ty);
            }
            Results::Many(types) => {
                for ty in types {
                    self.builder.append_block_param(exit, clif_type(*ty));
                }
            }
        }
        Ok(exit)
    }

    /// Jumps with the topmost operands, which stay on the stack.
    fn jump(&mut self, target: Block, arity: usize) -> Result<(), CompileError> {
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

    fn pass(&mut self, values: usize) -> Result<(), CompileError> {
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

impl Default for Frame<'_> {
    fn default() -> Self {
        Frame { kind: Kind::Dead, params: 0, results: Results::None, height: 0, exit: None }
    }
}
