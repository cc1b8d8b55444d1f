//! SIMD on float lanes: arithmetic, and conversions between float and integer lanes.

use super::Translator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{F32X4, F64X2, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator;

impl Translator<'_, '_> {
    /// Arithmetic on float lanes.
    pub(super) fn simd_float(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::F32x4Ceil => self.vector_unary(F32X4, |i, a| i.ceil(a)),
            Operator::F32x4Floor => self.vector_unary(F32X4, |i, a| i.floor(a)),
            Operator::F32x4Trunc => self.vector_unary(F32X4, |i, a| i.trunc(a)),
            Operator::F32x4Nearest => self.vector_unary(F32X4, |i, a| i.nearest(a)),
            Operator::F32x4Abs => self.vector_unary(F32X4, |i, a| i.fabs(a)),
            Operator::F32x4Neg => self.vector_unary(F32X4, |i, a| i.fneg(a)),
            Operator::F32x4Sqrt => self.vector_unary(F32X4, |i, a| i.sqrt(a)),
            Operator::F32x4Add => self.vector_binary(F32X4, |i, a, b| i.fadd(a, b)),
            Operator::F32x4Sub => self.vector_binary(F32X4, |i, a, b| i.fsub(a, b)),
            Operator::F32x4Mul => self.vector_binary(F32X4, |i, a, b| i.fmul(a, b)),
            Operator::F32x4Div => self.vector_binary(F32X4, |i, a, b| i.fdiv(a, b)),
            Operator::F32x4Min => self.vector_binary(F32X4, |i, a, b| i.fmin(a, b)),
            Operator::F32x4Max => self.vector_binary(F32X4, |i, a, b| i.fmax(a, b)),
            Operator::F32x4PMin => self.pseudo_min(F32X4),
            Operator::F32x4PMax => self.pseudo_max(F32X4),
            Operator::F64x2Ceil => self.vector_unary(F64X2, |i, a| i.ceil(a)),
            Operator::F64x2Floor => self.vector_unary(F64X2, |i, a| i.floor(a)),
            Operator::F64x2Trunc => self.vector_unary(F64X2, |i, a| i.trunc(a)),
            Operator::F64x2Nearest => self.vector_unary(F64X2, |i, a| i.nearest(a)),
            Operator::F64x2Abs => self.vector_unary(F64X2, |i, a| i.fabs(a)),
            Operator::F64x2Neg => self.vector_unary(F64X2, |i, a| i.fneg(a)),
            Operator::F64x2Sqrt => self.vector_unary(F64X2, |i, a| i.sqrt(a)),
            Operator::F64x2Add => self.vector_binary(F64X2, |i, a, b| i.fadd(a, b)),
            Operator::F64x2Sub => self.vector_binary(F64X2, |i, a, b| i.fsub(a, b)),
            Operator::F64x2Mul => self.vector_binary(F64X2, |i, a, b| i.fmul(a, b)),
            Operator::F64x2Div => self.vector_binary(F64X2, |i, a, b| i.fdiv(a, b)),
            Operator::F64x2Min => self.vector_binary(F64X2, |i, a, b| i.fmin(a, b)),
            Operator::F64x2Max => self.vector_binary(F64X2, |i, a, b| i.fmax(a, b)),
            Operator::F64x2PMin => self.pseudo_min(F64X2),
            Operator::F64x2PMax => self.pseudo_max(F64X2),
            _ => return false,
        }
        true
    }

    /// Conversions. The operators between two wide and four narrow lanes use or fill the low half.
    pub(super) fn simd_convert(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I32x4TruncSatF32x4S => self.vector_unary(F32X4, |i, a| i.fcvt_to_sint_sat(I32X4, a)),
            Operator::I32x4TruncSatF32x4U => self.vector_unary(F32X4, |i, a| i.fcvt_to_uint_sat(I32X4, a)),
            Operator::I32x4TruncSatF64x2SZero => self.saturate_signed_low(),
            Operator::I32x4TruncSatF64x2UZero => self.saturate_unsigned_low(),
            Operator::F32x4ConvertI32x4S => self.vector_unary(I32X4, |i, a| i.fcvt_from_sint(F32X4, a)),
            Operator::F32x4ConvertI32x4U => self.vector_unary(I32X4, |i, a| i.fcvt_from_uint(F32X4, a)),
            Operator::F64x2ConvertLowI32x4S => {
                let value = self.pop_v128(I32X4);
                let low = self.builder.ins().swiden_low(value);
                let value = self.builder.ins().fcvt_from_sint(F64X2, low);
                self.push_v128(value);
            }
            Operator::F64x2ConvertLowI32x4U => {
                let value = self.pop_v128(I32X4);
                let low = self.builder.ins().uwiden_low(value);
                let value = self.builder.ins().fcvt_from_uint(F64X2, low);
                self.push_v128(value);
            }
            Operator::F32x4DemoteF64x2Zero => self.vector_unary(F64X2, |i, a| i.fvdemote(a)),
            Operator::F64x2PromoteLowF32x4 => self.vector_unary(F32X4, |i, a| i.fvpromote_low(a)),
            _ => return false,
        }
        true
    }

    /// `b < a ? b : a`, lane by lane: the second operand wins only when it is strictly less.
    fn pseudo_min(&mut self, shape: Type) {
        let (a, b) = self.pop2_v128(shape);
        let value = self.select_if_less(shape, (b, a), b, a);
        self.push_v128(value);
    }

    /// `a < b ? b : a`, lane by lane.
    fn pseudo_max(&mut self, shape: Type) {
        let (a, b) = self.pop2_v128(shape);
        let value = self.select_if_less(shape, (a, b), b, a);
        self.push_v128(value);
    }

    /// Lanes of `then` where `compared.0 < compared.1`, of `otherwise` elsewhere. The backend turns the
    /// spellings of pseudo-minimum and -maximum into `minps` and its relatives.
    pub(in crate::function) fn select_if_less(
        &mut self,
        shape: Type,
        compared: (Value, Value),
        then: Value,
        otherwise: Value,
    ) -> Value {
        let less = self.builder.ins().fcmp(FloatCC::LessThan, compared.0, compared.1);
        let mask = self.cast_v128(less, shape);
        self.builder.ins().bitselect(mask, then, otherwise)
    }

    /// A zero vector of this very type, which is what the backend matches.
    pub(in crate::function) fn zero_lanes(&mut self, shape: Type) -> Value {
        let zero = self.builder.func.dfg.constants.insert([0u8; 16].as_slice().into());
        self.builder.ins().vconst(shape, zero)
    }

    /// The backend knows the saturating conversion of two lanes only in this spelling.
    pub(in crate::function) fn saturate_signed_low(&mut self) {
        let value = self.pop_v128(F64X2);
        let wide = self.builder.ins().fcvt_to_sint_sat(I64X2, value);
        let zero = self.zero_lanes(I64X2);
        let value = self.builder.ins().snarrow(wide, zero);
        self.push_v128(value);
    }

    /// As [`Self::saturate_signed_low`].
    pub(in crate::function) fn saturate_unsigned_low(&mut self) {
        let value = self.pop_v128(F64X2);
        let wide = self.builder.ins().fcvt_to_uint_sat(I64X2, value);
        let zero = self.zero_lanes(I64X2);
        let value = self.builder.ins().uunarrow(wide, zero);
        self.push_v128(value);
    }
}
