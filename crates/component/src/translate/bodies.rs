//! Bodies of the functions of a component's core modules. Whoever compiles a module validates its bodies, so that only
//! those of modules that nobody compiles are left to us.

use rayon::prelude::*;
use std::collections::HashSet;
use wasmparser::{FuncToValidate, FuncValidatorAllocations, FunctionBody, ValidatorResources};

/// A body, the number of its module, and what it takes to validate it.
type Body<'a> = (usize, FuncToValidate<ValidatorResources>, FunctionBody<'a>);

/// Bodies, in the order of the binary.
#[derive(Default)]
pub(super) struct Bodies<'a>(Vec<Body<'a>>);

impl<'a> Bodies<'a> {
    pub(super) fn push(&mut self, module: usize, function: FuncToValidate<ValidatorResources>, body: FunctionBody<'a>) {
        self.0.push((module, function, body));
    }

    /// Validates all bodies but those of modules that are `left` to others; of several errors, the first in the binary is
    /// reported.
    pub(super) fn validate(self, left: &HashSet<usize>) -> Result<(), wasmparser::Error> {
        let ours = self.0.into_par_iter().filter(|(module, ..)| !left.contains(module));
        let results: Vec<_> = ours.map_init(FuncValidatorAllocations::default, check).collect();
        results.into_iter().collect()
    }
}

fn check(scratch: &mut FuncValidatorAllocations, (_, function, body): Body<'_>) -> Result<(), wasmparser::Error> {
    let mut validator = function.into_validator(std::mem::take(scratch));
    let result = validator.validate(&body);
    *scratch = validator.into_allocations();
    result
}
