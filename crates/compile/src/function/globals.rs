//! Globals: constants where they cannot change, words at constant distances from `vmctx` otherwise.

use super::Translator;
use super::env::target_symbol;
use crate::link::ConstValue;
use crate::signature::clif_type;
use cranelift_codegen::ir::{InstBuilder, Type, Value, types};
use wasmparser::Operator;

impl Translator<'_, '_> {
    pub(super) fn global(&mut self, op: &Operator<'_>) -> bool {
        match *op {
            Operator::GlobalGet { global_index } => {
                let (global, initial) = self.env.global(global_index);
                let ty = clif_type(global.ty);
                let value = if global.mutable {
                    let flags = self.state_flags();
                    self.builder.ins().load(ty, flags, self.vmctx, global.offset as i32)
                } else {
                    self.constant(ty, initial)
                };
                self.push(value);
            }
            Operator::GlobalSet { global_index } => {
                let (global, _) = self.env.global(global_index);
                let value = self.pop();
                let flags = self.state_flags();
                self.builder.ins().store(flags, value, self.vmctx, global.offset as i32);
            }
            _ => return false,
        }
        true
    }

    fn constant(&mut self, ty: Type, value: ConstValue) -> Value {
        match value {
            ConstValue::Null => self.builder.ins().iconst(ty, 0),
            ConstValue::Func(target, signature) => self.funcref(target_symbol(target), signature),
            ConstValue::Bits(bits) => match ty {
                types::I32 => self.builder.ins().iconst(ty, i64::from(bits as u32)),
                types::F32 => self.builder.ins().f32const(f32::from_bits(bits as u32)),
                types::F64 => self.builder.ins().f64const(f64::from_bits(bits as u64)),
                types::I8X16 => self.v128_const(bits),
                ty => self.builder.ins().iconst(ty, bits as i64),
            },
        }
    }
}
