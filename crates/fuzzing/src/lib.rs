//! Bodies of the fuzz targets, as functions that tests run too.
//!
//! Each takes the fuzzer's bytes and panics when it has found something. It knows the face only; what
//! judges a run shares no code with what is judged, or is the same program in another mode.

mod compile;
mod modules;
mod run;
mod snapshot;

pub use compile::compile;
pub use run::run;
pub use snapshot::snapshot;
