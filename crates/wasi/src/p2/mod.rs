//! WASI 0.2: `wasi:io`, `cli`, `clocks`, `random`, `filesystem` and `sockets` over the [host layer](crate::host).
//!
//! Each function of an interface is a function here, of a host and of plain values: handles are the numbers under
//! which the context holds a value. So they run, and are tested, without a guest. What may have to wait is a function that
//! does a step of the work or says what to wait for; `waiting` has the two ways to do that, with the thread and without.

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
mod waiting;

pub use link::{add_to_linker, add_to_linker_async};
pub use refusal::Refusal;
pub(crate) use sockets::lookup::Threads;
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

/// A context by itself, whose guest nobody can stop.
impl Host for WasiCtx {
    fn ctx(&mut self) -> &mut WasiCtx {
        self
    }

    fn still_wanted(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// A value or the interface's own error for the guest, unless its call ends.
pub(crate) type Answer<T, E> = Result<Result<T, E>, Error>;

#[cfg(test)]
mod tests {
    use super::io::{StreamError, begin_write, blocking_read, then_flush};
    use super::poll::block;
    use super::waiting::blocking;
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

    impl Plain {
        pub(super) fn block(&mut self, pollable: u32) {
            blocking(self, |ctx| block(ctx, pollable)).unwrap();
        }

        pub(super) fn read(&mut self, input: u32) -> Result<Vec<u8>, StreamError> {
            blocking(self, |ctx| blocking_read(ctx, input, 100)).unwrap()
        }

        pub(super) fn write(&mut self, output: u32, bytes: &[u8]) -> Result<(), StreamError> {
            blocking(self, then_flush(output, |ctx| begin_write(ctx, output, bytes))).unwrap()
        }
    }
}
