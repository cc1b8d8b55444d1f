//! Host functions: closures that guest code calls.
//!
//! A closure becomes a [`HostFunction`]: the closure, and one or two *shims* that compiled code can call,
//! instantiated for the closure's type. The shim is entered on the guest's stack through the import's thunk, with the
//! address of its own [`HostCall`](hatchery_image::abi::HostCall), where the closure is found.
//!
//! # Rules of the shims
//!
//! * **S1.** A shim is called by the thunk of an import whose entry has the closure that the shim is for: a
//!   [`HostTable`] puts both in one entry; a counted function's shim does the same for the function it counts; nothing
//!   else makes entries. So `environment` is an `F`.
//! * **S2.** The instance's host data is a `T`: functions, prepared image and instance have the same `T`.
//! * **S3.** The closure runs inside [`guard`]: neither its panic nor its error passes the shim as anything but a value.
//! * **S4.** A failure is raised from a frame that owns nothing (rule 2 of [`machine`](crate::machine)): the shim's own locals are
//!   scalars by then, and the failure itself is moved.
//! * **S5.** A reference that the closure returns is checked before guest code, which trusts it, gets it.
//!
//! A call can be suspended only by the host function that the outermost activation on the stack called. So no other
//! host function's frame is ever on a suspended stack, and none goes on running after its call was cancelled.

mod context;
mod counted;
mod dynamic;
mod function;
mod in_place;
mod pending;
mod scalar;
mod suspending;
mod table;
mod typed;

pub use context::HostContext;
pub use function::{HostFunction, HostSignature};
pub use in_place::HasReferences;
pub(crate) use pending::Pending;
pub use scalar::{ExternWord, FuncWord, HostResult, HostScalar, HostType, HostValues};
pub use suspending::HostFuture;
pub(crate) use table::HostTable;
pub use table::ImportError;
pub use typed::IntoHostFunction;

/// What a host function fails with.
pub type HostError = Box<dyn std::error::Error + Send + Sync>;
