//! References: words that are 0 when null.

use super::{Translator, trap};
use crate::link::Symbol;
use crate::signature::WORD;
use crate::symbol::{self, Reference};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, Value, types};
use hatchery_image::{TrapCode, TypeId};
use wasmparser::Operator;

impl Translator<'_, '_> {
    pub(super) fn reference(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::RefNull { .. } => {
                let null = self.builder.ins().iconst(WORD, 0);
                self.push(null);
            }
            Operator::RefIsNull => {
                let reference = self.pop();
                let null = self.builder.ins().icmp_imm_u(IntCC::Equal, reference, 0);
                let null = self.builder.ins().uextend(types::I32, null);
                self.push(null);
            }
            Operator::RefAsNonNull => {
                let reference = self.peek();
                self.builder.ins().trapz(reference, trap(TrapCode::NullReference));
            }
            Operator::RefFunc { function_index } => {
                let (symbol, ty) = self.env.func(function_index);
                let reference = self.funcref(symbol, ty);
                self.push(reference);
            }
            _ => return false,
        }
        true
    }

    /// The packed reference to a function, a constant of the code.
    pub(super) fn funcref(&mut self, symbol: Symbol, ty: TypeId) -> Value {
        let name = match self.funcrefs.get(&symbol) {
            Some(name) => *name,
            None => {
                let signature = self.env.guest_signature(self.env.func_type(ty));
                let name = symbol::import(self.builder.func, symbol, signature, Reference::FuncRef);
                self.funcrefs.insert(symbol, name);
                name
            }
        };
        self.builder.ins().func_addr(WORD, name)
    }
}
