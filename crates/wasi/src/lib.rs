//! WASI for guests: what a WebAssembly program may see of files, clocks, entropy, streams, arguments and
//! environment, and nothing else.
//!
//! This crate never knows how code is compiled, where an instance's memory lives, or how a call is made; it may use
//! `cap-std` and `rustix`, and of Hatchery only the face.
//!
//! It has two layers, and the lower never uses the upper; previews do not use each other:
//!
//! - [`host`]: directories, files, streams, clocks and entropy as values, with the permissions the embedder gave
//!   them. No guest pointer and no preview's numbers occur there.
//! - [`p1`]: the 46 functions of `wasi_snapshot_preview1` over that layer and over the small traits [`p1::Guest`] and
//!   [`p1::Memory`], so that they run, and are tested, over a plain vector of bytes.
//! - [`p2`]: the interfaces of WASI 0.2 over that layer.
//!
//! [`WasiCtx`] ties both together: it is what an embedder keeps in its host data. A command is run by its export `_start`, one that
//! is a component by `run` of `wasi:cli/run`; where it exits, the call ends with an error that holds an [`I32Exit`].
//!
//! ```
//! use hatchery::{Config, Engine, Linker, Module};
//! use hatchery_wasi::{I32Exit, WasiCtx, host::MemoryOutput, p1};
//!
//! let engine = Engine::new(&Config::new())?;
//! let module = Module::new(&engine, r#"
//!     (module
//!       (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
//!       (memory (export "memory") 1)
//!       (func (export "_start") (call $exit (i32.const 7))))
//! "#)?;
//! let mut linker = Linker::new(&engine);
//! p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
//! let prepared = linker.prepare(&module)?;
//!
//! let out = MemoryOutput::new(1 << 20);
//! let ctx = WasiCtx::builder()
//!     .args(["program", "one", "two"])
//!     .env("LANG", "C")
//!     .stdout(out.clone())
//!     .build();
//! let mut instance = prepared.instantiate(ctx)?;
//! let start = instance.func::<(), ()>("_start")?;
//! let status = match start.call(&mut instance, ()) {
//!     Ok(()) => 0,
//!     Err(error) => error.downcast_ref::<I32Exit>().map(|exit| exit.status()).ok_or(error)?,
//! };
//! assert_eq!((status, out.contents().len()), (7, 0));
//! # Ok::<(), hatchery::Error>(())
//! ```
//!
//! A complete host of request handlers, with a pool, limits and calls that are suspended, is the example `handler`.

mod ctx;
mod exit;
pub mod host;
pub mod p1;
pub mod p2;

pub use ctx::{WasiCtx, WasiCtxBuilder};
pub use exit::I32Exit;
pub use host::{AddressRule, DirPerms, FilePerms, Network};
