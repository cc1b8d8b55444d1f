//! Preview 1 for the guests of a [`Linker`].

use super::{Failure, Fault, Guest, Memory};
use crate::{I32Exit, WasiCtx};
use hatchery::{Caller, Error, GuestMemory, Linker};

/// The name guests import the functions under.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// Defines all functions of preview 1 for guests whose host data has a context, which `get` finds.
///
/// A guest that calls `proc_exit` ends its call with an error that holds an [`I32Exit`].
///
/// # Errors
///
/// When one of them is defined already.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<(), Error> {
    define(linker, get)?;
    linker.func(MODULE, "proc_exit", move |mut caller: Caller<'_, T>, status: i32| -> Result<(), Error> {
        outcome(super::proc_exit(&mut Calling { caller: &mut caller, get }, status)).map(drop)
    })?;
    Ok(())
}

/// The guest that is calling.
struct Calling<'c, 'a, T, F> {
    caller: &'c mut Caller<'a, T>,
    get: F,
}

impl<T: 'static, F: Fn(&mut T) -> &mut WasiCtx> Guest for Calling<'_, '_, T, F> {
    type Memory<'m>
        = Lent<'m>
    where
        Self: 'm;
    type Trap = Error;

    fn split(&mut self) -> Result<(Lent<'_>, &mut WasiCtx), Fault> {
        let memory = self.caller.memory().ok_or(Fault)?;
        let (memory, data) = self.caller.memory_and_data(memory).map_err(|_| Fault)?;
        Ok((Lent(memory), (self.get)(data)))
    }

    fn check_interrupt(&mut self) -> Result<(), Error> {
        self.caller.check_interrupt()
    }
}

/// The memory of the guest that is calling.
struct Lent<'m>(GuestMemory<'m>);

impl Memory for Lent<'_> {
    fn size(&self) -> u64 {
        self.0.len()
    }

    fn bytes(&self, at: u32, len: u32) -> Result<&[u8], Fault> {
        self.0.slice(at.into(), len.into()).map_err(|_| Fault)
    }

    fn bytes_mut(&mut self, at: u32, len: u32) -> Result<&mut [u8], Fault> {
        self.0.slice_mut(at.into(), len.into()).map_err(|_| Fault)
    }
}

impl From<I32Exit> for Error {
    fn from(exit: I32Exit) -> Self {
        Self::host(exit)
    }
}

/// An answer as the guest gets it: a number, 0 for success.
fn outcome(answer: Result<(), Failure<Error>>) -> Result<i32, Error> {
    match answer {
        Ok(()) => Ok(0),
        Err(Failure::Errno(errno)) => Ok(errno.number().into()),
        Err(Failure::Trap(error)) => Err(error),
    }
}

/// Makes `define`, which defines each function listed: a closure that wraps the caller and passes its arguments on.
/// Closures of different types cannot be the rows of a table.
macro_rules! functions {
    ($($name:ident($($arg:ident: $ty:ty),*);)*) => {
        fn define<T: 'static>(
            linker: &mut Linker<T>,
            get: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
        ) -> Result<(), Error> {
            $(linker.func(
                MODULE,
                stringify!($name),
                move |mut caller: Caller<'_, T>, $($arg: $ty),*| -> Result<i32, Error> {
                    outcome(super::$name(&mut Calling { caller: &mut caller, get }, $($arg),*))
                },
            )?;)*
            Ok(())
        }

        /// The names of all functions but `proc_exit`, which answers nothing.
        #[cfg(test)]
        pub(super) const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Calls the function with this name, whose arguments are what `next` gives.
        #[cfg(test)]
        pub(super) fn call<G: Guest>(name: &str, guest: &mut G, mut next: impl FnMut() -> i32) -> super::Answer<G> {
            $(if name == stringify!($name) {
                return super::$name(guest, $({ let $arg: i32 = next(); <$ty>::from($arg) }),*);
            })*
            assert_eq!(name, "proc_exit");
            super::proc_exit(guest, next())
        }
    };
}

functions! {
    args_get(pointers: i32, strings: i32);
    args_sizes_get(count: i32, bytes: i32);
    environ_get(pointers: i32, strings: i32);
    environ_sizes_get(count: i32, bytes: i32);
    clock_res_get(id: i32, out: i32);
    clock_time_get(id: i32, precision: i64, out: i32);
    fd_advise(fd: i32, offset: i64, len: i64, advice: i32);
    fd_allocate(fd: i32, offset: i64, len: i64);
    fd_close(fd: i32);
    fd_datasync(fd: i32);
    fd_fdstat_get(fd: i32, out: i32);
    fd_fdstat_set_flags(fd: i32, flags: i32);
    fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64);
    fd_filestat_get(fd: i32, out: i32);
    fd_filestat_set_size(fd: i32, size: i64);
    fd_filestat_set_times(fd: i32, accessed: i64, modified: i64, flags: i32);
    fd_pread(fd: i32, buffers: i32, count: i32, offset: i64, out: i32);
    fd_prestat_get(fd: i32, out: i32);
    fd_prestat_dir_name(fd: i32, at: i32, len: i32);
    fd_pwrite(fd: i32, buffers: i32, count: i32, offset: i64, out: i32);
    fd_read(fd: i32, buffers: i32, count: i32, out: i32);
    fd_readdir(fd: i32, at: i32, len: i32, cookie: i64, out: i32);
    fd_renumber(from: i32, to: i32);
    fd_seek(fd: i32, offset: i64, whence: i32, out: i32);
    fd_sync(fd: i32);
    fd_tell(fd: i32, out: i32);
    fd_write(fd: i32, buffers: i32, count: i32, out: i32);
    path_create_directory(fd: i32, path: i32, len: i32);
    path_filestat_get(fd: i32, lookup: i32, path: i32, len: i32, out: i32);
    path_filestat_set_times(
        fd: i32, lookup: i32, path: i32, len: i32, accessed: i64, modified: i64, flags: i32
    );
    path_link(fd: i32, lookup: i32, path: i32, len: i32, new_fd: i32, new_path: i32, new_len: i32);
    path_open(
        fd: i32, lookup: i32, path: i32, len: i32, oflags: i32, base: i64, inheriting: i64, flags: i32, out: i32
    );
    path_readlink(fd: i32, path: i32, len: i32, at: i32, room: i32, out: i32);
    path_remove_directory(fd: i32, path: i32, len: i32);
    path_rename(fd: i32, path: i32, len: i32, new_fd: i32, new_path: i32, new_len: i32);
    path_symlink(target: i32, target_len: i32, fd: i32, path: i32, len: i32);
    path_unlink_file(fd: i32, path: i32, len: i32);
    poll_oneoff(subscriptions: i32, events: i32, count: i32, out: i32);
    proc_raise(signal: i32);
    sched_yield();
    random_get(at: i32, len: i32);
    sock_accept(fd: i32, flags: i32, out: i32);
    sock_recv(fd: i32, buffers: i32, count: i32, flags: i32, out: i32, flags_out: i32);
    sock_send(fd: i32, buffers: i32, count: i32, flags: i32, out: i32);
    sock_shutdown(fd: i32, how: i32);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn all_46_are_there() {
        let names: HashSet<_> = NAMES.iter().collect();
        assert_eq!(names.len() + 1, 46);
    }
}
