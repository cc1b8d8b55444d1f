//! Preview 1: `wasi_snapshot_preview1`, all of it.
//!
//! Each function of the interface is a Rust function of the same name over a [`Guest`]: its arguments are the guest's
//! integers, its answer is `Ok`, an [`Errno`] for the guest, or a trap. None of them writes to the guest's memory
//! before everything that can be checked has been; none allocates what a guest's number asks for without a bound; none
//! waits longer than a slice without asking whether the guest is still wanted.
//!
//! | part | functions |
//! |---|---|
//! | `args` | `args_*`, `environ_*` |
//! | `clock`, `random`, `process` | `clock_*`; `random_get`; `proc_*`, `sched_yield` |
//! | `fd_io` | `fd_read`, `fd_write`, `fd_pread`, `fd_pwrite` |
//! | `fd_pos` | `fd_seek`, `fd_tell`, `fd_advise`, `fd_allocate`, `fd_sync`, `fd_datasync` |
//! | `fd_stat` | `fd_fdstat_*`, `fd_filestat_*` |
//! | `fd_table` | `fd_close`, `fd_renumber`, `fd_prestat_*` |
//! | `fd_readdir`, `path`, `path_open` | directories |
//! | `poll` | `poll_oneoff` |
//! | `sock` | `sock_*`, which there are none to use with |
//!
//! **Rights.** Of the rights that a guest asks for when it opens something, reading and writing count; the others come
//! with its kind, whether asked for or not, as programs that open directories do not ask for all that they use. What a
//! kind of thing cannot do has the error of POSIX: `badf`, `spipe`. A guest can give up rights
//! (`fd_fdstat_set_rights`), for good; what it has given up is `notcapable`, but for transfers, which are then as if it had not been
//! opened for them. What the *embedder* does not allow (see [`DirPerms`](crate::DirPerms)) is `perm`, and is learned
//! when it is tried.

mod args;
mod clock;
mod encode;
mod errno;
mod fd_io;
mod fd_pos;
mod fd_readdir;
mod fd_stat;
mod fd_table;
mod guest;
mod iovec;
mod link;
mod path;
mod path_open;
mod poll;
mod process;
mod random;
mod rights;
mod sock;
mod stability;
mod table;

pub use args::{args_get, args_sizes_get, environ_get, environ_sizes_get};
pub use clock::{clock_res_get, clock_time_get};
pub use errno::Errno;
pub use fd_io::{fd_pread, fd_pwrite, fd_read, fd_write};
pub use fd_pos::{fd_advise, fd_allocate, fd_datasync, fd_seek, fd_sync, fd_tell};
pub use fd_readdir::fd_readdir;
pub use fd_stat::{
    fd_fdstat_get, fd_fdstat_set_flags, fd_fdstat_set_rights, fd_filestat_get, fd_filestat_set_size,
    fd_filestat_set_times,
};
pub use fd_table::{fd_close, fd_prestat_dir_name, fd_prestat_get, fd_renumber};
pub use guest::{Answer, Failure, Fault, Guest, Memory};
pub use link::{MODULE, add_to_linker};
pub use path::{
    path_create_directory, path_filestat_get, path_filestat_set_times, path_link, path_readlink, path_remove_directory,
    path_rename, path_symlink, path_unlink_file,
};
pub use path_open::path_open;
pub use poll::poll_oneoff;
pub use process::{proc_exit, proc_raise, sched_yield};
pub use random::random_get;
pub use rights::{FdFlags, Rights};
pub use sock::{sock_accept, sock_recv, sock_send, sock_shutdown};
pub use stability::{DependsOn, depends_on};

pub(crate) use table::Table;
