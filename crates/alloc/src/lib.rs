//! Where instances live: slots of address space, made from templates, by an allocator that anybody
//! can write.
//!
//! This crate never knows WebAssembly: it sees bytes, pages, protections and ranges, no memory, no
//! table, no guest. It uses no other crate of the workspace. [`InstanceAllocator`] is the trait,
//! [`OnDemand`] the simple reference implementation that maps and unmaps, and `conformance` (behind the
//! feature of that name) the suite that every implementation is judged by.
//!
//! ```text
//!  slot base                                                          base + layout.bytes()
//!  +---------------+-----------------------------+-------+---------------------+-------+
//!  | region 0      | region 1                    | guard | region 2            | guard |
//!  | volatile      | image                       |       | image               |       |
//!  | [accessible]  | [accessible] [up to limit…] |       | [acc.] [… limit]    |       |
//!  +---------------+-----------------------------+-------+---------------------+-------+
//! ```
//!
//! Everything that is not the accessible part of a region is inaccessible.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
compile_error!("Hatchery runs on x86-64 Linux; other targets need a `sys` layer that someone can test");

mod allocator;
#[cfg(feature = "conformance")]
pub mod conformance;
mod hints;
mod layout;
mod on_demand;
mod queue;
mod sys;
mod template;
mod touched;
mod wait;

pub use allocator::{
    AllocateError, FaultVerdict, GrowError, InstanceAllocator, LayoutRefused, Learned, PrepareError, Slot, SlotToken,
    Tuning,
};
pub use hints::{Hints, Learning, Tails};
pub use layout::{LayoutFlaw, PAGE, Region, RegionKind, SlotLayout};
pub use on_demand::{OnDemand, Options, Protection};
pub use template::{Run, Template, TemplateError, TemplateId};
pub use touched::private_pages;
pub use wait::{Waiters, allocate_async, allocate_blocking};
