//! Blocks.
//!
//! Every open block has a [`Frame`]. The block of the code generator where it continues is made when a
//! branch first needs it; a block that nothing branches to costs nothing. Operands that are not passed
//! along an edge stay what they are.
//!
//! Code that cannot be reached is validated and otherwise skipped; its blocks have frames too, so that
//! their ends are recognized.

use super::Translator;
use super::exceptions::Scope;
use super::{operand_type, trap};
use crate::error::CompileError;
use crate::signature::clif_type;
use cranelift_codegen::ir::{Block, Inst, InstBuilder, Type, Value};
use hatchery_image::{TrapCode, ValType};
use wasmparser::{BlockType, Operator, TryTable};

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
    /// A block whose calls have handlers.
    TryTable(Scope),
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
    pub(super) fn arity(&self) -> usize {
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
            Operator::TryTable { try_table } => self.open_try_table(try_table)?,
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
    pub(super) fn continue_in(&mut self, block: Block) {
        self.builder.seal_block(block);
        self.builder.switch_to_block(block);
        self.reachable = true;
        self.begin_region();
    }

    fn open_try_table(&mut self, table: &TryTable) -> Result<(), CompileError> {
        let scope = self.enter_handlers(&table.catches)?;
        self.open(Kind::TryTable(scope), table.ty);
        Ok(())
    }

    /// The values of the block itself arrive where exceptions that leave it as values do not: behind its end.
    fn end_try_table(&mut self, frame: &mut Frame<'a>, scope: Scope) -> Result<(), CompileError> {
        let handlers = self.leave_handlers(scope);
        if handlers.is_empty() {
            return self.end_block(frame);
        }
        if self.reachable {
            let exit = self.exit(frame)?;
            self.jump(exit, frame.results.len())?;
        }
        self.reachable = false;
        self.stack.truncate(frame.height);
        handlers.into_iter().try_for_each(|handler| self.landing_pad(&handler))?;
        self.end_block(frame)
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
        self.effort.enter_loop();
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
            Kind::Loop { header } => {
                self.builder.seal_block(header);
                self.effort.leave_loop(self.builder.block_params(header).len());
            }
            Kind::Block | Kind::Else => self.end_block(&frame)?,
            Kind::TryTable(ref mut scope) => {
                let scope = std::mem::take(scope);
                self.end_try_table(&mut frame, scope)?;
            }
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

    /// Where branches to a block go: to the header of a loop, to what is behind any other.
    pub(super) fn exit(&mut self, frame: &mut Frame<'_>) -> Result<Block, CompileError> {
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
}

impl Default for Frame<'_> {
    fn default() -> Self {
        Frame { kind: Kind::Dead, params: 0, results: Results::None, height: 0, exit: None }
    }
}
