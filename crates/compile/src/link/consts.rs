//! Evaluation of constant expressions, all of it at link time.

use super::model::{ConstValue, LinkedInstance, at};
use crate::decode::ConstOp;
use crate::error::CompileError;

/// The value of a validated constant expression of `instance`. Globals that it reads come earlier and are
/// immutable, so their values are known.
pub(super) fn evaluate(
    ops: &[ConstOp],
    instance: &LinkedInstance,
    globals: &[ConstValue],
) -> Result<ConstValue, CompileError> {
    let mut stack = Vec::new();
    for op in ops {
        let value = match *op {
            ConstOp::I32(value) => word(value as u32),
            ConstOp::I64(value) => long(value as u64),
            ConstOp::F32(bits) => word(bits),
            ConstOp::F64(bits) => long(bits),
            ConstOp::V128(bytes) => ConstValue::Bits(u128::from_le_bytes(bytes)),
            ConstOp::GlobalGet(index) => at(globals, at(&instance.globals, index)?.0)?,
            ConstOp::RefNull => ConstValue::Null,
            ConstOp::RefFunc(index) => ConstValue::Func(at(&instance.funcs, index)?, at(&instance.func_types, index)?),
            ConstOp::I32Add => binary(&mut stack, |a, b| (a as u32).wrapping_add(b as u32).into())?,
            ConstOp::I32Sub => binary(&mut stack, |a, b| (a as u32).wrapping_sub(b as u32).into())?,
            ConstOp::I32Mul => binary(&mut stack, |a, b| (a as u32).wrapping_mul(b as u32).into())?,
            ConstOp::I64Add => binary(&mut stack, u64::wrapping_add)?,
            ConstOp::I64Sub => binary(&mut stack, u64::wrapping_sub)?,
            ConstOp::I64Mul => binary(&mut stack, u64::wrapping_mul)?,
        };
        stack.push(value);
    }
    stack.pop().ok_or_else(malformed)
}

/// The value of an offset expression, an `i32` or `i64` taken as unsigned.
pub(super) fn evaluate_offset(
    ops: &[ConstOp],
    instance: &LinkedInstance,
    globals: &[ConstValue],
) -> Result<u64, CompileError> {
    match evaluate(ops, instance, globals)? {
        ConstValue::Bits(bits) => Ok(bits as u64),
        _ => Err(malformed()),
    }
}

fn word(value: u32) -> ConstValue {
    ConstValue::Bits(value.into())
}

fn long(value: u64) -> ConstValue {
    ConstValue::Bits(value.into())
}

fn binary(stack: &mut Vec<ConstValue>, operation: impl Fn(u64, u64) -> u64) -> Result<ConstValue, CompileError> {
    match (stack.pop(), stack.pop()) {
        (Some(ConstValue::Bits(b)), Some(ConstValue::Bits(a))) => Ok(long(operation(a as u64, b as u64))),
        _ => Err(malformed()),
    }
}

fn malformed() -> CompileError {
    CompileError::Internal("the validator accepted a malformed constant expression".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(ops: &[ConstOp], globals: &[ConstValue]) -> u128 {
        let ids = (0..globals.len() as u32).map(hatchery_image::GlobalId).collect();
        let instance = LinkedInstance { globals: ids, ..LinkedInstance::default() };
        match evaluate(ops, &instance, globals) {
            Ok(ConstValue::Bits(bits)) => bits,
            other => panic!("not a number: {other:?}"),
        }
    }

    #[test]
    fn arithmetic_wraps_in_its_width() {
        use ConstOp::*;
        assert_eq!(bits(&[I32(-1), I32(2), I32Add], &[]), 1);
        assert_eq!(bits(&[I32(1), I32(2), I32Sub], &[]), 0xffff_ffff);
        assert_eq!(bits(&[I32(1 << 16), I32(1 << 16), I32Mul], &[]), 0);
        assert_eq!(bits(&[I64(-1), I64(2), I64Add], &[]), 1);
        assert_eq!(bits(&[I64(1), I64(2), I64Sub], &[]), u64::MAX.into());
        assert_eq!(bits(&[I64(1 << 32), I64(1 << 31), I64Mul], &[]), 1 << 63);
    }

    #[test]
    fn operands_are_in_order_and_globals_are_read() {
        use ConstOp::*;
        let globals = [ConstValue::Bits(40)];
        assert_eq!(bits(&[GlobalGet(0), I32(2), I32Add, I32(3), I32Sub], &globals), 39);
    }

    #[test]
    fn a_malformed_expression_is_an_error() {
        let instance = LinkedInstance::default();
        assert!(evaluate(&[], &instance, &[]).is_err());
        assert!(evaluate(&[ConstOp::I32Add], &instance, &[]).is_err());
        assert!(evaluate(&[ConstOp::GlobalGet(0)], &instance, &[]).is_err());
    }
}
