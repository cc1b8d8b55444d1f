//! What scripts have of components.
//!
//! Components link nothing as they go, so it needs no plan: each component is compiled when the script
//! reaches it, and each instance is an instance of its own.

mod read;
mod run;
mod value;

pub use read::{Act, Call, Command, Script, read};
pub(crate) use run::run;
pub use value::Value;
