//! Component binaries to [`TreePlan`]s.
//!
//! 1. [`decode`] validates the whole binary and keeps the definitions of every component in it.
//! 2. [`inline`] evaluates the root's definitions as an abstract interpreter does: its values are core modules, core
//!    functions, component functions, instances, components with the scope they were defined in, and types without
//!    variables. Whatever runs or is called at run time is put into the plan.
//!
//! The validator has checked all types, so inlining trusts indices to be of the right kind; where one is not, the
//! error is a bug of ours. What inlining makes is counted, and more than the [`Budget`] is refused.

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

/// Validates a component and inlines all instantiations in it.
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
    let program = decode::decode(bytes, &mut meter)?;
    inline::inline(&program, meter)
}
