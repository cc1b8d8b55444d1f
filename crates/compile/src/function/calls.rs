//! Calls: direct, through tables and references, in tail position or not.
//!
//! Linking made every function of the set, imports included, a function whose code is known: a direct
//! call is relative, whichever module its callee belongs to. A function reference is its type's number
//! and its code's offset; see [`hatchery_image::abi::PackedFuncRef`].

use super::{Translator, trap};
use crate::error::CompileError;
use crate::link::Symbol;
use crate::signature::{self, WORD, clif_type};
use crate::symbol::{self, Reference};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    Block, FuncRef, Inst, InstBuilder, MemFlagsData, SigRef, StackSlotData, StackSlotKind, Value, types,
};
use hatchery_image::abi::{Builtin, ReturnPlace, header, return_area_bytes, return_places};
use hatchery_image::{HeapType, TrapCode, TypeId};
use wasmparser::Operator;

/// `log2` of the alignment of return areas.
const AREA_ALIGN: u8 = 4;

/// What is called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Callee {
    Direct(FuncRef),
    /// The address of code with this signature.
    Indirect(SigRef, Value),
}

/// Where the results of a call are that go in registers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Called {
    /// They are the call's.
    Inst(Inst),
    /// They are parameters of the block behind it.
    Block(Block),
}

/// Whether the caller's frame is still needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    Inner,
    Tail,
}

impl Translator<'_, '_> {
    pub(super) fn call(&mut self, op: &Operator<'_>) -> Result<bool, CompileError> {
        match *op {
            Operator::Call { function_index } => self.call_function(function_index, Position::Inner)?,
            Operator::ReturnCall { function_index } => self.call_function(function_index, Position::Tail)?,
            Operator::CallIndirect { type_index, table_index } => {
                self.call_element(type_index, table_index, Position::Inner)?;
            }
            Operator::ReturnCallIndirect { type_index, table_index } => {
                self.call_element(type_index, table_index, Position::Tail)?;
            }
            Operator::CallRef { type_index } => self.call_reference(type_index, Position::Inner)?,
            Operator::ReturnCallRef { type_index } => self.call_reference(type_index, Position::Tail)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn call_function(&mut self, index: u32, position: Position) -> Result<(), CompileError> {
        let (symbol, ty) = self.env.func(index);
        let callee = match self.callees.get(&symbol) {
            Some(callee) => *callee,
            None => {
                let signature = self.env.guest_signature(self.env.func_type(ty));
                let callee = symbol::import(self.builder.func, symbol, signature, Reference::Code);
                self.callees.insert(symbol, callee);
                callee
            }
        };
        // Functions of the host, and those that only trap, throw nothing.
        let throws = matches!(symbol, Symbol::Function(_));
        self.call_with(Callee::Direct(callee), ty, position, throws)
    }

    fn call_element(&mut self, type_index: u32, table_index: u32, position: Position) -> Result<(), CompileError> {
        let ty = self.env.type_at(type_index);
        let table = self.env.table(table_index);
        let address = self.element(&table, TrapCode::UndefinedElement);
        let word = self.builder.ins().load(WORD, address.flags, address.base, address.offset);
        let element = table.defined.element;
        if element.heap == HeapType::Concrete(ty) {
            if element.nullable {
                self.builder.ins().trapz(word, trap(TrapCode::UninitializedElement));
            }
        } else {
            self.check_type(word, ty);
        }
        self.call_word(word, ty, position)
    }

    /// Traps unless a function reference from a table is one to a function of this type. Null is of no
    /// type, so that one comparison sees both; which it was is found out aside.
    fn check_type(&mut self, word: Value, ty: TypeId) {
        let number = self.builder.ins().ireduce(types::I32, word);
        let same = self.builder.ins().icmp_imm_u(IntCC::Equal, number, i64::from(ty.get()));
        let call = self.builder.create_block();
        let mismatch = self.builder.create_block();
        self.builder.set_cold_block(mismatch);
        self.builder.ins().brif(same, call, [], mismatch, []);
        self.builder.seal_block(mismatch);
        self.builder.switch_to_block(mismatch);
        self.builder.ins().trapz(word, trap(TrapCode::UninitializedElement));
        self.builder.ins().trap(trap(TrapCode::IndirectCallTypeMismatch));
        self.builder.seal_block(call);
        self.builder.switch_to_block(call);
    }

    fn call_reference(&mut self, type_index: u32, position: Position) -> Result<(), CompileError> {
        let ty = self.env.type_at(type_index);
        let word = self.pop();
        self.builder.ins().trapz(word, trap(TrapCode::NullFunctionReference));
        self.call_word(word, ty, position)
    }

    fn call_word(&mut self, word: Value, ty: TypeId, position: Position) -> Result<(), CompileError> {
        // The base never changes, but it is cheaper to load it late than to keep it in a register.
        let flags = self.state_flags().with_readonly();
        let base = self.builder.ins().load(WORD, flags, self.vmctx, header::CODE_BASE);
        let offset = self.builder.ins().ushr_imm_u(word, 32);
        let code = self.builder.ins().iadd(base, offset);
        let signature = match self.signatures.get(&ty) {
            Some(signature) => *signature,
            None => {
                let signature = self.env.guest_signature(self.env.func_type(ty));
                let signature = self.builder.import_signature(signature);
                self.signatures.insert(ty, signature);
                signature
            }
        };
        self.call_with(Callee::Indirect(signature, code), ty, position, true)
    }

    /// Calls with the topmost operands.
    fn call_with(&mut self, callee: Callee, ty: TypeId, position: Position, throws: bool) -> Result<(), CompileError> {
        let ty = self.env.func_type(ty);
        let mut args = std::mem::take(&mut self.scratch);
        args.clear();
        args.push(self.vmctx);
        args.extend_from_slice(self.top(ty.params.len()));
        self.stack.truncate(self.stack.len() - ty.params.len());
        let area_bytes = return_area_bytes(&ty.results);
        let area = match position {
            _ if area_bytes == 0 => None,
            Position::Inner => Some(self.callee_area(area_bytes)),
            // The results of a tail call are the caller's own.
            Position::Tail => self.return_area,
        };
        args.extend(area);
        match position {
            Position::Inner => {
                let call = if throws { self.emit_call(callee, &args)? } else { self.emit_plain_call(callee, &args) };
                self.push_results(call, &ty.results, area);
            }
            Position::Tail => {
                self.emit_tail_call(callee, &args);
                self.leave();
            }
        }
        self.scratch = args;
        Ok(())
    }

    /// A call that nothing can catch an exception of.
    pub(super) fn emit_plain_call(&mut self, callee: Callee, args: &[Value]) -> Called {
        Called::Inst(match callee {
            Callee::Direct(callee) => self.builder.ins().call(callee, args),
            Callee::Indirect(signature, code) => self.builder.ins().call_indirect(signature, code, args),
        })
    }

    fn emit_tail_call(&mut self, callee: Callee, args: &[Value]) {
        match callee {
            Callee::Direct(callee) => self.builder.ins().return_call(callee, args),
            Callee::Indirect(signature, code) => self.builder.ins().return_call_indirect(signature, code, args),
        };
    }

    fn push_results(&mut self, call: Called, types: &[hatchery_image::ValType], area: Option<Value>) {
        let mut register = 0;
        for (ty, place) in types.iter().zip(return_places(types)) {
            let value = match place {
                ReturnPlace::Register => {
                    register += 1;
                    let results = match call {
                        Called::Inst(call) => self.builder.inst_results(call),
                        Called::Block(next) => self.builder.block_params(next),
                    };
                    *results.get(register - 1).expect("the signature has this result")
                }
                ReturnPlace::Area(offset) => {
                    let area = area.expect("a call with such results has an area");
                    self.builder.ins().load(clif_type(*ty), MemFlagsData::trusted(), area, offset as i32)
                }
            };
            self.push(value);
        }
    }

    /// Address of the area for a callee's results, or for values on their way to it, of at least this size.
    pub(super) fn callee_area(&mut self, bytes: u32) -> Value {
        let slot = match self.callee_area {
            Some(slot) => slot,
            None => {
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, AREA_ALIGN);
                *self.callee_area.insert(self.builder.create_sized_stack_slot(data))
            }
        };
        let data = &mut self.builder.func.sized_stack_slots[slot];
        data.size = data.size.max(bytes);
        self.builder.ins().stack_addr(WORD, slot, 0)
    }

    /// The thunk of a built-in.
    pub(super) fn builtin_thunk(&mut self, builtin: Builtin) -> FuncRef {
        let symbol = Symbol::Builtin(builtin);
        if let Some(callee) = self.callees.get(&symbol) {
            return *callee;
        }
        let callee = symbol::import(self.builder.func, symbol, signature::builtin(builtin), Reference::Code);
        self.callees.insert(symbol, callee);
        callee
    }
}
