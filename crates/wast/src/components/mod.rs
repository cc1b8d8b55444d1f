//! Scripts about components. A script is about components when it defines one.
//!
//! Components link nothing as they go, so such a script needs no plan. It is read here; its assertions are counted as
//! skipped when it is run.

mod read;
mod value;

pub use read::{Act, Call, Command, Script, is_about_components, read};
pub use value::Value;
