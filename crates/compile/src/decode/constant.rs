//! Constant expressions as data.

use super::gc;
use wasmparser::{ConstExpr, Operator};

/// An instruction of a constant expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConstOp {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
    V128([u8; 16]),
    GlobalGet(u32),
    RefNull,
    RefFunc(u32),
    I32Add,
    I32Sub,
    I32Mul,
    I64Add,
    I64Sub,
    I64Mul,
}

/// A constant expression: a range of its module's [`ConstOps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Const {
    start: u32,
    length: u32,
}

/// Instructions of all constant expressions of a module.
#[derive(Debug, Default)]
pub(crate) struct ConstOps(Vec<ConstOp>);

/// Why an expression that the validator accepted is refused.
pub(crate) enum ConstError {
    Binary(wasmparser::Error),
    Unsupported(&'static str),
}

impl From<wasmparser::Error> for ConstError {
    fn from(error: wasmparser::Error) -> ConstError {
        ConstError::Binary(error)
    }
}

impl ConstOps {
    /// Keeps a validated expression.
    pub(crate) fn add(&mut self, expression: &ConstExpr<'_>) -> Result<Const, ConstError> {
        let start = self.0.len();
        let mut reader = expression.get_operators_reader();
        while !reader.eof() {
            let op = reader.read()?;
            gc::check_operator(&op).map_err(ConstError::Unsupported)?;
            match const_op(&op) {
                Some(op) => self.0.push(op),
                None if matches!(op, Operator::End) => {}
                None => return Err(ConstError::Unsupported("a constant expression with other instructions")),
            }
        }
        Ok(self.range(start))
    }

    /// Keeps the expression that references a function.
    pub(crate) fn add_function(&mut self, index: u32) -> Const {
        let start = self.0.len();
        self.0.push(ConstOp::RefFunc(index));
        self.range(start)
    }

    /// The expression that is the null reference.
    pub(crate) fn add_null(&mut self) -> Const {
        let start = self.0.len();
        self.0.push(ConstOp::RefNull);
        self.range(start)
    }

    /// The instructions of an expression.
    pub(crate) fn get(&self, expression: Const) -> &[ConstOp] {
        let start = expression.start as usize;
        self.0.get(start..start + expression.length as usize).unwrap_or_default()
    }

    /// A module has at most 2³² bytes and an instruction at least one, so the numbers fit.
    fn range(&self, start: usize) -> Const {
        Const { start: start as u32, length: (self.0.len() - start) as u32 }
    }
}

fn const_op(op: &Operator<'_>) -> Option<ConstOp> {
    Some(match op {
        Operator::I32Const { value } => ConstOp::I32(*value),
        Operator::I64Const { value } => ConstOp::I64(*value),
        Operator::F32Const { value } => ConstOp::F32(value.bits()),
        Operator::F64Const { value } => ConstOp::F64(value.bits()),
        Operator::V128Const { value } => ConstOp::V128(*value.bytes()),
        Operator::GlobalGet { global_index } => ConstOp::GlobalGet(*global_index),
        Operator::RefNull { .. } => ConstOp::RefNull,
        Operator::RefFunc { function_index } => ConstOp::RefFunc(*function_index),
        Operator::I32Add => ConstOp::I32Add,
        Operator::I32Sub => ConstOp::I32Sub,
        Operator::I32Mul => ConstOp::I32Mul,
        Operator::I64Add => ConstOp::I64Add,
        Operator::I64Sub => ConstOp::I64Sub,
        Operator::I64Mul => ConstOp::I64Mul,
        _ => return None,
    })
}
