//! `start/…`: whole processes that run an artifact.
//!
//! The peer is `wasmtime run --allow-precompiled`, where `HATCHERY_WASMTIME` names that command; else `wasmtime-run`, a second
//! program of this package that does the same and nothing else. The floor is a process that does nothing.

use crate::case::{Case, Row, Skip};
use crate::measure::{self, Effort, Pair, Side, elapsed};
use crate::peer::{self, Plain};
use anyhow::Context;
use hatchery::{Config, Engine, Linker, Module, SnapshotOptions};
use hatchery_wasi::WasiCtx;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const HELLO: &str = include_str!("../../examples/hello.wat");

/// Computes for about 50 ms when it is initialized, and says so when it is started.
const INIT: &str = include_str!("kernels/init.wat");

/// All of the group.
pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("start/hello", hello), Case::new("start/snapshot-50-ms", snapshot)]
}

/// What both programs are given to run, in a folder that goes away.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> anyhow::Result<Arc<Files>> {
        Ok(Arc::new(Files { folder: tempfile::tempdir()? }))
    }

    fn ours(&self) -> PathBuf {
        self.folder.path().join("program.hatch")
    }

    fn peer(&self) -> PathBuf {
        self.folder.path().join("program.cwasm")
    }
}

/// Who the peer is.
enum Peer {
    /// The command of Wasmtime.
    Command(PathBuf),
    /// The program of this package.
    Program(PathBuf),
}

impl Peer {
    fn find() -> anyhow::Result<Peer> {
        let Some(path) = std::env::var_os("HATCHERY_WASMTIME").map(PathBuf::from) else {
            return Ok(Peer::Program(program("wasmtime-run", "cargo build --release -p hatchery-benches --bins")?));
        };
        let output = Command::new(&path).arg("--version").output();
        let output = output.with_context(|| format!("HATCHERY_WASMTIME names {}", path.display()))?;
        let version = String::from_utf8_lossy(&output.stdout);
        anyhow::ensure!(
            version.starts_with("wasmtime 48."),
            "{} is {:?} and not version 48 of Wasmtime",
            path.display(),
            version.trim()
        );
        Ok(Peer::Command(path))
    }

    fn path(&self) -> &Path {
        let (Peer::Command(path) | Peer::Program(path)) = self;
        path
    }

    /// What comes before the name of the file.
    fn args(&self) -> &'static [&'static str] {
        match self {
            Peer::Command(_) => &["run", "--allow-precompiled"],
            Peer::Program(_) => &[],
        }
    }

    fn config(&self) -> &'static str {
        match self {
            Peer::Command(_) => "wasmtime run --allow-precompiled",
            Peer::Program(_) => "wasmtime-run of this package in place of `wasmtime run --allow-precompiled`",
        }
    }

    /// Compiles what it is given to run.
    fn precompile(&self, wat: &str, files: &Files) -> anyhow::Result<()> {
        match self {
            Peer::Command(path) => {
                let source = files.folder.path().join("program.wat");
                std::fs::write(&source, wat)?;
                let compiled = Command::new(path).arg("compile").arg(source).arg("-o").arg(files.peer()).status()?;
                anyhow::ensure!(compiled.success(), "{} compile failed", path.display());
            }
            Peer::Program(_) => {
                let module = wasmtime::Module::new(&peer::engine()?, wat::parse_str(wat)?).plain()?;
                std::fs::write(files.peer(), module.serialize().plain()?)?;
            }
        }
        Ok(())
    }
}

/// From the start to the end of the process.
fn hello(effort: &Effort) -> anyhow::Result<Row> {
    let files = Files::new()?;
    Module::new(&Engine::new(&Config::new())?, HELLO)?.save(files.ours())?;
    let (ours, peer) = (our_program()?, Peer::find()?);
    peer.precompile(HELLO, &files)?;
    check(&ours, &["run"], &files.ours(), "Hello from a clean instance\n")?;
    check(peer.path(), peer.args(), &files.peer(), "Hello from a clean instance\n")?;
    let mut pair = Pair {
        ours: process(files.clone(), ours, &["run"], Files::ours),
        peer: process(files.clone(), peer.path().into(), peer.args(), Files::peer),
        floor: Some(process(files, "/bin/true".into(), &[], Files::ours)),
    };
    let outcome = measure::compare(&mut pair, effort);
    let mut row = Row::timed(&outcome, format!("{}, module compiled before", peer.config()));
    row.our_config = "hatchery run, artifact; start to end of the process".to_owned();
    Ok(row)
}

/// From the start of the process to the first thing that the guest says.
fn snapshot(effort: &Effort) -> anyhow::Result<Row> {
    let files = Files::new()?;
    let engine = Engine::new(&Config::new())?;
    let mut linker = Linker::new(&engine);
    hatchery_wasi::p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    let fresh = || WasiCtx::builder().build();
    let (initialized, report) = Module::new(&engine, INIT)?.snapshot(&linker, SnapshotOptions::new(), fresh)?;
    anyhow::ensure!(report.steps_left() == 0, "the snapshot is not complete: {report}");
    initialized.save(files.ours())?;
    let (ours, peer) = (our_program()?, Peer::find()?);
    peer.precompile(INIT, &files)?;
    check(&ours, &["run"], &files.ours(), "ready\n")?;
    check(peer.path(), peer.args(), &files.peer(), "ready\n")?;
    let mut pair = Pair {
        ours: first_byte(files.clone(), ours, &["run"], Files::ours),
        peer: first_byte(files, peer.path().into(), peer.args(), Files::peer),
        floor: None,
    };
    let outcome = measure::compare(&mut pair, effort);
    let mut row = Row::timed(&outcome, format!("{}, module compiled before, initialized each time", peer.config()));
    row.our_config = "hatchery run, artifact with a snapshot; to the first byte of output".to_owned();
    Ok(row)
}

fn our_program() -> anyhow::Result<PathBuf> {
    program("hatchery", "cargo build --release -p hatchery-cli")
}

/// A program beside this one.
fn program(name: &str, how: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    match path.exists() {
        true => Ok(path),
        false => Err(Skip(format!("there is no {name} beside this program; `{how}` makes it")).into()),
    }
}

/// Whether a program prints what it should.
fn check(program: &Path, args: &[&str], file: &Path, expected: &str) -> anyhow::Result<()> {
    let output = Command::new(program).args(args).arg(file).output()?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(printed == expected, "{} prints {printed:?}: {complaint}", program.display());
    Ok(())
}

/// Processes from start to end.
fn process(files: Arc<Files>, program: PathBuf, args: &'static [&'static str], file: fn(&Files) -> PathBuf) -> Side {
    elapsed(move |count| {
        for _ in 0..count {
            let mut command = Command::new(&program);
            command.args(args).arg(file(&files)).stdin(Stdio::null()).stdout(Stdio::null());
            let status = command.status().expect("a process");
            assert!(status.success(), "{} failed", program.display());
        }
    })
}

/// Processes from start to the first byte that they print.
fn first_byte(files: Arc<Files>, program: PathBuf, args: &'static [&'static str], file: fn(&Files) -> PathBuf) -> Side {
    Box::new(move |count| {
        let once = |_| -> anyhow::Result<Duration> {
            let start = Instant::now();
            let mut command = Command::new(&program);
            command.args(args).arg(file(&files)).stdin(Stdio::null()).stdout(Stdio::piped());
            let mut child = command.spawn()?;
            child.stdout.as_mut().context("no output")?.read_exact(&mut [0])?;
            let time = start.elapsed();
            child.wait()?;
            Ok(time)
        };
        (0..count).map(once).sum::<anyhow::Result<Duration>>().expect("a process that prints")
    })
}
