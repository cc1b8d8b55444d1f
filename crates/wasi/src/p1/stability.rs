//! What the answers of preview 1 depend on: whether a snapshot may contain them.

/// What decides how a function answers, besides what the guest did before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DependsOn {
    /// Nothing.
    Guest,
    /// What the guest is run with: arguments, environment, which descriptors are open and what they are.
    Deployment,
    /// When it is run: clocks and entropy.
    Moment,
}

/// What decides how the function of preview 1 with this name answers. What is not known counts as the moment.
///
/// All that is told a descriptor depends on the deployment, if only because another number is open there: a guest that
/// closes a directory when there is none is told so, and would go on with one that it has given up.
pub fn depends_on(name: &str) -> DependsOn {
    match name {
        "proc_exit" | "proc_raise" | "sched_yield" => DependsOn::Guest,
        "args_get"
        | "args_sizes_get"
        | "environ_get"
        | "environ_sizes_get"
        | "fd_advise"
        | "fd_allocate"
        | "fd_close"
        | "fd_datasync"
        | "fd_fdstat_get"
        | "fd_fdstat_set_flags"
        | "fd_fdstat_set_rights"
        | "fd_filestat_get"
        | "fd_filestat_set_size"
        | "fd_filestat_set_times"
        | "fd_pread"
        | "fd_prestat_dir_name"
        | "fd_prestat_get"
        | "fd_pwrite"
        | "fd_read"
        | "fd_readdir"
        | "fd_renumber"
        | "fd_seek"
        | "fd_sync"
        | "fd_tell"
        | "fd_write"
        | "poll_oneoff"
        | "sock_accept"
        | "sock_recv"
        | "sock_send"
        | "sock_shutdown" => DependsOn::Deployment,
        path if path.starts_with("path_") => DependsOn::Deployment,
        _ => DependsOn::Moment,
    }
}

#[cfg(test)]
mod tests {
    use super::super::link::{NAMES, call};
    use super::super::{Failure, Fault, Guest, Memory};
    use super::*;
    use crate::host::{Error, MemoryInput, MemoryOutput, OutputStream, Result};
    use crate::{DirPerms, FilePerms, I32Exit, WasiCtx, WasiCtxBuilder};
    use std::io::IoSlice;
    use std::path::Path;

    struct Bytes<'a>(&'a mut [u8]);

    impl Memory for Bytes<'_> {
        fn size(&self) -> u64 {
            self.0.len() as u64
        }

        fn bytes(&self, at: u32, len: u32) -> std::result::Result<&[u8], Fault> {
            self.check(at, len)?;
            Ok(&self.0[at as usize..][..len as usize])
        }

        fn bytes_mut(&mut self, at: u32, len: u32) -> std::result::Result<&mut [u8], Fault> {
            self.check(at, len)?;
            Ok(&mut self.0[at as usize..][..len as usize])
        }
    }

    struct TestGuest {
        memory: Vec<u8>,
        ctx: WasiCtx,
    }

    impl TestGuest {
        /// Its memory has, at 1, a subscription to reading descriptor 0, and at 64 a buffer of 8 bytes at 256.
        fn new(ctx: WasiCtx) -> TestGuest {
            let mut memory = vec![b'a'; 4096];
            memory[9] = 1;
            memory[17..21].copy_from_slice(&0_u32.to_le_bytes());
            memory[64..68].copy_from_slice(&256_u32.to_le_bytes());
            memory[68..72].copy_from_slice(&8_u32.to_le_bytes());
            TestGuest { memory, ctx }
        }
    }

    impl Guest for TestGuest {
        type Memory<'a> = Bytes<'a>;
        type Trap = I32Exit;

        fn split(&mut self) -> std::result::Result<(Bytes<'_>, &mut WasiCtx), Fault> {
            Ok((Bytes(&mut self.memory), &mut self.ctx))
        }

        fn check_interrupt(&mut self) -> std::result::Result<(), I32Exit> {
            Ok(())
        }
    }

    /// Takes nothing.
    struct Broken;

    impl OutputStream for Broken {
        fn write(&mut self, _: &[IoSlice<'_>]) -> Result<usize> {
            Err(Error::Os(rustix::io::Errno::PIPE))
        }

        fn flush(&mut self) -> Result<()> {
            Err(Error::Os(rustix::io::Errno::PIPE))
        }
    }

    /// What a guest has when a snapshot is made.
    fn nothing() -> WasiCtx {
        WasiCtx::builder().stdout(MemoryOutput::new(100)).stderr(MemoryOutput::new(100)).build()
    }

    /// What a guest may have when it is run.
    fn something(directory: &Path) -> WasiCtx {
        let mut builder = WasiCtxBuilder::new();
        builder
            .arg("program")
            .env("NAME", "value")
            .stdin(MemoryInput::new(&b"input"[..]))
            .stdout(Broken)
            .stderr(Broken);
        builder.preopened_dir(directory, "/", DirPerms::all(), FilePerms::all()).expect("opened").build()
    }

    /// What is given to functions behind their first argument, over and over: all the same, or to `path_link` two directories, or one
    /// buffer.
    const REST: [&[i32]; 6] = [&[0], &[1], &[3], &[64], &[0, 1, 1, 3], &[64, 1, 512]];

    /// The answer of a function, and what it wrote, when its first argument is `first` and the others are from `rest`.
    fn answer(
        name: &str,
        ctx: WasiCtx,
        first: i32,
        rest: &[i32],
    ) -> (std::result::Result<(), Failure<I32Exit>>, Vec<u8>) {
        let mut guest = TestGuest::new(ctx);
        let mut args = std::iter::once(first).chain(rest.iter().copied().cycle());
        let answer = call(name, &mut guest, || args.next().expect("endless"));
        (answer, guest.memory)
    }

    /// What only files do, of which none is open from the start, so that it answers the same. That is not relied on.
    const OF_FILES: [&str; 7] =
        ["fd_advise", "fd_allocate", "fd_filestat_set_size", "fd_pread", "fd_pwrite", "fd_seek", "fd_tell"];

    #[test]
    fn a_function_answers_the_same_in_two_deployments_exactly_when_it_depends_on_the_guest() {
        let directory = tempfile::tempdir().expect("a directory");
        let differs = |name: &str| {
            let grid = (-1..5).flat_map(|first| REST.map(|rest| (first, rest)));
            let mut differs = grid.map(|(first, rest)| {
                answer(name, nothing(), first, rest) != answer(name, something(directory.path()), first, rest)
            });
            differs.any(|differs| differs)
        };
        for name in NAMES.iter().chain(&["proc_exit"]) {
            match depends_on(name) {
                DependsOn::Guest => assert!(!differs(name), "`{name}` depends on the deployment"),
                DependsOn::Deployment if OF_FILES.contains(name) => assert!(!differs(name), "`{name}` differs"),
                DependsOn::Deployment => assert!(differs(name), "no difference of `{name}` was found"),
                DependsOn::Moment => {}
            }
        }
    }

    #[test]
    fn only_clocks_and_entropy_depend_on_the_moment() {
        let of_the_moment: Vec<_> = NAMES.iter().filter(|name| depends_on(name) == DependsOn::Moment).collect();
        assert_eq!(of_the_moment, [&"clock_res_get", &"clock_time_get", &"random_get"]);
    }

    #[test]
    fn what_is_not_known_is_not_trusted() {
        assert_eq!(depends_on("fd_write_v2"), DependsOn::Moment);
        assert_eq!(depends_on("proc_exit"), DependsOn::Guest);
    }
}
