//! Real components on the interfaces of WASI 0.2. They are looked for beside the project, and left out where they are not.

#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

use hatchery::component::{Component, Instance, Linker};
use hatchery::{Config, Engine, Error};
use hatchery_wasi::host::{MemoryInput, MemoryOutput};
use hatchery_wasi::{DirPerms, FilePerms, I32Exit, WasiCtx, WasiCtxBuilder, p2};
use std::path::PathBuf;

/// A guest's binary, if it is there.
fn guest(name: &str) -> Option<Vec<u8>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/guests").join(name);
    let bytes = std::fs::read(path).ok();
    if bytes.is_none() {
        eprintln!("left out: there is no ../shared/guests/{name}");
    }
    bytes
}

fn instance(bytes: &[u8], ctx: WasiCtx) -> Result<Instance<WasiCtx>, Error> {
    let engine = Engine::new(&Config::new())?;
    let component = Component::new(&engine, bytes)?;
    let mut linker = Linker::new(&engine);
    p2::add_to_linker(&mut linker, |ctx: &mut WasiCtx| ctx)?;
    linker.prepare(&component)?.instantiate(ctx)
}

/// What a command wrote, and how it ended: its status, or what else went wrong.
fn run(name: &str, args: &[&str], set: impl FnOnce(&mut WasiCtxBuilder)) -> Option<(String, Result<u8, String>)> {
    let out = MemoryOutput::new(1 << 20);
    let mut builder = WasiCtx::builder();
    builder.arg(name).args(args.iter().copied()).stdout(out.clone()).stderr(out.clone());
    set(&mut builder);
    let mut instance = instance(&guest(name)?, builder.build()).expect("the component can be instantiated");
    let run = instance.func::<(), (Result<(), ()>,)>(("wasi:cli/run@0.2.0", "run")).expect("it is a command");
    let ended = match run.call(&mut instance, ()) {
        Ok((result,)) => Ok(result.is_err().into()),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.status()),
            None => Err(error.to_string()),
        },
    };
    Some((String::from_utf8_lossy(&out.contents()).into_owned(), ended))
}

fn nothing(_: &mut WasiCtxBuilder) {}

#[test]
fn a_command_prints_a_line() {
    let Some((out, ended)) = run("rust-cli-hello.wasm", &[], nothing) else { return };
    assert_eq!(ended, Ok(0), "{out}");
    assert!(out.ends_with('\n') && out.len() > 5, "{out}");
}

#[test]
fn arguments_files_and_statuses_are_as_they_should_be() {
    let scratch = tempfile::tempdir().expect("a scratch directory");
    let preopen = |builder: &mut WasiCtxBuilder| {
        builder.env("KEY", "value").stdin(MemoryInput::new(&b"a line\n"[..]));
        builder.preopened_dir(scratch.path(), "/work", DirPerms::all(), FilePerms::all()).expect("it is there");
    };
    let Some((out, ended)) = run("rust-cli-kitchen.wasm", &["args", "one", "two"], preopen) else { return };
    assert_eq!(ended, Ok(0), "{out}");
    assert!(out.contains("one") && out.contains("two"), "{out}");
    let (out, ended) = run("rust-cli-kitchen.wasm", &["fs", "/work"], preopen).expect("it was there");
    assert_eq!(ended, Ok(0), "{out}");
    let (out, ended) = run("rust-cli-kitchen.wasm", &["sort", "10000"], preopen).expect("it was there");
    assert_eq!(ended, Ok(0), "{out}");
    let (_, ended) = run("rust-cli-kitchen.wasm", &["panic"], preopen).expect("it was there");
    assert!(ended.is_err(), "{ended:?}");
    let (_, ended) = run("rust-cli-kitchen.wasm", &["recurse"], preopen).expect("it was there");
    assert!(ended.is_err(), "{ended:?}");
}

#[test]
fn programs_in_c_run_adapted() {
    let Some((out, ended)) = run("c-kitchen-p2.wasm", &["echo", "hello"], nothing) else { return };
    assert_eq!(ended, Ok(0), "{out}");
    assert!(out.contains("hello"), "{out}");
    let (out, ended) =
        run("c-sqlite-p1adapted.wasm", &[":memory:", "select 1+1"], nothing).expect("it is where the other was");
    assert_eq!((out.trim(), ended), ("2", Ok(0)));
}

#[test]
fn a_composition_passes_records_and_resources() {
    let Some(bytes) = guest("rust-composed-wac.wasm") else { return };
    let out = MemoryOutput::new(1 << 20);
    let mut instance = instance(&bytes, WasiCtx::builder().stdout(out.clone()).stderr(out.clone()).build())
        .expect("the component can be instantiated");
    let run_it = instance.func::<(u32,), (String,)>("run-it").expect("it is exported");
    let (said,) = run_it.call(&mut instance, (5,)).expect("it runs");
    assert!(!said.is_empty());
}

#[test]
fn languages_with_engines_of_their_own_greet() {
    for name in ["js-pure-sm.wasm", "py-pure.wasm"] {
        // Both take long to compile without optimization.
        if std::env::var_os("HATCHERY_LARGE_GUESTS").is_none() {
            eprintln!("left out: {name} is compiled only when HATCHERY_LARGE_GUESTS is set");
            continue;
        }
        let Some(bytes) = guest(name) else { continue };
        let mut instance = instance(&bytes, WasiCtx::builder().build()).expect("the component can be instantiated");
        let greet = instance.func::<(&str,), (String,)>("greet").expect("it is exported");
        let (said,) = greet.call(&mut instance, ("you",)).expect("it greets");
        assert!(said.contains("you"), "{said}");
    }
}
