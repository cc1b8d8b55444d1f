//! SIMD loads and stores. Addresses and their checks are those of scalar accesses of the same size.

use super::Translator;
use cranelift_codegen::ir::types::{I8, I8X16, I16, I16X8, I32, I32X4, I64, I64X2};
use cranelift_codegen::ir::{InstBuilder, Type};
use wasmparser::{MemArg, Operator};

impl Translator<'_, '_> {
    /// SIMD operators that access memory.
    pub(super) fn simd_memory(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::V128Load { memarg } => {
                let at = self.address(memarg, 16);
                let value = self.builder.ins().load(I8X16, at.flags, at.base, at.offset);
                self.push(value);
            }
            Operator::V128Store { memarg } => {
                let value = self.pop_v128(I8X16);
                let at = self.address(memarg, 16);
                self.builder.ins().store(at.flags, value, at.base, at.offset);
            }
            _ => return self.load_widened(op) || self.load_lanes(op) || self.store_lane(op),
        }
        true
    }

    /// Loads of eight bytes, each lane widened to twice its width.
    fn load_widened(&mut self, op: &Operator<'_>) -> bool {
        let (Operator::V128Load8x8S { memarg }
        | Operator::V128Load8x8U { memarg }
        | Operator::V128Load16x4S { memarg }
        | Operator::V128Load16x4U { memarg }
        | Operator::V128Load32x2S { memarg }
        | Operator::V128Load32x2U { memarg }) = op
        else {
            return false;
        };
        let at = self.address(memarg, 8);
        let ins = self.builder.ins();
        let value = match op {
            Operator::V128Load8x8S { .. } => ins.sload8x8(at.flags, at.base, at.offset),
            Operator::V128Load8x8U { .. } => ins.uload8x8(at.flags, at.base, at.offset),
            Operator::V128Load16x4S { .. } => ins.sload16x4(at.flags, at.base, at.offset),
            Operator::V128Load16x4U { .. } => ins.uload16x4(at.flags, at.base, at.offset),
            Operator::V128Load32x2S { .. } => ins.sload32x2(at.flags, at.base, at.offset),
            _ => ins.uload32x2(at.flags, at.base, at.offset),
        };
        self.push_v128(value);
        true
    }

    /// Loads of one lane: to all lanes, to the lowest with the others zero, or into a given vector.
    fn load_lanes(&mut self, op: &Operator<'_>) -> bool {
        match op {
            Operator::V128Load8Splat { memarg } => self.load_splat(memarg, I8, I8X16),
            Operator::V128Load16Splat { memarg } => self.load_splat(memarg, I16, I16X8),
            Operator::V128Load32Splat { memarg } => self.load_splat(memarg, I32, I32X4),
            Operator::V128Load64Splat { memarg } => self.load_splat(memarg, I64, I64X2),
            Operator::V128Load32Zero { memarg } => self.load_low(memarg, I32, I32X4),
            Operator::V128Load64Zero { memarg } => self.load_low(memarg, I64, I64X2),
            Operator::V128Load8Lane { memarg, lane } => self.load_lane(memarg, I8, I8X16, *lane),
            Operator::V128Load16Lane { memarg, lane } => self.load_lane(memarg, I16, I16X8, *lane),
            Operator::V128Load32Lane { memarg, lane } => self.load_lane(memarg, I32, I32X4, *lane),
            Operator::V128Load64Lane { memarg, lane } => self.load_lane(memarg, I64, I64X2, *lane),
            _ => return false,
        }
        true
    }

    fn store_lane(&mut self, op: &Operator<'_>) -> bool {
        let (memarg, shape, lane) = match op {
            Operator::V128Store8Lane { memarg, lane } => (memarg, I8X16, lane),
            Operator::V128Store16Lane { memarg, lane } => (memarg, I16X8, lane),
            Operator::V128Store32Lane { memarg, lane } => (memarg, I32X4, lane),
            Operator::V128Store64Lane { memarg, lane } => (memarg, I64X2, lane),
            _ => return false,
        };
        let vector = self.pop_v128(shape);
        let value = self.builder.ins().extractlane(vector, *lane);
        let at = self.address(memarg, shape.lane_type().bytes());
        self.builder.ins().store(at.flags, value, at.base, at.offset);
        true
    }

    fn load_splat(&mut self, memarg: &MemArg, lane: Type, shape: Type) {
        let at = self.address(memarg, lane.bytes());
        let value = self.builder.ins().load(lane, at.flags, at.base, at.offset);
        let value = self.builder.ins().splat(shape, value);
        self.push_v128(value);
    }

    fn load_low(&mut self, memarg: &MemArg, lane: Type, shape: Type) {
        let at = self.address(memarg, lane.bytes());
        let value = self.builder.ins().load(lane, at.flags, at.base, at.offset);
        let value = self.builder.ins().scalar_to_vector(shape, value);
        self.push_v128(value);
    }

    fn load_lane(&mut self, memarg: &MemArg, lane: Type, shape: Type, index: u8) {
        let vector = self.pop_v128(shape);
        let at = self.address(memarg, lane.bytes());
        let value = self.builder.ins().load(lane, at.flags, at.base, at.offset);
        let vector = self.builder.ins().insertlane(vector, value, index);
        self.push_v128(vector);
    }
}
