//! Validation of function bodies, and what linking needs to know of them.

use super::allowance::{Allowance, Share};
use super::gc;
use super::handlers::InForce;
use crate::error::BudgetError;
use std::collections::BTreeSet;
use wasmparser::{
    Catch, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody, ModuleArity, Operator,
    OperatorsReader, ValidatorResources, WasmModuleResources,
};

/// What a value that a handler takes counts. It is loaded, is there at the same time as all others that the handler takes, and
/// is passed along an edge, in three bytes for a thousand of them.
const TAKEN_VALUE: u64 = 8;

/// What each handler of a call counts: an edge of the call, and a record of the image.
const HANDLER: u64 = 4;

/// What a body does that decides how others are compiled.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Indices of the tables that it grows.
    pub(crate) grown_tables: BTreeSet<u32>,
    /// Whether it grows a memory.
    pub(crate) grows_memory: bool,
    /// Values that its instructions take and give, with those that branches pass along; its locals; and what its
    /// handlers count.
    pub(crate) values: u64,
}

/// Why a body is refused.
pub(crate) enum BodyError {
    Invalid(wasmparser::Error),
    NeedsGc { offset: u64, what: &'static str },
    Budget(BudgetError),
}

impl From<BudgetError> for BodyError {
    fn from(error: BudgetError) -> BodyError {
        BodyError::Budget(error)
    }
}

impl From<wasmparser::Error> for BodyError {
    fn from(error: wasmparser::Error) -> BodyError {
        BodyError::Invalid(error)
    }
}

/// Validates a body, reading it once, as far as it has no more values than it may.
pub(crate) fn validate(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody<'_>,
    scratch: &mut FuncValidatorAllocations,
    allowance: &Allowance,
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
    let (mut share, mut in_force) = (Share::of(allowance), InForce::default());
    let mut operators = OperatorsReader::new(reader);
    while !operators.eof() {
        let offset = operators.original_position();
        let op = operators.read()?;
        let more = values(&op, &validator).saturating_add(HANDLER * in_force.next(&op));
        findings.values = findings.values.saturating_add(more);
        share.has(findings.values)?;
        validator.op(offset, &op)?;
        gc::check_operator(&op).map_err(|what| BodyError::NeedsGc { offset, what })?;
        match op {
            Operator::TableGrow { table } => _ = findings.grown_tables.insert(table),
            Operator::MemoryGrow { .. } => findings.grows_memory = true,
            _ => (),
        }
    }
    operators.finish()?;
    share.ends_with(findings.values)?;
    *scratch = validator.into_allocations();
    Ok(())
}

/// Values that an instruction takes and gives; a table of branches may pass them to each of its targets, and handlers take
/// what their tags have.
fn values(op: &Operator<'_>, validator: &FuncValidator<ValidatorResources>) -> u64 {
    let (taken, given) = op.operator_arity(validator).unwrap_or_default();
    let own = u64::from(taken) + u64::from(given);
    match op {
        Operator::BrTable { targets } => own * (1 + u64::from(targets.len())),
        Operator::TryTable { try_table } => {
            let caught = try_table.catches.iter().map(|catch| caught(catch, validator));
            own + TAKEN_VALUE * caught.sum::<u64>()
        }
        _ => own,
    }
}

/// Values that a handler takes.
fn caught(catch: &Catch, validator: &FuncValidator<ValidatorResources>) -> u64 {
    let (tag, reference) = match *catch {
        Catch::One { tag, .. } => (Some(tag), 0),
        Catch::OneRef { tag, .. } => (Some(tag), 1),
        Catch::All { .. } => (None, 0),
        Catch::AllRef { .. } => (None, 1),
    };
    let arity = tag.and_then(|tag| validator.tag_type_arity(tag));
    arity.map_or(0, |(params, _)| u64::from(params)) + reference
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
