//! Artifacts whose files become shorter while they are in use. What fails here ends the process, so that these tests have
//! one of their own.

#![expect(unsafe_code, reason = "opens artifacts that the test has made")]

use hatchery::{Config, Engine, Error, ErrorKind, Instance, Linker, Module, Prepared, SnapshotOptions, TypedFunc};
use std::fmt::Write;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Where the text begins, and what is left of it when one page is.
const TEXT: u64 = 0x1000;
const PAGE: u64 = 0x1000;

/// Functions enough for many pages of text, with data and elements to initialize from.
fn program() -> String {
    let mut text = String::from(
        r#"(module (import "host" "back" (func $back)) (memory 1) (data $d "\2a") (table $t 4 funcref)
            (elem $e func $last $last $last)
            (func (export "data") (result i32)
              (memory.init $d (i32.const 0) (i32.const 0) (i32.const 1)) (i32.load8_u (i32.const 0)))
            (func (export "elements") (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 3)))
            (func (export "trap") unreachable)
            (func (export "through") (call $back) (drop (call $last)))"#,
    );
    for number in 0..400 {
        let _ = write!(text, "(func (export \"f{number}\") (result i32) (i32.const {number}))");
    }
    text.push_str("(func $last (export \"last\") (result i32) (i32.const 77)))");
    text
}

struct Opened {
    path: PathBuf,
    engine: Engine,
    module: Module,
    _directory: tempfile::TempDir,
}

impl Opened {
    fn new() -> Opened {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("program.hatch");
        let engine = Engine::new(&Config::new()).expect("an engine");
        Module::new(&engine, program()).expect("compiles").save(&path).expect("saved");
        // SAFETY: the test made the file; that it is shortened is what is tested, at whole pages of code.
        let module = unsafe { Module::open(&engine, &path) }.expect("opens");
        Opened { path, engine, module, _directory: directory }
    }

    /// Instances whose `host.back` shortens the file.
    fn try_prepare(&self) -> Result<Prepared<()>, Error> {
        let mut linker = Linker::new(&self.engine);
        let path = self.path.clone();
        linker.func("host", "back", move || shorten(&path, TEXT + PAGE)).expect("defined");
        linker.prepare(&self.module)
    }

    fn prepare(&self) -> Prepared<()> {
        self.try_prepare().expect("prepared")
    }
}

fn shorten(path: &Path, bytes: u64) {
    File::options().write(true).open(path).and_then(|file| file.set_len(bytes)).expect("shortened");
}

fn number(instance: &mut Instance<()>, name: &str) -> Result<i32, Error> {
    let func: TypedFunc<(), (i32,)> = instance.func(name)?;
    func.call(instance, ()).map(|(value,)| value)
}

#[track_caller]
fn withdrawn<R: std::fmt::Debug>(result: Result<R, Error>) {
    let error = result.expect_err("the file is short");
    assert_eq!(error.kind(), ErrorKind::Withdrawn, "{error:?}");
    assert!(error.to_string().contains("shortened while it was in use"), "{error}");
}

#[test]
fn code_that_vanished_ends_the_call_and_the_module() {
    let opened = Opened::new();
    let prepared = opened.prepare();
    let mut instance = prepared.instantiate(()).expect("an instance");
    let last: TypedFunc<(), (i32,)> = instance.func("last").expect("an export");
    assert_eq!(last.call(&mut instance, ()).expect("it is there"), (77,));
    shorten(&opened.path, TEXT + PAGE);
    withdrawn(last.call(&mut instance, ()));
    withdrawn(last.call(&mut instance, ()));
    withdrawn(number(&mut instance, "last"));
    withdrawn(prepared.instantiate(()));
    withdrawn(opened.try_prepare());
    // Questions are answered somehow, and do not end the process.
    assert!(opened.module.verify().is_err());
    let _ = opened.module.inspect();
    drop((instance, prepared));
    // Another one is not affected.
    let other = Opened::new();
    assert_eq!(number(&mut other.prepare().instantiate(()).expect("an instance"), "last").expect("it is there"), 77);
}

#[test]
fn code_that_vanishes_below_a_host_function_ends_the_call() {
    let opened = Opened::new();
    let mut instance = opened.prepare().instantiate(()).expect("an instance");
    let through: TypedFunc<(), ()> = instance.func("through").expect("an export");
    withdrawn(through.call(&mut instance, ()));
}

#[test]
fn maps_and_contents_that_vanished_are_not_taken_for_zeros() {
    for name in ["data", "elements", "trap"] {
        let opened = Opened::new();
        let prepared = opened.prepare();
        let mut instance = prepared.instantiate(()).expect("an instance");
        let data: TypedFunc<(), (i32,)> = instance.func("data").expect("an export");
        let other: TypedFunc<(), ()> = instance.func(if name == "data" { "trap" } else { name }).expect("an export");
        let sections = opened.module.inspect().sections;
        let text = sections.iter().find(|section| section.name == ".text").expect("text");
        shorten(&opened.path, (text.start + text.bytes).next_multiple_of(PAGE));
        match name {
            "data" => withdrawn(data.call(&mut instance, ())),
            _ => withdrawn(other.call(&mut instance, ())),
        }
        withdrawn(prepared.instantiate(()));
    }
}

#[test]
fn a_module_that_was_never_used_is_withdrawn_at_its_first_use() {
    let opened = Opened::new();
    shorten(&opened.path, TEXT);
    let used = Linker::<()>::new(&opened.engine).func("host", "back", || ()).expect("defined").prepare(&opened.module);
    match used.and_then(|prepared| prepared.instantiate(())) {
        Ok(mut instance) => withdrawn(number(&mut instance, "f1")),
        refused => withdrawn(refused),
    }
}

#[test]
fn a_file_that_becomes_short_while_a_snapshot_is_made_is_no_want_of_memory() {
    let opened = Opened::new();
    let (mut linker, path) = (Linker::<()>::new(&opened.engine), opened.path.clone());
    linker.func("host", "back", || ()).expect("defined");
    // Behind the last step, before the code is copied.
    let options = SnapshotOptions::new().export("elements").at_rest(move |()| {
        shorten(&path, TEXT + PAGE);
        Ok(())
    });
    withdrawn(opened.module.snapshot(&linker, options, || ()));
}
