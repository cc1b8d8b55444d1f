//! Components that are put together by hand: core modules whose exports are what the canonical ABI asks for, and the
//! description that a translation would make of them.

mod accepted;
mod adapted;
mod build;
mod description;
mod entering;
mod handles;
mod imports;
mod initialized;
mod malformed;
mod named;
mod passed;
mod reexports;
mod smoke;
mod snapshots;
mod translated;
mod values;
