//! WASI 0.2: `wasi:io`, `cli`, `clocks`, `random`, `filesystem` and `sockets` over the [host layer](crate::host).
//!
//! Each function of an interface is a function here, of a host and of plain values: handles are the numbers under
//! which the context holds a value. So they run, and are tested, without a guest. What blocks waits in slices, and asks
//! between two of them whether the guest is still wanted.

mod cli;
mod clocks;
mod filesystem;
mod fs_types;
mod io;
mod link;
mod poll;
mod refusal;
pub(crate) mod resources;
mod sockets;
mod stability;
mod stream;

pub use link::add_to_linker;
pub use refusal::Refusal;
pub use stability::depends_on;

use crate::WasiCtx;
use hatchery::Error;

/// What a function of an interface sees of the guest that called it.
pub(crate) trait Host {
    /// The guest's context.
    fn ctx(&mut self) -> &mut WasiCtx;

    /// Whether the guest is still wanted; asked between everything that can take long.
    ///
    /// # Errors
    ///
    /// When it must stop, which is then what the call ends with.
    fn still_wanted(&mut self) -> Result<(), Error>;
}

/// A value or the interface's own error for the guest, unless its call ends.
pub(crate) type Answer<T, E> = Result<Result<T, E>, Error>;

#[cfg(test)]
mod tests {
    use super::*;

    /// A host without a guest.
    pub(super) struct Plain(pub(super) WasiCtx);

    impl Host for Plain {
        fn ctx(&mut self) -> &mut WasiCtx {
            &mut self.0
        }

        fn still_wanted(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }
}
