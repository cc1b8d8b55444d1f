//! Relaxed SIMD: operators whose result the specification leaves open at the edges.
//!
//! With [`Determinism::Strict`] every choice is the one of the specification's deterministic profile,
//! on every machine. Otherwise it is the one that costs least here; the table has what that is.
//!
//! | operator | strict | relaxed, on x86-64 |
//! |---|---|---|
//! | swizzle | as `i8x16.swizzle` | `pshufb`: indices 16 to 127 wrap |
//! | trunc to signed | saturating | `cvttps2dq`: out of range and NaN are `i32::MIN` |
//! | trunc to unsigned | saturating | the same: nothing is cheaper |
//! | madd, nmadd | fused | fused where there is an instruction, rounded twice elsewhere |
//! | laneselect | bit by bit | `blendv`: each lane by its top bit (16-bit lanes, which have no such instruction, bit by bit) |
//! | min, max | as `f32x4.min` | `minps`: the second operand on NaN and on zeros |
//! | q15mulr | saturating | `pmulhrsw`: -1 × -1 wraps |
//! | dot | signed × signed, wrapping | `pmaddubsw`: signed × unsigned, saturating |

use super::Translator;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::immediates::{Ieee32, Ieee64};
use cranelift_codegen::ir::types::{F32X4, F64X2, I8X16, I16X8, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use hatchery_image::Determinism;
use hatchery_image::abi::Builtin;
use wasmparser::Operator;

/// `a * b + c`, or `c - a * b`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Product {
    Added,
    Subtracted,
}

impl Translator<'_, '_> {
    /// Relaxed SIMD operators.
    pub(super) fn relaxed(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16RelaxedSwizzle => self.relaxed_swizzle(),
            Operator::I32x4RelaxedTruncF32x4S => self.relaxed_trunc(),
            Operator::I32x4RelaxedTruncF32x4U => self.vector_unary(F32X4, |i, a| i.fcvt_to_uint_sat(I32X4, a)),
            Operator::I32x4RelaxedTruncF64x2SZero => self.relaxed_trunc_low(),
            Operator::I32x4RelaxedTruncF64x2UZero => self.saturate_unsigned_low(),
            Operator::F32x4RelaxedMadd => self.relaxed_madd(F32X4, Product::Added),
            Operator::F32x4RelaxedNmadd => self.relaxed_madd(F32X4, Product::Subtracted),
            Operator::F64x2RelaxedMadd => self.relaxed_madd(F64X2, Product::Added),
            Operator::F64x2RelaxedNmadd => self.relaxed_madd(F64X2, Product::Subtracted),
            Operator::I8x16RelaxedLaneselect => self.relaxed_laneselect(I8X16),
            Operator::I16x8RelaxedLaneselect => self.relaxed_laneselect(I16X8),
            Operator::I32x4RelaxedLaneselect => self.relaxed_laneselect(I32X4),
            Operator::I64x2RelaxedLaneselect => self.relaxed_laneselect(I64X2),
            Operator::F32x4RelaxedMin => self.relaxed_min(F32X4),
            Operator::F32x4RelaxedMax => self.relaxed_max(F32X4),
            Operator::F64x2RelaxedMin => self.relaxed_min(F64X2),
            Operator::F64x2RelaxedMax => self.relaxed_max(F64X2),
            Operator::I16x8RelaxedQ15mulrS => self.relaxed_q15mulr(),
            Operator::I16x8RelaxedDotI8x16I7x16S => {
                let (a, b) = self.pop2_v128(I8X16);
                let dot = self.relaxed_dot(a, b);
                self.push_v128(dot);
            }
            Operator::I32x4RelaxedDotI8x16I7x16AddS => self.relaxed_dot_add(),
            _ => return false,
        }
        true
    }

    /// Whether results must not depend on the machine.
    fn deterministic(&self) -> bool {
        self.env.tunables.determinism == Determinism::Strict
    }

    fn relaxed_swizzle(&mut self) {
        if !self.deterministic() && self.env.isa.has_x86_pshufb_lowering() {
            self.vector_binary(I8X16, |i, a, b| i.x86_pshufb(a, b));
        } else {
            self.vector_binary(I8X16, |i, a, b| i.swizzle(a, b));
        }
    }

    fn relaxed_trunc(&mut self) {
        if self.deterministic() {
            self.vector_unary(F32X4, |i, a| i.fcvt_to_sint_sat(I32X4, a));
        } else {
            self.vector_unary(F32X4, |i, a| i.x86_cvtt2dq(I32X4, a));
        }
    }

    /// Two wide lanes to the low two narrow lanes; spelled as the backend knows it.
    fn relaxed_trunc_low(&mut self) {
        if self.deterministic() {
            return self.saturate_signed_low();
        }
        let value = self.pop_v128(F64X2);
        let wide = self.builder.ins().x86_cvtt2dq(I64X2, value);
        let zero = self.zero_lanes(I64X2);
        let value = self.builder.ins().snarrow(wide, zero);
        self.push_v128(value);
    }

    fn relaxed_madd(&mut self, shape: Type, product: Product) {
        let (a, b, c) = self.pop3_v128(shape);
        let value = if self.env.isa.has_native_fma() {
            let a = self.signed_factor(a, product);
            self.builder.ins().fma(a, b, c)
        } else if self.deterministic() {
            let a = self.signed_factor(a, product);
            self.fma_by_lanes(shape, a, b, c)
        } else {
            self.multiply_then_add(a, b, c, product)
        };
        self.push_v128(value);
    }

    /// Negating a factor negates the exact product.
    fn signed_factor(&mut self, factor: Value, product: Product) -> Value {
        match product {
            Product::Added => factor,
            Product::Subtracted => self.builder.ins().fneg(factor),
        }
    }

    fn multiply_then_add(&mut self, a: Value, b: Value, c: Value, product: Product) -> Value {
        let ab = self.builder.ins().fmul(a, b);
        match product {
            Product::Added => self.builder.ins().fadd(ab, c),
            Product::Subtracted => self.builder.ins().fsub(c, ab),
        }
    }

    /// One call of the virtual machine per lane, for machines without the instruction.
    fn fma_by_lanes(&mut self, shape: Type, a: Value, b: Value, c: Value) -> Value {
        let builtin = if shape == F32X4 { Builtin::FmaF32 } else { Builtin::FmaF64 };
        let mut result = c;
        for lane in 0..shape.lane_count() as u8 {
            let operands = [a, b, c].map(|vector| self.builder.ins().extractlane(vector, lane));
            let value = self.builtin(builtin, &operands).expect("fused multiply-add has a result");
            result = self.builder.ins().insertlane(result, value, lane);
        }
        self.canonical_nans(shape, result)
    }

    /// The code generator makes NaNs canonical behind its own instructions, but not behind calls.
    fn canonical_nans(&mut self, shape: Type, value: Value) -> Value {
        let nan = if shape == F32X4 {
            self.builder.ins().f32const(Ieee32::NAN)
        } else {
            self.builder.ins().f64const(Ieee64::NAN)
        };
        let nans = self.builder.ins().splat(shape, nan);
        let is_nan = self.builder.ins().fcmp(FloatCC::Unordered, value, value);
        let is_nan = self.cast_v128(is_nan, shape);
        self.builder.ins().bitselect(is_nan, nans, value)
    }

    fn relaxed_laneselect(&mut self, shape: Type) {
        let (ones, zeros, mask) = self.pop3_v128(shape);
        let value = if !self.deterministic() && self.env.isa.has_blendv_lowering(shape) {
            self.builder.ins().blendv(mask, ones, zeros)
        } else {
            self.builder.ins().bitselect(mask, ones, zeros)
        };
        self.push_v128(value);
    }

    fn relaxed_min(&mut self, shape: Type) {
        if self.deterministic() {
            return self.vector_binary(shape, |i, a, b| i.fmin(a, b));
        }
        let (a, b) = self.pop2_v128(shape);
        let value = self.select_if_less(shape, (a, b), a, b);
        self.push_v128(value);
    }

    fn relaxed_max(&mut self, shape: Type) {
        if self.deterministic() {
            return self.vector_binary(shape, |i, a, b| i.fmax(a, b));
        }
        let (a, b) = self.pop2_v128(shape);
        let value = self.select_if_less(shape, (b, a), a, b);
        self.push_v128(value);
    }

    fn relaxed_q15mulr(&mut self) {
        if !self.deterministic() && self.env.isa.has_x86_pmulhrsw_lowering() {
            self.vector_binary(I16X8, |i, a, b| i.x86_pmulhrsw(a, b));
        } else {
            self.vector_binary(I16X8, |i, a, b| i.sqmul_round_sat(a, b));
        }
    }

    /// Sums of neighbouring products of bytes; those of the second operand have seven bits.
    fn relaxed_dot(&mut self, a: Value, b: Value) -> Value {
        if !self.deterministic() && self.env.isa.has_x86_pmaddubsw_lowering() {
            self.builder.ins().x86_pmaddubsw(a, b)
        } else {
            self.signed_dot(a, b)
        }
    }

    /// As [`Self::relaxed_dot`], the sums added pairwise once more, and to a third operand.
    fn relaxed_dot_add(&mut self) {
        let sum = self.pop_v128(I32X4);
        let (a, b) = self.pop2_v128(I8X16);
        let dot = self.relaxed_dot(a, b);
        let low = self.builder.ins().swiden_low(dot);
        let high = self.builder.ins().swiden_high(dot);
        let pairs = self.builder.ins().iadd_pairwise(low, high);
        let value = self.builder.ins().iadd(pairs, sum);
        self.push_v128(value);
    }
}
