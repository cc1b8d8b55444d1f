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
//! [`WasiCtx`] ties both together: it is what an embedder keeps in its host data.
//!
//! ```
//! use hatchery_wasi::{WasiCtx, host::MemoryOutput};
//!
//! let out = MemoryOutput::new(1 << 20);
//! let ctx = WasiCtx::builder()
//!     .args(["program", "one", "two"])
//!     .env("LANG", "C")
//!     .stdout(out.clone())
//!     .build();
//! assert!(out.contents().is_empty());
//! # drop(ctx);
//! ```

mod ctx;
mod exit;
pub mod host;
pub mod p1;
pub mod p2;

pub use ctx::{WasiCtx, WasiCtxBuilder};
pub use exit::I32Exit;
pub use host::{AddressRule, DirPerms, FilePerms, Network};
