//! Run WebAssembly from known-clean instances.
//!
//! This is the face of Hatchery: plain enums for every choice, opaque handles, one opaque error. It knows no logic:
//! what it shows is done by `hatchery-compile` and `hatchery-vm`, none of whose types can be seen here. The one lower
//! crate that can is `hatchery-alloc`, so that an allocator can come from outside.
//!
//! ```
//! use hatchery::{Config, Engine, Linker, Module};
//!
//! // Compile once.
//! let engine = Engine::new(&Config::new())?;
//! let module = Module::new(&engine, r#"
//!     (module
//!       (import "host" "double" (func $double (param i32) (result i32)))
//!       (func (export "run") (param i32) (result i32)
//!         (i32.add (call $double (local.get 0)) (i32.const 1))))
//! "#)?;
//!
//! // Link once: all types are checked here.
//! let mut linker = Linker::<()>::new(&engine);
//! linker.func("host", "double", |x: i32| x * 2)?;
//! let prepared = linker.prepare(&module)?;
//!
//! // Start from a clean instance as often as you like.
//! for x in 0..3 {
//!     let mut instance = prepared.instantiate(())?;
//!     let run = instance.func::<(i32,), (i32,)>("run")?;
//!     assert_eq!(run.call(&mut instance, (x,))?, (2 * x + 1,));
//! }
//! # Ok::<(), hatchery::Error>(())
//! ```

/// The examples of the README, which are compiled and run like those of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod artifact;
mod backtrace;
mod caller;
pub mod component;
mod config;
mod context;
mod convert;
mod engine;
mod error;
mod func;
mod inspection;
mod instance;
mod interrupt;
mod isolation;
mod learned;
mod limits;
mod linker;
mod memory;
mod metrics;
mod module;
mod pooling;
mod prepared;
mod raw;
mod shown;
mod snapshot;
mod step;
mod typed;
mod val;

pub use artifact::Artifact;
pub use backtrace::Frame;
pub use caller::Caller;
pub use config::{
    Allocation, Bounds, Config, Cpu, Determinism, Interruption, Optimization, Scrub, Speculation, Version,
};
pub use context::AsContext;
pub use engine::Engine;
pub use error::{Error, ErrorKind, Trap};
pub use func::{Func, TypedFunc};
pub use inspection::{CoreInstanceEntry, ExportEntry, FileRange, ImportEntry, Inspection, PlanStep, SlotRange};
pub use instance::{Extern, Instance};
pub use interrupt::InterruptHandle;
pub use isolation::{Isolation, Learning};
pub use learned::Learned;
pub use limits::Limits;
pub use linker::{HostFuture, IntoFunc, Linker};
pub use memory::{Global, GuestMemory, Memory, Table};
pub use metrics::{PoolMetrics, StackMetrics};
pub use module::{InstanceRef, Module, ModuleRef, ModuleSet};
pub use pooling::{Discovery, Placement, Pooling, Reset, Verify, WorkingSets};
pub use prepared::Prepared;
pub use shown::Shown;
pub use snapshot::{InitImports, SnapshotOptions, SnapshotReport, SnapshotStop};
pub use typed::{WasmValue, WasmValues};
pub use val::{ExternRef, FuncRef, FuncType, Val, ValType};
