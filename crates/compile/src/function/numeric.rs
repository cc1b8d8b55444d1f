//! Scalar numeric operators: constants, integer and float arithmetic, comparisons, conversions.
//!
//! Cranelift's scalar instructions were designed around the same semantics (shift counts taken modulo
//! the width, ties-to-even rounding, `min` and `max` that propagate NaN and order zeros), so most
//! operators are one instruction. Those that can trap carry Cranelift's own trap codes for integer
//! overflow, division by zero and bad conversion; assembly maps them to ours.

use super::Translator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{F32, F64, I8, I16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

impl<'b> Translator<'_, 'b> {
    /// Translates a scalar numeric operator; false when `op` is none.
    pub(crate) fn numeric(&mut self, op: &Operator<'_>) -> bool {
        self.integer(op) || self.integer_compare(op) || self.float(op) || self.float_compare(op) || self.convert(op)
    }

    /// Integer constants and arithmetic. Both widths share an instruction: CLIF values have types.
    fn integer(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I32Const { value } => self.iconst(I32, i64::from(*value)),
            Operator::I64Const { value } => self.iconst(I64, *value),
            Operator::I32Clz | Operator::I64Clz => self.unary(|i, a| i.clz(a)),
            Operator::I32Ctz | Operator::I64Ctz => self.unary(|i, a| i.ctz(a)),
            Operator::I32Popcnt | Operator::I64Popcnt => self.unary(|i, a| i.popcnt(a)),
            Operator::I32Add | Operator::I64Add => self.binary(|i, a, b| i.iadd(a, b)),
            Operator::I32Sub | Operator::I64Sub => self.binary(|i, a, b| i.isub(a, b)),
            Operator::I32Mul | Operator::I64Mul => self.binary(|i, a, b| i.imul(a, b)),
            Operator::I32DivS | Operator::I64DivS => self.binary(|i, a, b| i.sdiv(a, b)),
            Operator::I32DivU | Operator::I64DivU => self.binary(|i, a, b| i.udiv(a, b)),
            Operator::I32RemS | Operator::I64RemS => self.binary(|i, a, b| i.srem(a, b)),
            Operator::I32RemU | Operator::I64RemU => self.binary(|i, a, b| i.urem(a, b)),
            Operator::I32And | Operator::I64And => self.binary(|i, a, b| i.band(a, b)),
            Operator::I32Or | Operator::I64Or => self.binary(|i, a, b| i.bor(a, b)),
            Operator::I32Xor | Operator::I64Xor => self.binary(|i, a, b| i.bxor(a, b)),
            Operator::I32Shl | Operator::I64Shl => self.binary(|i, a, b| i.ishl(a, b)),
            Operator::I32ShrS | Operator::I64ShrS => self.binary(|i, a, b| i.sshr(a, b)),
            Operator::I32ShrU | Operator::I64ShrU => self.binary(|i, a, b| i.ushr(a, b)),
            Operator::I32Rotl | Operator::I64Rotl => self.binary(|i, a, b| i.rotl(a, b)),
            Operator::I32Rotr | Operator::I64Rotr => self.binary(|i, a, b| i.rotr(a, b)),
            Operator::I32Extend8S => self.extend_low(I8, I32),
            Operator::I32Extend16S => self.extend_low(I16, I32),
            Operator::I64Extend8S => self.extend_low(I8, I64),
            Operator::I64Extend16S => self.extend_low(I16, I64),
            Operator::I64Extend32S => self.extend_low(I32, I64),
            _ => return false,
        }
        true
    }

    fn integer_compare(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I32Eqz | Operator::I64Eqz => {
                let value = self.pop();
                let zero = self.builder.ins().icmp_imm_s(IntCC::Equal, value, 0);
                self.push_bool(zero);
            }
            Operator::I32Eq | Operator::I64Eq => self.icmp(IntCC::Equal),
            Operator::I32Ne | Operator::I64Ne => self.icmp(IntCC::NotEqual),
            Operator::I32LtS | Operator::I64LtS => self.icmp(IntCC::SignedLessThan),
            Operator::I32LtU | Operator::I64LtU => self.icmp(IntCC::UnsignedLessThan),
            Operator::I32GtS | Operator::I64GtS => self.icmp(IntCC::SignedGreaterThan),
            Operator::I32GtU | Operator::I64GtU => self.icmp(IntCC::UnsignedGreaterThan),
            Operator::I32LeS | Operator::I64LeS => self.icmp(IntCC::SignedLessThanOrEqual),
            Operator::I32LeU | Operator::I64LeU => self.icmp(IntCC::UnsignedLessThanOrEqual),
            Operator::I32GeS | Operator::I64GeS => self.icmp(IntCC::SignedGreaterThanOrEqual),
            Operator::I32GeU | Operator::I64GeU => self.icmp(IntCC::UnsignedGreaterThanOrEqual),
            _ => return false,
        }
        true
    }

    /// Float constants and arithmetic.
    fn float(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::F32Const { value } => {
                let value = self.builder.ins().f32const(Ieee32::with_bits(value.bits()));
                self.push(value);
            }
            Operator::F64Const { value } => {
                let value = self.builder.ins().f64const(Ieee64::with_bits(value.bits()));
                self.push(value);
            }
            Operator::F32Abs | Operator::F64Abs => self.unary(|i, a| i.fabs(a)),
            Operator::F32Neg | Operator::F64Neg => self.unary(|i, a| i.fneg(a)),
            Operator::F32Ceil | Operator::F64Ceil => self.unary(|i, a| i.ceil(a)),
            Operator::F32Floor | Operator::F64Floor => self.unary(|i, a| i.floor(a)),
            Operator::F32Trunc | Operator::F64Trunc => self.unary(|i, a| i.trunc(a)),
            Operator::F32Nearest | Operator::F64Nearest => self.unary(|i, a| i.nearest(a)),
            Operator::F32Sqrt | Operator::F64Sqrt => self.unary(|i, a| i.sqrt(a)),
            Operator::F32Add | Operator::F64Add => self.binary(|i, a, b| i.fadd(a, b)),
            Operator::F32Sub | Operator::F64Sub => self.binary(|i, a, b| i.fsub(a, b)),
            Operator::F32Mul | Operator::F64Mul => self.binary(|i, a, b| i.fmul(a, b)),
            Operator::F32Div | Operator::F64Div => self.binary(|i, a, b| i.fdiv(a, b)),
            Operator::F32Min | Operator::F64Min => self.binary(|i, a, b| i.fmin(a, b)),
            Operator::F32Max | Operator::F64Max => self.binary(|i, a, b| i.fmax(a, b)),
            Operator::F32Copysign | Operator::F64Copysign => self.binary(|i, a, b| i.fcopysign(a, b)),
            _ => return false,
        }
        true
    }

    fn float_compare(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::F32Eq | Operator::F64Eq => self.fcmp(FloatCC::Equal),
            Operator::F32Ne | Operator::F64Ne => self.fcmp(FloatCC::NotEqual),
            Operator::F32Lt | Operator::F64Lt => self.fcmp(FloatCC::LessThan),
            Operator::F32Gt | Operator::F64Gt => self.fcmp(FloatCC::GreaterThan),
            Operator::F32Le | Operator::F64Le => self.fcmp(FloatCC::LessThanOrEqual),
            Operator::F32Ge | Operator::F64Ge => self.fcmp(FloatCC::GreaterThanOrEqual),
            _ => return false,
        }
        true
    }

    /// Between widths, between integers and floats, and reinterpretation.
    fn convert(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I32WrapI64 => self.unary(|i, a| i.ireduce(I32, a)),
            Operator::I64ExtendI32S => self.unary(|i, a| i.sextend(I64, a)),
            Operator::I64ExtendI32U => self.unary(|i, a| i.uextend(I64, a)),
            Operator::I32TruncF32S | Operator::I32TruncF64S => self.unary(|i, a| i.fcvt_to_sint(I32, a)),
            Operator::I32TruncF32U | Operator::I32TruncF64U => self.unary(|i, a| i.fcvt_to_uint(I32, a)),
            Operator::I64TruncF32S | Operator::I64TruncF64S => self.unary(|i, a| i.fcvt_to_sint(I64, a)),
            Operator::I64TruncF32U | Operator::I64TruncF64U => self.unary(|i, a| i.fcvt_to_uint(I64, a)),
            Operator::I32TruncSatF32S | Operator::I32TruncSatF64S => self.unary(|i, a| i.fcvt_to_sint_sat(I32, a)),
            Operator::I32TruncSatF32U | Operator::I32TruncSatF64U => self.unary(|i, a| i.fcvt_to_uint_sat(I32, a)),
            Operator::I64TruncSatF32S | Operator::I64TruncSatF64S => self.unary(|i, a| i.fcvt_to_sint_sat(I64, a)),
            Operator::I64TruncSatF32U | Operator::I64TruncSatF64U => self.unary(|i, a| i.fcvt_to_uint_sat(I64, a)),
            Operator::F32ConvertI32S | Operator::F32ConvertI64S => self.unary(|i, a| i.fcvt_from_sint(F32, a)),
            Operator::F32ConvertI32U | Operator::F32ConvertI64U => self.unary(|i, a| i.fcvt_from_uint(F32, a)),
            Operator::F64ConvertI32S | Operator::F64ConvertI64S => self.unary(|i, a| i.fcvt_from_sint(F64, a)),
            Operator::F64ConvertI32U | Operator::F64ConvertI64U => self.unary(|i, a| i.fcvt_from_uint(F64, a)),
            Operator::F32DemoteF64 => self.unary(|i, a| i.fdemote(F32, a)),
            Operator::F64PromoteF32 => self.unary(|i, a| i.fpromote(F64, a)),
            Operator::I32ReinterpretF32 => self.unary(|i, a| i.bitcast(I32, MemFlagsData::new(), a)),
            Operator::I64ReinterpretF64 => self.unary(|i, a| i.bitcast(I64, MemFlagsData::new(), a)),
            Operator::F32ReinterpretI32 => self.unary(|i, a| i.bitcast(F32, MemFlagsData::new(), a)),
            Operator::F64ReinterpretI64 => self.unary(|i, a| i.bitcast(F64, MemFlagsData::new(), a)),
            _ => return false,
        }
        true
    }

    fn iconst(&mut self, ty: Type, value: i64) {
        let value = self.builder.ins().iconst(ty, value);
        self.push(value);
    }

    /// Replaces the top of the stack.
    fn unary(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value) {
        let a = self.pop();
        let result = emit(self.builder.ins(), a);
        self.push(result);
    }

    /// Replaces the two topmost values; the lower one is the first operand.
    fn binary(&mut self, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value, Value) -> Value) {
        let (a, b) = self.pop2();
        let result = emit(self.builder.ins(), a, b);
        self.push(result);
    }

    fn icmp(&mut self, condition: IntCC) {
        let (a, b) = self.pop2();
        let result = self.builder.ins().icmp(condition, a, b);
        self.push_bool(result);
    }

    fn fcmp(&mut self, condition: FloatCC) {
        let (a, b) = self.pop2();
        let result = self.builder.ins().fcmp(condition, a, b);
        self.push_bool(result);
    }

    /// Comparisons have 8-bit results in CLIF, `i32` in WebAssembly.
    pub(super) fn push_bool(&mut self, value: Value) {
        let value = self.builder.ins().uextend(I32, value);
        self.push(value);
    }

    /// Sign-extends the low bits of the top of the stack.
    fn extend_low(&mut self, narrow: Type, wide: Type) {
        let value = self.pop();
        let low = self.builder.ins().ireduce(narrow, value);
        let value = self.builder.ins().sextend(wide, low);
        self.push(value);
    }
}
