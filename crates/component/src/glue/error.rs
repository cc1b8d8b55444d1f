//! Why a tree cannot be put together.

/// Why a tree cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GlueError {
    /// The root exports a function that it imports.
    #[error("export `{name}` is a function that the component imports; a host cannot call itself through a component")]
    Reexport {
        /// The export's name.
        name: String,
    },
    /// Parameters or a result are too large for any memory to hold.
    #[error("a value of {bytes} bytes is passed in memory; at most {limit} are supported")]
    TooLarge {
        /// What it takes.
        bytes: u64,
        /// What it may take.
        limit: u64,
    },
    /// The plan names something that it does not have, or lacks an option that validation demands.
    #[error("bug in the translation: {0} is missing")]
    Malformed(&'static str),
}
