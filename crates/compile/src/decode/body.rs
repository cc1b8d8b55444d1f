//! Validation of function bodies, and what linking needs to know of them.

use super::gc;
use std::collections::BTreeSet;
use wasmparser::{
    FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, Operator, OperatorsReader,
    ValidatorResources, WasmModuleResources,
};

/// What a body does that decides how others are compiled.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Indices of the tables that it grows.
    pub(crate) grown_tables: BTreeSet<u32>,
    /// Whether it grows a memory.
    pub(crate) grows_memory: bool,
    /// Values that its instructions take and give, with those that branches pass along; and its locals.
    pub(crate) values: u64,
}

/// Why a body is refused.
pub(crate) enum BodyError {
    Invalid(wasmparser::Error),
    NeedsGc { offset: u64, what: &'static str },
}

impl From<wasmparser::Error> for BodyError {
    fn from(error: wasmparser::Error) -> BodyError {
        BodyError::Invalid(error)
    }
}

/// Validates a body, reading it once.
pub(crate) fn validate(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    scratch: &mut FuncValidatorAllocations,
    findings: &mut Findings,
) -> Result<(), BodyError> {
    let features = function.features;
    let mut validator = function.into_validator(core::mem::take(scratch));
    let mut reader = body.get_binary_reader();
    reader.set_features(features);
    let locals = body.get_locals_reader()?;
    validator.read_locals(&mut reader)?;
    for local in locals {
        let (count, ty) = local?;
        findings.values = findings.values.saturating_add(u64::from(count));
        gc::check_value(ty).map_err(|what| BodyError::NeedsGc { offset: body.range().start, what })?;
    }
    let mut operators = OperatorsReader::new(reader);
    while !operators.eof() {
        let offset = operators.original_position();
        let op = operators.read()?;
        findings.values += values(&op, &validator);
        validator.op(offset, &op)?;
        gc::check_operator(&op).map_err(|what| BodyError::NeedsGc { offset, what })?;
        match op {
            Operator::TableGrow { table } => _ = findings.grown_tables.insert(table),
            Operator::MemoryGrow { .. } => findings.grows_memory = true,
            _ => (),
        }
    }
    operators.finish()?;
    *scratch = validator.into_allocations();
    Ok(())
}

/// Values that an instruction takes and gives; a table of branches may pass them to each of its targets.
fn values(op: &Operator<'_>, validator: &FuncValidator<ValidatorResources>) -> u64 {
    let (taken, given) = op.operator_arity(validator).unwrap_or_default();
    let times = match op {
        Operator::BrTable { targets } => 1 + u64::from(targets.len()),
        _ => 1,
    };
    (u64::from(taken) + u64::from(given)) * times
}

/// A copy of what validating a body again takes.
pub(crate) fn duplicate(function: &FuncToValidate<ValidatorResources>) -> FuncToValidate<ValidatorResources>
where
    ValidatorResources: WasmModuleResources + Clone,
{
    FuncToValidate {
        resources: function.resources.clone(),
        index: function.index,
        ty: function.ty,
        features: function.features,
    }
}
