//! The interfaces of WASI 0.2 for the components of a [`Linker`].

mod basics;
mod filesystem;
mod io;
mod sockets;
mod ways;

use super::Host;
use super::resources::Held;
use super::stream::split;
use crate::WasiCtx;
use hatchery::Error;
use hatchery::component::{Caller, Linker, Resource};
use ways::{Blocking, Suspending, Way};

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
    add(linker, get, Blocking)
}

/// As [`add_to_linker`], but while a component waits (for a deadline, a socket, a pipe, or the first of several) no thread
/// does: its call is suspended, which any executor can go on with. Exports of such components are called by `call_async`.
/// Regular files are read and written in place, which does not count as waiting.
///
/// A call that waits ends when its future is dropped, and when its instance is asked to stop.
///
/// # Errors
///
/// When something of the interfaces is defined already.
pub fn add_to_linker_async<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<(), Error> {
    add(linker, get, Suspending)
}

fn add<T: 'static>(linker: &mut Linker<T>, get: impl Get<T>, way: impl Way<T>) -> Result<(), Error> {
    io::add(linker, get, way)?;
    basics::add(linker, get)?;
    filesystem::add(linker, get)?;
    sockets::add(linker, get)
}

/// How a host data's context is found.
trait Get<T>: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static {}

impl<T, F: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static> Get<T> for F {}

/// The component that is calling.
struct Calling<'a, T, F> {
    caller: Caller<'a, T>,
    get: F,
}

impl<T: 'static, F: Fn(&mut T) -> &mut WasiCtx> Host for Calling<'_, T, F> {
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
        let (table, resources) = split(get(caller.data_mut()));
        if let Some(Held::Output(output)) = resources.remove(resource.rep()) {
            output.finish(table);
        }
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
        $interface.func($name, move |caller: Caller<'_, T>, ($($arg,)*): ($($ty,)*)| {
            let $host = &mut Calling { caller, get: $get };
            Ok(($answer,))
        })?
    };
}

use define;
