//! What the answers of WASI 0.2 depend on: whether a snapshot may contain them.

use crate::p1::DependsOn;

/// What decides how a function of an interface answers, besides what the guest did before. The interface is named in full, with
/// its version or without; what is not known counts as the moment.
///
/// All that is done with a stream depends on the deployment, writing too: whether there is room, and whether somebody reads.
///
/// ```
/// use hatchery_wasi::p1::DependsOn;
/// use hatchery_wasi::p2::depends_on;
///
/// assert_eq!(depends_on("wasi:cli/stdout@0.2.6", "get-stdout"), DependsOn::Guest);
/// assert_eq!(depends_on("wasi:clocks/wall-clock@0.2.6", "now"), DependsOn::Moment);
/// ```
pub fn depends_on(interface: &str, name: &str) -> DependsOn {
    let interface = interface.split_once('@').map_or(interface, |(path, _)| path);
    match (interface, name) {
        ("wasi:io/error", "[method]error.to-debug-string")
        | ("wasi:cli/exit", "exit" | "exit-with-code")
        | ("wasi:cli/stdout", "get-stdout")
        | ("wasi:cli/stderr", "get-stderr") => DependsOn::Guest,
        (
            "wasi:io/streams"
            | "wasi:io/poll"
            | "wasi:cli/environment"
            | "wasi:cli/stdin"
            | "wasi:cli/terminal-input"
            | "wasi:cli/terminal-output"
            | "wasi:cli/terminal-stdin"
            | "wasi:cli/terminal-stdout"
            | "wasi:cli/terminal-stderr"
            | "wasi:filesystem/preopens"
            | "wasi:filesystem/types",
            _,
        ) => DependsOn::Deployment,
        (interface, _) if interface.starts_with("wasi:sockets/") => DependsOn::Deployment,
        _ => DependsOn::Moment,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Plain;
    use super::super::{cli, io, poll};
    use super::*;
    use crate::WasiCtx;
    use crate::host::{Error, FileType, MemoryInput, MemoryOutput, OutputStream, Result};
    use crate::p2::stream::IoError;
    use rustix::io::Errno;
    use std::fmt::Debug;
    use std::io::IoSlice;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    /// A terminal that nobody reads from.
    struct Stuck {
        write: OwnedFd,
        _read: OwnedFd,
    }

    impl Stuck {
        fn new() -> Stuck {
            let (read, write) = rustix::pipe::pipe().expect("a pipe");
            rustix::fs::fcntl_setfl(&write, rustix::fs::OFlags::NONBLOCK).expect("its own");
            while rustix::io::write(&write, &[0; 4096]).is_ok() {}
            Stuck { write, _read: read }
        }
    }

    impl OutputStream for Stuck {
        fn write(&mut self, _: &[IoSlice<'_>]) -> Result<usize> {
            Err(Error::Os(Errno::IO))
        }

        fn flush(&mut self) -> Result<()> {
            Err(Error::Os(Errno::IO))
        }

        fn watched(&self) -> Option<BorrowedFd<'_>> {
            Some(self.write.as_fd())
        }

        fn file_type(&self) -> FileType {
            FileType::CharacterDevice
        }
    }

    /// What a guest has when a snapshot is made.
    fn nothing() -> Plain {
        Plain(WasiCtx::builder().stdout(MemoryOutput::new(100)).stderr(MemoryOutput::new(100)).build())
    }

    /// What a guest may have when it is run.
    fn something() -> Plain {
        let mut builder = WasiCtx::builder();
        builder.arg("program").env("NAME", "value").stdin(MemoryInput::new(&b"input"[..]));
        Plain(builder.stdout(Stuck::new()).stderr(Stuck::new()).build())
    }

    fn stdout(host: &mut Plain) -> u32 {
        cli::output(host, 1).expect("few resources")
    }

    fn text<T: Debug>(answer: std::result::Result<T, hatchery::Error>) -> String {
        match answer {
            Ok(value) => format!("{value:?}"),
            Err(error) => format!("{error:#}"),
        }
    }

    /// An interface, a function of it, and what it answers.
    type Function = (&'static str, &'static str, fn(&mut Plain) -> String);

    const FUNCTIONS: &[Function] = &[
        ("wasi:io/error", "[method]error.to-debug-string", |host| {
            let error = host.0.resources.add(IoError(Error::Os(Errno::IO))).expect("few resources");
            text(io::to_debug_string(host, error))
        }),
        ("wasi:cli/exit", "exit", |_| format!("{:#}", cli::exit(Ok(())))),
        ("wasi:cli/exit", "exit-with-code", |_| format!("{:#}", cli::exit_with_code(3))),
        ("wasi:cli/stdout", "get-stdout", |host| text(cli::output(host, 1))),
        ("wasi:cli/stderr", "get-stderr", |host| text(cli::output(host, 2))),
        ("wasi:cli/environment", "get-environment", |host| format!("{:?}", cli::environment(host))),
        ("wasi:cli/environment", "get-arguments", |host| format!("{:?}", cli::arguments(host))),
        ("wasi:cli/terminal-stdout", "get-terminal-stdout", |host| text(cli::terminal(host, 1))),
        ("wasi:cli/terminal-stderr", "get-terminal-stderr", |host| text(cli::terminal(host, 2))),
        ("wasi:io/streams", "[method]input-stream.read", |host| {
            let input = cli::stdin(host).expect("few resources");
            text(io::read(host, input, 10))
        }),
        ("wasi:io/streams", "[method]input-stream.blocking-read", |host| {
            let input = cli::stdin(host).expect("few resources");
            format!("{:?}", host.read(input))
        }),
        ("wasi:io/streams", "[method]output-stream.check-write", |host| {
            let output = stdout(host);
            text(io::check_write(host, output))
        }),
        ("wasi:io/streams", "[method]output-stream.write", |host| {
            let output = stdout(host);
            let permit = text(io::check_write(host, output));
            permit + &text(io::write(host, output, b"x"))
        }),
        ("wasi:io/streams", "[method]output-stream.blocking-write-and-flush", |host| {
            let output = stdout(host);
            format!("{:?}", host.write(output, b""))
        }),
        ("wasi:io/streams", "[method]output-stream.flush", |host| {
            let output = stdout(host);
            text(io::flush(host, output))
        }),
        ("wasi:io/poll", "[method]pollable.ready", |host| {
            let output = stdout(host);
            let pollable = io::subscribe_output(host, output).expect("few resources");
            text(poll::ready(host, pollable))
        }),
    ];

    #[test]
    fn a_function_answers_the_same_in_two_deployments_exactly_when_it_depends_on_the_guest() {
        for (interface, name, answer) in FUNCTIONS {
            let (at_build, in_a_run) = (answer(&mut nothing()), answer(&mut something()));
            let same = depends_on(interface, name) == DependsOn::Guest;
            assert_eq!(at_build == in_a_run, same, "`{interface}` `{name}`: {at_build}, {in_a_run}");
        }
    }

    #[test]
    fn interfaces_are_known_in_every_version() {
        for version in ["", "@0.2.0", "@0.2.12"] {
            let of = |path: &str, name| depends_on(&format!("{path}{version}"), name);
            assert_eq!(of("wasi:cli/exit", "exit"), DependsOn::Guest);
            assert_eq!(of("wasi:io/streams", "[method]output-stream.blocking-splice"), DependsOn::Deployment);
            assert_eq!(of("wasi:io/streams", "[method]input-stream.read"), DependsOn::Deployment);
            assert_eq!(of("wasi:sockets/tcp", "[method]tcp-socket.start-connect"), DependsOn::Deployment);
            assert_eq!(of("wasi:random/insecure-seed", "insecure-seed"), DependsOn::Moment);
            assert_eq!(of("wasi:clocks/monotonic-clock", "subscribe-duration"), DependsOn::Moment);
        }
    }

    #[test]
    fn what_is_not_known_is_not_trusted() {
        assert_eq!(depends_on("wasi:cli/stdout-v2", "get-stdout"), DependsOn::Moment);
        assert_eq!(depends_on("wasi:cli/stdout@0.2.6", "get-width"), DependsOn::Moment);
        assert_eq!(depends_on("wasi:http/outgoing-handler@0.2.6", "handle"), DependsOn::Moment);
        assert_eq!(depends_on("", ""), DependsOn::Moment);
    }
}
