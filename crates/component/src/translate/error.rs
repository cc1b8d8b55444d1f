//! Why there is no plan.

use super::budget::BudgetError;

/// Why a component could not be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranslateError {
    /// The bytes are not a component, or not a valid one, whatever proposals are supported.
    #[error("invalid component: {message} (at offset {offset:#x})")]
    Invalid {
        /// Where in the binary.
        offset: usize,
        /// What is wrong.
        message: String,
    },
    /// The component uses a proposal that is not supported.
    #[error("the {proposal} proposal is not supported: {message} (at offset {offset:#x})")]
    Unsupported {
        /// The proposal's name.
        proposal: &'static str,
        /// Where in the binary.
        offset: usize,
        /// What needs it.
        message: String,
    },
    /// The root imports something that contains code.
    #[error(
        "the component imports the {sort} `{name}`, which would have to be linked at run time; \
         compose it into the component first"
    )]
    RunTimeLinking {
        /// `"core module"` or `"component"`.
        sort: &'static str,
        /// Its name, after those of the instances that it would be in.
        name: String,
    },
    /// The component is larger than its budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// A mistake of the translation's own.
    #[error("bug in the translation of components: {0}")]
    Internal(&'static str),
}
