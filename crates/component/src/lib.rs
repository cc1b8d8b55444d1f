//! From component binaries to sets of core modules, and the canonical ABI between them.
//!
//! This crate never knows allocators, slots or how code is made: it turns a component into core modules, some of
//! which it writes itself, and says how they are linked. Of the workspace it uses `hatchery-compile` and
//! `hatchery-image` only, and has no `unsafe`.
//!
//! ```text
//!  bytes ──translate──► TreePlan ──glue──► LinkSet + Meta ──hatchery-compile──► Image
//! ```
//!
//! * [`translate()`]: validates a component and inlines its instantiations.
//! * [`types`]: value types and function types, equal ones having equal numbers.
//! * [`name`]: names that the plan has once and refers to often.
//! * [`plan`]: what is left of a component tree when all instantiation is inlined: core instances, lifted and lowered
//!   functions, resources.
//! * [`abi`]: sizes, alignments and flat forms of value types.
//! * [`glue`]: the core modules between the component's own.
//! * [`mod@wrap`]: core modules with the canonical ABI's names, as components.
//! * [`meta`]: what a host must know to call exports and to be called by imports.
//! * [`check()`]: whether such a description is of an image.

pub mod abi;
mod check;
pub mod glue;
pub mod meta;
pub mod name;
pub mod plan;
mod translate;
pub mod types;
pub mod wrap;

pub use check::{Flaw, check};
pub use translate::{Budget, BudgetError, TranslateError, translate, translate_within, validate};
