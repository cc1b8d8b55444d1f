//! SIMD on integer lanes: arithmetic, comparison, shifts, widening and narrowing.
//!
//! The multi-instruction spellings below (widening products, pairwise sums, dot product) are those
//! that Cranelift's x86-64 backend recognizes as single instructions.

use super::Translator;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

impl<'b> Translator<'_, 'b> {
    /// Comparisons of all shapes: each lane of the result is all ones or all zeros.
    pub(super) fn simd_compare(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16Eq => self.compare_lanes(I8X16, IntCC::Equal),
            Operator::I8x16Ne => self.compare_lanes(I8X16, IntCC::NotEqual),
            Operator::I8x16LtS => self.compare_lanes(I8X16, IntCC::SignedLessThan),
            Operator::I8x16LtU => self.compare_lanes(I8X16, IntCC::UnsignedLessThan),
            Operator::I8x16GtS => self.compare_lanes(I8X16, IntCC::SignedGreaterThan),
            Operator::I8x16GtU => self.compare_lanes(I8X16, IntCC::UnsignedGreaterThan),
            Operator::I8x16LeS => self.compare_lanes(I8X16, IntCC::SignedLessThanOrEqual),
            Operator::I8x16LeU => self.compare_lanes(I8X16, IntCC::UnsignedLessThanOrEqual),
            Operator::I8x16GeS => self.compare_lanes(I8X16, IntCC::SignedGreaterThanOrEqual),
            Operator::I8x16GeU => self.compare_lanes(I8X16, IntCC::UnsignedGreaterThanOrEqual),
            Operator::I16x8Eq => self.compare_lanes(I16X8, IntCC::Equal),
            Operator::I16x8Ne => self.compare_lanes(I16X8, IntCC::NotEqual),
            Operator::I16x8LtS => self.compare_lanes(I16X8, IntCC::SignedLessThan),
            Operator::I16x8LtU => self.compare_lanes(I16X8, IntCC::UnsignedLessThan),
            Operator::I16x8GtS => self.compare_lanes(I16X8, IntCC::SignedGreaterThan),
            Operator::I16x8GtU => self.compare_lanes(I16X8, IntCC::UnsignedGreaterThan),
            Operator::I16x8LeS => self.compare_lanes(I16X8, IntCC::SignedLessThanOrEqual),
            Operator::I16x8LeU => self.compare_lanes(I16X8, IntCC::UnsignedLessThanOrEqual),
            Operator::I16x8GeS => self.compare_lanes(I16X8, IntCC::SignedGreaterThanOrEqual),
            Operator::I16x8GeU => self.compare_lanes(I16X8, IntCC::UnsignedGreaterThanOrEqual),
            Operator::I32x4Eq => self.compare_lanes(I32X4, IntCC::Equal),
            Operator::I32x4Ne => self.compare_lanes(I32X4, IntCC::NotEqual),
            Operator::I32x4LtS => self.compare_lanes(I32X4, IntCC::SignedLessThan),
            Operator::I32x4LtU => self.compare_lanes(I32X4, IntCC::UnsignedLessThan),
            Operator::I32x4GtS => self.compare_lanes(I32X4, IntCC::SignedGreaterThan),
            Operator::I32x4GtU => self.compare_lanes(I32X4, IntCC::UnsignedGreaterThan),
            Operator::I32x4LeS => self.compare_lanes(I32X4, IntCC::SignedLessThanOrEqual),
            Operator::I32x4LeU => self.compare_lanes(I32X4, IntCC::UnsignedLessThanOrEqual),
            Operator::I32x4GeS => self.compare_lanes(I32X4, IntCC::SignedGreaterThanOrEqual),
            Operator::I32x4GeU => self.compare_lanes(I32X4, IntCC::UnsignedGreaterThanOrEqual),
            Operator::I64x2Eq => self.compare_lanes(I64X2, IntCC::Equal),
            Operator::I64x2Ne => self.compare_lanes(I64X2, IntCC::NotEqual),
            Operator::I64x2LtS => self.compare_lanes(I64X2, IntCC::SignedLessThan),
            Operator::I64x2GtS => self.compare_lanes(I64X2, IntCC::SignedGreaterThan),
            Operator::I64x2LeS => self.compare_lanes(I64X2, IntCC::SignedLessThanOrEqual),
            Operator::I64x2GeS => self.compare_lanes(I64X2, IntCC::SignedGreaterThanOrEqual),
            Operator::F32x4Eq => self.compare_float_lanes(F32X4, FloatCC::Equal),
            Operator::F32x4Ne => self.compare_float_lanes(F32X4, FloatCC::NotEqual),
            Operator::F32x4Lt => self.compare_float_lanes(F32X4, FloatCC::LessThan),
            Operator::F32x4Gt => self.compare_float_lanes(F32X4, FloatCC::GreaterThan),
            Operator::F32x4Le => self.compare_float_lanes(F32X4, FloatCC::LessThanOrEqual),
            Operator::F32x4Ge => self.compare_float_lanes(F32X4, FloatCC::GreaterThanOrEqual),
            Operator::F64x2Eq => self.compare_float_lanes(F64X2, FloatCC::Equal),
            Operator::F64x2Ne => self.compare_float_lanes(F64X2, FloatCC::NotEqual),
            Operator::F64x2Lt => self.compare_float_lanes(F64X2, FloatCC::LessThan),
            Operator::F64x2Gt => self.compare_float_lanes(F64X2, FloatCC::GreaterThan),
            Operator::F64x2Le => self.compare_float_lanes(F64X2, FloatCC::LessThanOrEqual),
            Operator::F64x2Ge => self.compare_float_lanes(F64X2, FloatCC::GreaterThanOrEqual),
            _ => return false,
        }
        true
    }

    /// Arithmetic and shifts.
    pub(super) fn simd_int(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16Abs => self.vector_unary(I8X16, |i, a| i.iabs(a)),
            Operator::I8x16Neg => self.vector_unary(I8X16, |i, a| i.ineg(a)),
            Operator::I8x16Popcnt => self.vector_unary(I8X16, |i, a| i.popcnt(a)),
            Operator::I8x16Shl => self.shift_lanes(I8X16, |i, a, n| i.ishl(a, n)),
            Operator::I8x16ShrS => self.shift_lanes(I8X16, |i, a, n| i.sshr(a, n)),
            Operator::I8x16ShrU => self.shift_lanes(I8X16, |i, a, n| i.ushr(a, n)),
            Operator::I8x16Add => self.vector_binary(I8X16, |i, a, b| i.iadd(a, b)),
            Operator::I8x16Sub => self.vector_binary(I8X16, |i, a, b| i.isub(a, b)),
            Operator::I8x16AddSatS => self.vector_binary(I8X16, |i, a, b| i.sadd_sat(a, b)),
            Operator::I8x16AddSatU => self.vector_binary(I8X16, |i, a, b| i.uadd_sat(a, b)),
            Operator::I8x16SubSatS => self.vector_binary(I8X16, |i, a, b| i.ssub_sat(a, b)),
            Operator::I8x16SubSatU => self.vector_binary(I8X16, |i, a, b| i.usub_sat(a, b)),
            Operator::I8x16MinS => self.vector_binary(I8X16, |i, a, b| i.smin(a, b)),
            Operator::I8x16MinU => self.vector_binary(I8X16, |i, a, b| i.umin(a, b)),
            Operator::I8x16MaxS => self.vector_binary(I8X16, |i, a, b| i.smax(a, b)),
            Operator::I8x16MaxU => self.vector_binary(I8X16, |i, a, b| i.umax(a, b)),
            Operator::I8x16AvgrU => self.vector_binary(I8X16, |i, a, b| i.avg_round(a, b)),
            Operator::I16x8Abs => self.vector_unary(I16X8, |i, a| i.iabs(a)),
            Operator::I16x8Neg => self.vector_unary(I16X8, |i, a| i.ineg(a)),
            Operator::I16x8Shl => self.shift_lanes(I16X8, |i, a, n| i.ishl(a, n)),
            Operator::I16x8ShrS => self.shift_lanes(I16X8, |i, a, n| i.sshr(a, n)),
            Operator::I16x8ShrU => self.shift_lanes(I16X8, |i, a, n| i.ushr(a, n)),
            Operator::I16x8Add => self.vector_binary(I16X8, |i, a, b| i.iadd(a, b)),
            Operator::I16x8Sub => self.vector_binary(I16X8, |i, a, b| i.isub(a, b)),
            Operator::I16x8Mul => self.vector_binary(I16X8, |i, a, b| i.imul(a, b)),
            Operator::I16x8AddSatS => self.vector_binary(I16X8, |i, a, b| i.sadd_sat(a, b)),
            Operator::I16x8AddSatU => self.vector_binary(I16X8, |i, a, b| i.uadd_sat(a, b)),
            Operator::I16x8SubSatS => self.vector_binary(I16X8, |i, a, b| i.ssub_sat(a, b)),
            Operator::I16x8SubSatU => self.vector_binary(I16X8, |i, a, b| i.usub_sat(a, b)),
            Operator::I16x8MinS => self.vector_binary(I16X8, |i, a, b| i.smin(a, b)),
            Operator::I16x8MinU => self.vector_binary(I16X8, |i, a, b| i.umin(a, b)),
            Operator::I16x8MaxS => self.vector_binary(I16X8, |i, a, b| i.smax(a, b)),
            Operator::I16x8MaxU => self.vector_binary(I16X8, |i, a, b| i.umax(a, b)),
            Operator::I16x8AvgrU => self.vector_binary(I16X8, |i, a, b| i.avg_round(a, b)),
            Operator::I16x8Q15MulrSatS => self.vector_binary(I16X8, |i, a, b| i.sqmul_round_sat(a, b)),
            Operator::I32x4Abs => self.vector_unary(I32X4, |i, a| i.iabs(a)),
            Operator::I32x4Neg => self.vector_unary(I32X4, |i, a| i.ineg(a)),
            Operator::I32x4Shl => self.shift_lanes(I32X4, |i, a, n| i.ishl(a, n)),
            Operator::I32x4ShrS => self.shift_lanes(I32X4, |i, a, n| i.sshr(a, n)),
            Operator::I32x4ShrU => self.shift_lanes(I32X4, |i, a, n| i.ushr(a, n)),
            Operator::I32x4Add => self.vector_binary(I32X4, |i, a, b| i.iadd(a, b)),
            Operator::I32x4Sub => self.vector_binary(I32X4, |i, a, b| i.isub(a, b)),
            Operator::I32x4Mul => self.vector_binary(I32X4, |i, a, b| i.imul(a, b)),
            Operator::I32x4MinS => self.vector_binary(I32X4, |i, a, b| i.smin(a, b)),
            Operator::I32x4MinU => self.vector_binary(I32X4, |i, a, b| i.umin(a, b)),
            Operator::I32x4MaxS => self.vector_binary(I32X4, |i, a, b| i.smax(a, b)),
            Operator::I32x4MaxU => self.vector_binary(I32X4, |i, a, b| i.umax(a, b)),
            Operator::I64x2Abs => self.vector_unary(I64X2, |i, a| i.iabs(a)),
            Operator::I64x2Neg => self.vector_unary(I64X2, |i, a| i.ineg(a)),
            Operator::I64x2Shl => self.shift_lanes(I64X2, |i, a, n| i.ishl(a, n)),
            Operator::I64x2ShrS => self.shift_lanes(I64X2, |i, a, n| i.sshr(a, n)),
            Operator::I64x2ShrU => self.shift_lanes(I64X2, |i, a, n| i.ushr(a, n)),
            Operator::I64x2Add => self.vector_binary(I64X2, |i, a, b| i.iadd(a, b)),
            Operator::I64x2Sub => self.vector_binary(I64X2, |i, a, b| i.isub(a, b)),
            Operator::I64x2Mul => self.vector_binary(I64X2, |i, a, b| i.imul(a, b)),
            _ => return false,
        }
        true
    }

    /// Between lane widths: narrowing, widening, and arithmetic that widens.
    pub(super) fn simd_widen(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16NarrowI16x8S => self.vector_binary(I16X8, |i, a, b| i.snarrow(a, b)),
            Operator::I8x16NarrowI16x8U => self.vector_binary(I16X8, |i, a, b| i.unarrow(a, b)),
            Operator::I16x8NarrowI32x4S => self.vector_binary(I32X4, |i, a, b| i.snarrow(a, b)),
            Operator::I16x8NarrowI32x4U => self.vector_binary(I32X4, |i, a, b| i.unarrow(a, b)),
            Operator::I16x8ExtendLowI8x16S => self.vector_unary(I8X16, |i, a| i.swiden_low(a)),
            Operator::I16x8ExtendLowI8x16U => self.vector_unary(I8X16, |i, a| i.uwiden_low(a)),
            Operator::I16x8ExtendHighI8x16S => self.vector_unary(I8X16, |i, a| i.swiden_high(a)),
            Operator::I16x8ExtendHighI8x16U => self.vector_unary(I8X16, |i, a| i.uwiden_high(a)),
            Operator::I32x4ExtendLowI16x8S => self.vector_unary(I16X8, |i, a| i.swiden_low(a)),
            Operator::I32x4ExtendLowI16x8U => self.vector_unary(I16X8, |i, a| i.uwiden_low(a)),
            Operator::I32x4ExtendHighI16x8S => self.vector_unary(I16X8, |i, a| i.swiden_high(a)),
            Operator::I32x4ExtendHighI16x8U => self.vector_unary(I16X8, |i, a| i.uwiden_high(a)),
            Operator::I64x2ExtendLowI32x4S => self.vector_unary(I32X4, |i, a| i.swiden_low(a)),
            Operator::I64x2ExtendLowI32x4U => self.vector_unary(I32X4, |i, a| i.uwiden_low(a)),
            Operator::I64x2ExtendHighI32x4S => self.vector_unary(I32X4, |i, a| i.swiden_high(a)),
            Operator::I64x2ExtendHighI32x4U => self.vector_unary(I32X4, |i, a| i.uwiden_high(a)),
            Operator::I16x8ExtMulLowI8x16S => self.widening_product(I8X16, |i, a| i.swiden_low(a)),
            Operator::I16x8ExtMulLowI8x16U => self.widening_product(I8X16, |i, a| i.uwiden_low(a)),
            Operator::I16x8ExtMulHighI8x16S => self.widening_product(I8X16, |i, a| i.swiden_high(a)),
            Operator::I16x8ExtMulHighI8x16U => self.widening_product(I8X16, |i, a| i.uwiden_high(a)),
            Operator::I32x4ExtMulLowI16x8S => self.widening_product(I16X8, |i, a| i.swiden_low(a)),
            Operator::I32x4ExtMulLowI16x8U => self.widening_product(I16X8, |i, a| i.uwiden_low(a)),
            Operator::I32x4ExtMulHighI16x8S => self.widening_product(I16X8, |i, a| i.swiden_high(a)),
            Operator::I32x4ExtMulHighI16x8U => self.widening_product(I16X8, |i, a| i.uwiden_high(a)),
            Operator::I64x2ExtMulLowI32x4S => self.widening_product(I32X4, |i, a| i.swiden_low(a)),
            Operator::I64x2ExtMulLowI32x4U => self.widening_product(I32X4, |i, a| i.uwiden_low(a)),
            Operator::I64x2ExtMulHighI32x4S => self.widening_product(I32X4, |i, a| i.swiden_high(a)),
            Operator::I64x2ExtMulHighI32x4U => self.widening_product(I32X4, |i, a| i.uwiden_high(a)),
            Operator::I16x8ExtAddPairwiseI8x16S => {
                self.pairwise_sum(I8X16, |i, a| i.swiden_low(a), |i, a| i.swiden_high(a))
            }
            Operator::I16x8ExtAddPairwiseI8x16U => {
                self.pairwise_sum(I8X16, |i, a| i.uwiden_low(a), |i, a| i.uwiden_high(a))
            }
            Operator::I32x4ExtAddPairwiseI16x8S => {
                self.pairwise_sum(I16X8, |i, a| i.swiden_low(a), |i, a| i.swiden_high(a))
            }
            Operator::I32x4ExtAddPairwiseI16x8U => {
                self.pairwise_sum(I16X8, |i, a| i.uwiden_low(a), |i, a| i.uwiden_high(a))
            }
            Operator::I32x4DotI16x8S => {
                let (a, b) = self.pop2_v128(I16X8);
                let dot = self.signed_dot(a, b);
                self.push_v128(dot);
            }
            _ => return false,
        }
        true
    }

    fn compare_lanes(&mut self, shape: Type, condition: IntCC) {
        self.vector_binary(shape, |i, a, b| i.icmp(condition, a, b));
    }

    fn compare_float_lanes(&mut self, shape: Type, condition: FloatCC) {
        self.vector_binary(shape, |i, a, b| i.fcmp(condition, a, b));
    }

    /// Shifts every lane by an `i32` count, modulo the lane's width.
    fn shift_lanes(&mut self, shape: Type, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value, Value) -> Value) {
        let count = self.pop();
        self.vector_unary(shape, |i, a| emit(i, a, count));
    }

    /// Multiplies one half of two vectors, widened first, so that no product overflows.
    fn widening_product(&mut self, narrow: Type, widen: impl Fn(FuncInstBuilder<'_, 'b>, Value) -> Value) {
        let (a, b) = self.pop2_v128(narrow);
        let a = widen(self.builder.ins(), a);
        let b = widen(self.builder.ins(), b);
        let product = self.builder.ins().imul(a, b);
        self.push_v128(product);
    }

    /// Adds neighbouring lanes, widened first.
    fn pairwise_sum(
        &mut self,
        narrow: Type,
        widen_low: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value,
        widen_high: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value,
    ) {
        let value = self.pop_v128(narrow);
        let low = widen_low(self.builder.ins(), value);
        let high = widen_high(self.builder.ins(), value);
        let sum = self.builder.ins().iadd_pairwise(low, high);
        self.push_v128(sum);
    }

    /// Sums of neighbouring products, of twice the lanes' width; a sum that overflows wraps.
    pub(in crate::function) fn signed_dot(&mut self, a: Value, b: Value) -> Value {
        let a_low = self.builder.ins().swiden_low(a);
        let b_low = self.builder.ins().swiden_low(b);
        let low = self.builder.ins().imul(a_low, b_low);
        let a_high = self.builder.ins().swiden_high(a);
        let b_high = self.builder.ins().swiden_high(b);
        let high = self.builder.ins().imul(a_high, b_high);
        self.builder.ins().iadd_pairwise(low, high)
    }
}
