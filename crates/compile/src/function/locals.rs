//! Locals: variables of the SSA builder. Also what only moves operands.

use super::{Translator, operand_type};
use crate::signature::clif_type;
use cranelift_codegen::ir::InstBuilder;
use cranelift_frontend::Variable;
use wasmparser::{FunctionBody, Operator};

impl Translator<'_, '_> {
    /// Parameters become the first locals.
    pub(super) fn declare_params(&mut self) {
        let ty = self.env.function_type();
        let entry = self.builder.current_block().expect("the entry block");
        let mut values = self.builder.block_params(entry).to_vec().into_iter().skip(1);
        for (ty, value) in ty.params.iter().zip(values.by_ref()) {
            let variable = self.builder.declare_var(clif_type(*ty));
            self.builder.def_var(variable, value);
            self.locals.push(variable);
        }
        self.return_area = values.next();
    }

    /// The other locals start as zero or null. So do those that cannot be null: the validator sees to it
    /// that they are not read before they are set.
    pub(super) fn declare_locals(&mut self, body: &FunctionBody<'_>) -> wasmparser::Result<()> {
        for group in body.get_locals_reader()? {
            let (count, ty) = group?;
            if count == 0 {
                continue;
            }
            let ty = operand_type(ty);
            let zero = self.zero(ty);
            for _ in 0..count {
                let variable = self.builder.declare_var(ty);
                self.builder.def_var(variable, zero);
                self.locals.push(variable);
            }
        }
        Ok(())
    }

    pub(super) fn local(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::LocalGet { local_index } => {
                let variable = self.local_variable(local_index);
                let value = self.builder.use_var(variable);
                self.push(value);
            }
            Operator::LocalSet { local_index } => {
                let value = self.pop();
                let variable = self.local_variable(local_index);
                self.builder.def_var(variable, value);
            }
            Operator::LocalTee { local_index } => {
                let value = self.peek();
                let variable = self.local_variable(local_index);
                self.builder.def_var(variable, value);
            }
            Operator::Drop => {
                self.pop();
            }
            Operator::Nop => {}
            Operator::Select | Operator::TypedSelect { .. } => {
                let (a, b, condition) = self.pop3();
                let value = self.builder.ins().select(condition, a, b);
                self.push(value);
            }
            _ => return false,
        }
        true
    }

    fn local_variable(&self, index: u32) -> Variable {
        *self.locals.get(index as usize).expect("the validator checked the local's index")
    }
}
