//! Vectors as bits and as rows of lanes: nothing here depends on what a lane means.

use super::Translator;
use cranelift_codegen::ir::types::{F32X4, F64X2, I8, I8X16, I16, I16X8, I32, I32X4, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type, Value};
use wasmparser::Operator;

impl Translator<'_, '_> {
    /// Constants and whole-vector bit operations.
    pub(super) fn simd_bits(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::V128Const { value } => {
                let value = self.v128_const(u128::from_le_bytes(*value.bytes()));
                self.push(value);
            }
            Operator::V128Not => self.vector_unary(I8X16, |i, a| i.bnot(a)),
            Operator::V128And => self.vector_binary(I8X16, |i, a, b| i.band(a, b)),
            Operator::V128AndNot => self.vector_binary(I8X16, |i, a, b| i.band_not(a, b)),
            Operator::V128Or => self.vector_binary(I8X16, |i, a, b| i.bor(a, b)),
            Operator::V128Xor => self.vector_binary(I8X16, |i, a, b| i.bxor(a, b)),
            Operator::V128Bitselect => {
                let (ones, zeros, mask) = self.pop3_v128(I8X16);
                let value = self.builder.ins().bitselect(mask, ones, zeros);
                self.push(value);
            }
            Operator::V128AnyTrue => {
                let value = self.pop_v128(I8X16);
                let any = self.builder.ins().vany_true(value);
                self.push_bool(any);
            }
            Operator::I8x16AllTrue => self.all_true(I8X16),
            Operator::I16x8AllTrue => self.all_true(I16X8),
            Operator::I32x4AllTrue => self.all_true(I32X4),
            Operator::I64x2AllTrue => self.all_true(I64X2),
            Operator::I8x16Bitmask => self.bitmask(I8X16),
            Operator::I16x8Bitmask => self.bitmask(I16X8),
            Operator::I32x4Bitmask => self.bitmask(I32X4),
            Operator::I64x2Bitmask => self.bitmask(I64X2),
            _ => return false,
        }
        true
    }

    /// Moving lanes: splat, extract, replace, shuffle, swizzle.
    pub(super) fn simd_lanes(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::I8x16Splat => self.splat(I8X16),
            Operator::I16x8Splat => self.splat(I16X8),
            Operator::I32x4Splat => self.splat(I32X4),
            Operator::I64x2Splat => self.splat(I64X2),
            Operator::F32x4Splat => self.splat(F32X4),
            Operator::F64x2Splat => self.splat(F64X2),
            Operator::I8x16ExtractLaneS { lane } => self.extract_signed(I8X16, *lane),
            Operator::I8x16ExtractLaneU { lane } => self.extract_unsigned(I8X16, *lane),
            Operator::I16x8ExtractLaneS { lane } => self.extract_signed(I16X8, *lane),
            Operator::I16x8ExtractLaneU { lane } => self.extract_unsigned(I16X8, *lane),
            Operator::I32x4ExtractLane { lane } => self.extract(I32X4, *lane),
            Operator::I64x2ExtractLane { lane } => self.extract(I64X2, *lane),
            Operator::F32x4ExtractLane { lane } => self.extract(F32X4, *lane),
            Operator::F64x2ExtractLane { lane } => self.extract(F64X2, *lane),
            Operator::I8x16ReplaceLane { lane } => self.replace(I8X16, *lane),
            Operator::I16x8ReplaceLane { lane } => self.replace(I16X8, *lane),
            Operator::I32x4ReplaceLane { lane } => self.replace(I32X4, *lane),
            Operator::I64x2ReplaceLane { lane } => self.replace(I64X2, *lane),
            Operator::F32x4ReplaceLane { lane } => self.replace(F32X4, *lane),
            Operator::F64x2ReplaceLane { lane } => self.replace(F64X2, *lane),
            Operator::I8x16Swizzle => self.vector_binary(I8X16, |i, a, b| i.swizzle(a, b)),
            Operator::I8x16Shuffle { lanes } => {
                let mask = self.builder.func.dfg.immediates.push(lanes.to_vec().into());
                self.vector_binary(I8X16, |i, a, b| i.shuffle(a, b, mask));
            }
            _ => return false,
        }
        true
    }

    fn all_true(&mut self, shape: Type) {
        let value = self.pop_v128(shape);
        let all = self.builder.ins().vall_true(value);
        self.push_bool(all);
    }

    fn bitmask(&mut self, shape: Type) {
        let value = self.pop_v128(shape);
        let mask = self.builder.ins().vhigh_bits(I32, value);
        self.push(mask);
    }

    fn splat(&mut self, shape: Type) {
        let lane = self.pop_lane(shape);
        let value = self.builder.ins().splat(shape, lane);
        self.push_v128(value);
    }

    fn extract(&mut self, shape: Type, lane: u8) {
        let value = self.pop_v128(shape);
        let value = self.builder.ins().extractlane(value, lane);
        self.push(value);
    }

    fn extract_signed(&mut self, shape: Type, lane: u8) {
        let value = self.pop_v128(shape);
        let value = self.builder.ins().extractlane(value, lane);
        let value = self.builder.ins().sextend(I32, value);
        self.push(value);
    }

    fn extract_unsigned(&mut self, shape: Type, lane: u8) {
        let value = self.pop_v128(shape);
        let value = self.builder.ins().extractlane(value, lane);
        let value = self.builder.ins().uextend(I32, value);
        self.push(value);
    }

    fn replace(&mut self, shape: Type, lane: u8) {
        let value = self.pop_lane(shape);
        let vector = self.pop_v128(shape);
        let vector = self.builder.ins().insertlane(vector, value, lane);
        self.push_v128(vector);
    }

    /// Pops a scalar as one lane of `shape`; 8- and 16-bit lanes are `i32` on the stack.
    fn pop_lane(&mut self, shape: Type) -> Value {
        let value = self.pop();
        match shape.lane_type() {
            lane @ (I8 | I16) => self.builder.ins().ireduce(lane, value),
            _ => value,
        }
    }
}
