//! Runs instances of images: enters and leaves guest code, catches its traps, serves its built-ins, and calls
//! host functions for it.
//!
//! This crate never knows component types, files, or how code is compiled and slots are made. It uses
//! `hatchery-alloc` and `hatchery-image`. It has two halves: `machine` knows stacks, signals and
//! activations; everything else knows instances, built on it. An image is [`Prepared`] once, with its host
//! functions; an [`Instance`] is made from that; everything in an instance is reached through an [`Access`], which the
//! owner borrows from it and a [`HostContext`] lends to the host function that is being called.

mod access;
mod beside;
mod builtins;
mod call;
mod capture;
mod exception_roots;
mod exception_search;
mod exceptions;
mod exports;
mod externref;
mod generation;
mod global;
mod guest;
mod header;
mod host;
mod instance;
mod interrupt;
mod limits;
mod machine;
mod memory;
mod poll;
mod prepared;
mod steps;
mod stop;
mod striped;
mod suspended;
mod table;
mod templates;
#[cfg(test)]
mod tests;
mod timer;

pub use access::{Access, AccessError};
pub use call::{CallError, Callee, CalleeError, Trap};
pub use exports::Export;
pub use externref::{ExternRefsExhausted, HostValue};
pub use guest::{Guest, MemoryPlaceRef, UnknownData};
pub use host::{
    ExternWord, FuncWord, HasReferences, HostContext, HostError, HostFunction, HostFuture, HostResult, HostScalar,
    HostSignature, HostType, HostValues, ImportError, IntoHostFunction,
};
pub use instance::Instance;
pub use interrupt::InterruptHandle;
pub use limits::Limits;
pub use machine::{Backtrace, Frame, HostFailure, Scrub, StackConfig, StackError, StackPool, handle_faults};
pub use memory::Memory;
pub use prepared::{PrepareImageError, Prepared, fits};
pub use steps::{StepError, StepFailure};
pub use striped::{Handle, Striped};
pub use suspended::CallFuture;
pub use templates::{Isolation, Templates};
pub use timer::start_timer;
