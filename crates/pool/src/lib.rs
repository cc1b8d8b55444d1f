//! The mmap-backed pool: slots that stay mapped and clean between uses, by template.
//!
//! This crate never knows WebAssembly: it sees slots, templates, pages and protections. Of the workspace it may use
//! `hatchery-alloc` only, whose [`InstanceAllocator`](hatchery_alloc::InstanceAllocator) it implements with [`Pool`].
//!
//! A released slot is reset and kept. With [`Reset::WorkingSet`] the slot's pages are write-protected outside
//! the set of pages that its users write, so that set is all that can have changed: it is copied back from a
//! pristine view, and the steady state contains no system call, no lock, no shared cache line.
//!
//! ```text
//!  pool.rs        hands out and takes back            slow.rs      what allocation tries, step by step
//!  stock.rs       what there is for one template      registry.rs  which stock gives up a slot first
//!  record.rs      one slot's life                     free/        lock-free lists, cold indices
//!  attachment.rs  a slot mapped for a template: faults, growth, preparation
//!  attach.rs      mapping it                          reset/       cleaning it, by strategy
//!  sys/           every system call there is          pages.rs     sets of pages, as plain values
//! ```
//!
//! The invariants P1 to P6 that `unsafe` blocks cite are in the module `record`.

#![cfg_attr(test, allow(clippy::single_range_in_vec_init, reason = "sets of pages are lists of ranges, some with one"))]

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("Hatchery runs on x86-64 Linux; other targets need a `sys` layer that someone can test");

mod attach;
mod attachment;
mod bits;
mod config;
mod free;
mod ground;
mod metrics;
mod pages;
mod pool;
mod record;
mod registry;
mod reset;
mod room;
mod slow;
mod steps;
mod stock;
mod sync;
mod sys;

pub use config::{Class, Discovery, Placement, PoolError, PoolOptions, Reset, Verify, WorkingSets};
pub use metrics::Metrics;
pub use pool::Pool;
#[cfg(feature = "inject")]
pub use sys::inject;
