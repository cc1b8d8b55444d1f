//! Fixed-width SIMD, memory accesses (`simd_memory`) and relaxed operators (`relaxed`) excepted.
//!
//! A `v128` has no shape in WebAssembly; each operator reads it as the lanes it wants. On the operand
//! stack (and in locals, globals and signatures) every vector is `i8x16`, so that values that meet in a
//! block parameter have one type. Operators cast on the way in and out, which costs nothing: all shapes
//! live in the same registers, lane 0 in the lowest bytes.

mod float;
mod int;
mod lanes;

use super::Translator;
use cranelift_codegen::ir::{Type, Value};
use cranelift_frontend::FuncInstBuilder;
use wasmparser::Operator;

impl<'b> Translator<'_, 'b> {
    /// Translates a SIMD or relaxed SIMD operator; false when `op` is none.
    pub(crate) fn simd(&mut self, op: &Operator<'_>) -> bool {
        self.simd_memory(op)
            || self.simd_bits(op)
            || self.simd_lanes(op)
            || self.simd_compare(op)
            || self.simd_int(op)
            || self.simd_widen(op)
            || self.simd_float(op)
            || self.simd_convert(op)
            || self.relaxed(op)
    }

    /// Pops three vectors, the deepest one first.
    pub(super) fn pop3_v128(&mut self, shape: Type) -> (Value, Value, Value) {
        let (b, c) = self.pop2_v128(shape);
        (self.pop_v128(shape), b, c)
    }

    /// Replaces the vector on top of the stack.
    pub(super) fn vector_unary(&mut self, shape: Type, emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value) -> Value) {
        let a = self.pop_v128(shape);
        let result = emit(self.builder.ins(), a);
        self.push_v128(result);
    }

    /// Replaces the two vectors on top of the stack; the deeper one is the first operand.
    pub(super) fn vector_binary(
        &mut self,
        shape: Type,
        emit: impl FnOnce(FuncInstBuilder<'_, 'b>, Value, Value) -> Value,
    ) {
        let (a, b) = self.pop2_v128(shape);
        let result = emit(self.builder.ins(), a, b);
        self.push_v128(result);
    }
}
