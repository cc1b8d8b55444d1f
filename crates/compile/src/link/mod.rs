//! Linking: from validated modules to one resolved model of the whole set.
//!
//! Instances are linked in order. Each resolves its imports among its predecessors' exports, appends what
//! it defines to the spaces of the image, evaluates its constant expressions, and adds its steps to the
//! plan:
//!
//! 1. the budget is checked by arithmetic on counts (`budget`);
//! 2. equal types get equal numbers (`types`);
//! 3. each instance is linked (`instance`, `imports`, `consts`);
//! 4. everything gets its place in the slot.

mod budget;
mod consts;
mod imports;
mod instance;
pub(crate) mod model;
mod set;
mod types;

pub(crate) use model::*;
pub(crate) use set::Mode;
pub use set::{LinkSet, ModuleIndex, Source};

use crate::decode::{self, Allowance, Features, Module};
use crate::error::{Budget, CompileError};
use hatchery_image::Tunables;
use instance::Linker;
use rayon::prelude::*;

/// Checks that a set links: that its modules are valid, its imports are there and fit, and its memories,
/// tables and globals fit a slot. Nothing is compiled.
///
/// # Errors
///
/// Those of [`compile`](crate::compile), as far as they do not come from generating code.
pub fn check(set: &LinkSet, tunables: &Tunables, budget: &Budget) -> Result<(), CompileError> {
    let modules = decode_all(set, budget)?;
    link(set, &modules, tunables, budget).map(|_| ())
}

/// Decodes and validates every module of the set once.
pub(crate) fn decode_all(set: &LinkSet, budget: &Budget) -> Result<Vec<Module>, CompileError> {
    budget::check_instances(set, budget)?;
    let allowance = Allowance::new(budget::values_validated(set, budget));
    let decode = |bytes| decode::decode(bytes, Features::All, &allowance);
    let modules: Vec<_> = set.modules.par_iter().map(decode).collect();
    // Of several bad modules, the first is reported; what is wrong with the others, nobody asks.
    let explained =
        modules.into_iter().zip(&set.modules).enumerate().map(|(index, (module, bytes))| {
            module.map_err(|error| error.explain(bytes, index, Features::All, &allowance))
        });
    explained.collect()
}

/// Links a set whose modules have been decoded.
pub(crate) fn link(
    set: &LinkSet,
    modules: &[Module],
    tunables: &Tunables,
    budget: &Budget,
) -> Result<Link, CompileError> {
    budget::check(set, modules, budget)?;
    let mut linker = Linker::new(set, modules)?;
    for (index, spec) in set.instances.iter().enumerate() {
        linker.instance(index, spec)?;
    }
    linker.finish(tunables)
}
