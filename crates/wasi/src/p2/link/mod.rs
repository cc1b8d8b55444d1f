//! The interfaces of WASI 0.2 for the components of a [`Linker`].

mod basics;
mod filesystem;
mod io;
mod sockets;

use super::Host;
use super::resources::Resources;
use crate::WasiCtx;
use hatchery::Error;
use hatchery::component::{Caller, Linker, Resource};

/// Defines the interfaces of `wasi:io`, `cli`, `clocks`, `random`, `filesystem` and `sockets`, in every version 0.2.x, for
/// components whose host data has a context, which `get` finds.
///
/// A component that exits ends its call with an error that holds an [`I32Exit`](crate::I32Exit).
///
/// # Errors
///
/// When something of them is defined already.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<(), Error> {
    io::add(linker, get)?;
    basics::add(linker, get)?;
    filesystem::add(linker, get)?;
    sockets::add(linker, get)
}

/// How a host data's context is found.
trait Get<T>: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static {}

impl<T, F: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static> Get<T> for F {}

/// The component that is calling.
struct Calling<'c, 'a, T, F> {
    caller: &'c mut Caller<'a, T>,
    get: F,
}

impl<T: 'static, F: Fn(&mut T) -> &mut WasiCtx> Host for Calling<'_, '_, T, F> {
    fn ctx(&mut self) -> &mut WasiCtx {
        (self.get)(self.caller.data_mut())
    }

    fn still_wanted(&mut self) -> Result<(), Error> {
        self.caller.check_interrupt()
    }
}

/// What becomes of a resource that the component drops.
fn dropping<T: 'static, R>(
    get: impl Get<T>,
) -> impl Fn(Caller<'_, T>, Resource<R>) -> Result<(), Error> + Send + Sync + 'static {
    move |mut caller, resource| {
        let resources: &mut Resources = &mut get(caller.data_mut()).resources;
        resources.remove(resource.rep());
        Ok(())
    }
}

/// A handle that the component owns.
fn own<R>(number: u32) -> Resource<R> {
    Resource::new_own(number)
}

/// Defines a function with a result: the host, its parameters with their types, and what it answers.
macro_rules! define {
    ($interface:ident, $get:ident, $name:literal, |$host:ident $(, $arg:ident: $ty:ty)*| $answer:expr) => {
        $interface.func($name, move |mut caller: Caller<'_, T>, ($($arg,)*): ($($ty,)*)| {
            let $host = &mut Calling { caller: &mut caller, get: $get };
            Ok(($answer,))
        })?
    };
}

use define;
