//! Scripts about components. A script is about components when it defines one.
//!
//! Components link nothing as they go, so such a script needs no plan: each component is compiled when the script
//! reaches it, and each instance is an instance of its own.

mod read;
mod run;
mod value;

pub use read::{Act, Call, Command, Script, is_about_components, read};
pub(crate) use run::run;
pub use value::Value;
