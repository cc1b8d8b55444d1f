//! Preview 1 behind a linker: guests that are compiled, and some that were written for other hosts.

use hatchery::{Config, Engine, Error, ErrorKind, Instance, Interruption, Limits, Linker, Module, Trap};
use hatchery_wasi::host::{MemoryInput, MemoryOutput};
use hatchery_wasi::{DirPerms, FilePerms, I32Exit, WasiCtx, WasiCtxBuilder, p1};
use std::path::Path;
use std::time::{Duration, Instant};

fn instantiate(bytes: &[u8], limits: Limits, ctx: WasiCtx) -> Instance<WasiCtx> {
    let engine = Engine::new(&Config::new().interruption(Interruption::Deadline)).unwrap();
    let mut linker = Linker::new(&engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    let module = Module::new(&engine, bytes).unwrap();
    linker.prepare_with(&module, limits).unwrap().instantiate(ctx).unwrap()
}

fn start(instance: &mut Instance<WasiCtx>) -> Result<(), Error> {
    instance.func::<(), ()>("_start")?.call(instance, ())
}

/// What a program ends with: its status, 0 if it just returns.
fn status(result: Result<(), Error>) -> u8 {
    match result {
        Ok(()) => 0,
        Err(error) => error.downcast_ref::<I32Exit>().unwrap_or_else(|| panic!("{error:#}")).status(),
    }
}

/// Runs one of the project's guests; gives its status and what it wrote.
fn run(name: &str, args: &[&str], builder: &mut WasiCtxBuilder) -> (u8, String) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guests").join(name);
    let (out, err) = (MemoryOutput::new(1 << 20), MemoryOutput::new(1 << 20));
    let ctx = builder.arg("guest").args(args.iter().copied()).stdout(out.clone()).stderr(err.clone()).build();
    let status = status(start(&mut instantiate(&std::fs::read(file).unwrap(), Limits::new(), ctx)));
    (status, String::from_utf8([out.take(), err.take()].concat()).unwrap())
}

#[test]
fn a_line_is_written() {
    let out = MemoryOutput::new(100);
    let ctx = WasiCtx::builder().stdout(out.clone()).build();
    let program = br#"(module
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 8) "\10\00\00\00\06\00\00\00hello\n")
        (func (export "_start")
            (call $exit (i32.add (i32.const 200)
                (call $write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))))))"#;
    assert_eq!(status(start(&mut instantiate(program, Limits::new(), ctx))), 200);
    assert_eq!(out.contents(), b"hello\n");
}

#[test]
fn a_guest_without_a_memory_is_told_so() {
    let program = br#"(module
        (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (func (export "_start") (call $exit (call $random (i32.const 0) (i32.const 1)))))"#;
    let errno = status(start(&mut instantiate(program, Limits::new(), WasiCtx::builder().build())));
    assert_eq!(u16::from(errno), p1::Errno::Fault.number());
}

/// Asleep, a guest executes no instructions; the deadline stops it all the same.
#[test]
fn a_sleeping_guest_stops_at_its_deadline() {
    let program = br#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        ;; One subscription: the monotonic clock, in a long time.
        (data (i32.const 16) "\01\00\00\00\00\00\00\00\ff\ff\ff\ff\ff\ff\ff\00")
        (func (export "_start") (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;
    let limits = Limits::new().deadline(Duration::from_millis(100));
    let mut instance = instantiate(program, limits, WasiCtx::builder().build());
    let begun = Instant::now();
    let error = start(&mut instance).unwrap_err();
    assert_eq!((error.kind(), error.trap()), (ErrorKind::Trap, Some(Trap::DeadlineExceeded)), "{error:#}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_linker_takes_it_once() {
    let engine = Engine::new(&Config::new()).unwrap();
    let mut linker = Linker::new(&engine);
    p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap();
    assert_eq!(p1::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx).unwrap_err().kind(), ErrorKind::Usage);
}

#[test]
fn c_programs_use_what_they_are_given() {
    let kitchen = |args: &[&str], builder: &mut WasiCtxBuilder| run("c-kitchen-p1.wasm", args, builder);
    assert_eq!(kitchen(&["echo", "a", "b"], &mut WasiCtx::builder()), (0, "a b\n".into()));
    assert_eq!(kitchen(&["exit", "7"], &mut WasiCtx::builder()).0, 7);
    assert_eq!(kitchen(&["env"], WasiCtx::builder().env("A", "1")), (0, "A=1\n".into()));
    assert_eq!(kitchen(&["cat"], WasiCtx::builder().stdin(MemoryInput::new(*b"input"))), (0, "input".into()));
    assert_eq!(kitchen(&["clock"], &mut WasiCtx::builder()), (0, "1\n".into()));
    let scratch = tempfile::tempdir().unwrap();
    let (dirs, files) = (DirPerms::all(), FilePerms::all());
    let preopened = |files| {
        let mut builder = WasiCtx::builder();
        builder.preopened_dir(scratch.path(), "/data", dirs, files).unwrap();
        builder
    };
    assert_eq!(kitchen(&["fs", "/data"], &mut preopened(files)), (0, "ello 5\n".into()));
    assert_eq!(
        kitchen(&["fs", "/data"], &mut preopened(FilePerms::READ)),
        (1, "fopen: Operation not permitted\n".into())
    );
    std::fs::write(scratch.path().join("file"), "").unwrap();
    let (status, mut listed) = kitchen(&["ls", "/data"], &mut preopened(files));
    assert_eq!(
        (status, {
            listed.retain(|c| c != '\n');
            listed.len()
        }),
        (0, "...file".len())
    );
    assert_eq!(kitchen(&["ls", "/data/.."], &mut preopened(files)).0, 1);
    assert_eq!(kitchen(&["ls", "/elsewhere"], &mut preopened(files)).0, 1);
}

#[test]
fn rust_programs_use_what_they_are_given() {
    let kitchen = |args: &[&str], builder: &mut WasiCtxBuilder| run("rust-kitchen-p1.wasm", args, builder);
    let (status, text) = kitchen(&["args", "one", "two"], &mut WasiCtx::builder());
    assert!(status == 0 && text.contains("one") && text.contains("two"), "{status}: {text}");
    let scratch = tempfile::tempdir().unwrap();
    let mut builder = WasiCtx::builder();
    builder.preopened_dir(scratch.path(), "/data", DirPerms::all(), FilePerms::all()).unwrap();
    let (status, text) = kitchen(&["fs", "/data"], &mut builder);
    assert_eq!(status, 0, "{text}");
}
