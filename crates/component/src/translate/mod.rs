//! Component binaries to [`TreePlan`]s.
//!
//! 1. [`decode`] validates the binary, bodies of functions aside, and keeps the definitions of every component in it.
//! 2. [`inline`] evaluates the root's definitions as an abstract interpreter does: its values are core modules, core
//!    functions, component functions, instances, components with the scope they were defined in, and types without
//!    variables. Whatever runs or is called at run time is put into the plan.
//!
//! 3. [`bodies`] validates the functions of core modules that the plan does not have. Who compiles the others validates them.
//!
//! The validator has checked all types, so inlining trusts indices to be of the right kind; where one is not, the
//! error is a bug of ours. What inlining makes is counted, and more than the [`Budget`] is refused.

mod bodies;
mod budget;
mod canon;
mod decode;
mod error;
mod exports;
mod features;
mod imports;
mod inline;
mod instantiate;
mod scope;
mod types;
mod values;

#[cfg(test)]
mod tests;

pub use budget::{Budget, BudgetError};
pub use error::TranslateError;

use crate::plan::TreePlan;
use budget::Meter;
use decode::{Decoded, Program};
use std::collections::HashSet;

/// Validates a component and inlines all instantiations in it.
///
/// Functions of core modules that the plan has are not validated: whoever compiles these modules does so.
///
/// # Errors
///
/// When `bytes` are not a valid component, need a proposal that is not supported or linking at run time, or name more
/// than the default [`Budget`].
pub fn translate(bytes: &[u8]) -> Result<TreePlan, TranslateError> {
    translate_within(bytes, Budget::default())
}

/// [`translate()`] within another budget.
///
/// # Errors
///
/// Those of [`translate()`].
pub fn translate_within(bytes: &[u8], budget: Budget) -> Result<TreePlan, TranslateError> {
    let mut meter = Meter::new(budget);
    let Decoded { program, bodies, refusal } = decode::decode(bytes, &mut meter)?;
    let plan = match refusal {
        Some(refusal) => Err(refusal),
        None => inline::inline(&program, meter),
    };
    // Invalid comes before unsupported: a component that is refused is validated whole.
    let left = plan.as_ref().map(|plan| compiled(&program, plan)).unwrap_or_default();
    bodies.validate(&left).map_err(|error| features::explain(bytes, &error))?;
    plan
}

/// Validates a component, all functions included.
///
/// # Errors
///
/// When `bytes` are not a valid component, or need a proposal that is not supported.
pub fn validate(bytes: &[u8]) -> Result<(), TranslateError> {
    let Decoded { bodies, refusal, .. } = decode::decode(bytes, &mut Meter::new(Budget::default()))?;
    bodies.validate(&HashSet::new()).map_err(|error| features::explain(bytes, &error))?;
    refusal.map_or(Ok(()), Err)
}

/// Numbers of the modules that a plan has.
fn compiled(program: &Program<'_>, plan: &TreePlan) -> HashSet<usize> {
    let places: HashSet<_> = plan.modules.iter().collect();
    let modules = program.modules.iter().enumerate();
    modules.filter(|(_, module)| places.contains(&module.range)).map(|(number, _)| number).collect()
}
