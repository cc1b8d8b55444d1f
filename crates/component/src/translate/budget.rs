//! The link budget of translation: what inlining makes is counted while it is made.
//!
//! Two kilobytes of component can name millions of instances, so a limit is reached before memory or time is.

use super::error::TranslateError;

/// What translating a component may take. What its core modules take is checked when they are linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Component instances, the root included.
    pub component_instances: u64,
    /// Instances of core modules.
    pub core_instances: u64,
    /// Definitions, over all component instances. A definition counts once more for each of its parts (imports bound,
    /// fields, exports) and for each 32 bytes of names in it.
    pub definitions: u64,
    /// Component instances that are being instantiated at the same time, and instances inside each other.
    pub depth: u64,
    /// Parts of one value type, with all types in it written out.
    pub type_parts: u64,
    /// Value types inside each other.
    pub type_depth: u64,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget {
            component_instances: 10_000,
            core_instances: 10_000,
            definitions: 1_000_000,
            depth: 100,
            type_parts: 100_000,
            type_depth: 100,
        }
    }
}

/// Which part of the budget a component exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the component has, with all instances made, more than {allowed} {what}")]
pub struct BudgetError {
    /// What there is too much of.
    pub what: &'static str,
    /// How much there may be.
    pub allowed: u64,
}

/// What has been used of a [`Budget`].
pub(super) struct Meter {
    budget: Budget,
    definitions: u64,
}

impl Meter {
    pub(super) fn new(budget: Budget) -> Meter {
        Meter { budget, definitions: 0 }
    }

    /// Counts a definition with `parts` parts and `names` bytes of names.
    pub(super) fn define(&mut self, parts: usize, names: usize) -> Result<(), TranslateError> {
        let cost = 1 + parts as u64 + names as u64 / 32;
        self.definitions = self.definitions.saturating_add(cost);
        within("definitions", self.definitions, self.budget.definitions)
    }

    pub(super) fn component_instances(&self, count: usize) -> Result<(), TranslateError> {
        within("component instances", count as u64, self.budget.component_instances)
    }

    pub(super) fn core_instances(&self, count: usize) -> Result<(), TranslateError> {
        within("core instances", count as u64, self.budget.core_instances)
    }

    pub(super) fn depth(&self, depth: u64) -> Result<(), TranslateError> {
        within("instances inside each other", depth, self.budget.depth)
    }

    pub(super) fn value_type(&self, parts: u64, depth: u64) -> Result<(), TranslateError> {
        within("parts in one type", parts, self.budget.type_parts)?;
        within("value types inside each other", depth, self.budget.type_depth)
    }
}

fn within(what: &'static str, used: u64, allowed: u64) -> Result<(), TranslateError> {
    if used <= allowed { Ok(()) } else { Err(BudgetError { what, allowed }.into()) }
}
