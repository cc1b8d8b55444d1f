//! Components that are put together by hand: core modules whose exports are what the canonical ABI asks for, and the
//! description that a translation would make of them.

mod adapted;
mod build;
mod description;
mod entering;
mod handles;
mod imports;
mod malformed;
mod named;
mod reexports;
mod smoke;
mod translated;
mod values;
