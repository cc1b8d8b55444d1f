//! Why a tree cannot be put together.

/// Why a tree cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlueError {
    /// Parameters or a result are too large for any memory to hold.
    #[error("a value of {bytes} bytes is passed in memory; at most {limit} are supported")]
    TooLarge {
        /// What it takes.
        bytes: u64,
        /// What it may take.
        limit: u64,
    },
    /// What would be between components is larger than its budget.
    #[error("the code between the components' instances and their host would have more than {allowed} {what}")]
    Budget {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        allowed: u64,
    },
    /// The plan names something that it does not have, or lacks an option that validation demands.
    #[error("bug in the translation: {0} is missing")]
    Malformed(&'static str),
}
