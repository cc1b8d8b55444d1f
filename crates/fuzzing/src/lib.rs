//! Bodies of the fuzz targets, as functions that tests run too.
//!
//! Each takes the fuzzer's bytes and panics when it has found something. It knows the face only, but for two
//! things that a test has to do behind it: `artifact` forges hashes, and `pool` lets system calls of a pool fail. What
//! judges a run shares no code with what is judged, or is the same program in another mode.

mod artifact;
mod compare;
mod compile;
pub mod component;
mod differential;
pub mod host;
mod interface;
mod late;
mod limit;
mod modules;
mod ours;
mod paths;
#[cfg(feature = "inject")]
mod pool;
pub mod program;
mod run;
mod slots;
mod snapshot;
mod suspension;
mod typed;

pub use artifact::{Opened, artifact};
pub use compile::compile;
pub use component::{Became, ComponentOracle, OurOwnComponents, component, component_bytes};
pub use differential::{Checked, Oracle, OurOwn, differential};
#[cfg(feature = "inject")]
pub use pool::{Happened, pool};
pub use run::run;
pub use snapshot::snapshot;

/// The words in which machines say what they saw.
pub mod vocabulary {
    pub use hatchery::{FuncType, Trap, ValType};
}
