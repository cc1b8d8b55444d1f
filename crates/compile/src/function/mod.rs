//! One function body to the code generator's form, in one pass.
//!
//! Bodies were validated when their module was decoded; debug builds do it again on the way.
//!
//! The translator keeps the operand stack of WebAssembly as a stack of SSA values; locals are
//! variables of the SSA builder. Each group of instructions has a file:
//!
//! * `control`, `branch`: blocks, what is unreachable; branches, returns
//! * `locals`: locals, and what only moves operands
//! * `calls`, `references`: functions and references to them
//! * `exceptions`: throwing, and what calls do with exceptions
//! * `memory`, `bounds`, `table`, `globals`: the state, at constant distances from `vmctx`
//! * `interrupt`: checks for a stop, fuel
//! * `numeric`, `simd`, `simd_memory`, `relaxed`: what computes

mod bounds;
mod branch;
mod calls;
mod control;
mod effort;
mod env;
pub(crate) mod exceptions;
mod globals;
mod interrupt;
mod locals;
mod memory;
mod numeric;
mod references;
mod relaxed;
mod simd;
mod simd_memory;
mod table;
#[cfg(test)]
mod tests;

use crate::error::CompileError;
use crate::link::Linked;
use crate::signature::clif_type;
use control::Frame;
use cranelift_codegen::Context;
use cranelift_codegen::ir::{self, AliasRegion, AliasRegionData, InstBuilder, MemFlagsData, SourceLoc, Value, types};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use effort::Effort;
use env::Env;
use exceptions::Handlers;
use hatchery_image::abi::Builtin;
use hatchery_image::{FunctionId, TrapCode, Tunables, TypeId, ValType};
use interrupt::Fuel;
use std::collections::HashMap;
use wasmparser::{FuncValidator, FunctionBody, Operator, OperatorsReader, ValidatorResources};

/// Translates `body`, the validated body of function `id`, into `into`.
///
/// Both contexts are clean afterwards, whatever the outcome, except for the result in `into`.
///
/// # Errors
///
/// When the body uses what is not supported or exceeds a limit of the code generator.
#[expect(clippy::too_many_arguments, reason = "what a worker thread reuses, and what it does not")]
pub(crate) fn translate(
    linked: &Linked,
    tunables: &Tunables,
    isa: &dyn TargetIsa,
    id: FunctionId,
    body: FunctionBody<'_>,
    validator: FuncValidator<ValidatorResources>,
    into: &mut Context,
    scratch: &mut FunctionBuilderContext,
) -> Result<(), CompileError> {
    let env = Env::new(linked, tunables, isa, id);
    into.func.clear();
    into.func.signature = env.guest_signature(env.function_type());
    into.func.name = env.name();
    let bytes = body.range().end.saturating_sub(body.range().start);
    let mut translator = Translator::new(FunctionBuilder::new(&mut into.func, scratch), env, bytes);
    match translator.body(body, validator) {
        Ok(()) => {
            translator.builder.finalize(isa.frontend_config());
            Ok(())
        }
        Err(error) => {
            // An abandoned builder leaves its context half full.
            *scratch = FunctionBuilderContext::new();
            into.clear();
            Err(error)
        }
    }
}

/// The disjoint parts of an instance, for the code generator's alias analysis.
#[derive(Debug, Clone, Copy)]
struct Regions {
    /// The header and the state, tables excepted.
    state: AliasRegion,
    /// Table elements.
    table: AliasRegion,
    /// All memories.
    heap: AliasRegion,
}

/// A function under translation.
pub(crate) struct Translator<'a, 'b> {
    builder: FunctionBuilder<'b>,
    env: Env<'a>,
    /// The operand stack. A `v128` is always an `i8x16` here, a reference an `i64`.
    stack: Vec<Value>,
    /// Blocks that are open, outermost first; the function's own is the first.
    frames: Vec<Frame<'a>>,
    /// Whether the next instruction can be reached. Instructions that cannot are validated only.
    reachable: bool,
    /// Variables of the locals.
    locals: Vec<Variable>,
    /// The function's first parameter.
    vmctx: Value,
    /// Where results without a register go, when the function has such.
    return_area: Option<Value>,
    /// One slot for the return areas of all callees: results are fetched right behind the call.
    callee_area: Option<ir::StackSlot>,
    regions: Regions,
    handlers: Handlers<'a>,
    fuel: Fuel,
    effort: Effort,
    /// Values passed along edges so far; see [`branch`].
    edge_values: usize,
    /// Values on their way: arguments of a call, results.
    scratch: Vec<Value>,
    /// Arguments of an edge, on their way.
    edge: Vec<ir::BlockArg>,
    callees: HashMap<crate::link::Symbol, ir::FuncRef>,
    funcrefs: HashMap<crate::link::Symbol, ir::FuncRef>,
    signatures: HashMap<TypeId, ir::SigRef>,
}

impl<'a, 'b> Translator<'a, 'b> {
    fn new(mut builder: FunctionBuilder<'b>, env: Env<'a>, bytes: u64) -> Self {
        let mut region = |user_id, name: &'static str| {
            let data = AliasRegionData { user_id, description: name.into() };
            builder.func.dfg.alias_regions.insert(data)
        };
        let regions = Regions { state: region(0, "state"), table: region(1, "table"), heap: region(2, "heap") };
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let vmctx = *builder.block_params(entry).first().expect("every signature starts with vmctx");
        let effort = Effort::new(bytes, &builder.func.dfg);
        Translator {
            builder,
            env,
            stack: Vec::with_capacity(32),
            frames: Vec::with_capacity(16),
            reachable: true,
            locals: Vec::with_capacity(16),
            vmctx,
            return_area: None,
            callee_area: None,
            regions,
            handlers: Handlers::default(),
            fuel: Fuel::default(),
            effort,
            edge_values: 0,
            scratch: Vec::with_capacity(16),
            edge: Vec::new(),
            callees: HashMap::new(),
            funcrefs: HashMap::new(),
            signatures: HashMap::new(),
        }
    }

    fn body(
        &mut self,
        body: FunctionBody<'_>,
        mut validator: FuncValidator<ValidatorResources>,
    ) -> Result<(), CompileError> {
        validator.read_locals(&mut body.get_binary_reader()).map_err(|e| self.env.invalid(&e))?;
        self.declare_params();
        self.declare_locals(&body).map_err(|e| self.env.invalid(&e))?;
        self.enter_function();
        let mut reader = body.get_operators_reader().map_err(|e| self.env.invalid(&e))?;
        self.operators(&mut reader, &mut validator)?;
        self.spend_blocks()
    }

    fn operators(
        &mut self,
        reader: &mut OperatorsReader<'_>,
        validator: &mut FuncValidator<ValidatorResources>,
    ) -> Result<(), CompileError> {
        while !reader.eof() {
            let offset = reader.original_position();
            let op = reader.read().map_err(|e| self.env.invalid(&e))?;
            if cfg!(debug_assertions) {
                validator.op(offset, &op).map_err(|e| self.env.invalid(&e))?;
            }
            self.builder.set_srcloc(SourceLoc::new(offset as u32));
            self.operator(&op)?;
            self.spend(&op)?;
        }
        reader.finish().map_err(|e| self.env.invalid(&e))
    }

    /// Translates one valid instruction.
    fn operator(&mut self, op: &Operator<'_>) -> Result<(), CompileError> {
        if !self.reachable {
            return self.unreachable_operator(op);
        }
        self.count(op);
        let done = self.local(op)
            || self.numeric(op)
            || self.memory(op)
            || self.control(op)?
            || self.global(op)
            || self.call(op)?
            || self.exception(op)?
            || self.reference(op)
            || self.table(op)
            || self.simd(op);
        if done { Ok(()) } else { Err(self.env.unsupported(op, self.builder.srcloc())) }
    }

    /// Pushes a value of canonical type; see [`Translator::stack`].
    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    /// Pushes a vector of any shape.
    fn push_v128(&mut self, value: Value) {
        let value = self.cast_v128(value, types::I8X16);
        self.stack.push(value);
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().expect("the validator checked the operands")
    }

    /// The two topmost values, the deeper one first.
    fn pop2(&mut self) -> (Value, Value) {
        let b = self.pop();
        (self.pop(), b)
    }

    /// The three topmost values, the deepest one first.
    fn pop3(&mut self) -> (Value, Value, Value) {
        let c = self.pop();
        let (a, b) = self.pop2();
        (a, b, c)
    }

    /// Pops a vector as this shape.
    fn pop_v128(&mut self, shape: ir::Type) -> Value {
        let value = self.pop();
        self.cast_v128(value, shape)
    }

    /// Pops two vectors as this shape, the deeper one first.
    fn pop2_v128(&mut self, shape: ir::Type) -> (Value, Value) {
        let b = self.pop_v128(shape);
        (self.pop_v128(shape), b)
    }

    fn peek(&self) -> Value {
        *self.stack.last().expect("the validator checked the operands")
    }

    /// The same bits in another shape; free in machine code.
    fn cast_v128(&mut self, value: Value, shape: ir::Type) -> Value {
        if self.type_of(value) == shape {
            return value;
        }
        let flags = MemFlagsData::new().with_endianness(ir::Endianness::Little);
        self.builder.ins().bitcast(shape, flags, value)
    }

    fn type_of(&self, value: Value) -> ir::Type {
        self.builder.func.dfg.value_type(value)
    }

    /// Zero or null of a canonical type.
    fn zero(&mut self, ty: ir::Type) -> Value {
        match ty {
            types::F32 => self.builder.ins().f32const(0.0),
            types::F64 => self.builder.ins().f64const(0.0),
            types::I8X16 => self.v128_const(0),
            ty => self.builder.ins().iconst(ty, 0),
        }
    }

    /// A vector constant, as an `i8x16`.
    fn v128_const(&mut self, bits: u128) -> Value {
        let constant = self.builder.func.dfg.constants.insert(bits.to_le_bytes().as_slice().into());
        self.builder.ins().vconst(types::I8X16, constant)
    }

    /// Flags of accesses to the header and the state: aligned, never faulting.
    fn state_flags(&self) -> MemFlagsData {
        MemFlagsData::trusted().with_alias_region(Some(self.regions.state))
    }

    /// Calls a built-in's thunk with `args` behind `vmctx`.
    fn builtin(&mut self, builtin: Builtin, args: &[Value]) -> Option<Value> {
        let callee = self.builtin_thunk(builtin);
        let mut all = std::mem::take(&mut self.scratch);
        all.clear();
        all.push(self.vmctx);
        all.extend_from_slice(args);
        let call = self.builder.ins().call(callee, &all);
        self.scratch = all;
        self.builder.inst_results(call).first().copied()
    }
}

/// The code generator's name for a trap.
pub(crate) const fn trap(code: TrapCode) -> ir::TrapCode {
    ir::TrapCode::unwrap_user(code as u8)
}

/// The canonical type of operands; see [`clif_type`].
fn operand_type(ty: wasmparser::ValType) -> ir::Type {
    match ty {
        wasmparser::ValType::I32 => clif_type(ValType::I32),
        wasmparser::ValType::I64 => clif_type(ValType::I64),
        wasmparser::ValType::F32 => clif_type(ValType::F32),
        wasmparser::ValType::F64 => clif_type(ValType::F64),
        wasmparser::ValType::V128 => clif_type(ValType::V128),
        wasmparser::ValType::Ref(_) => crate::signature::WORD,
    }
}
