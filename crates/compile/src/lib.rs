//! From WebAssembly modules to an [`Image`](hatchery_image::Image): validation, static linking, code
//! generation.
//!
//! This crate never knows processes, mappings or hosts: it turns bytes into bytes and tables, calls no
//! code that it generates, and has no `unsafe`. Of the workspace it uses `hatchery-image` only.
//!
//! ```text
//!  bytes ──decode──► Module (validated once) ─┐
//!                                             ├─link──► Linked ──function──► code ──assemble──► Image
//!  LinkSet: which module, which imports ──────┘            └──────thunk─────►
//! ```
//!
//! * `decode`: one module, validated, its sections as data. Nothing behind it sees invalid input.
//! * [`LinkSet`], `link`: which instances there are, what their imports mean, where everything is in a
//!   slot, what the initialization plan says. All constant expressions are evaluated here.
//! * `function`: one function body to the code generator's form.
//! * `inline`: small functions in the place of calls to them.
//! * `thunk`: code that no module contains: ways in and out of guest code.
//! * `assemble`: one blob of code, its maps, its pages.

mod assemble;
mod codegen;
mod compile;
mod decode;
mod error;
mod function;
mod initial;
mod inline;
mod isa;
mod link;
mod signature;
mod sinking;
mod symbol;
mod thunk;

pub use codegen::Progress;
#[doc(hidden)]
pub use compile::clif;
#[cfg(test)]
pub(crate) use compile::clif_inlined;
pub use compile::{cache_key, compile, compile_for, compile_parts, compile_with};
pub use decode::{Features, validate, validate_as};
pub use error::{Budget, BudgetError, CompileError, LinkError, Refusal};
pub use link::{LinkSet, ModuleIndex, Source, check};
