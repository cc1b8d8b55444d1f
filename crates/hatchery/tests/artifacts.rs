//! Modules in files: saved, opened, and refused where they do not fit.

#![expect(unsafe_code, reason = "opens artifacts that the test has made")]

use hatchery::{
    Allocation, Artifact, Bounds, Config, Cpu, Determinism, Engine, Error, ErrorKind, Interruption, Linker, Module,
    ModuleSet, Optimization, Pooling, Speculation,
};
use std::path::{Path, PathBuf};

const COUNTER: &str = r#"
    (module $counter
      (import "host" "step" (func $step (result i32)))
      (memory (export "memory") 1)
      (data (i32.const 8) "\05")
      (global $starts (mut i32) (i32.const 0))
      (func $start (global.set $starts (i32.add (global.get $starts) (i32.const 100))))
      (start $start)
      (func (export "next") (result i32)
        (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (call $step)))
        (i32.add (i32.load (i32.const 8)) (global.get $starts)))
      (func (export "fail") (unreachable)))"#;

fn engine(config: &Config) -> Engine {
    Engine::new(config).expect("an engine")
}

fn open(engine: &Engine, path: &Path) -> Result<Module, Error> {
    // SAFETY: the test made the file, and nobody writes to it.
    unsafe { Module::open(engine, path) }
}

fn saved(directory: &Path, config: &Config) -> PathBuf {
    let path = directory.join("counter.hatch");
    Module::new(&engine(config), COUNTER).expect("compiles").save(&path).expect("saved");
    path
}

fn runs(engine: &Engine, module: &Module) {
    let mut linker = Linker::<()>::new(engine);
    linker.func("host", "step", || 2i32).expect("defined");
    let prepared = linker.prepare(module).expect("links");
    for _ in 0..3 {
        let mut instance = prepared.instantiate(()).expect("an instance");
        let next = instance.func::<(), (i32,)>("next").expect("next");
        assert_eq!(
            [next.call(&mut instance, ()).ok(), next.call(&mut instance, ()).ok()],
            [Some((107,)), Some((109,))]
        );
        let error = instance.func::<(), ()>("fail").expect("fail").call(&mut instance, ()).expect_err("a trap");
        // Its own name, or the one that a set gives it.
        assert!(matches!(error.backtrace()[0].module(), Some("counter" | "a")));
    }
}

#[test]
fn an_opened_module_is_the_one_that_was_saved() {
    let directory = tempfile::tempdir().expect("a directory");
    let allocations = [Allocation::OnDemand, Allocation::Strict, Allocation::Pooling(Pooling::new(2))];
    for allocation in allocations {
        let config = Config::new().allocation(allocation);
        let engine = engine(&config);
        let path = saved(directory.path(), &config);
        let module = open(&engine, &path).expect("opens");
        runs(&engine, &module);
        module.verify().expect("sound");
        assert_eq!(module.serialize().expect("bytes"), std::fs::read(&path).expect("a file"));
        // What was opened can be saved again, over itself too: it is a new file.
        module.save(&path).expect("saved");
        runs(&engine, &module);
        runs(&engine, &open(&engine, &path).expect("opens again"));
    }
}

#[test]
fn another_engines_choices_are_refused_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = saved(directory.path(), &Config::new());
    let others = [
        (Config::new().interruption(Interruption::Fuel), "interruption"),
        (Config::new().bounds(Bounds::Explicit), "explicit bounds"),
        (Config::new().determinism(Determinism::Strict), "determinism"),
        (Config::new().optimization(Optimization::None), "optimization level"),
        (Config::new().speculation(Speculation::Unguarded), "speculation guards"),
        (Config::new().cpu(Cpu::Baseline), "CPU"),
        (Config::new().memory_guard(64 << 20), "guard"),
        (Config::new().table_room(7), "room of growable tables"),
    ];
    for (config, field) in others {
        let error = open(&engine(&config), &path).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Artifact);
        assert!(error.to_string().contains(field), "{field}: {error}");
        // An artifact knows what engine it wants.
        let other = saved(directory.path(), &config);
        // SAFETY: the test made the file.
        let artifact = unsafe { Artifact::open(&other) }.expect("opens");
        let engine = engine(&artifact.config());
        runs(&engine, &artifact.into_module(&engine).expect("its engine"));
        saved(directory.path(), &Config::new());
    }
}

#[test]
fn an_engine_takes_only_what_was_opened_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = saved(directory.path(), &Config::new());
    let module = open(&engine(&Config::new()), &path).expect("opens");
    let mut linker = Linker::<()>::new(&engine(&Config::new()));
    linker.func("host", "step", || 2i32).expect("defined");
    assert_eq!(linker.prepare(&module).expect_err("another engine").kind(), ErrorKind::Usage);
}

#[test]
fn a_set_opens_only_what_it_was_compiled_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = engine(&Config::new());
    let set = |name: &str| {
        let mut set = ModuleSet::new(&engine);
        let module = set.module(COUNTER).expect("text");
        set.instance(module, Some(name), &[]);
        set
    };
    let (a, b) = (set("a"), set("b"));
    let path = directory.path().join("a.hatch");
    // SAFETY: the test makes the file.
    let open = |set: &ModuleSet| unsafe { set.open(&path) };
    assert_eq!(open(&a).expect_err("no file").io_kind(), Some(std::io::ErrorKind::NotFound));
    a.compile().expect("compiles").save(&path).expect("saved");
    runs(&engine, &open(&a).expect("opens"));
    assert!(open(&b).expect_err("another source").to_string().contains("source"));
    let keys = [a.cache_key(), b.cache_key(), set("a").cache_key()].map(|key| key.expect("a key"));
    assert!(keys[0] != keys[1] && keys[0] == keys[2]);
}

#[test]
fn what_is_opened_to_be_read_is_not_run() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = saved(directory.path(), &Config::new());
    // SAFETY: the test made the file, and nobody writes to it.
    let artifact = unsafe { Artifact::open_to_read(&path) }.expect("opens");
    let engine = engine(&artifact.config());
    let module = artifact.into_module(&engine).expect("fits");
    module.verify().expect("sound");
    assert_eq!(module.inspect(), open(&engine, &path).expect("opens").inspect());
    let mut linker = Linker::<()>::new(&engine);
    linker.func("host", "step", || 1).expect("defined");
    let error = linker.prepare(&module).expect_err("it cannot run");
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("opened to be read"), "{error}");
}

#[test]
fn an_inspection_tells_what_is_in_it() {
    let engine = engine(&Config::new());
    let found = Module::new(&engine, COUNTER).expect("compiles").inspect();
    assert_eq!(found.cursor, 1, "the data segment is in the pages");
    let plan: Vec<_> = found.plan.iter().map(|step| (step.action.as_str(), step.done)).collect();
    let data = "write data segment 0 to memory 0 at 0x8";
    assert_eq!(plan, [(data, true), ("call the start function, `start`", false)]);
    let exports: Vec<_> = found.exports.iter().map(|e| (e.kind, e.name.as_str(), e.ty.as_str())).collect();
    assert_eq!(exports[..2], [("memory", "memory", "65536 bytes or more"), ("func", "next", "() -> (i32)")]);
    assert_eq!((found.imports[0].module.as_str(), found.imports[0].name.as_str()), ("host", "step"));
    assert!(found.sections.iter().map(|s| s.bytes).sum::<u64>() < found.file_bytes);
    assert!(found.slot.iter().any(|range| range.name == "memory 0" && range.bytes == 65536));
}
