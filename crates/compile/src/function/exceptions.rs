//! Exceptions: what throws them, and what calls do with them.
//!
//! Nothing is done where none is thrown. A call inside of a `try_table` is the last instruction of its block and has
//! a table: where it goes on when it returns, and a *landing pad* for each handler that an exception can meet
//! there. The machine finds the frame whose handler matches, and continues at its landing pad with the exception's
//! reference and the address of its values. The pad loads the values and branches to the handler's label.
//!
//! All calls in a block share the pads of its handlers. They are filled in where the block ends, as only then all
//! ways to them are known.
//!
//! Linking made every tag a number of the image, so that which handler a `throw` meets in its own function is
//! known: where that wants no reference, throwing is a branch.

use super::calls::{Called, Callee};
use super::{Translator, trap};
use crate::error::CompileError;
use crate::signature::{WORD, clif_type};
use cranelift_codegen::ir::{
    Block, BlockArg, BlockCall, ExceptionTableData, ExceptionTableItem, ExceptionTag, InstBuilder, MemFlagsData, Value,
    types,
};
use hatchery_image::abi::Builtin;
use hatchery_image::{HandlerKind, TagId, TrapCode, ValType};
use std::collections::HashSet;
use wasmparser::{Catch, Operator};

/// Most handlers of all calls of a function together. A few bytes of WebAssembly give a call thousands.
const MAX_HANDLERS: usize = 200_000;

/// Bytes of a value of an exception.
const VALUE: u32 = 16;

/// The tag of a handler that takes all. The link budget keeps others below; the code generator's names end before
/// the greatest number.
const ANY: u32 = (u32::MAX >> 1) - 1;

/// A clause of a `try_table`.
#[derive(Debug)]
pub(super) struct Handler<'a> {
    /// The tag of the exceptions that it takes; all when there is none.
    tag: Option<TagId>,
    kind: HandlerKind,
    /// Types of the values that it wants.
    values: &'a [ValType],
    /// The frame that it branches to, counted from the outermost.
    frame: usize,
    /// Where exceptions arrive, once some call has it as a handler.
    pad: Option<Block>,
}

/// The handlers of a function that are in force.
#[derive(Debug, Default)]
pub(super) struct Handlers<'a> {
    /// Those of all open blocks, outermost block first.
    open: Vec<Handler<'a>>,
    /// Those of them that an exception can meet, in the order in which it does.
    met: Vec<usize>,
    /// Handlers of all calls so far.
    total: usize,
}

/// What is put back where a `try_table` ends.
#[derive(Debug, Default)]
pub(super) struct Scope {
    /// Handlers of the blocks around it.
    open: usize,
    /// Those that were met before it began.
    met: Vec<usize>,
}

/// The code generator's name for exceptions that a handler takes.
fn exception_tag(tag: Option<TagId>, kind: HandlerKind) -> ExceptionTag {
    let tag = tag.map_or(ANY, |tag| tag.0);
    ExceptionTag::from_u32(tag << 1 | u32::from(kind == HandlerKind::Reference))
}

/// The handler that the code generator gave this name and place.
pub(crate) fn handler(tag: ExceptionTag, landing: u32) -> hatchery_image::Handler {
    let (tag, reference) = (tag.as_u32() >> 1, tag.as_u32() & 1 == 1);
    let kind = if reference { HandlerKind::Reference } else { HandlerKind::Values };
    hatchery_image::Handler { tag: (tag != ANY).then_some(TagId(tag)), landing, kind }
}

impl<'a> Translator<'a, '_> {
    pub(super) fn exception(&mut self, op: &Operator<'_>) -> Result<bool, CompileError> {
        match *op {
            Operator::Throw { tag_index } => self.throw(tag_index)?,
            Operator::ThrowRef => self.throw_ref()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Puts the clauses of a `try_table` in force; its frame is not open yet.
    pub(super) fn enter_handlers(&mut self, catches: &[Catch]) -> Result<Scope, CompileError> {
        let open = self.handlers.open.len();
        for catch in catches {
            let handler = self.handler(catch);
            self.handlers.open.push(handler);
        }
        let met = self.met(open);
        self.spend_handlers(met.len())?;
        Ok(Scope { open, met: std::mem::replace(&mut self.handlers.met, met) })
    }

    /// Puts out of force what `enter_handlers` put in force, and gives those that some call has.
    pub(super) fn leave_handlers(&mut self, scope: Scope) -> Vec<Handler<'a>> {
        self.handlers.met = scope.met;
        let mut handlers = self.handlers.open.split_off(scope.open);
        handlers.retain(|handler| handler.pad.is_some());
        handlers
    }

    fn handler(&self, catch: &Catch) -> Handler<'a> {
        let (tag, label, kind) = match *catch {
            Catch::One { tag, label } => (Some(tag), label, HandlerKind::Values),
            Catch::OneRef { tag, label } => (Some(tag), label, HandlerKind::Reference),
            Catch::All { label } => (None, label, HandlerKind::Values),
            Catch::AllRef { label } => (None, label, HandlerKind::Reference),
        };
        let tag = tag.map(|tag| self.env.tag(tag));
        let values = tag.map_or(&[][..], |(_, values)| values);
        let frame = self.frames.len() - 1 - label as usize;
        Handler { tag: tag.map(|(tag, _)| tag), kind, values, frame, pad: None }
    }

    /// The handlers that an exception can meet, from the `first` of the innermost block on: of several with a tag, one.
    fn met(&self, first: usize) -> Vec<usize> {
        let own = (first..self.handlers.open.len()).chain(self.handlers.met.iter().copied());
        let (mut seen, mut met) = (HashSet::new(), Vec::new());
        for at in own {
            let tag = self.handlers.open.get(at).and_then(|handler| handler.tag);
            if seen.insert(tag) {
                met.push(at);
            }
            if tag.is_none() {
                break;
            }
        }
        met
    }

    fn spend_handlers(&mut self, count: usize) -> Result<(), CompileError> {
        self.handlers.total += count;
        self.effort.edges(count);
        if self.handlers.total > MAX_HANDLERS {
            return Err(self.env.limit("its calls have too many exception handlers"));
        }
        Ok(())
    }

    /// A call whose exceptions meet the handlers in force.
    pub(super) fn emit_call(&mut self, callee: Callee, args: &[Value]) -> Result<Called, CompileError> {
        let met = std::mem::take(&mut self.handlers.met);
        let called = if met.is_empty() {
            Ok(self.emit_plain_call(callee, args))
        } else {
            self.emit_try_call(callee, args, &met).map(Called::Block)
        };
        self.handlers.met = met;
        called
    }

    /// A call whose exceptions meet these handlers; continues in the block behind it.
    fn emit_try_call(&mut self, callee: Callee, args: &[Value], met: &[usize]) -> Result<Block, CompileError> {
        self.spend_handlers(met.len())?;
        let next = self.builder.create_block();
        let items: Vec<_> = met.iter().map(|at| self.table_item(*at)).collect();
        let dfg = &mut self.builder.func.dfg;
        let signature = match callee {
            Callee::Direct(callee) => dfg.ext_funcs[callee].signature,
            Callee::Indirect(signature, _) => signature,
        };
        let results: Vec<_> = dfg.signatures[signature].returns.iter().map(|result| result.value_type).collect();
        let returned = (0..results.len() as u32).map(BlockArg::TryCallRet);
        let normal = BlockCall::new(next, returned, &mut dfg.value_lists);
        let table = dfg.exception_tables.push(ExceptionTableData::new(signature, normal, items));
        for ty in results {
            self.builder.append_block_param(next, ty);
        }
        match callee {
            Callee::Direct(callee) => self.builder.ins().try_call(callee, args, table),
            Callee::Indirect(_, code) => self.builder.ins().try_call_indirect(code, args, table),
        };
        self.continue_in(next);
        Ok(next)
    }

    /// The way to a handler's landing pad, which is made when it is first needed.
    fn table_item(&mut self, at: usize) -> ExceptionTableItem {
        let handler = self.handlers.open.get_mut(at).expect("a handler that is met is open");
        let builder = &mut self.builder;
        let pad = *handler.pad.get_or_insert_with(|| {
            let pad = builder.create_block();
            builder.set_cold_block(pad);
            builder.append_block_param(pad, WORD);
            builder.append_block_param(pad, WORD);
            pad
        });
        let arrives = [BlockArg::TryCallExn(0), BlockArg::TryCallExn(1)];
        let to = BlockCall::new(pad, arrives, &mut builder.func.dfg.value_lists);
        ExceptionTableItem::Tag(exception_tag(handler.tag, handler.kind), to)
    }

    /// Fills in a landing pad, all ways to which are known.
    pub(super) fn landing_pad(&mut self, handler: &Handler<'a>) -> Result<(), CompileError> {
        let pad = handler.pad.expect("only pads that some call leads to are filled in");
        self.builder.seal_block(pad);
        self.builder.switch_to_block(pad);
        let &[exception, values] = self.builder.block_params(pad) else { unreachable!("pads have two parameters") };
        let height = self.stack.len();
        for (ty, at) in handler.values.iter().zip((0..).step_by(VALUE as usize)) {
            let value = self.builder.ins().load(clif_type(*ty), MemFlagsData::trusted(), values, at);
            self.push(value);
        }
        if handler.kind == HandlerKind::Reference {
            self.push(exception);
        }
        self.jump_to_frame(handler.frame)?;
        self.stack.truncate(height);
        Ok(())
    }

    fn jump_to_frame(&mut self, frame: usize) -> Result<(), CompileError> {
        let depth = self.frames.len() - 1 - frame;
        let (target, arity) = self.target(depth as u32)?;
        self.jump(target, arity)
    }

    fn throw(&mut self, index: u32) -> Result<(), CompileError> {
        let (tag, types) = self.env.tag(index);
        self.spend_handlers(self.handlers.met.len())?;
        let met = self.met_by(tag);
        let handler = met.and_then(|at| self.handlers.open.get(at));
        if let Some(&Handler { tag, kind: HandlerKind::Values, frame, .. }) = handler {
            let unwanted = if tag.is_none() { types.len() } else { 0 };
            self.stack.truncate(self.stack.len() - unwanted);
            self.jump_to_frame(frame)?;
            self.leave();
            return Ok(());
        }
        let values = self.spill_values(types);
        let number = self.builder.ins().iconst(types::I32, i64::from(tag.0));
        let count = self.builder.ins().iconst(types::I32, types.len() as i64);
        self.throw_by(Builtin::Throw, &[number, values, count], met.as_slice())
    }

    /// The handler in force that an exception with this tag meets.
    fn met_by(&self, tag: TagId) -> Option<usize> {
        let takes = |handler: &Handler<'_>| handler.tag.is_none_or(|taken| taken == tag);
        self.handlers.met.iter().copied().find(|at| self.handlers.open.get(*at).is_some_and(takes))
    }

    fn throw_ref(&mut self) -> Result<(), CompileError> {
        let exception = self.pop();
        self.builder.ins().trapz(exception, trap(TrapCode::NullExceptionReference));
        let met = self.handlers.met.clone();
        self.throw_by(Builtin::ThrowRef, &[exception], &met)
    }

    /// Stores the topmost operands, which have these types, as an exception's values: their address.
    fn spill_values(&mut self, types: &[ValType]) -> Value {
        if types.is_empty() {
            return self.builder.ins().iconst(WORD, 0);
        }
        let values = self.stack.split_off(self.stack.len() - types.len());
        let area = self.callee_area(types.len() as u32 * VALUE);
        for (value, at) in values.into_iter().zip((0..).step_by(VALUE as usize)) {
            self.builder.ins().store(MemFlagsData::trusted(), value, area, at);
        }
        area
    }

    /// Calls a built-in that does not return but to these handlers, or further out.
    fn throw_by(&mut self, builtin: Builtin, args: &[Value], met: &[usize]) -> Result<(), CompileError> {
        let callee = self.builtin_thunk(builtin);
        if met.is_empty() {
            self.builtin(builtin, args);
        } else {
            let args = [&[self.vmctx][..], args].concat();
            self.emit_try_call(Callee::Direct(callee), &args, met)?;
        }
        self.builder.ins().trap(trap(TrapCode::Unreachable));
        self.leave();
        Ok(())
    }
}
